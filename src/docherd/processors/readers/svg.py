"""Drawings in SVG: the words in them; nothing is drawn, expanded or fetched."""

from __future__ import annotations

import io
from collections.abc import Iterator

from lxml import etree

from docherd.document import Document
from docherd.processors.readers.markup import XML_LANG, safe_parser
from docherd.processors.readers.parsing import corrupt_on


def read(document: Document) -> dict[str, object]:
    """The texts in the order of the source, a line each; the title and description."""
    source = io.BytesIO(document.read_bytes())
    with corrupt_on(etree.XMLSyntaxError, OSError):
        root = etree.parse(source, safe_parser()).getroot()
    stated = {
        "title": _flat(root.find("{*}title")),
        "description": _flat(root.find("{*}desc")),
        "language": root.get(XML_LANG),
    }
    record: dict[str, object] = {key: value for key, value in stated.items() if value}
    return record | {"text": "\n".join(filter(None, _lines(root)))}


def _flat(element: etree._Element | None) -> str:
    if element is None:
        return ""
    return " ".join("".join(map(str, element.itertext())).split())


def _lines(root: etree._Element) -> Iterator[str]:
    for element in root.iter("{*}title", "{*}desc", "{*}text", "{*}foreignObject"):
        lines = "".join(_pieces(element)).split("\n")
        yield from (" ".join(line.split()) for line in lines)


def _pieces(element: etree._Element) -> Iterator[str]:
    """The text of an element; a part of it that has a place of its own is a line of its own."""
    for event, each in etree.iterwalk(element, events=("start", "end")):
        if event == "start" and isinstance(each.tag, str):  # which an entity has none of
            yield "\n" if each is not element and _begins_line(each) else ""
            yield (each.text or "").replace("\n", " ")
        elif event == "end" and each is not element:
            yield (each.tail or "").replace("\n", " ")


def _begins_line(element: etree._Element) -> bool:
    if etree.QName(element).localname in ("p", "div", "br", "li", "tr"):
        return True
    return any(element.get(key) for key in ("x", "y", "dy"))
