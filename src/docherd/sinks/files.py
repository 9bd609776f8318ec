"""--format files: a text file for each Document, in a tree that mirrors the inputs.

segment ─► pending/part-N.files/ROW, durable, and a list of them                 a process
COMMIT: part sealed, each file with its name and CRC-32                          segment
rename each into data/ ─► fsync of its folder ─► what no longer counts is deleted
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
import zlib
from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from docherd import host
from docherd.conversion import Answer, Asked, Conversion, part_as_json, part_from_json
from docherd.exceptions import DamageError, mendable
from docherd.folder import Folder
from docherd.ledger import Ledger
from docherd.listing import listed
from docherd.model import Task, printable
from docherd.placements import Placement, named, placements, read
from docherd.readonly import ReadOnly
from docherd.rows import Listed, MadeFile, Part
from docherd.sinks import jsonl, tree
from docherd.sinks.names import SUFFIXES, candidates, own
from docherd.sinks.parts import Parts
from docherd.sinks.sink import Hurry, Made, Range
from docherd.sinks.texts import Text, lines_of_text, text_of_records

#: the list of what was made, beside it
_LIST = "list"
#: files that are synced together, and at the same time
_OPEN, _AT_ONCE = 256, 16
#: rows read from the ledger at a time
_PAGE = 1000


class Files:
    """A tree of text files as a Sink."""

    mirrors = True

    def __init__(self, out: Path, ledger: Ledger) -> None:
        self._out, self._data = out, out / "data"
        self._ledger = ledger

    def begin(self, part: Part, gone: Sequence[Range]) -> Conversion | None:
        holes = tuple(sorted({*part.holes, *gone}))
        target = replace(part, sealed=True, holes=holes)
        return Conversion("files", Asked(self._out, part, target, staging(self._out, part)))

    def made(self, part: Part, answer: Answer) -> Made:
        host.sync_folder(self._out / "pending")
        return Made(part_from_json(answer["target"]), _made(staging(self._out, part)))

    def rewrite(self, part: Part, target: Part, hurry: Hurry) -> Part:
        return target

    def publish(self, part: Part) -> None:
        """What was made of a part, each under its name; and away with what no longer counts."""
        staged = staging(self._out, part)
        if staged.is_dir():
            rows = self._ledger.listed(part.number)
            for folder, files in itertools.groupby(rows, lambda row: row.name.rpartition("/")[0]):
                with tree.opened(self._data, folder, create=True) as fd:
                    for each in files:
                        _rename(staged / str(each.document), each.name.rpartition("/")[2], fd)
                    os.fsync(fd)
        doomed = self._ledger.doomed()
        for name in doomed:
            tree.remove(self._data, name)
        if doomed:
            self._ledger.forget(doomed)
        if staged.is_dir():
            shutil.rmtree(staged)

    def check(self, parts: Sequence[Part]) -> None:
        for part in parts:
            for row in self._ledger.listed(part.number):
                if why := missized(self._out, row):
                    raise mendable(f"data/{printable(row.name)} {why}", self._out)
        for name in tree.names(self._data):
            if not self._ledger.lists(name):
                raise DamageError(
                    f"data/{printable(name)} is not of this run; nothing was changed."
                    " Move it elsewhere, then run the same command again"
                )

    def taken(self, name: str) -> bool:
        return os.path.lexists(self._data / name)


def staging(out: Path, part: Part) -> Path:
    """The folder of what was made of a part and is not yet published."""
    return out / "pending" / f"part-{part.number:06d}.files"


def _made(staged: Path) -> Iterator[MadeFile]:
    with (staged / _LIST).open("rb") as lines:
        for line in lines:
            document, id_, path, suffix, size, crc, pieces = json.loads(line)
            lengths = None if pieces is None else tuple(pieces)
            yield MadeFile(document, id_, path, suffix, size, crc, lengths)


def _rename(source: Path, name: str, folder: int) -> None:
    try:
        os.rename(source, name, dst_dir_fd=folder)
    except FileNotFoundError:
        pass  # that was done before we were cut


# ── in the process ───────────────────────────────────────────────────────────────────────────


def convert(asked: Asked) -> Answer:
    """A file for each Document in a segment, and a list of them: all durable."""
    asked.file.mkdir()
    size = 0
    writing = _Batch(asked.file)
    for placement, text in _texts(asked):
        made = writing.add(placement, text)
        size += made.size
    writing.close()
    return {"target": part_as_json(replace(asked.target, size=size, crc=0))}


def _texts(asked: Asked) -> Iterator[tuple[Placement, Text]]:
    segment = Parts(asked.out, "jsonl").staged(asked.part)
    gone = sorted({*asked.target.holes} - {*asked.part.holes})
    roots = Folder(asked.out).read_about().inputs
    with closing(ReadOnly(asked.out / "ledger.db", ("document", "outcome"))) as db:
        placed = placements(db, roots, asked.part.number)
        found = read(segment, asked.part, placed, gone)
        for placement, lines in itertools.groupby(found, lambda each: each.placement):
            yield placement, text_of_records([each.line for each in lines])


class _Batch:
    """Files that are written one after another, and synced many at a time."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._pool = ThreadPoolExecutor(_AT_ONCE)
        self._open: list[int] = []
        self._list = self._create(_LIST)
        self._listed = 0

    def add(self, placement: Placement, text: Text) -> MadeFile:
        fd = self._create(str(placement.document))
        self._open.append(fd)
        size = crc = 0
        for piece in text.content:
            jsonl.write_all(fd, piece, size)
            size, crc = size + len(piece), zlib.crc32(piece, crc)
        made = MadeFile(*placement[-3:], text.suffix, size, crc, text.pieces)
        line = f"{json.dumps(made)}\n".encode()
        jsonl.write_all(self._list, line, self._listed)
        self._listed += len(line)
        if len(self._open) >= _OPEN:
            self._sync()
        return made

    def close(self) -> None:
        self._open.append(self._list)
        self._sync()
        self._pool.shutdown()
        host.sync_folder(self._folder)

    def _create(self, name: str) -> int:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        return os.open(self._folder / name, flags, 0o644)

    def _sync(self) -> None:
        """Together, so that the file system's journal is written once for many of them."""
        for _ in self._pool.map(os.fsync, self._open):
            pass
        for fd in self._open:
            os.close(fd)
        self._open.clear()


# ── Records again, and damage ────────────────────────────────────────────────────────────────


class Kept(NamedTuple):
    """A file in data/ and whose it is."""

    row: Listed
    #: as in the Records
    id: str
    path: str


def kept(out: Path, part: Part, document: int | None = None) -> Iterator[Kept]:
    """What the ledger says was made of a part, or of one Document in it, by name."""
    roots = Folder(out).read_about().inputs
    last = ""
    while True:
        with closing(ReadOnly(out / "ledger.db", ("document", "file"))) as db:
            rows = list(db.rows(_KEPT, part.number, last, document, document, _PAGE))
        for *row, root, path in rows:
            yield Kept(listed(*row), *named(roots, root, path))
        if len(rows) < _PAGE:
            return
        last = rows[-1][0]


_KEPT = """select name, document, part, file.size, crc, pieces, root, path
    from file join document on document.id = file.document
    where part = ? and name > ? and (? is null or document = ?) order by name limit ?"""


def sound(out: Path, part: Part) -> set[int]:
    """Documents whose files are every byte as they were."""
    return {each.row.document for each in kept(out, part) if _intact(out, each.row)}


def _intact(out: Path, row: Listed) -> bool:
    try:
        return jsonl.crc_of(file_of(out, row)) == (row.size, row.crc)
    except OSError:
        return False


def unknown(out: Path, db: ReadOnly) -> Iterator[str]:
    """Names in data/ that are not of this run."""
    for name in tree.names(out / "data"):
        if not list(db.rows("select 1 from file where name = ?", name)):
            yield name


def lines(out: Path, part: Part, without: Collection[str]) -> Iterator[bytes]:
    """The Records of what was made of a part, but for those of some Documents."""
    for each in kept(out, part):
        if each.id not in without:
            yield from _lines(out, part, each)


def lines_of(out: Path, part: Part, document: int) -> Iterator[bytes]:
    """The Records of one Document."""
    for each in kept(out, part, document):
        yield from _lines(out, part, each)


def _lines(out: Path, part: Part, each: Kept) -> Iterator[bytes]:
    try:
        content = file_of(out, each.row).read_bytes()
    except FileNotFoundError:
        content = None
    row = each.row
    if content is None or len(content) != row.size:
        if list(kept(out, part, row.document)) == [each]:
            raise mendable(f"data/{printable(row.name)} {missized(out, row)}", out)
        return  # it was replaced just now
    head = json.dumps({"document": each.id, "path": each.path}, ensure_ascii=False)[:-1]
    yield from lines_of_text(content, row.name[row.name.rindex(".") :], row.pieces, head)


def file_of(out: Path, row: Listed) -> Path:
    """Where a file lies: until it is published in pending/."""
    staged = out / "pending" / f"part-{row.part:06d}.files" / str(row.document)
    return staged if staged.exists() else out / "data" / row.name


def missized(out: Path, row: Listed) -> str:
    """What is wrong with a file, as far as a look at its folder says; empty where nothing is."""
    try:
        size = os.lstat(file_of(out, row)).st_size
    except FileNotFoundError:
        return "is missing"
    if file_of(out, row).is_symlink():
        return "is a link"
    return "" if size == row.size else f"has {size:,} bytes where the ledger knows {row.size:,}"


# ── without the ledger that made them ────────────────────────────────────────────────────────


def adopted(out: Path, task: Task, part: int) -> list[tuple[Listed, int]]:
    """The files that are a Document's by their name, and when they were written: last first."""
    found = []
    for name in own(task.path, task.id):
        file = out / "data" / name
        if file.is_file() and not file.is_symlink():
            size, crc = jsonl.crc_of(file)
            pieces = None if name.endswith(".json") else (size,)
            row = Listed(name, task.document, part, size, crc, pieces)
            found.append((row, file.stat().st_mtime_ns))
    return sorted(found, key=lambda each: -each[1])


def unclaimed(out: Path, ledger: Ledger) -> Iterator[str]:
    """Paths, as in their Records, of Documents whose files nobody has claimed.

    Raises DamageError for a file that no Document would have.
    """
    for name in tree.names(out / "data"):
        if ledger.lists(name):
            continue
        path, dot, suffix = name.rpartition(".")
        if f"{dot}{suffix}" not in SUFFIXES or next(candidates(path, "", dot + suffix)) != name:
            raise DamageError(
                f"data/{printable(name)} is of no document of this run's inputs: move it"
                " elsewhere, then repair again; nothing was changed"
            )
        yield path
