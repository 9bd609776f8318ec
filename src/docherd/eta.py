"""When the run will end, from what is left and what it is expected to cost. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from docherd.forecast import Forecast
from docherd.model import Eta, Outcome, Reason

#: normal deviates on either side of the mean: about nine times in ten
BAND = 1.645
#: what is over its expected time takes, for all that is known, this part of its time still
OVERDUE = 0.25


class InHand(NamedTuple):
    """A Document that a worker is on."""

    stratum: str
    #: so far
    seconds: float
    #: of its pages that were done with the last heartbeat, and how many those are; 0 where unknown
    share: float = 0.0
    pages: int = 0
    #: since that heartbeat
    silent: float = 0.0


@dataclass(frozen=True, slots=True)
class Left:
    """What is left of a run at one moment."""

    #: Documents that nobody is on, by stratum
    waiting: Mapping[str, int]
    in_hand: Sequence[InHand]
    #: Documents in work at the same time, on average
    parallel: float
    #: seconds at the end for what has to be tried again
    deferred: float = 0.0


def remaining(forecast: Forecast, left: Left) -> Eta | None:
    """Seconds until all is done; None while nothing was measured.

    The work that is left, shared among the workers, but no less than what the longest in hand
    still takes. The band is that of a sum of independent Documents, widened by how well each
    stratum's mean is known.
    """
    work = variance = 0.0
    for stratum, count in left.waiting.items():
        if count <= 0:
            continue
        if (cost := forecast.cost(stratum)) is None:
            return None
        work += count * cost.seconds
        variance += count * cost.deviation**2 + (count * cost.doubt) ** 2
    longest = doubt = 0.0
    for each in left.in_hand:
        rest, unsure = _rest(forecast, each)
        work, variance = work + rest, variance + unsure**2
        if rest > longest:
            longest, doubt = rest, unsure
    parallel = max(left.parallel, 0.01)
    shared, half = work / parallel, BAND * math.sqrt(variance) / parallel
    seconds = max(shared, longest)
    low = max(shared - half, longest - BAND * doubt, 0.0)
    high = max(shared + half, longest + BAND * doubt)
    deferred = left.deferred  # of which only the order of magnitude is known
    return Eta(seconds + deferred, low + deferred / 3, high + deferred * 3)


def _rest(forecast: Forecast, each: InHand) -> tuple[float, float]:
    """Seconds that one in hand still takes, and how far off that may be."""
    if each.share > 0:
        whole = (each.seconds - each.silent) / each.share
        rest = max(whole - each.seconds, each.silent * OVERDUE)
        return rest, whole * (1 - each.share) / math.sqrt(1 + each.pages)  # pages differ as much
    cost = forecast.cost(each.stratum)
    rest = max(0.0 if cost is None else cost.seconds - each.seconds, each.seconds * OVERDUE)
    return rest, rest


def again_seconds(outcome: Outcome, workers: int, start_seconds: float) -> float:
    """Seconds by which a deferred Document lengthens the run.

    After a memory kill it runs solo and may use ``workers`` times the memory: at the rate it went,
    that takes so many times as long. Any other waits for a fresh worker, which takes
    ``start_seconds``, and others go on beside it.
    """
    if outcome.reason is Reason.MEMORY:
        return outcome.seconds * workers
    return (start_seconds + outcome.seconds) / workers
