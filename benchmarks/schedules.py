"""When which worker was busy: as a run noted it, or as a simple rule would have it."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple


class Span(NamedTuple):
    """One Document in work; seconds."""

    begin: float
    end: float


def in_turn(seconds: Iterable[float], workers: int) -> list[Span]:
    """Whoever is free takes the next: no schedule of an unsorted list can know less."""
    free = [0.0] * workers
    spans = []
    for each in seconds:
        begin = heapq.heappop(free)
        heapq.heappush(free, begin + each)
        spans.append(Span(begin, begin + each))
    return spans


def noted(notes: Path) -> tuple[list[Span], int]:
    """What loads.told noted, from zero; and how many attempts were ended from outside."""
    lines = [
        list(map(float, line.split()))
        for file in notes.iterdir()
        for line in file.read_text().splitlines()
    ]
    first = min((line[0] for line in lines), default=0.0)
    spans = [Span(line[0] - first, line[1] - first) for line in lines if len(line) == 2]
    return sorted(spans), len(lines) - len(spans)


def makespan(spans: Sequence[Span]) -> float:
    """Seconds from the first begin to the last end."""
    return max(span.end for span in spans) - min(span.begin for span in spans)


def idle(spans: Sequence[Span], workers: int, share: float) -> float:
    """Of the workers' time in the last ``share`` of the makespan, the share in which they idle."""
    end = max(span.end for span in spans)
    begin = end - share * makespan(spans)
    worked = sum(max(0.0, span.end - max(span.begin, begin)) for span in spans)
    return 1 - worked / (workers * (end - begin))


def busy(spans: Sequence[Span], points: int) -> list[tuple[float, float]]:
    """(seconds, mean of workers busy) in so many equal parts of the makespan."""
    part = makespan(spans) / points
    worked = [0.0] * points
    for span in spans:
        for at in range(int(span.begin / part), min(points, int(span.end / part) + 1)):
            worked[at] += min(span.end, (at + 1) * part) - max(span.begin, at * part)
    return [((at + 0.5) * part, each / part) for at, each in enumerate(worked)]
