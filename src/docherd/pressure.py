"""How much memory is left around us, and what that means for what may start.

Our workers are held to their reservations elsewhere; this is about everybody else, and about
limits that change while a run goes on.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from docherd import cgroups, host
from docherd.units import size

#: seconds between two readings
EVERY = 0.25
#: percent of the time spent waiting for memory above which nothing is admitted, and below which
#: it is again
STALLED, FLOWING = 10.0, 5.0
#: so many reserves must be left before anything is admitted again
RELIEF = 1.5
#: seconds for which a kill that was counted may explain a death that is noticed later
EXPLAINS = 5.0

_RESERVE_SHARE, _RESERVE_LEAST, _RESERVE_MOST = 0.05, 64_000_000, 1 << 30


# ── what is there ────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Reading:
    """Memory at one moment, in bytes."""

    #: what there is: physical, or the least limit of a cgroup
    total: int
    #: what can still be had, by us or by anybody
    available: int
    #: percent of the last 10 s in which something waited for memory; None where nobody counts
    stalled: float | None = None
    #: ``available`` ends at a cgroup's limit, not at the machine's
    confined: bool = False


def read(groups: cgroups.Memory) -> Reading:
    """Memory as it is now; 50 us within three cgroups, 30 more for each that has a limit."""
    total, available = host.physical_memory()
    allowed = groups.allowed()
    if allowed.limit is not None and allowed.left is not None:
        total = min(total, allowed.limit)
        confined = allowed.left < available
        available = min(available, allowed.left)
    else:
        confined = False
    return Reading(total, available, groups.stalled(), confined)


# ── what it means ────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Room:
    """What our workers may do with the memory there is now."""

    #: bytes they may hold together when nobody else takes any
    asked: int
    #: bytes they may hold together now: 0 to ``asked``
    budget: int
    #: nothing may begin beside what is in hand
    parked: bool = False
    #: nothing may begin at all: even the reserve is gone
    exhausted: bool = False
    #: why it is parked, for people; empty otherwise
    sentence: str = ""

    def admits(self, busy: int) -> bool:
        """Whether something may begin while ``busy`` workers have something in hand."""
        return not self.exhausted and (busy == 0 or not self.parked)


def reserve(total: int) -> int:
    """Bytes that are left to others: 5 %, at least 64 MB, at most 1 GiB.

    Of less than 256 MB a quarter: a run that has a container to itself must not wait for others.
    """
    usual = min(max(int(total * _RESERVE_SHARE), _RESERVE_LEAST), _RESERVE_MOST)
    return min(usual, total // 4)


def room(reading: Reading, held: int, asked: int, parked: bool) -> Room:
    """What may be done, where workers hold ``held`` bytes, may ``asked``, and were ``parked``.

    What they hold is no longer available and is theirs all the same, so it is added back. Between
    the two thresholds it stays as it was.
    """
    kept = reserve(reading.total)
    budget = min(asked, max(0, held + reading.available - kept))
    stalled = reading.stalled or 0.0
    if parked:
        parked = reading.available <= RELIEF * kept or stalled >= FLOWING
    else:
        parked = reading.available < kept or stalled > STALLED
    exhausted = reading.available < kept / 4
    return Room(asked, budget, parked, exhausted, _sentence(reading, held) if parked else "")


def _sentence(reading: Reading, held: int) -> str:
    if reading.available > RELIEF * reserve(reading.total):
        return (
            "waiting for memory: programs waited for it"
            f" {reading.stalled or 0:.0f} % of the last 10 s"
        )
    left = size(reading.available)
    where = f"of this container's {size(reading.total)}" if reading.confined else "on this machine"
    others = reading.total - reading.available - held
    who = "other programs hold it" if others > held else "the workers hold it"
    return f"waiting for memory: {left} are left {where}, {who}"


# ── over time ────────────────────────────────────────────────────────────────────────────────


class Watch:
    """The room there is, looked at again every 0.25 s."""

    def __init__(
        self,
        asked: int | None,
        share: float,
        reading: Callable[[], Reading] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``asked``: bytes for the workers, None or 0 for a ``share`` of the memory there is.

        That share follows a limit that is changed while the run goes on.
        """
        self._asked, self._share = asked, share
        self._reading = reading or partial(read, cgroups.Memory())
        self._clock = clock
        self._due = clock()
        self._room = Room(0, 0)

    def room(self, held: int) -> Room:
        """What may be done now that the workers hold so many bytes; costs nothing between looks.

        Then it is that of the last look: what they took since is missing in what was available.
        """
        now = self._clock()
        if now >= self._due:
            self._due = now + EVERY
            reading = self._reading()
            asked = self._asked or int(reading.total * self._share)
            self._room = room(reading, held, asked, self._room.parked)
        return self._room


class Kills:
    """What the kernel's OOM killer took, so that a death can be told from a crash."""

    def __init__(
        self,
        count: Callable[[], int] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._count = count or cgroups.Memory().oom_kills
        self._clock = clock
        self._known = self._count()
        #: when each kill was seen that explains no death yet
        self._open: deque[float] = deque()

    def look(self) -> bool:
        """Whether it has struck since the last look; 10 us.

        To be called now and then: what is seen only when a worker dies may be long ago.
        """
        known, self._known = self._known, self._count()
        self._open.extend([self._clock()] * max(0, self._known - known))
        return self._known > known

    def claim(self) -> bool:
        """Whether a death by SIGKILL is explained by a kill that no other death was.

        A kill seen more than 5 s ago was of something else: a child of a worker, a program
        that is none of ours.
        """
        self.look()
        now = self._clock()
        while self._open and self._open[0] < now - EXPLAINS:
            self._open.popleft()
        if not self._open:
            return False
        self._open.popleft()
        return True
