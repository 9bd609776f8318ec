"""Results as they complete, over any iterable of paths: ``docherd.process``.

    the program's iterable ─► feed ─► scheduler ─► pool ─► shelf ─► the program's loop
                             thread   └──────── thread ───────┘

The middle runs in a thread of its own, so that deadlines and memory are watched while the
program is busy with a Result. It takes further paths only while few Results lie on the shelf:
what was taken always runs to its end, so nothing waits for anything that waits for it. Nothing
is kept on disk but slots and large results, in a temporary folder that the sentinel removes.
"""

from __future__ import annotations

import math
import os
import queue
import shutil
import tempfile
import threading
import weakref
from collections import deque
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

from docherd.feed import Feed, Given
from docherd.forecast import Forecast
from docherd.gauge import Gauge
from docherd.model import Outcome, Status, Task
from docherd.pool import Pool
from docherd.result import Result
from docherd.scheduler import Rules, Scheduler, Verdict, is_brief
from docherd.setup import Setup

#: seconds between looks at the clocks when nothing happens
TICK = 0.05
#: Results and bytes of them on the shelf above which no further paths are taken
SHELF, SHELF_BYTES = 4096, 8 << 20
#: paths waiting for a worker at most, and at least, for each worker
WAITING, WAITING_EACH = 2048, 2
#: bytes that a first Result is taken for
UNSEEN = 1 << 20
#: seconds that closing waits for the workers to end
PATIENCE = 5.0


class Bar(Protocol):
    """As much of a tqdm bar as is used."""

    def update(self, n: float = 1, /) -> object: ...
    def close(self) -> object: ...


class Stream(Iterator[Result]):
    """Results, one for each path. Made by ``docherd.process``; also a context manager.

    Iterating raises what the iterable of paths raised, after the Results of all paths before;
    ProcessorError where the processor cannot be loaded; EnvironmentFault where workers cannot be
    started or the temporary folder is full. It never raises for a Document.
    """

    def __init__(
        self,
        paths: Iterable[Given],
        setup: Setup,
        rules: Rules,
        *,
        ordered: bool = False,
        bar: Bar | None = None,
    ) -> None:
        self._drive = _Drive(paths, setup, rules, ordered=ordered)
        self._chunk: deque[Outcome] = deque()
        self._given = self._drive.feed.given
        self._bar = bar
        # Not the drive's own thread holds this object: dropping it ends the workers.
        self._finalizer = weakref.finalize(self, _Drive.close, self._drive)
        self._drive.start()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Result:
        if not self._chunk:
            try:
                self._chunk = self._drive.shelf.take()
            except BaseException:  # its end, what it raised, Ctrl-C while waiting
                self.close()
                raise
        outcome = self._chunk.popleft()
        if self._bar is not None:
            self._bar.update(1)
        return Result(self._given.pop(outcome.task.document), outcome)

    def close(self) -> None:
        """End the workers, whatever they are on; what was not yet taken is dropped. Idempotent."""
        self._finalizer()
        self._chunk.clear()
        if self._bar is not None:
            self._bar.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class _Shelf:
    """Outcomes that wait for the program, in a bounded number of bytes."""

    def __init__(self, ordered: bool) -> None:
        self._ordered = ordered
        #: chunks with the bytes of their lines; what ended the stream behind them
        self._chunks: queue.SimpleQueue[tuple[deque[Outcome], int] | BaseException]
        self._chunks = queue.SimpleQueue()
        #: of an ordered stream: those whose turn has not come, by number; whose turn it is
        self._early: dict[int, Outcome] = {}
        self._turn = 0
        self._lock = threading.Lock()
        self._count = self._bytes = 0
        self._over: BaseException | None = None

    @property
    def full(self) -> bool:
        return self._count >= SHELF or self._bytes >= SHELF_BYTES

    def put(self, chunk: deque[Outcome], size: int) -> None:
        """From the drive's thread: outcomes, and the bytes of their lines."""
        with self._lock:
            self._count += len(chunk)
            self._bytes += size
        if self._ordered:
            chunk = self._whose_turn_it_is(chunk)
            size = sum(held_bytes(each) for each in chunk)
        if chunk:
            self._chunks.put((chunk, size))

    def end(self, failure: BaseException | None) -> None:
        """Nothing more will come."""
        self._chunks.put(failure or StopIteration())

    def take(self) -> deque[Outcome]:
        """From the program: the next, waiting for them; raises how it ended."""
        if self._over is None:
            found = self._chunks.get()
            if isinstance(found, tuple):
                chunk, size = found
                with self._lock:
                    self._count -= len(chunk)
                    self._bytes -= size
                return chunk
            self._over = found
        over, self._over = self._over, StopIteration()
        raise over

    def _whose_turn_it_is(self, chunk: deque[Outcome]) -> deque[Outcome]:
        self._early.update({each.task.document: each for each in chunk})
        ready: deque[Outcome] = deque()
        while (outcome := self._early.pop(self._turn, None)) is not None:
            ready.append(outcome)
            self._turn += 1
        return ready


def held_bytes(outcome: Outcome) -> int:
    """Of its lines, where they are not in a spool."""
    return outcome.length if isinstance(outcome.lines, bytes) else 0


class _Drive:
    """The thread that owns the pool."""

    def __init__(
        self, paths: Iterable[Given], setup: Setup, rules: Rules, *, ordered: bool
    ) -> None:
        self._setup = setup
        self._rules = rules
        self._forecast = Forecast()
        self._scheduler = Scheduler(rules, self._forecast, retries_first=True)
        self._pool: Pool | None = None
        #: where the number of workers is to be found out
        self._gauge: Gauge | None = None
        self._stop = False
        #: Results and their bytes so far: how many may wait depends on their size, and until it
        #: is known they are taken for large
        self._results, self._bytes = 1, UNSEEN
        self.feed = Feed(paths, self._wake)
        self.shelf = _Shelf(ordered)
        self._thread = threading.Thread(target=self._run, name="docherd-stream", daemon=True)

    def start(self) -> None:
        self.feed.start()
        self._thread.start()

    def close(self) -> None:
        """Stop, and wait until every worker has ended; from any thread, also at exit."""
        self._stop = True
        self.feed.close()
        self._wake()
        if threading.current_thread() is not self._thread:
            self._thread.join(PATIENCE)

    def _wake(self) -> None:
        if (pool := self._pool) is not None:
            pool.wake()

    # ── in the thread ────────────────────────────────────────────────────────────────────────

    def _run(self) -> None:
        failure: BaseException | None = None
        try:
            self._work()
            failure = self.feed.failure
        except BaseException as error:  # carried to the program
            failure = error
        self.feed.close()
        self.shelf.end(failure)

    def _work(self) -> None:
        folder = Path(tempfile.mkdtemp(prefix="docherd-"))
        try:
            self._pool = Pool(self._setup, folder, private=True)
            try:
                if self._rules.most_workers:
                    self._gauge = Gauge(self._pool, self._scheduler, self._forecast, self._rules)
                while not self._stop and not self._over(self._pool):
                    self._offer()
                    self._give(self._pool)
                    if self._gauge:
                        self._gauge.turn(self._left, stuck=False)
                    ended = self._pool.outcomes(TICK)
                    self._give(self._pool)  # first: a worker that waits costs more than a Result
                    self._settle(ended)
            finally:
                self._pool.close()
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _over(self, pool: Pool) -> bool:
        scheduler = self._scheduler
        return self.feed.ended and not (scheduler.waiting or scheduler.deferred or pool.crew.busy)

    def _offer(self) -> None:
        """feed ─► scheduler, as long as the program keeps up."""
        mean = self._bytes / self._results
        workers = WAITING_EACH * self._scheduler.workers
        room = max(workers, min(WAITING, int(SHELF_BYTES / (mean + 1)))) - self._scheduler.ready
        if room <= 0 or self.shelf.full:
            return
        taken = self.feed.take(room)
        if aside := deque(each for each in taken if isinstance(each, Outcome)):
            self.shelf.put(aside, 0)
        brief: dict[str, bool] = {}
        for task in taken:
            if not isinstance(task, Task):
                continue
            if task.stratum not in brief:
                took = self._forecast.took(task.stratum)
                brief[task.stratum] = took is not None and is_brief(took)
            # A timeout depends on the size; what is over at once needs none that is exact.
            self._scheduler.offer([task if brief[task.stratum] else _measured(task)])

    @property
    def _left(self) -> float:
        """Paths that wait for a worker; infinite while more may come."""
        return self._scheduler.waiting if self.feed.ended else math.inf

    def _give(self, pool: Pool) -> None:
        """scheduler ─► pool; what killed a worker again at once, on a spare one."""
        scheduler = self._scheduler
        scheduler.memory = pool.budget.size
        pool.crew.grow(scheduler.waiting + scheduler.deferred)
        while pool.crew.has_room():
            retry = bool(scheduler.deferred) and (
                pool.crew.has_fresh(scheduler.deferred) or not scheduler.waiting
            )
            grant = scheduler.next(pool.crew.busy, retry, pool.room)
            if grant is None:
                return
            if not pool.give(grant):
                scheduler.take_back(grant)
                return

    def _settle(self, ended: list[Outcome]) -> None:
        """pool ─► shelf, and what was learned from it."""
        final: deque[Outcome] = deque()
        size = 0
        for outcome in ended:
            if outcome.status is Status.DONE:
                self._forecast.learn(outcome)
            if self._scheduler.settle(outcome) is Verdict.FINAL:
                if self._gauge:
                    self._gauge.end(outcome)
                final.append(outcome)
                if outcome.length:
                    size += held_bytes(outcome)
        if final:
            self._results += len(final)
            self._bytes += size
            self.shelf.put(final, size)


def _measured(task: Task) -> Task:
    """With its size."""
    try:
        return task._replace(size=os.stat(task.file, follow_symlinks=False).st_size)  # noqa: PTH116
    except (OSError, ValueError):
        return task  # the worker says why
