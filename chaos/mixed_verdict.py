"""What must hold of a run folder after a run, counted: nothing lost, doubled or wrongly blamed."""

from __future__ import annotations

import fcntl
import json
import os
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from chaos.command import none_left
from chaos.oracle import lines
from chaos.tally import Tally


@dataclass(frozen=True, slots=True)
class Expected:
    """What a run must have come to, whatever was done to it."""

    #: the lines of a run that was left in peace, of the Documents that must be done
    lines: frozenset[bytes]
    #: path, as in Records → the reason it must have failed with
    failed: Mapping[str, str]
    #: all Documents
    documents: int


def judge(out: Path, expected: Expected, mark: str) -> Tally:
    """Compare a finished run with what it must have come to (G1-G3, G5, G8).

    ``mark`` is in the environment of every process of it.
    """
    tally = Tally(documents=expected.documents)
    _conserved(out, expected, tally)
    _same_bytes(out, expected, tally)
    _blamed(out, expected, tally)
    _nothing_left(out, mark, tally)
    return tally


def _conserved(out: Path, expected: Expected, tally: Tally) -> None:
    counts = json.loads((out / "status.json").read_text())["counts"]
    ended = counts["done"] + counts["failed"] + counts["skipped"]
    if missing := expected.documents - ended:
        tally.wrong("lost", f"{missing} without an outcome: {counts}", abs(missing))
    if counts["discovered"] != ended + counts["pending"] + counts["gone"]:
        tally.wrong("lost", f"the accounting does not add up: {counts}")


def _same_bytes(out: Path, expected: Expected, tally: Tally) -> None:
    found = Counter(lines(out))
    if lost := expected.lines - found.keys():
        tally.wrong("lost", f"Records {_some(lost)}", len(lost))
    if strange := found.keys() - expected.lines:
        tally.wrong("duplicated", f"Records that nobody wrote {_some(strange)}", len(strange))
    if twice := {line for line, number in found.items() if number > 1}:
        tally.wrong("duplicated", f"Records that are there twice {_some(twice)}", len(twice))


def _blamed(out: Path, expected: Expected, tally: Tally) -> None:
    rows = [json.loads(line) for line in (out / "failures.jsonl").read_text().splitlines()]
    found = {row["path"]: row for row in rows}
    for path in sorted(found.keys() | expected.failed.keys()):
        row, wanted = found.get(path, {}), expected.failed.get(path)
        if row.get("reason") != wanted:
            tally.wrong("blamed", f"{path}: {wanted} became {row.get('reason')}, {row}"[:400])


def _nothing_left(out: Path, mark: str, tally: Tally) -> None:
    for process in none_left(mark):
        tally.wrong("left", process)
    for name in os.listdir(out / "pending"):
        tally.wrong("left", f"pending/{name}")
    with (out / "lock").open() as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            tally.wrong("left", "somebody still holds the lock")


def _some(found: Iterable[bytes]) -> str:
    first = min(found).decode(errors="replace")
    return f"such as {first[:200]}"
