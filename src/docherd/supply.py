"""What the scheduler is given next: from the window, in the order that order.py says.

probe    large files whose pages can be counted are counted first, by some of the workers
sample, giants, walk: see order.py
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sized

from docherd import order
from docherd.forecast import Forecast
from docherd.model import Outcome, Status, Task
from docherd.processors.pages import COUNTED
from docherd.scheduler import Scheduler
from docherd.window import Window

#: tasks kept ready for the workers: at most, for each worker, and seconds of work for each
READY, READY_EACH, READY_SECONDS = 1000, 2, 0.25
#: pages are counted from this size class on (2 ** 20 bytes), or where a Document takes so many
#: seconds and there are no more than so many of its stratum
LARGE, SLOW, FEW = 21, 0.05, 2000
#: Documents whose pages are counted by one worker at a time
PROBES = 16


class Supply:
    """Keeps the scheduler stocked. Once every Document was handed over it has nothing to say."""

    def __init__(self, window: Window, scheduler: Scheduler, forecast: Forecast) -> None:
        self._window = window
        self._scheduler = scheduler
        self._forecast = forecast
        #: Documents being probed, by stratum
        self._probing: Counter[str] = Counter()
        self._sampled = 0
        #: True while the walk's order is what comes next
        self._flows = False
        #: Documents given in a row that were not for the sample
        self._unasked = 0
        #: True once no further Document is wanted for the sample
        self.sampled = False
        #: probed Documents whose new stratum is not in the ledger yet
        self._refined: dict[int, str] = {}
        self._refining = 0

    @property
    def waiting(self) -> int:
        """Documents that the scheduler has not been given for processing."""
        return self._window.waiting + self._probing.total() + len(self._refined) + self._refining

    def refill(self, in_hand: Callable[[], Counter[str]]) -> None:
        """Give the scheduler what comes next; ``in_hand``: Documents by stratum."""
        if not self._window.waiting:
            return
        self._probe()
        workers = self._scheduler.workers
        most = self._ready(workers)
        # As long as order matters no more is handed over than is needed now.
        while self._scheduler.ready < (most // 2 if self._flows else workers):
            if not self._window.waiting:
                return
            tasks = self._first(in_hand)
            self._flows = tasks is None
            if tasks is None:
                self._scheduler.offer(self._window.take(most - self._scheduler.ready))
                return
            self._scheduler.offer(tasks)

    def _first(self, counted: Callable[[], Counter[str]]) -> list[Task] | None:
        """One of the sample or a giant; None where neither is left, or so many wait for memory that
        others should begin meanwhile.
        """
        scheduler, strata = self._scheduler, self._window.strata
        if scheduler.held_up >= scheduler.workers:
            return None
        in_hand = counted() + scheduler.queued()
        choice = order.following(self._forecast, strata, in_hand, scheduler.workers, self._sampled)
        self._unasked = 0 if choice and choice.sampled else self._unasked + 1
        self.sampled = self.sampled or choice is None or self._unasked > scheduler.workers
        if choice is None:
            return None
        self._sampled += choice.sampled
        return self._window.take_of(choice.stratum, 1, anywhere=choice.sampled)

    def _ready(self, workers: int) -> int:
        """Tasks of the walk to keep ready: more are lost to the order, fewer make workers wait."""
        least = READY_EACH * workers
        seconds = self._forecast.mean
        return (
            least if not seconds else min(READY, max(least, int(READY_SECONDS * workers / seconds)))
        )

    # ── pages ────────────────────────────────────────────────────────────────────────────────

    def _probe(self) -> None:
        """Have pages counted by at most half of the workers at a time."""
        if self._probing.total() >= PROBES * max(1, self._scheduler.workers // 2):
            return
        for stratum, count in self._window.strata.items():
            if count > 0 and self._worth_counting(stratum, count):
                tasks = self._window.take_of(stratum, PROBES)
                fresh = [task for task in tasks if not (task.attempt or task.interruptions)]
                self._scheduler.offer([task for task in tasks if task not in fresh])
                self._scheduler.offer(task._replace(probe=True) for task in fresh)
                self._probing[stratum] += len(fresh)
                return

    def _worth_counting(self, stratum: str, count: int) -> bool:
        extension, size, *pages = stratum.split("/")
        if pages or extension not in COUNTED:
            return False
        if int(size) >= LARGE:
            return True
        cost = self._forecast.cost(stratum)
        return cost is not None and cost.seconds > SLOW and count <= FEW

    def probed(self, outcome: Outcome) -> None:
        """Pages were counted, or could not be; the Document is processed as one of so many."""
        task = outcome.task
        if outcome.status is Status.PENDING:  # not its turn: its worker died of another
            self._scheduler.offer([task])
            return
        self._probing[task.stratum] -= 1
        self._refined[task.document] = f"{task.stratum}/{outcome.records.bit_length()}"

    def refined(self) -> dict[int, str]:
        """New strata by row, to be written down; `added` says when that is done."""
        refined, self._refined = self._refined, {}
        self._refining += len(refined)
        return refined

    def added(self, documents: Sized) -> None:
        """These are in the window again."""
        self._refining -= len(documents)
