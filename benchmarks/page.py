"""docs/benchmarks.md, from what the sections found: no figure in it is typed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from benchmarks.figures import Figures, table
from benchmarks.results import Measured, not_installed
from benchmarks.sections import SECTIONS, Section

_HEAD = """\
# Benchmarks

<!-- Written by `python -m benchmarks`; what is changed here by hand is lost. -->

`make bench` installs docherd and the versions below in an environment of its own, measures, and
writes this page: every figure on it comes from a run. The programs that are compared are in
[benchmarks/contenders](../benchmarks/contenders), each as the documentation of its library shows
it, with its defaults but for the number of workers.

Each measurement is a fresh process. Contenders take turns, round by round; a figure is the median
of the rounds. MB are 1,000,000 bytes.
"""


def write(path: Path, measured: dict[str, Measured], scale: float) -> None:
    """The page and its figures, of the sections that were measured."""
    figures = Figures(path)
    latest = max(measured.values(), key=lambda each: each.date)
    lines = [_HEAD]
    if scale != 1:
        lines += [f"**A smoke test at {scale:g} of the size: its figures mean nothing.**", ""]
    lines += _about(latest)
    for section in SECTIONS:
        if section.name in measured:
            lines += _section(section, measured[section.name], latest, figures)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines).rstrip() + "\n")


def _about(latest: Measured) -> Iterator[str]:
    """The machine and the versions of the section that ran last."""
    yield from table(("machine", ""), [list(each) for each in latest.machine.items()])
    versions = [f"{name} {number}" for name, number in latest.versions.items()]
    yield from (f"With {', '.join(versions)}.", "")
    for name, why in not_installed().items():
        yield from (f"Not installed: {name}, {why}.", "")


def _section(
    section: Section, measured: Measured, latest: Measured, figures: Figures
) -> Iterator[str]:
    yield from (f"## {section.title}", "")
    yield from section.page(measured.data, figures)
    yield from (f"*{_origin(measured, latest)}*", "")


def _origin(measured: Measured, latest: Measured) -> str:
    """When and how a section ran, and what was then other than the page's head says."""
    other = [
        f"{name} {value}"
        for mine, head in ((measured.machine, latest.machine), (measured.versions, latest.versions))
        for name, value in mine.items()
        if head.get(name) != value
    ]
    return "; ".join((f"{measured.date}, `{measured.command}`", *other))
