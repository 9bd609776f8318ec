"""Spreadsheets (xlsx, xlsb, xls, ods), with calamine: values as stored, no formula is computed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, datetime, time, timedelta
from functools import partial
from typing import TYPE_CHECKING, BinaryIO

from docherd.document import Document
from docherd.exceptions import CorruptError
from docherd.processors.readers import package
from docherd.processors.readers.parsing import corrupt_on, one_line
from docherd.processors.readers.passwords import is_locked, needed
from docherd.processors.readers.properties import (
    Properties,
    office_properties,
    ole_properties,
    open_document_properties,
)

if TYPE_CHECKING:
    from python_calamine import CalamineSheet, CalamineWorkbook

#: rows between two heartbeats
ROWS = 10_000

Cell = int | float | str | bool | time | date | datetime | timedelta


def read_excel(document: Document) -> dict[str, object]:
    """An .xlsx or .xlsb: the rows of every sheet, a tab between cells."""
    with document.open() as file, package.opened(file) as archive:
        return _record(document, file, office_properties(archive))


def read_ods(document: Document) -> dict[str, object]:
    """An OpenDocument spreadsheet: the rows of every sheet, a tab between cells."""
    with document.open() as file, package.opened(file) as archive:
        if package.is_encrypted_open_document(archive):
            raise needed()
        return _record(document, file, open_document_properties(archive))


def read_xls(document: Document) -> dict[str, object]:
    """An Excel 5 to 2003 workbook: the rows of every sheet, a tab between cells."""
    with document.open() as file:
        if is_locked(file):
            raise needed()
        return _record(document, file, ole_properties(file))


def _record(document: Document, file: BinaryIO, properties: Properties) -> dict[str, object]:
    from python_calamine import CalamineWorkbook

    file.seek(0)  # the properties were read from it, and calamine reads on from where it stands
    with _calamine_errors():
        workbook = CalamineWorkbook.from_filelike(file)
        texts = list(_sheets(workbook, document))
    return {"sheets": len(texts)} | properties.stated() | {"text": "\f".join(texts)}


@contextmanager
def _calamine_errors() -> Iterator[None]:
    from python_calamine import CalamineError, PasswordError

    try:
        with corrupt_on(CalamineError, ValueError, OSError):
            yield
    except CorruptError as error:
        if isinstance(error.__cause__, PasswordError):
            raise needed() from error
        raise
    except BaseException as error:
        # A Rust panic derives from BaseException and has no importable name; it unwinds cleanly.
        if type(error).__name__ != "PanicException":
            raise
        raise CorruptError(f"calamine: {one_line(error)}") from error


def _sheets(workbook: CalamineWorkbook, document: Document) -> Iterator[str]:
    for number, name in enumerate(workbook.sheet_names, 1):
        document.heartbeat(number)
        beat = partial(document.heartbeat, number)
        yield "\n".join((name, *_rows(workbook.get_sheet_by_index(number - 1), beat)))


def _rows(sheet: CalamineSheet, beat: Callable[[], None]) -> Iterator[str]:
    for count, row in enumerate(sheet.iter_rows(), 1):
        if count % ROWS == 0:
            beat()
        line = "\t".join(map(shown, row)).rstrip("\t")
        if line:
            yield line


def shown(cell: Cell) -> str:
    """A cell as text on one line, numbers with the 15 digits a spreadsheet keeps."""
    match cell:
        case str():
            return " ".join(cell.split()) if "\n" in cell or "\t" in cell else cell
        case bool():
            return "TRUE" if cell else "FALSE"
        case float():
            return format(cell, ".15g")
        case datetime():
            return cell.isoformat(" ")
        case date() | time():
            return cell.isoformat()
        case _:
            return str(cell)
