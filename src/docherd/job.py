"""What one call asks for, within which numbers, and how it stands when it returns."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from docherd import guide, host
from docherd.config import Options
from docherd.exceptions import UsageError
from docherd.model import Counts, Reason, Root
from docherd.processors import Processor
from docherd.scheduler import Rules
from docherd.setup import Setup
from docherd.walk import Filters

#: least memory a worker is worth starting with
LEAST_SHARE = 64_000_000
#: workers at most where their number is found out: for each core, and in all
MOST_EACH, MOST = 32, 256
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
    #: as run.json remembers it: a list that came through a pipe is taken from the ledger
    again: bool = False
    #: process failed Documents again: all, or those with this reason
    retry: bool = False
    retry_reason: Reason | None = None

    @property
    def nothing_found(self) -> str:
        """Why there are no Documents."""
        return guide.nothing_found(self.roots, self.options.include, self.options.exclude)


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
    #: Documents finished by earlier calls that have not changed since
    unchanged: int
    #: most memory all workers together held, bytes
    memory_peak: int
    exit_code: int
    #: why it ended early, one line; empty otherwise
    stopped: str = ""
    #: what limited it, and which numbers would have been better: sentences
    sizing: tuple[str, ...] = ()
    #: of those finished by this call, copies that were not processed (--dedup)
    copies: int = 0


def limits(options: Options) -> Rules:
    """The numbers a run works within; raises UsageError where they cannot be met."""
    memory = options.memory or int(host.memory() * MEMORY_SHARE)
    cores, auto = host.cores(), options.workers == "auto"
    wanted = options.workers if isinstance(options.workers, int) else cores
    workers = max(1, min(wanted, memory // LEAST_SHARE))
    if isinstance(options.workers, int) and workers < wanted:
        raise UsageError(
            f"--memory {memory / 1e6:,.0f}MB is too little for {wanted} workers: each needs"
            f" {LEAST_SHARE / 1e6:.0f}MB at least; use -w {workers} or more memory"
        )
    return Rules(
        workers=workers,
        memory=memory,
        timeout=options.timeout or TIMEOUT,
        timeout_per_mb=0.0 if options.timeout else TIMEOUT_PER_MB,
        timeout_given=options.timeout is not None,
        retries=options.retries,
        max_failures=options.max_failures,
        max_interruptions=options.max_interruptions,
        most_workers=max(workers, min(MOST_EACH * cores, MOST)) if auto else 0,
    )


def within_files(rules: Rules) -> tuple[Rules, str]:
    """As many workers as this process may hold files for, and a line where that are fewer."""
    workers = host.workers_for_files(rules.workers)
    if workers == rules.workers:
        return rules, ""
    return replace(rules, workers=workers), (
        f"{workers} of {rules.workers} workers: the limit of open files allows no more;"
        " raise it (ulimit -n) for all of them"
    )


def filters_of(options: Options) -> Filters:
    """Which entries of the inputs count."""
    return Filters(
        options.include, options.exclude, options.hidden, options.checksum, options.limit
    )


def setup_of(
    processor: Processor, rules: Rules, options: Options, *, bare: bool = False, spares: int = 1
) -> Setup:
    """What every worker gets; ``bare`` and ``spares`` as in Setup."""
    return Setup(
        processor,
        rules.workers,
        options.max_output,
        options.max_input,
        passwords=options.passwords,
        nice=options.nice,
        stall=options.stall,
        memory=rules.memory,
        memory_share=0.0 if options.memory else MEMORY_SHARE,
        bare=bare,
        spares=spares,
    )
