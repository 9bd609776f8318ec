"""OpenDocument (odt, odp, odg, and all of them as one flat XML): text in the order of reading."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from typing import Final

from lxml import etree

from docherd.document import Document
from docherd.exceptions import CorruptError
from docherd.processors.readers import package
from docherd.processors.readers.markup import safe_parser
from docherd.processors.readers.parsing import corrupt_on
from docherd.processors.readers.passwords import untried
from docherd.processors.readers.properties import (
    Properties,
    open_document_properties,
    properties_below,
)

#: characters that rows and cells said to be repeated may come to
REPEATED_LIMIT = 64 * 1024**2
_MALFORMED = (KeyError, ValueError, etree.XMLSyntaxError)


def read(document: Document) -> dict[str, object]:
    """Text in document order (cells tab by tab), then notes and comments, headers and footers; of
    a presentation or drawing its pages, with a form feed between them.
    """
    with document.open() as file, package.opened(file) as archive:
        if package.is_encrypted_open_document(archive):
            raise untried("OpenDocument", "save it without one")
        properties = open_document_properties(archive)
        with corrupt_on(*_MALFORMED):
            content = etree.fromstring(archive.read("content.xml"), safe_parser())
        return _record(document, content, _styles(archive), properties)


def read_flat(document: Document) -> dict[str, object]:
    """As `read`, of an .fodt, .fodp, .fodg or .fods."""
    with corrupt_on(*_MALFORMED):
        root = etree.fromstring(document.read_bytes(), safe_parser())
    meta = root.find("{*}meta")
    stated = Properties() if meta is None else properties_below(meta)
    return _record(document, root, root, stated)


def _styles(archive: zipfile.ZipFile) -> etree._Element | None:
    """styles.xml, where headers and footers are; the text is worth having without."""
    try:
        return etree.fromstring(archive.read("styles.xml"), safe_parser())
    except _MALFORMED:
        return None


def _record(
    document: Document,
    content: etree._Element,
    styles: etree._Element | None,
    properties: Properties,
) -> dict[str, object]:
    body = content.find("{*}body")
    if body is None or not len(body):
        raise CorruptError("an OpenDocument without a body")
    stated = properties.stated()
    match _name(body[0]):
        case "presentation" | "drawing" as family:
            pages = list(_pages(document, body[0]))
            counted = "slides" if family == "presentation" else "pages"
            return {counted: len(pages)} | stated | {"text": "\f".join(pages)}
        case "spreadsheet":
            sheets = list(_sheets(document, body[0]))
            return {"sheets": len(sheets)} | stated | {"text": "\f".join(sheets)}
        case _:
            flow = Flow(document).add(body[0])
            sides = () if styles is None else styles.iterfind("{*}master-styles//*")
            for side in (each for each in sides if _name(each) in _SIDES):
                flow.add(side, later=True)
            return stated | {"text": flow.text()}


_SIDES = frozenset(
    f"{side}{page}" for side in ("header", "footer") for page in ("", "-left", "-first")
)


def _pages(document: Document, family: etree._Element) -> Iterator[str]:
    footers = {_attribute(each, "name"): each for each in family.iterfind("{*}footer-decl")}
    pages = family.findall("{*}page")
    for number, page in enumerate(pages, 1):
        document.heartbeat(number, len(pages))
        flow = Flow(document).add(page)
        text = flow.text()
        footer = footers.get(_attribute(page, "use-footer-name"))
        shown = "" if footer is None else " ".join("".join(footer.itertext()).split())
        yield f"{text}\n{shown}".strip("\n") if shown else text


# ── text that flows ──────────────────────────────────────────────────────────────────────────

#: what is not read: changes undone, forms, embedded objects, the reading aid over Japanese
_UNREAD: Final = frozenset(
    """
    tracked-changes forms object object-ole binary-data ruby-text note-citation sequence-decls
    variable-decls user-field-decls event-listeners script scripts date-string sender-initials
    creator-initials footer-decl header-decl date-time-decl
    """.split()  # noqa: SIM905 - one word a line would fill two screens
)
#: namespaces of what is said of a comment (who, when) and of a picture (its title)
_ABOUT = ("{http://purl.org/dc/elements/1.1/}", "{urn:oasis:names:tc:opendocument:xmlns:svg-")
#: what is read after the text it stands in
_LATER = frozenset({"note-body", "annotation", "notes"})
_PARAGRAPHS = frozenset({"p", "h"})
_SPACE = re.compile(r"[ \t\r\n]+")
#: spaces, tabs ... that one element may stand for
_MOST_SPACES = 1000
#: paragraphs between two heartbeats
_PARAGRAPHS_EACH = 5000


class Flow:
    """Text taken from elements: a line a paragraph, a tab between cells; notes come last."""

    def __init__(self, document: Document | None = None) -> None:
        self._document = document
        self._paragraphs = 0
        self._pieces: list[str] = []
        self._later: list[str] = []

    def add(self, root: etree._Element, *, later: bool = False) -> Flow:
        """What is below ``root``, after what is there; ``later``: after the notes of all."""
        waiting: list[etree._Element] = []
        pieces = self._later if later else self._pieces
        pieces.append("\n")
        self._walk(root, pieces, waiting)
        # A note may hold a comment, which then stands after it.
        while waiting:
            self._later.append("\n")
            self._walk(waiting.pop(0), self._later, waiting)
        return self

    def text(self) -> str:
        """A line each, without those that hold nothing."""
        text = "".join((*self._pieces, "\n", *self._later))
        lines = (line.strip(" ").rstrip("\t ") for line in text.split("\n"))
        return "\n".join(line for line in lines if line.strip())

    def _walk(self, root: etree._Element, pieces: list[str], waiting: list[etree._Element]) -> None:
        walk = etree.iterwalk(root, events=("start", "end"))
        inside = 0  # paragraphs around us: character data elsewhere is only how the XML is laid out
        for event, element in walk:
            name = _name(element)
            is_paragraph = name in _PARAGRAPHS
            if event == "start":
                if element is not root and (name in _LATER or _is_unread(element, name)):
                    if name in _LATER:
                        waiting.append(element)
                    walk.skip_subtree()
                    continue
                inside += is_paragraph
                pieces.append(self._before(element, name))
                if inside and element.text:
                    pieces.append(_SPACE.sub(" ", element.text))
            else:
                inside -= is_paragraph
                if inside and element is not root and element.tail:
                    pieces.append(_SPACE.sub(" ", element.tail))

    def _before(self, element: etree._Element, name: str) -> str:
        match name:
            case "p" | "h":
                self._paragraphs += 1
                if self._document and self._paragraphs % _PARAGRAPHS_EACH == 0:
                    self._document.heartbeat()
                return "" if _begins_cell(element) else "\n"
            case "table-cell" | "covered-table-cell":
                return "\t" if _name(element.getprevious()).endswith("table-cell") else "\n"
            case "tab":
                return "\t"
            case "line-break":
                return "\n"
            case "s":
                return " " * min(_number(element, "c"), _MOST_SPACES)
            case _:
                return ""


def _is_unread(element: etree._Element, name: str) -> bool:
    return name in _UNREAD or str(element.tag).startswith(_ABOUT)


def _begins_cell(paragraph: etree._Element) -> bool:
    """True for the first paragraph of a cell: the line of the row goes on."""
    return paragraph.getprevious() is None and _name(paragraph.getparent()) == "table-cell"


def _name(element: etree._Element | None) -> str:
    return "" if element is None else str(element.tag).rpartition("}")[2]


def _attribute(element: etree._Element, name: str) -> str:
    """An attribute by its name in any namespace."""
    found = (value for key, value in element.items() if str(key).rpartition("}")[2] == name)
    return str(next(found, ""))


def _number(element: etree._Element, name: str) -> int:
    """How many of something an element stands for: 1 where it does not say."""
    stated = _attribute(element, name)
    return int(stated) if stated.isascii() and stated.isdigit() and len(stated) < 10 else 1


# ── sheets of a flat spreadsheet ─────────────────────────────────────────────────────────────


def _sheets(document: Document, family: etree._Element) -> Iterator[str]:
    tables = family.findall("{*}table")
    left = [REPEATED_LIMIT]
    for number, table in enumerate(tables, 1):
        document.heartbeat(number, len(tables))
        yield "\n".join((_attribute(table, "name"), *_rows(table, left)))


def _rows(table: etree._Element, left: list[int]) -> Iterator[str]:
    """The rows that hold anything; ``left``: characters that may still be repeated."""
    for row in table.iter("{*}table-row"):
        cells: list[str] = []
        for cell in row.iterfind("*"):
            text = " ".join(Flow().add(cell).text().split())
            again = _number(cell, "number-columns-repeated")
            cells += [text] * (_repeated(text, again, left) if text else min(again, _MOST_SPACES))
        line = "\t".join(cells).rstrip("\t")
        if line.strip():
            yield from [line] * _repeated(line, _number(row, "number-rows-repeated"), left)


def _repeated(text: str, times: int, left: list[int]) -> int:
    left[0] -= len(text) * (times - 1)
    if left[0] < 0:
        raise CorruptError(f"repeats its cells beyond {REPEATED_LIMIT:,} characters")
    return times
