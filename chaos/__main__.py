"""Inject faults, count what they do, and write the page.

python -m chaos                            the default sections → docs/reliability.md
python -m chaos --only points --only cuts  some; the others stay as they were run last
python -m chaos --page                     the page again, from what was found
python -m chaos --scale 0.1 --to smoke.md  each tenth point, a tenth of the cuts
SOAK=1 python -m chaos --only cuts         ten times as much of what is left to chance
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

from benchmarks.machine import machine

from chaos import broken, page, results
from chaos.command import ROOT, versions
from chaos.results import Measured
from chaos.scenario import SCENARIOS
from chaos.sections import SECTIONS, Section
from chaos.session import Session

#: temporary files, on the file system of the repository
WORK = ROOT / "chaos" / ".work"


@dataclass(frozen=True, slots=True)
class Asked:
    """The command line."""

    only: list[str]
    #: of the section `points`; all where empty
    scenario: list[str]
    scale: float
    seed: int
    work: Path
    to: Path | None
    page: bool

    @property
    def soak(self) -> bool:
        """SOAK=1 lengthens what is left to chance."""
        return os.environ.get("SOAK", "") not in ("", "0")

    def words(self, section: Section) -> str:
        """The command that runs a section so again."""
        words = ["SOAK=1"] * self.soak + ["python -m chaos", f"--only {section.name}"]
        if section.name == "points":
            words += [f"--scenario {name}" for name in self.scenario]
        words += [f"--scale {self.scale:g}"] * (self.scale != 1)
        return " ".join(words + [f"--seed {self.seed}"] * (self.seed != 1))


def main() -> None:
    """Inject unless told not to; then the page, of this and of earlier calls."""
    asked = _asked(sys.argv[1:])
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # what is temporary is removed then too
    if not asked.page:
        asked.work.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="run-", dir=asked.work.resolve()) as work:
            # A copy: sources that are edited while this runs would be faults of their own.
            product = broken.copy(None, Path(work) / "product")
            scenarios = tuple(asked.scenario)
            session = Session(Path(work), asked.scale, asked.soak, asked.seed, product, scenarios)
            _measure(asked, session)
    sys.exit(1 if _write_page(asked) else 0)


def _asked(words: Sequence[str]) -> Asked:
    names = [section.name for section in SECTIONS]
    parser = argparse.ArgumentParser(prog="python -m chaos", description=__doc__.split(".")[0])
    parser.add_argument("--only", action="append", choices=names, default=[], metavar="NAME")
    scenarios = [scenario.name for scenario in SCENARIOS]
    parser.add_argument(
        "--scenario", action="append", choices=scenarios, default=[], help="of points"
    )
    parser.add_argument("--scale", type=float, default=1.0, help="of all counts, for smoke tests")
    parser.add_argument("--seed", type=int, default=1, help="of what is left to chance")
    parser.add_argument("--work", type=Path, default=WORK, help="for temporary files")
    parser.add_argument("--to", type=Path, help="the page (default: docs/reliability.md)")
    parser.add_argument("--page", action="store_true", help="only write the page")
    asked = Asked(**vars(parser.parse_args(words)))
    if asked.scale != 1 and asked.to is None:
        parser.error("--scale needs --to: a smoke test does not replace docs/reliability.md")
    return asked


def _measure(asked: Asked, session: Session) -> None:
    for section in SECTIONS:
        if section.name not in asked.only and (asked.only or not section.default):
            continue
        session.say(section.name)
        begin = time.monotonic()
        data = section.measure(session)
        found = Measured(
            section=section.name,
            date=time.strftime("%Y-%m-%d"),
            command=asked.words(section),
            scale=asked.scale,
            seconds=time.monotonic() - begin,
            machine=machine(session.work),
            versions=versions(),
            data=data,
        )
        results.write(found)
        said = data.get("missing") or f"{found.tally.injected:,} faults, {found.tally.bad} bad"
        session.say(f"{section.name}: {said}, {found.seconds:,.0f} s")
        for problem in found.tally.problems:
            session.say(f"  {problem}")


def _write_page(asked: Asked) -> int:
    """Write it; how many things went wrong in the sections that were asked for."""
    every = {each.name: results.read(each.name, asked.scale) for each in SECTIONS}
    measured = {name: found for name, found in every.items() if found is not None}
    if not measured:
        sys.exit("nothing was run yet: run `make chaos`")
    path = asked.to or ROOT / "docs" / "reliability.md"
    page.write(path, measured, asked.scale)
    print(path)
    return sum(found.tally.bad for name, found in measured.items() if name in (asked.only or every))


if __name__ == "__main__":
    main()
