"""The loop that carries a run from its first Document to its last.

    found ─► ledger ─► window ─► scheduler ─► pool ─► outcomes ─► commit       again and again
    seal ─► prove the accounting ─► report                                      at the end

The engine's thread spawns the workers and must live as long as they do (PDEATHSIG). It never
touches the disk on the way of a Document: the committer's thread does. Opening is in start.py.
"""

from __future__ import annotations

import json
import math
import time
from collections import Counter
from contextlib import ExitStack

from docherd import experience, progress, report, source, spawn
from docherd.exceptions import (
    FINISHED,
    SOME_FAILED,
    EnvironmentFault,
    NothingFound,
    PolicyStop,
)
from docherd.folder import write_atomically
from docherd.gauge import Gauge
from docherd.herald import Herald
from docherd.intake import Intake
from docherd.job import Job, Summary, limits, within_files
from docherd.model import Counts, Outcome, Snapshot, Status
from docherd.pace import Pace
from docherd.pool import Pool
from docherd.rows import Note
from docherd.scheduler import Rules, Verdict
from docherd.start import Rooms, machine_faults, open_run
from docherd.stop import Level, Stop

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


def run(job: Job, display: progress.Progress, stop: Stop) -> Summary:
    """Run a job until it is finished, stopped or refused.

    Raises the DocherdError that says why it could not be run; a run that was stopped by a signal
    or a rule returns, with everything finished committed.
    """
    rules, warning = within_files(limits(job.options))
    if warning:
        display.message(warning)
    with machine_faults(), ExitStack() as stack:
        rooms = open_run(job, rules, stack, stop)
        stop.wake = rooms.pool.wake
        return Engine(job, rules, rooms, display, stop).run()


class Engine:
    """One start of one run."""

    def __init__(
        self, job: Job, rules: Rules, rooms: Rooms, display: progress.Progress, stop: Stop
    ) -> None:
        self._job = job
        self._rules = rules
        self._rooms = rooms
        self._display = display
        self._stop = stop
        #: settled and not yet handed to the committer, and the bytes of their lines
        self._outcomes: list[Outcome] = []
        self._bytes = 0
        self._pace = Pace(rules.workers)
        self._gauge = Gauge(rooms.pool, rooms.scheduler, rooms.forecast, rules, rooms.log.line)
        self._sizing: tuple[str, ...] = ()
        self._herald = Herald(rooms, rules, display, force=job.options.force)
        #: why the run ends early, where neither a signal nor an error says so
        self._policy: PolicyStop | EnvironmentFault | None = None
        prune = job.options.prune
        self._intake = Intake(rooms, self._pace.pending, self._input_lost, prune=prune)
        self._warned = False
        self._waiting = ""
        self._start = self._committed = self._shown = self._sampled = time.monotonic()
        self._told_status = 0.0
        self._stacks_due = math.inf

    # ── the loop ────────────────────────────────────────────────────────────────────────────

    def run(self) -> Summary:
        """Process everything, or as much as the stop allows."""
        try:
            while not self._over(self._rooms.pool):
                self._intake.turn(ending=self._ending)
                self._feed(self._rooms.pool)
                self._gauge.turn(self._left, stuck=self._backlog >= BACKLOG)
                for outcome in self._rooms.pool.outcomes(TICK):
                    self._settle(outcome)
                for outcome in self._rooms.copies.outcomes(self._idle, self._commit):
                    self._record(outcome)
                self._commit_if_due()
                self._tell()
                self._show_if_due()
                self._obey(self._rooms.pool)
                self._warn(self._rooms.pool)
            snapshot = self._finish()
        except BaseException:
            self._display.close(self._snapshot("interrupted"))
            raise
        self._display.close(snapshot)
        return self._summary(snapshot)

    def _input_lost(self) -> bool:
        """True where a whole input has gone away: the run stops, and no Document is blamed."""
        if why := self._rooms.source.lost():
            self._policy = self._policy or EnvironmentFault(
                f"{why} The rest stays pending: run the same command again when it is back"
            )
        return bool(why)

    @property
    def _ending(self) -> bool:
        return self._stop.level > Level.GO_ON or self._policy is not None

    def _warn(self, pool: Pool) -> None:
        """Once: that fewer workers than were asked for could be started; and when memory is
        waited for, and no longer.
        """
        if pool.budget.waiting != self._waiting:
            self._waiting = pool.budget.waiting
            self._rooms.log.line(self._waiting or progress.GOES_ON)
        if pool.crew.shrunk and not self._warned:
            self._warned = True
            why = pool.crew.shrunk.partition(";")[0]
            self._display.message(f"{why}: going on with fewer")
            self._rooms.log.line(why)

    def _feed(self, pool: Pool) -> None:
        """window ─► scheduler ─► pool, as long as there are idle workers and the disk keeps up."""
        if self._ending:
            return
        supply, scheduler = self._rooms.supply, self._rooms.scheduler
        supply.refill(self._in_hand)
        over = self._intake.walked and not supply.waiting
        scheduler.memory = pool.budget.size
        pool.crew.grow(scheduler.waiting + (scheduler.deferred if over else 0))
        while pool.crew.has_room() and self._backlog < BACKLOG:
            grant = scheduler.next(pool.crew.busy, over, pool.room)
            if grant is None:
                return
            if not pool.give(grant):
                scheduler.take_back(grant)
                return

    @property
    def _backlog(self) -> int:
        """Bytes of lines that are not durable."""
        return self._rooms.committer.backlog + self._bytes

    @property
    def _left(self) -> float:
        """Documents that wait for a worker; infinite while more may be found."""
        scheduler, supply = self._rooms.scheduler, self._rooms.supply
        if self._ending:
            return 0
        return scheduler.waiting + supply.waiting if self._intake.walked else math.inf

    def _in_hand(self) -> Counter[str]:
        return Counter(busy.stratum for busy in self._rooms.pool.in_hand())

    def _settle(self, outcome: Outcome) -> None:
        """An ended attempt: into the next commit, and into what is learned."""
        if outcome.task.probe:
            self._rooms.supply.probed(outcome)
            return
        if source.blamed(outcome) and self._input_lost():
            outcome = outcome._replace(status=Status.PENDING, reason=None)
        self._rooms.forecast.learn(outcome)
        verdict = self._rooms.scheduler.settle(outcome)
        if verdict is Verdict.BACK:
            return
        if verdict is Verdict.AGAIN:
            self._outcomes.append(outcome._replace(status=Status.PENDING))
            self._pace.defer(outcome, self._rooms.pool.start_seconds)
            self._rooms.log.outcome(outcome, "will be tried again")
            self._mind_the_rules(outcome, final=False)
        else:
            self._gauge.end(outcome)
            self._herald.note(outcome)
            self._record(outcome)

    def _record(self, outcome: Outcome) -> None:
        """What is final, of an attempt or of a copy, goes into the next commit."""
        self._outcomes.append(outcome)
        self._bytes += outcome.length
        self._pace.end(outcome)
        if outcome.status is Status.FAILED:
            self._rooms.log.outcome(outcome)
        self._mind_the_rules(outcome, final=True)

    def _mind_the_rules(self, outcome: Outcome, *, final: bool) -> None:
        try:
            self._rooms.scheduler.check(outcome)
            if final and outcome.status is Status.FAILED:
                self._rooms.scheduler.count_failed()
        except PolicyStop as error:
            self._policy = self._policy or error

    def _tell(self) -> None:
        """Say what has ended, once that is durable."""
        for outcome in self._rooms.committer.committed():
            if outcome.status.final:
                self._display.document(outcome)

    def _commit_if_due(self) -> None:
        if refined := self._rooms.supply.refined():
            self._rooms.committer.refine(refined)
        now = time.monotonic()
        age = now - self._committed
        if self._rooms.committer.waiting > 2:
            return  # the disk is behind: the next commit will be a larger one
        full = len(self._outcomes) >= COMMIT_DOCUMENTS or self._bytes >= COMMIT_BYTES
        if full or age > (COMMIT_SECONDS if self._outcomes else NOTE_SECONDS):
            self._commit()

    def _commit(self) -> None:
        outcomes, self._outcomes, self._bytes = self._outcomes, [], 0
        self._committed = time.monotonic()
        pool = self._rooms.pool
        slots, pool.buried = pool.buried, []
        self._rooms.committer.commit(outcomes, self._note(), slots)

    def _note(self) -> Note:
        """What a commit remembers of the run; the throughput curve thins out as it grows."""
        seconds = time.monotonic() - self._start
        sample = seconds - self._sampled + self._start > max(1.0, seconds / 60)
        if sample:
            self._sampled = time.monotonic()
        return Note(
            seconds,
            self._pace.finished,
            self._pace.written,
            self._rooms.pool.memory,
            self._rooms.pool.budget.peak,
            sample,
            self._rooms.forecast.dump(),
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
            self._rooms.log.stacks()
            pool.dump_stacks()
            self._stacks_due = time.monotonic() + STACKS_SECONDS
        if time.monotonic() > self._stacks_due:
            self._stacks_due = math.inf
            self._rooms.log.printed(pool.printed())

    def _over(self, pool: Pool) -> bool:
        if pool.crew.busy:
            return False
        if self._ending:
            return True
        return self._intake.walked and self._idle() and not self._rooms.copies.waiting

    def _idle(self) -> bool:
        """Nothing is in hand, and nothing waits for a worker."""
        scheduler, supply = self._rooms.scheduler, self._rooms.supply
        left = self._rooms.pool.crew.busy or scheduler.waiting or scheduler.deferred
        return not (left or supply.waiting or self._ending)

    # ── showing ──────────────────────────────────────────────────────────────────────────────

    def _show_if_due(self) -> None:
        now = time.monotonic()
        if now - self._shown < SHOW_SECONDS:
            return
        self._shown = now
        self._foretell()
        snapshot = self._snapshot("running")
        self._display.update(snapshot)
        if now - self._told_status > STATUS_SECONDS:
            self._told_status = now
            self._write_status(snapshot)
            spawn.reap_strays()

    def _foretell(self) -> None:
        """Once: how long it will take; stop where the disk cannot hold what comes of it."""
        if self._intake.walked and not (self._ending or self._rooms.copies.comparing):
            self._policy = self._herald.tell(self._pace.pending)

    def _write_status(self, snapshot: Snapshot) -> None:
        text = json.dumps(progress.status(snapshot), indent=1).encode()
        write_atomically(self._rooms.folder.path / "status.json", [text], durable=False)

    def _snapshot(self, state: str) -> Snapshot:
        seconds = time.monotonic() - self._start
        pace, busy = self._pace, tuple(self._rooms.pool.in_hand())
        going = pace.finished and state == "running"
        return Snapshot(
            run=self._rooms.about.run,
            state=state,
            counts=self._rooms.ledger.counts,
            reasons=self._rooms.ledger.reasons,
            seconds=seconds,
            finished=pace.finished,
            rate=pace.rate(seconds),
            eta=pace.eta(self._rooms.forecast, busy, seconds) if going else None,
            walking=not self._intake.walked,
            workers=self._rooms.pool.crew.size,
            auto=self._gauge.auto,
            busy=busy,
            memory=self._rooms.pool.memory,
            memory_peak=self._rooms.pool.budget.peak,
            memory_budget=self._rooms.pool.budget.size,
            written=pace.written,
            notice=self._notice(),
        )

    def _notice(self) -> str:
        if self._stop.level is Level.DRAIN:
            return f"finishing {self._rooms.pool.crew.busy} in hand; Ctrl-C again stops now"
        if self._stop.level is Level.NOW:
            return "stopping now"
        waits = self._rooms.pool.budget.waiting or (self._idle() and self._rooms.copies.notice)
        return str(self._policy or "") or waits or ""

    # ── the end ──────────────────────────────────────────────────────────────────────────────

    def _finish(self) -> Snapshot:
        """Commit, seal, prove, report."""
        rooms = self._rooms
        state = "interrupted" if self._ending else "finished"
        rooms.source.close()
        rooms.copies.close()
        self._commit()
        rooms.committer.seal()
        rooms.committer.close()
        self._tell()
        rooms.window.close()
        rooms.pool.close()
        rooms.ledger.prove()
        rooms.ledger.end(state, self._note())
        experience.remember(self._job.processor.known_as, rooms.ledger.learned())
        snapshot = self._snapshot(state)
        rooms.ledger.close()
        self._write_status(snapshot)
        self._sizing = self._gauge.write(rooms.folder.path)
        report.write(rooms.folder.path)
        rooms.log.line(f"{state}: {json.dumps(snapshot.counts.as_json())}")
        return snapshot

    def _summary(self, snapshot: Snapshot) -> Summary:
        if snapshot.state == "finished" and not snapshot.counts.discovered:
            raise NothingFound(self._job.nothing_found)
        return Summary(
            out=self._rooms.folder.path,
            state=snapshot.state,
            counts=snapshot.counts,
            reasons=dict(snapshot.reasons),
            seconds=snapshot.seconds,
            finished=snapshot.finished,
            unchanged=self._rooms.ledger.unchanged,
            memory_peak=snapshot.memory_peak,
            exit_code=self._exit_code(snapshot.counts),
            stopped=str(self._policy or ""),
            sizing=self._sizing,
            copies=self._rooms.copies.made,
        )

    def _exit_code(self, counts: Counts) -> int:
        if self._policy:
            return self._policy.exit_code
        if self._job.options.exit_zero or not counts.failed:
            return FINISHED
        return SOME_FAILED
