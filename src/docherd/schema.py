"""The tables of a ledger, and how one of ours is told from anything else."""

from __future__ import annotations

import itertools
import re
import sqlite3
from collections.abc import Sequence
from functools import cache
from pathlib import Path

from docherd.exceptions import DamageError, mendable
from docherd.model import Status

#: the integers that stand for statuses in the ledger
STATUSES = (Status.PENDING, Status.DONE, Status.FAILED, Status.SKIPPED, Status.GONE)
CODE = {status: code for code, status in enumerate(STATUSES)}

APPLICATION_ID, VERSION = 0x646F6368, 2  # "doch"

#: the reason of a `gone` outcome whose Records were taken out of the data (--prune)
PRUNED = "pruned"

SCHEMA = """
create table document (                 -- one row a Document, in the order of the first walk
    id        integer primary key,
    root      integer not null,         -- index into run.json's inputs
    path      blob    not null,         -- below the root
    size      integer not null,
    mtime_ns  integer not null,
    inode     integer not null,
    stratum   integer not null,
    digest    blob                      -- blake2b of the content, under --checksum only
);
create unique index document_path on document (root, path);

create table stratum (                  -- one extension and one power-of-two size class
    id        integer primary key,
    name      text    not null unique,  -- "pdf/17": files of 2**16 to 2**17-1 bytes
    learned   text                      -- what the forecast knows of it, JSON
);
create index document_stratum on document (stratum);

create table outcome (                  -- append-only; the last row of a Document counts
    id        integer primary key,
    document  integer not null,
    previous  integer,                  -- the row this one replaces; null for a Document's first
    attempt   integer not null,         -- attempts charged, this one included
    status    integer not null,         -- index into STATUSES
    reason    text,
    seconds   real,
    peak      integer,                  -- bytes
    kind      text,
    records   integer,
    part      integer,                  -- where the Records are; null where there are none
    offset    integer,                  -- in the part as first written: see part.holes
    length    integer,
    crc       integer,
    interruptions integer,
    at        integer not null,         -- unix seconds
    message   text,
    detail    text
);
create unique index outcome_first on outcome (document) where previous is null;
create unique index outcome_next on outcome (previous) where previous is not null;
create index outcome_undone on outcome (status) where status != 1;

create table part (                     -- one output file, growing (sealed = 0) or published
    number    integer primary key,
    generation integer not null,        -- one higher at each rewriting
    sealed    integer not null,
    size      integer not null,         -- bytes known good
    crc       integer not null,         -- CRC-32 of those
    holes     text not null             -- ranges of the first generation that are no more, JSON
);

create table stale (                    -- Records that were replaced, still in their part
    part      integer not null,
    offset    integer not null,
    length    integer not null,
    primary key (part, offset)
) without rowid;

create table tally (                    -- the accounting, updated by every commit
    status    integer not null,
    reason    text not null,            -- '' for done and gone
    documents integer not null,
    primary key (status, reason)
) without rowid;

create table start (                    -- one row each time the run was started or resumed
    epoch     integer primary key,
    began     integer not null,         -- unix seconds
    ended     integer,
    state     text not null,            -- running, finished, interrupted
    workers   integer not null,
    memory    integer not null,         -- budget, bytes
    peak      integer not null,         -- most memory in use, bytes
    seconds   real not null,
    limited   integer not null          -- 1 where the walk did not take every input
);
create table sample (                   -- throughput over time, at most 500 rows a start
    epoch     integer not null,
    seconds   real not null,            -- since that start
    finished  integer not null,         -- Documents finished by that start
    written   integer not null,         -- bytes of Records
    memory    integer not null,
    primary key (epoch, seconds)
) without rowid;
"""

#: what version 2 has besides; `migrate` makes it
FILES = """
create table file (                     -- one file in data/, under --format files
    name      text    not null primary key,  -- below data/
    folded    text    not null unique,  -- as a disk sees it that folds case and Unicode
    document  integer not null,
    part      integer,                  -- whose segment it was made of; null: to be deleted
    size      integer not null,
    crc       integer not null,
    pieces    text                      -- bytes of each Record's text, JSON; null: JSON lines
) without rowid;
create index file_document on file (document);
create index file_part on file (part);
"""
SCHEMA += FILES


#: rows written by one statement
AT_ONCE = 500


def insert(db: sqlite3.Connection, table: str, rows: Sequence[tuple[object, ...]]) -> None:
    """Insert whole rows, many with one statement.

    Not executemany: that lets go of the interpreter's lock and takes it again at every row, and
    each time waits for other threads. Measured with rows of eight columns beside a thread that
    never waits: 3.9 ms a row, and 34 us with many rows a statement (alone: 3.3 and 2.4 us).
    Columns in which every row has nothing are left out: of an outcome's 18 that is most, and they
    cost two thirds of the time.
    """
    names = _columns(table)
    for start in range(0, len(rows), AT_ONCE):
        columns = list(zip(*rows[start : start + AT_ONCE], strict=True))
        kept = [at for at, column in enumerate(columns) if column.count(None) < len(column)]
        marks = f"({','.join('?' * len(kept))})"
        values = ",".join([marks] * len(columns[0]))
        db.execute(
            f"insert into {table} ({','.join(names[at] for at in kept)}) values {values}",  # noqa: S608
            list(itertools.chain.from_iterable(zip(*(columns[at] for at in kept), strict=True))),
        )


@cache
def _columns(table: str) -> list[str]:
    """The names of a table's columns, in order."""
    body = SCHEMA.partition(f"create table {table} (")[2].partition("\n)")[0]
    return re.findall(r"^    (\w+) +(?:integer|text|blob|real)", body, re.MULTILINE)


def check(db: sqlite3.Connection, path: Path) -> None:
    """Refuse what is not a ledger of ours, or of a newer version. Raises DamageError."""
    application = db.execute("pragma application_id").fetchone()[0]
    version = db.execute("pragma user_version").fetchone()[0]
    if application != APPLICATION_ID:
        raise mendable(f"{path} is not a docherd ledger", path.parent)
    if version > VERSION:
        raise DamageError(f"{path} was written by a newer docherd; upgrade, nothing was changed")
    found = {
        (name, kind, plain(sql))
        for name, kind, sql in db.execute("select name, type, sql from sqlite_schema")
        if not name.startswith("sqlite_")
    }
    ours = definitions() if version > 1 else _first_definitions()
    if found != ours:
        odd = ", ".join(sorted({name for name, *_ in found ^ ours}))
        raise mendable(f"{path} does not have our tables ({odd})", path.parent)


def migrate(db: sqlite3.Connection) -> None:
    """Bring a ledger of an older version up to this one, in one transaction."""
    if db.execute("pragma user_version").fetchone()[0] == 1:
        db.executescript(f"begin immediate; {FILES} pragma user_version = {VERSION}; commit;")


@cache
def _first_definitions() -> frozenset[tuple[str, str, str]]:
    """Those of version 1."""
    return _definitions(SCHEMA.removesuffix(FILES))


@cache
def definitions() -> frozenset[tuple[str, str, str]]:
    """(name, type, SQL) of each table and index of ours."""
    return _definitions(SCHEMA)


def _definitions(schema: str) -> frozenset[tuple[str, str, str]]:
    made = sqlite3.connect(":memory:")
    try:
        made.executescript(schema)
        rows = made.execute("select name, type, sql from sqlite_schema where sql is not null")
        return frozenset((name, kind, plain(sql)) for name, kind, sql in rows)
    finally:
        made.close()


def plain(sql: str | None) -> str:
    """A definition without comments and layout, which may change."""
    return " ".join(re.sub(r"--.*", "", sql or "").split())
