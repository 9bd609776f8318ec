"""A memory cgroup of our own, in which the kernel kills whoever goes over its limit."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

_MOUNTED = Path("/sys/fs/cgroup/memory")


@dataclass(frozen=True, slots=True)
class Cgroup:
    """One that exists, of the first version."""

    folder: Path

    def inside(self, command: Sequence[str]) -> list[str]:
        """The command that runs another one in here."""
        enter = 'echo $$ > "$0" && exec "$@"'
        return ["sh", "-c", enter, str(self.folder / "cgroup.procs"), *command]

    def killed(self) -> int:
        """Processes that the kernel has killed for their memory."""
        lines = (self.folder / "memory.oom_control").read_text().splitlines()
        return next(int(line.split()[1]) for line in lines if line.startswith("oom_kill "))

    def peak(self) -> int:
        """The most bytes it held, what files keep in memory and the kernel for it included."""
        return int((self.folder / "memory.max_usage_in_bytes").read_text())


@contextmanager
def limited(name: str, limit: int) -> Iterator[Cgroup]:
    """A new one below ours. Raises OSError where that is not allowed, or not the first version."""
    folder = _ours() / name
    folder.mkdir()
    try:
        (folder / "memory.limit_in_bytes").write_text(f"{limit}\n")
        yield Cgroup(folder)
    finally:
        _remove(folder)


def killed_with_us() -> int:
    """Processes of our own cgroup that the kernel has killed for memory, that of the machine too.

    Where there is none of the first version: of the whole machine, whoever's they were.
    """
    try:
        return Cgroup(_ours()).killed()
    except (OSError, StopIteration):
        lines = Path("/proc/vmstat").read_text().splitlines()
        return next((int(line.split()[1]) for line in lines if line.startswith("oom_kill ")), 0)


def _ours() -> Path:
    for line in Path("/proc/self/cgroup").read_text().splitlines():
        _, controllers, path = line.split(":", 2)
        if "memory" in controllers.split(",") and _MOUNTED.is_dir():
            return _MOUNTED / path.lstrip("/")
    raise FileNotFoundError("there is no memory cgroup of version 1")


def _remove(folder: Path) -> None:
    """What ended a moment ago may still count as inside."""
    for _ in range(50):
        try:
            return folder.rmdir()
        except OSError:
            time.sleep(0.1)
    return folder.rmdir()
