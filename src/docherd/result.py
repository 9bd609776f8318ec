"""What became of one Document of a stream, and its Records, decoded when they are asked for.

The worker wrote bare lines (docherd.encoding): nothing for None; the value itself; or a line
``[`` and then a line for each value of many; long texts as they are.
"""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, TypeAlias, cast, overload

from docherd import host
from docherd.encoding import renamed
from docherd.model import Outcome, Reason, Spooled, Status, document_id, text_of

if TYPE_CHECKING:
    from typing_extensions import Buffer

#: what a JSON-like value is when it comes back
Value: TypeAlias = "dict[str, Value] | list[Value] | str | int | float | bool | None"
Record: TypeAlias = "dict[str, Value]"

#: stands before many values
_MANY: list[Value] = []
#: bytes read from a spool at a time
_PIECE = 1 << 20


class Result:
    """How one Document ended. Made by ``docherd.process``; seconds and bytes."""

    __slots__ = ("_outcome", "path")

    def __init__(self, path: str | os.PathLike[str], outcome: Outcome) -> None:
        #: as it was given
        self.path = path
        self._outcome = outcome

    def __repr__(self) -> str:
        why = f", {self.reason}: {self.error}" if self.reason else ""
        return f"Result({os.fspath(self.path)!r}, {self.status}{why})"

    def __del__(self) -> None:
        lines = self._outcome.lines
        if isinstance(lines, Spooled):
            host.punch_hole(lines.spool.fd, lines.offset, self._outcome.length)

    @property
    def ok(self) -> bool:
        """True where the processor returned."""
        return self._outcome.status is Status.DONE

    @property
    def status(self) -> Status:
        """``done``, ``failed`` or ``skipped``."""
        return self._outcome.status

    @property
    def reason(self) -> Reason | None:
        """Why it is not done."""
        return self._outcome.reason

    @property
    def error(self) -> str | None:
        """The reason in one line, as ``ValueError: no such page``; None where it is done."""
        return self._outcome.message

    @property
    def detail(self) -> str | None:
        """Traceback, page, and the tail of what the worker printed, where it failed."""
        return self._outcome.detail

    @property
    def attempts(self) -> int:
        """How often it was tried."""
        return self._outcome.task.attempt + 1

    @property
    def seconds(self) -> float:
        """What the last attempt took."""
        return self._outcome.seconds

    @property
    def peak_memory(self) -> int:
        """Most bytes that its worker held meanwhile; 0 where unknown."""
        return self._outcome.peak

    @property
    def records(self) -> Records:
        """Its Records, each with ``document``, ``path`` and ``ordinal``; empty unless done."""
        return Records(self)

    @property
    def value(self) -> Value:
        """What the processor returned, as JSON gives it back: tuples and generators are lists.

        None unless done.
        """
        values = _values(self._outcome)
        first = next(values, None)
        if first is _MANY:
            return list(values)
        return first


class Records(Sequence[Record]):
    """The Records of a Result. Iterating reads a large one piece by piece."""

    def __init__(self, result: Result) -> None:
        self._result = result  # for as long as this lives, so does its place in the spool
        self._outcome = result._outcome

    def __len__(self) -> int:
        return self._outcome.records

    def __iter__(self) -> Iterator[Record]:
        name = self._outcome.task.name
        head: Record = {"document": document_id(b"", name), "path": text_of(name)}
        values = (value for value in _values(self._outcome) if value is not _MANY)
        for ordinal, value in enumerate(values):
            whole = {"text": value} if isinstance(value, str) else cast("Record", value)
            own = cast("Record", renamed(cast("dict[str, object]", whole)))
            yield head | {"ordinal": ordinal} | own

    @overload
    def __getitem__(self, index: int) -> Record: ...
    @overload
    def __getitem__(self, index: slice) -> list[Record]: ...
    def __getitem__(self, index: int | slice) -> Record | list[Record]:
        if isinstance(index, slice):
            return list(self)[index]
        at = index + len(self) if index < 0 else index
        if not 0 <= at < len(self):
            raise IndexError(f"no Record {index} of {len(self)}")
        return next(islice(self, at, None))

    def __repr__(self) -> str:
        return f"<{len(self)} Records of {os.fspath(self._result.path)!r}>"


def _values(outcome: Outcome) -> Iterator[Value]:
    """What the worker wrote, value by value; _MANY first where they were many."""
    if isinstance(outcome.lines, Spooled):
        place = _Place(outcome.lines, outcome.length)
        file: io.BufferedIOBase = io.BufferedReader(place, _PIECE)
    else:
        file = io.BytesIO(outcome.lines)
    while line := file.readline():
        if line == b"[\n":
            yield _MANY
        elif line[:1] == b"~":
            value, raw = json.loads(line[1:])
            for key, length in raw:
                text = file.read(length).decode()
                if key is None:
                    value = text
                else:
                    value[key] = text
            file.read(1)
            yield value
        else:
            yield json.loads(line)


class _Place(io.RawIOBase):
    """A range of a spool as a file."""

    def __init__(self, spooled: Spooled, length: int) -> None:
        self._spool = spooled.spool
        self._at, self._end = spooled.offset, spooled.offset + length

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Buffer, /) -> int:
        view = memoryview(buffer)[: self._end - self._at]
        count = os.preadv(self._spool.fd, [view], self._at) if view else 0
        self._at += count
        return count
