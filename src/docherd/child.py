"""One worker as its parent sees it: a process, a socket, an output pipe, a slot and a spool.

Here a process is started, spoken to and ended; what it may do and whom to blame is the pool's.
This is the one place where a worker starts.
"""

from __future__ import annotations

import os
import signal
import socket
import time
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import cast

from docherd import host, spawn
from docherd.admission import Claim
from docherd.exceptions import EnvironmentFault
from docherd.model import Busy, Grant, Outcome, Reason, Spool, Spooled, Status, Task
from docherd.pulse import Pulse
from docherd.sinks.jsonl import write_all
from docherd.slots import new_file, slot_name
from docherd.wire import BODY_LIMIT, HEADER, INDEX_LIMIT, SLOT, SOCKET, SPOOL, Slot, clean

#: bytes kept of what a worker printed, and how many of them go into a failure's detail
RING, TAIL = 64 << 10, 8 << 10
#: bytes read from a socket at once, and how often in a turn, so that a flood delays only itself
READ, READS = 256 << 10, 8
#: seconds a grant may take to reach its worker, and one whose socket has closed may take to end
DELIVERY, FAREWELL = 0.5, 1.0


class Child:
    """One worker process. Attributes are the pool's notes about it."""

    def __init__(
        self, number: int, folder: Path, epoch: int, environment: Mapping[str, str]
    ) -> None:
        """Start it; raises EnvironmentFault where the system has no process or file for us."""
        self.number = number
        self.born = time.monotonic()
        self.ready = False
        #: what is in hand, since when, how many of its tasks are answered
        self.grant: Grant | None = None
        self.given = 0.0
        self.answered = 0
        #: seconds that the engine itself stood still since
        self.pause = 0.0
        self.pulse = Pulse()
        #: bytes held by it and its children, as seen last, and most for this grant
        self.memory = 0
        self.peak = 0
        #: bytes held after its first grant, tasks answered, bytes of spool used in its life
        self.held_first = 0
        self.served = 0
        self.spooled = 0
        #: when it was seen to end, or told to; True where that was our wish and nobody's fault
        self.leaving = 0.0
        self.dismissed = False
        #: True where it says itself that it should serve nobody any more
        self.tired = False
        #: why it was killed; its exit code once it has ended
        self.verdict: tuple[Reason, str] | None = None
        #: True where the verdict is nobody's fault, but more was in hand than fits
        self.crowded = False
        self.ended: int | None = None
        self._slot_file: Path | None = folder / slot_name(epoch, number)
        self._incoming = bytearray()
        self._piece = bytearray(READ)
        self._outgoing = bytearray()
        self._printed: deque[bytes] = deque()
        self._printed_size = 0
        try:
            self._start(folder, environment)
        except OSError as error:
            raise EnvironmentFault(
                f"cannot start a worker: {error.strerror}; nothing is lost, resume it when this is"
                " mended"
            ) from error

    @property
    def idle(self) -> bool:
        return self.ready and self.grant is None and not self.leaving

    @property
    def starting(self) -> bool:
        return not self.ready and not self.leaving

    # ── start ────────────────────────────────────────────────────────────────────────────────

    def _start(self, folder: Path, environment: Mapping[str, str]) -> None:
        with ExitStack() as theirs, ExitStack() as ours:
            self.sock, sock = socket.socketpair()
            ours.callback(self.sock.close)
            theirs.callback(sock.close)
            self.output, output = os.pipe()
            ours.callback(os.close, self.output)
            theirs.callback(os.close, output)
            slot = new_file(cast("Path", self._slot_file))
            theirs.callback(os.close, slot)
            # Written, not truncated to size: on a full disk that is an error here, and not a
            # SIGBUS at the first touch of the mapping.
            write_all(slot, bytes(Slot.SIZE), 0)
            self.slot = Slot(slot)
            ours.callback(self.slot.close)
            self.slot.idle()
            self.spool = Spool(_nameless(folder / f"spool-{self.number:06d}"))
            files = {0: spawn.NOTHING, 1: output, 2: output}
            files |= {SOCKET: sock.fileno(), SLOT: slot, SPOOL: self.spool.fd}
            self.pid = spawn.python("docherd.worker", (), files, environment)
            ours.pop_all()
        self.sock.setblocking(False)
        os.set_blocking(self.output, False)

    # ── speak ────────────────────────────────────────────────────────────────────────────────

    def send(self, message: bytes) -> None:
        self._outgoing += message
        self.flush()

    def flush(self) -> bool:
        """Send what can be sent now; True while something is left."""
        try:
            while self._outgoing:
                del self._outgoing[: self.sock.send(self._outgoing)]
        except BlockingIOError:
            pass  # goes on when the socket can be written
        except OSError:
            self._outgoing.clear()  # it died: the socket's end tells
        return bool(self._outgoing)

    def receive(self) -> bool:
        """Read what has arrived, a few MB at most; False once the socket has ended."""
        try:
            for _ in range(READS):
                count = self.sock.recv_into(self._piece)
                self._incoming += memoryview(self._piece)[:count]
                if count < READ // 4:
                    return bool(count)
        except BlockingIOError:
            pass
        except OSError:
            return False  # reset: as good as closed
        return True

    def messages(self) -> Iterator[tuple[bytes, bytes]]:
        """The complete frames received: (index, body). ValueError where a header lies."""
        buffer = self._incoming
        while len(buffer) >= HEADER.size:
            index, body = HEADER.unpack_from(buffer)
            if index > INDEX_LIMIT or body > BODY_LIMIT:
                raise ValueError("a frame that promises too much")
            start, end = HEADER.size + index, HEADER.size + index + body
            if len(buffer) < end:
                return
            with memoryview(buffer) as view:
                found = bytes(view[HEADER.size : start]), bytes(view[start:end])
            del buffer[:end]
            yield found

    def spooled_range(self, offset: int, length: int) -> Spooled:
        """A range of the spool, which stays open for as long as somebody holds it."""
        if offset != self.spooled or os.fstat(self.spool.fd).st_size < offset + length:
            raise ValueError("a range that is not in the spool")
        self.spooled = offset + length
        return Spooled(self.spool, offset)

    # ── listen ───────────────────────────────────────────────────────────────────────────────

    def read_output(self) -> bool:
        """Keep the end of what it prints; one read a turn, so that a flood delays only itself.

        False once the pipe has ended.
        """
        if self.output < 0:
            return False
        try:
            chunk = os.read(self.output, RING)
        except BlockingIOError:
            return True
        self._printed.append(chunk)
        self._printed_size += len(chunk)
        while self._printed_size - len(self._printed[0]) >= RING:
            self._printed_size -= len(self._printed.popleft())
        return bool(chunk)

    def forget_output(self) -> None:
        self._printed.clear()
        self._printed_size = 0

    def printed(self) -> str:
        """The tail of what it printed since the grant."""
        self.read_output()
        return clean(b"".join(self._printed)[-TAIL:].decode("utf-8", "replace")).strip()

    # ── work ─────────────────────────────────────────────────────────────────────────────────

    def take(self, grant: Grant, epoch: int) -> None:
        """Note what it is about to be sent, on disk too."""
        self.slot.hold(epoch, [task.document for task in grant.tasks])
        now = time.monotonic()
        self.grant, self.given, self.answered = grant, now, 0
        self.pause, self.peak = 0.0, 0
        self.pulse = Pulse()
        self.forget_output()

    def busy(self, now: float) -> Busy | None:
        """What it is on; None where that is nothing."""
        hand = self.slot.hand()
        if self.grant is None or not 0 <= hand.place < len(self.grant.tasks):
            return None
        task = self.grant.tasks[hand.place]
        seconds = now - max(self.given, min(hand.since, now))
        return Busy(
            task.path,
            seconds,
            self.memory,
            hand.page if hand.page >= 0 else None,
            hand.pages if hand.pages >= max(1, hand.page) else None,
            task.stratum,
            min(seconds, now - min(hand.beat, now)),
        )

    # ── watch ────────────────────────────────────────────────────────────────────────────────

    def excuse(self, seconds: float) -> None:
        """So long the engine itself stood still."""
        self.pause += seconds
        self.born += seconds

    def cut_if_overdue(self, patience: float, stall: float, now: float) -> bool:
        """Kill it where its time is up; seconds: ``patience`` until it must have begun, ``stall``
        without a heartbeat.
        """
        if self.grant is None:
            return False
        verdict = self._overdue(self.grant, patience, now) or self._stalled(self.grant, stall, now)
        if verdict is None:
            return False
        # Half a message hides which of several tasks was the last one done: they come back.
        unclear = self._incoming and len(self.grant.tasks) - self.answered > 1
        self.kill(None if unclear else verdict)
        return True

    def _overdue(self, grant: Grant, patience: float, now: float) -> tuple[Reason, str] | None:
        index, since, *_ = self.slot.hand()
        held = now - self.given - self.pause
        if 0 <= index < len(grant.tasks):
            # Also the sum of all: a worker that lies about its start gains nothing.
            limit = grant.timeouts[index]
            taken = min(held, now - since - self.pause)
            if taken > limit or held > sum(grant.timeouts) + DELIVERY:
                return Reason.TIMEOUT, f"over its {limit:g} s"
        elif held > patience + sum(grant.timeouts):
            return Reason.CRASH, "broke the protocol: took no task"
        return None

    def _stalled(self, grant: Grant, stall: float, now: float) -> tuple[Reason, str] | None:
        index, since, beat, page, _ = self.slot.hand()
        if not 0 <= index < len(grant.tasks):
            return None
        awake = now - self.pause
        self.pulse = self.pulse.felt(index, since, beat, awake)
        if not (missed := self.pulse.missed(stall, awake)):
            return None
        last = f", the last at page {page}" if page >= 0 else ""
        return Reason.STALLED, f"no heartbeat for {round(missed, 1):g} s{last}"

    def look_at_memory(self) -> None:
        """See how many bytes its process tree holds."""
        self.memory = host.tree_memory(self.pid)
        self.peak = max(self.peak, self.memory)

    @property
    def claim(self) -> Claim:
        """What it holds, and what was reserved for it."""
        return Claim(self.number, self.grant.memory if self.grant else 0, self.memory)

    def crowd_out(self, verdict: tuple[Reason, str]) -> None:
        """Kill it since others need the memory: what it had in hand is tried again."""
        self.kill(verdict)
        self.crowded = True

    # ── end ──────────────────────────────────────────────────────────────────────────────────

    def hang_up(self) -> None:
        """Tell it to go: it ends by itself when it reads the end of its socket."""
        self.leaving = self.leaving or time.monotonic()
        self.dismissed = True
        try:
            self.sock.shutdown(socket.SHUT_WR)
        except OSError:
            pass  # it died at this very moment

    def kill(self, verdict: tuple[Reason, str] | None = None) -> None:
        """SIGKILL to it and its process group; it has ended when `reap` says so.

        Without a verdict nobody is to blame: what it had in hand comes back untouched.
        """
        self.leaving = self.leaving or time.monotonic()
        self.verdict = self.verdict or verdict
        self.dismissed = self.verdict is None
        for send in (os.killpg, os.kill):
            try:
                send(self.pid, signal.SIGKILL)
            except OSError:
                pass  # gone already

    def reap(self) -> bool:
        """True once the process has ended; its exit code is in ``ended``."""
        if self.ended is None:
            try:
                pid, status = os.waitpid(self.pid, os.WNOHANG)
            except ChildProcessError:  # reaped by somebody else in this process: code unknown
                pid, status = self.pid, 0
            if pid:
                self.ended = os.waitstatus_to_exitcode(status)
        return self.ended is not None

    def cause(self) -> tuple[Reason, str]:
        """Why it has ended, with something in hand."""
        if self.verdict is not None:
            return self.verdict
        code = self.ended or 0
        if code == os.EX_PROTOCOL:
            return Reason.CRASH, "broke the protocol: closed its socket"
        if code >= 0:
            return Reason.EXIT, f"the process left with code {code} and without a result"
        known = -code in signal.valid_signals()
        name = signal.Signals(-code).name if known else f"signal {-code}"
        outside = " from outside (the kernel's OOM killer, or somebody)" if code == -9 else ""
        return Reason.CRASH, f"killed by {name}{outside}"

    def detail(self, trace: str | None = None) -> str | None:
        """Traceback, page, and the tail of what was printed, for a failure."""
        page, printed = self.slot.hand().page, self.printed()
        parts = (
            (trace or "").rstrip(),
            f"at page {page}" if page >= 0 else "",
            f"printed:\n{printed}" if printed else "",
        )
        return "\n".join(part for part in parts if part) or None

    def obituary(self, task: Task) -> Outcome:
        """The Outcome of the task it died of."""
        reason, message = self.cause()
        if self.ended == -signal.SIGBUS and _has_shrunk(task):
            reason, message = Reason.INPUT_CHANGED, "the file was cut while it was read"
        since = max(self.given, self.slot.hand().since)
        return Outcome(
            task,
            Status.PENDING if self.crowded else Status.FAILED,
            reason,
            seconds=max(0.0, time.monotonic() - since),
            peak=max(self.peak, self.memory),
            message=message,
            detail=self.detail(),
        )

    def keep_slot(self) -> Path:
        """Leave the slot where the next start looks for what was in hand: the engine may die
        before it has committed what became of it. Whoever gets its path removes it.
        """
        kept, self._slot_file = self._slot_file, None
        assert kept is not None
        return kept

    def close(self) -> None:
        """Release everything of a process that has ended."""
        self.sock.close()
        if self.output >= 0:
            os.close(self.output)
            self.output = -1
        self.slot.close()
        if self._slot_file is not None:
            self._slot_file.unlink(missing_ok=True)


def _has_shrunk(task: Task) -> bool:
    """True where a mapping of the file would reach beyond its end."""
    try:
        return os.stat(task.file).st_size < task.size  # noqa: PTH116 - bytes
    except OSError:
        return True


def _nameless(path: Path) -> int:
    """A file on the output's disk without a name, so that nothing has to remove it."""
    fd = new_file(path)
    path.unlink()
    return fd
