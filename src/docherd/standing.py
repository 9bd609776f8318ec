"""What a Document may have changed of its process, put right before the next one; in the worker.

Working folder, umask, locale and signal handlers are set back; what was put in front of the
import path goes to its end, where it hides nothing. What cannot be set back (standard functions
that were replaced, descriptors that leak) is a reason to replace the worker.
"""

from __future__ import annotations

import builtins
import errno
import fcntl
import json
import locale
import os
import resource
import signal
import sys
from _signal import getsignal  # type: ignore[import-not-found]  # signal.getsignal makes enums: 2 us

from docherd.wire import SOCKET, SPOOL

#: signals whose handlers a processor could leave behind
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGALRM, signal.SIGCHLD, signal.SIGHUP)
#: functions whose replacement would change what later Documents give
_FUNCTIONS = ((builtins, "open"), (os, "open"), (os, "stat"), (json, "loads"), (json, "dumps"))
#: part of the descriptors a process may have from which on it is replaced
_FULL = 0.5
#: Documents between looks at them
_COUNTED = 16


class Standing:
    """How the process stood before its first Document."""

    def __init__(self) -> None:
        self._folder = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._place = _place()
        self._umask = _umask()
        self._locale = locale.setlocale(locale.LC_ALL)
        self._handlers = [(int(number), getsignal(number)) for number in _SIGNALS]
        self._functions = [(vars(module), name, vars(module)[name]) for module, name in _FUNCTIONS]
        self._path = list(sys.path)
        self._voice = _voice()
        self._restored = 0
        self._most = int(resource.getrlimit(resource.RLIMIT_NOFILE)[0] * _FULL)

    def restore(self) -> str | None:
        """Put right what can be; else what no other Document should meet. 3 us."""
        if _place() != self._place:
            os.fchdir(self._folder)
        if _umask() != self._umask:
            os.umask(self._umask)
        if locale.setlocale(locale.LC_ALL) != self._locale:
            locale.setlocale(locale.LC_ALL, self._locale)
        for number, handler in self._handlers:
            if getsignal(number) is not handler:
                signal.signal(number, handler)
        if sys.path[: len(self._path)] != self._path:
            added = [entry for entry in sys.path if entry not in self._path]
            sys.path[:] = [*self._path, *added]
        for names, name, function in self._functions:
            if names.get(name) is not function:
                return f"{name} was replaced"
        self._restored += 1
        leaks = self._restored % _COUNTED == 0 and _taken(self._most)
        return f"over {self._most} files are open" if leaks else None

    def refuse_loss(self) -> None:
        """Raise OSError where the socket or the spool is gone, or another file has its number."""
        if _voice() != self._voice:
            raise OSError(errno.EBADF, os.strerror(errno.EBADF))


def _voice() -> tuple[int, int]:
    """Which files the worker speaks through."""
    return os.fstat(SOCKET).st_ino, os.fstat(SPOOL).st_ino


def _place() -> bytes:
    """The working folder; empty where it is gone."""
    try:
        return os.getcwdb()  # noqa: PTH109
    except OSError:
        return b""


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask


def _taken(number: int) -> bool:
    """True where this descriptor is in use: the lowest free one is always opened first."""
    try:
        fd = fcntl.fcntl(0, fcntl.F_DUPFD_CLOEXEC, number)
    except OSError:  # there is none left
        return True
    os.close(fd)
    return fd != number
