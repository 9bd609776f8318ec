"""The loop that carries a run from its first Document to its last.

    1  hold the folder, open the ledger, read the slots of an engine that died
    2  start the pool: the first worker says whether the processor loads, and its fingerprint
    3  agree that it is the same run; charge interruptions; recover the parts; start the walk
    4  again and again: found ─► ledger ─► window ─► scheduler ─► pool ─► outcomes ─► commit
    5  seal, prove the accounting, write the report, let go

The engine's thread spawns the workers and must live as long as they do (PDEATHSIG). It never
touches the disk on the way of a Document: the committer's thread does.
"""

from __future__ import annotations

import itertools
import json
import math
import os
import time
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import docherd
from docherd import host, progress, report, source
from docherd.child import left_in_hand
from docherd.config import Options
from docherd.exceptions import (
    FINISHED,
    SOME_FAILED,
    DamageError,
    DocherdError,
    NothingFound,
    PolicyStop,
    UsageError,
)
from docherd.folder import Folder, write_atomically
from docherd.forecast import Forecast
from docherd.identity import About, agree
from docherd.ledger import Ledger
from docherd.ledger import Progress as Note
from docherd.log import Log
from docherd.model import Counts, Found, Outcome, Reason, Root, Snapshot, Status, printable
from docherd.pool import Pool, Setup
from docherd.processors import Processor
from docherd.scheduler import Rules, Scheduler, Verdict
from docherd.segment import Committer, Segment
from docherd.stop import Level, Stop
from docherd.window import Window

#: seconds between looks at the clocks when nothing happens
TICK = 0.05
#: a commit comes on the first of these: Documents, bytes of lines, seconds
COMMIT_DOCUMENTS, COMMIT_BYTES, COMMIT_SECONDS = 10_000, 32 << 20, 1.0
#: seconds between commits that only note how far the run is
NOTE_SECONDS = 5.0
#: bytes of lines not yet durable above which nothing more is given out
BACKLOG = 64 << 20
#: seconds between updates of the display and of status.json
SHOW_SECONDS, STATUS_SECONDS = 0.1, 2.0
#: seconds that workers get to print their stacks
STACKS_SECONDS = 0.5
#: seconds the rate looks back
RATE_SECONDS = 10.0
#: least memory a worker is worth starting with
LEAST_SHARE = 64_000_000
#: part of the memory there is that a run takes when not told
MEMORY_SHARE = 0.8
#: default timeout: seconds, and seconds more for each megabyte
TIMEOUT, TIMEOUT_PER_MB = 300.0, 10.0


@dataclass(frozen=True, slots=True)
class Job:
    """One call: what to run, over what, into which folder."""

    out: Path
    roots: tuple[Root, ...]
    processor: Processor
    options: Options
    #: a file of names, "-" for standard input, None without
    files_from: str | None = None
    #: names in it end with NUL, not newline
    null: bool = False
    #: take further inputs into a run that exists
    add: bool = False
    #: throw an earlier run in the folder away
    fresh: bool = False
    #: process failed Documents again: all, or those with this reason
    retry: bool = False
    retry_reason: Reason | None = None


@dataclass(frozen=True, slots=True)
class Summary:
    """How a run stands when it returns. Seconds are this call's."""

    out: Path
    #: "finished" or "interrupted"
    state: str
    counts: Counts
    reasons: dict[Reason, int]
    seconds: float
    #: Documents this call finished
    finished: int
    #: most memory all workers together held, bytes
    memory_peak: int
    exit_code: int
    #: why it ended early, one line; empty otherwise
    stopped: str = ""


def run(job: Job, display: progress.Progress, stop: Stop) -> Summary:
    """Run a job until it is finished, stopped or refused.

    Raises the DocherdError that says why it could not be run; a run that was stopped by a signal
    or a rule returns, with everything finished committed.
    """
    engine = Engine(job, display, stop)
    try:
        engine.open()
        return engine.run()
    finally:
        engine.close()


class Engine:
    """One start of one run."""

    def __init__(self, job: Job, display: progress.Progress, stop: Stop) -> None:
        self._job = job
        self._display = display
        self._stop = stop
        self._folder = Folder(job.out)
        self._limits = limits(job.options)
        self._ledger: Ledger | None = None
        self._pool: Pool | None = None
        self._began = False
        self._outcomes: list[Outcome] = []
        self._bytes = 0
        self._pending: Counter[str] = Counter()
        self._pace = Pace()
        self._policy: PolicyStop | None = None
        self._source: source.Source | None = None
        self._stacks_due = math.inf

    # ── 1-3: open ────────────────────────────────────────────────────────────────────────────

    def open(self) -> None:
        """Everything up to the first Document; raises what makes the run impossible."""
        folder, job = self._folder, self._job
        source.refuse_missing(job.roots)
        source.refuse_output_inside(job.roots, job.out)
        folder.hold()
        if job.fresh:
            folder.begin_anew()
        old = folder.read_about() if folder.exists else None
        if old is None:
            self._refuse_orphans()
        ledger = Ledger(folder.ledger, create=False) if old else None
        self._ledger = ledger
        segment = Segment(folder.path, ledger) if ledger else None
        if segment:
            segment.check()
        epoch = ledger.epoch if ledger else 0
        in_hand = left_in_hand(folder.pending, epoch)
        pool = self._pool = Pool(self._setup(), folder.pending, epoch + 1)
        pool.start()
        self._about = self._agree(old, pool.fingerprint)
        if ledger is None:
            folder.drop_ledger()
            ledger = self._ledger = Ledger(folder.ledger, create=True)
        self._about = folder.write_about(self._about)
        self._start_rooms(ledger, segment or Segment(folder.path, ledger), pool, in_hand)

    def _refuse_orphans(self) -> None:
        if parts := sorted(os.listdir(self._folder.data)):
            raise DamageError(
                f"{self._folder.data} has results ({printable(parts[0])}) but there is no run.json"
                " beside it; nothing was changed"
            )

    def _setup(self) -> Setup:
        options = self._job.options
        return Setup(
            self._job.processor,
            self._limits.workers,
            options.max_output,
            options.max_input,
            options.passwords,
            options.nice,
        )

    def _agree(self, old: About | None, fingerprint: str) -> About:
        job = self._job
        new = About(
            inputs=job.roots,
            files_from=job.files_from,
            null=job.null,
            processor=job.processor.name,
            fingerprint=fingerprint,
            importable=job.processor.importable,
            pinned=job.options.pinned(),
            options=job.options.remembered(),
        )
        if old is None:
            return new
        return agree(old, new, add=job.add, new_processor=job.retry)

    def _start_rooms(
        self, ledger: Ledger, segment: Segment, pool: Pool, in_hand: list[int]
    ) -> None:
        limits, roots = self._limits, self._about.inputs
        ledger.begin(limits.workers, limits.memory, in_hand, limits.max_interruptions)
        segment.recover()
        if self._job.retry:
            ledger.reopen(self._job.retry_reason)
        self._began = True
        self._start = time.monotonic()
        self._log = Log(self._folder.path / "run.log")
        self._log.line(
            f"start {ledger.epoch} of run {self._about.run}, docherd {docherd.__version__}"
        )
        self._forecast = Forecast(ledger.learned())
        self._scheduler = Scheduler(limits)
        self._window = Window(self._folder.ledger, roots)
        self._committer = Committer(segment, ledger, pool.wake)
        filters = filters_of(self._job.options)
        entries = self._entries(ledger, roots, filters)
        walk = source.Source(entries, roots, filters, pool.wake)
        self._stop.wake = pool.wake
        self._to_discover = 0
        self._committed = self._shown = self._noted = self._sampled = self._start
        self._told_status = 0.0
        self._vanished = False
        self._source = walk
        walk.start()

    def _entries(
        self, ledger: Ledger, roots: tuple[Root, ...], filters: source.Filters
    ) -> Iterator[Found]:
        """The walk over all roots, and the list, in the order of the inputs."""
        walks = []
        for index, root in enumerate(roots):
            if root.label:
                walks.append(source.walk(index, root, filters))
            else:
                walks.append(source.listed(index, self._names(ledger, index)))
        return itertools.chain.from_iterable(walks)

    def _names(self, ledger: Ledger, index: int) -> Iterator[bytes]:
        """The names of the list; for `resume` of one from standard input, those it had."""
        where = self._about.files_from
        if where == "-" and self._job.files_from is None:
            return iter([b"/" + path for path in ledger.paths(index)])
        return source.read_list(
            None if where in ("-", None) else Path(where or ""), self._about.null
        )

    # ── 4: the loop ──────────────────────────────────────────────────────────────────────────

    def run(self) -> Summary:
        """Process everything, or as much as the stop allows."""
        assert self._pool and self._source
        while True:
            self._discover(self._source)
            self._feed(self._pool)
            for outcome in self._pool.outcomes(TICK):
                self._settle(outcome)
            self._commit_if_due()
            self._show_if_due()
            self._obey(self._pool)
            if self._over(self._pool):
                return self._finish()

    def _discover(self, walk: source.Source) -> None:
        """source ─► ledger, a few batches ahead; ledger ─► window once they are committed."""
        while self._to_discover < 2 and not self._ending and (batch := walk.take()):
            self._committer.discover(batch)
            self._to_discover += 1
        for found in self._committer.discovered():
            self._to_discover -= 1
            self._window.add(found)
            self._pending.update(found.strata)
        if self._walked and walk.complete and not self._vanished and not self._ending:
            self._vanished = True
            self._committer.vanished(self._job.options.prune)

    @property
    def _walked(self) -> bool:
        """Every input has been found and committed."""
        return self._source is not None and self._source.ended and not self._to_discover

    @property
    def _ending(self) -> bool:
        return self._stop.level > Level.GO_ON or self._policy is not None

    def _feed(self, pool: Pool) -> None:
        """window ─► scheduler ─► pool, as long as there are idle workers and the disk keeps up."""
        if self._ending:
            return
        if self._scheduler.waiting < 2 * self._limits.workers:
            self._scheduler.offer(self._window.take(256))
        over = self._walked and not self._window.waiting
        waiting = self._scheduler.waiting + (self._scheduler.deferred if over else 0)
        pool.grow(waiting)
        while pool.has_room() and self._committer.backlog + self._bytes < BACKLOG:
            grant = self._scheduler.next(pool.busy, over)
            if grant is None:
                return
            if not pool.give(grant):
                self._scheduler.take_back(grant)
                return

    def _settle(self, outcome: Outcome) -> None:
        """An ended attempt: into the next commit, and into what is learned."""
        verdict = self._scheduler.settle(outcome)
        if verdict is Verdict.BACK:
            return
        self._pace.worked += outcome.seconds
        if verdict is Verdict.AGAIN:
            self._outcomes.append(replace(outcome, status=Status.PENDING))
            self._log.outcome(outcome, "will be tried again")
        else:
            self._outcomes.append(outcome)
            self._bytes += outcome.length
            self._pending[outcome.task.stratum] -= 1
            self._pace.finished += 1
            self._pace.written += outcome.length
            self._display.document(outcome)
        if outcome.status is Status.DONE:
            self._forecast.learn(outcome)
        elif verdict is Verdict.FINAL and outcome.status is Status.FAILED:
            self._log.outcome(outcome)
        self._mind_the_rules(outcome, final=verdict is Verdict.FINAL)

    def _mind_the_rules(self, outcome: Outcome, *, final: bool) -> None:
        try:
            self._scheduler.check(outcome)
            if final and outcome.status is Status.FAILED:
                self._scheduler.count_failed()
        except PolicyStop as error:
            self._policy = self._policy or error

    def _commit_if_due(self) -> None:
        now = time.monotonic()
        age = now - self._committed
        if self._committer.waiting > 2:
            return  # the disk is behind: the next commit will be a larger one
        full = len(self._outcomes) >= COMMIT_DOCUMENTS or self._bytes >= COMMIT_BYTES
        if full or age > (COMMIT_SECONDS if self._outcomes else NOTE_SECONDS):
            self._commit()

    def _commit(self) -> None:
        outcomes, self._outcomes, self._bytes = self._outcomes, [], 0
        self._committed = time.monotonic()
        self._committer.commit(outcomes, self._note())

    def _note(self) -> Note:
        """What a commit remembers of the run; the throughput curve thins out as it grows."""
        assert self._pool
        seconds = time.monotonic() - self._start
        sample = seconds - self._sampled + self._start > max(1.0, seconds / 60)
        if sample:
            self._sampled = time.monotonic()
        return Note(
            seconds,
            self._pace.finished,
            self._pace.written,
            self._pool.memory,
            self._pool.peak,
            sample,
            self._forecast.dump(),
        )

    def _obey(self, pool: Pool) -> None:
        """What signals asked for."""
        if self._stop.level is Level.NOW or self._policy:
            pool.kill_busy()
        if self._stop.tell:
            self._stop.tell = False
            self._display.message(json.dumps(progress.status(self._snapshot("running"))))
        if self._stop.dump:
            self._stop.dump = False
            self._log.stacks()
            pool.dump_stacks()
            self._stacks_due = time.monotonic() + STACKS_SECONDS
        if time.monotonic() > self._stacks_due:
            self._stacks_due = math.inf
            self._log.printed(pool.printed())

    def _over(self, pool: Pool) -> bool:
        if pool.busy:
            return False
        if self._ending:
            return True
        scheduler, window = self._scheduler, self._window
        nothing_left = not (scheduler.waiting or scheduler.deferred or window.waiting)
        return self._walked and nothing_left

    # ── showing ──────────────────────────────────────────────────────────────────────────────

    def _show_if_due(self) -> None:
        now = time.monotonic()
        if now - self._shown < SHOW_SECONDS:
            return
        self._shown = now
        snapshot = self._snapshot("running")
        self._display.update(snapshot)
        if now - self._told_status > STATUS_SECONDS:
            self._told_status = now
            self._write_status(snapshot)

    def _write_status(self, snapshot: Snapshot) -> None:
        text = json.dumps(progress.status(snapshot), indent=1).encode()
        write_atomically(self._folder.path / "status.json", text, durable=False)

    def _snapshot(self, state: str) -> Snapshot:
        assert self._pool and self._ledger
        seconds = time.monotonic() - self._start
        pace = self._pace
        return Snapshot(
            run=self._about.run,
            state=state,
            counts=self._ledger.counts,
            reasons=self._ledger.reasons,
            seconds=seconds,
            finished=pace.finished,
            rate=pace.rate(seconds),
            eta=self._forecast.remaining(+self._pending, pace.worked / max(seconds, 0.001))
            if pace.finished and state == "running"
            else None,
            walking=not self._walked,
            workers=self._limits.workers,
            busy=tuple(self._pool.in_hand()),
            memory=self._pool.memory,
            memory_peak=self._pool.peak,
            memory_budget=self._limits.memory,
            written=pace.written,
            notice=self._notice(),
        )

    def _notice(self) -> str:
        assert self._pool
        if self._stop.level is Level.DRAIN:
            return f"finishing {self._pool.busy} in hand; Ctrl-C again stops now"
        if self._stop.level is Level.NOW:
            return "stopping now"
        return str(self._policy or "")

    # ── 5: the end ───────────────────────────────────────────────────────────────────────────

    def _finish(self) -> Summary:
        """Commit, seal, prove, report."""
        assert self._pool and self._ledger and self._source
        state = "interrupted" if self._ending else "finished"
        self._source.close()
        self._commit()
        self._committer.seal()
        self._committer.close()
        self._window.close()
        self._pool.close()
        self._ledger.prove()
        self._ledger.end(state, self._note())
        snapshot = self._snapshot(state)
        self._ledger.close(clean=True)
        self._ledger = None
        self._display.close(snapshot)
        self._write_status(snapshot)
        report.write(self._folder.path)
        self._log.line(f"{state}: {json.dumps(snapshot.counts.as_json())}")
        if state == "finished" and not snapshot.counts.discovered:
            raise NothingFound("no documents in the inputs; look at the paths and at --include")
        return Summary(
            out=self._folder.path,
            state=state,
            counts=snapshot.counts,
            reasons=dict(snapshot.reasons),
            seconds=snapshot.seconds,
            finished=snapshot.finished,
            memory_peak=snapshot.memory_peak,
            exit_code=self._exit_code(snapshot.counts),
            stopped=str(self._policy or ""),
        )

    def _exit_code(self, counts: Counts) -> int:
        if self._policy:
            return self._policy.exit_code
        if self._job.options.exit_zero or not counts.failed:
            return FINISHED
        return SOME_FAILED

    def close(self) -> None:
        """Let everything go, whatever happened before; idempotent."""
        if self._pool:
            self._pool.kill_busy()
        if self._source and self._ledger:
            self._source.close()
            try:
                self._committer.close()
            except (DocherdError, OSError):
                pass  # it is on its way to the user already
            self._window.close()
        if self._pool:
            self._pool.close()
        if self._ledger:
            self._ledger.close(clean=not self._began)
        self._folder.release(discard=not self._began)


class Pace:
    """How fast this start is going."""

    def __init__(self) -> None:
        self.finished = 0
        self.written = 0
        #: seconds of work in workers
        self.worked = 0.0
        self._lately: deque[tuple[float, int]] = deque([(0.0, 0)])

    def rate(self, seconds: float) -> float:
        """Documents a second over the last ten."""
        self._lately.append((seconds, self.finished))
        while len(self._lately) > 2 and self._lately[1][0] < seconds - RATE_SECONDS:
            self._lately.popleft()
        since, before = self._lately[0]
        return (self.finished - before) / (seconds - since) if seconds > since else 0.0


def limits(options: Options) -> Rules:
    """The numbers a run works within; raises UsageError where they cannot be met."""
    memory = options.memory or int(host.memory() * MEMORY_SHARE)
    wanted = options.workers or host.cores()
    workers = max(1, min(wanted, memory // LEAST_SHARE))
    if options.workers and workers < wanted:
        raise UsageError(
            f"--memory {memory / 1e6:,.0f}MB is too little for {wanted} workers: each needs"
            f" {LEAST_SHARE / 1e6:.0f}MB at least; use -w {workers} or more memory"
        )
    return Rules(
        workers=workers,
        memory=memory,
        timeout=options.timeout or TIMEOUT,
        timeout_per_mb=0.0 if options.timeout else TIMEOUT_PER_MB,
        retries=options.retries,
        max_failures=options.max_failures,
        max_interruptions=options.max_interruptions,
    )


def filters_of(options: Options) -> source.Filters:
    """Which entries of the inputs count."""
    return source.Filters(
        options.include, options.exclude, options.hidden, options.checksum, options.limit
    )
