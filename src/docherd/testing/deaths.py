"""Faults that end the process."""

from __future__ import annotations

import ctypes
import faulthandler
import os
import signal
from collections.abc import Callable
from typing import NoReturn

from docherd.document import Document
from docherd.testing.fault import amount, harmless


def segv(document: Document) -> object:
    """Reads from address 0."""
    return ctypes.string_at(0)


def abort(document: Document) -> NoReturn:
    """Calls abort(), as a C++ exception that nobody catches does."""
    os.abort()


def stack_overflow(document: Document) -> None:
    """Calls itself in C until the stack is full."""
    faulthandler._stack_overflow()  # type: ignore[attr-defined]


def kill(document: Document) -> object:
    """Sends itself SIGTERM, or the signal of that number."""
    os.kill(os.getpid(), amount(document, signal.SIGTERM))
    return harmless(document)


def kill9(document: Document) -> None:
    """Dies as if somebody else had killed it."""
    os.kill(os.getpid(), signal.SIGKILL)


def leave(document: Document) -> NoReturn:
    """Leaves at once, with code 1 or that one."""
    os._exit(amount(document, 1))


def exit0(document: Document) -> NoReturn:
    """Leaves at once, with the code that means success."""
    os._exit(0)


def exit3(document: Document) -> NoReturn:
    """Leaves at once, with code 3."""
    os._exit(3)


class _Bomb:
    """Crashes the process when it is freed."""

    def __del__(self, crash: Callable[[int], object] = ctypes.string_at) -> None:
        crash(0)


_bombs: list[_Bomb] = []


def late_segv(document: Document) -> object:
    """Is done, and has its process crash when that ends."""
    _bombs.append(_Bomb())
    return harmless(document)
