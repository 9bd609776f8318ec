"""HTML: the text a reader sees, without scripts and styles; nothing is fetched or run."""

from __future__ import annotations

import codecs
import re
from typing import TYPE_CHECKING

from docherd.document import Document
from docherd.processors.readers.encoding import decode
from docherd.processors.readers.properties import names
from docherd.processors.readers.visible import parsed, visible, visible_of

if TYPE_CHECKING:
    from selectolax.lexbor import LexborHTMLParser


def read(document: Document) -> dict[str, object]:
    """Title, description, authors, language and text of a page, and what of it is boilerplate."""
    data = document.read_bytes()
    decoded = decode(data, _declared_encoding(data[:4096]))
    page = parsed(decoded.text)
    stated: dict[str, object] = {
        "title": _title(page),
        "description": _meta(page, "description"),
        "authors": names(_meta(page, "author")),
        "language": _language(page),
        "encoding": decoded.encoding,
    }
    seen = visible_of(page)
    stated["boilerplate"] = seen.boilerplate
    return {name: value for name, value in stated.items() if value} | {"text": seen.text}


def text_of(html: str) -> str:
    """The visible text of an HTML source, block by block."""
    return visible(html).text


def _declared_encoding(head: bytes) -> str | None:
    found = _CHARSET.search(head)
    if found is None:
        return None
    claim = found[1].decode("ascii")
    # Browsers read both of these as Windows' Latin-1, and pages are written for browsers.
    try:
        western = codecs.lookup(claim).name in ("iso8859-1", "ascii")
    except LookupError:
        return None
    return "cp1252" if western else claim


_CHARSET = re.compile(
    rb"""<meta[^>]{1,400}?charset\s{0,9}=\s{0,9}["']?([A-Za-z0-9_:-]{1,40})""", re.I
)


def _title(page: LexborHTMLParser) -> str:
    title = page.css_first("title")
    return " ".join(title.text().split()) if title else ""


def _meta(page: LexborHTMLParser, name: str) -> str:
    meta = page.css_first(f'meta[name="{name}" i]')
    return " ".join((meta.attributes.get("content") or "").split()) if meta else ""


def _language(page: LexborHTMLParser) -> str:
    html = page.css_first("html")
    stated = (html.attributes.get("lang") or html.attributes.get("xml:lang")) if html else None
    if stated:
        return stated.strip()
    meta = page.css_first('meta[http-equiv="content-language" i]')
    return (meta.attributes.get("content") or "").strip() if meta else ""
