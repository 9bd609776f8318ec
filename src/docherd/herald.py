"""What a run says once, as soon as it can: how long it will take, and if the disk is enough."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

from docherd import host, plan, units, wording
from docherd.exceptions import EnvironmentFault
from docherd.forecast import place_of
from docherd.model import Outcome, printable
from docherd.order import SAMPLE
from docherd.plan import Foretold, Lengths, Machine, Range, Work
from docherd.progress import Progress
from docherd.scheduler import Rules
from docherd.start import Rooms

#: seconds that a run must be expected to last for anything to be said
WORTH_SAYING = 10.0
#: half the range to the seconds below which it may be said before the sample is over
SURE = 0.3
#: Documents after which a disk that is too small is believed in
SEEN = 30
#: bytes of the ledger for each Document
LEDGER = 300
#: bytes of the disk that are to stay free: at most, or this share of it
RESERVE, RESERVE_SHARE = 1_000_000_000, 0.02


class Herald:
    """Foretells the end of one start."""

    def __init__(self, rooms: Rooms, rules: Rules, display: Progress, *, force: bool) -> None:
        """``force``: go on whatever the disk holds."""
        self._rooms = rooms
        self._display = display
        self._force = force
        self._machine = Machine(host.cores(), rules.memory)
        self._lengths: dict[str, Lengths] = defaultdict(Lengths)
        self._said, self._seen = False, 0

    def note(self, outcome: Outcome) -> None:
        """A Document is done with."""
        if not self._said:
            self._lengths[place_of(outcome.task.stratum)[0]].add(outcome.length)
            self._seen += 1

    def tell(self, left: Mapping[str, int]) -> EnvironmentFault | None:
        """Once, where it is worth it: what is to be expected of what is left, by stratum.

        The fault that ends the run where the disk cannot hold what comes of it.
        """
        workers = self._rooms.pool.crew.size
        if self._said or (work := plan.work(self._rooms.forecast, left, workers=workers)) is None:
            return None
        foretold = self._foretold(left, work)
        why = too_much(foretold)
        if not self._sure(left, work) and not (why and self._seen >= SEEN):
            return None
        self._said = True
        if not why and foretold.time.middle < WORTH_SAYING:
            return None
        self._display.foretell(foretold)
        self._rooms.log.line(wording.foretold(foretold))
        if not why or self._force:
            return None
        return EnvironmentFault(
            f"{why} in {printable(str(self._rooms.folder.path))}: make room, then run the same"
            " command again, what is done is kept; or go on as long as there is room with --force"
        )

    def _sure(self, left: Mapping[str, int], work: Work) -> bool:
        """True where the sample is over, or what earlier starts measured is enough."""
        supply = self._rooms.supply
        if supply.sampled or not supply.waiting:
            return True
        families = {place_of(stratum)[0]: stratum for stratum, count in left.items() if count > 0}
        measured = sum(self._rooms.forecast.measured(stratum) for stratum in families.values())
        return measured >= SAMPLE and plan.BAND * work.deviation < SURE * work.seconds

    def _foretold(self, left: Mapping[str, int], work: Work) -> Foretold:
        line = plan.line(work, self._machine, work.workers)
        return Foretold(
            round(work.documents),
            Range(line.seconds, line.low, line.high),
            plan.output(self._rooms.forecast, left, self._lengths),
            *_room(self._rooms.folder.path),
        )


def too_much(foretold: Foretold) -> str:
    """Why the disk will not hold what is expected at the least; empty where it may."""
    needed = foretold.output.low + LEDGER * foretold.documents
    reserve = min(RESERVE, RESERVE_SHARE * foretold.disk)
    if needed <= foretold.free - reserve:
        return ""
    return (
        f"what is left needs at least {units.size(needed)}, and {units.size(foretold.free)} are"
        " free"
    )


def _room(folder: Path) -> tuple[int, int]:
    """Bytes of the disk that are free for us, and that it has; endless where it will not say."""
    try:
        disk = os.statvfs(folder)
    except OSError:
        return 1 << 62, 1 << 62
    return disk.f_bavail * disk.f_frsize, disk.f_blocks * disk.f_frsize
