"""Mail (eml), with the standard library: headers, body, and what is attached."""

from __future__ import annotations

import io
from collections.abc import Iterator
from email.errors import HeaderParseError
from email.header import decode_header
from email.message import Message
from email.parser import BytesParser
from email.utils import parsedate_to_datetime

from docherd.document import Document
from docherd.processors.kind import kind_of
from docherd.processors.readers.encoding import decode
from docherd.processors.readers.parsing import corrupt_on
from docherd.processors.readers.web import text_of

#: header → key of the Record
_HEADERS = {
    "From": "from",
    "To": "to",
    "Cc": "cc",
    "Subject": "subject",
    "Content-Language": "language",
}


def read(document: Document) -> dict[str, object]:
    """Sender, recipients, subject, date and body; attachments are listed, not opened."""
    with corrupt_on(RecursionError):  # parts nested by the thousand
        message = _parsed(document)
        parts = list(_leaves(message))
    record: dict[str, object] = {}
    for header, key in _HEADERS.items():
        if value := _decoded(message.get(header)):
            record[key] = value
    if "subject" in record:
        record["title"] = record["subject"]
    if sender := record.get("from"):
        record["authors"] = [sender]
    if date := _date(message):
        record["date"] = record["created"] = date
    attachments = [_attachment(part) for part in _told(parts, document) if _is_attached(part)]
    if attachments:
        record["attachments"] = attachments
    return record | {"text": _body([part for part in parts if not _is_attached(part)])}


def _told(parts: list[Message], document: Document) -> Iterator[Message]:
    """Each part, with a heartbeat."""
    for number, part in enumerate(parts, 1):
        document.heartbeat(number)
        yield part


def _parsed(document: Document) -> Message:
    with document.open() as file:
        # Apple Mail's .emlx: the first line counts the bytes of the mail, a property list follows.
        first = file.readline(100).strip()
        if first.isdigit():
            return BytesParser().parsebytes(file.read(int(first)))
        file.seek(0)
        return BytesParser().parse(file)


def _leaves(message: Message) -> Iterator[Message]:
    """The parts that hold content, in order; a mail inside the mail is one of them."""
    payload = message.get_payload()
    if message.get_content_maintype() == "multipart" and isinstance(payload, list):
        for part in payload:
            if isinstance(part, Message):
                yield from _leaves(part)
    else:
        yield message


def _is_attached(part: Message) -> bool:
    return (
        part.get_content_disposition() == "attachment"
        or part.get_content_maintype() != "text"
        or part.get_filename() is not None
    )


_LONGEST_LINE = 16_384


def _decoded(value: object) -> str:
    """A header as people read it, on one line; as it stands where its encoding is broken."""
    raw = "" if value is None else str(value)
    # The pattern that decode_header looks for takes quadratic time over an endless line.
    if any(len(line) > _LONGEST_LINE for line in raw.splitlines()):
        return " ".join(raw.split())
    try:
        pieces = decode_header(value or "")  # type: ignore[arg-type]  # a Header if raw 8-bit
    except (HeaderParseError, ValueError):
        return " ".join(raw.split())
    texts = (p if isinstance(p, str) else decode(p, charset).text for p, charset in pieces)
    return " ".join("".join(texts).split())


def _date(message: Message) -> str | None:
    try:
        return parsedate_to_datetime(str(message.get("Date"))).isoformat()
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def _attachment(part: Message) -> dict[str, object]:
    name = _decoded(part.get_filename())
    suffix = name[name.rfind(".") :] if "." in name else ""
    content = _content(part)
    listed: dict[str, object] = {"name": name} if name else {}
    return listed | {
        "kind": kind_of(io.BytesIO(content), suffix),
        "type": part.get_content_type(),
        "bytes": len(content),
    }


def _content(part: Message) -> bytes:
    payload = part.get_payload(decode=True)
    if isinstance(payload, bytes):
        return payload
    inner = part.get_payload()
    return b"".join(each.as_bytes() for each in inner if isinstance(each, Message))


def _body(parts: list[Message]) -> str:
    """The plain texts; the HTML ones where there is no plain text."""
    plain = [_text(part) for part in parts if part.get_content_subtype() != "html"]
    texts = plain or [text_of(_text(part)) for part in parts]
    return "\n".join(filter(None, (text.strip() for text in texts)))


def _text(part: Message) -> str:
    return decode(_content(part), part.get_content_charset()).text.replace("\r\n", "\n")
