"""What a table must have room for: its columns, and what is in them."""

from __future__ import annotations

import difflib
import itertools
from collections.abc import Mapping, Sequence
from enum import Flag, auto

from docherd.exceptions import UsageError
from docherd.model import printable

#: more keys than this are data, not columns
COLUMNS = 10_000


class Holds(Flag):
    """What values a column has, nulls aside."""

    NOTHING = 0
    BOOL = auto()
    #: exact as a float, too; within 64 bits; beyond
    INT = auto()
    WIDE = auto()
    HUGE = auto()
    FLOAT = auto()
    TEXT = auto()
    #: lists and objects
    NESTED = auto()


class Shape:
    """The keys of rows in the order they first appear, and what they hold; it only ever grows."""

    def __init__(self, only: Sequence[str] = ()) -> None:
        """``only``: these columns, in this order; all others are left out."""
        self._only = frozenset(only)
        self._holds = dict.fromkeys(only, Holds.NOTHING)
        #: every key that there is, as far as that can be told to a person
        self._keys: dict[str, None] = {}

    @property
    def columns(self) -> Mapping[str, Holds]:
        return self._holds

    def add(self, row: Mapping[str, object]) -> bool:
        """Make room for a row; True where there was not enough."""
        grown = False
        for name, value in row.items():
            if self._only:
                if name in self._only or len(self._keys) < COLUMNS:
                    self._keys[name] = None
                if name not in self._only:
                    continue
            before = self._holds.get(name)
            now = (before or Holds.NOTHING) | holds(value)
            if now != before:
                grown = True
                self._holds[name] = now
        if len(self._holds) > COLUMNS:
            raise UsageError(f"more than {COLUMNS:,} different keys: choose some with --columns")
        return grown

    def refuse_unknown(self) -> None:
        """Raise UsageError for a column that was asked for and is in no row, where there are any.

        It says which was meant, or which there are.
        """
        for name in sorted(self._only - self._keys.keys()) if self._keys else ():
            close = difflib.get_close_matches(name, self._keys, 1)
            known = ", ".join(itertools.islice(self._keys, 20))
            hint = f"did you mean {close[0]}?" if close else f"there are {known}"
            raise UsageError(printable(f"no Record has a key {name}; {hint}"))


def holds(value: object) -> Holds:
    """What one value is."""
    match value:
        case None:
            return Holds.NOTHING
        case bool():
            return Holds.BOOL
        case int():
            size = abs(value)
            return Holds.INT if size <= 1 << 53 else Holds.WIDE if size < 1 << 63 else Holds.HUGE
        case float():
            return Holds.FLOAT
        case str():
            return Holds.TEXT
        case _:
            return Holds.NESTED
