"""The workers a pool has: how many, which of them is free, and the starting of further ones."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from pathlib import Path

from docherd import host
from docherd.budget import Budget
from docherd.child import Child
from docherd.exceptions import EnvironmentFault
from docherd.model import Grant
from docherd.setup import Setup

#: seconds until it is tried again to start a worker, where the system had none for us
SPAWN_AGAIN = 1.0


class Crew:
    """Children by number. How many are at work at the same time may change."""

    def __init__(
        self,
        setup: Setup,
        folder: Path,
        epoch: int,
        budget: Budget,
        welcome: Callable[[Child], None],
    ) -> None:
        """``welcome`` is called with each new child."""
        self._setup = setup
        self._folder = folder
        self._epoch = epoch
        self._budget = budget
        self._welcome = welcome
        self._environment = setup.environment()
        self._started = 0
        #: workers at work at the same time
        self.size = setup.size
        self.children: dict[int, Child] = {}
        #: what marks every process of this crew
        self.token = secrets.token_hex(8)
        #: True once a worker has loaded the processor
        self.proven = False
        #: why there are fewer workers than there should be; when to try again
        self.shrunk, self._again = "", 0.0

    @property
    def busy(self) -> int:
        """Workers with something in hand."""
        return sum(child.grant is not None for child in self.children.values())

    @property
    def starting(self) -> int:
        """Workers that have not loaded the processor yet."""
        return sum(child.starting for child in self.children.values())

    def trim(self) -> None:
        """End the idle workers that are too many; used ones first, since retries want others."""
        live = [child for child in self.children.values() if not child.leaving]
        over = len(live) - self.size - self._setup.spares
        if over > 0:
            idle = [child for child in live if child.idle]
            for child in sorted(idle, key=lambda child: -child.served)[:over]:
                child.hang_up()

    def grow(self, waiting: int) -> None:
        """Have workers for so many tasks, as far as the memory holds them, and the spares."""
        live = sum(not child.leaving for child in self.children.values())
        wanted = min(self.size, self.busy + waiting)
        wanted += self._setup.spares if wanted else 0
        if live < wanted:
            wanted = min(wanted, self._budget.workers(self.children.values()))
        while live < wanted and self._spawn_another():
            live += 1

    def has_room(self) -> bool:
        """True where one is free that may take something in hand."""
        free = self.busy < self.size and self._budget.admits(self.busy)
        return free and any(child.idle for child in self.children.values())

    def has_fresh(self, wanted: int) -> bool:
        """True where an idle worker has served nobody; else up to ``wanted`` are being made."""
        idle = [child for child in self.children.values() if child.idle]
        if any(not child.served for child in idle):
            return True
        if idle and self.starting < min(wanted, self.size):
            idle[0].hang_up()
            self._spawn_another()
        return False

    def free_for(self, grant: Grant) -> Child | None:
        """Who may take it."""
        if self.busy >= self.size:
            return None
        idle = [child for child in self.children.values() if child.idle]
        if not grant.fresh:  # used ones first: a fresh one is what a retry will want
            return max(idle, key=lambda child: child.served, default=None)
        if not self.has_fresh(self.size):
            return None
        return next(child for child in idle if not child.served)

    def spawn(self) -> None:
        """Start one; raises EnvironmentFault where the system has no process for us."""
        self._started += 1
        mark = {host.MARK: f"{self.token}.{self._started}"}
        child = Child(self._started, self._folder, self._epoch, self._environment | mark)
        self.children[child.number] = child
        self._welcome(child)

    def _spawn_another(self) -> bool:
        """False where the system has no process for us now: the others go on, it is tried again.

        Raises EnvironmentFault where there are no others.
        """
        now = time.monotonic()
        if now < self._again:
            return False
        try:
            self.spawn()
        except EnvironmentFault as error:
            if not (self.proven and self.children):
                raise
            self._again, self.shrunk = now + SPAWN_AGAIN, str(error)
            return False
        return True
