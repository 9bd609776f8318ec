"""Documents that have their size in common with others, in a database that is thrown away.

Which of them have the same content, which of those is the original (the first of the first walk),
and which copies are not what a fresh run would make any more. SQLite sorts on the disk, so memory
stays flat; nothing of it is ever written to the ledger from here.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from docherd.model import Root, Status, Task
from docherd.rows import COPY_OF
from docherd.schema import CODE

#: rows read at a time; steps of SQLite between signs of life
AT_ONCE, STEPS = 1000, 1_000_000


class Member(NamedTuple):
    """A Document of whose size there are others."""

    document: int
    root: int
    path: bytes
    size: int
    mtime_ns: int
    inode: int
    #: of the whole content, where it has been read
    digest: bytes | None


class Verdict(NamedTuple):
    """What a Document is among those of its size."""

    document: int
    #: the first with the same content; itself where there is none before it
    original: int
    stratum: str
    pending: bool
    #: True for a copy whose Records are not those of its original any more
    outdated: bool


class Groups:
    """All that share a size, from the ledger as it is now."""

    def __init__(
        self, folder: Path, roots: Sequence[Root], most: int, beat: Callable[[], None]
    ) -> None:
        """``folder``: of the run. Larger files than ``most`` bytes are left out; ``beat`` is called
        now and then while SQLite works. Raises sqlite3.Error.
        """
        # Its temporary files have no names; they lie where there is room for results.
        os.environ["SQLITE_TMPDIR"] = os.fspath(folder / "pending")
        self._roots = roots
        self._db = sqlite3.connect("", uri=True, isolation_level=None)
        self._db.set_progress_handler(beat, STEPS)
        self._db.execute("pragma cell_size_check = on")
        self._db.execute("pragma trusted_schema = off")
        self._db.execute("pragma synchronous = off")
        self._db.execute("pragma journal_mode = off")
        ledger = os.fsencode((folder / "ledger.db").absolute())
        address = f"file:{quote(ledger)}?mode=ro"
        self._db.execute("attach ? as ledger", (address,))
        self._db.create_function("copy_of", 2, self._copy_of, deterministic=True)
        self._db.executescript(_COLLECT.replace(":most", str(int(most))))
        self._db.execute("detach ledger")

    def _copy_of(self, root: int, path: bytes) -> str:
        """What a copy of this one says."""
        return COPY_OF + Task(0, self._roots[root], path, 0, "").path

    def sizes(self) -> Iterator[int]:
        """Each size, the smallest first."""
        size = 0
        query = "select min(size) from alike where size > ?"
        while (row := self._db.execute(query, (size,)).fetchone())[0] is not None:
            size = row[0]
            yield size

    def unread(self, size: int) -> bool:
        """True where there are some of this size that were never read."""
        query = "select exists (select 1 from alike where size = ? and digest is null)"
        return bool(self._db.execute(query, (size,)).fetchone()[0])

    def put_heads(self, size: int, head: Callable[[Member], bytes | None]) -> None:
        """Read the beginning of each; those that cannot be read are like no other."""
        for page in self._pages("select * from alike where size = ? and id > ?", size):
            rows = [(head(each), size, each.document) for each in page]
            self._db.executemany("update alike set head = ? where size = ? and id = ?", rows)

    def put_digests(
        self, size: int, digest: Callable[[Member], bytes | None], *, by_head: bool
    ) -> None:
        """Read the whole of those that were not read; ``by_head``: that begin as another does."""
        for page in self._pages(_SAME_HEAD if by_head else _UNREAD, size):
            rows = [(digest(each), size, each.document) for each in page]
            self._db.executemany("update alike set digest = ? where size = ? and id = ?", rows)

    def _pages(self, query: str, size: int) -> Iterator[list[Member]]:
        document = 0
        columns = query.replace("*", "id, root, path, size, mtime_ns, inode, digest", 1)
        while rows := self._db.execute(
            f"{columns} order by id limit {AT_ONCE}", (size, document)
        ).fetchall():
            document = rows[-1][0]
            yield [Member(*row) for row in rows]

    def verdicts(self, size: int) -> Iterator[Verdict]:
        """What each is, in the order of the first walk; who waits for another is noted."""
        document = 0
        while rows := self._db.execute(_VERDICTS, {"size": size, "after": document}).fetchall():
            document = rows[-1][0]
            verdicts = [Verdict(d, of, name, bool(p), bool(o)) for d, of, name, p, o in rows]
            self._db.executemany(
                "insert into twin values (?, ?)",
                [
                    (each.original, each.document)
                    for each in verdicts
                    if each.original != each.document and (each.pending or each.outdated)
                ],
            )
            yield from verdicts

    def pairs(self) -> Iterator[tuple[int, int]]:
        """(original, copy) of all that wait for another, originals together."""
        last = (0, 0)
        query = "select * from twin where (original, document) > (?, ?) limit ?"
        while rows := self._db.execute(query, (*last, AT_ONCE)).fetchall():
            yield from rows
            last = rows[-1]


def grouped(pairs: Iterable[tuple[int, int]], most: int) -> Iterator[list[tuple[int, int]]]:
    """At most so many together."""
    group: list[tuple[int, int]] = []
    for pair in pairs:
        group.append(pair)
        if len(group) == most:
            yield group
            group = []
    if group:
        yield group


_PENDING, _GONE = CODE[Status.PENDING], CODE[Status.GONE]

#: the last outcome of each Document; then those that are there and share their size. What is a
#: copy says so itself: no attempt was charged for it, which a worker cannot claim.
_COLLECT = f"""
create table last (id integer primary key, status integer, row integer, says text);
insert or replace into last
    select document, status, id,
        case when attempt = 0 and substr(message, 1, {len(COPY_OF)}) = '{COPY_OF}' then message end
    from ledger.outcome order by id;
create table alike (
    size integer, id integer, root integer, path blob, mtime_ns integer, inode integer,
    digest blob, head blob, stratum text, status integer, row integer, says text,
    primary key (size, id)
) without rowid;
insert into alike
    select d.size, d.id, d.root, d.path, d.mtime_ns, d.inode, d.digest, null, s.name,
        coalesce(l.status, {_PENDING}), coalesce(l.row, 0), l.says
    from ledger.document d join ledger.stratum s on s.id = d.stratum
        left join last l on l.id = d.id
    where d.size > 0 and d.size <= :most and l.status is not {_GONE} and (l.says is not null
        or d.size in (select size from ledger.document group by size having count(*) > 1))
    order by d.size, d.id;
drop table last;
create index alike_digest on alike (size, digest, id) where digest is not null;
create index alike_head on alike (size, head) where head is not null;
create table twin (
    original integer, document integer, primary key (original, document)
) without rowid;
"""  # noqa: S608 - constants of ours

_UNREAD = "select * from alike a where size = ? and id > ? and digest is null"
_SAME_HEAD = f"""{_UNREAD} and head is not null
    and exists (select 1 from alike b where b.size = a.size and b.head = a.head and b.id != a.id)"""  # noqa: S608 - constants of ours

_VERDICTS = f"""
with judged as (
    select a.*, coalesce((
        select min(b.id) from alike b where b.size = a.size and b.digest = a.digest
    ), a.id) as original
    from alike a where a.size = :size and a.id > :after order by a.id limit {AT_ONCE}
)
select j.id, j.original, j.stratum, j.status = {_PENDING},
    j.says is not null and (
        j.original = j.id or o.status = {_PENDING} or o.row > j.row
        or (j.says != copy_of(o.root, o.path)
            and substr(j.says, 1, length(copy_of(o.root, o.path)) + 2)
                != copy_of(o.root, o.path) || ': ')
    )
from judged j join alike o on o.size = j.size and o.id = j.original
order by j.id
"""  # noqa: S608 - constants of ours
