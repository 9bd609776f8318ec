"""What is read of a running command, from /proc."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

#: memory of a process that is not a mapped file
_HELD = ("RssAnon:", "RssShmem:", "VmSwap:")


def memory(process: int) -> int | None:
    """Bytes resident; None where it has ended."""
    try:
        status = Path(f"/proc/{process}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    found = (line.split()[1] for line in status.splitlines() if line.startswith("VmRSS:"))
    return next((int(kilobytes) * 1024 for kilobytes in found), None)


def processor_seconds(process: int) -> float | None:
    """Seconds of a core that it has used, with all its threads; None where it has ended."""
    fields = _stat(f"/proc/{process}/stat")
    return sum(map(int, fields[11:13])) / os.sysconf("SC_CLK_TCK") if fields else None


def tree_memory(process: int) -> int:
    """Bytes that a process and all its descendants hold themselves, mapped files not counted.

    What a process shares with one that it was forked from counts in both.
    """
    return sum(_held(each) for each in _family(process))


def running_threads(process: int) -> int:
    """Threads of a process and all its descendants that run or wait for a core."""
    return sum(_running(each) for each in _family(process))


def _family(process: int) -> set[int]:
    """A process and all its descendants."""
    parents = dict(_parents())
    family, more = {process}, True
    while more:
        children = {child for child, parent in parents.items() if parent in family} - family
        family |= children
        more = bool(children)
    return family


def _held(process: int) -> int:
    try:
        status = Path(f"/proc/{process}/status").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    fields = (line.split() for line in status.splitlines())
    return sum(int(each[1]) * 1024 for each in fields if each and each[0] in _HELD)


def _parents() -> Iterator[tuple[int, int]]:
    for name in os.listdir("/proc"):
        if name.isdigit() and (fields := _stat(f"/proc/{name}/stat")):
            yield int(name), int(fields[1])


def _running(process: int) -> int:
    try:
        threads = os.listdir(f"/proc/{process}/task")
    except (FileNotFoundError, ProcessLookupError):
        return 0
    states = (_stat(f"/proc/{process}/task/{thread}/stat") for thread in threads)
    return sum(bool(fields) and fields[0] == "R" for fields in states)


def _stat(path: str) -> list[str]:
    """State, parent and so on; the name before them may hold spaces and parentheses."""
    try:
        return Path(path).read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return []
