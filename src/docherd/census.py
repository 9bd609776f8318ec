"""What a walk found, counted in flat memory, with some Documents of every stratum to sample from.

Nothing is opened here. Which Documents are kept is drawn by chance with a seed (reservoir
sampling: Vitter 1985), so that they lie anywhere in the walk and the same tree gives the same.
"""

from __future__ import annotations

import heapq
import random
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from docherd.discovery import stratum_of
from docherd.model import Found, Reason, Root, Task

#: Documents kept of every stratum, and largest ones of every extension
KEPT, LARGEST = 500, 10


@dataclass(slots=True)
class Kind:
    """Documents of one extension, and their bytes."""

    documents: int = 0
    size: int = 0


class Census:
    """Counts of what is in the inputs."""

    def __init__(self, roots: Sequence[Root]) -> None:
        self._roots = roots
        self._chance = random.Random(0)  # noqa: S311 - a sample, no secret
        #: Documents that will be opened, and their bytes
        self.documents = self.size = 0
        #: by extension; "" where there is none
        self.kinds: dict[str, Kind] = defaultdict(Kind)
        #: what the walk itself sets aside
        self.aside: Counter[Reason] = Counter()
        self.strata: Counter[str] = Counter()
        #: of every stratum some
        self.kept: dict[str, list[Task]] = defaultdict(list)
        self._largest: dict[str, list[tuple[int, int, Task]]] = defaultdict(list)

    def add(self, found: Found) -> None:
        """Count one entry."""
        if found.reason:
            self.aside[found.reason] += 1
            return
        self.documents += 1
        self.size += found.size
        stratum = stratum_of(found.path, found.size)
        extension = stratum.partition("/")[0]
        kind = self.kinds[extension]
        kind.documents += 1
        kind.size += found.size
        before = self.strata[stratum]
        self.strata[stratum] += 1
        place = before if before < KEPT else self._chance.randrange(before + 1)
        largest = self._largest[extension]
        among = len(largest) < LARGEST or found.size > largest[0][0]
        if place >= KEPT and not among:
            return
        root = self._roots[found.root]
        task = Task(self.documents, root, found.path, found.size, stratum)
        if among:
            keep = heapq.heappush if len(largest) < LARGEST else heapq.heappushpop
            keep(largest, (found.size, self.documents, task))
        if place < KEPT:
            self.kept[stratum][place : place + 1] = [task]

    def shuffled(self) -> dict[str, list[Task]]:
        """What was kept, in an order of chance."""
        return {name: self._chance.sample(tasks, len(tasks)) for name, tasks in self.kept.items()}

    def largest(self) -> list[Task]:
        """The largest of every extension."""
        return [task for heap in self._largest.values() for *_, task in heap]
