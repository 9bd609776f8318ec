"""The built-in processor ``extract``: what a Document says, and what it states about itself.

    Document ──► kind by content ──► reader of its kind ──► Records of valid Unicode

A reader and its library are imported when the first Document of its kind comes.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cache, partial
from importlib import import_module
from typing import TypeAlias, cast

from docherd.document import Document
from docherd.exceptions import EmptyError, EncryptedError, UnsupportedError
from docherd.model import Reason
from docherd.processors.kind import claimed_by

Fields: TypeAlias = dict[str, object]
#: takes a Document, some also ``passwords``; one Record's keys, or those of many, one by one
Reader: TypeAlias = Callable[..., "Fields | Iterator[Fields]"]

#: kind → its reader, in docherd.processors.readers
READERS = {
    "pdf": "pdf.read",
    "docx": "office.read_docx",
    "pptx": "office.read_pptx",
    "xlsx": "spreadsheet.read_xlsx",
    "xlsb": "spreadsheet.read_xlsb",
    "xls": "spreadsheet.read_xls",
    "ods": "spreadsheet.read_ods",
    **dict.fromkeys(("odt", "odp", "odg"), "opendocument.read"),
    "fodf": "opendocument.read_flat",
    "epub": "book.read_epub",
    "fb2": "book.read_fb2",
    "rtf": "rtf.read",
    "xml-word": "office.read_xml_word",
    **{
        kind: f"legacy.read_{kind}" for kind in ("doc", "ppt", "wpd", "pub", "vsd", "vsdx", "iwork")
    },
    "html": "web.read",
    "eml": "mail.read",
    "mbox": "mbox.read",
    "mhtml": "mhtml.read",
    "msg": "msg.read",
    **dict.fromkeys(
        ("png", "jpeg", "tiff", "gif", "bmp", "webp", "avif", "jp2", "psd"), "image.read"
    ),
    "zip": "archive.read_zip",
    "tar": "archive.read_tar",
    "rar": "archive.read_rar",
    "xml": "markup.read",
    "csv": "text.read_csv",
    "tsv": "text.read_tsv",
    "jsonl": "text.read_json_lines",
    "code": "text.read_code",
    "svg": "svg.read",
    "ipynb": "notebook.read",
    "tex": "tex.read",
    "ics": "cards.read_calendar",
    "vcf": "cards.read_contacts",
    **dict.fromkeys(("srt", "vtt", "ass", "sub"), "subtitles.read"),
    **dict.fromkeys(
        ("text", "md", "rst", "org", "adoc", "man", "json", "yaml", "toml", "ini"), "text.read"
    ),
}

#: readers of the same text that take more time and less memory
_LIGHTER = {
    "docx": "office.read_docx_light",
    "pptx": "office.read_pptx_light",
    "xlsx": "xlsx.read",
    "xml": "markup.read_light",
}

#: kinds that are another kind, once they are inflated
_COMPRESSED = frozenset({"gzip", "bzip2", "xz"})

#: kinds that may be locked, whose readers also take ``passwords``
_LOCKED = frozenset({"pdf"})
#: kinds that are read once they are unlocked, where their reader says that they are locked
_UNLOCKED = frozenset({"doc", "xls"})


class Extract:
    """Text and properties of a Document, as one Record, or one for each message of many.

    Keys, where the file states them: ``kind``, ``text``, ``title``, ``authors`` (a list),
    ``created`` and ``modified`` (ISO 8601), ``language``, one of ``pages``, ``slides``, ``sheets``
    and ``chapters`` (how many), ``words`` (of the text, as ``wc -w`` counts them), ``encoding`` and
    more by kind. ``extension`` is there where the name promises another kind than the content is;
    ``light`` where an earlier attempt was over its memory and this one took a way that needs less:
    the text is the same, and only the ``encoding`` of an XML is left out.

    Of HTML, ``boilerplate`` are the parts of ``text`` that surround its content (navigation,
    headers, footers, asides, cookie banners), as [start, end] in characters. Without them:

        for start, end in reversed(record.get("boilerplate", [])):
            text = text[:start] + text[end:]

    Raises EmptyError, EncryptedError, CorruptError or UnsupportedError where there is no text.
    """

    VERSION = 3

    def __init__(self, passwords: tuple[str, ...] = ()) -> None:
        self._passwords = passwords

    def __call__(self, document: Document) -> Fields | Iterator[Fields]:
        if document.kind == "ooxml-encrypted":
            document = self._unlocked(document)
        kind = document.kind
        if kind in _COMPRESSED:
            return self._inflated(document)
        # It was over its memory: the whole budget alone may not be enough either.
        light = document.previous_reason is Reason.MEMORY and kind in _LIGHTER
        record: Fields = {"kind": kind}
        if claimed_by(document.path.suffix) not in (None, kind):
            record["extension"] = document.path.suffix[1:].lower()
        if light:
            record["light"] = True
        try:
            found = self._reader(kind, light)(document)
        except EncryptedError:
            if kind not in _UNLOCKED:
                raise
            found = self._reader(kind, light)(self._unlocked(document))
        if isinstance(found, dict):
            return _finished(record | found)
        return (_finished(record | fields) for fields in found)

    def _inflated(self, document: Document) -> Iterator[Fields]:
        from docherd.processors.readers.compressed import inflated

        with inflated(document, READERS.keys() | _COMPRESSED) as inner:
            found = self(inner)
            for record in (found,) if isinstance(found, dict) else found:
                yield {"kind": record["kind"], "compressed": document.kind} | record

    def _reader(self, kind: str, light: bool) -> Reader:
        if kind == "empty":
            raise EmptyError("the file has no bytes")
        name = _LIGHTER[kind] if light else READERS.get(kind)
        if name is None:
            raise UnsupportedError(f"extract does not read {kind} yet")
        reader = _imported(name)
        return partial(reader, passwords=self._passwords) if kind in _LOCKED else reader

    def _unlocked(self, document: Document) -> Document:
        from docherd.processors.readers.passwords import unlocked

        return unlocked(document, self._passwords)


@cache
def _imported(name: str) -> Reader:
    module, _, function = name.partition(".")
    found = import_module(f"docherd.processors.readers.{module}")
    return cast("Reader", getattr(found, function))


def _finished(record: Fields) -> Fields:
    text = record.get("text")
    if isinstance(text, str):  # the text last: it is long
        del record["text"]
        record |= {"words": _words(text), "text": text}
    return {key: _valid(value) for key, value in record.items()}


def _words(text: str) -> int:
    """Counted a piece at a time: a list of all of them would take ten times the text."""
    count = 0
    for start in range(0, len(text), _PIECE):
        piece = text[start : start + _PIECE]
        count += len(piece.split())
        if start and not text[start - 1].isspace() and not piece[0].isspace():
            count -= 1  # the same word, at the end of one piece and the beginning of the next
    return count


_PIECE = 1 << 16

# ── valid Unicode ────────────────────────────────────────────────────────────────────────────


def _valid(value: object) -> object:
    """``value`` with what JSON, Parquet or a database would choke on replaced by U+FFFD."""
    match value:
        case str():
            return _valid_text(value)
        case list():
            return [_valid(each) for each in value]
        case dict():
            return {key: _valid(each) for key, each in value.items()}
        case _:
            return value


def _valid_text(text: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        text = _SURROGATES.sub("\ufffd", text)
    return text.replace("\0", "\ufffd")


_SURROGATES = re.compile("[\ud800-\udfff]")
