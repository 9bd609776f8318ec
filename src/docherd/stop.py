"""How a run is asked to end early: by signals, or by the program it runs in.

    SIGINT    1st: finish what is in hand; 2nd: stop now; 3rd: die at once
    SIGTERM   finish what is in hand for at most 10 s, then stop
    SIGHUP    as SIGTERM, unless it was ignored at the start (nohup)
    SIGUSR1   say where the run stands; SIGQUIT: write all stacks to run.log

Whatever comes, everything finished is committed and the run can be resumed.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import IntEnum
from types import FrameType
from typing import NoReturn

#: seconds that SIGTERM leaves to what is in hand (Kubernetes kills after 30)
GRACE = 10.0


class Level(IntEnum):
    """How soon."""

    GO_ON = 0
    DRAIN = 1
    NOW = 2


class Stop:
    """The wish to end, written by signal handlers and read by the engine's loop."""

    def __init__(self) -> None:
        self._level = Level.GO_ON
        self._deadline: float | None = None
        #: the signal that asked, for the exit
        self.signal: int | None = None
        #: set by SIGUSR1 and SIGQUIT; the loop clears them
        self.tell = False
        self.dump = False
        #: wakes the loop; the engine sets it
        self.wake: Callable[[], None] = lambda: None

    @property
    def level(self) -> Level:
        if self._deadline is not None and time.monotonic() > self._deadline:
            return Level.NOW
        return self._level

    def request(self, number: int) -> None:
        """One signal has come."""
        if number == signal.SIGINT:
            if self._level is Level.NOW:
                _die(number)
            self._level = Level(self._level + 1)
        else:
            self._level = max(self._level, Level.DRAIN)
            self._deadline = self._deadline or time.monotonic() + GRACE
        self.signal = self.signal or number
        self.wake()


@contextmanager
def signals(stop: Stop) -> Iterator[None]:
    """Let signals speak to ``stop``; does nothing outside of the main thread."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def ask(number: int, frame: FrameType | None) -> None:
        stop.request(number)

    def tell(number: int, frame: FrameType | None) -> None:
        stop.tell = stop.tell or number == signal.SIGUSR1
        stop.dump = stop.dump or number == signal.SIGQUIT
        stop.wake()

    handlers = {signal.SIGINT: ask, signal.SIGTERM: ask, signal.SIGUSR1: tell, signal.SIGQUIT: tell}
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        handlers[signal.SIGHUP] = ask
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def die_of(number: int) -> NoReturn:
    """End as a process that the signal killed, so that shells and make see it."""
    sys.stdout.flush()
    _die(number)


def _die(number: int) -> NoReturn:
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
    os._exit(128 + number)  # the first process of a container: no signal of its own ends it


def silence() -> None:
    """After a broken pipe: what is still to be printed goes nowhere, and no error comes of it."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
