"""What every worker of a pool gets: the same for its whole life."""

from __future__ import annotations

import math
import os
import sys
from dataclasses import dataclass
from typing import cast

from docherd import host
from docherd.processors import Processor
from docherd.wire import Json, frame

#: libraries that would each start one thread per core in every worker
THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "RAYON_NUM_THREADS",
)


@dataclass(frozen=True, slots=True)
class Setup:
    """How the workers of a pool are to be."""

    processor: Processor
    #: workers at work at the same time
    size: int
    max_output: int
    max_input: int
    passwords: tuple[str, ...] = ()
    #: added to the priority of each worker, 0 to 19
    nice: int = 0
    #: seconds that a Document which gave heartbeats may give none
    stall: float = math.inf
    #: lines without our keys, from which the very value can be made again
    bare: bool = False
    #: bytes that all workers together may hold; where it is such a share of what there is, it
    #: follows that, and 0 where it was asked for
    memory: int = 1 << 62
    memory_share: float = 0.0
    #: warm workers beyond those, that hide the start-up
    spares: int = 1

    def environment(self) -> dict[str, str]:
        """The user's environment, and as many threads a worker as there are cores for it."""
        ours = dict.fromkeys(THREAD_VARIABLES, str(self.threads))
        return ours | {"MALLOC_ARENA_MAX": "2"} | dict(os.environ)

    @property
    def threads(self) -> int:
        """A worker's share of the cores."""
        return max(1, host.cores() // self.size)

    def message(self) -> bytes:
        """The first frame to a worker: where to import from, what to load, and its limits."""
        here = os.getcwd()  # noqa: PTH109
        path = [entry or here for entry in sys.path]
        if self.processor.importable and not self.processor.builtin:
            path.append(here)  # last: what lies there never shadows a library
        payload = self.processor.payload
        head = frame(
            {
                "sys_path": cast("Json", path),
                "processor": self.processor.name,
                "passwords": list(self.passwords),
                "nice": self.nice,
                "limits": {
                    "input": self.max_input,
                    "output": self.max_output,
                    "bare": self.bare,
                    "threads": self.threads,
                },
            },
            len(payload),
        )
        return head + payload
