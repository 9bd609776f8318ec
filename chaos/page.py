"""docs/reliability.md, from what the sections found: no figure in it is typed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from benchmarks.figures import number, table

from chaos import catalogue, promises
from chaos.results import Measured
from chaos.sections import SECTIONS, Section
from chaos.tally import WRONG

_HEAD = """\
# Reliability

<!-- Written by `python -m chaos`; what is changed here by hand is lost. -->

`make chaos` runs the real command under the faults below, thousands of times, and writes this
page: every figure on it was counted. After each fault the same command runs again, and what is
then in the run folder is compared with a run that was left in peace: every Document once, byte by
byte, and nothing else. Documents are *acknowledged* once docherd has reported them as ended
(`--progress json`); from then on nothing may lose them.
"""
_COLUMNS = {"injected": "faults", "documents": "documents", "acknowledged": "acknowledged"} | WRONG


def write(path: Path, measured: dict[str, Measured], scale: float) -> None:
    """The page, of the sections that were run."""
    latest = max(measured.values(), key=lambda each: each.date)
    lines = [_HEAD]
    if scale != 1:
        lines += [f"**A smoke test at {scale:g} of the size.**", ""]
    lines += _about(latest)
    lines += _summary(measured)
    lines += promises.page()
    lines += catalogue.page()
    for section in SECTIONS:
        if section.name in measured:
            lines += _section(section, measured[section.name], latest)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines).rstrip() + "\n")


def _about(latest: Measured) -> Iterator[str]:
    """The machine and the versions of the section that ran last."""
    yield from table(("machine", ""), [list(each) for each in latest.machine.items()])
    versions = [f"{name} {value}" for name, value in latest.versions.items()]
    yield from (f"{latest.date}, with {', '.join(versions)}.", "")


def _summary(measured: dict[str, Measured]) -> list[str]:
    """A line for each section, and their sum."""
    rows = []
    total = dict.fromkeys(_COLUMNS, 0)
    for section in SECTIONS:
        if section.name not in measured or "missing" in measured[section.name].data:
            continue
        counts = measured[section.name].tally.as_json()
        rows.append([f"`{section.name}`", *(f"{counts[name]:,}" for name in _COLUMNS)])
        total = {name: total[name] + counts[name] for name in _COLUMNS}
    rows.append(["**all**", *(f"**{value:,}**" for value in total.values())])
    return table(("", *_COLUMNS.values()), rows)


def _section(section: Section, measured: Measured, latest: Measured) -> Iterator[str]:
    yield from (f"## {section.title}", "")
    if "missing" in measured.data:
        yield from (f"Not run: {measured.data['missing']}.", "")
    else:
        yield from section.page(measured.data)
    for problem in measured.tally.problems:
        yield f"* {problem}"
    if measured.tally.problems:
        yield ""
    yield from (f"*{_origin(measured, latest)}*", "")


def _origin(measured: Measured, latest: Measured) -> str:
    """When and how a section ran, and what was then other than the page's head says."""
    other = [
        f"{name} {value}"
        for mine, head in ((measured.machine, latest.machine), (measured.versions, latest.versions))
        for name, value in mine.items()
        if head.get(name) != value
    ]
    took = f"{number(measured.seconds)} s"
    return "; ".join((f"{measured.date}, `{measured.command}`, {took}", *other))
