"""Where a run's time, memory and bytes went, by kind and by Document.

One pass over the outcomes, in flat memory: about 2 s a million. How seconds and memory spread
comes from counts of rounded values, so every Document counts and none is kept.
"""

from __future__ import annotations

import heapq
import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from docherd.model import Status
from docherd.readonly import ReadOnly
from docherd.remembered import Kind, Spread
from docherd.rows import COPY_OF
from docherd.schema import STATUSES

#: kinds told apart: endings are names of files, and there may be as many of them
KINDS = 500
REST = "other kinds"
#: values are rounded to one of so many a factor of e: 4 % apart
_STEPS = 25
#: what stands for 0, below every logarithm
_NOTHING = -(10**6)

# Rows of the rest of the run stay out: what a later outcome replaced, and what was not processed.
_PROCESSED = f"""
select o.id, o.kind, d.stratum, d.size, coalesce(o.seconds, 0), coalesce(o.peak, 0),
       coalesce(o.records, 0),
       o.attempt = 0 and substr(coalesce(o.message, ''), 1, {len(COPY_OF)}) = '{COPY_OF}'
from outcome o cross join document d on d.id = o.document
where o.status in ({STATUSES.index(Status.DONE)}, {STATUSES.index(Status.FAILED)})
      and not exists (select 1 from outcome later where later.previous = o.id)
"""  # noqa: S608 - constants of ours


@dataclass(frozen=True, slots=True)
class Costs:
    """What the Documents that were processed took, each in its last attempt."""

    #: most seconds first
    kinds: tuple[Kind, ...]
    #: rows of outcomes, worst first
    slowest: tuple[int, ...]
    most_memory: tuple[int, ...]
    largest: tuple[int, ...]


def read(ledger: ReadOnly, outstanding: int) -> Costs:
    """The costs, with so many Documents of each kind of standing out."""
    endings = {
        id: str(name).partition("/")[0] or "no extension"
        for id, name in ledger.rows("select id, name from stratum")
    }
    by_key: dict[str | int, Tally] = {}
    by_name: dict[str, Tally] = {}
    slowest, hungriest, largest = (Outstanding(outstanding) for _ in range(3))
    for row, kind, stratum, size, seconds, peak, records, copy in ledger.rows(_PROCESSED):
        tally = by_key.get(kind or stratum)
        if tally is None:
            name = kind or endings.get(stratum, "no extension")
            tally = _tally(by_name, name)
            if len(by_key) < 10 * KINDS:
                by_key[kind or stratum] = tally
        tally.add(size, records)
        if copy:
            tally.copies += 1
            continue
        tally.took.add(seconds)
        tally.held.add(peak)
        if seconds > slowest.least:
            slowest.take(seconds, row)
        if peak > hungriest.least:
            hungriest.take(peak, row)
        if size > largest.least:
            largest.take(size, row)
    kinds = [tally.total(name) for name, tally in by_name.items()]
    return Costs(
        tuple(sorted(kinds, key=lambda one: (-one.seconds, one.name))),
        *(tuple(each.rows()) for each in (slowest, hungriest, largest)),
    )


def _tally(by_name: dict[str, Tally], name: str) -> Tally:
    if name not in by_name and len(by_name) >= KINDS:
        name = REST
    return by_name.setdefault(name, Tally())


@dataclass(slots=True)
class Rounded:
    """How many values there were of about each size."""

    sum: float = 0.0
    most: float = 0.0
    _counts: Counter[int] = field(default_factory=Counter)

    def add(self, value: float) -> None:
        """Take in one value; none below 0 is believed."""
        if value <= 0:
            self._counts[_NOTHING] += 1
            return
        self.sum += value
        if value > self.most:  # noqa: PLR1730 - max() takes twice as long, for each Document
            self.most = value
        self._counts[math.floor(_STEPS * math.log(value))] += 1

    def spread(self) -> Spread:
        """The values below which 5, 25, 50, 75 and 95 of 100 stay, and the most."""
        low, lower, median, upper, high = self._quantiles((0.05, 0.25, 0.5, 0.75, 0.95))
        return Spread(low, lower, median, upper, high, self.most)

    def _quantiles(self, shares: Sequence[float]) -> list[float]:
        found: list[float] = []
        whole, before = self._counts.total(), 0
        for rounded in sorted(self._counts):
            before += self._counts[rounded]
            while len(found) < len(shares) and before >= shares[len(found)] * whole:
                found.append(self._value(rounded))
        return found or [0.0] * len(shares)

    def _value(self, rounded: int) -> float:
        """The middle of what is rounded so, but never more than there was."""
        return 0.0 if rounded == _NOTHING else min(self.most, math.exp((rounded + 0.5) / _STEPS))


@dataclass(slots=True)
class Tally:
    """Adds up one kind in flat memory."""

    documents: int = 0
    size: int = 0
    records: int = 0
    #: of others: made without any processing, so nothing was taken or held
    copies: int = 0
    took: Rounded = field(default_factory=Rounded)
    held: Rounded = field(default_factory=Rounded)

    def add(self, size: int, records: int) -> None:
        """Take in one Document."""
        self.documents += 1
        self.size += size
        self.records += records

    def total(self, name: str) -> Kind:
        """What came together, under this name."""
        took, held = self.took.spread(), self.held.spread()
        return Kind(
            name=name,
            documents=self.documents,
            size=self.size,
            seconds=self.took.sum,
            median=took.median,
            slowest=took.most,
            peak_memory=round(held.most),
            records=self.records,
            copies=self.copies,
            seconds_spread=took,
            memory_spread=held,
        )


class Outstanding:
    """The rows with the highest values, the earlier one first among equals."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._heap: list[tuple[float, int]] = []
        #: a value that is not above this one is not among them
        self.least = 0.0 if most else math.inf

    def take(self, value: float, row: int) -> None:
        """Keep the row instead of the least; rows come in ascending order."""
        heapq.heappush(self._heap, (value, -row))
        if len(self._heap) > self._most:
            heapq.heappop(self._heap)
        if len(self._heap) == self._most:
            self.least = self._heap[0][0]

    def rows(self) -> Iterator[int]:
        """Highest first."""
        return (-row for _, row in sorted(self._heap, reverse=True))
