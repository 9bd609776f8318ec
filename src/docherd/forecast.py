"""What a Document will cost, learned from what others cost.

Pure: measurements in, estimates out. The unit is the stratum: ``pdf/17`` is one extension and one
power-of-two size class, ``pdf/22/9`` those of them that a probe found to have 256 to 511 pages.

Of each stratum the logs are kept, since costs differ by factors: a mean and a spread of log
seconds and of log bytes of memory. Strata of one family (the same extension) share a trend over
size and pages, towards which one that was hardly measured is drawn. Means of seconds are
winsorised (Tukey 1962): what one Document took beyond three deviations is charged to its whole
family, where the next such Document may come from any stratum.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from docherd.model import Outcome, Reason, Status
from docherd.trend import REMEMBERED, WIDEST, Logs, Place, Trend, Usual, drawn, fit

#: measurements of its own below which what a stratum took lately says nothing
TRUSTED = 5
#: measurements after which what was seen earlier no longer counts for what is coming at once
RECENT = 100
#: measurements after which one of eight is enough of brief Documents that took what others did
PLENTY, ONE_OF, BRIEF, ODD = 500, 8, 0.001, 10
#: normal deviates below which 95 of 100 lie, beyond which a Document is a surprise, and by which
#: the next one is expected to be beyond
UPPER, SURPRISE, NEXT_SURPRISE = 1.645, 3.0, 4.0
#: measurements of one's own that outweigh what other runs have seen
EXPERIENCE = 4
#: the same of memory, for 80 of 100: who needs more takes it while there is room, and reserving for
#: the rare one keeps others waiting
ROOMY = 0.84
#: Documents among which one surprise is expected before any was seen
UNSEEN = 200
#: attempts with these ends took as long as they did because they were stopped
CUT_SHORT = frozenset({Reason.MEMORY, Reason.CRASH, Reason.EXIT})
#: variance of logs from which the mean of what was hardly measured follows at most
MOST = 2.0
_LEAST_SECONDS, _LEAST_BYTES = 1e-6, 1 << 20
#: no number that was learned is larger
_ANY = 1e60
#: a new estimate is made when so many times as much was measured
STEP = 1.02
#: behind the name of a family whose pages are known
PAGED = "+"
#: pages class of a usual Document: 4 to 7
FEW = 3
#: the family of everything; that of files without an extension has an empty name
_EVERYTHING = "*"

_DOUBLED = math.log(2)
#: seconds where pages are not known and where they are, and bytes of memory
_SECONDS = Usual((0.6 * _DOUBLED, 0.0), 1.0, 0.5)
_SECONDS_PAGED = Usual((0.2 * _DOUBLED, 0.9 * _DOUBLED), 1.0, 0.5)
_MEMORY = Usual((0.15 * _DOUBLED, 0.1 * _DOUBLED), 0.05, 0.1)


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds, memory and Records one Document of a stratum is expected to take."""

    #: mean, and above which 5 of 100 lie
    seconds: float
    upper: float
    #: standard deviation of one Document's seconds, and of the mean itself: how well it is known
    deviation: float
    doubt: float
    #: bytes: the middle, and what 80 of 100 stay below
    memory: int
    memory_upper: int
    #: bytes of Records
    output: float


class _Learned:
    """Measurements of one stratum."""

    __slots__ = (
        *("excess", "family", "output", "passed", "peak", "recent", "seconds", "square", "took"),
        "where",
    )

    def __init__(self, family: _Family, where: Place) -> None:
        self.family, self.where = family, where
        self.took, self.peak, self.recent = Logs(), Logs(), _Recent()
        #: winsorised mean of seconds, mean bytes of Records
        self.seconds = self.output = 0.0
        #: seconds beyond what could be expected, and their squares: sums
        self.excess = self.square = 0.0
        #: brief Documents passed over, for whom the next one stands
        self.passed = 0

    def dump(self) -> str:
        """As JSON: count, mean and spread of both logs, seconds, output, excess and square."""
        took, peak = self.took, self.peak
        values = (took.count, took.mean, took.spread, peak.count, peak.mean, peak.spread)
        return json.dumps([*values, self.seconds, self.output, self.excess, self.square])

    def load(self, values: list[float], most: float = math.inf) -> None:
        """What `dump` wrote; of an older docherd: count, mean, sum of squares, highest peak.

        It counts as ``most`` measurements at most.
        """
        if len(values) == 10:
            self.took, self.peak = Logs(*values[:3]), Logs(*values[3:6])
            self.seconds, self.output, self.excess, self.square = values[6:]
            part = min(1.0, most / self.took.count) if self.took.count else 1.0
            self.took.count, self.peak.count = self.took.count * part, min(self.peak.count, most)
            self.excess, self.square = self.excess * part, self.square * part
            self.family.remember(self.took.count, self.excess, self.square)
        else:
            count, mean, square, peak = values
            self.seconds = mean = max(mean, _LEAST_SECONDS)
            spread = math.log1p(square / max(count, 1) / mean**2)
            self.took = Logs(count, math.log(mean) - spread / 2, spread)
            self.peak = Logs(min(count, peak, 1), math.log(max(peak, _LEAST_BYTES)), 0.0)
            self.family.remember(count, 0.0, 0.0)


class _Recent:
    """What Documents of one stratum took lately: exponentially weighted mean, and spread of logs.

    Of logs, because the first Document of a worker also pays for all that the processor loads,
    and a busy machine holds up one in a hundred: a thousand times the others' time, which would
    dominate an ordinary variance for ever.
    """

    __slots__ = ("logs", "mean")

    def __init__(self) -> None:
        self.mean = 0.0
        self.logs = Logs()

    def add(self, seconds: float) -> None:
        self.logs.add(math.log(max(seconds, 1e-9)), RECENT)
        self.mean += (seconds - self.mean) / min(self.logs.count, RECENT)

    def took(self) -> tuple[float, float]:
        """Mean and standard deviation; that of a log-normal distribution with this spread."""
        return self.mean, self.mean * math.sqrt(math.expm1(min(self.logs.spread, 50.0)))


class _Family:
    """What strata of one extension share: a trend, and surprises."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.strata: list[_Learned] = []
        self.count = 0.0
        self._excess = self._square = 0.0
        self._trends: tuple[float, Trend | None, Trend | None] = (-1.0, None, None)

    def remember(self, documents: float, excess: float, square: float) -> None:
        """More Documents, and what they took beyond what could be expected: sums."""
        self.count += documents
        self._excess += excess
        self._square += square

    def surprises(self, next_one: float) -> tuple[float, float]:
        """Seconds that every Document is charged for them: mean and deviation.

        Those that were seen, and one more of ``next_one`` seconds in UNSEEN Documents: that none
        was seen does not mean that there are none (Laplace's rule of succession).
        """
        count = self.count + UNSEEN
        return (self._excess + next_one) / count, math.sqrt((self._square + next_one**2) / count)

    def output(self) -> float:
        """Mean bytes of Records."""
        count = sum(each.took.count for each in self.strata)
        return sum(each.output * each.took.count for each in self.strata) / (count or 1)

    def trends(self) -> tuple[Trend | None, Trend | None]:
        """Of log seconds and of log bytes of memory."""
        seen = sum(each.took.count + each.peak.count for each in self.strata)
        if not 0 <= seen <= self._trends[0] * STEP:
            usual = _SECONDS_PAGED if self.name.endswith(PAGED) else _SECONDS
            took = fit(((each.where, each.took) for each in self.strata), usual)
            peak = fit(((each.where, each.peak) for each in self.strata), _MEMORY)
            self._trends = seen, took, peak
        return self._trends[1:]


class Forecast:
    """Learns as the run goes; ``dump`` carries it to the next start."""

    def __init__(
        self,
        remembered: Mapping[str, str] | None = None,
        experience: Mapping[str, str] | None = None,
    ) -> None:
        """``remembered`` by this run itself; ``experience`` of others, which weighs little."""
        self._strata: dict[str, _Learned] = {}
        self._families: dict[str, _Family] = {_EVERYTHING: _Family(_EVERYTHING)}
        self._changed: set[str] = set()
        #: seconds of a Document, of all that were learned from in this start
        self.mean = 0.0
        self._count = 0
        #: by stratum: how much was measured of it, and of what it shares, and whether that is its
        #: own family, when the cost was made
        self._costs: dict[str, tuple[float, float, bool, Cost]] = {}
        for name, text in (remembered or {}).items():
            self._recall(name, text)
        for name, text in (experience or {}).items():
            if name not in self._strata:
                self._recall(name, text, EXPERIENCE)

    # ── in ───────────────────────────────────────────────────────────────────────────────────

    def learn(self, outcome: Outcome) -> None:
        """Take in an ended attempt: what it took, and what it held; untouched, it says nothing."""
        if outcome.status is Status.PENDING and outcome.reason is None:
            return
        learned = self._learned(outcome.task.stratum)
        usual = outcome.seconds < min(BRIEF, ODD * learned.seconds)
        times = 1
        if usual and learned.took.count > PLENTY:
            times += learned.passed
            learned.passed = times % ONE_OF
            if learned.passed:
                return
        self._count += times
        self.mean += times * (outcome.seconds - self.mean) / min(self._count, REMEMBERED)
        if outcome.status is Status.DONE:
            learned.recent.add(outcome.seconds)
        if outcome.peak:
            learned.peak.add(math.log(max(outcome.peak, _LEAST_BYTES)))
        if outcome.reason not in CUT_SHORT:
            self._take(learned, outcome, times)
        self._changed.add(outcome.task.stratum)

    def _take(self, learned: _Learned, outcome: Outcome, times: int) -> None:
        """``times``: of how many Documents it is one."""
        seconds = max(outcome.seconds, _LEAST_SECONDS)
        clipped = self._clipped(learned, seconds)
        excess = seconds - clipped
        learned.excess += times * excess
        learned.square += times * excess * excess
        learned.family.remember(times, times * excess, times * excess * excess)
        learned.took.add(math.log(clipped), times=times)
        weight = times / min(learned.took.count, REMEMBERED)
        learned.seconds += weight * (clipped - learned.seconds)
        learned.output += weight * (outcome.length - learned.output)

    def _clipped(self, learned: _Learned, seconds: float) -> float:
        """At most what could be expected, where anything could."""
        logs = learned.took
        if logs.count >= TRUSTED:
            mean, spread = logs.mean, max(logs.spread, 0.05)
        elif (trend := self._trends(learned.family)[0]) is not None:
            mean, spread = trend.at(learned.where), trend.within + trend.around
        else:
            return seconds
        most = _exp(mean + SURPRISE * math.sqrt(spread))
        return min(seconds, max(most, _LEAST_SECONDS))

    def _learned(self, stratum: str) -> _Learned:
        if (learned := self._strata.get(stratum)) is None:
            family, where = place_of(stratum)
            ours = self._families.setdefault(family, _Family(family))
            learned = self._strata[stratum] = _Learned(ours, where)
            ours.strata.append(learned)
            self._families[_EVERYTHING].strata.append(learned)
        return learned

    # ── out ──────────────────────────────────────────────────────────────────────────────────

    def cost(self, stratum: str) -> Cost | None:
        """The expected cost in this stratum; None while nothing at all was measured."""
        own = self._strata.get(stratum)
        family = self._families.get(place_of(stratum)[0] if own is None else own.family.name)
        ours = own.took.count + own.peak.count if own else 0
        met = family is not None and family.count > 0
        shared = family.count if family is not None and met else self._count
        if known := self._costs.get(stratum):
            ours_then, shared_then, met_then, cost_then = known
            same = met == met_then and shared_then <= shared <= shared_then * STEP
            if same and ours <= ours_then * STEP:
                return cost_then
        if (cost := self._cost(stratum)) is not None:
            self._costs[stratum] = ours, shared, met, cost
        return cost

    def took(self, stratum: str) -> tuple[float, float] | None:
        """Mean and standard deviation of the seconds here lately; None while too few were seen."""
        own = self._strata.get(stratum)
        return None if own is None or own.recent.logs.count < TRUSTED else own.recent.took()

    def measured(self, stratum: str) -> float:
        """Documents of its family that were measured, in earlier starts too."""
        family = self._families.get(place_of(stratum)[0])
        return 0.0 if family is None else family.count

    def _cost(self, stratum: str) -> Cost | None:
        own = self._strata.get(stratum)
        if own is None:
            name, where = place_of(stratum)
            own = _Learned(self._families.get(name) or _Family(name), where)
        took, peak = self._trends(own.family)
        if took is None:
            return None
        logs, sure = drawn(own.took, took, own.where)
        if not own.family.count:  # what others take says little about another kind
            sure = WIDEST
        n, worth = own.took.count, took.worth
        # The mean of a log-normal distribution, until there is a mean.
        foretold = _exp(took.at(own.where) + min(took.within + took.around, MOST) / 2)
        mean = (n * own.seconds + worth * foretold) / (n + worth)
        next_one = _exp(logs.mean + NEXT_SURPRISE * math.sqrt(logs.spread))
        each, square = own.family.surprises(next_one)
        low, high = (0, 0) if peak is None else _bytes(*drawn(own.peak, peak, own.where))
        return Cost(
            seconds=mean + each,
            upper=_exp(logs.mean + UPPER * math.sqrt(logs.spread + sure)),
            deviation=math.hypot(mean * math.sqrt(math.expm1(min(logs.spread, WIDEST))), square),
            doubt=mean * math.sqrt(math.expm1(min(sure, WIDEST))),
            memory=low,
            memory_upper=high,
            output=own.output if n >= TRUSTED else own.family.output(),
        )

    def _trends(self, family: _Family) -> tuple[Trend | None, Trend | None]:
        """Of seconds and of memory: of a family, or of everything where it was never met."""
        took, peak = family.trends()
        if took is None or peak is None:
            every = self._families[_EVERYTHING].trends()
            if took is None and every[0] and family.name.endswith(PAGED):
                # Of files whose pages nobody has counted, which have usually a few.
                size, _ = every[0].centre
                every = (
                    replace(every[0], centre=(size, FEW), slopes=_SECONDS_PAGED.slopes),
                    every[1],
                )
            took, peak = took or every[0], peak or every[1]
        return took, peak

    # ── remembered ───────────────────────────────────────────────────────────────────────────

    def dump(self) -> dict[str, str]:
        """What changed since the last call, by stratum, for the ledger."""
        changed, self._changed = self._changed, set()
        return {name: self._strata[name].dump() for name in sorted(changed)}

    def _recall(self, name: str, text: str, most: float = math.inf) -> None:
        """Load a row; one that makes no sense is not worth a run: it will be learned again."""
        try:
            values = json.loads(text)
            place_of(name)
        except (ValueError, TypeError, RecursionError):
            return
        if _sound(values):
            self._learned(name).load(values, most)


def place_of(stratum: str) -> tuple[str, Place]:
    """``pdf/22/9`` → its family and where in it: ("pdf+", (22, 9))."""
    extension, size, *pages = stratum.split("/")
    return (extension + PAGED, (int(size), int(pages[0]))) if pages else (extension, (int(size), 0))


def _sound(values: object) -> bool:
    """True for numbers that `dump` may have written: only the means of logs are ever negative."""
    if not isinstance(values, list) or len(values) not in (4, 10):
        return False
    means = (1, 4) if len(values) == 10 else ()
    return all(
        type(value) in (int, float) and (-_ANY if at in means else 0) <= value <= _ANY
        for at, value in enumerate(values)
    )


def _bytes(logs: Logs, sure: float) -> tuple[int, int]:
    """The middle, and what 80 of 100 stay below."""
    upper = logs.mean + ROOMY * math.sqrt(logs.spread + sure)
    return int(_exp(logs.mean)), int(_exp(upper))


def _exp(log: float) -> float:
    return math.exp(min(log, 40.0))
