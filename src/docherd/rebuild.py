"""A new ledger where the old one is lost: what the parts hold is done, the rest is pending.

    parts ─► salvage (id → where its Records are)
    walk of the inputs ─► documents; those in the salvage are done, unless their file is newer than
    its part; what is only in the salvage was there once and is gone now

Of a tree of text files each name says whose it is; how its text was divided into Records, none.

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
from docherd.identity import JSONL, About
from docherd.job import filters_of
from docherd.ledger import Ledger
from docherd.model import Found, Outcome, Root, Status, Task, text_of
from docherd.rows import Discovered, Note, Part, Placed
from docherd.sinks import files, jsonl, parquet
from docherd.sinks.jsonl import Range
from docherd.sinks.parts import Parts

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
            adoption = _Adoption(folder, about, ledger, salvage)
            adoption.walk_again()
            adoption.remember_gone()
            for part in parts:
                ledger.adopt(part, () if _made(part, about) else salvage.unclaimed(part))
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
    for number, file, finished in _files(folder, about):
        found: list[Kept] = []
        read = _read if file.name.endswith(".jsonl") else _read_table
        for each in read(number, file, about):
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
        sealed = finished or about.format == JSONL
        yield Part(number, 1, sealed, *jsonl.crc_of(file))
    if about.format == "files":
        yield _TREE


#: the part that files in data/ are of, where nobody knows any longer
_TREE = Part(0, 1, sealed=True, size=0, crc=0)


def _made(part: Part, about: About) -> bool:
    """Of another format than its segment: nothing in it lies at an offset."""
    return part.sealed and about.format != JSONL


def _files(folder: Folder, about: About) -> Iterator[tuple[int, Path, bool]]:
    """(number, file, published) of every part by number."""
    files: dict[int, Path] = {}
    for place, suffix in ((folder.pending, JSONL), (folder.data, about.format)):
        parts = Parts(folder.path, suffix)  # a published one counts
        for name in os.listdir(place) if suffix != "files" else ():
            if (number := parts.number(name)) is not None:
                files[number] = place / name
    for number, file in sorted(files.items()):
        yield number, file, file.parent == folder.data


def _read(number: int, file: Path, about: About) -> Iterator[Kept]:
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


def _read_table(number: int, file: Path, about: About) -> Iterator[Kept]:
    """The Documents in a Parquet file; where they lie in it is counted in Records."""
    mtime, at = file.stat().st_mtime_ns, 0
    for (document, path), records in parquet.documents(file, about.columns or ()):
        yield Kept(document, number, at, records, 0, records, path, mtime)
        at += records


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

    def of(self, document: str) -> list[Kept]:
        """Where it has Records; those of the last part count."""
        query = "select * from kept where document = ? order by part"
        return [Kept(*row[:-1]) for row in self._db.execute(query, (document,))]

    def mark(self, kept: Kept, seen: int) -> None:
        """``_CLAIMED`` or ``_OUTDATED``."""
        query = "update kept set seen = ? where document = ? and part = ?"
        self._db.execute(query, (seen, kept.document, kept.part))

    def rest(self, most: int) -> list[Kept]:
        """The next of those that nobody asked for."""
        query = "select * from kept where seen = ? order by document, part limit ?"
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
create table kept (document text, part integer, offset integer, length integer,
    crc integer, records integer, path text, mtime_ns integer, seen integer,
    primary key (document, part)) without rowid;
create index kept_place on kept (part, offset);
"""


# ── inputs ─► ledger ─────────────────────────────────────────────────────────────────────────


class _Adoption:
    """Documents, and what of the salvage is theirs."""

    def __init__(self, folder: Folder, about: About, ledger: Ledger, salvage: _Salvage) -> None:
        self._folder = folder
        self._about = about
        self._ledger = ledger
        self._salvage = salvage

    def walk_again(self) -> None:
        """Discover the inputs; commit as done what the salvage has of them."""
        about = self._about
        if about.files_from == "-":
            return  # the list went with the ledger: what the Records name is looked up
        filters = filters_of(Options.of({"processor": about.processor, **about.options}))
        inputs = walk.Walk(about.inputs, filters, about.files_from, about.null, about.base)
        entries = walk.found(inputs)
        while batch := list(itertools.islice(entries, BATCH)):
            self._take(self._ledger.discover(batch))

    def remember_gone(self) -> None:
        """What only the Records know of: gone, but for files of a list that is lost itself."""
        labels = {text_of(root.label): n for n, root in enumerate(self._about.inputs)}
        while known := self._unclaimed(labels):
            found = [_looked_up(self._about, root, name) for root, name in known]
            discovered = self._ledger.discover(found)
            self._take(discovered, known)
            gone = [
                Placed(Outcome(_task(document, self._about.inputs[each.root], each), Status.GONE))
                for document, each in zip(discovered.ready, discovered.found, strict=True)
                if not each.inode
            ]
            self._ledger.commit(gone, None, Note())

    def _unclaimed(self, labels: dict[str, int]) -> dict[tuple[int, bytes], list[Kept]]:
        """(root, path) of the next Documents that the walk did not meet, and what they have."""
        ids = {each.document for each in self._salvage.rest(BATCH)}
        kept = [self._salvage.of(document) for document in sorted(ids)]
        paths = {each[-1].path: each for each in kept}
        for where in itertools.chain.from_iterable(kept):
            self._salvage.mark(where, _OUTDATED)
        if not paths and self._about.format == "files":
            unclaimed = files.unclaimed(self._folder.path, self._ledger)
            paths = {path: [] for path in itertools.islice(unclaimed, BATCH)}
        named: dict[tuple[int, bytes], list[Kept]] = {}
        for path, each in paths.items():
            label, _, name = path.partition("/")
            if label not in labels:
                raise DamageError(
                    f"{self._folder.data} has a file of {path}, which no input of this run has:"
                    " move it elsewhere, then repair again; nothing was changed"
                )
            named[labels[label], os.fsencode(name)] = each
        return named

    def _take(
        self, discovered: Discovered, known: dict[tuple[int, bytes], list[Kept]] | None = None
    ) -> None:
        """Documents just discovered; ``known``: what they have counts, whatever is there now."""
        older: list[Placed] = []
        placed: list[Placed] = []
        again: list[Placed] = []
        for document, found in zip(discovered.ready, discovered.found, strict=True):
            task = _task(document, self._about.inputs[found.root], found)
            lines = known[found.root, found.path] if known else self._salvage.of(task.id)
            if not (kept := [*self._in_tree(task), *lines]):
                continue
            counts = known is not None or found.mtime_ns <= kept[-1].mtime_ns
            for each in kept:
                claimed = counts and each is kept[-1]
                self._salvage.mark(each, _CLAIMED if claimed else _OUTDATED)
                if claimed:
                    placed.append(_placed(task, each))
                elif self._about.format != JSONL:  # nothing lies at an offset: by its outcome
                    older.append(_placed(task, each))
            if not counts and self._about.format != JSONL:
                again.append(Placed(Outcome(task._replace(attempt=-1), Status.PENDING)))
        for batch in (older, placed, again):
            self._ledger.commit(batch, None, Note())

    def _in_tree(self, task: Task) -> Iterator[Kept]:
        """The file that a Document has in data/."""
        if self._about.format != "files":
            return
        rows = files.adopted(self._folder.path, task, _TREE.number)
        self._ledger.adopt_files([row for row, _ in rows])
        for row, mtime in rows[:1]:
            yield Kept(task.id, row.part, task.document, 1, 0, 1, task.path, mtime)


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
