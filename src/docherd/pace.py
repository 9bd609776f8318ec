"""How fast a start is going, and what it has left."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable

from docherd.eta import InHand, Left, again_seconds, remaining
from docherd.forecast import Forecast
from docherd.model import Busy, Eta, Outcome

#: seconds the rate looks back
WINDOW = 10.0


class Pace:
    """How fast this start is going, and what it has left."""

    def __init__(self, workers: int) -> None:
        self.finished = 0
        self.written = 0
        #: Documents still to do, by stratum
        self.pending: Counter[str] = Counter()
        self._workers = workers
        #: seconds of work in workers that has ended
        self._worked = 0.0
        #: seconds that each Document deferred to the end will still cost
        self._deferred: dict[int, float] = {}
        self._lately: deque[tuple[float, int]] = deque([(0.0, 0)])
        #: (seconds, seconds of work by then), from the first that was seen: a start takes time
        self._work: deque[tuple[float, float]] = deque()

    def end(self, outcome: Outcome) -> None:
        """A Document is done with."""
        self._worked += outcome.seconds
        self.pending[outcome.task.stratum] -= 1
        if self._deferred:
            self._deferred.pop(outcome.task.document, None)
        self.finished += 1
        self.written += outcome.length

    def defer(self, outcome: Outcome, start_seconds: float) -> None:
        """A Document is to be tried again at the end; a worker takes so long to start."""
        self._worked += outcome.seconds
        seconds = again_seconds(outcome, self._workers, start_seconds)
        self._deferred[outcome.task.document] = seconds

    def rate(self, seconds: float) -> float:
        """Documents a second over the last ten."""
        self._lately.append((seconds, self.finished))
        while len(self._lately) > 2 and self._lately[1][0] < seconds - WINDOW:
            self._lately.popleft()
        since, before = self._lately[0]
        return (self.finished - before) / (seconds - since) if seconds > since else 0.0

    def eta(self, forecast: Forecast, busy: Iterable[Busy], seconds: float) -> Eta | None:
        """When all of it is done, at the parallelism of the last ten seconds."""
        in_hand = [InHand(b.stratum, b.seconds, b.share, b.page or 0, b.silent) for b in busy]
        waiting = self.pending - Counter(each.stratum for each in in_hand)
        worked = self._worked + sum(each.seconds for each in in_hand)
        self._work.append((seconds, worked))
        while len(self._work) > 2 and self._work[1][0] < seconds - WINDOW:
            self._work.popleft()
        since, before = self._work[0]
        parallel = (worked - before) / (seconds - since) if seconds > since else self._workers
        deferred = sum(self._deferred.values())
        return remaining(forecast, Left(waiting, in_hand, parallel, deferred))
