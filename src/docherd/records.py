"""The Records of a run, read back as JSON lines, also while it goes on."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from docherd.exceptions import DamageError
from docherd.readonly import ReadOnly
from docherd.sinks import jsonl
from docherd.sinks.jsonl import Range


@dataclass(frozen=True, slots=True)
class _Part:
    number: int
    generation: int
    size: int
    #: ranges that were taken out, and ranges whose Records no longer count; as first written
    holes: list[Range]
    stale: list[Range]

    @property
    def end(self) -> int:
        """Bytes as first written."""
        return self.size + sum(length for _, length in self.holes)


def lines(folder: Path) -> Iterator[bytes]:
    """Every Record that counts, one line each: the published parts and what is committed since.

    All as of one moment: what is replaced while we read may be missed, and is never read twice.
    """
    for part in _parts(folder):
        file, now = _open(folder, part.number)
        with file:
            gone = [each for each in part.stale if each not in now.holes]
            skipped = sorted((jsonl.physical(at, now.holes), length) for at, length in gone)
            yield from jsonl.lines(file, jsonl.physical(part.end, now.holes), skipped)


def lines_at(folder: Path, number: int, offset: int, length: int) -> Iterator[bytes]:
    """The Records of one Document: ``offset`` as its outcome says, in part ``number``."""
    file, now = _open(folder, number)
    with file:
        if (offset, length) in now.holes:
            return
        file.seek(jsonl.physical(offset, now.holes))
        left = length
        while left > 0 and (line := file.readline()):
            left -= len(line)
            yield line


def _parts(folder: Path, number: int | None = None) -> list[_Part]:
    """All parts, or the one of this number."""
    ledger = ReadOnly(folder / "ledger.db", ("part", "stale"))
    try:
        ledger.freeze()
        stale: dict[int, list[Range]] = {}
        for part, offset, length in ledger.rows("select part, offset, length from stale"):
            stale.setdefault(part, []).append((offset, length))
        rows = ledger.rows(
            "select number, generation, size, holes from part"
            " where ? is null or number = ? order by number",
            *(number, number),
        )
        return [
            _Part(
                n,
                generation,
                size,
                [(at, length) for at, length in json.loads(holes)],
                stale.get(n, []),
            )
            for n, generation, size, holes in rows
        ]
    finally:
        ledger.close()


def _open(folder: Path, number: int) -> tuple[BinaryIO, _Part]:
    """A part's file, and the part as it is in that file: it may be rewritten while we look."""
    (now,) = _parts(folder, number)
    while True:
        file = _file(folder, now)
        before, (now,) = now, _parts(folder, number)
        if now.generation == before.generation:
            return file, now
        file.close()


def _file(folder: Path, part: _Part) -> BinaryIO:
    """The file of this generation or, where that is published already, a later one."""
    staged = folder / "pending" / jsonl.part_name(part.number, part.generation)
    published = folder / "data" / jsonl.part_name(part.number)
    for file in (staged, published):
        try:
            return file.open("rb")
        except FileNotFoundError:
            continue
    raise DamageError(f"{published} is missing")
