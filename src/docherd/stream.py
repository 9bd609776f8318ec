"""Results as they complete, over any iterable of paths: ``docherd.process``.

    the program's iterable ─► feed ─► scheduler ─► pool ─► shelf ─► the program's loop
                             thread   └──────── thread ───────┘

The middle runs in a thread of its own, so that deadlines and memory are watched while the
program is busy with a Result. It takes further paths only while few Results lie on the shelf:
what was taken always runs to its end, so nothing waits for anything that waits for it. Nothing
is kept on disk but slots and large results, in a temporary folder that the sentinel removes.
"""

from __future__ import annotations

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
from docherd.model import Outcome, Status, Task
from docherd.pool import Pool
from docherd.result import Result
from docherd.scheduler import BRIEF, Rules, Scheduler, Verdict
from docherd.setup import Setup

#: seconds between looks at the clocks when nothing happens
TICK = 0.05
#: Results and bytes of them on the shelf above which no further paths are taken
SHELF, SHELF_BYTES = 4096, 8 << 20
#: paths waiting for a worker at most, and at least, for each worker
WAITING, WAITING_EACH = 1024, 2
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
        self._chunks: queue.SimpleQueue[deque[Outcome] | BaseException | None] = queue.SimpleQueue()
        #: of an ordered stream: those whose turn has not come, by number; whose turn it is
        self._early: dict[int, Outcome] = {}
        self._turn = 0
        self._lock = threading.Lock()
        self._count = self._bytes = 0
        self._over: BaseException | None = None

    @property
    def full(self) -> bool:
        return self._count >= SHELF or self._bytes >= SHELF_BYTES

    def put(self, outcomes: Iterable[Outcome]) -> None:
        """From the drive's thread."""
        chunk = deque(outcomes)
        self._grow(chunk, 1)
        if self._ordered:
            self._early.update({each.task.document: each for each in chunk})
            chunk = deque()
            while (outcome := self._early.pop(self._turn, None)) is not None:
                chunk.append(outcome)
                self._turn += 1
        if chunk:
            self._chunks.put(chunk)

    def end(self, failure: BaseException | None) -> None:
        """Nothing more will come."""
        self._chunks.put(failure or StopIteration())

    def take(self) -> deque[Outcome]:
        """From the program: the next, waiting for them; raises how it ended."""
        if self._over is None:
            chunk = self._chunks.get()
            if isinstance(chunk, deque):
                self._grow(chunk, -1)
                return chunk
            self._over = chunk
        over, self._over = self._over, StopIteration()
        raise over if over is not None else StopIteration

    def _grow(self, chunk: Iterable[Outcome], sign: int) -> None:
        count = size = 0
        for each in chunk:
            count += 1
            size += len(each.lines) if isinstance(each.lines, bytes) else 0
        with self._lock:
            self._count += sign * count
            self._bytes += sign * size


class _Drive:
    """The thread that owns the pool."""

    def __init__(
        self, paths: Iterable[Given], setup: Setup, rules: Rules, *, ordered: bool
    ) -> None:
        self._setup = setup
        self._rules = rules
        self._forecast = Forecast()
        self._scheduler = Scheduler(rules, self._forecast.brief, retries_first=True)
        self._pool: Pool | None = None
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
                while not self._stop and not self._over(self._pool):
                    self._offer()
                    self._give(self._pool)
                    self._settle(self._pool.outcomes(TICK))
            finally:
                self._pool.close()
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _over(self, pool: Pool) -> bool:
        scheduler = self._scheduler
        return self.feed.ended and not (scheduler.waiting or scheduler.deferred or pool.busy)

    def _offer(self) -> None:
        """feed ─► scheduler, as long as the program keeps up."""
        mean = self._bytes / self._results
        workers = WAITING_EACH * self._rules.workers
        room = max(workers, min(WAITING, int(SHELF_BYTES / (mean + 1)))) - self._scheduler.waiting
        if room <= 0 or self.shelf.full:
            return
        taken = self.feed.take(room)
        if aside := [each for each in taken if isinstance(each, Outcome)]:
            self.shelf.put(aside)
        self._scheduler.offer(self._measured(each) for each in taken if isinstance(each, Task))

    def _measured(self, task: Task) -> Task:
        """With its size, on which its timeout depends, unless it is over at once anyway."""
        brief = self._forecast.brief(task.stratum)
        if brief is not None and brief < BRIEF:
            return task
        try:
            return task._replace(size=os.stat(task.file, follow_symlinks=False).st_size)  # noqa: PTH116
        except (OSError, ValueError):
            return task  # the worker says why

    def _give(self, pool: Pool) -> None:
        """scheduler ─► pool; what killed a worker again at once, on a spare one."""
        scheduler = self._scheduler
        pool.grow(scheduler.waiting + scheduler.deferred)
        while pool.has_room():
            retry = bool(scheduler.deferred) and (
                pool.has_fresh(scheduler.deferred) or not scheduler.waiting
            )
            grant = scheduler.next(pool.busy, retry)
            if grant is None:
                return
            if not pool.give(grant):
                scheduler.take_back(grant)
                return

    def _settle(self, ended: list[Outcome]) -> None:
        """pool ─► shelf, and what was learned from it."""
        final = []
        for outcome in ended:
            if self._scheduler.settle(outcome) is Verdict.FINAL:
                final.append(outcome)
                self._bytes += outcome.length
            if outcome.status is Status.DONE:
                self._forecast.learn(outcome)
        self._results += len(final)
        if final:
            self.shelf.put(final)
