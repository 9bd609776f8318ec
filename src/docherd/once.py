"""One Document now, in a worker like any other's, with nothing kept: `docherd try`."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from docherd.exceptions import EnvironmentFault
from docherd.model import Grant, Outcome, Root, Spooled, Status, Task, printable
from docherd.pool import Pool
from docherd.setup import Setup

SLICE = 1 << 20


def attempt(file: Path, setup: Setup, timeout: float, memory: int) -> Iterator[Outcome | bytes]:
    """Its Outcome, then its JSON lines, in pieces.

    Raises EnvironmentFault where the file is not there, ProcessorError where the processor
    cannot be loaded.
    """
    path = os.fsencode(file.absolute())
    try:
        size = os.stat(path).st_size  # noqa: PTH116 - bytes
    except OSError as error:
        raise EnvironmentFault(f"{printable(str(file))}: {error.strerror}") from None
    task = Task(0, Root(b"", b"/"), path[1:], size, "")
    with tempfile.TemporaryDirectory(prefix="docherd-") as folder:
        pool = Pool(setup, Path(folder))
        try:
            pool.start()
            outcome = _wait(pool, Grant((task,), (timeout,), memory))
            yield outcome
            yield from _pieces(outcome)
        finally:
            pool.close()


def _wait(pool: Pool, grant: Grant) -> Outcome:
    pool.give(grant)
    while True:
        for outcome in pool.outcomes(0.05):
            if outcome.status is not Status.PENDING:
                return outcome
            pool.start()
            pool.give(grant)


def _pieces(outcome: Outcome) -> Iterator[bytes]:
    if not isinstance(outcome.lines, Spooled):
        yield outcome.lines
        return
    offset, end = outcome.lines.offset, outcome.lines.offset + outcome.length
    while offset < end:
        piece = os.pread(outcome.lines.spool.fd, min(SLICE, end - offset), offset)
        offset += len(piece)
        yield piece
