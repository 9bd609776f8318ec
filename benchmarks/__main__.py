"""Measure, and write the page.

python -m benchmarks                           the default sections → docs/benchmarks.md
python -m benchmarks --only noop --only pdf    some; the others stay as they were measured last
python -m benchmarks --page                    the page again, from what was measured
python -m benchmarks --scale 0.01 --to smoke.md    does it all work?
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks import page, results
from benchmarks.command import ROOT
from benchmarks.machine import machine, versions
from benchmarks.results import Measured
from benchmarks.sections import SECTIONS, Section
from benchmarks.session import Session

#: temporary files, on the file system of the repository
WORK = ROOT / "benchmarks" / ".work"
#: real PDFs, where there are any
CORPUS, EXAMPLES = ROOT.parent / "shared" / "corpus", ROOT / "examples" / "documents"


@dataclass(frozen=True, slots=True)
class Asked:
    """The command line."""

    only: list[str]
    rounds: int
    scale: float
    pdfs: Path
    work: Path
    to: Path | None
    page: bool

    def words(self, section: Section) -> str:
        """The command that measures a section so again."""
        words = ["python -m benchmarks", f"--only {section.name}", f"--rounds {self.rounds}"]
        return " ".join(words + ([f"--scale {self.scale:g}"] if self.scale != 1 else []))


def main() -> None:
    """Measure unless told not to; then the page, of this and of earlier measurements."""
    asked = _asked(sys.argv[1:])
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # what is temporary is removed then too
    if not asked.page:
        asked.work.mkdir(parents=True, exist_ok=True)
        with (
            tempfile.TemporaryDirectory(prefix="run-", dir=asked.work.resolve()) as work,
            tempfile.TemporaryDirectory(prefix="ray-") as short,
        ):
            os.environ["RAY_TMPDIR"] = short  # its sockets allow no longer path
            _measure(asked, Session(Path(work), asked.rounds, asked.scale, asked.pdfs.resolve()))
    _write_page(asked)


def _asked(words: Sequence[str]) -> Asked:
    names = [section.name for section in SECTIONS]
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__.split(".")[0])
    pdfs = CORPUS if CORPUS.is_dir() else EXAMPLES
    parser.add_argument("--only", action="append", choices=names, default=[], metavar="NAME")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--scale", type=float, default=1.0, help="of all counts, for smoke tests")
    parser.add_argument("--pdfs", type=Path, default=pdfs, help="a folder of PDFs")
    parser.add_argument("--work", type=Path, default=WORK, help="for temporary files")
    parser.add_argument("--to", type=Path, help="the page (default: docs/benchmarks.md)")
    parser.add_argument("--page", action="store_true", help="only write the page")
    asked = Asked(**vars(parser.parse_args(words)))
    if asked.scale != 1 and asked.to is None:
        parser.error("--scale needs --to: a smoke test does not replace docs/benchmarks.md")
    return asked


def _measure(asked: Asked, session: Session) -> None:
    for section in SECTIONS:
        if section.name not in asked.only and (asked.only or not section.default):
            continue
        session.say(section.name)
        begin = time.monotonic()
        found = Measured(
            section=section.name,
            date=time.strftime("%Y-%m-%d"),
            command=asked.words(section),
            rounds=asked.rounds,
            scale=asked.scale,
            machine=machine(session.work),
            versions=versions(),
            data=section.measure(session),
        )
        results.write(found)
        session.say(f"{section.name} took {time.monotonic() - begin:,.0f} s")


def _write_page(asked: Asked) -> None:
    every = {each.name: results.read(each.name, asked.scale) for each in SECTIONS}
    measured = {name: found for name, found in every.items() if found is not None}
    if not measured:
        sys.exit("nothing was measured yet: run `make bench`")
    path = asked.to or ROOT / "docs" / "benchmarks.md"
    page.write(path, measured, asked.scale)
    print(path)


if __name__ == "__main__":
    main()
