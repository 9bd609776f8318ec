"""What a run will take, from what a sample of it took. Pure.

work(forecast, left)           what is to be done, all together
lines(work, machine, wanted)   seconds and memory with 1, 2, 4, ... workers
best(lines)                    the fewest with which it takes hardly longer than with more
output(...), failures(...)     bytes of Records; Documents that will not be done, by reason
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from docherd.forecast import Cost, Forecast, place_of
from docherd.model import Reason

#: normal deviates on either side within which nine of ten runs end; 1.645 by the book, but a
#: sample in which the rare long ones are missing looks surer than it is (computed over 160 trees in
#: which 3 of 100 take ten times as long as others like them: 94 of 100 within these)
BAND = 2.5
#: deviation of one Document's seconds to their mean, at most: a forecast that has seen few is ready
#: for one in 200 to take fifty times as long, of which a handful of Documents will have none
VARIES = 1.5
#: how far off all may be for other reasons than chance; and more for each doubling of the workers
#: that the sample was taken with
OFF, OFF_DOUBLED = 0.05, 0.03
#: log of the factor that an estimate may be off at most: more is not said
WIDEST = math.log(10)
#: seconds that the engine takes for each Document, and to open and to end a run
OWN, OPENING = 40e-6, 0.4
#: what further workers must save to be worth having
WORTH = 0.05
#: numbers of workers go up to so many, or so many for each core
MOST, MOST_EACH = 8, 2
#: Documents of its family that weigh as much in a stratum's failures as one of its own
PRIOR = 2.0
#: deviates beyond which the longest of many Documents is not looked for
FURTHEST = 4.0
#: share of the cores that workers must keep busy to have waited for one
CROWDED = 0.9


@dataclass(frozen=True, slots=True)
class Range:
    """An estimate, and between what nine of ten turn out to be."""

    middle: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Foretold:
    """What is left of a run: seconds, and bytes of Records."""

    documents: int
    time: Range
    output: Range
    #: bytes of the disk that are free, and that it has
    free: int
    disk: int


@dataclass(frozen=True, slots=True)
class Machine:
    """What there is to work with."""

    cores: int
    #: bytes that all workers together may hold, and how many workers they are enough for
    memory: int
    most: int = 1000
    #: bytes a worker holds that has loaded the processor, and seconds until it has
    loaded: int = 0
    start: float = 0.0
    #: seconds in which a worker has nothing to do between two Documents
    gap: float = 0.0


@dataclass(frozen=True, slots=True)
class Work:
    """What is to be done, all together; seconds are those in workers."""

    documents: float
    #: all Documents one after the other, and the standard deviation of that estimate
    seconds: float
    deviation: float
    #: the longest: expected, and what it hardly exceeds
    longest: float
    longest_upper: float
    #: bytes that one in work holds, and that are reserved for it: means over time; and the most
    memory: float = 0.0
    reserved: float = 0.0
    largest: float = 0.0
    #: cores that one worker keeps busy: CPU seconds to seconds
    share: float = 0.0
    #: workers that were at work when this was measured
    workers: int = 1


@dataclass(frozen=True, slots=True)
class Line:
    """Seconds and bytes that a run takes with so many workers."""

    workers: int
    seconds: float
    low: float
    high: float
    #: most bytes that all workers together hold
    memory: float


@dataclass(slots=True)
class Lengths:
    """Bytes of Records of the Documents that were measured: mean and variance."""

    count: int = 0
    mean: float = 0.0
    squares: float = 0.0

    def add(self, length: int) -> None:
        """Take in one Document's (Welford 1962)."""
        self.count += 1
        distance = length - self.mean
        self.mean += distance / self.count
        self.squares += distance * (length - self.mean)

    @property
    def doubt(self) -> float:
        """Standard deviation of the mean, in bytes; half of it where too few were measured."""
        if self.count < 5:
            return self.mean / 2
        return math.sqrt(self.squares / (self.count - 1) / self.count)


# ── the work ─────────────────────────────────────────────────────────────────────────────────


def work(
    forecast: Forecast,
    left: Mapping[str, float],
    known: Iterable[float] = (),
    share: float = 0.0,
    workers: int = 1,
) -> Work | None:
    """``left``: Documents by stratum; ``known``: seconds of others, that were measured already.

    ``share`` and ``workers`` as in Work. None while nothing at all was measured.
    """
    measured = list(known)
    waiting = {stratum: count for stratum, count in left.items() if count > 0}
    costs = {stratum: cost for stratum in waiting if (cost := forecast.cost(stratum)) is not None}
    if len(costs) < len(waiting):
        return None
    parts = [(count, costs[stratum]) for stratum, count in waiting.items()]
    expected = sum(count * cost.seconds for count, cost in parts)
    longest = max(measured, default=0.0)
    over = expected or 1.0
    return Work(
        documents=len(measured) + sum(waiting.values()),
        seconds=sum(measured) + expected,
        deviation=_deviation(forecast, waiting, costs),
        longest=max([longest, *(cost.seconds for _, cost in parts)]),
        longest_upper=max([longest, *(_longest_of(*part) for part in parts)]),
        memory=sum(count * cost.seconds * cost.memory for count, cost in parts) / over,
        reserved=sum(count * cost.seconds * cost.memory_upper for count, cost in parts) / over,
        largest=max((cost.memory_upper for _, cost in parts), default=0.0),
        share=share,
        workers=workers,
    )


def _deviation(
    forecast: Forecast, waiting: Mapping[str, float], costs: Mapping[str, Cost]
) -> float:
    """Of the sum of all seconds: by chance, and since a family's mean was seen on a few."""
    variance = 0.0
    by_family: dict[str, float] = defaultdict(float)
    seen: dict[str, float] = {}
    for stratum, count in waiting.items():
        deviation = min(costs[stratum].deviation, VARIES * costs[stratum].seconds)
        variance += count * deviation**2
        family, _ = place_of(stratum)
        by_family[family] += count * deviation
        seen[family] = max(forecast.measured(stratum), 1.0)
    variance += sum(total**2 / seen[family] for family, total in by_family.items())
    return math.sqrt(variance)


def _longest_of(count: float, cost: Cost) -> float:
    """What the longest of so many hardly exceeds, where the logs of seconds are normal."""
    if cost.seconds <= 0:
        return 0.0
    spread = math.log1p((cost.deviation / cost.seconds) ** 2)
    deviates = min(math.sqrt(2 * math.log(max(count, 1.0))) + 0.5, FURTHEST)
    return cost.seconds * math.exp(deviates * math.sqrt(spread) - spread / 2)


# ── the time ─────────────────────────────────────────────────────────────────────────────────


def line(work: Work, machine: Machine, workers: int) -> Line:
    """What it takes with so many workers.

    Work is shared among those that the memory lets be at work at the same time, until the cores
    are busy; no run is over before its longest Document, or faster than the engine.
    """
    at_once = min(float(workers), max(1.0, machine.memory / max(work.reserved, 1.0)))
    alone = _alone(work, machine) + machine.gap * work.documents
    computed = work.share * work.seconds / machine.cores
    shared = max(alone / at_once, computed) + OWN * work.documents
    doublings = abs(math.log2(workers / work.workers))
    off = OFF + OFF_DOUBLED * doublings
    half = min(math.hypot(BAND * work.deviation / max(work.seconds, 1e-9), off), WIDEST)
    opening = OPENING + machine.start
    # The last one to end may have been begun last: giants come first, as far as they are known.
    late = work.longest_upper * (1 - 1 / at_once)
    high = max(shared * math.exp(half) + late / 2, work.longest_upper)
    middle = max(shared, work.longest)
    held = machine.loaded + (at_once - 1) * max(work.memory, machine.loaded)
    return Line(
        workers,
        opening + middle,
        opening / 2 + min(middle, max(shared, work.longest) * math.exp(-half)),
        opening * 2 + max(high, middle),
        min(float(machine.memory), held + max(work.largest, machine.loaded)),
    )


def _alone(work: Work, machine: Machine) -> float:
    """Seconds if no worker had waited for a core when the work was measured."""
    busy = work.workers * work.share
    if work.workers <= machine.cores or busy < CROWDED * machine.cores:
        return work.seconds
    return work.share * work.seconds


def lines(work: Work, machine: Machine, wanted: int = 1) -> list[Line]:
    """With 1, 2, 4, ... workers, with ``wanted`` and one a core, as many as the memory allows."""
    most = max(MOST, MOST_EACH * machine.cores, wanted)
    numbers = {1 << power for power in range(most.bit_length()) if 1 << power <= most}
    numbers |= {wanted, machine.cores}
    return [
        line(work, machine, number)
        for number in sorted(numbers)
        if number == 1 or number <= machine.most
    ]


def best(lines: Sequence[Line]) -> Line:
    """The fewest workers with which it takes hardly longer than with any other number."""
    least = min(each.seconds for each in lines)
    return next(each for each in lines if each.seconds <= least * (1 + WORTH))


# ── what comes of it ─────────────────────────────────────────────────────────────────────────


def output(
    forecast: Forecast, left: Mapping[str, float], lengths: Mapping[str, Lengths], known: int = 0
) -> Range:
    """Bytes of Records of the Documents that are left, and of ``known`` bytes besides.

    ``lengths``: what was measured, by family; where that is nothing, half of it may be wrong.
    """
    total = variance = 0.0
    by_family: dict[str, float] = defaultdict(float)
    for stratum, count in left.items():
        if count > 0 and (cost := forecast.cost(stratum)) is not None:
            by_family[place_of(stratum)[0]] += count * cost.output
    for family, expected in by_family.items():
        seen = lengths.get(family)
        off = 0.5 if seen is None or not seen.mean else seen.doubt / seen.mean
        total += expected
        variance += (expected * off) ** 2
    half = math.hypot(BAND * math.sqrt(variance), OFF * total)
    return Range(known + total, known + max(0.0, total - half), known + total + half)


def failures(
    left: Mapping[str, float], sampled: Mapping[str, int], seen: Mapping[str, Counter[Reason]]
) -> dict[Reason, int]:
    """Documents that will not be done, by reason, the most frequent first.

    ``sampled``: Documents by stratum; ``seen``: those of them that were not done. A stratum of
    which little was seen is drawn towards its family.
    """
    families: dict[str, Counter[Reason]] = defaultdict(Counter)
    measured: Counter[str] = Counter()
    for stratum, count in sampled.items():
        family, _ = place_of(stratum)
        measured[family] += count
        families[family] += seen.get(stratum, Counter())
    found: dict[Reason, float] = defaultdict(float)
    for stratum in left.keys() | sampled.keys():
        family, _ = place_of(stratum)
        own, count = seen.get(stratum, Counter()), sampled.get(stratum, 0)
        for reason, failed in families[family].items():
            usual = failed / measured[family]
            rate = (own[reason] + PRIOR * usual) / (count + PRIOR)
            found[reason] += own[reason] + rate * max(left.get(stratum, 0.0), 0.0)
    rounded = {reason: max(1, round(number)) for reason, number in found.items()}
    return dict(sorted(rounded.items(), key=lambda pair: (-pair[1], pair[0])))
