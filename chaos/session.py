"""What a section is given: how much, from which seed, and where to work."""

from __future__ import annotations

import shutil
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from chaos.command import Product

#: times that SOAK=1 does what is done by chance
SOAK = 10


@dataclass(frozen=True, slots=True)
class Session:
    """One call of ``python -m chaos``."""

    #: everything temporary lies below it
    work: Path
    #: of all counts; 1 but for smoke tests
    scale: float = 1.0
    #: SOAK=1 was in the environment
    soak: bool = False
    #: for whatever is left to chance
    seed: int = 1
    #: the docherd that is put to the test; a broken copy, at times
    product: Product = field(default_factory=Product)
    #: which of the section `points` are run; all where empty
    scenarios: tuple[str, ...] = ()

    def count(self, full: int, least: int = 1) -> int:
        """A number at this scale; SOAK=1 makes it larger."""
        return max(min(least, full), int(full * self.scale * (SOAK if self.soak else 1)))

    @property
    def every(self) -> int:
        """Of points that are enumerated: 1 takes them all, 10 each tenth."""
        return max(1, round(1 / self.scale))

    def say(self, text: str) -> None:
        """A line of progress."""
        print(f"{time.strftime('%H:%M:%S')}  {text}", file=sys.stderr, flush=True)

    def fresh(self, name: str) -> Path:
        """A new, empty folder."""
        path = self.work / name
        if path.exists():
            shutil.rmtree(path)
        path.mkdir(parents=True)
        return path
