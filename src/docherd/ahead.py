"""A process of ours that runs ahead of the engine: a few of the things it says are always ready.

Another thread reads them, so that the engine waits for nothing; when none is taken, the process
waits, too.
"""

from __future__ import annotations

import os
import queue
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from docherd import spawn
from docherd.exceptions import EnvironmentFault
from docherd.wire import SOCKET, Channel

#: things that are ready before the engine asks for them
AHEAD = 4

_Said = TypeVar("_Said")


class Ahead(Generic[_Said]):
    """The process as the engine sees it."""

    def __init__(
        self, module: str, talk: Callable[[Channel], Iterator[_Said]], wake: Callable[[], None]
    ) -> None:
        """``talk`` is what is said over its socket, in the thread; ``wake`` is called, from there,
        each time something is ready.
        """
        self._module = module
        self._talk = talk
        self._wake = wake
        self._ready: queue.Queue[_Said | None] = queue.Queue(AHEAD)
        self._stop = threading.Event()
        name = module.replace(".", "-")
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._failure: BaseException | None = None
        self._pid = 0
        #: True once there is nothing more to take but what went wrong
        self._last = False
        #: True once everything has been taken
        self.ended = False

    def start(self) -> None:
        """Start the process; from the engine's thread, with which it dies.

        Raises EnvironmentFault where the system has no process for us.
        """
        try:
            self._sock, theirs = socket.socketpair()
            with theirs:
                # It keeps our standard input, which may be a list, and our session: a list can
                # be typed.
                files = {SOCKET: theirs.fileno()}
                self._pid = spawn.python(self._module, (), files, session=False)
        except OSError as error:
            what = self._module.rpartition(".")[2]
            raise EnvironmentFault(f"cannot start the {what}: {error.strerror}") from error
        self._thread.start()

    def take(self) -> _Said | None:
        """The next thing that is ready; None where none is.

        Raises what ended the talk, by itself: not before everything else was taken.
        """
        if not self._last:
            if self._ready.empty():
                return None
            if (said := self._ready.get()) is not None:
                return said
            self._last = True
            if self._failure is not None:
                return None  # with the next call, which gets nothing else
        self.ended = True
        failure, self._failure = self._failure, None
        if failure is not None:
            raise failure
        return None

    def close(self) -> None:
        """End it, whatever it waits for; idempotent."""
        self._stop.set()
        if not self._pid:
            return
        pid, self._pid = self._pid, 0
        os.kill(pid, signal.SIGKILL)  # not reaped yet, so the number is still its own
        spawn.wait(pid)
        if self._thread.ident:  # there was one to be had
            self._thread.join()
        self._sock.close()

    # ── in the thread ────────────────────────────────────────────────────────────────────────

    def _run(self) -> None:
        try:
            for said in self._talk(Channel(self._sock.fileno())):
                self._put(said)
        except BaseException as error:  # carried to the engine's thread
            self._failure = error
        self._put(None)

    def _put(self, said: _Said | None) -> None:
        while not self._stop.is_set():
            try:
                self._ready.put(said, timeout=0.2)
            except queue.Full:
                continue
            self._wake()
            return
