"""docherd in a program: run, process, process_chunks, open."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence, Sized
from itertools import islice
from pathlib import Path
from typing import TypeAlias, Unpack

from docherd import progress as display
from docherd import source
from docherd.config import Options
from docherd.document import Document
from docherd.exceptions import UsageError
from docherd.job import Job, Summary, limits, setup_of
from docherd.keywords import RunOptions, WorkOptions
from docherd.opened import Run
from docherd.processors import describe
from docherd.result import Result
from docherd.stop import Stop, signals
from docherd.stream import Bar, Stream

PathLike: TypeAlias = str | os.PathLike[str]
#: a name, a function of the Document or of its path, or a class of such, built once per worker
Processor: TypeAlias = (
    str
    | Callable[[Document], object]
    | Callable[[Path], object]
    | Callable[[str], object]
    | type[Callable[[Document], object]]
    | type[Callable[[Path], object]]
    | type[Callable[[str], object]]
)


def run(
    inputs: PathLike | Sequence[PathLike],
    out: PathLike,
    processor: Processor = "extract",
    *,
    add: bool = False,
    fresh: bool = False,
    **options: Unpack[RunOptions],
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
    from docherd import engine  # a stream needs neither ledger nor report

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
    shown = display.choose(chosen.progress, sys.stderr, chosen.verbose)
    stop = Stop()
    with signals(stop):
        summary = engine.run(job, shown, stop)
    if stop.signal is not None:
        raise KeyboardInterrupt
    return summary


def process(
    paths: Iterable[PathLike],
    processor: Processor = "extract",
    *,
    ordered: bool = False,
    progress: bool = False,
    **options: Unpack[WorkOptions],
) -> Stream:
    """Process files and yield a Result for each as it completes; nothing is kept on disk.

    ``paths``: any iterable, also one that never ends; it is pulled at most some thousand paths
    ahead, in a thread of its own. ``processor`` as for ``run``. ``ordered``: Results in the order
    of the paths. ``progress``: a tqdm bar. ``options``: ``workers`` (default: the cores there are;
    "auto": as many as are faster), ``memory`` of all of them (bytes or "8GB"; default: 80 % of what
    there is), ``timeout`` of one Document (seconds or "5m"; default: 5 minutes and 10 s for each
    MB), ``stall`` (seconds or "2m") without a heartbeat of one that gave some, ``retries`` after an
    error, ``max_output`` and ``max_input`` (bytes or "1GB"), ``nice``, ``passwords``.

        for result in docherd.process(paths, process_single, workers=4):
            print(result.path, result.value if result.ok else result.error)

    Memory stays flat however many paths there are and however large the Results: few wait for
    your loop, and limits hold while it is busy. A Document that fails, hangs, crashes or eats
    memory is a Result with its ``reason``, never an exception. Leaving the loop, ``close()`` and
    dropping the stream end the workers within a second.

    Raises UsageError for options that make no sense, ProcessorError where the processor cannot be
    sent to a worker; iterating raises what ``paths`` raised, ProcessorError where the processor
    cannot be loaded, and EnvironmentFault where no worker can be started.
    """
    if isinstance(paths, str | bytes | os.PathLike) or not isinstance(paths, Iterable):
        raise UsageError(f"paths: an iterable of paths, not {type(paths).__name__}")
    chosen = Options.of(options)
    if of_run := sorted(options.keys() - WorkOptions.__annotations__.keys()):
        raise UsageError(f"{of_run[0]} is an option of run, not of process")
    rules = limits(chosen)
    setup = setup_of(describe(processor), rules, chosen, bare=True)
    return Stream(paths, setup, rules, ordered=ordered, bar=_bar(paths) if progress else None)


def process_chunks(
    paths: Iterable[PathLike],
    processor: Processor = "extract",
    *,
    chunk_size: int = 100,
    ordered: bool = False,
    progress: bool = False,
    **options: Unpack[WorkOptions],
) -> Iterator[list[Result]]:
    """``process``, with the Results in lists of ``chunk_size``, the last one shorter.

    One set of workers serves all chunks. Raises as ``process`` does, and UsageError for a
    ``chunk_size`` below 1.
    """
    if chunk_size < 1:
        raise UsageError(f"chunk_size: 1 or more, not {chunk_size}")
    stream = process(paths, processor, ordered=ordered, progress=progress, **options)
    return _chunks(stream, chunk_size)


def _chunks(stream: Stream, size: int) -> Iterator[list[Result]]:
    with stream:
        while chunk := list(islice(stream, size)):
            yield chunk


def open(out: PathLike) -> Run:
    """The run in the folder ``out``: its Records, its failures, its counts.

    Raises UsageError where there is none, DamageError where it cannot be read.
    """
    return Run(Path(out))


def _bar(paths: Iterable[PathLike]) -> Bar:
    try:
        from tqdm.auto import tqdm
    except ImportError:
        raise UsageError("progress=True needs tqdm: pip install 'docherd[progress]'") from None
    total = len(paths) if isinstance(paths, Sized) else None
    bar: Bar = tqdm(total=total, unit="doc")
    return bar
