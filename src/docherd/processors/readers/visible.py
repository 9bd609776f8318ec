"""The text of an HTML page that a reader sees, and which of it surrounds the content.

Marks are written into the parsed page where something begins and ends, so that one pass over its
text, however deep the page is nested, finds lines, cells, what is hidden and what is boilerplate.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from selectolax.lexbor import LexborHTMLParser, LexborNode


@dataclass(frozen=True, slots=True)
class Visible:
    """One line a block, one tab between cells."""

    text: str
    #: [start, end] in ``text`` of navigation, headers, footers, asides, cookie banners
    boilerplate: list[list[int]]


def visible(html: str) -> Visible:
    """What is to be seen of a page. Nothing is fetched, and no script runs."""
    return visible_of(parsed(html))


def parsed(html: str) -> LexborHTMLParser:
    """The page as a browser would have it, in linear time."""
    from selectolax.lexbor import LexborHTMLParser

    return LexborHTMLParser(_flattened(html) if html.count("<") > _MANY_TAGS else html)


def visible_of(page: LexborHTMLParser) -> Visible:
    """What is to be seen of a parsed page; the page is changed on the way."""
    if page.body is None:
        return Visible("", [])
    page.strip_tags(_UNSEEN)
    _mark(page)
    lines = list(_lines(page.body.text()))
    if all(line.boilerplate for line in lines):  # a page of nothing else is its own content
        return Visible("\n".join(line.text for line in lines), [])
    return Visible("\n".join(line.text for line in lines), _ranges(lines))


# ── flat enough ──────────────────────────────────────────────────────────────────────────────

#: a parser looks through all open elements at each tag: seconds for 20,000 in one another
_MANY_TAGS = 20_000
_DEEPEST = 1000
#: of these the end is implied, or there is none
_ENDLESS = frozenset(
    """
    area base br col embed hr img input link meta param source track wbr
    p li dt dd tr td th thead tbody tfoot colgroup option optgroup rp rt html head body
    """.split()  # noqa: SIM905 - one word a line would fill two screens
)
_TAG = re.compile(r"<(/?)([A-Za-z][A-Za-z0-9-]{0,20})[^<>]*>")


def _flattened(html: str) -> str:
    """With a line break for each element that begins too deep, as browsers cut them off, too."""
    depth = 0

    def kept(tag: re.Match[str]) -> str:
        nonlocal depth
        if tag[2].lower() in _ENDLESS:
            return tag[0]
        if tag[1]:
            depth = max(0, depth - 1)
            return tag[0] if depth < _DEEPEST else ""
        depth += 1
        return tag[0] if depth <= _DEEPEST else "<br>"

    return _TAG.sub(kept, html)


# ── marks ────────────────────────────────────────────────────────────────────────────────────

#: where a line and a cell end: newlines and tabs in the source are only spaces
_LINE, _CELL = "\x1e", "\x1f"
#: where something begins, and where the last that began ends
_HIDDEN, _BOILERPLATE, _HEADER, _SECTION, _END = "\x01", "\x02", "\x03", "\x04", "\x05"

_UNSEEN = ["script", "style", "template", "noscript", "iframe", "canvas", "audio", "video"]
_BLOCKS = (
    "address,article,aside,blockquote,br,caption,dd,details,div,dl,dt,fieldset,figcaption,figure,"
    "footer,form,h1,h2,h3,h4,h5,h6,header,hr,li,main,nav,ol,option,p,pre,section,summary,table,tr,ul"
)
_HIDING = '[hidden],dialog:not([open]),[style*="display:none" i],[style*="display: none" i]'
_AROUND = (
    "nav,aside,[role=navigation],[role=banner],[role=contentinfo],[role=complementary],"
    "[role=search],[role=menu],[role=menubar]"
)
#: around the content where they stand outside of it: an article has a header of its own
_AT_AN_EDGE = "header,footer"
_CONTENT = "article,main,section,[role=main],[role=article]"


def _mark(page: LexborHTMLParser) -> None:
    for preformatted in page.css("pre"):
        for node in list(preformatted.traverse(include_text=True)):
            if node.is_text_node:
                node.replace_with((node.text_content or "").replace("\n", _LINE))
    for block in page.css(_BLOCKS):
        block.insert_before(_LINE)
        block.insert_after(_LINE)
    for cell in page.css("td + td, td + th, th + td, th + th"):
        cell.insert_before(_CELL)
    _enclose(page.css(_CONTENT), _SECTION)
    _enclose(page.css(_AT_AN_EDGE), _HEADER)
    _enclose(page.css(_AROUND), _BOILERPLATE)
    _enclose(filter(_is_named_so, page.css("div[id],div[class],ul[id],ul[class]")), _BOILERPLATE)
    _enclose(page.css(_HIDING), _HIDDEN)


def _enclose(nodes: Iterable[LexborNode], mark: str) -> None:
    """Each node between ``mark`` and an end, inside of whatever encloses it already."""
    for node in nodes:
        node.insert_before(mark)
        node.insert_after(_END)


def _is_named_so(node: LexborNode) -> bool:
    """True where id or class say what pages without such elements say of their boilerplate."""
    stated = f"{node.attributes.get('id') or ''} {node.attributes.get('class') or ''}".lower()
    if not (_COOKIES.search(stated) or not _NAMES.isdisjoint(stated.split())):
        return False
    return node.css_first("main,article,h1") is None  # such a word may also name a whole page


_COOKIES = re.compile(
    r"\b(?:cookies?|gdpr|consent)[-_]?(?:banner|bar|box|notice|popup|message|law|consent|overlay)"
    r"|(?:cookie|consent)banner|onetrust|cookiebot|didomi|usercentrics"
)
_NAMES = frozenset(
    """
    nav navbar navigation menu sidebar footer breadcrumb breadcrumbs masthead site-header
    site-footer page-footer skip-link
    """.split()  # noqa: SIM905 - as above
)

# ── lines ────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class _Line:
    text: str
    boilerplate: bool


@dataclass(slots=True)
class _Open:
    """What has begun and not ended; marks in the page's own text are survived."""

    marks: list[str] = field(default_factory=list)
    hidden: int = 0
    boilerplate: int = 0
    sections: int = 0

    def begin(self, mark: str) -> None:
        if mark == _HEADER:
            mark = _SECTION if self.sections else _BOILERPLATE
        self.marks.append(mark)
        self._count(mark, 1)

    def end(self) -> None:
        if self.marks:
            self._count(self.marks.pop(), -1)

    def _count(self, mark: str, step: int) -> None:
        self.hidden += step * (mark == _HIDDEN)
        self.boilerplate += step * (mark == _BOILERPLATE)
        self.sections += step * (mark == _SECTION)


def _lines(text: str) -> Iterator[_Line]:
    """The lines that hold anything."""
    opened = _Open()
    pieces: list[str] = []
    boilerplate = False
    for piece in _MARKS.split(text + _LINE):
        match piece:
            case "\x1e":
                if line := _cells("".join(pieces)):
                    yield _Line(line, boilerplate)
                pieces.clear()
            case "\x05":
                opened.end()
            case "\x01" | "\x02" | "\x03" | "\x04":
                opened.begin(piece)
            case _ if not opened.hidden and (pieces or piece.strip(_BLANK)):
                if not pieces:
                    boilerplate = opened.boilerplate > 0
                pieces.append(piece)


_BLANK = " \t\r\n\f"
_MARKS = re.compile(f"([{_HIDDEN}{_BOILERPLATE}{_HEADER}{_SECTION}{_END}{_LINE}])")


def _cells(line: str) -> str:
    return "\t".join(" ".join(cell.split()) for cell in line.split(_CELL)).rstrip()


def _ranges(lines: list[_Line]) -> list[list[int]]:
    """Where boilerplate stands, from the beginning of its first line to that of what follows."""
    ranges: list[list[int]] = []
    start = 0
    for boilerplate, group in groupby(lines, lambda line: line.boilerplate):
        end = start + sum(len(line.text) + 1 for line in group)
        if boilerplate:
            ranges.append([start, end])
        start = end
    if ranges and ranges[-1][1] == start:
        ranges[-1][1] -= 1  # no newline ends the last line
    return ranges
