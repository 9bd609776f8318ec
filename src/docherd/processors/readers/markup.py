"""XML, read with entities off and nothing fetched."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from docherd.model import Document
from docherd.processors.readers.encoding import canonical
from docherd.processors.readers.parsing import corrupt_on

if TYPE_CHECKING:
    from lxml import etree

_XML_LANG = "{http://www.w3.org/XML/1998/namespace}lang"


def safe_parser() -> etree.XMLParser:
    """A parser that expands no entity and fetches nothing, whatever the XML asks for."""
    from lxml import etree

    return etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        remove_comments=True,
        remove_pis=True,
    )


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
    if language := root.get(_XML_LANG):
        record["language"] = language
    return record
