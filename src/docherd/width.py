"""How many workers: more for as long as that is faster, fewer where they only stand in each other's
way. Pure.

    step(state, seen, weigh, limits)  ─►  the next state; its ``workers`` is the number to have

Compared is the work done in a second. Documents differ, so each counts as much as the forecast
says one of its kind takes, the same for both numbers. Their seconds alone would not do: workers
that share a core take twice as long and do as much.

While the cores have time left, more workers are tried, in large steps at first; at no gain it goes
back and takes a smaller step. Where the cores are busy, fewer are tried, down to one a core, and
seldom fewer than that. Whoever turns round waits, each time twice as long, so that chance does not
make it swing. A load of the cores that changes by itself is another workload: all is open again.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

#: share of the cores in use, or waited for, from which on they count as busy; where that changes
#: it has to be clear, for so many looks
SATURATED, CLEARLY_FREE, CLEARLY_BUSY, LOOKS = 0.85, 0.75, 0.95, 3
#: more workers must bring so much; fewer, but no fewer than cores, may lose so much
GAIN, LOSS = 1.05, 0.97
#: how much of what is lost with fewer is clear soon
CLEAR_LOSS = 0.9
#: seconds that a number is measured at least; after which it must do, however few have finished
LEAST, PATIENCE = 0.5, 10.0
#: Documents finished for each worker: to begin with, to see no gain, to be sure
BEGUN, SEEN, SURE = 0.5, 2.0, 8.0
#: of so many for each worker the number alone says how fast they went
PLENTY = 20.0
#: steps up; the first only where the cores have hardly anything to do
FACTORS, IDLE = (4.0, 2.0, 1.4), 0.2
#: load of the cores from which on it says how much work is done where no Document finishes
TELLING = 0.02
#: seconds until fewer than cores are tried; until it may turn round: first and most
CAREFUL, FIRST, LONGEST = 30.0, 15.0, 600.0


@dataclass(frozen=True, slots=True)
class Tally:
    """What was finished while every worker had something in hand."""

    seconds: float = 0.0
    #: seconds of all workers together
    busy: float = 0.0
    #: share of the cores that was used or waited for, times the seconds
    cpu: float = 0.0
    #: by stratum: Documents, and the seconds they took
    finished: Mapping[str, tuple[float, float]] = field(default_factory=dict)

    @property
    def count(self) -> float:
        return sum(count for count, _ in self.finished.values())

    @property
    def load(self) -> float:
        """Share of the cores in use or waited for."""
        return self.cpu / self.seconds if self.seconds else 0.0

    def plus(self, other: Tally, weight: float) -> Tally:
        """Both together, what was counted here with a weight."""
        finished = {s: (weight * n, weight * took) for s, (n, took) in self.finished.items()}
        for stratum, (count, took) in other.finished.items():
            before = finished.get(stratum, (0.0, 0.0))
            finished[stratum] = before[0] + count, before[1] + took
        return Tally(
            weight * self.seconds + other.seconds,
            weight * self.busy + other.busy,
            weight * self.cpu + other.cpu,
            finished,
        )


@dataclass(frozen=True, slots=True)
class Seen:
    """What there was between two looks, half a second or so apart."""

    #: seconds since the run began
    now: float
    tally: Tally
    #: True where nearly all the time every worker had something in hand
    full: bool
    #: True where workers waited since no further Document fits into the memory
    short: bool = False
    #: True while workers start, or have what they were given when there were more
    settling: bool = False
    #: Documents that wait to be given out
    left: float = math.inf
    #: seconds that a worker takes to start
    start_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Limits:
    """Between which numbers."""

    cores: int
    most: int


@dataclass(frozen=True, slots=True)
class Origin:
    """The number before the one that is tried, and what was seen of it."""

    workers: int
    here: Tally
    saturated: bool


@dataclass(frozen=True, slots=True)
class State:
    """What is known of the number of workers there is."""

    workers: int
    here: Tally = field(default_factory=Tally)
    #: while another number is tried: the one before
    origin: Origin | None = None
    #: the cores, or all workers where those are fewer, compute; looks in a row that say otherwise
    saturated: bool = False
    odd: int = 0
    #: 1 while it grows, -1 while it shrinks: the way that may be gone on without waiting
    direction: int = 1
    #: the way that was tried last in vain
    failed: int = 0
    #: the largest step up that may still bring something
    factor: float = FACTORS[0]
    #: seconds since the run began from which on it may turn round; how long it then waits
    hold: float = CAREFUL
    pause: float = FIRST


def step(state: State, seen: Seen, weigh: Callable[[str], float], limits: Limits) -> State:
    """The state after a look; ``weigh``: seconds that a Document of a stratum usually takes."""
    if state.workers > limits.most:
        return _moved(state, limits.most, seen.now)
    if seen.settling:
        return state
    if seen.short:
        return _as_many_as_fit(state, seen)
    if not seen.full:
        return state
    state = _noted(state, seen, min(1.0, state.workers / limits.cores))
    if state.origin is not None:
        state = _judged(state, state.origin, seen.now, weigh, limits)
    return state if state.origin is not None else _tried(state, seen, limits)


def rate(tally: Tally, weigh: Callable[[str], float]) -> float:
    """Seconds of usual work done in a second."""
    work = sum(count * weigh(stratum) for stratum, (count, _) in tally.finished.items())
    workers = tally.busy / tally.seconds if tally.seconds else 0.0
    if tally.count >= PLENTY * workers:
        return work / tally.seconds if tally.seconds else 0.0
    # Of few, how many fall into the time is chance; how long they took is not (Little's law).
    took = sum(took for _, took in tally.finished.values())
    return workers * work / took if took else 0.0


# ── what is known ────────────────────────────────────────────────────────────────────────────


def _noted(state: State, seen: Seen, most: float) -> State:
    """With what was seen; as if it had just begun where the workload has become another.

    ``most``: share of the cores that so many workers can use.
    """
    load = seen.tally.load / most
    fades = state.here.seconds > PATIENCE and state.here.count > SURE * state.workers
    here = state.here.plus(seen.tally, 0.5 if fades else 1.0)
    if here.seconds <= LOOKS * LEAST:
        return replace(state, here=here, saturated=here.load / most >= SATURATED, odd=0)
    other = load < CLEARLY_FREE if state.saturated else load > CLEARLY_BUSY
    if not other:
        return replace(state, here=here, odd=0)
    if state.odd + 1 < LOOKS:
        return replace(state, here=here, odd=state.odd + 1)
    busy = not state.saturated
    way = -1 if busy else 1
    return State(
        state.workers, here=seen.tally, saturated=busy, direction=way, hold=seen.now + CAREFUL
    )


def _as_many_as_fit(state: State, seen: Seen) -> State:
    """No more than have work, and one: more come again when that one has some, too."""
    at_work = seen.tally.busy / seen.tally.seconds if seen.tally.seconds else 1.0
    fit = max(1, math.ceil(at_work)) + 1
    return _moved(state, fit, seen.now) if fit < state.workers else replace(state, origin=None)


def _moved(state: State, workers: int, now: float) -> State:
    """To another number, without asking whether that is faster."""
    pause = min(LONGEST, 2 * state.pause)
    return State(workers, direction=0, factor=FACTORS[1], hold=now + state.pause, pause=pause)


# ── trying others ────────────────────────────────────────────────────────────────────────────


def _judged(
    state: State,
    origin: Origin,
    now: float,
    weigh: Callable[[str], float],
    limits: Limits,
) -> State:
    """Stay, go back, or wait until it is clear."""
    before, up = origin.workers, state.workers > origin.workers
    each = state.here.count / state.workers
    if (gain := _gain(state.here, origin.here, each, weigh)) is None:
        return state
    sure = each >= SURE or state.here.seconds >= PATIENCE
    if up:
        wanted, soon = GAIN, math.sqrt(state.workers / before)
        lost = each >= SEEN and gain < GAIN
    else:
        wanted, soon = 1.0 if state.workers < limits.cores else LOSS, math.inf
        lost = each >= BEGUN and gain < CLEAR_LOSS
    if gain >= soon or (sure and gain >= wanted):
        return _stayed(state, now, 1 if up else -1)
    return _back(state, origin, now) if lost or sure else state


def _gain(here: Tally, before: Tally, each: float, weigh: Callable[[str], float]) -> float | None:
    """How much faster it is here; None while that cannot be said."""
    if here.seconds < LEAST:
        return None
    if each >= BEGUN and (slower := rate(before, weigh)):
        return rate(here, weigh) / slower
    if here.seconds >= PATIENCE and before.load >= TELLING:
        return here.load / before.load  # the same Documents need the same seconds of a core
    return None


def _stayed(state: State, now: float, direction: int) -> State:
    """The other number is the better one."""
    return replace(state, origin=None, direction=direction, hold=now + state.pause)


def _back(state: State, origin: Origin, now: float) -> State:
    """To the number before; a smaller step may follow at once, all else has to wait."""
    before = origin.workers
    smaller = [factor for factor in FACTORS if factor < 0.9 * state.workers / before]
    back = replace(
        state, workers=before, here=origin.here, origin=None, odd=0, saturated=origin.saturated
    )
    if smaller:
        return replace(back, direction=1, factor=smaller[0])
    return replace(
        back,
        direction=0,
        failed=1 if state.workers > before else -1,
        factor=FACTORS[1],
        hold=now + state.pause,
        pause=min(LONGEST, 2 * state.pause),
    )


def _tried(state: State, seen: Seen, limits: Limits) -> State:
    """Another number, where one may be better and enough is known of this one."""
    here, workers = state.here, state.workers
    begun = here.count >= max(1.0, BEGUN * workers)
    if here.seconds < LEAST or not (begun or (here.seconds >= PATIENCE and here.load >= TELLING)):
        return state
    target = _computing(state, limits) if state.saturated else _more(state, seen, limits)
    way = (target > workers) - (target < workers)
    if not way or (way != state.direction and seen.now < state.hold):
        return state
    return replace(
        state, workers=target, here=Tally(), origin=Origin(workers, here, state.saturated), odd=0
    )


def _more(state: State, seen: Seen, limits: Limits) -> int:
    """A step up: no further than the cores are foreseen to last, and where it is worth a start."""
    here, workers = state.here, state.workers
    factor = min(state.factor, FACTORS[0] if here.load < IDLE else FACTORS[1])
    lasts = math.ceil(workers / max(here.load, 0.001)) + 1
    target = min(max(workers + 1, int(workers * factor)), lasts, limits.most)
    target = int(min(target, seen.left))
    still = seen.left * here.busy / max(here.count, 1.0) / workers
    return target if target > workers and still > 2 * seen.start_seconds else workers


def _computing(state: State, limits: Limits) -> int:
    """A step down: towards one a core, and by a quarter below that; there one up, by turns."""
    workers, cores = state.workers, limits.cores
    if workers > cores:
        return max(cores, workers // 2)
    if workers < cores and state.failed < 0:
        return min(cores, workers + max(1, workers // 3))
    return max(1, min(workers - 1, workers * 3 // 4))
