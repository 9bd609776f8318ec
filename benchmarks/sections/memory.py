"""Does the parent's memory stay flat, however many documents, however large the results?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from benchmarks import plots, probes
from benchmarks.command import contender
from benchmarks.figures import Figures, megabytes, number, table
from benchmarks.interleaved import WORKERS
from benchmarks.session import Session

#: seconds between looks, and points kept of a curve
INTERVAL, POINTS = 0.1, 240

FEW, MANY = 10_000, 1_000_000
LARGE, LARGE_TUTORIAL = 100_000, 20_000
SLOW_SECONDS, STRAGGLER_SECONDS = 60.0, 30.0


@dataclass(frozen=True, slots=True)
class Case:
    """One curve."""

    name: str
    #: the figure it belongs to
    figure: str
    contender: str
    function: str
    documents: int
    #: of a slow program: how long it looks on
    looks: float = 0.0
    #: of a slow first document: how long it takes
    first: float = 0.0
    #: its files are really there, not a thousand again and again
    durable: bool = False


def measure(session: Session) -> dict[str, Any]:
    """Every case once: what matters is the shape of a curve."""
    return {"cases": [_measured(session, case) for case in _cases(session)]}


def _cases(session: Session) -> list[Case]:
    few, many = session.count(FEW), session.count(MANY)
    large, tutorial = session.count(LARGE), session.count(LARGE_TUTORIAL)
    looks, first = session.seconds(SLOW_SECONDS), session.seconds(STRAGGLER_SECONDS)
    return [
        Case(f"process, {few:,}", "stream", "process", "noop", few),
        Case(f"process, {many:,}", "stream", "process", "noop", many),
        Case(f"docherd run, {few:,}", "run", "docherd_run", "noop", few, durable=True),
        Case(f"docherd run, {many:,}", "run", "docherd_run", "noop", many, durable=True),
        Case(f"process, {large:,} × 50 KB", "large", "process", "text", large),
        Case(f"the tutorial, {tutorial:,} × 50 KB", "large", "tutorial", "text", tutorial),
        Case("process, its program slow", "waiting", "process_slow", "text", large, looks=looks),
        Case(
            f"process, ordered, the first takes {first:g} s",
            *("waiting", "process_ordered", "sleeper", tutorial),
            first=first,
        ),
    ]


def _measured(session: Session, case: Case) -> dict[str, Any]:
    session.say(f"  {case.name}")
    folder = session.files(case.documents if case.durable else min(1_000, case.documents))
    command = contender(case.contender, folder, *_words(session, case))
    ran = session.run(command, probe=probes.memory, interval=INTERVAL)
    return {
        "name": case.name,
        "figure": case.figure,
        "error": ran.error,
        "seconds": ran.seconds,
        "documents": ran.report.get("documents"),
        "peak": ran.report.get("peak"),
        "warm": _between(ran.samples, ran.seconds, 0.1, 0.2),
        "end": _between(ran.samples, ran.seconds, 0.9, 1.0),
        "samples": _thinned(ran.samples),
    }


def _words(session: Session, case: Case) -> list[object]:
    words: list[object] = ["--function", case.function, "--workers", WORKERS]
    if case.durable:  # the run is kept: the section `resume` goes on from it
        return [*words, "--out", session.fresh(f"run-{case.documents}")]
    words += ["--count", case.documents]
    if case.looks:
        words += ["--seconds", case.looks]
    if case.first:
        sleeper = session.work / f"sleep-{case.first:g}"
        sleeper.touch()
        words += ["--first", sleeper]
    return words


def _between(
    samples: Sequence[tuple[float, int]], seconds: float, begin: float, end: float
) -> float | None:
    """The median of what was seen in a part of the time."""
    seen = [size for at, size in samples if begin <= at / seconds <= end]
    return median(seen) if seen else None


def _thinned(samples: Sequence[tuple[float, int]]) -> list[tuple[float, int]]:
    """Few points, each the most of its stretch."""
    step = max(1, len(samples) // POINTS)
    stretches = (samples[at : at + step] for at in range(0, len(samples), step))
    return [(round(part[0][0], 3), max(size for _, size in part)) for part in stretches]


_TITLES = {
    "stream": ("docherd.process: no-op, few and many documents", True),
    "run": ("docherd run: no-op, few and many documents", True),
    "large": ("Large results: 50 KB from each document", False),
    "waiting": ("Results that must wait: a slow program; a slow first document, in order", False),
}


def page(data: dict[str, Any], figures: Figures) -> list[str]:
    """A table of all cases, and a figure for each question."""
    cases = data["cases"]
    for name, (title, relative) in _TITLES.items():
        chosen = [case for case in cases if case["figure"] == name and case["samples"]]
        across = "time, % of the run" if relative else "time, s"
        axes = plots.Axes(title, across, "resident memory of the parent, MB")
        lines = [plots.Curve(case["name"], _points(case, relative)) for case in chosen]
        plots.curves(figures.path(f"memory-{name}"), axes, lines)
    return [
        "Resident memory (VmRSS) of the process that was started, without its workers, read every"
        f" {INTERVAL:g} s; the peak is the kernel's own (VmHWM). *Warm* is the median between 10 %"
        " and 20 % of the time, *end* that of the last 10 %. `process` gets a thousand files again"
        " and again from a generator; `docherd run` real files. The slow program takes 500"
        " Results a second and leaves the loop in the end. In order, all Results wait for that of"
        " the first document.",
        "",
        *table(
            ("", "documents taken", "seconds", "peak", "warm", "end", "end - warm"),
            [_line(case) for case in cases],
        ),
        *(
            line
            for name, (title, _) in _TITLES.items()
            for line in (figures.shown(f"memory-{name}", title), "")
        ),
    ]


def _points(case: dict[str, Any], relative: bool) -> list[tuple[float, float]]:
    factor = 100 / case["seconds"] if relative else 1.0
    return [(at * factor, size / 1e6) for at, size in case["samples"]]


def _line(case: dict[str, Any]) -> list[str]:
    if case["error"]:
        return [case["name"], f"failed: {case['error']}", *[""] * 5]
    warm, end = case["warm"], case["end"]
    known = warm is not None and end is not None
    return [
        case["name"],
        f"{case['documents']:,}",
        number(case["seconds"]),
        megabytes(case["peak"]),
        megabytes(warm) if known else "too short",
        megabytes(end) if known else "too short",
        megabytes(end - warm) if known else "",
    ]
