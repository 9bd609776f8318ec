"""Ledger and parts held against each other, reading only: what `verify` shows.

    ledger ── is it sound? ─► accounting ── do its tables agree? ─► parts ── each there, as long as
    it should be? ─► Records ── of each Document: as many lines as it had, the same CRC-32?

What a segment was made into has a CRC-32 of its own: of each Parquet file, of each text file.

A part that is about to be cut back to what was committed, or published, by the next start is no
damage; a byte that anybody changed is.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import BinaryIO

from docherd.exceptions import DamageError
from docherd.identity import JSONL, About
from docherd.model import text_of
from docherd.outcomes import RECORDED
from docherd.placements import known_parts
from docherd.readonly import ReadOnly
from docherd.rows import Part, Written
from docherd.schema import APPLICATION_ID, VERSION
from docherd.sinks import files, jsonl
from docherd.sinks.parts import Parts

#: bytes read at a time
SLICE = 1 << 20
_TABLES = ("document", "outcome", "part", "stale", "tally")


@dataclass(frozen=True, slots=True)
class Damage:
    """One thing that is not as it was left."""

    #: "ledger", "accounting", "part" or "records"
    what: str
    #: below the run folder
    file: str
    #: one line
    detail: str
    #: whose Records, as in them; empty where it is not one Document's
    path: str = ""
    #: number of the part
    part: int | None = None


class Audit:
    """One examination of a run folder; its figures count up as it goes."""

    def __init__(self, folder: Path, about: About, told: Callable[[int, int], None]) -> None:
        """``told`` is called with bytes examined and bytes in all, now and then."""
        self._folder = folder
        self._format = about.format
        self._roots = about.inputs
        self._told = told
        self._total = 0
        #: Documents known, parts, bytes and Documents whose Records were read
        self.known = self.parts = self.bytes = self.documents = 0

    def damages(self) -> Iterator[Damage]:
        """Everything that is wrong, as it is found."""
        ledger = self._folder / "ledger.db"
        if not ledger.is_file():
            yield Damage("ledger", "ledger.db", "is missing")
            return
        try:
            with closing(ReadOnly(ledger, _TABLES)) as db:
                db.freeze()
                unsound = list(_unsound(db))
                yield from unsound
                if not unsound:
                    ((self.known,),) = db.rows("select count(*) from document")
                    yield from _accounting(db)
                    yield from self._parts(db)
        except DamageError as error:
            yield Damage("ledger", "ledger.db", str(error))

    # ── parts ────────────────────────────────────────────────────────────────────────────────

    def _parts(self, db: ReadOnly) -> Iterator[Damage]:
        parts = {part.number: part for part in known_parts(db)}
        yield from self._unknown(db, set(parts))
        self._total = sum(part.size for part in parts.values())
        stale = {(number, offset) for number, offset in db.rows("select part, offset from stale")}
        rows = (Written(*row) for row in db.rows(_WRITTEN))
        for number, written in groupby(rows, key=lambda each: each.part):
            if number not in parts:
                yield Damage("accounting", "ledger.db", f"outcomes are in part {number}: none is")
            else:
                yield from self._part(db, parts.pop(number), written, stale)
        for part in parts.values():
            yield from self._part(db, part, iter(()), stale)

    def _unknown(self, db: ReadOnly, known: set[int]) -> Iterator[Damage]:
        if self._format == "files":
            for name in files.unknown(self._folder, db):
                yield Damage("part", f"data/{name}", "is not of this run")
            return
        parts = Parts(self._folder, self._format)
        for name in parts.unknown(known):
            why = "is not a part of this run"
            yield Damage("part", f"data/{name}", why, part=parts.number(name))

    def _part(
        self, db: ReadOnly, part: Part, written: Iterator[Written], stale: set[tuple[int, int]]
    ) -> Iterator[Damage]:
        self.parts += 1
        if part.sealed and self._format != JSONL:
            counting = [
                each
                for each, _ in jsonl.placed(written, part.holes)
                if (part.number, each.offset) not in stale
            ]
            self.documents += len(counting)
            which = self._files if self._format == "files" else self._table
            yield from which(db, part, counting)
            return
        path = file_of(self._folder, part)
        shown = str(path.relative_to(self._folder))
        try:
            file = path.open("rb")
        except OSError as error:
            why = "is missing" if isinstance(error, FileNotFoundError) else f"{error.strerror}"
            yield Damage("part", shown, why, part=part.number)
            return
        with file:
            size = os.fstat(file.fileno()).st_size
            if size < part.size or (part.sealed and size != part.size):
                why = f"has {size:,} bytes where the ledger knows {part.size:,}"
                yield Damage("part", shown, why, part=part.number)
            covered = 0
            for each, at in jsonl.placed(written, part.holes):
                covered += each.length
                if (part.number, each.offset) in stale:
                    continue
                self.documents += 1
                if why := self._differs(file, each, at):
                    yield Damage("records", shown, why, self._path(db, each), part.number)
        if covered != part.size:
            why = f"{part.size - covered:,} bytes of {shown} belong to no document"
            yield Damage("accounting", "ledger.db", why, part=part.number)

    def _table(self, db: ReadOnly, part: Part, counting: list[Written]) -> Iterator[Damage]:
        """A Parquet file: every byte as it was?"""
        path = Parts(self._folder, "parquet").file(part)
        if why := self._changed(path, part.size, part.crc):
            yield Damage("part", str(path.relative_to(self._folder)), why, part=part.number)

    def _files(self, db: ReadOnly, part: Part, counting: list[Written]) -> Iterator[Damage]:
        """A file for each Document: there, and every byte as it was?"""
        missing = {each.document: each for each in counting}
        for each in files.kept(self._folder, part):
            missing.pop(each.row.document, None)
            path = files.file_of(self._folder, each.row)
            if why := self._changed(path, each.row.size, each.row.crc):
                yield Damage("records", f"data/{each.row.name}", why, each.path, part.number)
        for written in missing.values():
            yield Damage("records", "data", "has no file", self._path(db, written), part.number)

    def _changed(self, path: Path, size: int, crc: int) -> str:
        """What is wrong with a whole file; empty where nothing is."""
        try:
            found = jsonl.crc_of(path)
        except OSError as error:
            return "is missing" if isinstance(error, FileNotFoundError) else f"{error.strerror}"
        self._note(found[0])
        if found[0] != size:
            return f"has {found[0]:,} bytes where the ledger knows {size:,}"
        return "" if found[1] == crc else "is not what was written"

    def _differs(self, file: BinaryIO, written: Written, at: int) -> str:
        """What is wrong with a Document's Records; empty where nothing is."""
        crc = lines = 0
        left = written.length
        file.seek(at)
        while left and (piece := file.read(min(SLICE, left))):
            crc, lines, left = zlib.crc32(piece, crc), lines + piece.count(b"\n"), left - len(piece)
        self._note(written.length)
        if left:
            return "its Records are cut off"
        if crc != written.crc:
            return "its Records are not what was written"
        return "" if lines == written.records else f"{lines} Records where {written.records} were"

    def _note(self, size: int) -> None:
        before, self.bytes = self.bytes, self.bytes + size
        if self.bytes >> 24 != before >> 24:
            self._told(self.bytes, self._total)

    def _path(self, db: ReadOnly, written: Written) -> str:
        query = "select root, path from document where id = ?"
        for root, path in db.rows(query, written.document):
            if 0 <= root < len(self._roots):
                return text_of(self._roots[root].label + b"/" + path)
        return f"document {written.document}"


def file_of(folder: Path, part: Part) -> Path:
    """Where the file of a part of lines, or of a segment, lies: in pending/ until published."""
    parts = Parts(folder, "jsonl")
    return parts.file(part) if part.sealed else parts.staged(part)


def written_in(db: ReadOnly, part: int) -> Iterator[Written]:
    """What the ledger says was ever put into one part, as it lies there."""
    for row in db.rows(f"{_WRITTEN_IN} and part = ? order by offset", part):
        yield Written(*row)


_WRITTEN_IN = """select id, document, part, offset, length, crc, records from outcome
    where part is not null and length > 0"""
_WRITTEN = f"{_WRITTEN_IN} order by part, offset"


# ── the ledger ───────────────────────────────────────────────────────────────────────────────


def _unsound(db: ReadOnly) -> Iterator[Damage]:
    ((application,),) = db.rows("pragma application_id")
    ((version,),) = db.rows("pragma user_version")
    if application != APPLICATION_ID:
        yield Damage("ledger", "ledger.db", "is not a docherd ledger")
    elif version > VERSION:
        yield Damage("ledger", "ledger.db", "was written by a newer docherd")
    else:
        for (found,) in db.rows("pragma integrity_check(20)"):
            if found != "ok":
                yield Damage("ledger", "ledger.db", " ".join(found.split()))


def _accounting(db: ReadOnly) -> Iterator[Damage]:
    """The tally, against the last outcome of each Document; chains, against the documents."""
    counted = {(status, reason): number for status, reason, number in db.rows(_COUNTED)}
    recorded = {(status, reason): number for status, reason, number in db.rows(RECORDED)}
    for status, reason in sorted(counted.keys() | recorded.keys()):
        said, found = counted.get((status, reason), 0), recorded.get((status, reason), 0)
        if said != found:
            what = f"status {status} {reason}".strip()
            yield Damage("accounting", "ledger.db", f"{said} counted as {what}, {found} recorded")
    for query in _IMPOSSIBLE:
        for (row,) in db.rows(query):
            yield Damage("accounting", "ledger.db", f"outcome {row} belongs to nothing")


_COUNTED = "select status, reason, documents from tally where documents != 0"
_IMPOSSIBLE = (
    "select o.id from outcome o left join document d on d.id = document where d.id is null limit 1",
    "select o.id from outcome o join outcome p on p.id = o.previous"
    " where p.document != o.document limit 1",
)
