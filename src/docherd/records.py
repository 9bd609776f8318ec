"""The Records of a run, read back as JSON lines, also while it goes on.

JSON lines, segments ─► their bytes      other formats ─► lines, made again by their sink
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, TypeAlias

from docherd.exceptions import DamageError
from docherd.folder import Folder
from docherd.model import Root
from docherd.placements import identified, known_parts, placements
from docherd.readonly import ReadOnly
from docherd.rows import Part
from docherd.sinks import files, jsonl, parquet
from docherd.sinks.jsonl import Range
from docherd.sinks.parts import Parts

#: the Records in a published part, without what Documents of these ids have there
Reader: TypeAlias = Callable[[Path, Part, Collection[str]], Iterator[bytes]]
_READERS: dict[str, Reader] = {"parquet": parquet.lines, "files": files.lines}


@dataclass(frozen=True, slots=True)
class _Seen:
    """A part as the ledger has it at one moment."""

    part: Part
    #: ranges whose Records no longer count; as first written
    stale: list[Range]

    @property
    def end(self) -> int:
        """Bytes as first written, of JSON lines."""
        return self.part.size + sum(length for _, length in self.part.holes)


def lines(folder: Path) -> Iterator[bytes]:
    """Every Record that counts, one line each: the published parts and what is committed since.

    All as of one moment: what is replaced while we read may be missed, and is never read twice.
    """
    about = Folder(folder).read_about()
    reader = _READERS.get(about.format)
    for seen in _parts(folder):
        if reader is None:
            yield from _lines(folder, seen)
        else:
            yield from _made(folder, about.inputs, seen, reader)


def lines_at(folder: Path, number: int, offset: int, length: int, document: int) -> Iterator[bytes]:
    """The Records of one Document (its row): ``offset`` as its outcome says, in part ``number``."""
    about = Folder(folder).read_about()
    (now,) = _parts(folder, number)
    if (offset, length) in now.part.holes:
        return
    if about.format == "files" and now.part.sealed:
        yield from files.lines_of(folder, now.part, document)
    elif about.format == "parquet" and now.part.sealed:
        with closing(ReadOnly(folder / "ledger.db", ("document",))) as db:
            wanted = identified(db, about.inputs, document)
        yield from parquet.lines_of(folder, now.part, wanted)
    else:
        yield from _lines_at(folder, number, (offset, length))


def _parts(folder: Path, number: int | None = None) -> list[_Seen]:
    """All parts, or the one of this number."""
    with closing(ReadOnly(folder / "ledger.db", ("part", "stale"))) as ledger:
        ledger.freeze()
        stale: dict[int, list[Range]] = {}
        for part, offset, length in ledger.rows("select part, offset, length from stale"):
            stale.setdefault(part, []).append((offset, length))
        return [
            _Seen(part, stale.get(part.number, []))
            for part in known_parts(ledger)
            if number in (None, part.number)
        ]


# ── what is JSON lines: parts of that format, and every segment ──────────────────────────────


def _lines(folder: Path, seen: _Seen) -> Iterator[bytes]:
    file, now = _open(folder, seen.part.number)
    with file:
        yield from _counting(file, seen, now)


def _counting(file: BinaryIO, seen: _Seen, now: _Seen) -> Iterator[bytes]:
    """What counted when it was seen, in the file that is there now."""
    holes = now.part.holes
    gone = [each for each in seen.stale if each not in holes]
    skipped = sorted((jsonl.physical(at, holes), length) for at, length in gone)
    yield from jsonl.lines(file, jsonl.physical(seen.end, holes), skipped)


def _lines_at(folder: Path, number: int, where: Range) -> Iterator[bytes]:
    file, now = _open(folder, number)
    with file:
        if where in now.part.holes:
            return
        file.seek(jsonl.physical(where[0], now.part.holes))
        left = where[1]
        while left > 0 and (line := file.readline()):
            left -= len(line)
            yield line


def _open(folder: Path, number: int) -> tuple[BinaryIO, _Seen]:
    """A part's file, and the part as it is in that file: it may be rewritten while we look."""
    (now,) = _parts(folder, number)
    while True:
        file = _file(folder, now.part)
        before, (now,) = now, _parts(folder, number)
        if now.part.generation == before.part.generation:
            return file, now
        file.close()


def _file(folder: Path, part: Part) -> BinaryIO:
    """The file of this generation or, where that is published already, a later one."""
    parts = Parts(folder, "jsonl")
    try:
        return parts.open(part)
    except FileNotFoundError:
        raise DamageError(f"{parts.published(part)} is missing") from None


# ── what segments were made into ─────────────────────────────────────────────────────────────


def _made(folder: Path, roots: tuple[Root, ...], seen: _Seen, reader: Reader) -> Iterator[bytes]:
    """A part of another format: its segment, as long as that is what counts."""
    number = seen.part.number
    (now,) = _parts(folder, number)
    while not now.part.sealed:
        segment = Parts(folder, "jsonl").staged(now.part)
        try:
            with segment.open("rb") as file:
                yield from _counting(file, seen, now)
                return
        except FileNotFoundError:
            before, (now,) = now, _parts(folder, number)
            if now == before:
                raise DamageError(f"{segment} is missing") from None
    yield from reader(folder, now.part, _without(folder, roots, seen))


def _without(folder: Path, roots: tuple[Root, ...], seen: _Seen) -> set[str]:
    """Ids of what did not count when the part was seen, or was not yet there."""
    if seen.part.sealed and not seen.stale:
        return set()
    stale = set(seen.stale)
    end = seen.end if not seen.part.sealed else float("inf")
    with closing(ReadOnly(folder / "ledger.db", ("document", "outcome"))) as db:
        return {
            each.id
            for each in placements(db, roots, seen.part.number)
            if (each.offset, each.length) in stale or each.offset >= end
        }
