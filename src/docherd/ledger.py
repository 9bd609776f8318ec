"""The ledger: one SQLite file that remembers every Document of a run, and is its queue.

Exactly one read-write connection exists in the whole system (``Ledger``, held by the committer's
thread while a run goes on); everybody else reads through ``mode=ro`` (``Window`` for the engine,
``View`` for people). Outcomes are append-only: the last row of a Document counts, and two unique
indexes make it impossible to commit a Document twice. All SQL is in schema, ledger,
discovery, outcomes, window, contents, records and view; audit, repair and rebuild look for damage.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from docherd.discovery import Discovery
from docherd.exceptions import DamageError, EnvironmentFault, mendable
from docherd.listing import Listing
from docherd.model import Found, Reason, Status
from docherd.outcomes import Outcomes
from docherd.rows import (
    Discovered,
    Listed,
    MadeFile,
    Note,
    OutcomeRow,
    Part,
    Placed,
    Standing,
    Written,
)
from docherd.schema import APPLICATION_ID, SCHEMA, VERSION, check, migrate

#: bytes free below which whatever SQLite calls it is a full disk
_FULL = 64 << 10


class Ledger:
    """The read-write connection. Not thread-safe: one thread at a time holds it."""

    def __init__(self, path: Path, *, create: bool) -> None:
        """Open or create. Raises DamageError for what is not a sound ledger of ours."""
        self.path = path
        #: True once `begin` has written, and from then on until `end`
        self._begun = self._running = False
        if not create and not path.exists():
            raise mendable(f"{path} is missing although the run has data", path.parent)
        if path.is_symlink():
            raise DamageError(f"{path} is a link; nothing was changed")
        self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        try:
            with self._translating():
                self._prepare(create)
                self._load()
        except (LookupError, ValueError, TypeError) as error:  # sound SQLite, rows that make none
            self._db.close()
            raise mendable(f"{path} is damaged ({error})", path.parent) from error
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
            raise mendable(f"{self.path} is damaged ({what})", self.path.parent)
        run("pragma synchronous = full")
        run("pragma cache_size = -2000")

    def _load(self) -> None:
        one = self._db.execute
        documents = int(one("select coalesce(max(id), 0) from document").fetchone()[0])
        self._outcomes = Outcomes(self._db, documents)
        self._discovery = Discovery(self._db, self._outcomes)
        self._listing = Listing(self._db)
        self.epoch = int(one("select coalesce(max(epoch), 0) from start").fetchone()[0])
        self._publish()

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
            self._outcomes.now = int(time.time())
            try:
                yield
                self._outcomes.write()
                self._db.execute("commit")
            except BaseException:
                if self._db.in_transaction:  # a full disk has rolled it back already
                    self._db.execute("rollback")
                raise
            self._publish()

    def _publish(self) -> None:
        """The committed accounting; any thread may read these values."""
        self.counts = self._outcomes.counts()
        self.reasons = self._outcomes.reasons()
        self.unchanged = self._discovery.unchanged

    # ── a start ──────────────────────────────────────────────────────────────────────────────

    def begin(self, workers: int, memory: int, in_hand: Iterable[int], most: int) -> int:
        """A new start; its epoch, one higher than the last.

        Charges one interruption to each pending Document that was ``in_hand`` when the last
        engine died; one more than ``most`` fails it (0: never).
        """
        self.write_ahead()  # not before: a refusal changes nothing
        with self._transaction():
            self.epoch += 1
            self._db.execute(
                "insert into start values (?, ?, null, 'running', ?, ?, 0, 0, 1)",
                (self.epoch, int(time.time()), workers, memory),
            )
            for document in in_hand:
                if 0 < document <= self.counts.discovered and self._outcomes.is_pending(document):
                    self._outcomes.interrupt(document, most)
        self._running = True
        return self.epoch

    def write_ahead(self) -> None:
        """Into WAL mode, in which others can read whatever a kill has left, until `close`;
        and up to this version.
        """
        with self._translating():
            self._db.execute("pragma journal_mode = wal")
            migrate(self._db)
        self._begun = True

    def end(self, state: str, note: Note) -> None:
        """The start is over: "finished" or "interrupted"."""
        with self._transaction():
            self._note(note)
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

    def learned(self) -> dict[str, str]:
        """What the forecast wrote, by stratum."""
        with self._translating():
            rows = self._db.execute("select name, learned from stratum where learned is not null")
            return dict(rows.fetchall())

    # ── Documents and outcomes ───────────────────────────────────────────────────────────────

    def discover(self, batch: Sequence[Found]) -> Discovered:
        """Compare with what is known: insert the new, re-open the changed, note the seen."""
        with self._transaction():
            return self._discovery.take(batch)

    def refine(self, refined: Mapping[int, str]) -> Discovered:
        """Note the strata of Documents that were probed, by row; they may be processed now."""
        with self._transaction():
            return self._discovery.refine(refined)

    def hold_alike(self) -> None:
        """From now on what is discovered waits where another Document has its size."""
        with self._translating():
            self._discovery.hold_alike()

    def compared(self, digests: Mapping[int, bytes], again: Sequence[int]) -> None:
        """Note contents by row; ``again``: Documents that are pending once more."""
        with self._transaction():
            self._discovery.compared(digests, again)

    def let_go(self, documents: Sequence[int]) -> Discovered:
        """These were held, and may be processed after all."""
        with self._translating():
            return self._discovery.let_go(documents)

    def standing(self, document: int) -> Standing:
        """A Document, by row, and what became of it."""
        with self._translating():
            return self._discovery.standing(document)

    def vanished(self, prune: bool) -> int:
        """After a walk that took everything: what it did not meet is gone; how many were new."""
        with self._transaction():
            gone = self._discovery.vanish(prune)
            self._db.execute("update start set limited = 0 where epoch = ?", (self.epoch,))
        return gone

    def reopen(self, reason: Reason | None) -> int:
        """`retry`: failed Documents (with this reason) are pending again; how many."""
        failed = self._outcomes.current(Status.FAILED, reason, any_reason=reason is None)
        with self._transaction():
            for document in failed:
                self._outcomes.append(OutcomeRow(document, Status.PENDING))
        return len(failed)

    def commit(self, placed: Iterable[Placed], part: Part | None, note: Note) -> None:
        """THE commit: from here on these Documents are what they are said to be.

        The bytes of ``part`` must be durable before.
        """
        with self._transaction():
            for each in placed:
                self._outcomes.append(each.row())
            if part is not None:
                self._write_part(part)
            self._note(note)

    def prove(self) -> None:
        """Accounting and outcomes say the same, or DamageError: run once at every clean end."""
        counted, remembered, recorded = self._outcomes.proof()
        if not counted == remembered == recorded:
            raise DamageError(
                f"{self.path}: {counted} counted, {remembered} remembered, {recorded} recorded;"
                " please report this"
            )

    def _note(self, note: Note) -> None:
        self._db.execute(
            "update start set peak = ?, seconds = ? where epoch = ?",
            (note.peak, note.seconds, self.epoch),
        )
        if note.sample:
            self._db.execute(
                "insert or replace into sample values (?, ?, ?, ?, ?)",
                (
                    self.epoch,
                    note.seconds,
                    note.finished,
                    note.written,
                    note.memory,
                ),
            )
        self._db.executemany(
            "update stratum set learned = ? where name = ?",
            [(text, name) for name, text in note.learned.items()],
        )

    # ── parts ────────────────────────────────────────────────────────────────────────────────

    def parts(self) -> list[Part]:
        """Every part, by number."""
        with self._translating():
            rows = self._db.execute(
                "select number, generation, sealed, size, crc, holes from part order by number"
            ).fetchall()
        return [
            Part(n, g, bool(s), size, crc, tuple((o, w) for o, w in json.loads(holes)))
            for n, g, s, size, crc, holes in rows
        ]

    def stale(self) -> dict[int, list[tuple[int, int]]]:
        """Part → ranges (in its first generation) of Records that a later outcome replaced."""
        found: dict[int, list[tuple[int, int]]] = {}
        with self._translating():
            rows = self._db.execute("select part, offset, length from stale").fetchall()
        for part, offset, length in rows:
            found.setdefault(part, []).append((offset, length))
        return found

    def write_part(self, part: Part, *, cleared: bool = False) -> None:
        """Commit a part's new state; ``cleared``: what lay in its holes is stale no more."""
        with self._transaction():
            self._write_part(part)
            if cleared:
                self._clear(part)

    def publish(
        self,
        old: Iterable[Part],
        part: Part,
        made: Iterable[MadeFile],
        taken: Callable[[str], bool],
    ) -> None:
        """Commit a part that is files: they get their names, and those in the holes of ``old``
        parts go. ``taken``: something in data/ has this name.
        """
        with self._transaction():
            self._take_out([*old, part])
            self._listing.add(part.number, made, taken)

    def take_out(self, parts: Iterable[Part]) -> None:
        """Commit that the files of what is stale in parts, and in their holes now, are to go."""
        with self._transaction():
            self._take_out(parts)

    def _take_out(self, parts: Iterable[Part]) -> None:
        for part in parts:
            self._listing.doom(part)
            self._write_part(part)
            self._clear(part)

    def listed(self, part: int) -> Iterator[Listed]:
        """The files that were made of a part, by name."""
        with self._translating():
            yield from self._listing.of(part)

    def lists(self, name: str) -> bool:
        """True for a name in data/ that is ours."""
        with self._translating():
            return self._listing.has(name)

    def doomed(self) -> list[str]:
        """Names that are to be deleted in data/."""
        with self._translating():
            return self._listing.doomed()

    def forget(self, names: Iterable[str]) -> None:
        """These have been deleted."""
        with self._transaction():
            self._listing.forget(names)

    def _clear(self, part: Part) -> None:
        gone = [(part.number, offset) for offset, _ in part.holes]
        self._db.executemany("delete from stale where part = ? and offset = ?", gone)

    def mend(self, part: Part, lost: Sequence[Written]) -> tuple[int, int]:
        """Commit what is left of a damaged part; what was lost with it is pending again.

        How many of those there are, and how many of Documents that are gone, for good.
        """
        with self._transaction():
            again = [self._outcomes.lose(each) for each in lost]
            self._listing.doom(part)
            self._listing.lose(part.number, [each.document for each in lost])
            self._write_part(part)
            self._db.execute("delete from stale where part = ?", (part.number,))
        return again.count(True), again.count(False)

    def adopt(self, part: Part, stale: Iterable[tuple[int, int]]) -> None:
        """Know a part that was there before this ledger; ``stale``: ranges that do not count."""
        with self._transaction():
            self._write_part(part)
            rows = [(part.number, offset, length) for offset, length in stale]
            self._db.executemany("insert into stale values (?, ?, ?)", rows)

    def adopt_files(self, files: Sequence[Listed]) -> None:
        """Know the files of a Document that were there before this ledger: the first counts."""
        with self._transaction():
            self._listing.adopt(files)

    def recount(self) -> None:
        """Make the accounting anew from the outcomes; open the ledger again to see it."""
        with self._transaction():
            self._outcomes.recount()

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


def _translated(error: sqlite3.DatabaseError, path: Path) -> DamageError | EnvironmentFault:
    """SQLite's error as one of ours: the disk's, or damage."""
    name = getattr(error, "sqlite_errorname", "") or ""
    disk = ("SQLITE_FULL", "SQLITE_IOERR", "SQLITE_CANTOPEN", "SQLITE_READONLY", "SQLITE_BUSY")
    if name.startswith(disk):
        full = name == "SQLITE_FULL" or shutil.disk_usage(path.parent).free < _FULL
        what = "the disk is full" if full else error
        return EnvironmentFault(f"{path}: {what}; the run is safe, resume it when this is mended")
    return mendable(f"{path} is damaged ({error})", path.parent)
