"""Spreadsheets (xlsx, xlsb, xls, ods), with calamine: values as stored, no formula is computed."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, BinaryIO

from docherd.document import Document
from docherd.exceptions import CorruptError
from docherd.processors.readers import biff, opendocument, package, xlsx
from docherd.processors.readers.cell import ROWS, Cell, shown
from docherd.processors.readers.parsing import corrupt_on, one_line
from docherd.processors.readers.passwords import is_locked, needed, untried
from docherd.processors.readers.properties import (
    Properties,
    office_properties,
    ole_properties,
    open_document_properties,
)

if TYPE_CHECKING:
    from python_calamine import CalamineWorkbook


def read_xlsx(document: Document) -> dict[str, object]:
    """An .xlsx: the rows of every sheet, a tab between cells."""
    with document.open() as file, package.opened(file) as archive:
        if xlsx.is_for_rows(archive):
            return xlsx.read(document)
        try:
            return _record(document, file, office_properties(archive))
        except CorruptError:
            return xlsx.read(document)  # which asks for less; it says what is wrong where it fails


def read_xlsb(document: Document) -> dict[str, object]:
    """An .xlsb: the rows of every sheet, a tab between cells; cells with errors are empty."""
    with document.open() as file, package.opened(file) as archive:
        biff.refuse_far_cells(archive)
        return _record(document, file, office_properties(archive))


def read_ods(document: Document) -> dict[str, object]:
    """An OpenDocument spreadsheet: the rows of every sheet, a tab between cells."""
    with document.open() as file, package.opened(file) as archive:
        if package.is_encrypted_open_document(archive):
            raise untried("OpenDocument", "save it without one")
        workbook = _with_errors_as_text(archive) or file
        try:
            return _record(document, workbook, open_document_properties(archive))
        except CorruptError:
            # Above all a sheet that is too large as a rectangle; what is shown of it is smaller.
            return opendocument.read(document)


def _with_errors_as_text(archive: zipfile.ZipFile) -> BinaryIO | None:
    """A copy in which errors are what is shown of them; calamine reads their value, which is 0.

    None where there are none.
    """
    with corrupt_on(KeyError):
        content, count = _ERROR.subn(_as_text, archive.read("content.xml"))
        if not count:
            return None
        manifest = archive.read("META-INF/manifest.xml")
    copy = io.BytesIO()
    with zipfile.ZipFile(copy, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as written:
        written.writestr("mimetype", "application/vnd.oasis.opendocument.spreadsheet")
        written.writestr("content.xml", content)
        written.writestr("META-INF/manifest.xml", manifest)
    return copy


def _as_text(tag: re.Match[bytes]) -> bytes:
    return _VALUE.sub(b"", tag[0]).replace(b"cell", b'cell office:value-type="string"', 1)


_ERROR = re.compile(rb"""<table:[a-z-]{0,9}table-cell\s[^<>]*\bcalcext:value-type="error"[^<>]*>""")
_VALUE = re.compile(rb"""\soffice:(?:value-type|value|string-value)="[^"]*\"""")


def read_xls(document: Document) -> dict[str, object]:
    """An Excel 5 to 2003 workbook: the rows of every sheet, a tab between cells."""
    with document.open() as file:
        if is_locked(file):
            raise needed()
        return _record(document, file, ole_properties(file), biff.errors(file))


def _record(
    document: Document, file: BinaryIO, properties: Properties, errors: biff.Errors | None = None
) -> dict[str, object]:
    from python_calamine import CalamineWorkbook

    file.seek(0)  # the properties were read from it, and calamine reads on from where it stands
    with _calamine_errors():
        workbook = CalamineWorkbook.from_filelike(file)
        texts = list(_sheets(workbook, document, errors or {}))
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


def _sheets(workbook: CalamineWorkbook, document: Document, errors: biff.Errors) -> Iterator[str]:
    for number, name in enumerate(workbook.sheet_names):
        document.heartbeat(number + 1)
        beat = partial(document.heartbeat, number + 1)
        sheet = workbook.get_sheet_by_index(number)
        rows: Iterator[list[Cell]] = sheet.iter_rows()
        if number in errors:
            rows = _with_errors(rows, (sheet.start or (0, 0))[1], errors[number])
        yield "\n".join((name, *_lines(rows, beat)))


def _with_errors(
    rows: Iterator[list[Cell]], first: int, errors: dict[tuple[int, int], str]
) -> Iterator[list[Cell]]:
    """Calamine's rows begin with the first there may be, and their cells in column ``first``."""
    for number, row in enumerate(rows):
        yield [errors.get((number, place), cell) for place, cell in enumerate(row, first)]


def _lines(rows: Iterator[list[Cell]], beat: Callable[[], None]) -> Iterator[str]:
    for count, row in enumerate(rows, 1):
        if count % ROWS == 0:
            beat()
        line = "\t".join(map(shown, row)).rstrip("\t")
        if line:
            yield line
