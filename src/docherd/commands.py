"""What each command of the command line does."""

from __future__ import annotations

import fcntl
import json
import os
import sys
from argparse import Namespace
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import cast

from docherd import advice, engine, once, progress, records, report, source, units, wording
from docherd.config import Options, flags, read_file
from docherd.dryrun import dry_run
from docherd.exceptions import DocherdError, EnvironmentFault, UsageError
from docherd.folder import Folder
from docherd.identity import About
from docherd.job import Job, Summary, limits
from docherd.model import Outcome, Reason, Root, Status, printable
from docherd.processors import BUILTIN, describe
from docherd.remembered import Entry, Failure
from docherd.setup import Setup
from docherd.stop import Stop, signals
from docherd.view import View


def execute(given: Namespace) -> int:
    """Run the command that was typed; its exit code."""
    command: Callable[[Namespace], int] = {
        "run": run,
        "resume": resume,
        "retry": retry,
        "try": try_,
        "status": status,
        "failures": failures,
        "show": show,
        "cat": cat,
        "report": report_,
        "processors": processors,
    }[given.command]
    return command(given)


# ── runs ─────────────────────────────────────────────────────────────────────────────────────


def run(given: Namespace) -> int:
    """`docherd run INPUT... -o OUT`"""
    options = _options(given, {})
    if not given.inputs and not given.files_from:
        raise UsageError("no inputs: give a folder, a file, a glob, or --files-from")
    roots = source.roots_of(given.inputs)
    if given.files_from:
        roots.append(Root(b"", b"/", names=()))
    job = Job(
        out=Path(given.out),
        roots=tuple(roots),
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


def resume(given: Namespace) -> int:
    """`docherd resume OUT`"""
    return _carry_out(_job_again(given), given)


def retry(given: Namespace) -> int:
    """`docherd retry OUT [--reason REASON]`"""
    reason = Reason(given.reason) if given.reason else None
    return _carry_out(replace(_job_again(given), retry=True, retry_reason=reason), given)


def _job_again(given: Namespace) -> Job:
    """The job that run.json remembers, with the options given now on top."""
    folder = Folder(Path(given.out))
    if not folder.exists:
        raise UsageError(
            f"no run in {printable(given.out)}; start one: docherd run INPUT... -o OUT"
        )
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
    names = {name for name, _ in flags()}
    typed = {name: value for name, value in vars(given).items() if name in names}
    from_file = read_file(Path(given.config)) if given.config else {}
    values: dict[str, object] = {"processor": processor, **remembered, **from_file, **typed}
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
        if kind == "json":
            _print_json({"event": "exit", "code": error.exit_code, "stopped": str(error)})
        raise
    if kind == "json":
        _print_json({"event": "exit", "code": _code(summary, stop), **_ending(summary)})
    elif not given.quiet:
        if kind == "none":  # no display has said it
            print(wording.verdict(summary.state, summary.counts, summary.seconds))
        _say_ending(summary)
    if stop.signal is not None:
        from docherd.cli import die_of

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
        "stopped": summary.stopped,
    }


def _say_ending(summary: Summary) -> None:
    out = summary.out
    if summary.stopped:
        print(f"stopped: {printable(summary.stopped)}")
    already = summary.counts.discovered - summary.counts.pending - summary.finished
    if already > 0 and summary.state == "finished":
        print(f"{units.count(already)} needed no processing this time")
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
    rules = limits(options)
    setup = Setup(
        describe(options.processor),
        1,
        options.max_output,
        options.max_input,
        options.passwords,
        options.nice,
        spares=0,
    )
    file = Path(given.file)
    size = file.stat().st_size if file.exists() else 0
    attempt = once.attempt(
        file, setup, rules.timeout + rules.timeout_per_mb * size / 1e6, rules.memory
    )
    outcome = cast("Outcome", next(attempt))
    for piece in attempt:
        _print_records(cast("bytes", piece), raw=given.json or not sys.stdout.isatty())
    _say_outcome(outcome)
    return 0 if outcome.status is not Status.FAILED else 1


def _print_records(lines: bytes, *, raw: bool) -> None:
    if raw:
        sys.stdout.buffer.write(lines)
        return
    for line in lines.splitlines():
        print(_lines(json.dumps(json.loads(line), ensure_ascii=False, indent=2)))


def _say_outcome(outcome: Outcome) -> None:
    reason = f": {outcome.reason}" if outcome.reason else ""
    message = f": {printable(outcome.message)}" if outcome.message else ""
    print(
        f"{outcome.status}{reason}{message}, {outcome.records} records in"
        f" {units.duration(outcome.seconds)}, {units.size(outcome.peak)} of memory",
        file=sys.stderr,
    )
    if outcome.detail:
        print(_lines(outcome.detail), file=sys.stderr)


def _lines(text: str) -> str:
    return "\n".join(map(printable, text.splitlines()))


# ── reading a run ────────────────────────────────────────────────────────────────────────────


def status(given: Namespace) -> int:
    """`docherd status OUT`"""
    folder = Path(given.out)
    with View.open(folder) as view:
        running = _is_held(folder)
        shown = _last_status(folder)
        state = "running" if running else "finished" if view.state == "finished" else "interrupted"
        counts, reasons = view.counts(), view.reasons()
        starts = view.starts()
    shown |= {
        "state": state,
        "counts": counts.as_json(),
        "reasons": {str(reason): number for reason, number in reasons.items()},
    }
    if not running:
        shown |= {"eta": None, "workers": [], "seconds": sum(start.seconds for start in starts)}
    if given.json:
        _print_json(shown)
        return 0
    print(wording.verdict(state, counts, cast("float", shown["seconds"])))
    if (eta := cast("dict[str, float] | None", shown["eta"])) and running:
        print(f"ETA {units.estimate(eta['seconds'], eta['low'], eta['high'])}")
    for reason, number in reasons.items():
        print(f"  {units.count(number):>10}  {reason}: {wording.MEANING[reason]}")
    return 0


def _is_held(folder: Path) -> bool:
    """True while a process runs this folder's run."""
    try:
        fd = os.open(folder / "lock", os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(fd)
    return False


def _last_status(folder: Path) -> dict[str, object]:
    """status.json, or its shape where a run was killed before the first one."""
    try:
        return cast("dict[str, object]", json.loads((folder / "status.json").read_bytes()))
    except (OSError, ValueError):
        return {"run": "", "seconds": 0.0, "eta": None, "memory": {"budget": 0, "peak": 0}}


def failures(given: Namespace) -> int:
    """`docherd failures OUT [--reason REASON] [--all]`"""
    reason = Reason(given.reason) if given.reason else None
    with View.open(Path(given.out)) as view:
        for failure in view.failures(reason, given.all):
            if given.json:
                _print_json(failure.as_json())
            else:
                _print_failure(failure)
    return 0


def _print_failure(failure: Failure) -> None:
    print(f"{failure.reason}  {printable(failure.path)}")
    if failure.message:
        print(f"    {printable(failure.message)}")
    if failure.status is Status.FAILED:
        print(f"    {failure.reproduce}")


def show(given: Namespace) -> int:
    """`docherd show OUT DOC`"""
    folder = Path(given.out)
    with View.open(folder) as view:
        entry = view.find(given.document)
    if entry is None:
        raise UsageError(
            f"no document {printable(given.document)} in this run; give its id or its path as in"
            " the Records"
        )
    lines = _records_of(folder, entry)
    if given.json:
        _print_json(_entry_as_json(entry) | {"records": [json.loads(line) for line in lines]})
        return 0
    _print_entry(entry)
    for line in lines:
        _print_records(line, raw=False)
    return 0


def _records_of(folder: Path, entry: Entry) -> Iterator[bytes]:
    if entry.part is None or entry.offset is None or not entry.length:
        return iter(())
    return records.lines_at(folder, entry.part, entry.offset, entry.length)


def _entry_as_json(entry: Entry) -> dict[str, object]:
    return asdict(entry) | {"file": os.fsdecode(entry.file)}


def _print_entry(entry: Entry) -> None:
    print(f"document  {entry.document}\npath      {printable(entry.path)}")
    print(f"file      {printable(os.fsdecode(entry.file))}")
    print(f"size      {units.size(entry.size)}\nkind      {printable(entry.kind or 'unknown')}")
    for each in entry.attempts:
        reason = f": {each.reason}" if each.reason else ""
        message = f": {printable(each.message)}" if each.message else ""
        print(
            f"attempt {each.attempt} {each.status}{reason}{message}"
            f" ({units.duration(each.seconds)}, {units.size(each.peak)})"
        )
        if each.detail:
            print("    " + _lines(each.detail).replace("\n", "\n    "))


def cat(given: Namespace) -> int:
    """`docherd cat OUT`"""
    folder = Path(given.out)
    View.open(folder).close()
    for line in records.lines(folder):
        sys.stdout.buffer.write(line)
    return 0


def report_(given: Namespace) -> int:
    """`docherd report OUT`"""
    as_json, as_html = report.write(Path(given.out))
    if given.json:
        sys.stdout.write(as_json.read_text(encoding="utf-8"))
        return 0
    print(f"{printable(str(as_html))}\n{printable(str(as_json))}")
    return 0


def processors(given: Namespace) -> int:
    """`docherd processors`"""
    if given.json:
        _print_json([{"name": name, "what": what} for name, (_, _, what) in BUILTIN.items()])
        return 0
    for name, (_, _, what) in BUILTIN.items():
        print(f"{name:<12}{what}")
    print("\nyour own: file.py:name or package.module:name, a function or a class with __call__")
    return 0


def _print_json(value: object) -> None:
    print(json.dumps(value, ensure_ascii=True, default=str))
