"""The Records of a run, read back as JSON lines, also while it goes on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from docherd.exceptions import DamageError
from docherd.readonly import ReadOnly
from docherd.sinks import jsonl
from docherd.sinks.jsonl import Range


@dataclass(frozen=True, slots=True)
class _Part:
    number: int
    size: int
    #: ranges that were taken out, and ranges whose Records no longer count; as first written
    holes: list[Range]
    stale: list[Range]


def lines(folder: Path) -> Iterator[bytes]:
    """Every Record that counts, one line each: the published parts and what is committed since."""
    ledger = ReadOnly(folder / "ledger.db", ("part", "stale"))
    try:
        ledger.freeze()
        parts = list(_parts(ledger))
    finally:
        ledger.close()
    for part in parts:
        skipped = sorted((jsonl.physical(at, part.holes), length) for at, length in part.stale)
        yield from jsonl.lines(_file(folder, part.number), part.size, skipped)


def lines_at(folder: Path, number: int, offset: int, length: int) -> Iterator[bytes]:
    """The Records of one Document: ``offset`` as its outcome says, in part ``number``."""
    ledger = ReadOnly(folder / "ledger.db", ("part", "stale"))
    try:
        part = next(part for part in _parts(ledger) if part.number == number)
    finally:
        ledger.close()
    with _file(folder, number).open("rb") as file:
        file.seek(jsonl.physical(offset, part.holes))
        left = length
        while left > 0 and (line := file.readline()):
            left -= len(line)
            yield line


def _parts(ledger: ReadOnly) -> Iterator[_Part]:
    stale: dict[int, list[Range]] = {}
    for number, offset, length in ledger.rows("select part, offset, length from stale"):
        stale.setdefault(number, []).append((offset, length))
    rows = ledger.rows("select number, size, holes from part order by number")
    for number, size, holes in list(rows):
        ranges = [(offset, length) for offset, length in json.loads(holes)]
        yield _Part(number, size, ranges, stale.get(number, []))


def _file(folder: Path, number: int) -> Path:
    """Where a part is: published, or still growing (and published while we looked)."""
    name = jsonl.part_name(number)
    for place in ("data", "pending", "data"):
        if (file := folder / place / name).exists():
            return file
    raise DamageError(f"{folder / 'data' / name} is missing")
