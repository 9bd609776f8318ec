"""The ledger: one SQLite file that remembers every Document of a run, and is its queue.

Exactly one read-write connection exists in the whole system (``Ledger``, held by the committer's
thread while a run goes on); everybody else reads through ``mode=ro`` (``Window`` for the engine,
``View`` for people). Outcomes are append-only: the last row of a Document counts, and two unique
indexes make it impossible to commit a Document twice. All SQL is in schema.py, ledger.py,
window.py and view.py.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from docherd.exceptions import DamageError, EnvironmentFault
from docherd.model import Counts, Found, Outcome, Reason, Status
from docherd.schema import APPLICATION_ID, CODE, PRUNED, SCHEMA, STATUSES, VERSION, check

DONE, FAILED, SKIPPED, GONE = STATUSES[1:]
_PENDING, _DONE, _GONE = CODE[Status.PENDING], CODE[Status.DONE], CODE[Status.GONE]

# ── values ───────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Carried:
    """What earlier attempts left behind for a Document that is pending again."""

    row: int
    attempt: int = 0
    reason: Reason | None = None
    interruptions: int = 0


@dataclass(frozen=True, slots=True)
class Discovered:
    """What a batch of Found meant: Documents that may be processed now."""

    ready: list[int]
    carried: dict[int, Carried]
    #: stratum of each in `ready`
    strata: list[str]


@dataclass(frozen=True, slots=True)
class Placed:
    """An outcome and where in which part its Records lie; no part where it has none."""

    outcome: Outcome
    part: int | None = None
    offset: int = 0


@dataclass(frozen=True, slots=True)
class Part:
    """One output file as the ledger knows it."""

    number: int
    generation: int
    sealed: bool
    size: int
    crc: int
    #: (offset, length) in the first generation, ascending
    holes: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True, slots=True)
class Progress:
    """What a commit notes about the run itself."""

    seconds: float = 0.0
    finished: int = 0
    written: int = 0
    memory: int = 0
    peak: int = 0
    #: True where a row of the throughput curve is due
    sample: bool = False
    learned: Mapping[str, str] = field(default_factory=dict)


def stratum_of(path: bytes, size: int) -> str:
    """ "pdf/17": extension and power-of-two size class, the unit of forecast and order."""
    name = path.rpartition(b"/")[2]
    _, dot, extension = name.rpartition(b".")
    known = dot and len(extension) <= 8 and extension.isalnum()
    return f"{extension.decode('ascii').lower() if known else ''}/{size.bit_length()}"


# ── the one writer ───────────────────────────────────────────────────────────────────────────


class Ledger:
    """The read-write connection. Not thread-safe: one thread at a time holds it."""

    def __init__(self, path: Path, *, create: bool) -> None:
        """Open or create. Raises DamageError for what is not a sound ledger of ours."""
        self.path = path
        #: True once `begin` has written, and from then on until `end`
        self._begun = self._running = False
        if not create and not path.exists():
            raise DamageError(f"{path} is missing although the run has data; nothing was changed")
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        try:
            with self._translating():
                self._prepare(create)
                self._load()
        except (LookupError, ValueError, TypeError) as error:  # sound SQLite, rows that make none
            self._db.close()
            raise DamageError(f"{path} is damaged ({error}); nothing was changed") from error
        except BaseException:
            self._db.close()
            raise

    def _prepare(self, create: bool) -> None:
        run = self._db.execute
        run("pragma trusted_schema = off")
        run("pragma cell_size_check = on")
        run("pragma busy_timeout = 5000")
        if create:
            self._db.executescript(f"begin; {SCHEMA}; commit;")
            run(f"pragma application_id = {APPLICATION_ID}")
            run(f"pragma user_version = {VERSION}")
        check(self._db, self.path)
        if (found := run("pragma quick_check(1)").fetchone()[0]) != "ok":
            what = " ".join(found.split())
            raise DamageError(f"{self.path} is damaged ({what}); nothing was changed")
        run("pragma synchronous = full")
        run("pragma cache_size = -16000")

    def _load(self) -> None:
        """What is kept in memory: a status byte a Document, strata, and what is pending again."""
        one = self._db.execute
        self._documents = int(one("select coalesce(max(id), 0) from document").fetchone()[0])
        self._outcomes = int(one("select coalesce(max(id), 0) from outcome").fetchone()[0])
        self._status = bytearray(self._documents + 1)
        for document, status in one("select document, status from outcome order by id"):
            self._status[document] = status
        self._strata: dict[str, int] = {
            name: number for number, name in one("select id, name from stratum")
        }
        self._carried = {
            document: Carried(row, attempt, Reason(reason) if reason else None, interruptions or 0)
            for row, document, attempt, reason, interruptions in one(
                "select id, document, attempt, reason, interruptions from outcome o"
                " where status = 0 and status != 1"
                " and not exists (select 1 from outcome n where n.previous = o.id)"
            )
        }
        #: Documents met by this start's walk
        self._seen = bytearray(self._documents + 1)
        self._tally: Counter[tuple[int, str]] = Counter(
            {(status, reason): n for status, reason, n in one("select * from tally")}
        )
        self._show()
        self.epoch = int(one("select coalesce(max(epoch), 0) from start").fetchone()[0])

    @contextmanager
    def _translating(self) -> Iterator[None]:
        """SQLite's errors as ours."""
        try:
            yield
        except sqlite3.DatabaseError as error:
            raise _translated(error, self.path) from error

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        """All or nothing; SQLite's errors as ours."""
        with self._translating():
            self._db.execute("begin immediate")
            try:
                yield
                self._db.execute("commit")
            except BaseException:
                if self._db.in_transaction:  # a full disk has rolled it back already
                    self._db.execute("rollback")
                raise
            self._show()

    def _show(self) -> None:
        """Publish the committed accounting; any thread may read the two values."""
        by_status = Counter[int]()
        for (status, _), documents in self._tally.items():
            by_status[status] += documents
        self.counts = Counts(
            self._documents, *(by_status[CODE[s]] for s in (DONE, FAILED, SKIPPED, GONE))
        )
        self.reasons = {
            Reason(reason): documents
            for (status, reason), documents in sorted(self._tally.items())
            if documents and STATUSES[status] in (FAILED, SKIPPED)
        }

    # ── a start ──────────────────────────────────────────────────────────────────────────────

    @property
    def documents(self) -> int:
        return self._documents

    def begin(self, workers: int, memory: int, in_hand: Iterable[int], most: int) -> int:
        """A new start; its epoch, one higher than the last.

        Charges one interruption to each pending Document that was ``in_hand`` when the last
        engine died; one more than ``most`` fails it (0: never).
        """
        with self._translating():
            self._db.execute("pragma journal_mode = wal")  # not before: a refusal changes nothing
        self._begun = True
        changes: Counter[tuple[int, str]] = Counter()
        with self._transaction():
            self.epoch += 1
            self._db.execute(
                "insert into start values (?, ?, null, 'running', ?, ?, 0, 0, 1)",
                (self.epoch, int(time.time()), workers, memory),
            )
            for document in in_hand:
                if 0 < document <= self._documents and self._status[document] == _PENDING:
                    self._append(self._interrupted(document, most), changes)
            self._count(changes)
        self._running = True
        return self.epoch

    def end(self, state: str, progress: Progress) -> None:
        """The start is over: "finished" or "interrupted"."""
        with self._transaction():
            self._note(progress)
            self._db.execute(
                "update start set ended = ?, state = ? where epoch = ?",
                (int(time.time()), state, self.epoch),
            )
        self._running = False

    def close(self) -> None:
        """Let go, idempotent. Unless a start is cut short the ledger leaves WAL mode, so that it
        is one file that can be copied.
        """
        if self._begun and not self._running:
            try:
                self._db.execute("pragma journal_mode = delete")
            except (sqlite3.OperationalError, sqlite3.ProgrammingError):
                pass  # somebody is reading: it stays in WAL mode, just as safe; or closed before
        self._db.close()

    def paths(self, root: int) -> list[bytes]:
        """The paths known below a root, in the order of the first walk."""
        rows = self._db.execute("select path from document where root = ? order by id", (root,))
        return [path for (path,) in rows]

    def learned(self) -> dict[str, str]:
        """What the forecast wrote, by stratum."""
        rows = self._db.execute("select name, learned from stratum where learned is not null")
        return dict(rows)

    # ── discovery ────────────────────────────────────────────────────────────────────────────

    def discover(self, batch: Sequence[Found]) -> Discovered:
        """Compare with what is known: insert the new, re-open the changed, note the seen."""
        result = Discovered([], {}, [])
        changes: Counter[tuple[int, str]] = Counter()
        with self._transaction():
            known = self._known(batch)
            fresh = [found for found in batch if (found.root, found.path) not in known]
            self._insert(fresh, result, changes)
            for found in batch:
                if (row := known.get((found.root, found.path))) is not None:
                    self._compare(found, row, result, changes)
            self._count(changes)
        return result

    def _known(self, batch: Sequence[Found]) -> dict[tuple[int, bytes], _Known]:
        known: dict[tuple[int, bytes], _Known] = {}
        if not self._documents:
            return known
        for start in range(0, len(batch), 500):
            part = batch[start : start + 500]
            for root in {found.root for found in part}:
                paths = [found.path for found in part if found.root == root]
                marks = ",".join("?" * len(paths))
                rows = self._db.execute(
                    "select path, id, size, mtime_ns, inode, digest from document"  # noqa: S608
                    f" where root = ? and path in ({marks})",
                    (root, *paths),
                )
                known.update(((root, path), _Known(*rest)) for path, *rest in rows)
        return known

    def _insert(
        self, fresh: list[Found], result: Discovered, changes: Counter[tuple[int, str]]
    ) -> None:
        rows, skipped = [], []
        for found in fresh:
            self._documents += 1
            name = stratum_of(found.path, found.size)
            rows.append((self._documents, *_identity(found), self._stratum(name), found.digest))
            if found.reason:
                skipped.append((self._documents, found))
            else:
                result.ready.append(self._documents)
                result.strata.append(name)
        self._db.executemany(
            "insert into document (id, root, path, size, mtime_ns, inode, stratum, digest)"
            " values (?, ?, ?, ?, ?, ?, ?, ?)",
            rows,
        )
        grown = self._documents + 1 - len(self._status)
        self._status.extend(bytes(grown))
        self._seen.extend(b"\1" * grown)
        for document, found in skipped:
            self._set_aside(document, found, changes)

    def _compare(
        self,
        found: Found,
        known: _Known,
        result: Discovered,
        changes: Counter[tuple[int, str]],
    ) -> None:
        """A Document that the ledger knows: unchanged, changed, back again, or still pending."""
        document = known.document
        if self._seen[document]:
            return
        self._seen[document] = 1
        status = self._status[document]
        same = known.same_as(found)
        if found.reason:
            if not same or status in (_PENDING, _GONE):
                self._set_aside(document, found, changes)
        if not known.up_to_date(found):
            self._update(document, found)
        if found.reason:
            return
        if not same or status == _GONE:
            self._append(_Row(document, Status.PENDING), changes)
        elif status != _PENDING:
            return
        result.ready.append(document)
        result.strata.append(stratum_of(found.path, found.size))
        if document in self._carried:
            result.carried[document] = self._carried[document]

    def _update(self, document: int, found: Found) -> None:
        stratum = self._stratum(stratum_of(found.path, found.size))
        self._db.execute(
            "update document set size = ?, mtime_ns = ?, inode = ?, stratum = ?, digest = ?"
            " where id = ?",
            (found.size, found.mtime_ns, found.inode, stratum, found.digest, document),
        )

    def _set_aside(self, document: int, found: Found, changes: Counter[tuple[int, str]]) -> None:
        assert found.reason
        status = Status.SKIPPED if found.reason.skips else Status.FAILED
        self._append(_Row(document, status, found.reason, message=found.message), changes)

    def _stratum(self, name: str) -> int:
        if name not in self._strata:
            self._strata[name] = len(self._strata) + 1
            self._db.execute(
                "insert into stratum (id, name) values (?, ?)", (self._strata[name], name)
            )
        return self._strata[name]

    def vanished(self, prune: bool) -> int:
        """After a walk that took everything: what it did not meet is gone; how many were new."""
        unseen = [d for d in _zeros(self._seen) if d and self._status[d] != _GONE]
        changes: Counter[tuple[int, str]] = Counter()
        with self._transaction():
            for document in unseen:
                self._append(_Row(document, Status.GONE, PRUNED if prune else None), changes)
            if prune:
                self._prune_earlier(changes)
            self._count(changes)
            self._db.execute("update start set limited = 0 where epoch = ?", (self.epoch,))
        return len(unseen)

    def _prune_earlier(self, changes: Counter[tuple[int, str]]) -> None:
        rows = self._db.execute(
            "select document from outcome o where status = ? and status != 1 and reason is null"
            " and not exists (select 1 from outcome n where n.previous = o.id)",
            (_GONE,),
        ).fetchall()
        for (document,) in rows:
            self._append(_Row(document, Status.GONE, PRUNED), changes)

    def reopen(self, reason: Reason | None) -> int:
        """`retry`: failed Documents (with this reason) are pending again; how many."""
        rows = self._db.execute(
            "select document from outcome o where status = ? and status != 1"
            " and (? is null or reason = ?)"
            " and not exists (select 1 from outcome n where n.previous = o.id)",
            (CODE[Status.FAILED], reason, reason),
        ).fetchall()
        changes: Counter[tuple[int, str]] = Counter()
        with self._transaction():
            for (document,) in rows:
                self._append(_Row(document, Status.PENDING), changes)
            self._count(changes)
        return len(rows)

    # ── outcomes ─────────────────────────────────────────────────────────────────────────────

    def commit(self, placed: Iterable[Placed], part: Part | None, progress: Progress) -> None:
        """THE commit: from here on these Documents are what they are said to be.

        The bytes of ``part`` must be durable before.
        """
        changes: Counter[tuple[int, str]] = Counter()
        with self._transaction():
            for each in placed:
                self._append(self._row(each), changes)
            if part is not None:
                self._write_part(part)
            self._count(changes)
            self._note(progress)

    def _interrupted(self, document: int, most: int) -> _Row:
        old = self._carried.get(document, Carried(0))
        count = old.interruptions + 1
        if 0 < most < count:
            why = f"the whole run died {count} times with this document in hand"
            return _Row(document, Status.FAILED, Reason.CRASH, old.attempt, message=why)
        reason = old.reason or Reason.INTERRUPTED  # after a memory kill it still runs solo
        return _Row(document, Status.PENDING, reason, old.attempt, interruptions=count)

    def _row(self, placed: Placed) -> _Row:
        outcome, task = placed.outcome, placed.outcome.task
        where: tuple[object, ...] = (None,) * 4
        if placed.part is not None:
            where = (placed.part, placed.offset, outcome.length, outcome.crc)
        return _Row(
            task.document,
            outcome.status,
            outcome.reason,
            attempt=task.attempt + 1,
            measured=(outcome.seconds, outcome.peak, outcome.kind, outcome.records, *where),
            interruptions=task.interruptions,
            message=outcome.message,
            detail=outcome.detail,
        )

    def _append(self, row: _Row, changes: Counter[tuple[int, str]]) -> None:
        """One more outcome of a Document; what it replaces is uncounted, and its Records stale."""
        previous = self._replaced(row.document, changes)
        self._outcomes += 1
        self._db.execute(
            "insert into outcome values (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)",
            (
                self._outcomes,
                row.document,
                previous,
                row.attempt,
                CODE[row.status],
                row.reason,
                *row.measured,
                row.interruptions or None,
                int(time.time()),
                row.message,
                row.detail,
            ),
        )
        self._status[row.document] = CODE[row.status]
        if row.status is Status.PENDING:
            reason = Reason(row.reason) if row.reason else None
            self._carried[row.document] = Carried(
                self._outcomes, row.attempt, reason, row.interruptions
            )
            return
        self._carried.pop(row.document, None)
        reason_key = "" if row.status in (Status.DONE, Status.GONE) else row.reason or ""
        changes[CODE[row.status], reason_key] += 1
        if previous is not None and (row.status is not Status.GONE or row.reason == PRUNED):
            self._make_stale(previous)

    def _replaced(self, document: int, changes: Counter[tuple[int, str]]) -> int | None:
        """The Document's last row, taken out of the accounting if it was final."""
        if document in self._carried:
            return self._carried[document].row
        if self._status[document] == _PENDING:
            return None
        row, status, reason = self._last(document)
        changes[status, "" if status in (_DONE, _GONE) else reason or ""] -= 1
        return row

    def _last(self, document: int) -> tuple[int, int, str | None]:
        """(row, status, reason) of the outcome that counts."""
        row: tuple[int, int, str | None] = self._db.execute(
            "select id, status, reason from outcome where document = ? and previous is null",
            (document,),
        ).fetchone()
        while later := self._db.execute(
            "select id, status, reason from outcome where previous = ?", (row[0],)
        ).fetchone():
            row = later
        return row

    def _make_stale(self, row: int | None) -> None:
        """Note the Records that the outcomes up to ``row`` left in a part, to be rewritten away.

        Only the nearest final one can have any: it took care of those before it.
        """
        while row is not None:
            row, status, reason, part, offset, length = self._db.execute(
                "select previous, status, reason, part, offset, length from outcome where id = ?",
                (row,),
            ).fetchone()
            if part is not None and length:
                self._db.execute("insert into stale values (?, ?, ?)", (part, offset, length))
            if status != _PENDING and not (status == _GONE and reason != PRUNED):
                return

    def _count(self, changes: Counter[tuple[int, str]]) -> None:
        for key, change in changes.items():
            self._tally[key] += change
        self._db.executemany(
            "insert into tally values (?, ?, ?)"
            " on conflict do update set documents = documents + excluded.documents",
            [(status, reason, change) for (status, reason), change in changes.items() if change],
        )

    def _note(self, progress: Progress) -> None:
        self._db.execute(
            "update start set peak = ?, seconds = ? where epoch = ?",
            (progress.peak, progress.seconds, self.epoch),
        )
        if progress.sample:
            self._db.execute(
                "insert or replace into sample values (?, ?, ?, ?, ?)",
                (
                    self.epoch,
                    progress.seconds,
                    progress.finished,
                    progress.written,
                    progress.memory,
                ),
            )
        self._db.executemany(
            "update stratum set learned = ? where name = ?",
            [(text, name) for name, text in progress.learned.items()],
        )

    # ── parts ────────────────────────────────────────────────────────────────────────────────

    def parts(self) -> list[Part]:
        """Every part, by number."""
        rows = self._db.execute(
            "select number, generation, sealed, size, crc, holes from part order by number"
        )
        return [
            Part(n, g, bool(s), size, crc, tuple((o, w) for o, w in json.loads(holes)))
            for n, g, s, size, crc, holes in rows
        ]

    def stale(self) -> dict[int, list[tuple[int, int]]]:
        """Part → ranges (in its first generation) of Records that a later outcome replaced."""
        found: dict[int, list[tuple[int, int]]] = {}
        for part, offset, length in self._db.execute("select part, offset, length from stale"):
            found.setdefault(part, []).append((offset, length))
        return found

    def write_part(self, part: Part, *, cleared: bool = False) -> None:
        """Commit a part's new state; ``cleared``: its stale Records are no more."""
        with self._transaction():
            self._write_part(part)
            if cleared:
                self._db.execute("delete from stale where part = ?", (part.number,))

    def _write_part(self, part: Part) -> None:
        self._db.execute(
            "insert or replace into part values (?, ?, ?, ?, ?, ?)",
            (
                part.number,
                part.generation,
                part.sealed,
                part.size,
                part.crc,
                json.dumps(part.holes),
            ),
        )

    def prove(self) -> None:
        """Accounting and outcomes say the same, or DamageError: run once at every clean end."""
        counted = self._documents - self.counts.pending
        final = sum(status != _PENDING for status in self._status[1:])
        rows = self._db.execute(
            "select count(*) from outcome o where status != 0"
            " and not exists (select 1 from outcome n where n.previous = o.id)"
        ).fetchone()[0]
        if not counted == final == rows:
            raise DamageError(
                f"{self.path}: {counted} counted, {final} remembered, {rows} recorded;"
                " please report this"
            )


@dataclass(frozen=True, slots=True)
class _Known:
    """A row of the document table."""

    document: int
    size: int
    mtime_ns: int
    inode: int
    digest: bytes | None

    def same_as(self, found: Found) -> bool:
        """By content where both digests are known, else by size, time and inode."""
        if found.digest is not None and self.digest is not None:
            return self.size == found.size and self.digest == found.digest
        return self._where == (found.size, found.mtime_ns, found.inode)

    def up_to_date(self, found: Found) -> bool:
        """True where the row says all that is known of the file now."""
        digest_known = found.digest is None or found.digest == self.digest
        return digest_known and self._where == (found.size, found.mtime_ns, found.inode)

    @property
    def _where(self) -> tuple[int, int, int]:
        return self.size, self.mtime_ns, self.inode


@dataclass(frozen=True, slots=True)
class _Row:
    """What is appended to the outcome table."""

    document: int
    status: Status
    reason: str | None = None
    attempt: int = 0
    #: seconds, peak, kind, records, part, offset, length, crc
    measured: tuple[object, ...] = (None,) * 8
    interruptions: int = 0
    message: str | None = None
    detail: str | None = None


def _identity(found: Found) -> tuple[object, ...]:
    return found.root, found.path, found.size, found.mtime_ns, found.inode


def _zeros(flags: bytearray) -> Iterator[int]:
    """The positions of the zero bytes."""
    at = flags.find(0)
    while at >= 0:
        yield at
        at = flags.find(0, at + 1)


#: bytes free below which whatever SQLite calls it is a full disk
_FULL = 64 << 10


def _translated(error: sqlite3.DatabaseError, path: Path) -> DamageError | EnvironmentFault:
    """SQLite's error as one of ours: the disk's, or damage."""
    name = getattr(error, "sqlite_errorname", "") or ""
    disk = ("SQLITE_FULL", "SQLITE_IOERR", "SQLITE_CANTOPEN", "SQLITE_READONLY", "SQLITE_BUSY")
    if name.startswith(disk):
        full = shutil.disk_usage(path.parent).free < _FULL
        what = "the disk is full" if full else error
        return EnvironmentFault(f"{path}: {what}; the run is safe, resume it when this is mended")
    return DamageError(f"{path} is damaged ({error}); nothing was changed")
