"""Processing some Documents to learn what all of them will take: for `docherd plan`.

count pages of large files ─► process the most doubtful, again and again ─► a Sample

As in a stream nothing is kept: slots and large results lie in a temporary folder that the
sentinel removes however we end. What is in hand when the time is up has taken longer: that is
learned, too.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from docherd import host, order, plan
from docherd.census import Census
from docherd.exceptions import UsageError
from docherd.forecast import Forecast, place_of
from docherd.job import LEAST_SHARE
from docherd.model import Busy, Grant, Outcome, Reason, Status, Task
from docherd.plan import Lengths, Machine
from docherd.pool import Pool
from docherd.processors.pages import COUNTED
from docherd.scheduler import BRIEF, Rules, Scheduler, Verdict
from docherd.setup import Setup
from docherd.units import duration

#: Documents of a sample, as far as the time allows: at least, or this share of all of them; and
#: half the range to the estimate above which it goes on. To stop sooner, whenever it looks sure
#: enough, is to stop where no long one was met: 100 gave 9 % too little over 80 trees, 200 2 %
LEAST, SHARE, SURE = 200, 0.01, 0.25
#: seconds between looks at the clocks, at the CPU seconds, and at how sure it is by now
TICK, LOOK = 0.05, 0.2
#: pages are counted from this size class on, of so many of a stratum, for this share of the time
LARGE, PROBED, PROBING = 21, 200, 0.25
#: seconds until all workers have loaded the processor, at most
READY = 10.0
#: a worker's first Document of a kind also pays for what is loaded: below so many seconds it is
#: not learned from
WARMING = 1.0
#: CPU seconds in which a worker takes one Document and answers; in a run brief ones share them
WAY = 150e-6


class Seen:
    """Documents that were measured."""

    def __init__(self) -> None:
        self.seconds: dict[Task, float] = {}
        #: bytes of Records: all, and by family
        self.length = 0
        self.lengths: dict[str, Lengths] = defaultdict(Lengths)
        #: by stratum: how many, and why some were not done
        self.sampled: Counter[str] = Counter()
        self.undone: dict[str, Counter[Reason]] = defaultdict(Counter)
        #: how many failed, and what the last one said
        self.failed, self.failure = 0, ""

    def add(self, outcome: Outcome) -> None:
        """Take in what one takes."""
        self.seconds[outcome.task] = outcome.seconds
        self.length += outcome.length

    def judge(self, outcome: Outcome) -> None:
        """Take in how one ended."""
        task = outcome.task
        self.sampled[task.stratum] += 1
        self.lengths[place_of(task.stratum)[0]].add(outcome.length)
        if outcome.status is not Status.DONE and outcome.reason:
            self.undone[task.stratum][outcome.reason] += 1
        if outcome.status is Status.FAILED:
            self.failed += 1
            self.failure = f"{outcome.reason}: {outcome.message or task.path}"


@dataclass(frozen=True, slots=True)
class Sample:
    """What was measured."""

    forecast: Forecast
    machine: Machine
    #: Documents by stratum that were not measured; those that were
    left: dict[str, float]
    seen: Seen
    #: cores that a worker kept busy, and how many were at work
    share: float
    workers: int


def take(
    census: Census, setup: Setup, rules: Rules, seconds: float, tell: Callable[[str], None]
) -> Sample:
    """Process a sample for at most so many seconds.

    ``tell`` is given a line now and then. Raises ProcessorError where the processor cannot be
    loaded, EnvironmentFault where no worker can be started, UsageError where no Document ended.
    """
    folder = Path(tempfile.mkdtemp(prefix="docherd-"))
    try:
        pool = Pool(setup, folder, private=True)
        try:
            pool.start()
            return _Sampler(census, rules, pool, tell).run(seconds)
        finally:
            pool.close()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


class _Sampler:
    """One sample."""

    def __init__(
        self, census: Census, rules: Rules, pool: Pool, tell: Callable[[str], None]
    ) -> None:
        self._rules = rules
        self._pool = pool
        self._tell = tell
        self._forecast = Forecast()
        self._scheduler = Scheduler(rules, self._forecast, retries_first=True)
        self._meter = _Meter(pool)
        self._least = max(LEAST, SHARE * census.documents)
        #: Documents that were not measured, by stratum, and those of them that may be given
        self._left: dict[str, float] = dict(census.strata)
        self._kept = census.shuffled()
        self._in_hand: dict[str, Task] = {}
        #: kinds that a worker has met, and the first Documents of a kind
        self._met: set[tuple[int, str]] = set()
        self._first: set[int] = set()
        self._seen = Seen()
        self._looked = 0.0
        self._enough = False

    def run(self, seconds: float) -> Sample:
        """Until it is sure enough, there are no more Documents, or the time is up."""
        began = time.monotonic()
        self._start_all(began + min(READY, seconds / 2))
        self._count_pages(began + PROBING * seconds)
        while time.monotonic() < began + seconds:
            self._offer()
            self._give()
            if not (self._in_hand or self._pool.crew.busy):
                break
            for outcome in self._pool.outcomes(TICK):
                self._settle(outcome)
            self._look(began)
        self._cut(seconds)
        return self._sample()

    def _start_all(self, until: float) -> None:
        """All workers have loaded the processor: none is held up by another's start."""
        crew = self._pool.crew
        while time.monotonic() < until:
            crew.grow(self._rules.workers)
            if crew.shrunk or not any(child.starting for child in crew.children.values()):
                return
            self._pool.outcomes(TICK)

    # ── pages ────────────────────────────────────────────────────────────────────────────────

    def _count_pages(self, until: float) -> None:
        """Large files of a kind that has pages become strata by their number."""
        waiting = [task for stratum in self._kept for task in self._large(stratum)]
        pages: dict[str, list[tuple[Task, int]]] = defaultdict(list)
        scheduler, crew = self._scheduler, self._pool.crew
        while (waiting and time.monotonic() < until) or scheduler.waiting or crew.busy:
            while waiting and scheduler.waiting < self._rules.workers:
                scheduler.offer([waiting.pop()._replace(probe=True)])
            self._give()
            for outcome in self._pool.outcomes(TICK):
                if outcome.status is not Status.PENDING:  # else its worker died of another
                    pages[outcome.task.stratum].append((outcome.task, outcome.records))
            self._tell(f"counting pages, {len(waiting):,} large documents to go")
        for stratum, counted in pages.items():
            self._refine(stratum, counted)

    def _large(self, stratum: str) -> list[Task]:
        extension, size = stratum.split("/")
        large = extension in COUNTED and int(size) >= LARGE
        return self._kept[stratum][:PROBED] if large else []

    def _refine(self, stratum: str, counted: list[tuple[Task, int]]) -> None:
        """Those that were counted stand for their whole stratum."""
        each = self._left.pop(stratum) / len(counted)
        del self._kept[stratum]
        for task, pages in counted:
            name = f"{stratum}/{pages.bit_length()}"
            self._kept.setdefault(name, []).append(task._replace(stratum=name, probe=False))
            self._left[name] = self._left.get(name, 0.0) + each

    # ── work ─────────────────────────────────────────────────────────────────────────────────

    def _offer(self) -> None:
        """Keep the scheduler stocked with what there is most to learn from."""
        while not self._enough and self._scheduler.waiting < self._rules.workers:
            waiting = {name: max(1, round(self._left[name])) for name, t in self._kept.items() if t}
            asked = Counter(task.stratum for task in self._in_hand.values())
            stratum = order.most_doubtful(self._forecast, waiting, asked, 0)
            if stratum is None:
                return
            task = self._kept[stratum].pop()
            self._in_hand[task.path] = task
            self._scheduler.offer([task])

    def _give(self) -> None:
        """scheduler ─► pool; what killed a worker again at once, as in a stream."""
        pool, scheduler = self._pool, self._scheduler
        pool.crew.grow(scheduler.waiting + scheduler.deferred)
        while pool.crew.has_room():
            retry = bool(scheduler.deferred) and (
                pool.crew.has_fresh(scheduler.deferred) or not scheduler.waiting
            )
            if (grant := scheduler.next(pool.crew.busy, retry, pool.room)) is None:
                return
            self._meter.begin()
            if not pool.give(grant):
                scheduler.take_back(grant)
                return
            self._meter.given(grant)
            self._note_first(grant)

    def _note_first(self, grant: Grant) -> None:
        """Which of these are the first of their kind in their worker."""
        child = next(c for c in self._pool.crew.children.values() if c.grant is grant)
        for task in grant.tasks:
            met = child.number, place_of(task.stratum)[0]
            if met not in self._met and not task.probe:
                self._met.add(met)
                self._first.add(task.document)

    def _settle(self, outcome: Outcome) -> None:
        self._meter.add(outcome)
        if self._scheduler.settle(outcome) is not Verdict.FINAL:
            return
        task = outcome.task
        self._in_hand.pop(task.path, None)
        brief = outcome.status is Status.DONE and outcome.seconds < WARMING
        if task.document in self._first and brief and self._kept[task.stratum]:
            return
        self._take(outcome)
        self._seen.judge(outcome)

    def _take(self, outcome: Outcome) -> None:
        """It is known what this one takes."""
        stratum = outcome.task.stratum
        self._forecast.learn(outcome)
        self._left[stratum] = max(0.0, self._left[stratum] - 1)
        self._seen.add(outcome)

    def _look(self, began: float) -> None:
        """Now and then: say how far it is, and see whether that is enough."""
        now = time.monotonic()
        if now - self._looked < LOOK:
            return
        self._looked = now
        self._meter.read()
        seconds = self._seen.seconds
        self._tell(f"sampling, {len(seconds):,} documents in {duration(now - began)}")
        if len(seconds) >= self._least and not self._enough:
            done = plan.work(self._forecast, self._left, seconds.values())
            self._enough = done is not None and plan.BAND * done.deviation < SURE * done.seconds

    # ── the end ──────────────────────────────────────────────────────────────────────────────

    def _cut(self, seconds: float) -> None:
        """The time is up: stop what is in hand, and learn what it would have taken at least.

        Raises UsageError where that is all there is.
        """
        self._meter.read()
        ended = bool(self._seen.seconds)
        for busy in self._pool.in_hand():
            task = self._in_hand.get(busy.path)
            if task is not None and (ended or busy.share):
                self._take(self._cut_short(task, busy))
        if not self._seen.seconds:
            raise UsageError(
                f"no document ended within {duration(seconds)}; give it more time, for example"
                f" --seconds {max(60, round(seconds * 10))}"
            )
        self._pool.kill_busy()

    def _cut_short(self, task: Task, busy: Busy) -> Outcome:
        """As if it had gone on as until now; one without pages is half done, for all we know."""
        cost = self._forecast.cost(task.stratum)
        usual = cost.seconds if cost else 0.0
        whole = busy.seconds / busy.share if busy.share else max(usual, busy.seconds * 1.5)
        length = round(cost.output) if cost else 0
        return Outcome(task, Status.DONE, seconds=whole, peak=busy.memory, length=length)

    def _sample(self) -> Sample:
        loaded = self._pool.budget.loaded
        return Sample(
            self._forecast,
            Machine(
                cores=host.cores(),
                memory=self._rules.memory,
                most=self._rules.memory // max(LEAST_SHARE, loaded),
                loaded=loaded,
                start=self._pool.start_seconds,
                gap=self._meter.gap,
            ),
            self._left,
            self._seen,
            self._meter.share,
            self._rules.workers,
        )


class _Meter:
    """How many cores workers keep busy."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        #: CPU seconds by worker: once it had loaded the processor, and as seen last
        self._first: dict[int, float] = {}
        self._last: dict[int, float] = {}
        #: seconds that workers had Documents in hand, and how many those were
        self._worked, self._answered = 0.0, 0
        #: when what is in hand was given; seconds that such was on its way, and how many it was
        self._given: dict[int, float] = {}
        self._waited, self._singly = 0.0, 0

    def add(self, outcome: Outcome) -> None:
        """A worker had it in hand."""
        self._worked += outcome.seconds
        self._answered += 1
        given = self._given.pop(outcome.task.document, 0.0)
        if given and outcome.status is Status.DONE and outcome.seconds > BRIEF:
            self._waited += time.monotonic() - given - outcome.seconds
            self._singly += 1

    def begin(self) -> None:
        """Before something is given out: what the others used up to now is their start."""
        for child in self._pool.crew.children.values():
            if child.ready and child.number not in self._first:
                self._first[child.number] = host.tree_cpu(child.pid)[0]

    def given(self, grant: Grant) -> None:
        """A worker was sent this; what travels with others is not timed."""
        if len(grant.tasks) == 1:
            self._given[grant.tasks[0].document] = time.monotonic()

    @property
    def gap(self) -> float:
        """Seconds that a Document and its result are on their way; none for brief ones."""
        return max(0.0, self._waited / self._singly) if 2 * self._singly > self._answered else 0.0

    def read(self) -> None:
        """See what they have used."""
        for child in self._pool.crew.children.values():
            if child.number in self._first and (used := host.tree_cpu(child.pid)[0]):
                self._last[child.number] = used

    @property
    def share(self) -> float:
        """CPU seconds to seconds in work, without the way there and back."""
        used = sum(last - self._first[number] for number, last in self._last.items())
        used -= WAY * self._answered
        return min(max(used, 0.0) / max(self._worked, 1e-9), float(host.cores()))
