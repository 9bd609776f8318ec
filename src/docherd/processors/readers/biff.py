"""What calamine does not see in an .xls or .xlsb: error values (#DIV/0!), and places no sheet has.

Calamine takes memory for the rectangle in which all cells lie, and cannot be stopped from dying of
one that is too large.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from struct import Struct, unpack_from
from typing import BinaryIO, TypeAlias

from docherd.exceptions import CorruptError
from docherd.processors.readers.parsing import corrupt_on

#: by the number of the sheet and the place (row, column) in it
Errors: TypeAlias = dict[int, dict[tuple[int, int], str]]

_TEXTS = {
    0x00: "#NULL!",
    0x07: "#DIV/0!",
    0x0F: "#VALUE!",
    0x17: "#REF!",
    0x1D: "#NAME?",
    0x24: "#NUM!",
    0x2A: "#N/A",
}
#: numbers of records in [MS-XLS]: an error or boolean, a formula, where a sheet begins
_BOOLERR, _FORMULAS, _BOUNDSHEET, _BOF, _EOF = 0x0205, (0x06, 0x0206, 0x0406), 0x85, 0x0809, 0x0A
#: how either looks that holds an error; most workbooks have none
_HINT = re.compile(rb"\x05\x02\x08\0.{7}\x01|\x02.[\0\x07\x0f\x17\x1d$*].{3}\xff\xff", re.S)


def errors(file: BinaryIO) -> Errors:
    """Where each of them stands; none where the workbook is damaged, which calamine will say.

    Raises CorruptError where calamine would take memory for sheets larger than any is.
    """
    book = _stream(file)
    _refuse_what_no_sheet_has(book)
    if not _HINT.search(book):
        return {}
    starts = [
        unpack_from("<I", book, at)[0]
        for kind, at, size in _records(book, 0)
        if kind == _BOUNDSHEET and size >= 4
    ]
    return {number: dict(_of_sheet(book, start)) for number, start in enumerate(starts)}


def _stream(file: BinaryIO) -> bytes:
    import olefile

    file.seek(0)
    broken = (OSError, ValueError, LookupError, TypeError, AttributeError, OverflowError)
    try:
        with corrupt_on(*broken), olefile.OleFileIO(file) as ole:
            name = "Workbook" if ole.exists("Workbook") else "Book"
            return bytes(ole.openstream(name).read())
    except CorruptError:
        return b""


def _records(book: bytes, at: int) -> Iterator[tuple[int, int, int]]:
    """Kind, place and size of each record up to the end of what begins at ``at``."""
    depth = 0
    while at + 4 <= len(book):
        kind, size = unpack_from("<HH", book, at)
        depth += (kind == _BOF) - (kind == _EOF)  # a chart stands inside of a sheet
        if depth <= 0 or at + 4 + size > len(book):
            return
        yield kind, at + 4, size
        at += 4 + size


def _of_sheet(book: bytes, start: int) -> Iterator[tuple[tuple[int, int], str]]:
    for kind, at, size in _records(book, start):
        if kind == _BOOLERR and size >= 8 and book[at + 7] == 1:
            code = book[at + 6]
        elif kind in _FORMULAS and size >= 14 and book[at + 6] == 2:
            if book[at + 12 : at + 14] != b"\xff\xff":
                continue
            code = book[at + 8]
        else:
            continue
        yield unpack_from("<HH", book, at), _TEXTS.get(code, "#N/A")


# ── places that no sheet has ─────────────────────────────────────────────────────────────────

#: a number, a text, a boolean, a formula, ...: each begins with its row and its column
_CELLS = frozenset({0x06, 0xBD, 0xD6, 0xFD, 0x0201, 0x0203, 0x0204, 0x0205, 0x0206, 0x027E, 0x0406})
#: several cells of a row, whose last column is told at the end; the size of a sheet
_CELLS_OF_A_ROW, _DIMENSIONS = 0xBD, 0x0200
_COLUMNS = 256
#: cells that a sheet may say to have room for: twice what there are
_MOST_CELLS = 2 * 65_536 * _COLUMNS


def _refuse_what_no_sheet_has(book: bytes) -> None:
    starts = {
        unpack_from("<I", book, at)[0]
        for kind, at, size in _all_records(book, 0)
        if kind == _BOUNDSHEET and size >= 4
    }
    for start in starts:
        for kind, at, size in _all_records(book, start):
            if (kind in _CELLS and _is_outside(book, kind, at, size)) or (
                kind == _DIMENSIONS and _is_too_large(book, at, size)
            ):
                raise CorruptError("a cell outside of its sheet")
            if at + size in starts:
                break


def _all_records(book: bytes, at: int) -> Iterator[tuple[int, int, int]]:
    """As `_records`, to the end of the stream: calamine minds no beginnings."""
    end = len(book) - 4
    while at <= end:
        kind, size = _HEAD(book, at)
        yield kind, at + 4, size
        at += 4 + size


_HEAD = Struct("<HH").unpack_from


def _is_outside(book: bytes, kind: int, at: int, size: int) -> bool:
    last = at + size - 2 if kind == _CELLS_OF_A_ROW else at + 2
    return any(book[place + 1 : place + 2] > b"\0" for place in (at + 2, last))


def _is_too_large(book: bytes, at: int, size: int) -> bool:
    if size not in (10, 14) or at + size > len(book):
        return False  # which calamine refuses
    top, bottom, left, right = unpack_from("<IIHH" if size == 14 else "<HHHH", book, at)
    if not (bottom and right):
        return False  # an empty sheet
    rows: int = bottom - top
    columns: int = right - left
    return min(rows, columns) < 0 or rows * columns > _MOST_CELLS


# ── an .xlsb, whose records have kinds and sizes of their own ────────────────────────────────

_BEGIN_SHEET = b"\x81\x01\0"
_ROW, _LAST_CELL = 0, 11
#: cells of the rectangle, each 48 bytes
_LARGEST = 1 << 28


def refuse_far_cells(archive: zipfile.ZipFile) -> None:
    """Raise CorruptError where the cells of a sheet lie further apart than memory is large."""
    for name in archive.namelist():
        if name.endswith(".bin"):
            sheet = archive.read(name)
            begin = sheet.find(_BEGIN_SHEET, 0, 1 << 16)
            if begin >= 0 and _room(sheet, begin) > _LARGEST:
                raise CorruptError("the cells of a sheet lie too far apart")


def _room(sheet: bytes, at: int) -> int:
    """Cells of the rectangle that begins with the first cell of a sheet and ends with its last."""
    rows, columns = set[int](), set[int]()
    row = 0
    for kind, place, size in _binary_records(sheet, at):
        if kind > _LAST_CELL or size < 4 or place + 4 > len(sheet):
            continue
        (number,) = _NUMBER(sheet, place)
        if kind == _ROW:
            row = number
        else:
            rows.add(row)
            columns.add(number)
    return _span(rows) * _span(columns)


def _span(numbers: set[int]) -> int:
    return max(numbers) - min(numbers) + 1 if numbers else 0


_NUMBER = Struct("<I").unpack_from


def _binary_records(sheet: bytes, at: int) -> Iterator[tuple[int, int, int]]:
    """Kind, place and size of each record; the kind takes up to two bytes, the size up to four."""
    try:
        while True:
            kind, at = sheet[at], at + 1
            if kind > 127:
                kind, at = kind + (sheet[at] << 8), at + 1
            size = shift = 0
            while shift < 28:
                byte, at = sheet[at], at + 1
                size |= (byte & 127) << shift
                shift += 7
                if byte < 128:
                    break
            yield kind, at, size
            at += size
    except IndexError:  # the end
        return
