"""docherd itself: the built-in processor `extract`, and what its Records say."""

from __future__ import annotations

from functools import cache

from docherd.document import Document
from docherd.processors.extract import Extract
from docherd.processors.kind import detect
from docherd.processors.readers import xlsx
from quality.cells import sheet


def text(document: Document) -> str:
    """The text of the Record, or of all of them, one after the other."""
    return "\n".join(str(record.get("text", "")) for record in _records(document))


def kind(document: Document) -> str:
    """By content."""
    return detect(document)


def pages(document: Document) -> int:
    """As the Record says."""
    [record] = _records(document)
    found = record["pages"]
    assert isinstance(found, int)
    return found


def cells(document: Document) -> dict[str, list[list[str]]]:
    """The text of a workbook taken apart again: sheets, rows, cells."""
    [record] = _records(document)
    return _apart(str(record["text"]))


def cells_light(document: Document) -> dict[str, list[list[str]]]:
    """The same, read in less memory."""
    return _apart(str(xlsx.read(document)["text"]))


@cache
def _extract() -> Extract:
    return Extract()


def _records(document: Document) -> list[dict[str, object]]:
    document._kind = None  # a Document remembers its kind; the time to tell it belongs here
    found = _extract()(document)
    return [found] if isinstance(found, dict) else list(found)


def _apart(text: str) -> dict[str, list[list[str]]]:
    """The first line of a sheet is its name."""
    sheets = (each.split("\n") for each in text.split("\f"))
    return {name: sheet([row.split("\t") for row in rows]) for name, *rows in sheets}
