"""What a run remembers, as View hands it out: frozen values. Seconds and bytes throughout."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field
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
class Kind:
    """What the Documents of one kind took, all together."""

    name: str
    documents: int
    #: bytes of input
    size: int
    seconds: float
    #: of a Document, to two digits
    median: float
    slowest: float
    peak_memory: int
    records: int

    def as_json(self) -> dict[str, object]:
        return asdict(self)


class KindSums(NamedTuple):
    """Documents of one kind that took about the same seconds, together."""

    documents: int
    size: int
    seconds: float
    slowest: float
    peak: int
    records: int


@dataclass(slots=True)
class KindTally:
    """Adds up one kind in flat memory: the median comes from counts of rounded seconds."""

    documents: int = 0
    size: int = 0
    seconds: float = 0.0
    slowest: float = 0.0
    peak: int = 0
    records: int = 0
    _rounded: Counter[float] = field(default_factory=Counter)

    def add(self, rounded: float, sums: KindSums) -> None:
        """Take in those that took about ``rounded`` seconds each."""
        self._rounded[rounded] += sums.documents
        self.documents += sums.documents
        self.size += sums.size
        self.seconds += sums.seconds
        self.slowest = max(self.slowest, sums.slowest)
        self.peak = max(self.peak, sums.peak)
        self.records += sums.records

    def total(self, name: str) -> Kind:
        """What came together, under this name."""
        return Kind(
            name=name,
            documents=self.documents,
            size=self.size,
            seconds=self.seconds,
            median=self._median(),
            slowest=self.slowest,
            peak_memory=self.peak,
            records=self.records,
        )

    def _median(self) -> float:
        before = 0
        for rounded in sorted(self._rounded):
            before += self._rounded[rounded]
            if 2 * before >= self.documents:
                return min(self.slowest, rounded)
        return 0.0
