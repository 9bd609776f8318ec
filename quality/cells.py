"""Spreadsheets as cells: the same form whoever read them, and how alike two are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from difflib import SequenceMatcher
from itertools import zip_longest
from typing import TypeAlias

from quality import votes

#: (row, column) → text
Sheet: TypeAlias = dict[tuple[int, int], str]
#: rows of cells, none of them and no column empty
Grid: TypeAlias = list[list[str]]

_MIDNIGHT = time(0)


def said(value: object) -> str:
    """A cell as one line of text: how a library types it does not count, what it says does."""
    match value:
        case None:
            return ""
        case bool():
            return "TRUE" if value else "FALSE"
        case int() | float():
            return format(value, ".15g")
        case datetime():
            whole = value.time() == _MIDNIGHT
            return f"{value.date()}{'' if whole else ' ' + _clock(value.time())}"
        case date():
            return value.isoformat()
        case time():
            return _clock(value)
        case timedelta():
            return str(value)
        case _:
            text = " ".join(str(value).split())
            return text.removesuffix(" 00:00:00")  # a day that was typed as a moment


def _clock(moment: time) -> str:
    return moment.isoformat("milliseconds").removesuffix(".000")


def sheet(rows: Sequence[Sequence[object]]) -> list[list[str]]:
    """The rows of a sheet in that form."""
    return [[said(value) for value in row] for row in rows]


def placed(rows: Sequence[Sequence[str]]) -> Sheet:
    """The cells that say anything, by their places."""
    return {(r, c): cell for r, row in enumerate(rows) for c, cell in enumerate(row) if cell}


def compact(cells: Mapping[tuple[int, int], str]) -> Grid:
    """Without empty rows and columns: not every reader says where a sheet begins."""
    rows = sorted({row for row, _ in cells})
    columns = sorted({column for _, column in cells})
    return [[cells.get((row, column), "") for column in columns] for row in rows]


def agreed(sheets: Sequence[Sheet]) -> tuple[Sheet, Sheet]:
    """What more than half of the readers say, UNSETTLED where no value has as many.

    The second holds what each of them says of those.
    """
    right: Sheet = {}
    unsettled: Sheet = {}
    for place in sorted(set().union(*sheets)):
        every = [cells.get(place, "") for cells in sheets]
        value = votes.agreed(every)
        if value is None:
            right[place] = UNSETTLED
            unsettled[place] = " / ".join(each or "(empty)" for each in every)
        elif value:
            right[place] = value
    return right, unsettled


#: in the place of a cell of which nobody knows what is right
UNSETTLED = "\0"


@dataclass(frozen=True, slots=True)
class Score:
    """Cells of one sheet, or of many."""

    #: with the right value in the right place
    right: int = 0
    #: as they were found, and as they should have been; without the unsettled ones
    found: int = 0
    expected: int = 0

    def __add__(self, other: Score) -> Score:
        return Score(
            self.right + other.right, self.found + other.found, self.expected + other.expected
        )

    @property
    def f1(self) -> float:
        """1 where there is nothing to be found."""
        both = self.found + self.expected
        return 2 * self.right / both if both else 1.0


def compare(found: Grid, expected: Grid) -> Score:
    """Cell by cell, once rows are laid beside rows: one too many costs only itself."""
    score = Score()
    for ours, theirs in _beside(found, expected):
        pairs = [
            (one, other)
            for one, other in zip_longest(ours, theirs, fillvalue="")
            if other != UNSETTLED
        ]
        score += Score(
            sum(1 for one, other in pairs if one and one == other),
            sum(1 for one, _ in pairs if one),
            sum(1 for _, other in pairs if other),
        )
    return score


def _beside(found: Grid, expected: Grid) -> Iterator[tuple[Sequence[str], Sequence[str]]]:
    """Equal rows face each other, and what stands between them in order."""
    ours, theirs = [tuple(row) for row in found], [tuple(row) for row in expected]
    for _, a, b, c, d in SequenceMatcher(None, ours, theirs, autojunk=False).get_opcodes():
        yield from zip_longest(ours[a:b], theirs[c:d], fillvalue=())
