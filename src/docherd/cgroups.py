"""What the cgroups above a process allow it: cores, memory, and how much of that is left.

Both generations, also side by side. Where a hierarchy lies is read from mountinfo, not guessed, so
that containers of all kinds are seen as they are. On other systems none of these files is there,
and nothing is limited.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

SELF = Path("/proc/self")

#: cgroup v1 writes a huge number where there is no limit
_UNLIMITED = 1 << 60
_ESCAPED = re.compile(r"\\([0-7]{3})")


# ── where they are ───────────────────────────────────────────────────────────────────────────


def folders(controller: str, process: Path = SELF) -> Iterator[tuple[Path, int]]:
    """The folders of a process's cgroup and of every one above it, innermost first.

    Each with its generation, 1 or 2. ``process`` is a folder like /proc/self.
    """
    for line in _lines(process / "cgroup"):
        _, controllers, path = line.split(":", 2)
        if not controllers:
            for folder in _upwards(PurePosixPath(path), list(_mounts(process, ""))):
                yield folder, 2
        elif controller in controllers.split(","):
            for folder in _upwards(PurePosixPath(path), list(_mounts(process, controller))):
                yield folder, 1


def _mounts(process: Path, controller: str) -> Iterator[tuple[PurePosixPath, Path]]:
    """(cgroup, folder) where the hierarchy of a controller, "" for v2, is mounted from and at."""
    for line in _lines(process / "mountinfo"):
        left, _, right = line.partition(" - ")
        kind, *_, options = right.split(" ")
        v1 = kind == "cgroup" and controller in options.split(",")
        if v1 if controller else kind == "cgroup2":
            root, point = (_unescaped(field) for field in left.split(" ")[3:5])
            yield PurePosixPath(root), Path(point)


def _upwards(path: PurePosixPath, mounts: list[tuple[PurePosixPath, Path]]) -> list[Path]:
    """The folders from a cgroup up to where its hierarchy is mounted, as far as they exist.

    Where no mount shows it (a container that sees the host's names, a cgroup beside the root of
    our namespace), the root of a mount counts: that is us, or above us.
    """
    if not mounts:
        return []
    showing = [each for each in mounts if ".." not in path.parts and path.is_relative_to(each[0])]
    if not showing:
        return [mounts[0][1]]
    root, point = min(showing, key=lambda each: len(each[0].parts))  # the one that shows most
    folder = point / path.relative_to(root)
    above = (each for each in (folder, *folder.parents) if each.is_relative_to(point))
    return [each for each in above if each.is_dir()]


def _unescaped(field: str) -> str:
    """A field of mountinfo, in which blanks are written as octal numbers."""
    return _ESCAPED.sub(lambda match: chr(int(match[1], 8)), field)


# ── cores ────────────────────────────────────────────────────────────────────────────────────


def cpu_quotas(process: Path = SELF) -> list[float]:
    """Cores' worth of time that each cgroup with a quota allows."""
    found = []
    for folder, generation in folders("cpu", process):
        if generation == 2:  # "quota period" or "max period"
            quota, _, period = _text(folder / "cpu.max").strip().partition(" ")
        else:
            quota = _text(folder / "cpu.cfs_quota_us").strip()  # -1: none
            period = _text(folder / "cpu.cfs_period_us").strip()
        if quota.isdigit() and period.isdigit():
            found.append(int(quota) / int(period))
    return found


# ── memory ───────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Allowed:
    """Bytes that cgroups allow and that can still be had; None where none limits memory."""

    limit: int | None = None
    left: int | None = None


class Memory:
    """The cgroups that may limit the memory of a process: found once (300 us), read often."""

    def __init__(self, process: Path = SELF) -> None:
        around = list(folders("memory", process))
        files = [(_v2 if version == 2 else _v1)(str(folder)) for folder, version in around]
        self._groups = [each for each in files if _number(each.usage) is not None]
        self._vmstat = str(process.parent / "vmstat")
        ours = [f"{folder}/memory.pressure" for folder, version in around if version == 2]
        machine = str(process.parent / "pressure" / "memory")
        counted = (file for file in (*ours, machine) if _some(_read(file)) is not None)
        self._pressure = next(counted, "")

    def allowed(self) -> Allowed:
        """The least limit, the least left below any; 8 us a cgroup, 30 more where it has a limit.

        Used is what cannot be given back. File pages can, also the active ones (reading a file
        twice makes them that), and so can the kernel's names and inodes of files: after 100,000
        files they were half of what a cgroup used, and gone when a program wanted the room.
        """
        limits: list[int] = []
        left: list[int] = []
        for group in self._groups:
            numbers = [found for file in group.limits if (found := _number(file)) is not None]
            if numbers:
                least = min(numbers)
                limits.append(least)
                left.append(max(0, least - _used(group)))
        return Allowed(min(limits, default=None), min(left, default=None))

    def stalled(self) -> float | None:
        """Percent of the last 10 s in which something of ours waited for memory (PSI some avg10).

        Of our own cgroup where it says so: that another container thrashes within its own limit
        is no matter of ours. Otherwise of the whole machine; None where the kernel does not count.
        """
        return _some(_read(self._pressure))

    def oom_kills(self) -> int:
        """Processes of our cgroup that the kernel's OOM killer took, whatever limit it defended.

        The kernel counts before it kills. Without such a count that of the whole machine, which
        is all there is outside of cgroups; 0 where there is neither.
        """
        for file in [*(group.kills for group in self._groups[:1]), self._vmstat]:
            kills = _field(_read(file), b"oom_kill")
            if kills is not None:
                return kills
        return 0


@dataclass(frozen=True, slots=True)
class _Group:
    """The files of one cgroup that say something of memory."""

    limits: tuple[str, ...]
    usage: str
    #: the table, and its rows whose bytes the kernel gives back when there is need
    table: str
    reclaimable: tuple[bytes, ...]
    #: v1's table is silent about the kernel's own; nearly all of it is names and inodes
    kernel: str
    #: the table that counts what the OOM killer took
    kills: str


def _v1(folder: str) -> _Group:
    return _Group(
        limits=(f"{folder}/memory.limit_in_bytes",),
        usage=f"{folder}/memory.usage_in_bytes",
        table=f"{folder}/memory.stat",
        reclaimable=(b"total_inactive_file", b"total_active_file"),
        kernel=f"{folder}/memory.kmem.usage_in_bytes",
        kills=f"{folder}/memory.oom_control",
    )


def _v2(folder: str) -> _Group:
    return _Group(
        limits=(f"{folder}/memory.max", f"{folder}/memory.high"),
        usage=f"{folder}/memory.current",
        table=f"{folder}/memory.stat",
        reclaimable=(b"inactive_file", b"active_file", b"slab_reclaimable"),
        kernel="",
        kills=f"{folder}/memory.events",
    )


def _number(file: str) -> int | None:
    """The number that a file holds: limits, however small, and amounts; "max" is none."""
    text = _read(file).strip()
    return int(text) if text.isdigit() and int(text) < _UNLIMITED else None


def _used(group: _Group) -> int:
    table = _read(group.table)
    goes_back = sum(_field(table, row) or 0 for row in group.reclaimable)
    goes_back += (_number(group.kernel) or 0) if group.kernel else 0
    return max(0, (_number(group.usage) or 0) - goes_back)


def _some(text: bytes) -> float | None:
    """The first avg10 of a pressure file, which is that of `some`."""
    found = text.partition(b"avg10=")[2].split(b" ")[0]
    return float(found) if found else None


def _field(table: bytes, name: bytes) -> int | None:
    """The number behind a name in lines of "name number"."""
    found = (b"\n" + table).partition(b"\n" + name + b" ")[2].partition(b"\n")[0]
    return int(found) if found.isdigit() else None


def _read(file: str) -> bytes:
    """The bytes of a small file; nothing where it is not, as when its cgroup was removed."""
    try:
        fd = os.open(file, os.O_RDONLY | os.O_CLOEXEC)  # a third of what Path.read_bytes costs
    except OSError:
        return b""
    try:
        return os.read(fd, 16384)
    except OSError:  # PSI that is switched off can be opened all the same
        return b""
    finally:
        os.close(fd)


def _lines(file: Path) -> list[str]:
    return [line for line in _text(file).split("\n") if line]  # names may hold all other breaks


def _text(file: Path) -> str:
    try:
        return os.fsdecode(file.read_bytes())
    except OSError:
        return ""
