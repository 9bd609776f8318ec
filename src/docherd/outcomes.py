"""The append-only table of outcomes, and the accounting that every append keeps true.

The last row of a Document counts; `previous` names the row that it replaces. What was final and
is replaced leaves the accounting, and its Records become stale: to be rewritten away.
"""

from __future__ import annotations

import sqlite3
import time
from collections import Counter

from docherd.model import Counts, Found, Reason, Status
from docherd.rows import Carried, OutcomeRow, Standing, Written
from docherd.schema import CODE, PRUNED, STATUSES, insert

_PENDING, _DONE, _GONE = CODE[Status.PENDING], CODE[Status.DONE], CODE[Status.GONE]


class Outcomes:
    """The outcome, tally and stale tables. Call within a transaction, and ``write`` at its end."""

    def __init__(self, db: sqlite3.Connection, documents: int) -> None:
        """Recall a status byte a Document, and what is pending again."""
        self._db = db
        self._last_row = int(db.execute("select coalesce(max(id), 0) from outcome").fetchone()[0])
        #: index into STATUSES, by Document
        self.status = bytearray(documents + 1)
        for document, status in db.execute("select document, status from outcome order by id"):
            self.status[document] = status
        self.carried = {
            document: Carried(row, attempt, Reason(reason) if reason else None, interruptions or 0)
            for row, document, attempt, reason, interruptions in db.execute(
                "select id, document, attempt, reason, interruptions from outcome o"
                " where status = 0 and status != 1"
                " and not exists (select 1 from outcome n where n.previous = o.id)"
            )
        }
        self._tally: Counter[tuple[int, str]] = Counter(
            {(status, reason): n for status, reason, n in db.execute("select * from tally")}
        )
        self._changes: Counter[tuple[int, str]] = Counter()
        #: unix seconds that rows get
        self.now = int(time.time())
        self._rows: list[tuple[object, ...]] = []

    # ── the accounting ───────────────────────────────────────────────────────────────────────

    def counts(self) -> Counts:
        """Documents by status, this transaction included."""
        by_status = Counter[int]()
        for (status, _), documents in self._tally.items():
            by_status[status] += documents
        finals = (by_status[CODE[status]] for status in STATUSES if status.final)
        return Counts(len(self.status) - 1, *finals)

    def reasons(self) -> dict[Reason, int]:
        """Failed and skipped Documents by reason."""
        return {
            Reason(reason): documents
            for (status, reason), documents in sorted(self._tally.items())
            if documents and STATUSES[status] in (Status.FAILED, Status.SKIPPED)
        }

    def proof(self) -> tuple[int, int, int]:
        """Final Documents as counted, as remembered and as recorded: equal, or damage."""
        counted = len(self.status) - 1 - self.counts().pending
        remembered = len(self.status) - self.status.count(_PENDING)
        recorded = self._db.execute(
            "select count(*) from outcome o where status != 0"
            " and not exists (select 1 from outcome n where n.previous = o.id)"
        ).fetchone()[0]
        return counted, remembered, recorded

    def is_pending(self, document: int) -> bool:
        return self.status[document] == _PENDING

    def is_gone(self, document: int) -> bool:
        return self.status[document] == _GONE

    def standing(self, document: int, found: Found) -> Standing:
        """What became of a Document, as of its last outcome."""
        if self.is_pending(document):
            return Standing(found, Status.PENDING, None, None, 0, None, 0, 0, 0, "")
        row, status, reason = self._last(document)
        kind, records, *where, message = self._db.execute(
            "select kind, records, part, offset, length, crc, message from outcome where id = ?",
            (row,),
        ).fetchone()
        part, offset, length, crc = where
        why = Reason(reason) if reason and STATUSES[status] is not Status.GONE else None
        lines = (part, offset or 0, length or 0, crc or 0)
        return Standing(found, STATUSES[status], why, kind, records or 0, *lines, message or "")

    def current(self, status: Status, reason: str | None, *, any_reason: bool = False) -> list[int]:
        """Documents whose last outcome has this status and reason."""
        rows = self._db.execute(
            "select document from outcome o where status = ? and status != 1"
            " and (? or reason is ?)"
            " and not exists (select 1 from outcome n where n.previous = o.id)",
            (CODE[status], any_reason, reason),
        )
        return [document for (document,) in rows]

    # ── appending ────────────────────────────────────────────────────────────────────────────

    def append(self, row: OutcomeRow) -> None:
        """One more outcome of a Document."""
        document, status, reason, attempt, measured, interruptions, message, detail = row
        # An enum's hash is Python code: the status that nearly all have is compared instead.
        code = _DONE if status is Status.DONE else CODE[status]
        known = self.status[document] != _PENDING or document in self.carried
        previous = self._replaced(document) if known else None
        self._last_row += 1
        self._rows.append(
            (
                *(self._last_row, document, previous, attempt, code, reason, *measured),
                *(interruptions or None, self.now, message, detail),
            )
        )
        self.status[document] = code
        if status is Status.PENDING:
            why = Reason(reason) if reason else None
            self.carried[document] = Carried(self._last_row, attempt, why, interruptions)
            return
        if known:
            self.carried.pop(document, None)
        self._changes[code, _reason_key(code, reason)] += 1
        if previous is not None and (status is not Status.GONE or reason == PRUNED):
            self._make_stale(previous)

    def interrupt(self, document: int, most: int) -> None:
        """The engine died with a pending Document in hand; one death above ``most`` fails it."""
        old = self.carried.get(document, Carried(0))
        count = old.interruptions + 1
        if 0 < most < count:
            why = f"the whole run died {count} times with this document in hand"
            row = OutcomeRow(document, Status.FAILED, Reason.CRASH, old.attempt, message=why)
        else:
            reason = old.reason or Reason.INTERRUPTED  # after a memory kill it still runs solo
            row = OutcomeRow(document, Status.PENDING, reason, old.attempt, interruptions=count)
        self.append(row)

    def lose(self, written: Written) -> bool | None:
        """The Records of an outcome are no more. True where its Document is pending again for it,
        False where that is gone, None where a later outcome counts anyhow.
        """
        self._db.execute(
            "update outcome set part = null, offset = null, length = null, crc = null where id = ?",
            (written.outcome,),
        )
        document = written.document
        if self.status[document] == _GONE:
            return False
        if self.status[document] != _DONE or self._last(document)[0] != written.outcome:
            return None
        self.append(OutcomeRow(document, Status.PENDING))
        return True

    def recount(self) -> None:
        """The tally, from the last outcome of each Document."""
        self._db.execute("delete from tally")
        self._db.execute(f"insert into tally {RECORDED}")

    def write(self) -> None:
        """Write what was appended, and the accounting."""
        self._write_rows()
        changes, self._changes = self._changes, Counter()
        self._tally.update(changes)
        self._db.executemany(
            "insert into tally values (?, ?, ?)"
            " on conflict do update set documents = documents + excluded.documents",
            [(status, reason, change) for (status, reason), change in changes.items() if change],
        )

    def _write_rows(self) -> None:
        rows, self._rows = self._rows, []
        insert(self._db, "outcome", rows)

    # ── replacing ────────────────────────────────────────────────────────────────────────────

    def _replaced(self, document: int) -> int:
        """The Document's last row, taken out of the accounting if it was final."""
        if document in self.carried:
            return self.carried[document].row
        row, status, reason = self._last(document)
        self._changes[status, _reason_key(status, reason)] -= 1
        return row

    def _last(self, document: int) -> tuple[int, int, str | None]:
        """(row, status, reason) of the outcome that counts."""
        self._write_rows()
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
        """Note the Records that the outcomes up to ``row`` left in a part.

        Only the nearest final one can have any: it took care of those before it.
        """
        self._write_rows()
        while row is not None:
            row, status, reason, part, offset, length = self._db.execute(
                "select previous, status, reason, part, offset, length from outcome where id = ?",
                (row,),
            ).fetchone()
            if part is not None and length:
                self._db.execute("insert into stale values (?, ?, ?)", (part, offset, length))
            if status != _PENDING and not (status == _GONE and reason != PRUNED):
                return


#: (status, reason, documents) of the last outcome of each Document, as the tally has them
RECORDED = """select status,
    case when status in (1, 4) then '' else coalesce(reason, '') end as why, count(*)
    from outcome o where status != 0
    and not exists (select 1 from outcome n where n.previous = o.id) group by status, why"""


def _reason_key(status: int, reason: str | None) -> str:
    return "" if status in (_DONE, _GONE) else reason or ""
