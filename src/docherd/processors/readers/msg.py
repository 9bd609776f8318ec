"""Outlook's .msg: a mail as properties in an OLE compound file ([MS-OXMSG]).

The libraries for it are GPL or have seen no release for two years; olefile does the work.
"""

from __future__ import annotations

import io
import re
import struct
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.message import Message
from email.parser import HeaderParser
from typing import TYPE_CHECKING

from docherd.document import Document
from docherd.exceptions import DocumentError
from docherd.processors.kind import kind_of
from docherd.processors.readers import mail, rtf
from docherd.processors.readers.encoding import decode
from docherd.processors.readers.inside import Inside
from docherd.processors.readers.lzfu import decompressed
from docherd.processors.readers.parsing import corrupt_on
from docherd.processors.readers.web import text_of

if TYPE_CHECKING:
    import olefile

_ERRORS = (
    *(OSError, ValueError, LookupError, TypeError, AttributeError, OverflowError),
    struct.error,
)

# Numbers of properties in [MS-OXPROPS].
_SUBJECT, _BODY, _RTF, _HTML, _HEADERS = 0x0037, 0x1000, 0x1009, 0x1013, 0x007D
_SENDER, _SENDER_ADDRESS, _SENDER_SMTP = 0x0C1A, 0x0C1F, 0x5D01
_SENT, _DELIVERED, _CREATED, _CHANGED = 0x0039, 0x0E06, 0x3007, 0x3008
_ROLE, _NAME, _ADDRESS, _SMTP = 0x0C15, 0x3001, 0x3003, 0x39FE
_LONG_NAME, _SHORT_NAME, _MIME_TYPE, _CONTENT = 0x3707, 0x3704, 0x370E, 0x3701
_CODE_PAGE, _HTML_CODE_PAGE = 0x3FFD, 0x3FDE


def read(document: Document) -> dict[str, object]:
    """Sender, recipients, subject, date and body; attachments are listed, not opened."""
    import olefile

    with document.open() as file, corrupt_on(*_ERRORS), olefile.OleFileIO(file) as ole:
        store = _Store(ole)
        record = _headers(store) | {"title": store.text(_SUBJECT)}
        record["attachments"] = list(_attachments(store, document))
        text = _body(store, document)
    return {key: value for key, value in record.items() if value} | {"text": text}


# ── properties ───────────────────────────────────────────────────────────────────────────────


@dataclass
class _Store:
    """The properties of a message, of one of its recipients or attachments."""

    ole: olefile.OleFileIO
    folder: str = ""
    page: str | None = None
    #: property → eight bytes, of those that have a fixed size
    fixed: dict[int, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        # Rows of 16 bytes behind a header, which is longer where the message lies at the root.
        data = self.stream("__properties_version1.0") or b""
        for row in range(8 if self.folder else 32, len(data) - 15, 16):
            self.fixed[int.from_bytes(data[row + 2 : row + 4], "little")] = data[row + 8 : row + 16]
        number = self.number(_CODE_PAGE)
        self.page = self.page or (f"cp{number}" if number else None)

    def stream(self, name: str) -> bytes | None:
        """None where there is none, or it cannot be read."""
        path = f"{self.folder}{name}"
        with suppress(*_ERRORS):
            if self.ole.exists(path):
                data: bytes = self.ole.openstream(path).read()
                return data
        return None

    def text(self, number: int) -> str:
        """A property that is a text, on one line."""
        return " ".join(self.lines(number).split())

    def lines(self, number: int) -> str:
        wide = self.stream(f"__substg1.0_{number:04X}001F")
        if wide is not None:
            return wide.decode("utf-16-le", "replace").rstrip("\0")
        data = self.stream(f"__substg1.0_{number:04X}001E")
        return "" if data is None else decode(data.rstrip(b"\0"), self.page).text

    def data(self, number: int) -> bytes | None:
        return self.stream(f"__substg1.0_{number:04X}0102")

    def number(self, number: int) -> int:
        return int.from_bytes(self.fixed.get(number, b"")[:4], "little")

    def date(self, *numbers: int) -> str | None:
        """The first that is stated: a FILETIME counts in UTC, from 1601."""
        for number in numbers:
            ticks = int.from_bytes(self.fixed.get(number, b""), "little")
            with suppress(OverflowError):
                if ticks:
                    seconds = timedelta(seconds=ticks // 10_000_000)
                    return (datetime(1601, 1, 1, tzinfo=UTC) + seconds).isoformat()
        return None

    def children(self, kind: str) -> Iterator[_Store]:
        """Recipients or attachments, in their order."""
        found = {
            name
            for name, *rest in self.ole.listdir(streams=True, storages=False)
            if rest and name.startswith(f"__{kind}_version1.0_#")
        }
        for name in sorted(found):
            yield _Store(self.ole, f"{name}/", self.page)


# ── what they say ────────────────────────────────────────────────────────────────────────────


def _headers(store: _Store) -> dict[str, object]:
    """As in an eml; what came over the internet states its headers once more."""
    transported = HeaderParser().parsestr(store.lines(_HEADERS).lstrip())
    stated = mail.headers(transported)
    sender = _shown(store, _SENDER, (_SENDER_SMTP, _SENDER_ADDRESS)) or stated.get("from")
    people = list(store.children("recip"))
    date = stated.get("date") or store.date(_SENT, _DELIVERED, _CREATED)
    return {
        "from": sender,
        **{
            key: ", ".join(_recipient(each) for each in people if each.number(_ROLE) == role)
            or stated.get(key)
            for key, role in (("to", 1), ("cc", 2), ("bcc", 3))
        },
        "subject": store.text(_SUBJECT),
        "authors": [sender] if sender else None,
        "date": date,
        "created": date,
        "modified": store.date(_CHANGED),
        "language": _language(transported),
    }


def _language(message: Message) -> object:
    return mail.headers(message).get("language")


def _recipient(store: _Store) -> str:
    return _shown(store, _NAME, (_SMTP, _ADDRESS))


def _shown(store: _Store, name: int, addresses: tuple[int, ...]) -> str:
    """``Name <address>``; the directory's own form of an address is left out."""
    stated = store.text(name)
    address = next((found for each in addresses if "@" in (found := store.text(each))), "")
    if not address or address == stated.strip("'"):
        return address or stated
    return f"{stated} <{address}>" if stated else address


def _attachments(store: _Store, document: Document) -> Iterator[dict[str, object]]:
    for number, each in enumerate(store.children("attach"), 1):
        document.heartbeat(number)
        name = each.text(_LONG_NAME) or each.text(_SHORT_NAME) or each.text(_NAME)
        listed: dict[str, object] = {"name": name} if name else {}
        content = each.data(_CONTENT)
        if content is None:  # a message, which is a folder of its own, or a link
            whole = f"{each.folder}__substg1.0_{_CONTENT:04X}000D"
            yield listed | ({"kind": "msg"} if store.ole.exists(whole) else {})
            continue
        suffix = name[name.rfind(".") :] if "." in name else ""
        if mime := each.text(_MIME_TYPE):
            listed["type"] = mime
        yield listed | {"kind": kind_of(io.BytesIO(content), suffix), "bytes": len(content)}


# ── body ─────────────────────────────────────────────────────────────────────────────────────


def _body(store: _Store, document: Document) -> str:
    """The plain text, else that of the HTML, else that of the RTF, in which HTML may be packed."""
    plain = store.lines(_BODY)
    if plain.strip():
        return plain.replace("\r\n", "\n").strip()
    if html := store.lines(_HTML):
        return text_of(html)
    if data := store.data(_HTML):
        number = store.number(_HTML_CODE_PAGE)
        return text_of(decode(data, f"cp{number}" if number else store.page).text)
    packed = store.data(_RTF)
    return _formatted(packed, document) if packed else ""


def _formatted(packed: bytes, document: Document) -> str:
    try:
        source = decompressed(packed)
        # What Outlook made of HTML repeats its tags, in destinations that no reader shows.
        source = _TAGS_OF_HTML.sub(b"", source)
        return str(rtf.read(Inside(document, "body.rtf", lambda: io.BytesIO(source)))["text"])
    except DocumentError:
        return ""  # the rest of the mail matters more


_TAGS_OF_HTML = re.compile(rb"\{\\\*\\htmltag[^{}]{0,10000}\}")
