"""Many mails in one file (mbox): a Record each, with one of them in memory at a time."""

from __future__ import annotations

import re
from collections.abc import Iterator
from email.parser import BytesHeaderParser, BytesParser
from typing import BinaryIO

from docherd.document import Document
from docherd.processors.readers.mail import NESTED, described, headers
from docherd.processors.readers.parsing import one_line

#: bytes of one mail that are read; what is beyond has lost its envelope, or is no mail
LARGEST = 256 * 1024**2
_LINE = 1024**2


def read(document: Document) -> Iterator[dict[str, object]]:
    """Each mail with its ``message`` number, counted from 1, and the keys of an eml.

    A mail that cannot be parsed has an ``error`` and what its headers say; one over 256 MB is read
    up to there and ``partial``.
    """
    with document.open() as file:
        for number, raw in enumerate(_messages(file), 1):
            document.heartbeat(number)
            record: dict[str, object] = {"message": number}
            if len(raw) >= LARGEST:
                record["partial"] = True
            yield record | _described(_unescaped(raw), document, number)


def _described(raw: bytes, document: Document, number: int) -> dict[str, object]:
    def beat(_: int) -> None:
        document.heartbeat(number)

    try:
        return described(BytesParser().parsebytes(raw), beat)
    except (RecursionError, ValueError, LookupError, TypeError, AttributeError) as error:
        # One broken mail is not the end of the others.
        said = NESTED if isinstance(error, RecursionError) else one_line(error)
        return headers(BytesHeaderParser().parsebytes(raw)) | {"error": said, "text": ""}


def _messages(file: BinaryIO) -> Iterator[bytes]:
    """The mails with their envelopes; what stands before the first of them is one, too."""
    lines: list[bytes] = []
    size, after_blank, at_start = 0, True, True
    while line := file.readline(_LINE):
        if at_start and _begins(line, after_blank) and size:
            yield b"".join(lines)
            lines, size = [], 0
        if size < LARGEST and (size or line.strip()):
            lines.append(line)
            size += len(line)
        at_start = line.endswith(b"\n")
        after_blank = line in (b"\n", b"\r\n")
    if lines:
        yield b"".join(lines)


def _begins(line: bytes, after_blank: bool) -> bool:
    """True for an envelope; one without a blank line before it has to be a perfect one."""
    if not line.startswith(b"From "):
        return False
    return bool((_ENVELOPE if after_blank else _PERFECT).match(line))


_ENVELOPE = re.compile(rb"From .{0,500}[0-9]{1,2}:[0-9]{2}")
_PERFECT = re.compile(
    rb"From \S{1,320} +(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun) [A-Z][a-z]{2} [ 0-9][0-9] "
    rb"[0-9]{2}:[0-9]{2}:[0-9]{2} [0-9]{4}\s*$"
)


def _unescaped(raw: bytes) -> bytes:
    """Lines that the writer of the mbox has kept from looking like an envelope (mboxo, mboxrd)."""
    return _ESCAPED.sub(rb"\1", raw)


_ESCAPED = re.compile(rb"^>(>*From )", re.M)
