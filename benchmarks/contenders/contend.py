"""What every contender shares: what it is asked for, and the one JSON line it ends with."""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import chain, cycle, islice
from pathlib import Path

from benchmarks.functions import FUNCTIONS

Function = Callable[[str], object]


@dataclass(frozen=True, slots=True)
class Asked:
    """One measurement, as its command line says."""

    folder: Path
    function: str
    workers: int
    #: documents: the files of the folder, again and again; None for each file once
    count: int | None
    #: a path before all others
    first: str | None
    #: where results are written, of those that write
    out: Path
    #: after which a slow consumer has seen enough
    seconds: float
    #: bytes that all documents in hand may hold together, of those that know what each will
    memory: int

    def paths(self) -> Iterator[str]:
        """The documents, as they are found."""
        found: Iterable[str] = below(self.folder)
        if self.count is not None:
            found = islice(cycle(found), self.count)
        return chain([self.first] if self.first else [], found)


def below(folder: str | Path) -> Iterator[str]:
    """The files below a folder, in the order of the file system."""
    folders = []
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir():
                folders.append(entry.path)
            else:
                yield entry.path
    for each in folders:
        yield from below(each)


def contend(job: Callable[[list[str], Function, int], int]) -> None:
    """Run a job that needs all paths at once; it returns how many documents went well."""
    asked = arguments()
    report(lambda: job(list(asked.paths()), FUNCTIONS[asked.function], asked.workers))


def contend_stream(job: Callable[[Iterator[str], Function, int], int]) -> None:
    """Run a job that takes paths as they are found."""
    asked = arguments()
    report(lambda: job(asked.paths(), FUNCTIONS[asked.function], asked.workers))


def arguments() -> Asked:
    """From the command line."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    parser.add_argument("--function", choices=FUNCTIONS, default="noop")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--count", type=int)
    parser.add_argument("--first")
    parser.add_argument("--out", type=Path, default=Path())
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--memory", type=int, default=0)
    return Asked(**vars(parser.parse_args()))


def report(job: Callable[[], int]) -> None:
    """Run the job and print what it took; CPU and memory are those of this process alone."""
    begin = time.perf_counter()
    documents = job()
    facts = {
        "documents": documents,
        "seconds": time.perf_counter() - begin,
        "cpu": time.process_time(),
        "peak": peak_memory(),
    }
    print("\n" + json.dumps(facts), flush=True)


def peak_memory() -> int:
    """Most bytes this process had resident. Not ru_maxrss: that outlives exec."""
    status = Path("/proc/self/status").read_text()
    return next(
        int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM:")
    )
