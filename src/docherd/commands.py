"""What each command of the command line does."""

from __future__ import annotations

import os
import sys
from argparse import Namespace
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import cast

from docherd import (
    advice,
    engine,
    once,
    patterns,
    planning,
    progress,
    queries,
    source,
    units,
    upkeep,
    wording,
)
from docherd.config import Options, flags, read_file
from docherd.dryrun import dry_run
from docherd.exceptions import DocherdError, EnvironmentFault, UsageError
from docherd.folder import Folder
from docherd.identity import About
from docherd.job import Job, Summary, limits, setup_of
from docherd.model import Outcome, Reason, Root, Status, printable
from docherd.processors import describe
from docherd.stop import Stop, die_of, signals, silence
from docherd.view import View

# ── runs ─────────────────────────────────────────────────────────────────────────────────────


def run(given: Namespace) -> int:
    """`docherd run INPUT... -o OUT`"""
    options = _options(given, {})
    job = Job(
        out=Path(given.out),
        roots=_roots(given),
        processor=describe(options.processor),
        options=options,
        files_from=_list_file(given.files_from),
        null=given.null,
        add=given.add,
        fresh=given.fresh,
    )
    if given.dry_run:
        return dry_run(job, sys.stdout)
    return _carry_out(job, given)


def plan(given: Namespace) -> int:
    """`docherd plan INPUT...`: what a run would take."""
    options = _options(given, {})
    asked = planning.Asked(
        roots=_roots(given),
        processor=describe(options.processor),
        options=options,
        seconds=given.seconds,
        files_from=_list_file(given.files_from),
        null=given.null,
        as_json=given.json,
        quiet=given.quiet,
    )
    return planning.make(asked, sys.stdout)


def _roots(given: Namespace) -> tuple[Root, ...]:
    """What the user typed. Raises UsageError where that is nothing."""
    if not given.inputs and not given.files_from:
        raise UsageError("no inputs: give a folder, a file, a glob, or --files-from")
    roots = source.roots_of(given.inputs)
    if given.files_from:
        roots.append(Root(b"", b"/", names=()))
    return tuple(roots)


def resume(given: Namespace) -> int:
    """`docherd resume OUT`"""
    return _carry_out(_job_again(given), given)


def retry(given: Namespace) -> int:
    """`docherd retry OUT [--reason REASON]`"""
    reason = Reason(given.reason) if given.reason else None
    return _carry_out(replace(_job_again(given), retry=True, retry_reason=reason), given)


def repair(given: Namespace) -> int:
    """`docherd repair OUT`: mend, then do again what was lost; nothing where nothing was wrong."""
    folder = _known(given)
    quiet = given.quiet or vars(given).get("progress") == "none"
    mended = upkeep.repair(folder, as_json=vars(given).get("progress") == "json", quiet=quiet)
    return resume(given) if mended.anything else 0


def _known(given: Namespace) -> Folder:
    """The folder of a run. Raises UsageError where there is none."""
    folder = Folder(Path(given.out))
    if not folder.exists:
        raise UsageError(
            f"no run in {printable(given.out)}; start one: docherd run INPUT... -o OUT"
        )
    return folder


def _job_again(given: Namespace) -> Job:
    """The job that run.json remembers, with the options given now on top."""
    folder = _known(given)
    about = folder.read_about()
    options = _options(given, about.options, about.processor)
    changed = options.processor != about.processor
    if not about.importable and not changed:
        raise UsageError(
            f"the processor {about.processor} lives in the program that started this run:"
            f" call docherd.run(..., {str(folder.path)!r}) there again"
        )
    _refuse_unread_pipe(about, folder)
    return Job(
        out=folder.path,
        roots=about.inputs,
        processor=describe(options.processor),
        options=options,
        files_from=about.files_from,
        null=about.null,
        again=True,
    )


def _refuse_unread_pipe(about: About, folder: Folder) -> None:
    if about.files_from != "-":
        return
    with View.open(folder.path) as view:
        read = any(not start.limited for start in view.starts())
    if not read:
        raise UsageError(
            "the list on standard input was not read to its end: give it again,"
            f" ... | docherd run --files-from - -o {printable(str(folder.path))}"
        )


def _list_file(name: str | None) -> str | None:
    """A list's absolute path; raises EnvironmentFault where it cannot be read."""
    if name is None or name == "-":
        return name
    path = Path(name).absolute()
    if not os.access(path, os.R_OK):
        raise EnvironmentFault(f"--files-from {printable(str(path))}: cannot be read")
    return str(path)


def _options(
    given: Namespace, remembered: Mapping[str, object], processor: str = "extract"
) -> Options:
    """What was remembered, then what the config file says, then what was typed."""
    names = {name for name, _ in flags()} | patterns.FROM_FILES.keys()
    typed = {name: value for name, value in vars(given).items() if name in names}
    said = (read_file(Path(given.config)) if given.config else {}) | typed
    values: dict[str, object] = {"processor": processor, **remembered, **said}
    for files, globs in patterns.FROM_FILES.items():
        if files in said and globs not in said:  # they are all, not added to those remembered
            values.pop(globs, None)
    if given.password_file:
        asked = cast("list[str]", values.get("passwords", []))
        values["passwords"] = [*asked, *_passwords(Path(given.password_file))]
    return Options.of(values)


def _passwords(path: Path) -> list[str]:
    try:
        return [line for line in path.read_text(encoding="utf-8").splitlines() if line]
    except (OSError, UnicodeDecodeError) as error:
        raise EnvironmentFault(f"--password-file {printable(str(path))}: {error}") from None


def _carry_out(job: Job, given: Namespace) -> int:
    """Run a job with a display; say how it ended and what to do next."""
    kind = "none" if given.quiet else job.options.progress
    stream = sys.stdout if kind == "json" else sys.stderr
    display = progress.choose(kind, stream, job.options.verbose)
    stop = Stop()
    try:
        with signals(stop):
            summary = engine.run(job, display, stop)
    except DocherdError as error:
        code = error.exit_code if stop.signal is None else 128 + stop.signal
        if kind == "json":
            queries.print_json({"event": "exit", "code": code, "stopped": str(error)})
        if stop.signal is None:
            raise
        print(f"docherd: {printable(str(error))}", file=sys.stderr)
        die_of(stop.signal)
    try:
        if kind == "json":
            queries.print_json({"event": "exit", "code": _code(summary, stop), **_ending(summary)})
        elif not given.quiet:
            _say_ending(summary, verdict=kind == "none")
        elif summary.stopped:
            print(f"docherd: {printable(summary.stopped)}", file=sys.stderr)
        sys.stdout.flush()
    except BrokenPipeError:  # nobody reads it; how the run ended is still the exit code
        silence()
    if stop.signal is not None:
        die_of(stop.signal)
    return summary.exit_code


def _code(summary: Summary, stop: Stop) -> int:
    return 128 + stop.signal if stop.signal is not None else summary.exit_code


def _ending(summary: Summary) -> dict[str, object]:
    return {
        "state": summary.state,
        "counts": summary.counts.as_json(),
        "reasons": {str(reason): number for reason, number in summary.reasons.items()},
        "seconds": round(summary.seconds, 3),
        "resume": summary.counts.pending > 0,
        "sizing": list(summary.sizing),
        "copies": summary.copies,
        "stopped": summary.stopped,
    }


def _say_ending(summary: Summary, *, verdict: bool) -> None:
    """Where the results are; ``verdict``: also how it ended, where no display has said it."""
    out = summary.out
    if verdict:
        print(wording.verdict(summary.state, summary.counts, summary.seconds))
    if summary.stopped:
        print(f"stopped: {printable(summary.stopped)}")
    if summary.copies:
        print(f"{units.count(summary.copies)} were copies of others and took no processing")
    if summary.unchanged:
        print(f"{units.count(summary.unchanged)} had been finished before and have not changed")
    for sentence in summary.sizing:
        print(sentence)
    print(f"\nresults   {printable(str(out / 'data'))}")
    print(f"report    {printable(str(out / 'report.html'))}")
    if summary.counts.done:
        print("\nread them")
        for hint in advice.reading(out):
            print(f"  {hint.what:<8}{hint.command}")
    if steps := advice.next_steps(out, summary.counts, summary.reasons):
        print("\nnext")
        for hint in (*steps, advice.Hint("see each", f"docherd failures {printable(str(out))}")):
            print(f"  {hint.what}\n      {hint.command}")


# ── one document ─────────────────────────────────────────────────────────────────────────────


def try_(given: Namespace) -> int:
    """`docherd try FILE [-p NAME]`"""
    options = _options(given, {})
    rules = replace(limits(options), workers=1)
    setup = setup_of(describe(options.processor), rules, options, spares=0)
    file = Path(given.file)
    size = file.stat().st_size if file.exists() else 0
    attempt = once.attempt(
        file, setup, rules.timeout + rules.timeout_per_mb * size / 1e6, rules.memory
    )
    outcome = cast("Outcome", next(attempt))
    for piece in attempt:
        queries.print_records(cast("bytes", piece), raw=given.json or not sys.stdout.isatty())
    _say_outcome(outcome)
    return 0 if outcome.status is not Status.FAILED else 1


def _say_outcome(outcome: Outcome) -> None:
    reason = f": {outcome.reason}" if outcome.reason else ""
    message = f": {printable(outcome.message)}" if outcome.message else ""
    print(
        f"{outcome.status}{reason}{message}, {wording.records(outcome.records)} in"
        f" {units.duration(outcome.seconds)}, {units.size(outcome.peak)} of memory",
        file=sys.stderr,
    )
    if outcome.detail:
        print(queries.escaped_lines(outcome.detail), file=sys.stderr)
