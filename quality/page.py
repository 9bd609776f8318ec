"""docs/quality.md: no figure in it is typed."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks.figures import table
from benchmarks.machine import machine, versions
from benchmarks.results import not_installed

from quality.corpus import Sample
from quality.sections import SECTIONS

HERE = Path(__file__).parent

_HEAD = """\
# Quality of extraction

<!-- Written by `python -m quality`; what is changed here by hand is lost. -->

`make quality` installs docherd and the libraries below in an environment of its own, has all of
them read a corpus of {documents} real documents, and writes this page. Each library is called as
its documentation shows it ([quality/engines](../quality/engines)), in worker processes with limits
of time and memory. Differences were looked into one by one, and what was found is their *cause*
([quality/causes.py](../quality/causes.py)); *open* is what nobody has looked into.
"""


def write(path: Path, samples: Sequence[Sample], found: Mapping[str, Sequence[str]]) -> None:
    """The page, of the sections that were asked."""
    lines = [_HEAD.format(documents=len(samples)), *_about()]
    for section in SECTIONS:
        if section.name in found:
            lines += [f"## {section.title}", "", *found[section.name]]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines).rstrip() + "\n", encoding="utf-8")


def _about() -> list[str]:
    """The machine, the versions, and what could not be installed."""
    every = versions(HERE / "requirements.txt")
    with_ = ", ".join(f"{name} {number}" for name, number in every.items())
    missing = not_installed(HERE / ".results")
    return [
        *table(("machine", ""), [list(each) for each in machine(HERE).items()]),
        f"On {time.strftime('%Y-%m-%d')} with {with_}.",
        "",
        *(f"Not installed: {name}, {why}.\n" for name, why in missing.items()),
    ]
