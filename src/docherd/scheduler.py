"""What may start, and what a finished attempt means. Pure: no clock, no process, no file.

    offer(tasks)        Documents in walk order
    next(in_hand)  ─►   a Grant, or None: nothing may start now
    settle(outcome) ─►  FINAL, or AGAIN (deferred to the end) or BACK (comes again soon)

Order: the walk's. In a run what has to be tried again comes last, so that ten thousand crashes do
not drain the pool ten thousand times; in a stream first, because somebody waits for it. After a
crash or an exit: alone on a fresh worker, while others go on. After a memory kill or the last
allowed interruption: solo, nothing else in hand and the whole budget.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

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

    workers: int
    #: memory of all workers together
    memory: int
    #: seconds per Document, and on top for each megabyte of it
    timeout: float
    timeout_per_mb: float
    #: further attempts after an `error`
    retries: int = 0
    #: stop when more than this many have failed; None never stops
    max_failures: int | None = None
    #: engine deaths a Document may be in hand at; 0 counts none
    max_interruptions: int = 3


def is_brief(took: Took) -> bool:
    """True where a Document that takes so long may travel with others."""
    mean, deviation = took
    return mean + 2 * deviation < BRIEF


class Scheduler:
    """The queue of one start."""

    def __init__(
        self,
        rules: Rules,
        took: Callable[[str], Took | None] = lambda stratum: None,
        *,
        retries_first: bool = False,
    ) -> None:
        """``took``: what Documents of a stratum have taken so far, None where unknown.

        ``retries_first``: what has to be tried again goes before all others, not behind them.
        """
        self._rules = rules
        self._retries_first = retries_first
        self._took = took
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
            self._queue_for(outcome.task).appendleft(outcome.task)
            return Verdict.BACK
        self._singly.discard(outcome.task.document)
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
        return len(self._fresh)

    @property
    def deferred(self) -> int:
        """Tasks kept for the end."""
        return len(self._alone) + len(self._solo)

    def next(self, in_hand: int, retry: bool) -> Grant | None:
        """The next grant; ``in_hand`` grants are out, ``retry``: what was deferred may start."""
        if self._solo_in_hand:
            return None
        if self._fresh and not (retry and self._retries_first and self.deferred):
            return self._grant(self._batch(), self._rules.memory // self._rules.workers)
        return self._again(in_hand) if retry else None

    def _again(self, in_hand: int) -> Grant | None:
        """A retry; one that must be solo waits until nothing is in hand."""
        if self._alone:
            share = self._rules.memory // self._rules.workers
            return self._grant([self._alone.popleft()], share, fresh=True)
        if self._solo and not in_hand:
            self._solo_in_hand = True
            return self._grant([self._solo.popleft()], self._rules.memory, fresh=True)
        return None

    def take_back(self, grant: Grant) -> None:
        """The pool had no worker for it after all."""
        for task in reversed(grant.tasks):
            self._solo_in_hand = False if self._is_solo(task) else self._solo_in_hand
            self._queue_for(task).appendleft(task)

    def _batch(self) -> list[Task]:
        """The next task, and brief ones behind it; all others travel singly, so that their peak
        memory is exact; and what came back, so that whatever it left behind is on its own account.
        """
        fresh, batch = self._fresh, list[Task]()
        # A share of what waits, so that no worker is idle at the end.
        most = min(BATCH_TASKS, 1 + (len(fresh) - 1) // self._rules.workers)
        seconds = variance = 0.0
        size = 0
        each: dict[str, Took] = {}
        while fresh and len(batch) < most:
            task = fresh[0]
            if task.document in self._singly:
                return batch or [fresh.popleft()]
            if task.stratum not in each:
                took = self._took(task.stratum)
                each[task.stratum] = took if took and is_brief(took) else _NOT_BRIEF
            mean, deviation = each[task.stratum]
            seconds, variance = seconds + mean, variance + deviation * deviation
            size += len(task.name)
            late = seconds + 2 * math.sqrt(variance)
            if batch and (late > BATCH_SECONDS or size > BATCH_BYTES):
                break
            batch.append(fresh.popleft())
        return batch

    def _grant(self, tasks: list[Task], memory: int, *, fresh: bool = False) -> Grant:
        rules = self._rules
        seconds = (rules.timeout + rules.timeout_per_mb * task.size / 1e6 for task in tasks)
        return Grant(tuple(tasks), tuple(seconds), memory, fresh)

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
        return interrupted or task.previous_reason is Reason.MEMORY

    def _may_retry(self, outcome: Outcome) -> bool:
        attempt = outcome.task.attempt
        match outcome.reason:
            case Reason.CRASH | Reason.EXIT | Reason.MEMORY | Reason.INPUT_CHANGED:
                return attempt < LAST_ATTEMPT
            case Reason.ERROR:
                return attempt < self._rules.retries
        return False
