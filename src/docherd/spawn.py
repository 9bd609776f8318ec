"""Starting a Python process of ours: the one way, on every system.

posix_spawn: a parent that has threads must not fork. ``-P``: a json.py in the documents' folder
must not be imported.
"""

from __future__ import annotations

import fcntl
import os
import signal
import sys
from collections.abc import Mapping, Sequence

from docherd import host

#: what was started here: somebody waits for it
_ours: set[int] = set()
#: stands for /dev/null among the files of a process
NOTHING = -1
#: above every number that a process of ours wants a file at
_HIGH = 16


def python(
    module: str,
    arguments: Sequence[str],
    files: Mapping[int, int],
    environment: Mapping[str, str] | None = None,
    *,
    session: bool = True,
) -> int:
    """``python -P -m module PARENT ARGUMENTS...``; its pid.

    ``files``: which of our descriptors it finds at which number. ``session``: in one of its own,
    where the terminal's Ctrl-C does not reach it. Raises OSError.
    """
    # Duplicates above the targets, so that no dup2 overwrites another's source.
    high = {
        target: fcntl.fcntl(source, fcntl.F_DUPFD_CLOEXEC, _HIGH)
        for target, source in files.items()
        if source != NOTHING
    }
    actions: list[tuple[int, int, int] | tuple[int, int, str, int, int]] = [
        (os.POSIX_SPAWN_DUP2, high[target], target)
        if target in high
        else (os.POSIX_SPAWN_OPEN, target, os.devnull, os.O_RDWR, 0)
        for target in files
    ]
    try:
        pid = os.posix_spawn(
            sys.executable,
            [sys.executable, "-P", "-m", module, str(os.getpid()), *arguments],
            dict(os.environ) if environment is None else environment,
            file_actions=actions,
            setsid=session,
            setsigmask=[],
            setsigdef=[signal.SIGINT, signal.SIGTERM, signal.SIGPIPE],
        )
    finally:
        for fd in high.values():
            os.close(fd)
    _ours.add(pid)
    return pid


def reap_strays() -> None:
    """As the first process of a container: wait for the dead that workers have left behind.

    They are told from a program's own children by their session, which is never ours.
    """
    if os.getpid() == 1:
        for pid, session in host.dead_children():
            if pid not in _ours and session != os.getsid(0):
                wait(pid)


def wait(pid: int) -> None:
    """Until it has ended, though somebody else in this process may have reaped it."""
    try:
        os.waitpid(pid, 0)
    except ChildProcessError:
        pass
