"""How fast a start is going."""

from __future__ import annotations

from collections import deque

#: seconds the rate looks back
WINDOW = 10.0


class Pace:
    """How fast this start is going."""

    def __init__(self) -> None:
        self.finished = 0
        self.written = 0
        #: seconds of work in workers
        self.worked = 0.0
        self._lately: deque[tuple[float, int]] = deque([(0.0, 0)])

    def rate(self, seconds: float) -> float:
        """Documents a second over the last ten."""
        self._lately.append((seconds, self.finished))
        while len(self._lately) > 2 and self._lately[1][0] < seconds - WINDOW:
            self._lately.popleft()
        since, before = self._lately[0]
        return (self.finished - before) / (seconds - since) if seconds > since else 0.0
