"""A cell of a spreadsheet as text."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta

Cell = int | float | str | bool | time | date | datetime | timedelta

#: rows between two heartbeats
ROWS = 10_000


def shown(cell: Cell) -> str:
    """On one line: numbers with the 15 digits a spreadsheet keeps, dates as ISO 8601."""
    match cell:
        case str():
            return " ".join(cell.split()) if "\n" in cell or "\t" in cell else cell
        case bool():
            return "TRUE" if cell else "FALSE"
        case float():
            return format(cell, ".15g")
        case datetime() | time():
            return _moment(cell)
        case timedelta():
            return _duration(cell)
        case _:
            return str(cell)


def _moment(moment: datetime | time) -> str:
    """To the millisecond, where there are any: stored as a share of a day, none is exact."""
    if isinstance(moment, time):
        return moment.isoformat("milliseconds").removesuffix(".000")
    # Old Excel keeps a day as its first moment.
    text = moment.isoformat(" ", "milliseconds").removesuffix(".000")
    return text.removesuffix(" 00:00:00")


def _duration(span: timedelta) -> str:
    """Hours, minutes and seconds; there may be more than 24 hours."""
    sign = "-" if span < timedelta(0) else ""
    milliseconds = round(abs(span) / timedelta(milliseconds=1))
    minutes, milliseconds = divmod(milliseconds, 60_000)
    text = f"{sign}{minutes // 60}:{minutes % 60:02}:{milliseconds / 1000:06.3f}"
    return text.removesuffix(".000")
