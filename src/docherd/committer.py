"""The thread that owns the ledger's one read-write connection while a run goes on.

A thread of its own, so that a slow disk never stops the watch over the workers.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from docherd.exceptions import DocherdError, EnvironmentFault
from docherd.ledger import Ledger
from docherd.model import Found, Outcome
from docherd.rows import Discovered, Note
from docherd.segment import Segment


@dataclass(frozen=True, slots=True)
class _Commit:
    outcomes: Sequence[Outcome]
    note: Note
    #: bytes of lines held in memory for it
    size: int
    #: slots of workers that died of one of these
    slots: Sequence[Path]


@dataclass(frozen=True, slots=True)
class _Discover:
    batch: Sequence[Found]


@dataclass(frozen=True, slots=True)
class _Refine:
    refined: Mapping[int, str]


@dataclass(frozen=True, slots=True)
class _Call:
    work: Callable[[], None]


@dataclass(frozen=True, slots=True)
class _Seal:
    pass


@dataclass(frozen=True, slots=True)
class _Vanished:
    prune: bool


_Job: TypeAlias = _Call | _Commit | _Discover | _Refine | _Seal | _Vanished


class Committer:
    """Does its jobs one after another; after a failure no more."""

    def __init__(self, segment: Segment, ledger: Ledger, wake: Callable[[], None]) -> None:
        """``wake`` is called, from the thread, after each job."""
        self._segment = segment
        self._ledger = ledger
        self._wake = wake
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._discovered: queue.SimpleQueue[Discovered] = queue.SimpleQueue()
        self._committed: queue.SimpleQueue[Sequence[Outcome]] = queue.SimpleQueue()
        self._failure: BaseException | None = None
        self._waiting = 0
        self._bytes = 0
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="docherd-commit", daemon=True)
        self._thread.start()

    # ── from the engine's thread ─────────────────────────────────────────────────────────────

    def commit(self, outcomes: Sequence[Outcome], note: Note, slots: Sequence[Path] = ()) -> None:
        """``slots`` are removed once the outcomes are true."""
        size = sum([len(each.lines) for each in outcomes if isinstance(each.lines, bytes)])
        with self._lock:
            self._bytes += size
        self._put(_Commit(outcomes, note, size, slots))

    def discover(self, batch: Sequence[Found]) -> None:
        self._put(_Discover(batch))

    def refine(self, refined: Mapping[int, str]) -> None:
        """Strata of Documents that were probed; `discovered` gives them back."""
        self._put(_Refine(refined))

    def vanished(self, prune: bool) -> None:
        """The walk took everything: what it did not meet is gone."""
        self._put(_Vanished(prune))

    def call(self, work: Callable[[], None]) -> None:
        """Have something done in the thread, after all that was asked for before."""
        self._put(_Call(work))

    def seal(self) -> None:
        self._put(_Seal())

    def discovered(self) -> list[Discovered]:
        """What was found and committed since the last call. Raises what the thread raised."""
        self._raise()
        found = []
        while not self._discovered.empty():
            found.append(self._discovered.get())
        return found

    def committed(self) -> Iterator[Outcome]:
        """Outcomes that have become true since the last call: only now may anybody be told."""
        while not self._committed.empty():
            yield from self._committed.get()

    @property
    def waiting(self) -> int:
        """Jobs not yet done."""
        return self._waiting

    @property
    def backlog(self) -> int:
        """Bytes of lines handed over and not yet durable."""
        return self._bytes

    def close(self) -> None:
        """Do what is left, then end; the ledger is the caller's again. Raises what went wrong."""
        self._jobs.put(None)
        self._thread.join()
        self._raise()

    def _put(self, job: _Job) -> None:
        self._raise()
        with self._lock:
            self._waiting += 1
        self._jobs.put(job)

    def _raise(self) -> None:
        if self._failure is not None:
            raise self._failure

    # ── in the thread ────────────────────────────────────────────────────────────────────────

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            if self._failure is None:  # after a failure nothing may be committed any more
                try:
                    self._do(job)
                except DocherdError as error:
                    self._failure = error
                except OSError as error:
                    self._failure = EnvironmentFault(
                        f"cannot write results: {error.strerror or error};"
                        " the run is safe, resume it when this is mended"
                    )
                except BaseException as error:  # carried to the engine's thread
                    self._failure = error
            with self._lock:
                self._waiting -= 1
            self._wake()

    def _do(self, job: _Job) -> None:
        match job:
            case _Commit(outcomes, note, size, slots):
                self._segment.commit(outcomes, note)
                for slot in slots:
                    slot.unlink(missing_ok=True)
                self._committed.put(outcomes)
                with self._lock:
                    self._bytes -= size
                self._segment.settle(wait=False)
                if self._segment.due:
                    self._segment.seal()
            case _Discover(batch):
                self._discovered.put(self._ledger.discover(batch))
            case _Refine(refined):
                self._discovered.put(self._ledger.refine(refined))
            case _Vanished(prune):
                self._ledger.vanished(prune)
            case _Call(work):
                work()
            case _Seal():
                self._segment.seal()
                self._segment.settle()
                self._segment.check()  # nobody took away what was published before
