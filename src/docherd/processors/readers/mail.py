"""Mail (eml), with the standard library: headers, body, and what is attached."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from email.errors import HeaderParseError
from email.header import decode_header
from email.message import Message
from email.parser import BytesParser
from email.utils import parsedate_to_datetime

from docherd.document import Document
from docherd.exceptions import CorruptError
from docherd.processors.kind import kind_of
from docherd.processors.readers.encoding import decode
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
    try:
        return described(_parsed(document), document.heartbeat)
    except RecursionError:
        raise CorruptError(NESTED) from None


#: said of a mail in a mail in a mail, by the hundred
NESTED = "its parts are nested too deep to be read"


def described(message: Message, beat: Callable[[int], None]) -> dict[str, object]:
    """What a mail says; ``beat`` is called with the number of each of its parts."""
    record = headers(message)
    parts = list(leaves(message))
    attachments = [_attachment(part) for part in _told(parts, beat) if _is_attached(part)]
    if attachments:
        record["attachments"] = attachments
    return record | {"text": _body(parts)}


def headers(message: Message) -> dict[str, object]:
    """What the headers state."""
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
    return record


def _told(parts: list[Message], beat: Callable[[int], None]) -> Iterator[Message]:
    for number, part in enumerate(parts, 1):
        beat(number)
        yield part


def _parsed(document: Document) -> Message:
    with document.open() as file:
        # Apple Mail's .emlx: the first line counts the bytes of the mail, a property list follows.
        first = file.readline(100).strip()
        if first.isdigit():
            return BytesParser().parsebytes(file.read(int(first)))
        file.seek(0)
        return BytesParser().parse(file)


def leaves(message: Message) -> Iterator[Message]:
    """The parts that hold content, in order; a mail inside the mail is one of them."""
    if message.get_content_maintype() == "multipart" and message.is_multipart():
        for part in message.get_payload():
            if isinstance(part, Message):
                yield from leaves(part)
    else:
        yield message


def _is_attached(part: Message) -> bool:
    if part.get_content_disposition() == "attachment" or part.get_filename() is not None:
        return True
    if part.get_content_type() == part.get_default_type() == "message/rfc822":
        return False  # one of the mails of a digest, which are the message
    return part.get_content_maintype() != "text"


_LONGEST_LINE = 16_384
_LONGEST_HEADER = 1024**2


def _decoded(value: object) -> str:
    """A header as people read it, on one line; as it stands where its encoding is broken."""
    raw = "" if value is None else str(value)
    # The pattern that decode_header looks for takes quadratic time over an endless line, and a
    # minute over a million of them.
    if len(raw) > _LONGEST_HEADER or any(len(line) > _LONGEST_LINE for line in raw.splitlines()):
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
    held = content(part)
    listed: dict[str, object] = {"name": name} if name else {}
    return listed | {
        "kind": kind_of(io.BytesIO(held), suffix),
        "type": part.get_content_type(),
        "bytes": len(held),
    }


def content(part: Message) -> bytes:
    """What a part holds, out of its transfer encoding; a mail in the mail as its source."""
    payload = part.get_payload(decode=True)
    if isinstance(payload, bytes):
        return payload
    try:
        return b"".join(each.as_bytes() for each in _mails_in(part))
    except (ValueError, LookupError, TypeError, AttributeError):
        return b""  # headers that can be read, but not be written again


def _mails_in(part: Message) -> list[Message]:
    """What a message/rfc822 holds: one mail, unless it is broken."""
    inner = part.get_payload() if part.is_multipart() else ()
    return [each for each in inner if isinstance(each, Message)]


def _body(parts: list[Message], depth: int = 0) -> str:
    """The plain texts, the HTML ones where there is no plain text; then what was forwarded."""
    bodies = [part for part in parts if not (_is_attached(part) or part.is_multipart())]
    plain = [_text(part) for part in bodies if part.get_content_subtype() != "html"]
    texts = plain or [text_of(_text(part)) for part in bodies]
    if depth < _DEEPEST:
        forwarded = (part for part in parts if part.get_content_disposition() != "attachment")
        texts += [_quoted(mail, depth + 1) for part in forwarded for mail in _mails_in(part)]
    return "\n".join(filter(None, (text.strip() for text in texts)))


#: mails within mails whose text is read
_DEEPEST = 10


def _quoted(message: Message, depth: int) -> str:
    """A forwarded mail as mail programs show it."""
    lines = [f"{name}: {_decoded(message[name])}" for name in _SHOWN if message[name]]
    return "\n".join((*lines, _body(list(leaves(message)), depth)))


_SHOWN = ("From", "To", "Subject", "Date")


def _text(part: Message) -> str:
    return decode(content(part), part.get_content_charset()).text.replace("\r\n", "\n")
