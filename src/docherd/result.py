"""What became of one Document of a stream, and its Records, decoded when they are asked for.

The worker wrote bare lines (docherd.encoding): nothing for None; the value itself; or a line
``[`` and then a line for each value of many.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TypeAlias, cast, overload

from docherd import host
from docherd.encoding import renamed
from docherd.model import Outcome, Reason, Spooled, Status, document_id, text_of

#: what a JSON-like value is when it comes back
Value: TypeAlias = "dict[str, Value] | list[Value] | str | int | float | bool | None"
Record: TypeAlias = "dict[str, Value]"

_MANY = b"["
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
        lines = _lines(self._outcome)
        first = next(lines, None)
        if first is None:
            return None
        if first == _MANY:
            return [cast("Value", json.loads(line)) for line in lines]
        return cast("Value", json.loads(first))


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
        ordinal = 0
        for line in _lines(self._outcome):
            if line == _MANY:
                continue
            value = json.loads(line)
            own = renamed({"text": value} if isinstance(value, str) else value)
            yield head | {"ordinal": ordinal} | cast("Record", own)
            ordinal += 1

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


def _lines(outcome: Outcome) -> Iterator[bytes]:
    """The lines without their ends."""
    if not isinstance(outcome.lines, Spooled):
        yield from outcome.lines.splitlines()
        return
    spool, at = outcome.lines.spool, outcome.lines.offset
    end, rest = at + outcome.length, b""
    while at < end:
        piece = os.pread(spool.fd, min(_PIECE, end - at), at)
        at += len(piece)
        *whole, rest = (rest + piece).split(b"\n")
        yield from whole
