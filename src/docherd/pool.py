"""The parent's side of the workers: give, watch, time out, kill, blame, replace.

One thread, one private socket a worker, no lock and no queue that a dying worker could hold.
Three calls are the whole interface (``give``, ``outcomes``, ``close``), so that a remote node
could answer them too; the others tell the engine when to call them.

    give(grant)        ─► tasks to one idle worker; its slot remembers them on disk
    outcomes(timeout)  ─► reads replies, looks at clocks and memory, buries the dead
                          (an Outcome that is `pending` without a reason comes back untouched)
    close()            ─► every process of the run has ended when it returns

Of a dead worker exactly one Document is blamed: the one its slot says was in hand.
"""

from __future__ import annotations

import json
import os
import selectors
import signal
import time
from collections.abc import Iterator
from pathlib import Path

from docherd import host, replies, scratch
from docherd.admission import LOOK_MIN
from docherd.bell import Bell
from docherd.budget import Budget
from docherd.child import FAREWELL, Child
from docherd.crew import Crew
from docherd.exceptions import EnvironmentFault, ProcessorError
from docherd.model import Busy, Grant, Outcome, Reason, Status
from docherd.pressure import Kills, Watch
from docherd.sentinel import Sentinel
from docherd.setup import Setup
from docherd.wire import Json, batch_to_wire

#: seconds a worker may take to load its processor, and failures in a row before the run stops
START_LIMIT, START_TRIES = 60.0, 3
#: a worker that holds more than this times what it held after its first grant, and this many
#: bytes on top, leaks: it is replaced
LEAK_FACTOR, LEAK_BYTES = 1.5, 64 << 20
#: a worker is replaced after this many tasks or bytes of spool
RETIRE_TASKS, RETIRE_SPOOL = 100_000, 4 << 30
#: seconds between looks at all workers
LOOK_EVERY = 0.02
#: a gap between two looks longer than this means that the engine, not the workers, stood still
SUSPENDED = 0.5
#: seconds until a process that was told or made to end is killed again, and until it is given up
PATIENCE, UNKILLABLE = 1.0, 10.0
#: most seconds spent on ending what a dead worker has started
SWEEP = 5.0


class Pool:
    """The workers of one run."""

    def __init__(
        self, setup: Setup, folder: Path, epoch: int = 0, *, private: bool = False
    ) -> None:
        """``folder`` keeps the slots, where the next start looks for what was in hand; a
        ``private`` one is removed by the sentinel, however we end.

        Raises EnvironmentFault where no process can be started.
        """
        self._setup = setup
        self._epoch = epoch
        asked = 0 if setup.memory_share else setup.memory
        self.budget = Budget(setup.memory, Watch(asked, setup.memory_share), Kills())
        self.crew = Crew(setup, folder, epoch, self.budget, self._welcome)
        self._children = self.crew.children
        self._failed_starts = 0
        self._ended: list[Outcome] = []
        self._looked = time.monotonic()
        self._selector = selectors.DefaultSelector()
        self._bell = Bell()
        self._selector.register(self._bell.fd, selectors.EVENT_READ, None)
        self._sentinel = Sentinel(self.crew.token, [folder] if private else [])
        self.fingerprint = setup.processor.fingerprint or ""
        self._keep_slots = not private
        #: slots of workers that died with a task in hand, to be removed once that is committed
        self.buried: list[Path] = []
        #: seconds the last worker took from its start until it had loaded the processor
        self.start_seconds = 0.0

    # ── the interface ────────────────────────────────────────────────────────────────────────

    def start(self) -> None:
        """Start the first worker and wait until it has loaded the processor.

        Raises ProcessorError where it cannot be loaded, EnvironmentFault where no worker starts.
        """
        while not self.crew.proven:
            if not self._children:
                self.crew.spawn()
            self.outcomes(LOOK_MIN)

    def give(self, grant: Grant) -> bool:
        """Send a grant to an idle worker; False where none is free (or fresh) yet."""
        child = self.crew.free_for(grant)
        if child is None:
            return False
        child.take(grant, self._epoch)
        self.budget.make_room(self._children.values())
        self._send(child, batch_to_wire(grant.tasks, child.spooled))
        return True

    def outcomes(self, timeout: float) -> list[Outcome]:
        """What ended within ``timeout`` seconds; returns at the first event.

        Raises EnvironmentFault when workers cannot start or cannot write their results.
        """
        ending = any(child.leaving for child in self._children.values())
        for key, events in self._selector.select(min(timeout, 0.005) if ending else timeout):
            child = self._children.get(key.data)
            if child is None:
                self._bell.still()
            elif key.fd == child.output:
                if not child.read_output():
                    self._selector.unregister(child.output)
            else:
                self._exchange(child, events)
        self._look_around()
        ended, self._ended = self._ended, []
        return ended

    def wake(self) -> None:
        """End a waiting ``outcomes``; safe from any thread and from signal handlers."""
        self._bell.ring()

    def dump_stacks(self) -> None:
        """Have every busy worker print its Python stack (faulthandler, on SIGQUIT)."""
        for child in self._children.values():
            if child.grant is not None and not child.leaving:
                os.kill(child.pid, signal.SIGQUIT)

    def printed(self) -> Iterator[tuple[int, str]]:
        """(pid, tail of what it printed) of every busy worker."""
        return ((c.pid, c.printed()) for c in self._children.values() if c.grant is not None)

    def kill_busy(self) -> None:
        """Stop everything in hand; the tasks come back untouched."""
        for child in self._children.values():
            if child.grant and not child.leaving:
                child.kill()

    def close(self) -> None:
        """End every process of the run, and what those started; idempotent."""
        for child in self._children.values():
            if child.ready and child.grant is None:
                child.hang_up()
            else:
                child.kill()
        started = time.monotonic()
        while self._children and time.monotonic() - started < UNKILLABLE:
            late = time.monotonic() - started > PATIENCE
            for child in list(self._children.values()):
                if late:
                    child.kill()
                if child.reap():
                    self._forget(child)
            time.sleep(0.002)
        for child in list(self._children.values()):  # they cannot be killed
            self._forget(child)
        self._bell.close()
        self._selector.close()
        self._sentinel.close()

    @property
    def room(self) -> int:
        """Bytes of the budget that one more grant may reserve."""
        return self.budget.room(self._children.values())

    @property
    def memory(self) -> int:
        """Bytes in use by the workers, as last seen."""
        return sum(child.memory for child in self._children.values())

    def in_hand(self) -> Iterator[Busy]:
        """What each busy worker is on."""
        now = time.monotonic()
        return (busy for child in self._children.values() if (busy := child.busy(now)))

    # ── traffic ──────────────────────────────────────────────────────────────────────────────

    def _welcome(self, child: Child) -> None:
        self._selector.register(child.output, selectors.EVENT_READ, child.number)
        self._selector.register(child.sock, selectors.EVENT_READ, child.number)
        self._send(child, self._setup.message())

    def _send(self, child: Child, message: bytes) -> None:
        child.send(message)
        self._mind(child)

    def _mind(self, child: Child) -> None:
        """Wait for the socket to be writable too while something is left to send."""
        if child.sock.fileno() >= 0:
            write = selectors.EVENT_WRITE if child.flush() else 0
            self._selector.modify(child.sock, selectors.EVENT_READ | write, child.number)

    def _exchange(self, child: Child, events: int) -> None:
        if events & selectors.EVENT_WRITE:
            self._mind(child)
        if events & selectors.EVENT_READ:
            self._receive(child)

    def _receive(self, child: Child) -> None:
        open_ = child.receive()
        try:
            for index, body in child.messages():
                self._accept(child, index, body)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            child.kill((Reason.CRASH, f"broke the protocol: {error}"))
            open_ = False  # nothing that comes after it counts
        if not open_:
            self._selector.unregister(child.sock)
            child.sock.close()
            child.leaving = child.leaving or time.monotonic()

    def _accept(self, child: Child, index: bytes, body: bytes) -> None:
        """Take one message; anything but the agreed shape raises and is a broken protocol."""
        message = json.loads(index)
        if child.ready or child.grant is not None:
            self._take_replies(child, message, body)
        else:
            self._take_handshake(child, message)

    def _take_handshake(self, child: Child, message: dict[str, Json]) -> None:
        try:
            fingerprint = replies.handshake(message, self._setup.processor.name)
        except ProcessorError as error:
            if not self.crew.proven:
                raise
            child.kill((Reason.ERROR, str(error)))  # it loaded before: the machine has changed
            return
        self.fingerprint = self.fingerprint or fingerprint
        child.ready = self.crew.proven = True
        self.budget.weigh(child, self._setup.processor.name)
        self.start_seconds = time.monotonic() - child.born

    def _take_replies(self, child: Child, message: dict[str, Json], body: bytes) -> None:
        for outcome in replies.outcomes(child, message, body, self._setup.max_output):
            self._ended.append(outcome)
        self._failed_starts = 0
        if child.grant is not None and child.answered == len(child.grant.tasks):
            self._release(child)
        elif child.tired:
            child.hang_up()  # what it has not answered comes back untouched

    def _release(self, child: Child) -> None:
        """The grant is answered: the worker is idle, or has served long enough."""
        child.grant = None
        child.slot.idle()
        child.held_first = child.held_first or child.memory
        leaks = child.memory > LEAK_FACTOR * child.held_first + LEAK_BYTES
        if leaks or child.tired or child.served >= RETIRE_TASKS or child.spooled > RETIRE_SPOOL:
            child.hang_up()

    # ── watching ─────────────────────────────────────────────────────────────────────────────

    def _look_around(self) -> None:
        now = time.monotonic()
        gap = now - self._looked
        if gap < LOOK_EVERY and not any(child.leaving for child in self._children.values()):
            return
        self._looked = now
        for child in list(self._children.values()):
            if gap > SUSPENDED:  # a suspended laptop, a stopped engine: nobody's time has run out
                child.excuse(gap - LOOK_MIN)  # a slow engine must still see a hang
            if child.leaving or child.reap():  # it may die while a grandchild keeps its socket open
                self._bury_if_ended(child, now)
            elif child.grant is not None:
                child.cut_if_overdue(START_LIMIT, self._setup.stall, now)
            elif child.starting and now - child.born > START_LIMIT:
                child.kill((Reason.TIMEOUT, f"not ready after {START_LIMIT:.0f} s"))
        self.budget.look(self._children.values(), now)

    # ── ending ───────────────────────────────────────────────────────────────────────────────

    def _bury_if_ended(self, child: Child, now: float) -> None:
        waited = now - child.leaving
        if child.reap():
            self._bury(child)
        elif (
            child.sock.fileno() < 0 and waited > FAREWELL and not (child.verdict or child.dismissed)
        ):
            child.kill((Reason.CRASH, "broke the protocol: closed its socket and stayed"))
        elif waited > UNKILLABLE:
            child.verdict = (Reason.TIMEOUT, f"process {child.pid} cannot be killed")
            self._bury(child)
        elif waited > PATIENCE and child.dismissed:
            child.kill()  # it was told to go, and stays

    def _bury(self, child: Child) -> None:
        """Take what it still sent, blame the one in hand, hand back the others, clean up."""
        if child.sock.fileno() >= 0 and not child.leaving:
            self._receive(child)
        grant, child.grant = child.grant, None
        if grant is not None:
            self.budget.blame_kernel(child)
            self._blame(child, grant)
            if self._keep_slots and not child.dismissed:
                self.buried.append(child.keep_slot())
        elif child.verdict or not (child.ready or child.dismissed):
            self._count_failed_start(child)
        mark = f"{self.crew.token}.{child.number}"
        host.sweep(f"{mark}\0", 1, SWEEP if child.reap() else 0)
        scratch.remove(f"{mark}-")
        self._forget(child)

    def _blame(self, child: Child, grant: Grant) -> None:
        index = child.slot.hand().place
        blamed = not child.dismissed and child.answered <= index < len(grant.tasks)
        for position in range(child.answered, len(grant.tasks)):
            task = grant.tasks[position]
            guilty = blamed and position == index
            self._ended.append(child.obituary(task) if guilty else Outcome(task, Status.PENDING))
        if not blamed and not child.dismissed:  # it died before it took the first: try elsewhere
            self._count_failed_start(child)

    def _count_failed_start(self, child: Child) -> None:
        self._failed_starts += 1
        if self._failed_starts >= START_TRIES:
            printed = child.printed()
            raise EnvironmentFault(
                f"workers with {self._setup.processor.name} cannot start, {START_TRIES} in a row:"
                f" {child.cause()[1]}" + (f"\n{printed}" if printed else "")
            )

    def _forget(self, child: Child) -> None:
        for end in (child.sock, child.output):
            try:
                self._selector.unregister(end)
            except (KeyError, ValueError):
                pass  # it was unregistered when it ended
        child.close()
        del self._children[child.number]
