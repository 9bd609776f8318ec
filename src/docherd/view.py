"""A run folder seen from outside, while a run is going on or after it. Never writes.

Everything is read lazily from the ledger: memory stays flat however many Documents there are.
Of a Document's outcomes only the last counts: the one that no other names as its ``previous``.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Self

from docherd import costs
from docherd.costs import Costs
from docherd.exceptions import DamageError, UsageError
from docherd.lookup import Likely, Lookup
from docherd.model import Counts, Reason, Root, Status, document_id, text_of
from docherd.quoting import shell_quoted
from docherd.readonly import ReadOnly
from docherd.remembered import Attempt, Entry, Failure, Measured, Sample, Start, Undone
from docherd.schema import PRUNED, STATUSES

_FAILED, _SKIPPED = STATUSES.index(Status.FAILED), STATUSES.index(Status.SKIPPED)
_TABLES = ("document", "stratum", "outcome", "part", "tally", "start", "sample")
_CURRENT = "not exists (select 1 from outcome later where later.previous = o.id)"


class View:
    """One run: what it was asked, how far it is, and what became of each Document."""

    def __init__(self, folder: Path, about: dict[str, Any], ledger: ReadOnly) -> None:
        """Use ``View.open``."""
        self.folder = folder
        self.run = str(about["run"])
        self.version = str(about["docherd"])
        #: ISO 8601
        self.created = str(about["created"])
        self.processor = str(about["processor"]["name"])
        self.fingerprint = str(about["processor"]["fingerprint"])
        self.inputs = tuple(
            Root(os.fsencode(one["label"]), os.fsencode(one["folder"])) for one in about["inputs"]
        )
        #: what run.json says, whole
        self.about: Mapping[str, object] = about
        self._ledger = ledger

    @classmethod
    def open(cls, folder: Path) -> Self:
        """The run in ``folder``.

        Raises UsageError where there is none, DamageError where it cannot be read.
        """
        pinned, ledger = folder / "run.json", folder / "ledger.db"
        if not pinned.is_file():
            start = "start one with: docherd run INPUT... -o OUT"
            raise UsageError(f"{_shown(folder)}: no run here; {start}")
        if not ledger.is_file():
            raise DamageError(f"{_shown(ledger)} is missing although there is a run.json")
        connection = ReadOnly(ledger, _TABLES)
        try:
            return cls(folder, json.loads(pinned.read_bytes()), connection)
        except (OSError, ValueError, KeyError, TypeError) as error:
            connection.close()
            raise DamageError(f"{_shown(pinned)}: cannot be read ({error})") from error

    def close(self) -> None:
        """Let go of the ledger."""
        self._ledger.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def freeze(self) -> None:
        """From now on see the run as it is at this moment, though it goes on."""
        self._ledger.freeze()

    # ── the whole ────────────────────────────────────────────────────────────────────────────

    def counts(self) -> Counts:
        """The accounting, as of the last commit."""
        # Documents are never deleted and their ids have no gaps: the last id is their number,
        # which saves a scan. What has no outcome yet is pending.
        rows = self._ledger.rows(
            """select status, sum(documents) from tally group by status
               union all select -1, max(id) from document"""
        )
        by_status: dict[int, int] = {status: number or 0 for status, number in rows}
        named = {
            status.value: by_status.get(index, 0)
            for index, status in enumerate(STATUSES)
            if status is not Status.PENDING
        }
        return Counts(discovered=by_status[-1], **named)

    def reasons(self) -> dict[Reason, int]:
        """How many Documents failed or were skipped for each reason, most first."""
        rows = self._ledger.rows(
            """select reason, sum(documents) from tally
               where status in (?, ?) and documents > 0
               group by reason order by sum(documents) desc, reason""",
            _FAILED,
            _SKIPPED,
        )
        return {_reason(reason): number for reason, number in rows if reason}

    def starts(self) -> list[Start]:
        """Each time the run was started or resumed, oldest first."""
        rows = self._ledger.rows(
            """select epoch, began, ended, state, workers, memory, peak, seconds, limited
               from start order by epoch"""
        )
        return [
            Start(epoch, began, ended, state, workers, memory, peak, seconds, bool(limited))
            for epoch, began, ended, state, workers, memory, peak, seconds, limited in rows
        ]

    @property
    def state(self) -> str:
        """``running``, ``finished`` or ``interrupted``: what the last start said of itself.

        A start that was killed could say nothing and remains ``running``.
        """
        rows = self._ledger.rows("select state from start order by epoch desc limit 1")
        return next((str(state) for (state,) in rows), "interrupted")

    def throughput(self) -> Iterator[Sample]:
        """How far each start was at which second: in order, at most 500 a start."""
        rows = self._ledger.rows(
            "select epoch, seconds, finished, written, memory from sample order by epoch, seconds"
        )
        return (Sample(*row) for row in rows)

    def written(self) -> int:
        """Bytes of Records known good, in all parts."""
        return next(self._ledger.rows("select coalesce(sum(size), 0) from part"))[0]  # type: ignore[no-any-return]

    # ── what is not done ─────────────────────────────────────────────────────────────────────

    def failures(
        self, reason: Reason | None = None, include_skipped: bool = False, most: int = -1
    ) -> Iterator[Failure]:
        """What failed, in the order it did; with skips if asked for, by name or at all.

        At most ``most`` of each status; -1 is all.
        """
        skips = include_skipped or (reason is not None and reason.skips)
        statuses = (Status.FAILED, Status.SKIPPED) if skips else (Status.FAILED,)
        return (each.failure for each in self.undone(statuses, reason, most))

    def undone(
        self, statuses: Sequence[Status], reason: Reason | None = None, most: int = -1
    ) -> Iterator[Undone]:
        """Documents of each of these statuses but done, in the order that they came to it.

        At most ``most`` of each; -1 is all. A pending one that was tried has its last reason.
        """
        for status in statuses:
            given = (STATUSES.index(status), reason is None, reason, most)
            for row in self._ledger.rows(f"{_UNDONE} order by o.id limit ?", *given):
                yield self._undone(_Row(*row))
            if status is Status.PENDING and reason is None:
                for row in self._ledger.rows(_UNTRIED, most):
                    yield self._undone(_Row(*row))

    def _undone(self, row: _Row) -> Undone:
        label = self._root(row.root).label
        why = row.reason if row.reason != PRUNED else None
        failure = Failure(
            document=document_id(label, row.path),
            path=self._path(row.root, row.path),
            status=STATUSES[row.status],
            reason=_reason(why) if why else None,
            message=row.message or "",
            detail=row.detail,
            attempts=row.attempts,
            seconds=row.seconds or 0.0,
            peak_memory=row.peak or 0,
            reproduce=self._reproduce(row.root, row.path),
        )
        file = self._file(row.root, row.path)
        return Undone(failure, label + b"/" + row.path, file, row.size, row.mtime_ns, row.kind)

    # ── one Document ─────────────────────────────────────────────────────────────────────────

    def find(self, key: str) -> Entry | None:
        """A Document by its 16 letters, by its path in Records, or by its file."""
        found = Lookup(self._ledger, self.inputs).exactly(key)
        return None if found is None else self._entry(found)

    def like(self, key: str, most: int) -> Likely:
        """Documents that ``key`` may mean: a glob, a part of a path, or a path misspelt."""
        return Lookup(self._ledger, self.inputs).like(key, most)

    def _entry(self, found: int) -> Entry:
        query = "select root, path, size, mtime_ns from document where id = ?"
        root, path, size, mtime_ns = next(self._ledger.rows(query, found))
        history = list(self._ledger.rows(_HISTORY, found))
        attempts = tuple(
            Attempt(
                attempt=row[0],
                status=STATUSES[row[1]],
                reason=_reason(row[2]) if row[2] else None,
                seconds=row[3] or 0.0,
                peak=row[4] or 0,
                interruptions=row[5] or 0,
                at=row[6],
                message=row[7] or "",
                detail=row[8],
            )
            for row in history
        )
        kind, records, part, offset, length = history[-1][9:] if history else (None,) * 5
        return Entry(
            found,
            document=document_id(self._root(root).label, path),
            path=self._path(root, path),
            file=self._file(root, path),
            size=size,
            mtime_ns=mtime_ns,
            kind=kind,
            records=records or 0,
            part=part,
            offset=offset,
            length=length,
            attempts=attempts,
            reproduce=self._reproduce(root, path),
        )

    # ── where time, memory and bytes went ────────────────────────────────────────────────────

    def costs(self, outstanding: int) -> Costs:
        """Time, memory and bytes by kind, and rows of the Documents that stand out."""
        return costs.read(self._ledger, outstanding)

    def measured(self, outcomes: Iterable[int]) -> Iterator[Measured]:
        """What is known of the Documents with these outcomes."""
        for outcome in outcomes:
            rows = self._ledger.rows(
                """select d.root, d.path, d.size, o.kind, o.status, o.reason, o.seconds, o.peak,
                          o.records
                   from outcome o cross join document d on d.id = o.document where o.id = ?""",
                outcome,
            )
            for root, path, size, kind, status, reason, seconds, peak, records in rows:
                yield Measured(
                    document=document_id(self._root(root).label, path),
                    path=self._path(root, path),
                    size=size,
                    kind=kind,
                    status=STATUSES[status],
                    reason=_reason(reason) if reason else None,
                    seconds=seconds or 0.0,
                    peak_memory=peak or 0,
                    records=records or 0,
                )

    # ── names ────────────────────────────────────────────────────────────────────────────────

    def _root(self, index: int) -> Root:
        try:
            return self.inputs[index]
        except IndexError:
            raise DamageError(
                f"{_shown(self.folder)}: ledger.db names an input that run.json does not"
            ) from None

    def _path(self, root: int, path: bytes) -> str:
        return text_of(self._root(root).label + b"/" + path)

    def _file(self, root: int, path: bytes) -> bytes:
        return self._root(root).folder.rstrip(b"/") + b"/" + path

    def _reproduce(self, root: int, path: bytes) -> str:
        command = f"docherd try {shell_quoted(self._file(root, path))}"
        if self.processor != "extract":
            command += f" -p {shell_quoted(os.fsencode(self.processor))}"
        return command


class _Row(NamedTuple):
    """A Document that is not done, as it is read."""

    root: int
    path: bytes
    size: int
    mtime_ns: int
    status: int
    reason: str | None
    message: str | None
    detail: str | None
    attempts: int
    seconds: float | None
    peak: int | None
    kind: str | None


# `!= 1` is what lets SQLite use the partial index on what is not done; the cross join keeps it
# from starting at the documents.
_UNDONE = f"""select d.root, d.path, d.size, d.mtime_ns, o.status, o.reason, o.message, o.detail,
       o.attempt, o.seconds, o.peak, o.kind
    from outcome o cross join document d on d.id = o.document
    where o.status != 1 and o.status = ? and (? or o.reason = ?) and {_CURRENT}"""  # noqa: S608
_UNTRIED = """
    select root, path, size, mtime_ns, 0, null, null, null, 0, 0, 0, null
    from document d where not exists (
        select 1 from outcome first where first.document = d.id and first.previous is null)
    order by id limit ?"""

_HISTORY = """
with recursive history(id) as (
    select id from outcome where document = ? and previous is null
    union all
    select o.id from history h cross join outcome o on o.previous = h.id
)
select attempt, status, reason, seconds, peak, interruptions, at, message, detail,
       kind, records, part, "offset", length
from history cross join outcome using (id)
"""


def _shown(path: Path) -> str:
    return text_of(os.fsencode(path))


def _reason(text: str) -> Reason:
    try:
        return Reason(text)
    except ValueError:
        raise DamageError(f"unknown reason {text!r}: from a newer docherd?") from None
