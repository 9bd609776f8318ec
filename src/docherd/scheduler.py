"""What may start, and what a finished attempt means. Pure: no clock, no process, no file.

    offer(tasks)        Documents in walk order
    next(in_hand)  ─►   a Grant, or None: nothing may start now
    settle(outcome) ─►  FINAL, or AGAIN (deferred to the end) or BACK (comes again soon)

Order: as offered. In a run what has to be tried again comes last, so that ten thousand crashes do
not drain the pool ten thousand times; in a stream first, because somebody waits for it. After a
crash or an exit: alone on a fresh worker, while others go on. After a memory kill or the last
allowed interruption: solo, nothing else in hand and the whole budget.

Memory: a grant reserves what its Documents are expected to need. One that does not fit beside
what is in hand waits, and smaller ones go on; but not for ever: after OVERTAKEN of them nothing
else starts until it fits. With nothing in hand everything fits.
"""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import Protocol, TypeAlias

from docherd.exceptions import PolicyStop
from docherd.model import Grant, Outcome, Reason, Status, Task

#: attempts after which a Document that kills its worker is given up
LAST_ATTEMPT = 1
#: the breaker: of so many first attempts, so many ended in crash or exit
WATCHED, TOO_MANY = 100, 50

#: seconds that a Document took: mean and standard deviation
Took: TypeAlias = tuple[float, float]

#: Documents forecast to take less than this many seconds travel together, up to so many seconds
#: of work, Documents, and bytes of names; both times hardly ever exceeded (two deviations)
BRIEF, BATCH_SECONDS, BATCH_TASKS, BATCH_BYTES = 0.001, 0.020, 512, 100_000
_NOT_BRIEF: Took = (2 * BATCH_SECONDS, 0.0)

_KILLS_WORKER = frozenset({Reason.CRASH, Reason.EXIT})

#: grants for each worker that may pass a Document which waits for memory, and Documents for each
#: that wait for it: to look at more of them finds little, and takes them out of their order
OVERTAKEN, LOOK_AHEAD = 16, 4
#: times a Document is stopped because others need the memory, before it runs solo
MOST_CROWDED = 2
#: reserved for a Document that was stopped, of what it held then
ROOMIER = 1.25
#: default timeout where there is a forecast: seconds, and times what 95 of 100 stay below
PATIENT, TIMES_UPPER = 120.0, 20.0
#: seconds that counting the pages of a Document may take
PROBE_SECONDS = 20.0
_PROBED: Took = (0.003, 0.003)


class Verdict(Enum):
    """What an outcome means for its Document."""

    FINAL = "final"
    #: tried again at the end of the run
    AGAIN = "again"
    #: untouched: given again as if nothing had been
    BACK = "back"


@dataclass(frozen=True, slots=True)
class Rules:
    """The limits a run was given; times in seconds, sizes in bytes."""

    #: at work at the same time; where that may change, at first
    workers: int
    #: memory of all workers together, as the run begins
    memory: int
    #: seconds per Document, and on top for each megabyte of it
    timeout: float
    timeout_per_mb: float
    #: True where the timeout was given; else a forecast may set it
    timeout_given: bool = False
    #: further attempts after an `error`
    retries: int = 0
    #: stop when more than this many have failed; None never stops
    max_failures: int | None = None
    #: engine deaths a Document may be in hand at; 0 counts none
    max_interruptions: int = 3
    #: workers at most where their number may change; 0 where it may not
    most_workers: int = 0


def is_brief(took: Took) -> bool:
    """True where a Document that takes so long may travel with others."""
    mean, deviation = took
    return mean + 2 * deviation < BRIEF


class Expected(Protocol):
    """What is foretold of a Document; 95 of 100 take less time, 80 less memory."""

    @property
    def upper(self) -> float: ...
    @property
    def memory_upper(self) -> int: ...


class Foreteller(Protocol):
    """Who knows what Documents of a stratum cost; None where unknown."""

    def took(self, stratum: str) -> Took | None: ...
    def cost(self, stratum: str) -> Expected | None: ...


class Scheduler:
    """The queue of one start."""

    def __init__(
        self, rules: Rules, forecast: Foreteller | None = None, *, retries_first: bool = False
    ) -> None:
        """``retries_first``: what has to be tried again goes before all others, not behind them."""
        self._rules = rules
        self._retries_first = retries_first
        self._forecast = forecast
        #: Documents that have in hand at the same time
        self.workers = rules.workers
        #: bytes that all workers may hold together now
        self.memory = rules.memory
        #: what waits for memory, and how many grants have passed its first
        self._large: deque[Task] = deque()
        self._passed = 0
        #: of what was stopped because others needed the memory: bytes it held, and how often
        self._crowded: dict[int, tuple[int, int]] = {}
        self._fresh: deque[Task] = deque()
        self._alone: deque[Task] = deque()
        self._solo: deque[Task] = deque()
        self._solo_in_hand = False
        #: rows of what came back untouched: one of them may have been the death of its worker
        self._singly: set[int] = set()
        #: the latest first attempts: which killed their worker, and how many those are
        self._firsts: deque[bool] = deque()
        self._killed = 0
        self._failed = 0

    # ── in ───────────────────────────────────────────────────────────────────────────────────

    def offer(self, tasks: Iterable[Task]) -> None:
        """Documents from the ledger, in walk order; some may have been tried before."""
        for task in tasks:
            new = not (task.attempt or task.interruptions)
            (self._fresh if new else self._queue_for(task)).append(task)

    def settle(self, outcome: Outcome) -> Verdict:
        """What an ended attempt means. Raises PolicyStop where the run must not go on."""
        if self._solo_in_hand and self._is_solo(outcome.task):
            self._solo_in_hand = False
        if outcome.status is Status.PENDING:
            self._singly.add(outcome.task.document)
            if outcome.reason is Reason.MEMORY:
                self._note_crowded(outcome)
            self._queue_for(outcome.task).appendleft(outcome.task)
            return Verdict.BACK
        self._singly.discard(outcome.task.document)
        self._crowded.pop(outcome.task.document, None)
        if outcome.status is Status.DONE:
            return Verdict.FINAL
        task = outcome.task
        if outcome.status is Status.FAILED and self._may_retry(outcome):
            again = task._replace(attempt=task.attempt + 1, previous_reason=outcome.reason)
            self._queue_for(again).append(again)
            return Verdict.AGAIN
        return Verdict.FINAL

    def check(self, outcome: Outcome) -> None:
        """Count an attempt against the rules that stop a run. Raises PolicyStop."""
        if outcome.status is Status.PENDING or outcome.task.attempt:
            return
        kills = outcome.reason in _KILLS_WORKER
        self._firsts.append(kills)
        self._killed += kills
        if len(self._firsts) > WATCHED:
            self._killed -= self._firsts.popleft()
        if self._killed >= TOO_MANY:
            raise PolicyStop(
                f"{self._killed} of the last {len(self._firsts)} documents killed their"
                " worker, so the processor or its installation is broken; the rest stays"
                " pending: mend it, then run the same command again"
            )

    def count_failed(self) -> None:
        """One more Document has failed for good. Raises PolicyStop above --max-failures."""
        self._failed += 1
        most = self._rules.max_failures
        if most is not None and self._failed > most:
            raise PolicyStop(
                f"more than {most} documents failed (--max-failures); the rest stays pending:"
                " look at them with `docherd failures`, then run the same command again"
            )

    # ── out ──────────────────────────────────────────────────────────────────────────────────

    @property
    def waiting(self) -> int:
        """Tasks of the walk that may start at once."""
        return len(self._fresh) + len(self._large)

    @property
    def ready(self) -> int:
        """Those of them that were not yet found to need more memory than there is now."""
        return len(self._fresh)

    @property
    def held_up(self) -> int:
        """Those that wait for memory."""
        return len(self._large)

    def queued(self) -> Counter[str]:
        """Those by stratum."""
        return Counter(task.stratum for task in (*self._fresh, *self._large))

    @property
    def deferred(self) -> int:
        """Tasks kept for the end."""
        return len(self._alone) + len(self._solo)

    def next(self, in_hand: int, retry: bool, room: int) -> Grant | None:
        """The next grant; ``in_hand`` grants are out, ``retry``: what was deferred may start,
        ``room``: bytes of the budget that are neither held nor reserved.
        """
        if self._solo_in_hand:
            return None
        if self.waiting and not (retry and self._retries_first and self.deferred):
            return self._first_that_fits(room if in_hand else self.memory)
        return self._again(in_hand, room) if retry else None

    def _first_that_fits(self, room: int) -> Grant | None:
        """Of those that wait for memory the first that fits now, or else the next of the others."""
        passable = self._passed < OVERTAKEN * self.workers
        for at, task in enumerate(self._large):
            if self._needs(task) <= room:
                del self._large[at]
                self._passed = self._passed + 1 if at else 0
                return self._grant([task])
            if not passable:
                return None
        while self._fresh and self.held_up < LOOK_AHEAD * self.workers and room > 0:
            if self._needs(self._fresh[0]) <= room:
                self._passed += bool(self._large)
                return self._grant(self._batch(room))
            self._large.append(self._fresh.popleft())
        return None

    def _again(self, in_hand: int, room: int) -> Grant | None:
        """A retry; one that must be solo waits until nothing is in hand."""
        if self._alone and (not in_hand or self._needs(self._alone[0]) <= room):
            return self._grant([self._alone.popleft()], fresh=True)
        if self._solo and not in_hand:
            self._solo_in_hand = True
            return self._grant([self._solo.popleft()], fresh=True)
        return None

    def take_back(self, grant: Grant) -> None:
        """The pool had no worker for it after all."""
        for task in reversed(grant.tasks):
            self._solo_in_hand = False if self._is_solo(task) else self._solo_in_hand
            self._queue_for(task).appendleft(task)

    def _batch(self, room: int) -> list[Task]:
        """The next task, and brief ones behind it; all others travel singly, so that their peak
        memory is exact; and what came back, so that whatever it left behind is on its own account.
        """
        fresh, batch = self._fresh, list[Task]()
        # A share of what waits, so that no worker is idle at the end.
        most = min(BATCH_TASKS, 1 + (len(fresh) - 1) // self.workers)
        seconds = variance = 0.0
        size = 0
        each: dict[str, Took] = {}
        while fresh and len(batch) < most:
            task = fresh[0]
            if task.document in self._singly:
                return batch or [fresh.popleft()]
            if task.stratum not in each:
                each[task.stratum] = self._briefly(task, room)
            mean, deviation = _PROBED if task.probe else each[task.stratum]
            seconds, variance = seconds + mean, variance + deviation * deviation
            size += len(task.name)
            late = seconds + 2 * math.sqrt(variance)
            if batch and (late > BATCH_SECONDS or size > BATCH_BYTES):
                break
            batch.append(fresh.popleft())
        return batch

    def _briefly(self, task: Task, room: int) -> Took:
        """What a Document of this stratum takes, where it may travel with others."""
        took = self._forecast and self._forecast.took(task.stratum)
        return took if took and is_brief(took) and self._needs(task) <= room else _NOT_BRIEF

    def _grant(self, tasks: list[Task], *, fresh: bool = False) -> Grant:
        each = {task.stratum: task for task in tasks}
        memory = max(self._needs(task) for task in each.values())
        patience = {stratum: self._patience(task) for stratum, task in each.items()}
        per_byte = self._rules.timeout_per_mb / 1e6
        timeouts = tuple(
            max(least + per_byte * task.size, upper)
            for task in tasks
            for least, upper in (patience[task.stratum],)
        )
        return Grant(tuple(tasks), timeouts, memory, fresh)

    # ── what a Document may use ──────────────────────────────────────────────────────────────

    def _needs(self, task: Task) -> int:
        """Bytes to reserve: a share of the budget where nothing is known, and at most all of it."""
        if self._is_solo(task):
            return self.memory
        share = self.memory // self._rules.workers
        expected = self._expected(task)
        needs = (expected.memory_upper if expected else 0) or share
        held, _ = self._crowded.get(task.document, (0, 0))
        return min(max(needs, int(held * ROOMIER)), self.memory)

    def _patience(self, task: Task) -> tuple[float, float]:
        """Seconds: those to which more for each megabyte are added, and those without."""
        if task.probe:
            return 0.0, PROBE_SECONDS
        expected = self._expected(task)
        if self._rules.timeout_given or expected is None:
            return self._rules.timeout, 0.0
        return PATIENT, PATIENT + TIMES_UPPER * expected.upper

    def _expected(self, task: Task) -> Expected | None:
        return None if self._forecast is None else self._forecast.cost(task.stratum)

    def _note_crowded(self, outcome: Outcome) -> None:
        held, times = self._crowded.get(outcome.task.document, (0, 0))
        self._crowded[outcome.task.document] = max(held, outcome.peak), times + 1

    # ── rules ────────────────────────────────────────────────────────────────────────────────

    def _queue_for(self, task: Task) -> deque[Task]:
        if self._is_solo(task):
            return self._solo
        if task.attempt:
            return self._alone
        return self._fresh

    def _is_solo(self, task: Task) -> bool:
        most = self._rules.max_interruptions
        interrupted = 0 < most <= task.interruptions
        _, times = self._crowded.get(task.document, (0, 0))
        return interrupted or times >= MOST_CROWDED or task.previous_reason is Reason.MEMORY

    def _may_retry(self, outcome: Outcome) -> bool:
        attempt = outcome.task.attempt
        match outcome.reason:
            case Reason.CRASH | Reason.EXIT | Reason.MEMORY | Reason.INPUT_CHANGED:
                return attempt < LAST_ATTEMPT
            case Reason.ERROR:
                return attempt < self._rules.retries
        return False
