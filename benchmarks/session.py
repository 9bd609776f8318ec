"""What a section is given: how large, how often, where to work, and what was made already."""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import command, trees
from benchmarks.command import Ran


@dataclass(frozen=True, slots=True)
class Session:
    """One call of ``python -m benchmarks``."""

    #: everything temporary lies below it
    work: Path
    rounds: int
    #: of all counts and waits; 1 but for smoke tests
    scale: float
    #: a folder of PDFs
    pdfs: Path

    def count(self, full: int, least: int = 100) -> int:
        """A number of documents at this scale."""
        return max(min(least, full), int(full * self.scale))

    def seconds(self, full: float) -> float:
        """A time to wait at this scale."""
        return max(2.0, full * self.scale)

    def say(self, text: str) -> None:
        """A line of progress."""
        print(f"{time.strftime('%H:%M:%S')}  {text}", file=sys.stderr, flush=True)

    # ── what sections share, made when first asked for ───────────────────────────────────────

    def files(self, count: int) -> Path:
        """A folder of small files."""
        return self._made(f"files-{count}", lambda folder: trees.files(folder, count))

    def links(self, count: int) -> Path:
        """A folder of hard links, and a list of them beside it."""
        return self._made(f"links-{count}", lambda folder: trees.links(folder, count))

    def copies(self, originals: list[str], count: int) -> Path:
        """A folder of copies."""
        return self._made(f"copies-{count}", lambda folder: trees.copies(folder, originals, count))

    def _made(self, name: str, make: Callable[[Path], Path]) -> Path:
        folder = self.work / name
        if not folder.exists():
            self.say(f"making {name}")
            make(folder)
        return folder

    def fresh(self, name: str) -> Path:
        """A path where nothing is."""
        path = self.work / name
        if path.exists():
            shutil.rmtree(path)
        return path

    def notes(self) -> Path:
        """An empty folder for what functions note."""
        folder = self.fresh("notes")
        folder.mkdir()
        return folder

    def noted(self) -> list[dict[str, Any]]:
        """What they noted, one for each process."""
        return [json.loads(path.read_text()) for path in sorted((self.work / "notes").iterdir())]

    # ── measurements ─────────────────────────────────────────────────────────────────────────

    def run(self, words: list[str], **options: Any) -> Ran:  # noqa: ANN401 - those of command.run
        """One command to its end; says what failed."""
        ran = command.run(words, self.work, **options)
        if ran.error:
            self.say(f"    {'' if ran.given_up else 'failed: '}{ran.error}")
        return ran
