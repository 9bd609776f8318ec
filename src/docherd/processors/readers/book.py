"""E-books: EPUB, chapter by chapter as its spine has them, and FictionBook (fb2, also zipped)."""

from __future__ import annotations

import posixpath
import re
import zipfile
from collections.abc import Iterator
from urllib.parse import unquote

from lxml import etree

from docherd.document import Document
from docherd.exceptions import CorruptError, EncryptedError
from docherd.processors.readers import package
from docherd.processors.readers.encoding import decode
from docherd.processors.readers.markup import safe_parser
from docherd.processors.readers.parsing import corrupt_on
from docherd.processors.readers.properties import Properties, iso_8601, names
from docherd.processors.readers.web import text_of

_MALFORMED = (KeyError, ValueError, etree.XMLSyntaxError)

# ── EPUB ─────────────────────────────────────────────────────────────────────────────────────


def read_epub(document: Document) -> dict[str, object]:
    """Text with a form feed between chapters, how many there are, and what the book states.

    Those that are not in the file are named in ``failed_chapters``. Raises EncryptedError where
    chapters are under DRM, CorruptError where none can be read.
    """
    with document.open() as file, package.opened(file) as archive:
        with corrupt_on(*_MALFORMED):
            main = _main_part(archive)
            book = _tree(archive, main)
            chapters = list(_spine(book, posixpath.dirname(main)))
        _refuse_locked(archive, chapters)
        texts, failed = _chapters(archive, chapters, document)
        properties = _properties(archive, book, posixpath.dirname(main))
    if not texts:
        raise CorruptError(f"an EPUB of whose {len(failed)} chapters none can be read")
    record: dict[str, object] = {"chapters": len(chapters)} | properties.stated()
    if failed:
        record["failed_chapters"] = failed
    return record | {"text": "\f".join(texts)}


def _main_part(archive: zipfile.ZipFile) -> str:
    for each in _tree(archive, "META-INF/container.xml").iter("{*}rootfile"):
        return unquote(each.get("full-path", ""))
    raise ValueError("META-INF/container.xml names no book")


def _tree(archive: zipfile.ZipFile, member: str) -> etree._Element:
    return etree.fromstring(archive.read(member), safe_parser())


def _spine(book: etree._Element, folder: str) -> Iterator[str]:
    """The member of each chapter in the order of reading; each once, however often it is named."""
    items = {
        each.get("id", ""): each.get("href", "") for each in book.iterfind("{*}manifest/{*}item")
    }
    wanted = (each.get("idref", "") for each in book.iterfind("{*}spine/{*}itemref"))
    for idref in dict.fromkeys(wanted):
        yield _member(folder, items.get(idref, ""))


def _member(folder: str, reference: str) -> str:
    """A name in the archive: it is looked up there and nowhere else."""
    return posixpath.normpath(posixpath.join(folder, unquote(reference.partition("#")[0])))


def _refuse_locked(archive: zipfile.ZipFile, chapters: list[str]) -> None:
    """Raise EncryptedError where a chapter is encrypted; fonts that are merely obscured are not."""
    try:
        locked = _tree(archive, "META-INF/encryption.xml")
    except _MALFORMED:
        return
    named = {_member("", each.get("URI", "")) for each in locked.iter("{*}CipherReference")}
    if named.intersection(chapters):
        raise EncryptedError("under DRM: only the shop's own reader opens it, no password does")


def _chapters(
    archive: zipfile.ZipFile, chapters: list[str], document: Document
) -> tuple[list[str], list[int]]:
    """The texts of the chapters that are there, and the numbers of those that are not."""
    texts: list[str] = []
    failed: list[int] = []
    for number, member in enumerate(chapters, 1):
        document.heartbeat(number, len(chapters))
        try:
            page = archive.read(member)
        except KeyError:
            failed.append(number)
            continue
        texts.append(text_of(_as_html(page)))
    return texts, failed


def _as_html(page: bytes) -> str:
    """XHTML as a browser's parser takes it, to which <title/> begins a title that never ends."""
    declared = _ENCODING.search(page[:200])
    text = decode(page, declared[1].decode("ascii") if declared else None).text
    return _CLOSED.sub(r"<\1\2></\1>", _DECLARATION.sub("", text, count=1))


_ENCODING = re.compile(rb"""<\?xml[^>]{1,100}encoding=["']([A-Za-z0-9_.:-]{1,40})["']""")
_DECLARATION = re.compile(r"^\s*<\?xml[^>]*>")
_CLOSED = re.compile(
    r"<((?!(?:area|base|br|col|embed|hr|img|input|link|meta|source|track|wbr)\b)[A-Za-z][\w:-]*)"
    r"((?:\s[^<>]*)?)/>"
)


def _properties(archive: zipfile.ZipFile, book: etree._Element, folder: str) -> Properties:
    stated = [(_name(each), each) for each in book.iterfind("{*}metadata//*")]

    def first(name: str, *, given: str = "") -> str:
        found = (_line(each) for kind, each in stated if kind == name)
        return next(filter(None, found), given)

    dates = {_event(each): _line(each) for kind, each in stated if kind in ("date", "meta")}
    return Properties(
        title=first("title") or _title_in_contents(archive, book, folder),
        authors=names(*(_line(each) for kind, each in stated if kind == "creator")),
        created=iso_8601(dates.get("publication") or dates.get("creation") or dates.get("date")),
        modified=iso_8601(dates.get("dcterms:modified") or dates.get("modification")),
        language=first("language"),
    )


def _event(date: etree._Element) -> str:
    """What a date is of: EPUB 2 has opf:event, EPUB 3 a property."""
    stated = (str(value) for key, value in date.items() if str(key).endswith(("event", "property")))
    return next(stated, _name(date))


def _title_in_contents(archive: zipfile.ZipFile, book: etree._Element, folder: str) -> str:
    """The book's title as its table of contents (the NCX) has it; nothing of it is followed."""
    for item in book.iterfind("{*}manifest/{*}item"):
        if item.get("media-type") == "application/x-dtbncx+xml":
            try:
                title = _tree(archive, _member(folder, item.get("href", ""))).find("{*}docTitle")
            except _MALFORMED:
                continue
            return "" if title is None else _line(title)
    return ""


# ── FictionBook ──────────────────────────────────────────────────────────────────────────────


def read_fb2(document: Document) -> dict[str, object]:
    """Text, a line a paragraph or verse, and what title-info states; the pictures are left out."""
    with document.open() as file:
        zipped = file.read(2) == b"PK"
        file.seek(0)
        if not zipped:
            source = file.read()
        else:
            with package.opened(file) as archive:
                source = archive.read(next(iter(archive.namelist())))
    with corrupt_on(*_MALFORMED):
        root = etree.fromstring(source, safe_parser())
    texts = [_flow(body, document) for body in root.iterfind("{*}body")]
    if not texts:
        raise CorruptError("a FictionBook without a body")
    return _described(root).stated() | {"text": "\n".join(filter(None, texts))}


_LINES = frozenset({"p", "v", "subtitle", "text-author", "td", "th", "date"})


def _flow(body: etree._Element, document: Document) -> str:
    lines: list[str] = []
    for number, element in enumerate(body.iter("{*}*"), 1):
        if number % _ELEMENTS_EACH == 0:
            document.heartbeat()
        name = _name(element)
        if name in _LINES and (line := _line(element)):
            if name in ("td", "th") and _name(element.getprevious()) in ("td", "th") and lines:
                lines[-1] += f"\t{line}"
            else:
                lines.append(line)
    return "\n".join(lines)


#: elements between two heartbeats
_ELEMENTS_EACH = 10_000


def _described(root: etree._Element) -> Properties:
    about = root.find("{*}description/{*}title-info")
    if about is None:
        return Properties()
    date = about.find("{*}date")
    return Properties(
        title=_line(about.find("{*}book-title")),
        authors=names(*map(_person, about.iterfind("{*}author"))),
        created=iso_8601(None if date is None else date.get("value")),
        language=_line(about.find("{*}lang")),
    )


def _person(author: etree._Element) -> str:
    parts = (_line(author.find(f"{{*}}{part}-name")) for part in ("first", "middle", "last"))
    return " ".join(filter(None, parts)) or _line(author.find("{*}nickname"))


def _line(element: etree._Element | None) -> str:
    return "" if element is None else " ".join("".join(element.itertext()).split())


def _name(element: etree._Element | None) -> str:
    return "" if element is None else str(element.tag).rpartition("}")[2]
