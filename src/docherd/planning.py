"""What a run would take, said before it: `docherd plan`.

walk ─► census ─► sample ─► plan ─► a table, or JSON
"""

from __future__ import annotations

import itertools
import json
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TextIO

from docherd import guide, plan, sample, source, units, wording
from docherd.census import Census, Kind
from docherd.config import Options
from docherd.exceptions import FINISHED, SOME_FAILED, NothingFound
from docherd.job import filters_of, limits, setup_of, within_files
from docherd.model import Found, Reason, Root, Task, printable
from docherd.notes import Notes
from docherd.plan import Line, Range
from docherd.processors import Processor
from docherd.sample import Sample
from docherd.twins import Twins
from docherd.walk import Walk, once
from docherd.walk import found as entries

#: Documents named as the slowest
SLOWEST = 10
#: part of the time that is kept for the search for copies, and bytes it reads at most
COMPARING, COMPARED = 0.2, 4 << 30


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be planned."""

    roots: tuple[Root, ...]
    processor: Processor
    options: Options
    #: most seconds for the sample and the search for copies
    seconds: float
    files_from: str | None = None
    null: bool = False
    as_json: bool = False
    quiet: bool = False


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be expected; seconds and bytes."""

    census: Census
    duplicates: int
    #: False where there may be more duplicates
    complete: bool
    sample: Sample
    lines: list[Line]
    best: Line
    output: Range
    #: failed, and what is left alone on purpose, by reason
    failures: Mapping[Reason, int]
    skips: Mapping[Reason, int]
    slowest: list[tuple[Task, float]]


def make(asked: Asked, stream: TextIO) -> int:
    """Walk, sample, and write what to expect; the exit code: 1 where every sampled one failed.

    Raises NothingFound where there is no Document, EnvironmentFault, ProcessorError or UsageError
    where no sample can be taken.
    """
    notes = Notes(sys.stderr, asked.quiet)
    try:
        planned = _planned(asked, notes)
    finally:
        notes.close()
    if asked.as_json:
        stream.write(json.dumps(as_json(planned)) + "\n")
    else:
        stream.writelines(f"{line}".rstrip() + "\n" for line in table(planned))
    seen = planned.sample.seen
    if seen.sampled and seen.failed == seen.sampled.total():
        sys.stderr.write(
            f"docherd: every one of the {wording.documents(seen.failed)} of the sample failed,"
            f" the last one with {printable(seen.failure)}\n"
        )
        return SOME_FAILED
    return FINISHED


def _planned(asked: Asked, notes: Notes) -> Plan:
    source.refuse_missing(asked.roots)
    census, twins = _walk(asked, notes)
    if not census.documents:
        raise NothingFound(
            guide.nothing_found(asked.roots, asked.options.include, asked.options.exclude)
        )
    rules, _ = within_files(limits(asked.options))
    setup = setup_of(asked.processor, rules, asked.options, spares=0)
    began = time.monotonic()
    taken = sample.take(census, setup, rules, asked.seconds * (1 - COMPARING), notes.say)
    notes.say("comparing files of the same size")
    duplicates = twins.count(asked.seconds - (time.monotonic() - began), COMPARED)
    known, left = taken.seen, taken.left
    work = plan.work(taken.forecast, left, known.seconds.values(), taken.share, taken.workers)
    assert work is not None  # it raises where nothing was measured
    lines = plan.lines(work, taken.machine, rules.workers)
    undone = plan.failures(left, known.sampled, known.undone)
    for reason, number in census.aside.items():
        undone[reason] = undone.get(reason, 0) + number
    return Plan(
        census=census,
        duplicates=duplicates,
        complete=twins.complete,
        sample=taken,
        lines=lines,
        best=plan.best(lines),
        output=plan.output(taken.forecast, left, known.lengths, known.length),
        failures={reason: number for reason, number in undone.items() if not reason.skips},
        skips={reason: number for reason, number in undone.items() if reason.skips},
        slowest=_slowest(census, taken),
    )


def _walk(asked: Asked, notes: Notes) -> tuple[Census, Twins]:
    census, twins = Census(asked.roots), Twins()
    for found in _entries(asked):
        census.add(found)
        if not found.reason:
            root = asked.roots[found.root]
            twins.add(root.folder.rstrip(b"/") + b"/" + found.path, found.size)
        if not census.documents % 1000:
            notes.say(f"walking, {wording.documents(census.documents)} so far")
    return census, twins


def _entries(asked: Asked) -> Iterator[Found]:
    walk = Walk(asked.roots, filters_of(asked.options), asked.files_from, asked.null)
    # Only a list can name a Document twice.
    found = once(entries(walk)) if asked.files_from else entries(walk)
    return itertools.islice(found, walk.filters.limit)


def _slowest(census: Census, taken: Sample) -> list[tuple[Task, float]]:
    """Those that took longest, and the largest, by what is expected of them."""
    seconds = dict(taken.seen.seconds)
    measured = {task.document for task in seconds}
    for task in census.largest():
        cost = taken.forecast.cost(task.stratum)
        if cost is not None and task.document not in measured:
            seconds[task] = cost.seconds
    return sorted(seconds.items(), key=lambda pair: -pair[1])[:SLOWEST]


# ── shown ────────────────────────────────────────────────────────────────────────────────────


def as_json(plan: Plan) -> dict[str, object]:
    """The stable shape of ``plan --json``: keys may be added, never removed or renamed."""
    census = plan.census
    return {
        "documents": census.documents,
        "bytes": census.size,
        "kinds": {
            name: {"documents": kind.documents, "bytes": kind.size}
            for name, kind in _by_number(census)
        },
        "duplicates": plan.duplicates,
        "duplicates_complete": plan.complete,
        "sampled": len(plan.sample.seen.seconds),
        "workers": [_line_as_json(line) for line in plan.lines],
        "best": plan.best.workers,
        "output_bytes": round(plan.output.middle),
        "output_low": round(plan.output.low),
        "output_high": round(plan.output.high),
        "expected_failures": {str(reason): number for reason, number in plan.failures.items()},
        "expected_skips": {str(reason): number for reason, number in plan.skips.items()},
        "slowest": [
            {"path": task.path, "seconds": round(seconds, 3)} for task, seconds in plan.slowest
        ],
    }


def _line_as_json(line: Line) -> dict[str, float]:
    return {
        "workers": line.workers,
        "seconds": round(line.seconds, 3),
        "low": round(line.low, 3),
        "high": round(line.high, 3),
        "memory": round(line.memory),
    }


def _by_number(census: Census) -> list[tuple[str, Kind]]:
    return sorted(census.kinds.items(), key=lambda pair: (-pair[1].documents, pair[0]))


def table(plan: Plan) -> Iterator[str]:
    """What to expect, for people: lines."""
    census, sampled = plan.census, len(plan.sample.seen.seconds)
    yield f"{wording.documents(census.documents)}, {units.size(census.size)}"
    for name, kind in _by_number(census):
        shown = name or "(no extension)"
        yield f"  {units.count(kind.documents):>10}  {shown:<16} {units.size(kind.size):>10}"
    if plan.duplicates or not plan.complete:
        least = "" if plan.complete else "at least "
        yield f"  {least}{units.count(plan.duplicates)} of them with the content of another one"
    yield ""
    yield f"expected, from a sample of {units.count(sampled)}"
    yield f"  {'workers':>10}  {'time':<16} {'between':<34} {'memory':>10}"
    for line in plan.lines:
        between = f"{units.duration(line.low)} and {units.duration(line.high)}"
        mark = "  best here" if line == plan.best else ""
        yield (
            f"  {line.workers:>10}  {units.duration(line.seconds):<16} {between:<34}"
            f" {units.size(line.memory):>10}{mark}"
        )
    yield ""
    low, high = units.size(plan.output.low), units.size(plan.output.high)
    yield f"output      {units.size(plan.output.middle)} of Records ({low} to {high})"
    yield f"failures    {_reasons(plan.failures)}"
    yield f"left alone  {_reasons(plan.skips)}"
    yield "slowest"
    for task, seconds in plan.slowest:
        yield f"  {units.duration(seconds):>14}  {printable(task.path)}"
    yield "nothing was written"


def _reasons(numbers: Mapping[Reason, int]) -> str:
    """``about 130: 100 encrypted, 30 corrupt``."""
    if not numbers:
        return "none"
    ranked = sorted(numbers.items(), key=lambda pair: (-pair[1], pair[0]))
    named = ", ".join(f"{units.count(number)} {reason}" for reason, number in ranked)
    return f"about {units.count(sum(numbers.values()))}: {named}"
