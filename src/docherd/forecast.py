"""What a Document will cost, learned from what others cost, and when the run will end.

Pure: measurements in, estimates out. The unit is the stratum ("pdf/17": one extension, one
power-of-two size class). This first form keeps a running mean and variance (Welford 1962) of the
seconds, and the highest memory seen; a stratum nobody has measured borrows from its nearest
neighbours in size, then from everybody.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from docherd.model import Eta, Outcome, Reason

#: measurements of its own below which a stratum also listens to others
TRUSTED = 5
#: normal deviates on either side of the mean: about nine times in ten
BAND = 1.645
#: measurements after which what was seen earlier no longer counts for what is coming at once
RECENT = 100


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds and bytes one Document is expected to take."""

    seconds: float
    #: standard deviation of the seconds
    deviation: float
    #: bytes, the highest seen
    memory: int


@dataclass(slots=True)
class _Learned:
    """Measurements of one stratum."""

    count: int = 0
    mean: float = 0.0
    #: sum of squared distances from the mean
    square: float = 0.0
    peak: int = 0

    def add(self, seconds: float, peak: int) -> None:
        self.count += 1
        distance = seconds - self.mean
        self.mean += distance / self.count
        self.square += distance * (seconds - self.mean)
        self.peak = max(self.peak, peak)


class _Recent:
    """What Documents of one stratum took lately: exponentially weighted mean, and spread of logs.

    Of logs, because the first Document of a worker also pays for all that the processor loads,
    and a busy machine holds up one in a hundred: a thousand times the others' time, which would
    dominate an ordinary variance for ever.
    """

    __slots__ = ("count", "log", "mean", "spread")

    def __init__(self) -> None:
        self.count = 0
        self.mean = self.log = self.spread = 0.0

    def add(self, seconds: float) -> None:
        self.count += 1
        weight = 1 / min(self.count, RECENT)
        self.mean += weight * (seconds - self.mean)
        distance = math.log(max(seconds, 1e-9)) - self.log
        self.log += weight * distance
        self.spread = (1 - weight) * (self.spread + weight * distance * distance)

    def took(self) -> tuple[float, float]:
        """Mean and standard deviation; that of a log-normal distribution with this spread."""
        return self.mean, self.mean * math.sqrt(math.expm1(min(self.spread, 50.0)))


def _pooled(several: Iterable[_Learned]) -> _Learned:
    """All measurements as one set (Chan, Golub, LeVeque 1979)."""
    total = _Learned()
    for each in several:
        count = total.count + each.count
        if not each.count:
            continue
        distance = each.mean - total.mean
        total.square += each.square + distance**2 * total.count * each.count / count
        total.mean += distance * each.count / count
        total.count = count
        total.peak = max(total.peak, each.peak)
    return total


class Forecast:
    """Learns as the run goes; ``dump`` and ``load`` carry it to the next start."""

    def __init__(self, remembered: Mapping[str, str] | None = None) -> None:
        self._strata: dict[str, _Learned] = {}
        self._recent: dict[str, _Recent] = {}
        self._changed: set[str] = set()
        for name, text in (remembered or {}).items():
            count, mean, square, peak = json.loads(text)
            self._strata[name] = _Learned(count, mean, square, peak)

    def learn(self, outcome: Outcome) -> None:
        """Take in a measured attempt; one that was cut short teaches nothing here."""
        stratum = outcome.task.stratum
        if (learned := self._strata.get(stratum)) is None:
            learned = self._strata[stratum] = _Learned()
        learned.add(outcome.seconds, outcome.peak)
        if (recent := self._recent.get(stratum)) is None:
            recent = self._recent[stratum] = _Recent()
        recent.add(outcome.seconds)
        self._changed.add(stratum)

    def dump(self) -> dict[str, str]:
        """What changed since the last call, by stratum, for the ledger."""
        changed, self._changed = self._changed, set()
        return {
            name: json.dumps([each.count, each.mean, each.square, each.peak])
            for name in sorted(changed)
            for each in (self._strata[name],)
        }

    def cost(self, stratum: str) -> Cost | None:
        """The expected cost in this stratum; None while nothing at all was measured."""
        own = self._strata.get(stratum, _Learned())
        learned = own if own.count >= TRUSTED else self._borrowed(stratum)
        if not learned.count:
            return None
        deviation = math.sqrt(learned.square / learned.count) if learned.count > 1 else learned.mean
        return Cost(learned.mean, deviation, learned.peak)

    def took(self, stratum: str) -> tuple[float, float] | None:
        """Mean and standard deviation of the seconds here lately; None while too few were seen."""
        recent = self._recent.get(stratum)
        return None if recent is None or recent.count < TRUSTED else recent.took()

    def remaining(self, pending: Counter[str], parallel: float) -> Eta | None:
        """Seconds until ``pending`` (Documents by stratum) are done by ``parallel`` at a time.

        The band is that of a sum of independent Documents, widened by how little was measured.
        """
        seconds = variance = 0.0
        for stratum, count in pending.items():
            cost = self.cost(stratum)
            if cost is None:
                return None
            doubt = cost.deviation**2 / max(1, self._strata.get(stratum, _Learned()).count)
            seconds += count * cost.seconds
            variance += count * cost.deviation**2 + count**2 * doubt
        band = BAND * math.sqrt(variance)
        parallel = max(parallel, 0.01)
        return Eta(
            seconds / parallel, max(0.0, seconds - band) / parallel, (seconds + band) / parallel
        )

    def _borrowed(self, stratum: str) -> _Learned:
        """Own measurements with those of the nearest size classes of its kind, or everybody's."""
        extension, size = _split(stratum)
        by_distance: dict[int, list[_Learned]] = {}
        for name, each in self._strata.items():
            other, other_size = _split(name)
            if other == extension:
                by_distance.setdefault(abs(size - other_size), []).append(each)
        near: list[_Learned] = []
        for distance in sorted(by_distance):
            near += by_distance[distance]
            if sum(each.count for each in near) >= TRUSTED:
                break
        return _pooled(near if near else self._strata.values())


def again_seconds(outcome: Outcome, workers: int, start_seconds: float) -> float:
    """Seconds by which a deferred Document lengthens the run.

    After a memory kill it runs solo and may use ``workers`` times the memory: at the rate it went,
    that takes so many times as long. Any other waits for a fresh worker, which takes
    ``start_seconds``, and others go on beside it.
    """
    if outcome.reason is Reason.MEMORY:
        return outcome.seconds * workers
    return (start_seconds + outcome.seconds) / workers


def later(eta: Eta | None, seconds: float) -> Eta | None:
    """``eta`` with the deferred at the end, of which only the order of magnitude is known."""
    if eta is None:
        return None
    return Eta(eta.seconds + seconds, eta.low + seconds / 3, eta.high + seconds * 3)


def _split(stratum: str) -> tuple[str, int]:
    extension, _, size = stratum.rpartition("/")
    return extension, int(size)
