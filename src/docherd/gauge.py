"""What a run makes use of, measured turn by turn; and the number of workers, where that is open.

The engine says at each turn what there is to do. From that and from what is in hand follows why
workers are idle. Twice a second the processes are asked what they used of the cores; asking costs
at most a hundredth of the time. What follows from it is decided in width.py and sizing.py.
"""

from __future__ import annotations

import json
import os
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

from docherd import host
from docherd.folder import write_atomically
from docherd.forecast import Forecast
from docherd.model import Outcome
from docherd.pool import Pool
from docherd.scheduler import Rules, Scheduler
from docherd.sizing import FILE, Idle, Use, advise, demand, telling
from docherd.width import Limits, Seen, State, Tally, step

#: seconds between looks at the processes, and most of the time spent on it
LOOK, SHARE = 0.5, 0.01
#: share of the workers' time without anything in hand below which they count as busy; of the time
#: in which Documents wait for memory from which on that is what there is too little of
FULL, SHORT = 0.1, 0.1


class Gauge:
    """One start's use of what there is."""

    def __init__(
        self,
        pool: Pool,
        scheduler: Scheduler,
        forecast: Forecast,
        rules: Rules,
        tell: Callable[[str], None] = lambda line: None,
    ) -> None:
        """``tell`` is given a line when the number of workers changes."""
        self._pool, self._scheduler, self._forecast = pool, scheduler, forecast
        self._rules, self._tell = rules, tell
        self.auto = rules.most_workers > 0
        self._most = host.workers_for_files(rules.most_workers) if self.auto else 0
        self._cores = host.cores()
        self._state = State(rules.workers)
        self._began = self._last = self._looked = time.monotonic()
        self._due = self._began + LOOK
        self._engine = time.process_time()
        self._cpu, self._waits = _cpu()
        self._used = self._waited = 0.0
        #: seconds of workers: all, and those without anything in hand, by why
        self._capacity = self._busy = 0.0
        self._idle: defaultdict[str, float] = defaultdict(float)
        self._squeezed = self._beside = 0.0
        #: what is true since the last turn
        self._now: tuple[int, int, Idle | None] = (rules.workers, 0, None)
        self._left = 0.0
        #: since the last look: Documents and their seconds, by stratum; finished in all
        self._finished: dict[str, tuple[float, float]] = {}
        self._documents = 0
        self._before = (0.0, 0.0, 0.0)

    def end(self, outcome: Outcome) -> None:
        """An attempt has ended."""
        self._documents += 1
        if self.auto:
            count, took = self._finished.get(outcome.task.stratum, (0.0, 0.0))
            self._finished[outcome.task.stratum] = count + 1, took + outcome.seconds

    def turn(self, left: float, *, stuck: bool) -> None:
        """Everything that can be is given out.

        ``left``: Documents that could be in hand, if there were workers for them; infinite where
        further ones may be found. ``stuck``: nothing is given out until the disk has caught up.
        """
        now = time.monotonic()
        self._add(now - self._last)
        self._last, self._left = now, left
        crew = self._pool.crew
        busy = crew.busy
        self._now = crew.size, busy, None if busy >= crew.size else self._why(left, stuck=stuck)
        if now >= self._due:
            self._look(now)

    def _why(self, left: float, *, stuck: bool) -> Idle:
        """Why there are idle workers."""
        if self._scheduler.waiting and stuck:
            return Idle.DISK
        if self._scheduler.waiting:
            starting = not self._pool.crew.has_room() and self._pool.crew.starting
            return Idle.START if starting else Idle.MEMORY
        if left:
            return Idle.SOURCE
        # What has to run alone keeps all others from it.
        return Idle.MEMORY if self._scheduler.deferred else Idle.END

    def _add(self, seconds: float) -> None:
        size, busy, why = self._now
        self._capacity += seconds * max(size, busy)
        self._busy += seconds * busy
        if why is not None:
            self._idle[why] += seconds * (size - busy)
        if why is Idle.MEMORY:
            self._squeezed += seconds
            self._beside += seconds * busy

    # ── looking ──────────────────────────────────────────────────────────────────────────────

    def _look(self, now: float) -> None:
        """See what was used of the cores, and decide how many workers there are to be."""
        begun = time.perf_counter()
        cpu, waits = _cpu()
        used = max(0.0, cpu - self._cpu)
        waited = sum(max(0.0, s - self._waits.get(pid, 0.0)) for pid, s in waits.items())
        self._cpu, self._waits = cpu, waits
        self._used += used
        self._waited += waited
        if self.auto:
            self._set_number(self._seen(now, used, waited))
        self._looked = now
        self._due = now + max(LOOK, (time.perf_counter() - begun) / SHARE)

    def _seen(self, now: float, used: float, waited: float) -> Seen:
        seconds, crew = now - self._looked, self._pool.crew
        capacity, busy, squeezed = (
            total - before
            for total, before in zip(
                (self._capacity, self._busy, self._squeezed), self._before, strict=True
            )
        )
        self._before = self._capacity, self._busy, self._squeezed
        load = demand(used / (self._cores * seconds), waited, busy)
        finished, self._finished = self._finished, {}
        return Seen(
            now - self._began,
            Tally(seconds, busy, load * seconds, finished),
            full=busy >= (1 - FULL) * capacity,
            short=squeezed >= SHORT * seconds,
            settling=crew.starting > 0 or crew.busy > crew.size,
            left=self._left,
            start_seconds=self._pool.start_seconds,
        )

    def _set_number(self, seen: Seen) -> None:
        loaded = max(1, self._pool.budget.loaded)
        most = max(1, min(self._most, self._rules.memory // loaded))
        before = self._state
        self._state = step(before, seen, self._weight, Limits(self._cores, most))
        crew, workers = self._pool.crew, self._state.workers
        if workers != before.workers:
            crew.size = self._scheduler.workers = workers
            load = f"{100 * seen.tally.load:.0f} % of the cores in use"
            self._tell(f"workers: {before.workers} → {workers}, {load}")
        elif self._state.origin is None:
            crew.trim()

    def _weight(self, stratum: str) -> float:
        cost = self._forecast.cost(stratum)
        return cost.seconds if cost else 1.0

    # ── what it comes to ─────────────────────────────────────────────────────────────────────

    @property
    def use(self) -> Use:
        """What was made use of until now."""
        return Use(
            seconds=time.monotonic() - self._began,
            documents=self._documents,
            cores=self._cores,
            workers=self._pool.crew.size,
            auto=self.auto,
            capacity=self._capacity,
            busy=self._busy,
            idle=dict(self._idle),
            squeezed=self._squeezed,
            beside=self._beside,
            cpu=self._used,
            waited=self._waited,
            engine=time.process_time() - self._engine,
            memory=self._rules.memory,
            peak=self._pool.budget.peak,
        )

    def write(self, folder: Path) -> tuple[str, ...]:
        """Keep it for the report, where it was enough to tell; what it comes to, in sentences."""
        use = self.use
        if not telling(use):
            return ()
        write_atomically(folder / FILE, [json.dumps(use.as_json(), indent=1).encode()])
        return advise(use).sentences


def _cpu() -> tuple[float, dict[int, float]]:
    """Seconds of cores that all processes of the run used, and those that each child waited."""
    used, waited = host.tree_cpu(os.getpid())
    waited.pop(os.getpid(), None)
    return used, waited
