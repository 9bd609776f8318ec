"""Error values (#DIV/0!) in an .xls, which calamine reads as empty cells."""

from __future__ import annotations

import re
from collections.abc import Iterator
from struct import unpack_from
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
    """Where each of them stands; none where the workbook is damaged, which calamine will say."""
    book = _stream(file)
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
