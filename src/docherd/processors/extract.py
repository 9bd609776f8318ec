"""The built-in processor ``extract``: what a Document says, and what it states about itself.

    Document ──► kind by content ──► reader of its family ──► one Record of valid Unicode

A reader and its library are imported when the first Document of their family comes.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial

from docherd.document import Document
from docherd.exceptions import EmptyError, EncryptedError, UnsupportedError
from docherd.model import Reason
from docherd.processors.kind import claimed_by

Reader = Callable[[Document], dict[str, object]]


class Extract:
    """Text and properties of a Document, as one Record.

    Keys: ``kind``, ``text`` and, where the file states them, ``pages`` (slides too) or ``sheets``,
    ``title``, ``author``, ``created``, ``modified``, ``language``, ``encoding`` and more by kind.
    ``extension`` is there where it promises another kind than the content is; ``light`` where an
    earlier attempt was over its memory and this one took a way that needs less: the text is the
    same, and only the ``encoding`` of an XML is left out.

    Raises EmptyError, EncryptedError, CorruptError or UnsupportedError where there is no text.
    """

    VERSION = 1

    def __init__(self, passwords: tuple[str, ...] = ()) -> None:
        self._passwords = passwords

    def __call__(self, document: Document) -> dict[str, object]:
        kind = document.kind
        # It was over its memory: the whole budget alone may not be enough either.
        lighter = _lighter(kind) if document.previous_reason is Reason.MEMORY else None
        read = lighter or self._reader(kind)
        record: dict[str, object] = {"kind": kind}
        if claimed_by(document.path.suffix) not in (None, kind):
            record["extension"] = document.path.suffix[1:].lower()
        if lighter:
            record["light"] = True
        record |= read(document)
        return {key: _valid(value) for key, value in record.items()}

    def _reader(self, kind: str) -> Reader:
        match kind:
            case "empty":
                raise EmptyError("the file has no bytes")
            case "ooxml-encrypted":
                raise EncryptedError("a password is needed; encrypted Office files are not opened")
            case "pdf":
                from docherd.processors.readers import pdf

                return partial(pdf.read, passwords=self._passwords)
            case "docx" | "pptx":
                from docherd.processors.readers import office

                return office.read_docx if kind == "docx" else office.read_pptx
            case _:
                return _spreadsheet_reader(kind) or _text_reader(kind) or _unsupported(kind)


def _lighter(kind: str) -> Reader | None:
    """A reader of the same text that takes more time and less memory, where there is one."""
    match kind:
        case "xlsx":
            from docherd.processors.readers import xlsx

            return xlsx.read
        case "docx" | "pptx":
            from docherd.processors.readers import office

            return partial(office.read_docx if kind == "docx" else office.read_pptx, light=True)
        case "xml":
            from docherd.processors.readers import markup

            return markup.read_light
        case _:
            return None


def _spreadsheet_reader(kind: str) -> Reader | None:
    if kind not in ("xlsx", "xlsb", "xls", "ods"):
        return None
    from docherd.processors.readers import spreadsheet

    readers = {"xls": spreadsheet.read_xls, "ods": spreadsheet.read_ods}
    return readers.get(kind, spreadsheet.read_excel)


def _text_reader(kind: str) -> Reader | None:
    match kind:
        case "html":
            from docherd.processors.readers import web

            return web.read
        case "eml":
            from docherd.processors.readers import mail

            return mail.read
        case "xml":
            from docherd.processors.readers import markup

            return markup.read
        case "csv" | "tsv" | "text" | "md" | "rst" | "org" | "json" | "jsonl":
            from docherd.processors.readers import text

            return {"csv": text.read_csv, "tsv": text.read_tsv}.get(kind, text.read)
        case _:
            return None


def _unsupported(kind: str) -> Reader:
    raise UnsupportedError(f"extract does not read {kind} yet")


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
