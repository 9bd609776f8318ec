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


#: integers that a float holds, and that 64 bits hold
_EXACT, _LARGEST = 1 << 53, (1 << 63) - 1


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
        #: of every key, what was met of it: types, which are looked up faster than flags are joined
        self._met: dict[str, set[object]] = {}

    @property
    def columns(self) -> Mapping[str, Holds]:
        return self._holds

    def add(self, row: Mapping[str, object]) -> bool:
        """Make room for a row; True where there was not enough."""
        grown = False
        for name, value in row.items():
            what = type(value) if type(value) is not int else holds(value)
            met = self._met.get(name)
            if met is None or what not in met:
                grown |= self._meet(name, what, holds(value))
        return grown

    def _meet(self, name: str, what: object, now: Holds) -> bool:
        if name in self._met or name in self._only or len(self._met) < COLUMNS:
            self._met.setdefault(name, set()).add(what)
        elif not self._only:
            raise UsageError(f"more than {COLUMNS:,} different keys: choose some with --columns")
        if self._only and name not in self._only:
            return False
        before = self._holds.get(name)
        self._holds[name] = (before or Holds.NOTHING) | now
        return self._holds[name] != before

    def refuse_unknown(self) -> None:
        """Raise UsageError for a column that was asked for and is in no row, where there are any.

        It says which was meant, or which there are.
        """
        for name in sorted(self._only - self._met.keys()) if self._met else ():
            close = difflib.get_close_matches(name, self._met, 1)
            known = ", ".join(itertools.islice(self._met, 20))
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
            exact, fits = -_EXACT <= value <= _EXACT, -_LARGEST <= value <= _LARGEST
            return Holds.INT if exact else Holds.WIDE if fits else Holds.HUGE
        case float():
            return Holds.FLOAT
        case str():
            return Holds.TEXT
        case _:
            return Holds.NESTED
