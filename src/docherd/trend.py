"""Logs of what was measured, and the trend that strata of one family share. Pure.

A ridge regression (Hoerl, Kennard 1970) towards what is usual; a stratum that was hardly measured
is drawn towards it, as far as strata differ less from the trend than Documents differ within a
stratum (empirical Bayes: Efron, Morris 1973).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TypeAlias

#: size class and pages class of a stratum
Place: TypeAlias = tuple[float, float]

#: measurements after which what was seen earlier fades
REMEMBERED = 1000
#: the largest variance of logs that is believed in: a factor of 5.6 either way
WIDEST = 3.0
#: how many measurements a usual variance is worth: within, around; and slopes, one step away
_FEW, _FEW_AROUND, _STIFF = 2.0, 4.0, 40.0
#: measurements of one stratum above which it weighs no more: in a trend, and around it
_MOST, _MOST_AROUND = 20.0, 4.0


class Logs:
    """Mean and spread of logs, exponentially weighted once there are many."""

    __slots__ = ("count", "mean", "spread")

    def __init__(self, count: float = 0, mean: float = 0.0, spread: float = 0.0) -> None:
        self.count, self.mean, self.spread = count, mean, spread

    def add(self, log: float, most: int = REMEMBERED, times: int = 1) -> None:
        self.count += times
        weight = times / min(self.count, most)
        distance = log - self.mean
        self.mean += weight * distance
        self.spread = (1 - weight) * (self.spread + weight * distance * distance)


@dataclass(frozen=True, slots=True)
class Usual:
    """What is believed of a kind of measurement before any was made."""

    #: what a doubling of size, and of pages, adds to a log
    slopes: tuple[float, float]
    #: variance of logs within a stratum, and of strata around the trend
    within: float
    around: float


@dataclass(frozen=True, slots=True)
class Trend:
    """Logs over size class and pages class within a family."""

    centre: Place
    level: float
    slopes: tuple[float, float]
    #: variance of Documents within a stratum, and of strata around the trend
    within: float
    around: float

    def at(self, where: Place) -> float:
        steps = zip(self.slopes, where, self.centre, strict=True)
        return self.level + sum(slope * (to - origin) for slope, to, origin in steps)

    @property
    def worth(self) -> float:
        """Measurements of its own that weigh as much to a stratum as the trend."""
        return min(max(self.within / self.around, 0.5), 10.0)


def fit(points: Iterable[tuple[Place, Logs]], usual: Usual) -> Trend | None:
    """The trend through strata; None without any measurement."""
    known = [(where, logs, min(logs.count, _MOST)) for where, logs in points if logs.count]
    weight = sum(w for *_, w in known)
    if not weight:
        return None
    level = sum(w * logs.mean for _, logs, w in known) / weight
    x = sum(w * where[0] for where, _, w in known) / weight
    y = sum(w * where[1] for where, _, w in known) / weight
    trend = Trend((x, y), level, usual.slopes, 0.0, 0.0)
    # Weighted least squares of what the usual slopes leave, with a ridge: a 2 x 2 system.
    xx = yy = _STIFF
    xy = xl = yl = 0.0
    for where, logs, w in known:
        dx, dy, left = where[0] - x, where[1] - y, logs.mean - trend.at(where)
        xx, yy, xy = xx + w * dx * dx, yy + w * dy * dy, xy + w * dx * dy
        xl, yl = xl + w * dx * left, yl + w * dy * left
    determinant = xx * yy - xy * xy
    more = (xl * yy - yl * xy) / determinant, (yl * xx - xl * xy) / determinant
    trend = replace(trend, slopes=(usual.slopes[0] + more[0], usual.slopes[1] + more[1]))
    spread = _FEW * usual.within + sum(w * logs.spread for _, logs, w in known)
    within = spread / (_FEW + weight)
    off = _FEW_AROUND * usual.around
    for where, logs, w in known:
        off += min(w, _MOST_AROUND) * (logs.mean - trend.at(where)) ** 2
    around = off / (_FEW_AROUND + sum(min(w, _MOST_AROUND) for *_, w in known))
    # Strata with few measurements scatter by chance, too.
    around = max(around - within / (1 + weight / len(known)), usual.around / 5)
    return replace(trend, within=min(within, WIDEST), around=min(around, WIDEST))


def drawn(own: Logs, trend: Trend, where: Place) -> tuple[Logs, float]:
    """Logs of a stratum drawn towards its family's trend, and the variance of their mean."""
    n, worth = own.count, trend.worth
    mean = (n * own.mean + worth * trend.at(where)) / (n + worth)
    spread = (n * own.spread + worth * trend.within) / (n + worth)
    return Logs(n, mean, spread), spread / (n + spread / trend.around)
