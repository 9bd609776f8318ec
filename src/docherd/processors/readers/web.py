"""HTML: the text a reader sees, without scripts and styles; nothing is fetched or run."""

from __future__ import annotations

import codecs
import re
from typing import TYPE_CHECKING

from docherd.document import Document
from docherd.processors.readers.encoding import decode
from docherd.processors.readers.properties import names

if TYPE_CHECKING:
    from selectolax.lexbor import LexborHTMLParser


def read(document: Document) -> dict[str, object]:
    """Title, description, authors, language and text of a page."""
    from selectolax.lexbor import LexborHTMLParser

    data = document.read_bytes()
    decoded = decode(data, _declared_encoding(data[:4096]))
    page = LexborHTMLParser(decoded.text)
    stated: dict[str, object] = {
        "title": _title(page),
        "description": _meta(page, "description"),
        "authors": names(_meta(page, "author")),
        "language": _language(page),
        "encoding": decoded.encoding,
    }
    return {name: value for name, value in stated.items() if value} | {"text": _text(page)}


def text_of(html: str) -> str:
    """The visible text of an HTML source, block by block."""
    from selectolax.lexbor import LexborHTMLParser

    return _text(LexborHTMLParser(html))


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


# ── text ─────────────────────────────────────────────────────────────────────────────────────

#: stand where a line and a cell end: newlines and tabs in the source are only spaces
_LINE = "\x1e"
_CELL = "\x1f"
_UNSEEN = ["script", "style", "template"]
_BLOCKS = (
    "address,article,aside,blockquote,br,caption,dd,details,div,dl,dt,fieldset,figcaption,figure,"
    "footer,form,h1,h2,h3,h4,h5,h6,header,hr,li,main,nav,ol,option,p,pre,section,summary,table,tr,ul"
)


def _text(page: LexborHTMLParser) -> str:
    """One line a block, one tab between cells; the page is changed on the way."""
    if page.body is None:
        return ""
    page.strip_tags(_UNSEEN)
    for preformatted in page.css("pre"):
        for node in list(preformatted.traverse(include_text=True)):
            if node.is_text_node:
                node.replace_with((node.text_content or "").replace("\n", _LINE))
    for block in page.css(_BLOCKS):
        block.insert_before(_LINE)
        block.insert_after(_LINE)
    for cell in page.css("td + td, td + th, th + td, th + th"):
        cell.insert_before(_CELL)
    return _lines(page.body.text())


def _lines(text: str) -> str:
    lines = (
        "\t".join(" ".join(cell.split()) for cell in line.split(_CELL)).rstrip()
        for line in text.split(_LINE)
    )
    return "\n".join(line for line in lines if line)
