"""Opening a run, new or again: everything up to its first Document.

1  hold the folder, open the ledger, compare data with it, read the slots of a dead engine
2  start the pool: the first worker says whether the processor loads, and its fingerprint
3  agree that it is the same run; from here on the folder is written
4  charge interruptions, recover the parts, re-open what `retry` asks for
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from docherd import experience, source
from docherd.committer import Committer
from docherd.comparer import Order
from docherd.copies import Copies
from docherd.exceptions import DamageError, DocherdError, EnvironmentFault
from docherd.folder import Folder
from docherd.forecast import Forecast
from docherd.identity import About, agree
from docherd.job import Job, filters_of, setup_of
from docherd.ledger import Ledger
from docherd.log import Log
from docherd.model import printable, text_of
from docherd.pool import Pool
from docherd.scheduler import Rules, Scheduler
from docherd.segment import Segment
from docherd.sinks.formats import refuse_missing, sink_of
from docherd.slots import left_in_hand
from docherd.stop import Level, Stop
from docherd.supply import Supply
from docherd.version import __version__
from docherd.walk import Walk
from docherd.window import Window


@contextmanager
def machine_faults() -> Iterator[None]:
    """What the system refuses becomes an EnvironmentFault that says what to do."""
    try:
        yield
    except OSError as error:
        where = f"{text_of(os.fsencode(error.filename))}: " if error.filename else ""
        raise EnvironmentFault(
            f"{where}{error.strerror or error}; the run is safe, resume it when this is mended"
        ) from error
    except RuntimeError as error:
        if "start new thread" not in str(error):
            raise
        raise EnvironmentFault(
            "no further thread can be started, is there a limit (ulimit -u)? The run is safe,"
            " resume it when this is mended"
        ) from error


@dataclass(frozen=True, slots=True)
class Rooms:
    """Everything the engine's loop carries things between."""

    folder: Folder
    about: About
    ledger: Ledger
    source: source.Source
    window: Window
    scheduler: Scheduler
    supply: Supply
    forecast: Forecast
    pool: Pool
    committer: Committer
    copies: Copies
    log: Log


def open_run(job: Job, rules: Rules, stack: ExitStack, stop: Stop) -> Rooms:
    """Open everything; ``stack`` closes it again in the right order, also half-opened.

    Once ``stop`` says now, nothing is made of segments any more.

    Raises the DocherdError that makes the run impossible; until the processor has loaded and the
    identity is agreed on, nothing of an earlier run has been changed.
    """
    refuse_missing(job.options.format)
    source.refuse_missing(job.roots)
    source.refuse_output_inside(job.roots, job.out)
    folder, old = _held(job, stack)
    ledger = _known_ledger(folder, old, stack) if old else None
    epoch = ledger.epoch if ledger else 0
    in_hand = left_in_hand(folder.pending, epoch)
    pool = _pool(job, rules, folder, epoch + 1)
    stack.callback(pool.close)
    pool.start()
    about = _agree(job, old, pool.fingerprint)
    source.refuse_overlap(about.inputs)
    if job.fresh:
        folder.begin_anew()
    ledger = ledger or _new_ledger(folder, stack)
    about = folder.write_about(about)
    ledger.begin(rules.workers, rules.memory, in_hand, rules.max_interruptions)
    sink = sink_of(about.format, folder.path, ledger)
    segment = Segment(folder.path, ledger, sink, lambda: stop.level is Level.NOW)
    stack.callback(segment.close)
    segment.recover()
    if job.retry:
        ledger.reopen(job.retry_reason)
    log = Log(folder.path / "run.log")
    log.line(f"start {ledger.epoch} of run {about.run}, docherd {__version__}")
    window = Window(folder.ledger, about.inputs)
    stack.callback(window.close)
    committer = Committer(segment, ledger, pool.wake)
    stack.callback(_close_quietly, committer)
    forecast = Forecast(ledger.learned(), experience.recall(job.processor.known_as))
    scheduler = Scheduler(rules, forecast)
    copies = Copies(ledger, about.inputs, window, committer)
    stack.callback(copies.close)
    if job.options.dedup:
        order = Order(str(folder.path.absolute()), about.inputs, job.options.max_input)
        copies.turn_on(order, pool.wake, log.line)
    return Rooms(
        folder=folder,
        about=about,
        ledger=ledger,
        source=_source(job, about, folder, pool, stack),
        window=window,
        scheduler=scheduler,
        supply=Supply(window, scheduler, forecast),
        forecast=forecast,
        pool=pool,
        committer=committer,
        copies=copies,
        log=log,
    )


def _held(job: Job, stack: ExitStack) -> tuple[Folder, About | None]:
    """The run folder, ours alone from now on, and the run that is in it."""
    folder = Folder(job.out)
    stack.callback(folder.release)
    folder.hold()
    old = folder.read_about() if folder.exists and not job.fresh else None
    if old is None and not job.fresh:
        _refuse_orphans(folder)
    return folder, old


def _refuse_orphans(folder: Folder) -> None:
    if parts := sorted(os.listdir(folder.data)):
        raise DamageError(
            f"{folder.data} has results ({printable(parts[0])}) but there is no run.json beside"
            " it; nothing was changed"
        )


def _known_ledger(folder: Folder, old: About, stack: ExitStack) -> Ledger:
    """The ledger of an earlier start, held against the data."""
    ledger = Ledger(folder.ledger, create=False)
    stack.callback(ledger.close)
    Segment(folder.path, ledger, sink_of(old.format, folder.path, ledger)).check()
    return ledger


def _new_ledger(folder: Folder, stack: ExitStack) -> Ledger:
    folder.drop_ledger()
    ledger = Ledger(folder.ledger, create=True)
    stack.callback(ledger.close)
    return ledger


def _pool(job: Job, rules: Rules, folder: Folder, epoch: int) -> Pool:
    return Pool(setup_of(job.processor, rules, job.options), folder.pending, epoch)


def _agree(job: Job, old: About | None, fingerprint: str) -> About:
    new = About(
        inputs=job.roots,
        files_from=job.files_from,
        null=job.null,
        processor=job.processor.name,
        fingerprint=fingerprint,
        importable=job.processor.importable,
        pinned=job.options.pinned(),
        options=job.options.remembered(),
        base="" if job.again or not job.files_from else str(Path.cwd()),
    )
    return agree(old, new, add=job.add, new_processor=job.retry) if old else new


def _source(job: Job, about: About, folder: Folder, pool: Pool, stack: ExitStack) -> source.Source:
    """The walker over the inputs, a list among them; the ledger remembers one from a pipe."""
    remembered = job.again and about.files_from == "-"
    walk = Walk(
        about.inputs,
        filters_of(job.options),
        about.files_from,
        about.null,
        about.base,
        str(folder.ledger) if remembered else None,
    )
    walker = source.Source(walk, pool.wake)
    stack.callback(walker.close)
    walker.start()
    return walker


def _close_quietly(committer: Committer) -> None:
    """On the way out its error, if any, has been raised already."""
    with suppress(DocherdError, OSError):
        committer.close()
