"""The machine underneath: cores and memory there are, what a process uses, how children are tied.

Every platform `if` of docherd is in this file. Linux is whole; macOS works with psutil in place
of /proc and without the parent-death signal (the sentinel alone ends the workers there).
"""

from __future__ import annotations

import ctypes
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import psutil

LINUX = sys.platform == "linux"

#: environment variable that marks every process of a run: "<run token>.<worker number>"
MARK = "DOCHERD_WORKER"

_PR_SET_PDEATHSIG = 1
_FALLOC_FL_KEEP_SIZE, _FALLOC_FL_PUNCH_HOLE = 1, 2
_BETWEEN_LOOKS = 0.005

#: open files that a worker costs its parent, with those of its successor; and all else
_FILES_EACH, _FILES_ELSE = 6, 36


def supported() -> bool:
    """False where docherd cannot run at all (Windows: use WSL2)."""
    return os.name == "posix"


# ── what there is ────────────────────────────────────────────────────────────────────────────


def cores() -> int:
    """Cores this process may use: the least of affinity, cgroup CPU quota and Slurm's grant."""
    from docherd import cgroups  # 2 ms that a worker's start does without

    found = [len(os.sched_getaffinity(0)) if LINUX else (os.cpu_count() or 1)]
    slurm = os.environ.get("SLURM_CPUS_PER_TASK", "")
    if slurm.isdigit() and int(slurm) > 0:
        found.append(int(slurm))
    found.extend(max(1, int(quota)) for quota in cgroups.cpu_quotas())
    return max(1, min(found))


def memory(process: Path = Path("/proc/self")) -> int:
    """Bytes of memory there are: physical, or the least cgroup limit above a process, which is us.

    ``process`` is a folder like /proc/self.
    """
    from docherd import cgroups

    limit = cgroups.Memory(process).allowed().limit
    physical, _ = physical_memory()
    return physical if limit is None else min(physical, limit)


def physical_memory() -> tuple[int, int]:
    """(bytes of memory the machine has, bytes of it that can still be had), cgroups aside.

    What can be had includes what the kernel gives back when there is need.
    """
    if not LINUX:
        import psutil

        machine = psutil.virtual_memory()
        return machine.total, machine.available
    fields = status_fields("/proc/meminfo", 256)  # both are in its first three lines
    total = fields.get("MemTotal") or os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return total, fields.get("MemAvailable", total)


def workers_for_files(wanted: int) -> int:
    """As many workers as we may hold files for, at least one.

    The soft limit is raised where the hard one allows it.
    """
    import resource  # not there on Windows, where this module must still say so

    used = len(os.listdir("/dev/fd"))
    needed = used + _FILES_ELSE + wanted * _FILES_EACH
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    infinite = resource.RLIM_INFINITY
    if soft != infinite and soft < needed:
        soft = needed if hard == infinite else min(needed, hard)
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        except (OSError, ValueError):  # macOS knows a limit of its own
            soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    room = needed if soft == infinite else min(needed, soft)
    return max(1, (room - used - _FILES_ELSE) // _FILES_EACH)


# ── what a process uses ──────────────────────────────────────────────────────────────────────


def tree_memory(pid: int) -> int:
    """Bytes held by a process and all below it: RssAnon + RssShmem + VmSwap; 0 if it is gone.

    Plain RSS would charge mapped model files to each worker, and misses what was swapped out.
    """
    if not LINUX:
        return _tree_memory_psutil(pid)
    total, waiting = 0, [pid]
    while waiting:
        each = waiting.pop()
        fields = status_fields(f"/proc/{each}/status")
        total += sum(fields.get(name, 0) for name in ("RssAnon", "RssShmem", "VmSwap"))
        waiting.extend(_children(each))
    return total


def status_fields(path: str, most: int = 8192) -> dict[str, int]:
    """The memory lines within the first bytes of a /proc/PID/status; empty if it is gone."""
    try:
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - half the cost of Path.open
            return parse_status(file.read(most))
    except OSError:
        return {}


def parse_status(text: bytes) -> dict[str, int]:
    """{"VmRSS": bytes, ...} of the text of a /proc/PID/status."""
    found = {}
    for line in text.split(b"\n"):
        name, _, value = line.removesuffix(b" kB").partition(b":")
        if line.endswith(b" kB") and value.strip().isdigit():  # a process may be named "x kB"
            found[name.decode()] = int(value) << 10
    return found


def _children(pid: int) -> list[int]:
    found: list[int] = []
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/children", "rb", buffering=0) as file:  # noqa: PTH123
                found.extend(map(int, file.read(65536).split()))
    except OSError:
        pass  # it ended while we looked
    return found


def tree_cpu(pid: int) -> tuple[float, dict[int, float]]:
    """(seconds of CPU that a process and all below it have used, those that have ended among
    them; seconds that each of them, by its id, was ready to run and waited for a core).

    10 us a process. The waiting is that of main threads, and known on Linux only.
    """
    if not LINUX:
        return _tree_cpu_psutil(pid), {}
    used, waited, waiting = 0, dict[int, float](), [pid]
    while waiting:
        each = waiting.pop()
        try:
            with open(f"/proc/{each}/stat", "rb", buffering=0) as file:  # noqa: PTH123
                used += sum(map(int, file.read(1024).rpartition(b") ")[2].split()[11:15]))
            with open(f"/proc/{each}/schedstat", "rb", buffering=0) as file:  # noqa: PTH123
                waited[each] = int(file.read(128).split()[1]) / 1e9
        except (OSError, ValueError, IndexError):
            pass  # it ended while we looked, or this kernel does not say
        waiting.extend(_children(each))
    return used / os.sysconf("SC_CLK_TCK"), waited


def _tree_cpu_psutil(pid: int) -> float:
    times = [each.cpu_times() for each in _tree_psutil(pid)]
    return sum(t.user + t.system + t.children_user + t.children_system for t in times)


def _tree_memory_psutil(pid: int) -> int:
    return sum(each.memory_info().rss for each in _tree_psutil(pid))


def _tree_psutil(pid: int) -> list[psutil.Process]:
    """A process and all below it; none if it is gone."""
    import psutil

    try:
        process = psutil.Process(pid)
        return [process, *process.children(recursive=True)]
    except psutil.Error:
        return []


class OwnPeak:
    """The high-water mark of this very process, for a worker to read between Documents."""

    #: a mark this much above what is held now would hide the next Document's own peak
    _NOTICEABLE = 16 << 20

    def __init__(self) -> None:
        self._status = os.open("/proc/self/status", os.O_RDONLY) if LINUX else -1
        #: most address space ever, as of the last call
        self._space = 0

    def take(self) -> tuple[int, int]:
        """(peak since the last call, bytes held now), without mapped files.

        The mark is reset (5 into clear_refs, 26-100 us) only after a Document that raised it
        noticeably; otherwise the next reading is an upper bound.
        """
        if not LINUX:
            import resource

            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            return peak, peak
        fields = parse_status(os.pread(self._status, 8192, 0))
        self._space = fields.get("VmPeak", 0)
        files = fields.get("RssFile", 0)
        held = fields.get("VmRSS", 0) - files
        peak = max(fields.get("VmHWM", 0) - files, held)
        if peak - held > self._NOTICEABLE:
            self._reset()
        return peak, held

    def near_limit(self, share: float) -> str:
        """``"480 of the 500 MB that ulimit -v allows"``: what was used since the last call of
        ``take``, where that is such a share of a limit that the user has set; empty elsewhere.
        """
        if not LINUX:
            return ""
        import resource

        fields = parse_status(os.pread(self._status, 8192, 0))
        grown = fields.get("VmPeak", 0) > self._space
        space = fields.get("VmPeak" if grown else "VmSize", 0)
        shared = fields.get("RssFile", 0) + fields.get("RssShmem", 0)
        data = max(fields.get("VmData", 0), fields.get("VmHWM", 0) - shared)
        for used, which, flag in (
            (space, resource.RLIMIT_AS, "-v"),
            (data, resource.RLIMIT_DATA, "-d"),
        ):
            limit, _ = resource.getrlimit(which)
            if limit != resource.RLIM_INFINITY and used >= share * limit:
                return f"{used / 1e6:,.0f} of the {limit / 1e6:,.0f} MB that ulimit {flag} allows"
        return ""

    def _reset(self) -> None:
        try:
            with open("/proc/self/clear_refs", "wb", buffering=0) as file:  # noqa: PTH123
                file.write(b"5")
        except OSError:
            pass  # hardened kernels: peaks stay upper bounds


def give_back_memory() -> None:
    """Return freed heap to the system (glibc keeps it otherwise)."""
    try:
        ctypes.CDLL(None).malloc_trim(0)
    except (AttributeError, OSError):
        pass  # another C library: it decides for itself


# ── children ─────────────────────────────────────────────────────────────────────────────────


def tie_to_parent(parent: int) -> None:
    """Make this process die with ``parent``, which must be its parent now; ends it if it is not.

    Linux: PR_SET_PDEATHSIG, kept across exec, sent when the *thread* that spawned us ends; so
    the engine spawns from one thread that lives as long as the run.
    """
    if LINUX:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it died before the call above
        os._exit(1)


def die_first() -> None:
    """Ask the kernel's OOM killer to take this process before the engine."""
    if LINUX:
        try:
            Path("/proc/self/oom_score_adj").write_text("800")
        except OSError:
            pass  # only a wish


def marked(prefix: str) -> list[int]:
    """Processes whose environment carries our mark beginning with ``prefix``."""
    needle = f"{MARK}={prefix}".encode()
    me = os.getpid()
    return [pid for pid in _processes() if pid != me and needle in _environment(pid)]


def kill_marked(prefix: str) -> int:
    """SIGKILL every process that carries the mark; how many there were."""
    found = marked(prefix)
    for pid in found:
        try:
            os.kill(pid, signal.SIGKILL)
        except OSError:
            pass  # gone meanwhile
    return len(found)


def dead_children() -> Iterator[tuple[int, int]]:
    """(pid, session) of each child of ours that has ended and that nobody has waited for."""
    for pid in _children(os.getpid()) if LINUX else []:
        try:
            with open(f"/proc/{pid}/stat", "rb", buffering=0) as file:  # noqa: PTH123
                state, _, _, session = file.read(512).rpartition(b") ")[2].split()[:4]
        except (OSError, ValueError):
            continue  # gone meanwhile
        if state == b"Z":
            yield pid, int(session)


def sweep(prefix: str, looks: int, patience: float) -> None:
    """Kill what carries the mark until so many looks in a row have found nothing.

    One look is not enough: what is being forked shows up in the next. It gives up after
    ``patience`` seconds, since a process that waits for a dead disk cannot be killed.
    """
    until = time.monotonic() + patience
    clean = 0 if kill_marked(prefix) else 1
    while clean < looks and time.monotonic() < until:
        time.sleep(_BETWEEN_LOOKS)
        clean = 0 if kill_marked(prefix) else clean + 1


def _processes() -> list[int]:
    if LINUX:
        return [int(name) for name in os.listdir("/proc") if name.isdigit()]
    import psutil

    return list(psutil.pids())


def _environment(pid: int) -> bytes:
    if not LINUX:
        import psutil

        try:
            return f"{MARK}={psutil.Process(pid).environ().get(MARK, '')}".encode()
        except psutil.Error:
            return b""
    try:
        with open(f"/proc/{pid}/stat", "rb", buffering=0) as file:  # noqa: PTH123
            if b") Z " in file.read(512):
                return b""  # a zombie keeps no environment and needs no killing
        with open(f"/proc/{pid}/environ", "rb", buffering=0) as file:  # noqa: PTH123
            return file.read(1 << 20)
    except OSError:
        return b""  # gone, or another user's


# ── disk ─────────────────────────────────────────────────────────────────────────────────────


def sync_data(fd: int) -> None:
    """Make the bytes of a file durable. An error is final: the kernel may have dropped the page."""
    if LINUX:
        os.fdatasync(fd)
    else:
        import fcntl  # not there on Windows, where this module must still say so

        fcntl.fcntl(fd, getattr(fcntl, "F_FULLFSYNC", 51))


def sync_folder(folder: Path) -> None:
    """Make the names in a folder durable."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


def copy_range(source: int, offset: int, target: int, target_offset: int, length: int) -> int:
    """Copy within the kernel where it can; bytes copied, possibly fewer than asked."""
    if LINUX:
        try:
            return os.copy_file_range(source, target, length, offset, target_offset)
        except OSError:
            pass  # across file systems, or one that cannot: copy plainly
    return os.pwrite(target, os.pread(source, length, offset), target_offset)


def punch_hole(fd: int, offset: int, length: int) -> None:
    """Give back the disk space of a range; does nothing where the file system cannot."""
    if not LINUX or not length:
        return
    libc = ctypes.CDLL(None)
    fallocate = getattr(libc, "fallocate64", None) or libc.fallocate  # musl has but the one
    mode = _FALLOC_FL_KEEP_SIZE | _FALLOC_FL_PUNCH_HOLE
    fallocate(fd, mode, ctypes.c_int64(offset), ctypes.c_int64(length))
