"""Kills random workers of a run while it runs, each Document at most once and never on a retry.

A Document that kills its worker twice has failed, rightly, and a processor that dies three times in
a row while it loads stops the run. So that only docherd can be wrong, a worker is stopped before it
is killed, and goes on if what its slot names was killed by us before or has been tried already, or
if it was never given anything.
"""

from __future__ import annotations

import os
import random
import signal
import sqlite3
import threading
from contextlib import closing, suppress
from pathlib import Path

from docherd.wire import SLOT, Slot

#: seconds between kills: at least, at most
PAUSE = (0.1, 0.6)


class WorkerKiller(threading.Thread):
    """At work from ``start`` to ``stop``; the same ``spared`` for every start of one run."""

    def __init__(self, engine: int, out: Path, chance: random.Random, spared: set[int]) -> None:
        super().__init__(daemon=True)
        self.kills = 0
        #: of these, workers that had something in hand, and more than one Document
        self.hits = self.batched = 0
        self._engine = engine
        self._ledger = out / "ledger.db"
        self._chance = chance
        self._spared = spared
        self._over = threading.Event()

    def run(self) -> None:
        """Kill one now and then."""
        while not self._over.wait(self._chance.uniform(*PAUSE)):
            if workers := workers_of(self._engine):
                # It may end at any moment of this; the next one will do.
                with suppress(OSError, sqlite3.Error, ValueError):
                    self._meet(self._chance.choice(workers))

    def stop(self) -> None:
        """No further kills."""
        self._over.set()
        self.join()

    def _meet(self, pid: int) -> None:
        descriptor = os.pidfd_open(pid)
        try:
            if pid not in workers_of(self._engine) or _stopped(pid):
                return  # another process by now, or one that stopped itself
            signal.pidfd_send_signal(descriptor, signal.SIGSTOP)
            verdict = signal.SIGCONT
            try:
                if self._may_die(pid):
                    verdict = signal.SIGKILL
            finally:
                signal.pidfd_send_signal(descriptor, verdict)
        finally:
            os.close(descriptor)

    def _may_die(self, pid: int) -> bool:
        """Decide over a stopped worker, and count it."""
        document, batch = _in_hand(pid)
        if not batch or (document is not None and self._known(document)):
            return False
        self.kills += 1
        if document is not None:
            self._spared.add(document)
            self.hits += 1
            self.batched += batch > 1
        return True

    def _known(self, document: int) -> bool:
        """True where it was killed before, or tried before."""
        if document in self._spared:
            return True
        query = "select 1 from outcome where document = ? and previous is null"
        with closing(sqlite3.connect(f"file:{self._ledger}?mode=ro", uri=True)) as ledger:
            return ledger.execute(query, (document,)).fetchone() is not None


def workers_of(engine: int) -> list[int]:
    """The worker processes that an engine has now."""
    try:
        children = Path(f"/proc/{engine}/task/{engine}/children").read_text().split()
    except OSError:
        return []
    return [int(pid) for pid in children if _is_worker(pid)]


def _is_worker(pid: str) -> bool:
    try:
        return b"docherd.worker" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def _stopped(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


def _in_hand(pid: int) -> tuple[int | None, int]:
    """The ledger row of what a stopped worker is on, None where it is idle; and how many travelled
    together the last time, 0 where it was never given any.
    """
    descriptor = os.open(f"/proc/{pid}/fd/{SLOT}", os.O_RDWR | os.O_CLOEXEC)
    try:
        slot = Slot(descriptor)
        index, held = slot.hand().place, slot.held()[1]
        slot.close()
    finally:
        os.close(descriptor)
    return (held[index] if 0 <= index < len(held) else None), len(held)
