"""The heartbeats of one Document as its parent sees them, and when they have been missed too long.

Seconds are those of the parent's own clock. What time its slot says, a worker may choose: only
whether that changes counts, so that a time in the future or of no sense gains nothing.
"""

from __future__ import annotations

import math
from typing import NamedTuple

#: a pause may be this many times the longest one before it, so that slow pages are no hang
PATIENT = 10


class Pulse(NamedTuple):
    """What was heard of a Document until now."""

    #: its place in the batch, and its start as its slot says; -1: nothing is in hand yet
    place: int = -1
    since: float = 0.0
    #: its last heartbeat as its slot says, or its start where there was none
    said: float = 0.0
    #: when that was first seen
    heard: float = 0.0
    #: True once there was a heartbeat: a processor that gives none has its timeout only
    beats: bool = False
    #: seconds between two heartbeats
    longest: float = 0.0

    def felt(self, place: int, since: float, beat: float, now: float) -> Pulse:
        """After a look at the slot; another place or start is another Document."""
        since, beat = _comparable(since), _comparable(beat)
        if (place, since) != (self.place, self.since):
            return Pulse(place, since, beat, now, beat != since)
        if beat == self.said:
            return self
        longest = max(self.longest, now - self.heard) if self.beats else 0.0
        return self._replace(said=beat, heard=now, beats=True, longest=longest)

    def missed(self, stall: float, now: float) -> float:
        """Seconds without a heartbeat where those are too many, else 0.

        ``stall``: seconds that are not too many for any Document.
        """
        silent = now - self.heard
        limit = max(stall, PATIENT * self.longest)
        return silent if self.beats and silent > limit else 0.0


def _comparable(said: float) -> float:
    """NaN is different from itself, and would be a heartbeat at each look."""
    return 0.0 if math.isnan(said) else said
