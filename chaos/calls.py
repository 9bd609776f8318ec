"""System calls of the engine: which there are in a run, and a fault at one of them.

Of the engine only: strace counts per thread and per kind of call, and ``hasty`` pads one thread of
the engine. The number behind the padding then means one call in one thread; neither another
thread nor a worker comes so far.
"""

from __future__ import annotations

import re
import shutil
import sys
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

#: what changes a disk; each of them is a point to die at
DURABLE = (
    *("write", "pwrite64", "copy_file_range", "fdatasync", "fsync"),
    *("ftruncate", "rename", "unlink", "mkdir", "renameat", "unlinkat", "mkdirat"),
)
#: those at which a disk may say no
FALLIBLE = (
    *("write", "pwrite64", "copy_file_range", "fdatasync", "fsync", "ftruncate"),
    *("rename", "renameat", "mkdirat"),
)
ERRORS = ("EIO", "ENOSPC")
#: opened files that are made by it are points, too
OPEN = "openat"

_LINE = re.compile(r"\d+<(?P<thread>[^>]*)> +(?P<call>\w+)\((?P<rest>.*)")


@dataclass(frozen=True, slots=True)
class Call:
    """One system call of a run that nobody disturbs."""

    thread: str
    kind: str
    #: among those of its kind in its thread, from 1
    number: int
    #: what it is done to, as far as the trace shows it
    target: str


@dataclass(frozen=True, slots=True)
class Point:
    """A call, and what shall happen at it: "kill" or the name of an error."""

    call: Call
    fault: str

    @property
    def name(self) -> str:
        """For people."""
        call = self.call
        return f"{self.fault} at {call.kind} {call.number} of {call.thread}, {call.target}"


def missing() -> str:
    """Why no call can be met here; empty where they can."""
    return "" if shutil.which("strace") else "strace is not installed (make apt)"


def _strace(log: Path, kinds: Sequence[str], *fast: str) -> list[str]:
    words = ["strace", "-f", *fast, "-qqq", "--decode-pids=comm", "-y"]
    return [*words, "-e", "signal=none", "-o", str(log), "-e", f"trace={','.join(kinds)}"]


def watching(log: Path) -> list[str]:
    """What stands before a command so that its calls are written down."""
    return _strace(log, (*DURABLE, OPEN), "--seccomp-bpf")


def at(point: Point, log: Path, padding: int) -> list[str]:
    """What stands before a command so that the point comes to pass."""
    kind, when = point.call.kind, padding + point.call.number
    if point.fault == "kill":  # no signal can be sent where a filter has stopped the call
        words, fault = _strace(log, [kind], "-b", "execve"), "signal=SIGKILL"
    else:
        words, fault = _strace(log, [kind], "--seccomp-bpf"), f"error={point.fault}"
    return [*words, "-e", f"inject={kind}:{fault}:when={when}"]


def counted(log: Path, folder: Path) -> list[Call]:
    """The calls in a trace that concern files below ``folder``, in their order.

    All are numbered, only those are returned. A thread with the name of the interpreter is one of
    a worker: the engine's have names.
    """
    numbers: Counter[tuple[str, str]] = Counter()
    found = []
    for line in log.read_text(errors="replace").splitlines():
        if not (match := _LINE.match(line)):
            continue  # the second half of a call that another thread interrupted
        thread, kind, rest = match["thread"], match["call"], match["rest"]
        numbers[thread, kind] += 1
        if thread == Path(sys.executable).name[:15]:
            continue
        durable = kind != OPEN or "O_CREAT" in rest
        if durable and (target := _target(rest, folder)):
            found.append(Call(thread, kind, numbers[thread, kind], target))
    return found


def _target(rest: str, folder: Path) -> str:
    """What a call is done to, below ``folder``; empty where that is something else."""
    for each in re.findall(r'<(/[^>]*)>|"([^"]*)"', rest):
        path = Path(each[0] or each[1])
        for known in (folder, Path(folder.name)):
            if path.is_relative_to(known):
                return re.sub(r"\.\d+$", ".PID", str(Path(folder.name) / path.relative_to(known)))
    return ""


def met(log: Path) -> str:
    """The call that the fault was injected at, as traced; empty where it was not reached."""
    lines = log.read_text(errors="replace").splitlines() if log.exists() else []
    return next((line for line in lines if "(INJECTED)" in line), "")


def padding(calls: Sequence[Call]) -> int:
    """More than any thread makes calls of a kind, in this and similar runs."""
    return 50 + 2 * max(call.number for call in calls)


def points(calls: Sequence[Call], every: int = 1) -> list[Point]:
    """Kill at each ``every``-th call of each kind and thread; errors at those that may fail."""
    kinds: dict[tuple[str, str], list[Call]] = defaultdict(list)
    for call in calls:
        kinds[call.thread, call.kind].append(call)
    found = []
    for fault in ("kill", *ERRORS):
        some = [call for each in kinds.values() for call in each]
        some = [call for call in some if fault == "kill" or call.kind in FALLIBLE]
        found += [Point(call, fault) for call in some[::every]]
    return found
