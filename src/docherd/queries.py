"""The commands that only look: status, failures, show, cat, report, processors."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from argparse import Namespace
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import cast

from docherd import bundle, exports, records, selection, units, wording
from docherd.bundle import Bundle
from docherd.exceptions import SOME_FAILED, UsageError
from docherd.exports import Exported, jsonl
from docherd.exports.shape import Shape
from docherd.exports.writing import export as make
from docherd.folder import Folder
from docherd.model import Reason, Status, printable
from docherd.notes import Notes
from docherd.portrait import Style, portrait
from docherd.processors import BUILTIN
from docherd.quoting import shell_quoted
from docherd.remembered import Entry, Undone
from docherd.selection import Selection
from docherd.view import View

#: Documents named where several may be meant
CHOICES = 20


def status(given: Namespace) -> int:
    """`docherd status OUT`"""
    folder = Path(given.out)
    with View.open(folder) as view:
        running = Folder(folder).held
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
        print_json(shown)
        return 0
    print(wording.verdict(state, counts, cast("float", shown["seconds"])))
    if (eta := cast("dict[str, float] | None", shown["eta"])) and running:
        print(f"ETA {units.estimate(eta['seconds'], eta['low'], eta['high'])}")
    if running and shown.get("auto"):
        print(f"{shown['parallel']} workers (auto)")
    for reason, number in reasons.items():
        print(f"  {units.count(number):>10}  {reason}: {wording.MEANING[reason]}")
    return 0


def _last_status(folder: Path) -> dict[str, object]:
    """status.json, or its shape where a run was killed before the first one."""
    try:
        return cast("dict[str, object]", json.loads((folder / "status.json").read_bytes()))
    except (OSError, ValueError):
        return {"run": "", "seconds": 0.0, "eta": None, "memory": {"budget": 0, "peak": 0}}


def failures(given: Namespace) -> int:
    """`docherd failures OUT [--reason REASON] [--all] [--kind KIND] [--path GLOB] [--to FOLDER]`"""
    reason = Reason(given.reason) if given.reason else None
    chosen = Selection(kinds=tuple(given.kind or ()), paths=tuple(given.path or ()))
    skipped = given.all or (reason is not None and reason.skips)
    statuses = (Status.FAILED, Status.SKIPPED) if skipped else (Status.FAILED,)
    with View.open(Path(given.out)) as view:

        def found() -> Iterator[Undone]:
            for each in view.undone(statuses, reason):
                if chosen.matches(each.failure.path, each.kind):
                    yield each

        if given.to is not None:
            return _bundle(given, view, found)
        if given.json:
            for each in found():
                print_json(each.failure.as_json())
            return 0
        from docherd import failed  # it groups as the report does

        if reason or chosen != Selection():
            _print_lines(failed.one_by_one((each.failure for each in found()), _width()))
        else:
            _print_lines(failed.overview(view, Path(given.out), skipped=skipped, width=_width()))
    return 0


def _bundle(given: Namespace, view: View, found: Callable[[], Iterator[Undone]]) -> int:
    """`docherd failures OUT --to FOLDER`; 1 where not all could be taken."""
    folder = Path(given.to)
    bundle.refuse_inside(folder, view.inputs, view.folder)
    notes = Notes(sys.stderr, quiet=False)

    def missed(line: str) -> None:
        notes.close()
        print(line, file=sys.stderr)

    with _stoppable(), Bundle(folder, view.run, link=given.link) as filled:
        try:
            filled.refuse_too_large(found())
            done = filled.fill(found(), notes.say, missed)
        finally:
            notes.close()
    if given.json:
        print_json(asdict(done))
    else:
        how = "linked" if given.link else "copied"
        there = f", {units.count(done.there)} were there" if done.there else ""
        missing = f", {units.count(done.missing)} could not be" if done.missing else ""
        print(f"{units.count(done.taken)} {how} ({units.size(done.size)}){there}{missing}")
        print(f"what became of each: {printable(str(folder / bundle.TABLE))}")
    return SOME_FAILED if done.missing else 0


def _width() -> int | None:
    """Columns of the terminal, at most 100; None where there is none."""
    if not sys.stdout.isatty():
        return None
    return min(100, shutil.get_terminal_size().columns)


def _print_lines(lines: Iterable[str]) -> None:
    for line in lines:
        print(line)


def show(given: Namespace) -> int:
    """`docherd show OUT DOC [--full]`"""
    folder = Path(given.out)
    with View.open(folder) as view:
        entry = view.find(given.document) or _meant(view, given.document)
    lines = _records_of(folder, entry)
    if given.json:
        print_json(_entry_as_json(entry) | {"records": [json.loads(line) for line in lines]})
        return 0
    whole = f"docherd show {shell_quoted(os.fsencode(folder))} {entry.document} --full"
    style = Style(given.full, max(40, _width() or 80), whole)
    _print_lines(portrait(entry, lines, style))
    return 0


def _meant(view: View, key: str) -> Entry:
    """The one Document that ``key`` can mean. Raises UsageError with those it could."""
    likely = view.like(key, CHOICES)
    if likely.number == 1 and (entry := view.find(likely.paths[0])):
        return entry
    if likely.number:
        more = likely.number - len(likely.paths)
        names = [*likely.paths, *([f"... and {units.count(more)} more"] if more else [])]
        what = f"{wording.documents(likely.number)} match {printable(key)}; give one of them"
        raise UsageError("\n  ".join([what, *names]))
    what = f"no document {printable(key)} in this run"
    if likely.near:
        raise UsageError("\n  ".join([f"{what}; did you mean", *likely.near]))
    raise UsageError(f"{what}; give its id, a part of its path as in the Records, or a glob")


def _records_of(folder: Path, entry: Entry) -> Iterator[bytes]:
    if entry.part is None or entry.offset is None or not entry.length:
        return iter(())
    return records.lines_at(folder, entry.part, entry.offset, entry.length, entry.row)


def _entry_as_json(entry: Entry) -> dict[str, object]:
    shown = asdict(entry) | {"file": os.fsdecode(entry.file)}
    del shown["row"]
    return shown


def cat(given: Namespace) -> int:
    """`docherd cat OUT [--status STATUS] [--reason REASON] [--kind KIND] [--path GLOB] ...`"""
    folder, columns = Path(given.out), _columns(given)
    View.open(folder).close()
    put = _put_readable if sys.stdout.isatty() else sys.stdout.buffer.write
    shape = Shape(columns)
    for line in selection.lines(folder, _selection(given)):
        if columns:
            shape.add(row := json.loads(line))
            put(jsonl.line(selection.picked(row, columns)))
        else:
            put(line)
    shape.refuse_unknown()
    return 0


def _put_readable(line: bytes) -> None:
    """On a terminal: the same JSON, with what could move the cursor or reorder text escaped."""
    text = line.decode("utf-8", "backslashreplace").rstrip("\n")
    print(text if text.isprintable() else "".join(map(_escaped, text)))


def _escaped(char: str) -> str:
    return char if printable(char) == char else json.dumps(char)[1:-1]


def _selection(given: Namespace) -> Selection:
    return Selection(
        statuses=tuple(Status(each) for each in given.status or ()),
        reason=Reason(given.reason) if given.reason else None,
        kinds=tuple(given.kind or ()),
        paths=tuple(given.path or ()),
        limit=given.limit,
    )


def _columns(given: Namespace) -> tuple[str, ...]:
    names = (name for each in given.columns or () for name in each.split(","))
    return tuple(dict.fromkeys(name for name in names if name))


def export(given: Namespace) -> int:
    """`docherd export OUT --to FORMAT [-f FILE]`"""
    folder = Path(given.out)
    View.open(folder).close()
    to_pipe = given.file == "-"
    file = Path(given.file) if given.file and not to_pipe else None
    form = exports.format_of(file, given.to)
    if file is None and not to_pipe:
        file = folder / f"export.{form}"
    wanted, going_on = _selection(given), Folder(folder).held
    notes = Notes(sys.stderr, quiet=given.quiet)
    try:
        asked = exports.Asked(form, file, _columns(given), given.force, given.bom)
        with _stoppable():
            done = make(folder, wanted, asked, notes.say)
    finally:
        notes.close()
    if not given.quiet:
        _say_exported(file, done, "row" if wanted.undone else "Record")
        if going_on:
            print("the run goes on: this is what was committed so far", file=sys.stderr)
    return 0


@contextmanager
def _stoppable() -> Iterator[None]:
    """SIGTERM as an exception, so that nothing unfinished is left behind."""
    before = signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _say_exported(file: Path | None, done: Exported, noun: str) -> None:
    what = f"{units.count(done.rows)} {noun}{'' if done.rows == 1 else 's'}"
    if done.columns:
        what += f" in {units.count(done.columns)} column{'' if done.columns == 1 else 's'}"
    if file is not None:
        what += f", {units.size(done.size)}: {printable(str(file))}"
    for line in (what, *done.remarks):
        print(line, file=sys.stderr)


def report_(given: Namespace) -> int:
    """`docherd report OUT`"""
    from docherd import report

    folder = Path(given.out)
    found = report.write(folder)
    if given.json:
        sys.stdout.write((folder / "report.json").read_text(encoding="utf-8"))
        return 0
    print(found.headline)
    for name in report.NAMES:
        print(f"  {printable(str(folder / name))}")
    return 0


def processors(given: Namespace) -> int:
    """`docherd processors`"""
    if given.json:
        print_json([{"name": name, "what": what} for name, (_, _, what) in BUILTIN.items()])
        return 0
    for name, (_, _, what) in BUILTIN.items():
        print(f"{name:<12}{what}")
    print("\nyour own: file.py:name or package.module:name, a function or a class with __call__")
    return 0


def print_json(value: object) -> None:
    print(json.dumps(value, ensure_ascii=True, default=str))


def print_records(encoded: bytes, *, raw: bool) -> None:
    if raw:
        sys.stdout.buffer.write(encoded)
        return
    for line in encoded.splitlines():
        print(escaped_lines(json.dumps(json.loads(line), ensure_ascii=False, indent=2)))


def escaped_lines(text: str) -> str:
    return "\n".join(map(printable, text.splitlines()))
