"""Which Records, and which Documents without any, a person wants to see: `cat`, `export`.

A Document that is done stands for its Records; one of any other status for one JSON line that
says what became of it, as `failures --json` does.
"""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from docherd import records
from docherd.exceptions import UsageError
from docherd.globs import Wanted
from docherd.model import Reason, Status
from docherd.view import View


@dataclass(frozen=True, slots=True)
class Selection:
    """Filters, of which all must hold; nothing chosen is all Records."""

    statuses: tuple[Status, ...] = ()
    #: of Documents that are not done
    reason: Reason | None = None
    kinds: tuple[str, ...] = ()
    #: globs, on the path in Records or below the input; without a slash on the name
    paths: tuple[str, ...] = ()
    #: most lines
    limit: int | None = None

    def __post_init__(self) -> None:
        if self.reason is not None and Status.DONE in self.statuses:
            raise UsageError("a document that is done has no --reason; leave out one of the two")

    @property
    def undone(self) -> tuple[Status, ...]:
        """The statuses of which each Document is one line."""
        if self.reason is not None and not self.statuses:
            return (Status.SKIPPED,) if self.reason.skips else (Status.FAILED,)
        return tuple(status for status in self.statuses if status is not Status.DONE)

    @property
    def takes_records(self) -> bool:
        """True where Documents that are done are wanted."""
        return Status.DONE in self.statuses or not self.undone

    def matches(self, path: str, kind: str | None) -> bool:
        """True for a Document of this path and kind, as far as those are asked for.

        Where its kind is not known it is what the name ends with.
        """
        if self.kinds and (kind or _extension(path)) not in self.kinds:
            return False
        if not self.paths:
            return True
        wanted = _wanted(self.paths)
        below = path.partition("/")[2]
        return wanted.passes(path.encode()) or wanted.passes(below.encode())


@cache
def _wanted(globs: tuple[str, ...]) -> Wanted:
    return Wanted(globs, ())


def lines(folder: Path, selection: Selection) -> Iterator[bytes]:
    """What is selected, one JSON object a line, read as it is asked for."""
    found = itertools.chain(_of_done(folder, selection), _of_undone(folder, selection))
    return itertools.islice(found, selection.limit)


def rows(folder: Path, selection: Selection) -> Iterator[dict[str, object]]:
    """The same as Python has them."""
    return map(json.loads, lines(folder, selection))


def picked(row: Mapping[str, object], columns: Sequence[str]) -> dict[str, object]:
    """Only these keys, in this order; null where there is none."""
    return {name: row.get(name) for name in columns}


def _of_done(folder: Path, selection: Selection) -> Iterator[bytes]:
    if not selection.takes_records:
        return iter(())
    found = records.lines(folder)
    if not (selection.kinds or selection.paths):
        return found
    return (line for line in found if selection.matches(*_told(line, bool(selection.kinds))))


def _told(line: bytes, kind_too: bool) -> tuple[str, str | None]:
    """(path, kind) of a Record, which is read whole only where its kind is asked for."""
    head = None if kind_too else _HEAD.match(line)
    if head:
        return json.loads(head[1]), None
    record = json.loads(line)
    kind = record.get("kind")
    return record["path"], kind if isinstance(kind, str) else None


_HEAD = re.compile(rb'\{"document": *"[a-z2-7]{16}", *"path": *("(?:[^"\\]|\\.)*")')


def _of_undone(folder: Path, selection: Selection) -> Iterator[bytes]:
    if not selection.undone:
        return
    with View.open(folder) as view:
        for each in view.undone(selection.undone, selection.reason):
            if selection.matches(each.failure.path, each.kind):
                yield json.dumps(each.failure.as_json()).encode() + b"\n"


def _extension(path: str) -> str:
    """``pdf`` for ``a/b.PDF``, empty where there is none: as the strata of the forecast."""
    name, _, ending = path.rpartition("/")[2].rpartition(".")
    return ending.lower() if name else ""
