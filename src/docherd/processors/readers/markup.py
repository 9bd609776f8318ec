"""XML, read with entities off and nothing fetched."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, TypedDict

from docherd.document import Document
from docherd.processors.readers.encoding import canonical
from docherd.processors.readers.parsing import corrupt_on

if TYPE_CHECKING:
    from lxml import etree


class Safely(TypedDict):
    """What every parser is told."""

    resolve_entities: bool
    no_network: bool
    load_dtd: bool
    remove_comments: bool
    remove_pis: bool


#: no entity is expanded and nothing fetched
SAFELY: Final[Safely] = {
    "resolve_entities": False,
    "no_network": True,
    "load_dtd": False,
    "remove_comments": True,
    "remove_pis": True,
}
XML_LANG = "{http://www.w3.org/XML/1998/namespace}lang"


def safe_parser() -> etree.XMLParser:
    """A parser that expands no entity and fetches nothing, whatever the XML asks for."""
    from lxml import etree

    return etree.XMLParser(**SAFELY)


def read(document: Document) -> dict[str, object]:
    """The character data, one piece a line; the encoding, and the language of the root."""
    from lxml import etree

    # Parsed from a file, a message would name the path and differ from machine to machine.
    source = io.BytesIO(document.read_bytes())
    with corrupt_on(etree.XMLSyntaxError, OSError):
        tree = etree.parse(source, safe_parser())
    root = tree.getroot()
    pieces = (" ".join(str(piece).split()) for piece in root.itertext())
    record: dict[str, object] = {"text": "\n".join(piece for piece in pieces if piece)}
    if tree.docinfo.encoding:
        record["encoding"] = canonical(tree.docinfo.encoding)
    if language := root.get(XML_LANG):
        record["language"] = language
    return record


# ── without a tree ───────────────────────────────────────────────────────────────────────────


def read_light(document: Document) -> dict[str, object]:
    """The same as `read`, from one piece after another; the encoding is not said."""
    from lxml import etree

    pieces = _Pieces()
    parser = etree.XMLParser(target=pieces, **SAFELY)  # type: ignore[call-overload]  # no comment()
    with document.open() as file, corrupt_on(etree.XMLSyntaxError):
        while chunk := file.read(_CHUNK):
            parser.feed(chunk)
            document.heartbeat()
        parser.close()
    record: dict[str, object] = {"text": "\n".join(pieces.found)}
    return record | ({"language": pieces.language} if pieces.language else {})


_CHUNK = 1 << 20


class _Pieces:
    """What a parser calls as it goes; a piece is what stands between two tags."""

    def __init__(self) -> None:
        self.found: list[str] = []
        self.language: str | None = None
        self._open: list[str] = []
        self._begun = False

    def start(self, _: str, attributes: Mapping[str, str]) -> None:
        if not self._begun:
            self._begun, self.language = True, attributes.get(XML_LANG)
        self._end_piece()

    def end(self, _: str) -> None:
        self._end_piece()

    def data(self, text: str) -> None:
        self._open.append(text)

    def close(self) -> None:
        self._end_piece()

    def _end_piece(self) -> None:
        if self._open:
            if piece := " ".join("".join(self._open).split()):
                self.found.append(piece)
            self._open.clear()
