"""A web page saved with all that belongs to it (mhtml): its main part, read like any page."""

from __future__ import annotations

import io
from email.message import Message
from email.parser import BytesParser

from docherd.document import Document
from docherd.exceptions import CorruptError
from docherd.processors.readers import mail, web
from docherd.processors.readers.encoding import decode
from docherd.processors.readers.inside import Inside


def read(document: Document) -> dict[str, object]:
    """Title, text and ``url`` of the page, and when it was saved."""
    try:
        with document.open() as file:
            message = BytesParser().parse(file)
        parts = list(mail.leaves(message))
    except RecursionError:
        raise CorruptError(mail.NESTED) from None
    page = _main(parts, message.get_param("start"))
    content = mail.content(page)
    encoding: dict[str, object] = {}
    if charset := page.get_content_charset():
        # As in browsers, what the envelope says counts more than what the page says.
        decoded = decode(content, charset)
        content, encoding = decoded.text.encode("utf-8-sig"), {"encoding": decoded.encoding}
    stated = mail.headers(message)
    record: dict[str, object] = {key: stated[key] for key in ("title", "created") if key in stated}
    if url := message["Snapshot-Content-Location"] or page["Content-Location"]:
        record["url"] = str(url)
    return record | web.read(Inside(document, "page.html", lambda: io.BytesIO(content))) | encoding


def _main(parts: list[Message], start: object) -> Message:
    """The part that the envelope names as the first, else the first page among them."""
    pages = [part for part in parts if part.get_content_type() in _PAGES]
    for part in pages:
        if start and part["Content-ID"] == start:
            return part
    if not pages:
        raise CorruptError("a saved page without a page in it")
    return pages[0]


_PAGES = ("text/html", "application/xhtml+xml")
