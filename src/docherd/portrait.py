"""One Document as people read it: what became of it, and what its Records say."""

from __future__ import annotations

import json
import os
import textwrap
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from docherd import units
from docherd.model import printable
from docherd.remembered import Attempt, Entry
from docherd.sinks.jsonl import part_name

#: Records, characters of a text, and of any other value, that are shown of more
RECORDS, TEXT, VALUE = 5, 800, 300
#: what is said of each Record already by the heading
_SAID = ("document", "path", "ordinal")
_INDENT = "  "


@dataclass(frozen=True, slots=True)
class Style:
    """How much is shown, and in how many columns."""

    full: bool
    width: int
    #: the command that shows all of it
    whole: str


def portrait(entry: Entry, lines: Iterable[bytes], style: Style) -> Iterator[str]:
    """Line after line; texts are wrapped, and cut unless all of them is wanted."""
    yield printable(entry.path)
    for name, value in _facts(entry):
        yield f"{_INDENT}{name:<10}{value}"
    for number, attempt in enumerate(entry.attempts, 1):
        yield from _attempt(number, attempt)
    if entry.attempts and entry.reason and not entry.records:
        yield f"{_INDENT}{'again':<10}{entry.reproduce}"
    for number, line in enumerate(lines):
        if number == RECORDS and not style.full:
            yield f"\n… {units.count(entry.records - RECORDS)} more Records: {style.whole}"
            return
        yield ""
        yield from _record(json.loads(line), entry.records, style)


def _facts(entry: Entry) -> Iterator[tuple[str, str]]:
    status = f"{entry.status}: {entry.reason}" if entry.reason else str(entry.status)
    yield "document", entry.document
    yield "status", status
    yield "kind", printable(entry.kind or "unknown")
    yield "size", f"{units.size(entry.size)}, modified {_moment(entry.mtime_ns / 1e9)}"
    yield "file", printable(os.fsdecode(entry.file))
    if entry.part is not None and entry.length:
        where = f"data/{part_name(entry.part)}"
        yield "Records", f"{units.count(entry.records)}, {units.size(entry.length)} in {where}"


def _attempt(number: int, attempt: Attempt) -> Iterator[str]:
    reason = f": {attempt.reason}" if attempt.reason else ""
    spent = f" in {units.duration(attempt.seconds)}" if attempt.seconds else ""
    held = f" with {units.size(attempt.peak)}" if attempt.peak else ""
    what = f"{attempt.status}{reason}{spent}{held}"
    yield f"{_INDENT}{f'attempt {number}':<10}{what}, {_moment(attempt.at)}"
    if attempt.message:
        yield f"{_INDENT}{'':<10}{printable(attempt.message)}"
    for line in (attempt.detail or "").splitlines():
        yield f"{_INDENT}{'':<12}{printable(line)}"


def _record(record: Mapping[str, object], of: int, style: Style) -> Iterator[str]:
    if of > 1:
        ordinal = record.get("ordinal")
        yield f"Record {units.count(ordinal + 1) if isinstance(ordinal, int) else '?'} of {of:,}"
    names = [name for name in record if name not in _SAID]
    room = min(24, max(map(len, names), default=0))
    for name in names:
        yield from _field(printable(name), record[name], room, style)


def _field(name: str, value: object, room: int, style: Style) -> Iterator[str]:
    """On one line where that is room enough, else wrapped below."""
    text = value if isinstance(value, str) else _plain(value)
    most = len(text) if style.full else TEXT if "\n" in text.strip() else VALUE
    shown = printable(text.strip())
    if "\n" not in text.strip() and len(shown) <= style.width - room - 4:
        yield f"{_INDENT}{name:<{room}}  {shown}".rstrip()
        return
    yield f"{_INDENT}{name}"
    yield from _wrapped(text[:most].strip("\n"), style.width)
    if len(text) > most:
        more = f"… {units.count(len(text) - most)} more characters"
        yield f"{_INDENT * 2}{more}: {style.whole}"


def _plain(value: object) -> str:
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return ", ".join(value)
    return json.dumps(value, ensure_ascii=False)


def _wrapped(text: str, width: int) -> Iterator[str]:
    empty = False
    for line in text.splitlines():
        shown = printable(line.expandtabs(4)).rstrip()
        if not shown:
            empty = True
            continue
        if empty:
            yield ""
        empty = False
        for piece in textwrap.wrap(shown, width - 4, break_on_hyphens=False):
            yield f"{_INDENT * 2}{piece}"


def _moment(seconds: float) -> str:
    try:
        return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))
    except (OverflowError, OSError, ValueError):  # a time that no calendar has
        return f"{seconds:.0f} s after 1970"
