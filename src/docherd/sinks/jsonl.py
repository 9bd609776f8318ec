"""JSON lines: the segment is the part, so sealing one is a rename."""

from __future__ import annotations

import os
import re
import zlib
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple, Protocol, TypeVar

#: bytes copied at a time
SLICE = 1 << 20

_NAME = re.compile(r"part-(\d{6,})\.jsonl")

#: (offset, length)
Range = tuple[int, int]


def part_name(number: int, generation: int = 1) -> str:
    """The file name of a part; of its rewriting while it lies in pending/."""
    suffix = "" if generation == 1 else f".g{generation}"
    return f"part-{number:06d}.jsonl{suffix}"


def part_number(name: str) -> int | None:
    """The number in a published part's file name, None for any other file."""
    match = _NAME.fullmatch(name)
    return int(match[1]) if match else None


def physical(offset: int, holes: Sequence[Range]) -> int:
    """Where a byte of the first generation is now that ``holes`` were taken out before it."""
    return offset - sum(length for start, length in holes if start < offset)


class _Ranged(Protocol):
    @property
    def offset(self) -> int: ...


_Written = TypeVar("_Written", bound=_Ranged)


def placed(written: Iterable[_Written], holes: Sequence[Range]) -> Iterator[tuple[_Written, int]]:
    """What is still in a part (ascending), and where: ``physical`` of very many."""
    taken = {start for start, _ in holes}
    ahead, gone = deque(sorted(holes)), 0
    for each in written:
        while ahead and ahead[0][0] < each.offset:
            gone += ahead.popleft()[1]
        if each.offset not in taken:
            yield each, each.offset - gone


def copy_without(source: Path, target: int, holes: Sequence[Range]) -> tuple[int, int]:
    """Copy a part leaving out ranges (ascending, as they lie in ``source``); (bytes, CRC-32)."""
    size = crc = 0
    with source.open("rb") as file:
        for start, length in _kept(holes, file.seek(0, os.SEEK_END)):
            file.seek(start)
            for chunk in _chunks(file.fileno(), start, length):
                write_all(target, chunk, size)
                crc = zlib.crc32(chunk, crc)
                size += len(chunk)
    return size, crc


def _kept(holes: Sequence[Range], size: int) -> Iterator[Range]:
    at = 0
    for start, length in holes:
        if start > at:
            yield at, start - at
        at = start + length
    if size > at:
        yield at, size - at


def _chunks(fd: int, start: int, length: int) -> Iterator[bytes]:
    end = start + length
    while start < end:
        chunk = os.pread(fd, min(SLICE, end - start), start)
        if not chunk:
            raise OSError(5, "the part is shorter than the ledger says")
        yield chunk
        start += len(chunk)


def write_all(fd: int, data: bytes, offset: int) -> None:
    """Write at an offset until everything is written (a write may be short)."""
    view = memoryview(data)
    while view:
        written = os.pwrite(fd, view, offset)
        view, offset = view[written:], offset + written


def lines(source: BinaryIO, size: int, holes: Sequence[Range] = ()) -> Iterator[bytes]:
    """The lines in the first ``size`` bytes, leaving out ranges (ascending)."""
    for start, length in _kept(holes, size):
        source.seek(start)
        left = length
        while left > 0 and (line := source.readline()):
            left -= len(line)
            yield line


def crc_of(file: Path) -> tuple[int, int]:
    """(bytes, CRC-32) of a file."""
    size = crc = 0
    with file.open("rb") as opened:
        while piece := opened.read(SLICE):
            size, crc = size + len(piece), zlib.crc32(piece, crc)
    return size, crc


class Group(NamedTuple):
    """Lines that follow one another and name the same Document."""

    #: its id; empty where they are no lines of ours
    document: str
    offset: int
    length: int
    crc: int
    records: int


def groups(source: BinaryIO) -> Iterator[Group]:
    """A part as it is found, whatever happened to it: Document after Document."""
    group, at, whole = Group("", 0, 0, 0, 0), 0, True
    while piece := source.readline(SLICE):
        if whole and (name := _named(piece)) != group.document:
            if group.length:
                yield group
            group = Group(name, at, 0, 0, 0)
        whole = piece.endswith(b"\n")
        length, crc = group.length + len(piece), zlib.crc32(piece, group.crc)
        group = group._replace(length=length, crc=crc, records=group.records + whole)
        at += len(piece)
    if group.length:
        yield group if whole else group._replace(document="")


def _named(line: bytes) -> str:
    match = _HEAD.match(line)
    return match[1].decode() if match else ""


_HEAD = re.compile(rb'\{"document": "([a-z2-7]{16})", "path": "')
