"""An .xlsx row by row: what does not fit into memory, and what calamine cannot read.

Calamine holds a sheet as a rectangle of cells, with all that lie between two far apart, and takes a
cell that holds an error for an empty one.
"""

from __future__ import annotations

import posixpath
import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from enum import Enum
from functools import lru_cache
from typing import IO

from lxml import etree

from docherd.document import Document
from docherd.exceptions import CorruptError
from docherd.processors.readers import package
from docherd.processors.readers.cell import ROWS, Cell, shown
from docherd.processors.readers.markup import SAFELY, safe_parser
from docherd.processors.readers.parsing import corrupt_on
from docherd.processors.readers.properties import office_properties

#: columns there may be
_COLUMNS = 16_384
_MALFORMED = (KeyError, ValueError, IndexError, OSError, etree.XMLSyntaxError)


class _Shape(Enum):
    """What the number in a cell stands for."""

    NUMBER = "number"
    MOMENT = "moment"
    DURATION = "duration"


@dataclass(frozen=True, slots=True)
class _Book:
    """What the cells of every sheet refer to."""

    strings: list[str]
    #: by the number of a cell's style
    shapes: list[_Shape]
    #: the day 0
    epoch: datetime


def read(document: Document) -> dict[str, object]:
    """The same text as `spreadsheet.read_xlsx`, from one row at a time."""
    with document.open() as file, package.opened(file) as archive:
        properties = office_properties(archive)
        with corrupt_on(*_MALFORMED):
            texts = list(_sheets(archive, document))
    if not texts:
        raise CorruptError("a workbook without sheets")
    return {"sheets": len(texts)} | properties.stated() | {"text": "\f".join(texts)}


def _sheets(archive: zipfile.ZipFile, document: Document) -> Iterator[str]:
    main = _main_part(archive)
    root = _tree(archive, main)
    targets = _targets(archive, main)
    parts = {kind: target for kind, target in targets.values() if kind != "worksheet"}
    first = next(root.iter("{*}workbookPr"), None)
    late = first is not None and first.get("date1904") in ("1", "true")
    book = _Book(
        list(_strings(archive, parts["sharedStrings"])) if "sharedStrings" in parts else [],
        _shapes(_tree(archive, parts["styles"])) if "styles" in parts else [],
        datetime(1904, 1, 1) if late else datetime(1899, 12, 30),
    )
    for number, sheet in enumerate(root.iter("{*}sheet"), 1):
        document.heartbeat(number)
        kind, target = targets[_relation(sheet)]
        rows = _rows(archive, target, book, document, number) if kind == "worksheet" else ()
        yield "\n".join((sheet.get("name", ""), *_aligned(rows)))


# ── what is not for calamine ─────────────────────────────────────────────────────────────────


def is_for_rows(archive: zipfile.ZipFile) -> bool:
    """True where a sheet holds errors, or is millions of cells large and nearly all are empty."""
    sheets = (name for name in archive.namelist() if "/worksheets/" in name)
    return any(_has_errors_or_gaps(archive, name) for name in sheets)


def _has_errors_or_gaps(archive: zipfile.ZipFile, member: str) -> bool:
    cells, last, width, before = 0, 1, 1, b""
    with archive.open(member) as file:
        while chunk := file.read(_CHUNK):
            # A tag that lies over the edge is looked at with the next one.
            text, cut, rest = (before + chunk).rpartition(b"<")
            if _ERROR.search(text):
                return True
            cells += text.count(b"<c ") + text.count(b":c ")
            places = _PLACE.findall(text)
            last = max([last, *(int(row[:9]) for _, row in places)])
            width = max([width, *map(_width, {letters for letters, _ in places})])
            before = cut + rest
    return last * width > max(_MANY, 16 * cells)


_CHUNK = 1 << 20
#: cells that calamine may hold for nothing: some 100 MB
_MANY = 4_000_000
_ERROR = re.compile(rb"""<(?:\w{1,20}:)?c\s[^<>]*\bt=["']e["']""")
#: where a row or a cell says that it is; calamine believes places that no sheet has, too
_PLACE = re.compile(rb"""r\s{0,9}=\s{0,9}["']([A-Za-z]*)([0-9]+)""")


def _width(letters: bytes) -> int:
    """The column of so many letters, of more than nine at least a large one."""
    column = 0
    for letter in letters.upper()[:9]:
        column = column * 26 + letter - 64
    return column


# ── the package ──────────────────────────────────────────────────────────────────────────────


def _main_part(archive: zipfile.ZipFile) -> str:
    """Where the package says, else where every program puts it."""
    try:
        targets = _targets(archive, "")
    except (KeyError, etree.XMLSyntaxError):
        targets = {}
    for kind, target in targets.values():
        if kind == "officeDocument":
            return target
    return "xl/workbook.xml"


def _targets(archive: zipfile.ZipFile, part: str) -> dict[str, tuple[str, str]]:
    """The relations of a part: id → (last word of the type, member)."""
    folder, name = posixpath.split(part)
    root = _tree(archive, posixpath.join(folder, "_rels", f"{name}.rels"))
    return {
        each.get("Id", ""): (
            each.get("Type", "").rpartition("/")[2],
            posixpath.normpath(posixpath.join("/", folder, each.get("Target", "")))[1:],
        )
        for each in root.iter("{*}Relationship")
    }


def _relation(sheet: etree._Element) -> str:
    return next((str(value) for key, value in sheet.items() if str(key).endswith("}id")), "")


def _tree(archive: zipfile.ZipFile, member: str) -> etree._Element:
    with archive.open(member) as file:
        return etree.parse(file, safe_parser()).getroot()


def _each(file: IO[bytes], tag: str) -> Iterator[etree._Element]:
    """Each element of that name; those before it are forgotten."""
    for _, element in etree.iterparse(file, tag=f"{{*}}{tag}", **SAFELY):
        yield element
        element.clear()
        parent = element.getparent()
        while parent is not None and element.getprevious() is not None:
            del parent[0]


# ── what cells refer to ──────────────────────────────────────────────────────────────────────


def _strings(archive: zipfile.ZipFile, member: str) -> Iterator[str]:
    with archive.open(member) as file:
        for item in _each(file, "si"):
            yield _written(item)


def _written(item: etree._Element) -> str:
    """The runs of a string, without the reading aid of Japanese ones."""
    texts = (text for text in item.iter("{*}t") if not _is_reading(text))
    return "".join(text.text or "" for text in texts)


def _is_reading(text: etree._Element) -> bool:
    parent = text.getparent()
    return parent is not None and _name(parent) == "rPh"


def _shapes(styles: etree._Element) -> list[_Shape]:
    formats = {
        each.get("numFmtId", ""): _shape(each.get("formatCode", ""))
        for each in styles.iter("{*}numFmt")
    }
    known = _BUILT_IN | formats
    cells = next(styles.iter("{*}cellXfs"), ())
    return [known.get(each.get("numFmtId", ""), _Shape.NUMBER) for each in cells]


_BUILT_IN = dict.fromkeys(map(str, (*range(14, 23), 45, 47)), _Shape.MOMENT)
_BUILT_IN["46"] = _Shape.DURATION


def _shape(code: str) -> _Shape:
    """What a number format makes of a number, as its first section says."""
    code = _LITERAL.sub("", code).partition(";")[0].lower()
    if _ELAPSED.search(code):
        return _Shape.DURATION
    code = _BRACKETS.sub("", code).replace("general", "")
    return _Shape.MOMENT if any(letter in code for letter in "dmyhs") else _Shape.NUMBER


_LITERAL = re.compile(r'"[^"]*"|[\\_*].')
_ELAPSED = re.compile(r"\[(?:h+|m+|s+)\]")
_BRACKETS = re.compile(r"\[[^\]]*\]")

# ── rows ─────────────────────────────────────────────────────────────────────────────────────


def _rows(
    archive: zipfile.ZipFile, member: str, book: _Book, document: Document, number: int
) -> Iterator[str]:
    """The rows that hold anything, a tab between columns from the first one of the sheet on."""
    with archive.open(member) as file:
        for count, row in enumerate(_each(file, "row"), 1):
            if count % ROWS == 0:
                document.heartbeat(number)
            line: list[str] = []
            for place, text in _cells(row, book):
                line += [""] * (place - len(line))
                line[place:] = [text]
            if any(line):
                yield "\t".join(line).rstrip("\t")


def _aligned(rows: Iterator[str] | tuple[()]) -> list[str]:
    """Without the columns that are empty in front of all rows."""
    lines = list(rows)
    least = min((len(line) - len(line.lstrip("\t")) for line in lines), default=0)
    return [line[least:] for line in lines] if least else lines


def _cells(row: etree._Element, book: _Book) -> Iterator[tuple[int, str]]:
    place = -1
    for cell in row:
        reference = cell.get("r")
        place = place + 1 if reference is None else _column(reference.rstrip("0123456789"))
        if text := _text(cell, book):
            yield place, text


@lru_cache(maxsize=_COLUMNS)
def _column(letters: str) -> int:
    """0 for A; raises ValueError for none that a sheet has."""
    column = 0
    for letter in letters.upper():
        column = column * 26 + ord(letter) - 64
    if not 0 < column <= _COLUMNS:
        raise ValueError("a cell outside of its sheet")
    return column - 1


def _text(cell: etree._Element, book: _Book) -> str:
    value: Cell | None = None
    for child in cell:
        match _name(child):
            case "v":
                value = _value(child.text or "", cell, book)
            case "is":
                value = _written(child)
    return "" if value is None else shown(value)


def _value(text: str, cell: etree._Element, book: _Book) -> Cell | None:
    match cell.get("t", "n"):
        case "s":
            return book.strings[int(text)]
        case "b":
            return text not in ("0", "false")
        case "n":
            return _number(float(text), int(cell.get("s", 0)), book) if text else None
        case _:
            return text


def _number(number: float, style: int, book: _Book) -> Cell:
    shape = book.shapes[style] if style < len(book.shapes) else _Shape.NUMBER
    if shape is _Shape.NUMBER:
        return number
    try:
        span = timedelta(milliseconds=round(number * 86_400_000))
        return span if shape is _Shape.DURATION else _moment(number, book.epoch + span)
    except OverflowError:
        return number  # no day that there is


def _moment(number: float, when: datetime) -> date | time | datetime:
    if number < 1:
        return when.time()
    return when.date() if number.is_integer() else when


def _name(element: etree._Element) -> str:
    return str(element.tag).rpartition("}")[2]
