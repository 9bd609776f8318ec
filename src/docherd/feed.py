"""The paths that a program hands over, pulled from its own iterable by a thread.

A thread, because the iterable may be slow, block or never end, and the watch over the workers
must go on meanwhile. It cannot be interrupted there: a stream that is closed leaves it behind,
waiting, and it ends with the next path or with the program.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Iterable

from docherd.discovery import stratum_of
from docherd.model import Outcome, Reason, Root, Status, Task

#: paths pulled before they can be worked on
AHEAD = 2048
#: endings of names that are remembered
STRATA = 10_000
#: the size of a file that nobody has looked at yet
UNKNOWN = -1

Given = str | os.PathLike[str]


class Feed:
    """Tasks from an iterable of paths, and which path each was."""

    def __init__(self, paths: Iterable[Given], wake: Callable[[], None]) -> None:
        """``wake`` is called, from the thread, when there is something after there was nothing."""
        self._paths = paths
        self._wake = wake
        self._ready: deque[Task | Outcome] = deque()
        self._room = threading.Event()
        self._hungry = True
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="docherd-feed", daemon=True)
        #: the path of each task that is not yet delivered, as it was given
        self.given: dict[int, Given] = {}
        #: True once the iterable is used up and everything was taken
        self.ended = False
        #: what the iterable raised
        self.failure: BaseException | None = None
        self._last = False

    def start(self) -> None:
        self._thread.start()

    def take(self, most: int) -> list[Task | Outcome]:
        """The next tasks; an Outcome for what is no path."""
        ready = self._ready
        taken = [ready.popleft() for _ in range(min(most, len(ready)))]
        if len(ready) < AHEAD // 2:
            self._room.set()
        if not ready:
            self._hungry = True
            self.ended = self._last and not ready
        return taken

    def close(self) -> None:
        """Pull no more."""
        self._closed = True
        self._room.set()

    # ── in the thread ────────────────────────────────────────────────────────────────────────

    def _run(self) -> None:
        try:
            self._pull()
        except BaseException as error:  # carried to the consumer
            self.failure = error
        self._last = True
        self._wake()

    def _pull(self) -> None:
        root = Root(b"", os.getcwdb())  # noqa: PTH109 - bytes
        strata: dict[bytes, str] = {}
        for number, given in enumerate(self._paths):
            if self._closed:
                return
            self.given[number] = given
            try:
                name = os.fsencode(given)
            except (TypeError, ValueError):
                self._put(_no_path(number, root, given))
                continue
            extension = name[max(name.rfind(b"."), len(name) - 9, 0) :]
            if (stratum := strata.get(extension)) is None:
                if len(strata) > STRATA:  # names that all end in something else
                    strata.clear()
                stratum = strata[extension] = stratum_of(extension, 0)
            self._put(Task(number, root, name, UNKNOWN, stratum))

    def _put(self, item: Task | Outcome) -> None:
        self._ready.append(item)
        if self._hungry:
            self._hungry = False
            self._wake()
        while len(self._ready) >= AHEAD and not self._closed:
            self._room.clear()
            if len(self._ready) >= AHEAD:
                self._room.wait()


def _no_path(number: int, root: Root, given: object) -> Outcome:
    task = Task(number, root, b"", UNKNOWN, "")
    why = f"{type(given).__name__} is no path: give str or os.PathLike"
    return Outcome(task, Status.FAILED, Reason.INPUT_UNREADABLE, message=why)
