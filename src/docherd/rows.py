"""The values that go into and come out of the ledger."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from docherd.model import Found, Outcome, Reason, Status


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
    #: stratum of each in `ready`, and what was found
    strata: list[str]
    found: list[Found]
    #: strata that they were of before, where they had been found and were refined
    refined: Sequence[str] = ()
    #: those of `ready` that wait, because another one has their size (--dedup)
    held: Collection[int] = ()


class Placed(NamedTuple):
    """An outcome and where in which part its Records lie; no part where it has none."""

    outcome: Outcome
    part: int | None = None
    offset: int = 0

    def row(self) -> OutcomeRow:
        """As it is appended."""
        outcome, task = self.outcome, self.outcome.task
        where: tuple[int | None, ...] = _NOWHERE
        if self.part is not None:
            where = (self.part, self.offset, outcome.length, outcome.crc)
        return OutcomeRow(
            task.document,
            outcome.status,
            outcome.reason,
            task.attempt + 1,
            (outcome.seconds, outcome.peak, outcome.kind, outcome.records, *where),
            task.interruptions,
            outcome.message,
            outcome.detail,
        )


_NOWHERE = (None,) * 4


class Written(NamedTuple):
    """The Records of one outcome, as the ledger knows them; offset in the part's first form."""

    outcome: int
    document: int
    part: int
    offset: int
    length: int
    crc: int
    records: int


class Standing(NamedTuple):
    """A Document, and the outcome that counts."""

    found: Found
    status: Status
    reason: Reason | None
    kind: str | None
    #: and how long they are: no part where there are none
    records: int
    part: int | None
    offset: int
    length: int
    crc: int
    message: str


#: what the message of a copy's outcome begins with; no attempt is charged for one
COPY_OF = "copy of "


class MadeFile(NamedTuple):
    """What was made of a Document under --format files, before it has its name in data/."""

    #: its row, and its id and path as in the Records
    document: int
    id: str
    path: str
    #: what its name is to end with
    suffix: str
    size: int
    crc: int
    #: bytes of each Record's text; None where they are JSON lines
    pieces: tuple[int, ...] | None


class Listed(NamedTuple):
    """One file in data/, under --format files."""

    #: below data/
    name: str
    document: int
    #: of whose segment it was made
    part: int
    size: int
    crc: int
    #: bytes of each Record's text; None where they are JSON lines
    pieces: tuple[int, ...] | None


class OutcomeRow(NamedTuple):
    """One row of the outcome table, but for what the ledger itself adds."""

    document: int
    status: Status
    reason: str | None = None
    attempt: int = 0
    #: seconds, peak, kind, records, part, offset, length, crc
    measured: tuple[float | str | None, ...] = (None,) * 8
    interruptions: int = 0
    message: str | None = None
    detail: str | None = None


class Known(NamedTuple):
    """A row of the document table."""

    document: int
    size: int
    mtime_ns: int
    inode: int
    digest: bytes | None
    #: row of its stratum
    stratum: int

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
class Note:
    """What a commit remembers of the run itself; seconds since the start, bytes."""

    seconds: float = 0.0
    finished: int = 0
    written: int = 0
    memory: int = 0
    peak: int = 0
    #: True where a row of the throughput curve is due
    sample: bool = False
    #: stratum → what the forecast learned, where that changed
    learned: Mapping[str, str] = field(default_factory=dict)
