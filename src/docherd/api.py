"""docherd in a program."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from docherd import engine, progress, source
from docherd.config import Options
from docherd.exceptions import UsageError
from docherd.job import Job, Summary
from docherd.model import Document
from docherd.processors import describe
from docherd.stop import Stop, signals

PathLike = str | os.PathLike[str]


def run(
    inputs: PathLike | Sequence[PathLike],
    out: PathLike,
    processor: str | Callable[[Path], object] | Callable[[Document], object] = "extract",
    *,
    add: bool = False,
    fresh: bool = False,
    **options: object,
) -> Summary:
    """Process every Document of ``inputs`` into the run folder ``out``; the same call resumes.

    ``inputs``: a folder, file or glob, or several. ``processor``: a built-in's name,
    ``"file.py:name"``, ``"package.module:name"``, or any callable; it is given the Document where
    its parameter is annotated so, else the path. What it returns becomes Records: a mapping,
    dataclass, pydantic model or msgspec struct is one, a string is ``{"text": ...}``, an iterable
    of those many, ``None`` none. ``options`` are the command line's, with underscores:
    ``workers=4``, ``memory="8GB"`` (or bytes), ``timeout="5m"`` (or seconds), ``limit=100`` ...

    Durable: whatever kills this call, calling again goes on where it was; Records end up once
    each in ``out/data``. A Document that fails is counted and explained, never raised.

    Raises UsageError for options or inputs that make no sense, ProcessorError where the processor
    cannot be loaded, RunLocked, DamageError, EnvironmentFault, NothingFound, and
    KeyboardInterrupt after Ctrl-C, when everything finished is committed.
    """
    many = [inputs] if isinstance(inputs, str | os.PathLike) else list(inputs)
    if not many:
        raise UsageError("no inputs: give a folder, a file or a glob")
    chosen = Options.of(options)
    job = Job(
        out=Path(out),
        roots=tuple(source.roots_of(many)),
        processor=describe(processor),
        options=chosen,
        add=add,
        fresh=fresh,
    )
    display = progress.choose(chosen.progress, sys.stderr, chosen.verbose)
    stop = Stop()
    with signals(stop):
        summary = engine.run(job, display, stop)
    if stop.signal is not None:
        raise KeyboardInterrupt
    return summary
