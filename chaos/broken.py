"""Copies of docherd, each broken at one place, to see whether anybody notices."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from chaos.command import ROOT, Product

SOURCES = ROOT / "src" / "docherd"


@dataclass(frozen=True, slots=True)
class Breakage:
    """One change of the sources, and who is expected to notice it."""

    name: str
    title: str
    #: below src/docherd
    file: str
    #: there once, or the breakage is no longer one
    old: str
    new: str
    #: of ``sections.broken.SUITES``; tried in this order
    suites: tuple[str, ...]


BREAKAGES = (
    Breakage(
        "renamed-first",
        "a part is renamed into data/ before the ledger has committed it",
        "segment.py",
        """\
                self._ledger.write_part(made.part, cleared=True)
            self._publish(made.part)
""",
        """\
                self._publish(made.part)
                self._ledger.write_part(made.part, cleared=True)
""",
        ("kills of a run", "cuts"),
    ),
    Breakage(
        "not-synced",
        "results are not synced before they are committed",
        "segment.py",
        "            host.sync_data(self._fd)\n            self._part = part\n",
        "            self._part = part\n",
        ("cuts",),
    ),
    Breakage(
        "committed-first",
        "the ledger commits before the results are synced",
        "segment.py",
        """\
        if part is not self._part and part is not None:
            host.sync_data(self._fd)
            self._part = part
        self._ledger.commit(placed, part, note)
""",
        """\
        self._ledger.commit(placed, part, note)
        if part is not self._part and part is not None:
            host.sync_data(self._fd)
            self._part = part
""",
        ("failed syncs of a run", "cuts"),
    ),
    Breakage(
        "committed-before-written",
        "the ledger commits before the results are written",
        "segment.py",
        """\
        part, placed = self._append(outcomes)
        if part is not self._part and part is not None:
            host.sync_data(self._fd)
            self._part = part
        self._ledger.commit(placed, part, note)
""",
        """\
        write_all, late = jsonl.write_all, []
        jsonl.write_all = lambda *each: late.append(each)
        part, placed = self._append(outcomes)
        jsonl.write_all = write_all
        self._ledger.commit(placed, part, note)
        for each in late:
            write_all(*each)
        if part is not self._part and part is not None:
            host.sync_data(self._fd)
            self._part = part
""",
        ("kills of a run",),
    ),
    Breakage(
        "never-charged",
        "a document that kills the whole engine is not charged for it",
        "ledger.py",
        "                    self._outcomes.interrupt(document, most)\n",
        "                    pass\n",
        ("a deadly document",),
    ),
    Breakage(
        "cleaned",
        "data/ is cleaned at the start",
        "start.py",
        "    segment.recover()\n",
        """\
    for each in folder.data.iterdir():
        each.unlink()
    segment.recover()
""",
        ("kills of a resume",),
    ),
    Breakage(
        "tail-kept",
        "what was never committed is not cut off",
        "segment.py",
        "            os.ftruncate(self._fd, part.size)\n            os.fsync(self._fd)\n",
        "            pass\n",
        ("kills of a resume",),
    ),
    Breakage(
        "not-published",
        "what was committed and not yet renamed is not published by the next start",
        "segment.py",
        """\
        for part in parts:
            if part.sealed:
                self._publish(part)
""",
        "",
        ("kills of a run",),
    ),
)


def copy(breakage: Breakage | None, folder: Path) -> Product:
    """docherd as it is now, but for the breakage, in a folder of its own."""
    target = folder / "docherd"
    shutil.copytree(SOURCES, target, ignore=shutil.ignore_patterns("__pycache__"))
    if breakage:
        file = target / breakage.file
        text = file.read_text()
        if text.count(breakage.old) != 1:
            raise ValueError(f"{breakage.file} is not as {breakage.name} expects it")
        file.write_text(text.replace(breakage.old, breakage.new))
    return Product(str(folder))
