"""What a run remembers, as View hands it out: frozen values. Seconds and bytes throughout."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import NamedTuple

from docherd.model import Reason, Status


@dataclass(frozen=True, slots=True)
class Failure:
    """A Document that failed or was skipped, and the command that shows it again."""

    document: str
    path: str
    status: Status
    reason: Reason | None
    message: str
    #: traceback, last page, the tail of what the worker printed
    detail: str | None
    attempts: int
    seconds: float
    peak_memory: int
    reproduce: str

    def as_json(self) -> dict[str, object]:
        """The stable shape of ``failures --json`` and failures.jsonl, detail last."""
        return {
            "document": self.document,
            "path": self.path,
            "status": self.status,
            "reason": self.reason,
            "message": self.message,
            "attempts": self.attempts,
            "seconds": self.seconds,
            "peak_memory": self.peak_memory,
            "reproduce": self.reproduce,
            "detail": self.detail,
        }


class Undone(NamedTuple):
    """A Document without Records: what is said of it, and the file itself."""

    failure: Failure
    #: its path in Records, as bytes
    name: bytes
    #: absolute
    file: bytes
    size: int
    mtime_ns: int
    #: by content, where the processor asked for it
    kind: str | None


@dataclass(frozen=True, slots=True)
class Attempt:
    """One row of a Document's history."""

    attempt: int
    status: Status
    reason: Reason | None
    seconds: float
    peak: int
    interruptions: int
    #: unix seconds
    at: int
    message: str
    detail: str | None


@dataclass(frozen=True, slots=True)
class Entry:
    """Everything known of one Document."""

    #: in the ledger
    row: int
    document: str
    path: str
    #: absolute
    file: bytes
    size: int
    mtime_ns: int
    kind: str | None
    records: int
    #: where its Records are: None where there are none
    part: int | None
    #: in the part as first written: see the holes of the part
    offset: int | None
    length: int | None
    #: oldest first; the last one counts
    attempts: tuple[Attempt, ...]
    reproduce: str

    @property
    def status(self) -> Status:
        return self.attempts[-1].status if self.attempts else Status.PENDING

    @property
    def reason(self) -> Reason | None:
        return self.attempts[-1].reason if self.attempts else None


@dataclass(frozen=True, slots=True)
class Measured:
    """A Document that stands out by its time, memory or size."""

    document: str
    path: str
    size: int
    kind: str | None
    status: Status
    reason: Reason | None
    seconds: float
    peak_memory: int
    records: int

    def as_json(self) -> dict[str, object]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Start:
    """One time the run was started or resumed."""

    epoch: int
    #: unix seconds
    began: int
    ended: int | None
    state: str
    workers: int
    #: budget
    memory: int
    peak: int
    seconds: float
    #: the walk did not take every input (--limit)
    limited: bool

    def as_json(self) -> dict[str, object]:
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Sample:
    """How far a start was after ``seconds``."""

    epoch: int
    seconds: float
    finished: int
    written: int
    memory: int


@dataclass(frozen=True, slots=True)
class Spread:
    """Values below which 5, 25, 50, 75 and 95 of 100 Documents stay, within 2 %, and the most."""

    low: float
    lower: float
    median: float
    upper: float
    high: float
    most: float


@dataclass(frozen=True, slots=True)
class Kind:
    """What the Documents of one kind took, all together."""

    name: str
    documents: int
    #: bytes of input
    size: int
    seconds: float
    #: of a Document, within 2 %
    median: float
    slowest: float
    peak_memory: int
    records: int
    #: Documents of those that are copies of others and took no processing
    copies: int
    seconds_spread: Spread
    memory_spread: Spread

    def as_json(self) -> dict[str, object]:
        return asdict(self)
