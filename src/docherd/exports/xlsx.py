"""XLSX, within its limits, as strings and numbers only: no formula, no link."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, BinaryIO

from docherd import units
from docherd.exceptions import UsageError
from docherd.exports.cells import cell, harmless
from docherd.exports.shape import Shape

if TYPE_CHECKING:
    import xlsxwriter
    from xlsxwriter.worksheet import Worksheet

#: rows of a sheet with its headings, and UTF-16 units of a cell
ROWS, UNITS = 1_048_576, 32_767
#: above this a number is not exact any more
EXACT = 10**15

#: no text becomes anything else, and a row is on the disk when the next one begins
_OPTIONS = {
    "constant_memory": True,
    "strings_to_numbers": False,
    "strings_to_formulas": False,
    "strings_to_urls": False,
}


def ready() -> None:
    """Raise UsageError where there is no XlsxWriter."""
    try:
        import xlsxwriter  # noqa: F401
    except ImportError:
        raise UsageError("XLSX needs XlsxWriter: pip install 'docherd[xlsx]'") from None


def write(file: BinaryIO, rows: Iterable[Mapping[str, object]], shape: Shape) -> list[str]:
    """The rows as one sheet, or several; what had to be cut, in words."""
    import xlsxwriter

    names = list(shape.columns)
    # Sheets are files until the end, as large as what they hold: beside ours, not in a small /tmp.
    beside, name = os.path.split(file.name)
    with tempfile.TemporaryDirectory(dir=beside, prefix=f"{name}.") as folder:
        book = xlsxwriter.Workbook(file, _OPTIONS | {"tmpdir": folder})
        book.use_zip64()
        sheets = _Sheets(book, names)
        for row in rows:
            sheets.add([cell(name, row.get(name)) for name in names])
        book.close()
    return sheets.remarks()


class _Sheets:
    """Sheets of one workbook, one begun after the other as they are full."""

    def __init__(self, book: xlsxwriter.Workbook, names: Sequence[str]) -> None:
        self._book = book
        self._names = [_cut(harmless(name)) for name in names]
        self._bold = book.add_format({"bold": True})
        self._number = 0
        self._cut = 0
        self._begin()

    def add(self, cells: Sequence[str | float | None]) -> None:
        """One more row."""
        if self._row == ROWS:
            self._begin()
        for at, value in enumerate(cells):
            self._put(at, value)
        self._row += 1

    def remarks(self) -> list[str]:
        """What the reader must know."""
        found = []
        if self._number > 1:
            found.append(f"{self._number} sheets: one holds {units.count(ROWS - 1)} Records")
        if self._cut:
            cells = f"{units.count(self._cut)} cell{'' if self._cut == 1 else 's'}"
            whole = "CSV, Parquet and JSON lines have the whole text"
            found.append(f"{cells} cut at {UNITS:,} characters, all that XLSX holds; {whole}")
        return found

    def _begin(self) -> None:
        self._number += 1
        self._sheet: Worksheet = self._book.add_worksheet(
            "Records" if self._number == 1 else f"Records {self._number}"
        )
        self._sheet.freeze_panes(1, 0)
        for at, name in enumerate(self._names):
            self._sheet.write_string(0, at, name, self._bold)
        self._row = 1

    def _put(self, at: int, value: str | float | None) -> None:
        if value is None:
            return
        if isinstance(value, bool):
            self._sheet.write_boolean(self._row, at, value)
        elif isinstance(value, str) or abs(value) > EXACT:
            text = _cut(str(value))
            self._cut += text != str(value)
            self._sheet.write_string(self._row, at, _plain(text))
        else:
            self._sheet.write_number(self._row, at, value)


def _cut(text: str) -> str:
    """As much as a cell holds, with a mark where that is not all."""
    if len(text) <= UNITS // 2 or _units(text) <= UNITS:
        return text
    mark = f" … [cut: {len(text):,} characters]"
    kept = text.encode("utf-16-le")[: 2 * (UNITS - len(mark))]
    return kept.decode("utf-16-le", "ignore") + mark


def _units(text: str) -> int:
    return len(text) + sum(char > "\uffff" for char in text)


def _plain(text: str) -> str:
    """XlsxWriter would put what looks like its own runs into the XML as it is."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")  # XML knows no other
    return f"'{text}" if text.startswith("<r>") else text
