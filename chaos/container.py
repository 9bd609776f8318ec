"""A container as far as memory goes: a cgroup of our own with a limit that the kernel enforces.

    with Container.made(200 << 20) as container:
        ended = container.run(product, words, cwd, Policy.TOGETHER)

What runs inside and what happens after the kernel's OOM killer has struck is the ``Policy``, as
container runtimes and systemd have them. Works with cgroup v1 and v2; needs root.
"""

from __future__ import annotations

import os
import select
import signal
import subprocess
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from chaos.command import HUNG, PATIENCE, Ended, Product

_MOUNT = Path("/sys/fs/cgroup")
#: v1: its own hierarchy; v2: the one for everything, also where v1 is mounted beside it
_V1, _V2 = _MOUNT / "memory", (_MOUNT, _MOUNT / "unified")
#: enter a cgroup, then be the command: nothing of it ever runs outside
_ENTER = ("sh", "-c", 'echo $$ > "$0/cgroup.procs" && exec "$@"')
#: seconds in which the processes of a killed cgroup are gone
_GONE = 10.0


class Policy(Enum):
    """What becomes of the other processes once the kernel has killed one for its memory."""

    #: they go on: docker and Kubernetes on cgroup v1
    ALONE = "only the process that the kernel picks"
    #: killed with it: memory.oom.group of cgroup v2, as Kubernetes sets it; OOMPolicy=kill
    TOGETHER = "every process, at once"
    #: killed a little later: a runtime that hears of it and clears up
    LATER = "every process, a moment later"
    #: the first of them is asked to stop: OOMPolicy=stop, which is systemd's default
    ASKED = "SIGTERM to the first"


#: seconds of ``Policy.LATER``
LATER = 0.1


@dataclass(frozen=True, slots=True)
class Container:
    """One cgroup with a memory limit."""

    folder: Path
    v2: bool

    @classmethod
    @contextmanager
    def made(cls, limit: int) -> Iterator[Container]:
        """A new one, which is removed in the end. OSError where that is not allowed."""
        container = _made()
        try:
            container.limit(limit)
            yield container
        finally:
            container.remove()

    def limit(self, size: int) -> None:
        """So many bytes and no swap."""
        most = "memory.max" if self.v2 else "memory.limit_in_bytes"
        (self.folder / most).write_text(str(size))
        name, value = ("memory.swap.max", 0) if self.v2 else ("memory.memsw.limit_in_bytes", size)
        if (self.folder / name).exists():  # not where swap is not counted
            (self.folder / name).write_text(str(value))

    def run(
        self, product: Product, words: Sequence[str | Path], cwd: Path, policy: Policy, mark: str
    ) -> Ended:
        """A command of docherd inside, to its end, and then nobody is left inside."""
        if self.v2:
            together = int(policy is Policy.TOGETHER)
            (self.folder / "memory.oom.group").write_text(str(together))
        process = product.start(words, cwd, before=(*_ENTER, str(self.folder)), mark=mark)
        with self._watched(policy, process.pid):
            try:
                out, err = process.communicate(timeout=PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                _, err = process.communicate()
                return Ended(HUNG, "", f"did not end within {PATIENCE:g} s; {err}")
            finally:
                self.kill()
        return Ended(process.returncode, out, err)

    # ── what the runtime does ────────────────────────────────────────────────────────────────

    @contextmanager
    def _watched(self, policy: Policy, first: int) -> Iterator[None]:
        """Hear of the kernel's kills while it runs, and do what the policy says."""
        if policy is Policy.ALONE or (self.v2 and policy is Policy.TOGETHER):
            yield
            return
        event = self._event()
        read, write = os.pipe()
        watcher = threading.Thread(target=self._watch, args=(policy, first, event, read))
        watcher.start()
        try:
            yield
        finally:
            os.close(write)
            watcher.join()
            os.close(read)
            os.close(event)

    def _watch(self, policy: Policy, first: int, event: int, end: int) -> None:
        before = self.kills()
        poll = select.poll()
        # v1 counts in an eventfd; v2 marks memory.events as exceptional.
        poll.register(event, select.POLLPRI if self.v2 else select.POLLIN)
        poll.register(end, select.POLLHUP)
        while True:
            ready = dict(poll.poll())
            if end in ready:
                return
            if not self.v2:
                os.read(event, 8)
            elif os.pread(event, 4096, 0) and self.kills() == before:
                continue  # another event than a kill
            if policy is Policy.LATER:
                time.sleep(LATER)
            if policy is Policy.ASKED:
                with suppress(ProcessLookupError):
                    os.kill(first, signal.SIGTERM)
            else:
                self.kill()
            return

    def _event(self) -> int:
        """A descriptor that says when there was no memory left."""
        if self.v2:
            return os.open(self.folder / "memory.events", os.O_RDONLY | os.O_CLOEXEC)
        event = os.eventfd(0)
        control = os.open(self.folder / "memory.oom_control", os.O_RDONLY | os.O_CLOEXEC)
        (self.folder / "cgroup.event_control").write_text(f"{event} {control}")
        os.close(control)
        return event

    # ── what the kernel did ──────────────────────────────────────────────────────────────────

    def kills(self) -> int:
        """Processes that the kernel has killed so far because there was no memory left."""
        name = "memory.events" if self.v2 else "memory.oom_control"
        lines = (self.folder / name).read_text().splitlines()
        return int(dict(line.split() for line in lines)["oom_kill"])

    def processes(self) -> list[int]:
        """Who is inside."""
        return [int(line) for line in (self.folder / "cgroup.procs").read_text().split()]

    def kill(self) -> None:
        """Everybody inside, also who is being born meanwhile."""
        deadline = time.monotonic() + _GONE
        while (inside := self.processes()) and time.monotonic() < deadline:
            for pid in inside:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            time.sleep(0.001)  # a cgroup has no event for its last process that both versions know

    def remove(self) -> None:
        """The cgroup, which a process that is just ending may still keep for a moment."""
        self.kill()
        deadline = time.monotonic() + _GONE
        while True:
            try:
                self.folder.rmdir()
                return
            except OSError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.01)


def why_not() -> str:
    """Why no container can be made here; empty where one can."""
    try:
        _made().remove()
    except OSError as error:
        return f"no memory cgroup can be made here ({error.strerror or error}); run it as root"
    return ""


def version() -> int:
    """Of the cgroups that containers are made with, where they can be."""
    container = _made()
    container.remove()
    return 2 if container.v2 else 1


def _made() -> Container:
    """An empty cgroup for memory, v2 where it has the memory controller."""
    name = f"docherd-chaos-{uuid.uuid4().hex[:8]}"
    for root in _V2:
        if "memory" in _text(root / "cgroup.controllers").split():
            with suppress(OSError):  # on already, or not ours to say: memory.max tells
                (root / "cgroup.subtree_control").write_text("+memory")
            return _folder(root / name, "memory.max", v2=True)
    if not (_V1 / "cgroup.procs").exists():
        raise FileNotFoundError(None, "memory cgroups are not mounted")
    return _folder(_V1 / name, "memory.limit_in_bytes", v2=False)


def _folder(folder: Path, needed: str, *, v2: bool) -> Container:
    folder.mkdir()
    if not (folder / needed).exists():
        folder.rmdir()
        raise FileNotFoundError(None, "its parent hands no memory down")
    return Container(folder, v2)


def _text(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""
