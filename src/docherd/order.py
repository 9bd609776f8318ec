"""Which Documents come next. Pure.

sample   of every stratum a few, most from where it is least known what is left
giants   what alone takes a noticeable part of the time that is left, longest first: by
         Graham's bound (1969) the end is then within that part of work / workers
walk     all others in the order they were found, which spares the disk
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

from docherd.forecast import Forecast, place_of

#: Documents of the sample: least, most, or most of all; and the doubt that needs no further one
SAMPLE, SAMPLE_MOST, SAMPLE_SHARE, SURE = 50, 400, 0.01, 0.04
#: a giant takes more than this share of the work that is left for one worker; with more than that
#: one is long: while the sample begins, only every second worker may be on such
GIANT, LONG = 0.005, 0.05
#: what a doubling of size adds to the log of seconds, as long as nothing was measured
_GROWTH = 0.6 * math.log(2)


class Choice(NamedTuple):
    """A stratum, and whether for the sample: then any of its Documents, else the next."""

    stratum: str
    sampled: bool


def following(
    forecast: Forecast,
    waiting: Mapping[str, int],
    in_hand: Mapping[str, int],
    workers: int,
    sampled: int,
) -> Choice | None:
    """Of which stratum the next Document is; None: the next in the order of the walk.

    ``waiting`` and ``in_hand``: Documents by stratum; ``sampled``: given before for the sample.
    What is long begins early, but not on all workers while little is known of the others.
    """
    least = LONG * _work(forecast, waiting, in_hand) / workers
    long = {s for s in (*waiting, *in_hand) if (c := forecast.cost(s)) and c.seconds > least}
    short = {stratum: count for stratum, count in waiting.items() if stratum not in long}
    doubtful = most_doubtful(forecast, short, in_hand, sampled)
    longest = giant(forecast, waiting, in_hand, workers)
    if doubtful is None:
        return None if longest is None else Choice(longest, sampled=False)
    few = sum(in_hand.get(stratum, 0) for stratum in long) < workers // 2
    if longest in long and (few or sampled >= SAMPLE):
        return Choice(longest, sampled=False)
    return Choice(doubtful, sampled=True)


def most_doubtful(
    forecast: Forecast, waiting: Mapping[str, int], asked: Mapping[str, int], sampled: int
) -> str | None:
    """The stratum to sample from next; None where enough is known.

    ``asked``: Documents of each stratum that are in hand and say nothing yet; ``sampled``: those
    given before for this reason. The doubt about a stratum is its Documents' number times how
    well their mean is known; asking costs what a Document does (Neyman 1934: as often as there is
    doubt, and less by the square root of the cost).
    """
    most = max(SAMPLE_MOST, SAMPLE_SHARE * sum(waiting.values()))
    work = 0.0
    doubts: dict[str, float] = {}
    worth: dict[str, float] = {}
    for stratum, count in waiting.items():
        if count <= 0:
            continue
        if (cost := forecast.cost(stratum)) is None:
            mean = doubt = math.exp(_GROWTH * place_of(stratum)[1][0])
        else:
            mean, doubt = cost.seconds, cost.doubt
        doubts[stratum] = count * doubt / math.sqrt(1 + asked.get(stratum, 0))
        worth[stratum] = doubts[stratum] / math.sqrt(mean)
        work += count * mean
    if not doubts:
        return None
    unsure = math.sqrt(sum(doubt**2 for doubt in doubts.values()))
    if sampled >= most or (unsure < SURE * work and sampled >= SAMPLE):
        return None
    return max(worth, key=lambda stratum: (worth[stratum], stratum))


def giant(
    forecast: Forecast, waiting: Mapping[str, int], in_hand: Mapping[str, int], workers: int
) -> str | None:
    """The stratum of the longest, where one of its Documents is a giant; ``in_hand`` as above."""
    costs = {s: cost for s, n in waiting.items() if n > 0 and (cost := forecast.cost(s))}
    work = _work(forecast, waiting, in_hand)
    longest = max(costs, key=lambda stratum: costs[stratum].seconds, default=None)
    if longest is None or costs[longest].seconds <= GIANT * work / workers:
        return None
    return longest


def _work(forecast: Forecast, *several: Mapping[str, int]) -> float:
    """Expected seconds of Documents by stratum."""
    counted = (each for some in several for each in some.items())
    return sum(n * cost.seconds for s, n in counted if n > 0 and (cost := forecast.cost(s)))
