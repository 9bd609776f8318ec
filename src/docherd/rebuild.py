"""A new ledger where the old one is lost: what the parts hold is done, the rest is pending.

    parts ─► salvage (id → where its Records are)
    walk of the inputs ─► documents; those in the salvage are done, unless their file is newer than
    its part; what is only in the salvage was there once and is gone now

It is made beside the old one, whole and durable, before that is set aside as ledger.db.damaged.
What was done without a Record, skipped by a processor or failed leaves no trace in a part: such
Documents are processed once more.
"""

from __future__ import annotations

import itertools
import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

from docherd import host, walk
from docherd.config import Options
from docherd.discovery import stratum_of
from docherd.exceptions import DamageError
from docherd.folder import Folder
from docherd.identity import About
from docherd.job import filters_of
from docherd.ledger import Ledger
from docherd.model import Found, Outcome, Root, Status, Task, document_id, text_of
from docherd.rows import Note, Part, Placed
from docherd.sinks import jsonl
from docherd.sinks.jsonl import Range

#: Documents discovered and committed together
BATCH = 1000
_SUFFIXES = ("", "-wal", "-shm", "-journal")


def rebuild(folder: Folder) -> None:
    """Replace the ledger of a run by one made from its parts and inputs.

    The caller holds the folder. Raises DamageError for a part whose Documents are not of this
    run's inputs, OSError where something cannot be read or written; the old one is then still
    there.
    """
    about = folder.read_about()
    made = folder.pending / "ledger.db"
    for suffix in _SUFFIXES:
        made.with_name(made.name + suffix).unlink(missing_ok=True)
    with closing(_Salvage(folder.pending / "salvage.db")) as salvage:
        parts = list(_collect(folder, about, salvage))
        with closing(Ledger(made, create=True)) as ledger:
            ledger.begin(1, 0, (), 0)
            _walk_again(about, ledger, salvage)
            _remember_gone(about, ledger, salvage)
            for part in parts:
                ledger.adopt(part, salvage.unclaimed(part))
            ledger.end("interrupted", Note())
    _sync(made)
    _swap(folder, made)


# ── parts ─► salvage ─────────────────────────────────────────────────────────────────────────


class Kept(NamedTuple):
    """The Records of a Document, where they were found."""

    document: str
    part: int
    offset: int
    length: int
    crc: int
    records: int
    #: as in the Records
    path: str
    #: when the part was last written
    mtime_ns: int


def _collect(folder: Folder, about: About, salvage: _Salvage) -> Iterator[Part]:
    """Every part there is, its Documents put into the salvage; later parts hold later Records."""
    labels = {text_of(root.label) for root in about.inputs}
    for number, file, finished in _files(folder):
        found: list[Kept] = []
        for each in _read(number, file):
            if each.path.partition("/")[0] not in labels:
                raise DamageError(
                    f"{file} holds Records of {each.path}, which no input of this run has: move"
                    " it elsewhere, then repair again; nothing was changed"
                )
            found.append(each)
        if not finished:  # the last may not be whole
            size = found.pop().offset if found else 0
            os.truncate(file, size)
            _sync(file)
        salvage.add(found)
        yield Part(number, 1, sealed=True, size=file.stat().st_size, crc=jsonl.crc_of(file)[1])


def _files(folder: Folder) -> Iterator[tuple[int, Path, bool]]:
    """(number, file, published) of every part by number."""
    files: dict[int, Path] = {}
    for place in (folder.pending, folder.data):  # a published one counts
        for name in os.listdir(place):
            if (number := jsonl.part_number(name)) is not None:
                files[number] = place / name
    for number, file in sorted(files.items()):
        yield number, file, file.parent == folder.data


def _read(number: int, file: Path) -> Iterator[Kept]:
    """The Documents in a part whose every line is sound."""
    mtime = file.stat().st_mtime_ns
    with file.open("rb") as lines, file.open("rb") as again:
        for group in jsonl.groups(lines):
            if not group.document:
                continue
            again.seek(group.offset)
            try:
                paths = [_path(again.readline(), group.document, n) for n in range(group.records)]
            except (ValueError, LookupError, TypeError):
                continue
            where = (group.offset, group.length, group.crc, group.records)
            yield Kept(group.document, number, *where, paths[0], mtime)


def _path(line: bytes, document: str, ordinal: int) -> str:
    """As in the Record; ValueError where that is not this one of this Document."""
    record = json.loads(line)
    if (record["document"], record["ordinal"]) != (document, ordinal):
        raise ValueError(document)
    return str(record["path"])


class _Salvage:
    """Where the Records of each Document are, in a file of its own: there may be millions."""

    def __init__(self, path: Path) -> None:
        path.unlink(missing_ok=True)
        self._db = sqlite3.connect(path, isolation_level=None)
        self._db.execute("pragma synchronous = off")
        self._db.execute("pragma journal_mode = memory")
        self._db.executescript(_TABLES)

    def add(self, found: list[Kept]) -> None:
        """What comes later counts."""
        self._db.execute("begin")
        marks = ",".join("?" * len(Kept._fields))
        rows = [(*each, _UNSEEN) for each in found]
        self._db.executemany(f"insert or replace into kept values ({marks}, ?)", rows)  # noqa: S608
        self._db.execute("commit")

    def get(self, document: str) -> Kept | None:
        row = self._db.execute("select * from kept where document = ?", (document,)).fetchone()
        return None if row is None else Kept(*row[:-1])

    def mark(self, document: str, seen: int) -> None:
        """``_CLAIMED`` or ``_OUTDATED``."""
        self._db.execute("update kept set seen = ? where document = ?", (seen, document))

    def rest(self, most: int) -> list[Kept]:
        """The next of those that nobody asked for."""
        query = "select * from kept where seen = ? order by part, offset limit ?"
        return [Kept(*row[:-1]) for row in self._db.execute(query, (_UNSEEN, most))]

    def unclaimed(self, part: Part) -> Iterator[Range]:
        """The ranges of a part that belong to no Document."""
        at = 0
        query = "select offset, length from kept where part = ? and seen = ? order by offset"
        for offset, length in [*self._db.execute(query, (part.number, _CLAIMED)), (part.size, 0)]:
            if offset > at:
                yield at, offset - at
            at = offset + length

    def close(self) -> None:
        self._db.close()


_UNSEEN, _CLAIMED, _OUTDATED = range(3)
_TABLES = """
create table kept (document text primary key, part integer, offset integer, length integer,
    crc integer, records integer, path text, mtime_ns integer, seen integer) without rowid;
create index kept_place on kept (part, offset);
"""


# ── inputs ─► ledger ─────────────────────────────────────────────────────────────────────────


def _walk_again(about: About, ledger: Ledger, salvage: _Salvage) -> None:
    """Discover the inputs; commit as done what the salvage has of them."""
    if about.files_from == "-":
        return  # the list went with the ledger: what the Records name is looked up
    filters = filters_of(Options.of({"processor": about.processor, **about.options}))
    inputs = walk.Walk(about.inputs, filters, about.files_from, about.null, about.base)
    entries = walk.found(inputs)
    while batch := list(itertools.islice(entries, BATCH)):
        _take_in(about, ledger, salvage, batch)


def _take_in(about: About, ledger: Ledger, salvage: _Salvage, batch: list[Found]) -> None:
    discovered = ledger.discover(batch)
    placed = []
    for document, found in zip(discovered.ready, discovered.found, strict=True):
        root = about.inputs[found.root]
        kept = salvage.get(document_id(root.label, found.path))
        if kept is None:
            continue
        current = found.mtime_ns <= kept.mtime_ns
        salvage.mark(kept.document, _CLAIMED if current else _OUTDATED)
        if current:
            placed.append(_placed(_task(document, root, found), kept))
    ledger.commit(placed, None, Note())


def _remember_gone(about: About, ledger: Ledger, salvage: _Salvage) -> None:
    """What only the Records know of: gone, but for files of a list that is lost itself."""
    labels = {text_of(root.label): index for index, root in enumerate(about.inputs)}
    while batch := salvage.rest(BATCH):
        by_path: dict[tuple[int, bytes], Kept] = {}
        for kept in batch:
            label, _, name = kept.path.partition("/")
            by_path[labels[label], os.fsencode(name)] = kept
            salvage.mark(kept.document, _CLAIMED)
        found = [_looked_up(about, root, name) for root, name in by_path]
        discovered = ledger.discover(found)
        placed, gone = [], []
        for document, each in zip(discovered.ready, discovered.found, strict=True):
            task = _task(document, about.inputs[each.root], each)
            placed.append(_placed(task, by_path[each.root, each.path]))
            if not each.inode:
                gone.append(Placed(Outcome(task, Status.GONE)))
        ledger.commit(placed, None, Note())
        ledger.commit(gone, None, Note())


def _looked_up(about: About, root: int, name: bytes) -> Found:
    """The file as it is; without an inode where there is none."""
    try:
        entry = os.lstat(os.path.join(about.inputs[root].folder, name))  # noqa: PTH118
    except (OSError, ValueError):
        return Found(root, name, 0, 0, 0)
    return Found(root, name, entry.st_size, entry.st_mtime_ns, entry.st_ino)


def _task(document: int, root: Root, found: Found) -> Task:
    return Task(document, root, found.path, found.size, stratum_of(found.path, found.size))


def _placed(task: Task, kept: Kept) -> Placed:
    outcome = Outcome(task, Status.DONE, records=kept.records, length=kept.length, crc=kept.crc)
    return Placed(outcome, kept.part, kept.offset)


# ── the old one out, the new one in ──────────────────────────────────────────────────────────


def _sync(file: Path) -> None:
    fd = os.open(file, os.O_RDWR | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def _swap(folder: Folder, made: Path) -> None:
    """The write-ahead log of the old one first: beside the new one it would be replayed into it."""
    (folder.pending / "salvage.db").unlink(missing_ok=True)
    for suffix in reversed(_SUFFIXES):
        old = folder.path / f"ledger.db{suffix}"
        if old.exists():
            old.replace(folder.path / f"ledger.db.damaged{suffix}")
    host.sync_folder(folder.path)
    made.replace(folder.ledger)
    host.sync_folder(folder.path)
    host.sync_folder(folder.pending)
