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
import secrets
import selectors
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from docherd import host
from docherd.child import FAREWELL, Child, Sentinel
from docherd.exceptions import EnvironmentFault, ProcessorError
from docherd.model import Busy, Grant, Outcome, Reason, Spooled, Status, Task
from docherd.processors import Processor
from docherd.worker import Json, clean, frame, task_to_wire

#: seconds a worker may take to load its processor, and failures in a row before the run stops
START_LIMIT, START_TRIES = 60.0, 3
#: a look at memory comes after headroom / this many bytes a second, within these seconds
GROWTH, LOOK_MIN, LOOK_MAX = 1_000_000_000, 0.05, 0.5
#: a worker that holds more than this times what it held after its first grant, and this many
#: bytes on top, leaks: it is replaced
LEAK_FACTOR, LEAK_BYTES = 1.5, 64 << 20
#: a worker is replaced after this many tasks or bytes of spool
RETIRE_TASKS, RETIRE_SPOOL = 100_000, 4 << 30
#: seconds between looks at all workers
LOOK_EVERY = 0.02
#: a gap between two looks longer than this means that the engine, not the workers, stood still
SUSPENDED = 5.0
#: seconds until a process that was told or made to end is killed again, and until it is given up
PATIENCE, UNKILLABLE = 1.0, 10.0


@dataclass(frozen=True, slots=True)
class Setup:
    """What every worker of a pool gets: the same for its whole life."""

    processor: Processor
    #: workers at work at the same time
    size: int
    max_output: int
    max_input: int
    passwords: tuple[str, ...] = ()
    #: added to the priority of each worker, 0 to 19
    nice: int = 0
    #: warm workers beyond those, that hide the start-up
    spares: int = 1


class Pool:
    """The workers of one run."""

    def __init__(self, setup: Setup, folder: Path, epoch: int = 0) -> None:
        """``folder`` keeps the slots, where the next start looks for what was in hand.

        Raises EnvironmentFault where no process can be started.
        """
        self._setup = setup
        self._folder = folder
        self._epoch = epoch
        self._token = secrets.token_hex(8)
        self._environment = self._make_environment()
        self._children: dict[int, Child] = {}
        self._numbers = 0
        self._failed_starts = 0
        self._ended: list[Outcome] = []
        self._looked = time.monotonic()
        self._selector = selectors.DefaultSelector()
        self._wake_read, self._wake_write = os.pipe()
        for fd in (self._wake_read, self._wake_write):
            os.set_blocking(fd, False)
        self._selector.register(self._wake_read, selectors.EVENT_READ, None)
        self._sentinel = Sentinel(self._token)
        self._proven = False
        #: the processor's, known once a worker is ready
        self.fingerprint = setup.processor.fingerprint or ""
        #: most bytes in use by all workers together
        self.peak = 0

    # ── the interface ────────────────────────────────────────────────────────────────────────

    def start(self) -> None:
        """Start the first worker and wait until it has loaded the processor.

        Raises ProcessorError where it cannot be loaded, EnvironmentFault where no worker starts.
        """
        while not self._proven:
            if not self._children:
                self._spawn()
            self.outcomes(LOOK_MIN)

    def grow(self, waiting: int) -> None:
        """Have as many workers as ``waiting`` tasks can use, and the spares."""
        live = sum(not child.leaving for child in self._children.values())
        wanted = min(self._setup.size, self.busy + waiting)
        wanted += self._setup.spares if wanted else 0
        for _ in range(wanted - live):
            self._spawn()

    def has_room(self) -> bool:
        """True where ``give`` would find an idle worker now."""
        return self.busy < self._setup.size and any(c.idle for c in self._children.values())

    def give(self, grant: Grant) -> bool:
        """Send a grant to an idle worker; False where none is free (or fresh) yet."""
        child = self._idle_for(grant)
        if child is None:
            return False
        child.slot.hold(self._epoch, [task.document for task in grant.tasks])
        now = time.monotonic()
        child.grant, child.given, child.answered = grant, now, 0
        child.pause, child.peak, child.look = 0.0, 0, now + LOOK_MIN
        child.forget_output()
        tasks = cast("Json", [task_to_wire(task) for task in grant.tasks])
        self._send(child, frame({"tasks": tasks, "spool": child.spooled}))
        return True

    def outcomes(self, timeout: float) -> list[Outcome]:
        """What ended within ``timeout`` seconds; returns at the first event.

        Raises EnvironmentFault when workers cannot start or cannot write their results.
        """
        ending = any(child.leaving for child in self._children.values())
        for key, events in self._selector.select(min(timeout, 0.005) if ending else timeout):
            child = self._children.get(key.data)
            if child is None:
                self._drain_wakes()
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
        if self._wake_write >= 0:
            try:
                os.write(self._wake_write, b"!")
            except OSError:
                pass  # full: it will wake anyhow

    def dump_stacks(self) -> None:
        """Have every busy worker print its Python stack (faulthandler, on SIGQUIT)."""
        for child in self._children.values():
            if child.grant is not None and not child.leaving:
                os.kill(child.pid, signal.SIGQUIT)

    def printed(self) -> Iterator[tuple[int, str]]:
        """(pid, tail of what it printed) of every busy worker."""
        for child in self._children.values():
            if child.grant is not None:
                yield child.pid, child.printed()

    def kill_busy(self) -> None:
        """Stop everything in hand; the tasks come back untouched."""
        for child in self._children.values():
            if child.grant is not None and not child.leaving:
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
        if self._wake_write >= 0:
            write, self._wake_write = self._wake_write, -1
            os.close(write)
            os.close(self._wake_read)
            self._selector.close()
        self._sentinel.close()

    @property
    def busy(self) -> int:
        """Workers with something in hand."""
        return sum(child.grant is not None for child in self._children.values())

    @property
    def memory(self) -> int:
        """Bytes in use by the workers, as last seen."""
        return sum(child.memory for child in self._children.values())

    def in_hand(self) -> Iterator[Busy]:
        """What each busy worker is on."""
        now = time.monotonic()
        for child in self._children.values():
            index, since, _, page = child.slot.hand()
            if child.grant is not None and 0 <= index < len(child.grant.tasks):
                seconds = now - max(child.given, min(since, now))
                path = child.grant.tasks[index].path
                yield Busy(path, seconds, child.memory, page if page >= 0 else None)

    # ── starting ─────────────────────────────────────────────────────────────────────────────

    def _make_environment(self) -> dict[str, str]:
        """The user's environment, and as many threads a worker as there are cores for it."""
        threads = str(max(1, host.cores() // self._setup.size))
        ours = dict.fromkeys(host.THREAD_VARIABLES, threads) | {"MALLOC_ARENA_MAX": "2"}
        return ours | dict(os.environ)

    def _spawn(self) -> None:
        self._numbers += 1
        mark = {host.MARK: f"{self._token}.{self._numbers}"}
        child = Child(self._numbers, self._folder, self._epoch, self._environment | mark)
        self._children[child.number] = child
        self._selector.register(child.output, selectors.EVENT_READ, child.number)
        self._selector.register(child.sock, selectors.EVENT_READ, child.number)
        self._send(child, self._init())

    def _init(self) -> bytes:
        setup = self._setup
        here = os.getcwd()  # noqa: PTH109
        path = [entry or here for entry in sys.path]
        if setup.processor.importable and not setup.processor.builtin:
            path.append(here)  # last: what lies there never shadows a library
        return frame(
            {
                "sys_path": cast("Json", path),
                "processor": setup.processor.name,
                "passwords": list(setup.passwords),
                "nice": setup.nice,
                "max_output": setup.max_output,
                "max_input": setup.max_input,
            },
            setup.processor.payload,
        )

    def _idle_for(self, grant: Grant) -> Child | None:
        if self.busy >= self._setup.size:
            return None
        idle = [child for child in self._children.values() if child.idle]
        if not grant.fresh:  # used ones first: a fresh one is what a retry will want
            return max(idle, key=lambda child: child.served, default=None)
        fresh = next((child for child in idle if not child.served), None)
        if fresh is None and idle and not any(c.starting for c in self._children.values()):
            idle[0].hang_up()
            self._spawn()
        return fresh

    # ── traffic ──────────────────────────────────────────────────────────────────────────────

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
        if "refused" not in message:
            self.fingerprint = self.fingerprint or str(message["fingerprint"])
            child.ready = self._proven = True
            return
        detail = f"\n{str(message['detail']).rstrip()}" if message["detail"] else ""
        why = f"cannot load {self._setup.processor.name}: {message['refused']}{detail}"
        if not self._proven:
            raise ProcessorError(why)
        child.kill((Reason.ERROR, why))  # it loaded before: the machine has changed, not the name

    def _take_replies(self, child: Child, message: dict[str, Json], body: bytes) -> None:
        if (grant := child.grant) is None:
            raise ValueError("a reply to nothing")
        child.memory = _natural(message["held"])
        child.peak = max(_natural(message["peak"]), child.peak)
        at = 0
        for reply in cast("list[dict[str, Json]]", message["replies"]):
            if reply["i"] != child.answered:  # ours to count, not the worker's
                raise ValueError("a reply out of turn")
            outcome = self._outcome(child, grant.tasks[child.answered], reply, body[at:])
            at += len(outcome.lines) if isinstance(outcome.lines, bytes) else 0
            child.answered += 1
            child.served += 1
            self._ended.append(outcome)
        self._failed_starts = 0
        if child.answered == len(grant.tasks):
            self._release(child)

    def _outcome(self, child: Child, task: Task, reply: dict[str, Json], body: bytes) -> Outcome:
        """One reply as an Outcome; its lines are the beginning of the body, or in the spool."""
        if "fault" in reply:
            raise EnvironmentFault(
                f"cannot write results: {reply['fault']}; free some space, then run it again"
            )
        seconds = _seconds(reply["seconds"], time.monotonic() - child.given)
        kind = _text(reply["kind"], 64)
        if reply["status"] == Status.DONE:
            lines, length = self._lines(child, reply, body)
            return Outcome(
                task,
                Status.DONE,
                seconds=seconds,
                peak=child.peak,
                kind=kind,
                records=_natural(reply["records"]),
                length=length,
                crc=_natural(reply["crc"]),
                lines=lines,
            )
        reason = Reason(cast("str", reply["reason"]))
        return Outcome(
            task,
            Status.SKIPPED if reason.skips else Status.FAILED,
            reason,
            seconds=seconds,
            peak=child.peak,
            kind=kind,
            message=_text(reply["message"], 5000),
            detail=None if reason.skips else _detail(child, _text(reply["detail"], 9000)),
        )

    def _lines(
        self, child: Child, reply: dict[str, Json], body: bytes
    ) -> tuple[bytes | Spooled, int]:
        length = _natural(reply["length"])
        if length > self._setup.max_output:
            raise ValueError("more output than allowed")
        if reply["spool"] is not None:
            return child.spooled_range(_natural(reply["spool"]), length), length
        if len(body) < length:
            raise ValueError("a short body")
        return body[:length], length

    def _release(self, child: Child) -> None:
        """The grant is answered: the worker is idle, or has served long enough."""
        child.grant = None
        child.slot.idle()
        child.held_first = child.held_first or child.memory
        leaks = child.memory > LEAK_FACTOR * child.held_first + LEAK_BYTES
        if leaks or child.served >= RETIRE_TASKS or child.spooled > RETIRE_SPOOL:
            child.hang_up()

    # ── watching ─────────────────────────────────────────────────────────────────────────────

    def _drain_wakes(self) -> None:
        try:
            while os.read(self._wake_read, 4096):
                pass
        except BlockingIOError:
            pass

    def _look_around(self) -> None:
        now = time.monotonic()
        gap = now - self._looked
        if gap < LOOK_EVERY and not any(child.leaving for child in self._children.values()):
            return
        self._looked = now
        for child in list(self._children.values()):
            if gap > SUSPENDED:  # a suspended laptop, a stopped engine: nobody's time has run out
                child.pause += gap
                child.born += gap
            if child.leaving or child.reap():  # it may die while a grandchild keeps its socket open
                self._bury_if_ended(child, now)
            elif child.grant is not None:
                self._watch(child, child.grant, now)
            elif child.starting and now - child.born > START_LIMIT:
                child.kill((Reason.TIMEOUT, f"not ready after {START_LIMIT:.0f} s"))
        self.peak = max(self.peak, self.memory)

    def _watch(self, child: Child, grant: Grant, now: float) -> None:
        """Deadline and memory of what is in hand."""
        index, since, _, _ = child.slot.hand()
        held = now - child.given - child.pause
        if 0 <= index < len(grant.tasks):
            # A worker that lies about its start gains nothing: it has no longer than since the
            # grant, and all tasks together no longer than their sum.
            limit = grant.timeouts[index]
            taken = min(held, now - since - child.pause)
            if taken > limit or held > sum(grant.timeouts):
                child.kill((Reason.TIMEOUT, f"over its {limit:g} s"))
                return
        elif held > START_LIMIT + sum(grant.timeouts):
            child.kill((Reason.CRASH, "broke the protocol: took no task"))
            return
        if now >= child.look:
            self._look_at_memory(child, grant.memory, now)

    def _look_at_memory(self, child: Child, limit: int, now: float) -> None:
        child.memory = host.tree_memory(child.pid)
        child.peak = max(child.peak, child.memory)
        headroom = limit - child.memory
        if headroom < 0:
            used = f"{child.memory / 1e6:,.0f} MB used, limit {limit / 1e6:,.0f} MB"
            child.kill((Reason.MEMORY, used))
        child.look = now + min(LOOK_MAX, max(LOOK_MIN, headroom / GROWTH))

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
            self._blame(child, grant)
        elif child.verdict or not (child.ready or child.dismissed):
            self._count_failed_start(child)
        host.kill_marked(f"{self._token}.{child.number}\0")
        self._forget(child)

    def _blame(self, child: Child, grant: Grant) -> None:
        index = child.slot.hand()[0]
        blamed = not child.dismissed and child.answered <= index < len(grant.tasks)
        for position in range(child.answered, len(grant.tasks)):
            task = grant.tasks[position]
            guilty = blamed and position == index
            self._ended.append(
                self._obituary(child, task) if guilty else Outcome(task, Status.PENDING)
            )
        if not blamed and not child.dismissed:  # it died before it took the first: try elsewhere
            self._count_failed_start(child)

    def _obituary(self, child: Child, task: Task) -> Outcome:
        reason, message = _verdict(child)
        since = max(child.given, child.slot.hand()[1])
        return Outcome(
            task,
            Status.FAILED,
            reason,
            seconds=max(0.0, time.monotonic() - since),
            peak=max(child.peak, child.memory),
            message=message,
            detail=_detail(child, None),
        )

    def _count_failed_start(self, child: Child) -> None:
        self._failed_starts += 1
        if self._failed_starts >= START_TRIES:
            printed = child.printed()
            raise EnvironmentFault(
                f"workers cannot start, {START_TRIES} in a row: {_verdict(child)[1]}"
                + (f"\n{printed}" if printed else "")
            )

    def _forget(self, child: Child) -> None:
        for end in (child.sock, child.output):
            try:
                self._selector.unregister(end)
            except (KeyError, ValueError):
                pass  # it ended before, and was unregistered then
        child.close()
        del self._children[child.number]


def _verdict(child: Child) -> tuple[Reason, str]:
    """Why a worker with something in hand is dead."""
    if child.verdict is not None:
        return child.verdict
    code = child.ended or 0
    if code >= 0:
        return Reason.EXIT, f"the process left with code {code} and without a result"
    name = signal.Signals(-code).name if -code in signal.valid_signals() else f"signal {-code}"
    outside = " from outside (the kernel's OOM killer, or somebody)" if code == -9 else ""
    return Reason.CRASH, f"killed by {name}{outside}"


def _detail(child: Child, trace: str | None) -> str | None:
    """Traceback, page, and the tail of what was printed."""
    page, printed = child.slot.hand()[3], child.printed()
    parts = (
        (trace or "").rstrip(),
        f"at page {page}" if page >= 0 else "",
        f"printed:\n{printed}" if printed else "",
    )
    return "\n".join(part for part in parts if part) or None


def _natural(value: Json) -> int:
    """A count or size from a worker: an integer that is not negative, or ValueError."""
    if not isinstance(value, int) or not 0 <= value < 1 << 62:
        raise ValueError("not a size")
    return value


def _seconds(value: Json, most: float) -> float:
    """A time from a worker, no longer than the engine has waited, or ValueError."""
    if not isinstance(value, int | float) or not value >= 0:  # not: <, for NaN
        raise ValueError("not a time")
    return min(value, most)


def _text(value: Json, limit: int) -> str | None:
    """Text from a worker, cut and made Unicode, or ValueError."""
    if value is None:
        return None
    if not isinstance(value, str):
        raise ValueError("not text")
    return clean(value[:limit])
