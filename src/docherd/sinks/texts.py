"""The text of a Document, as one file, and its Records made again from that.

all Records' `markdown`, or else `text` ─► a.pdf.md, a.pdf.txt, with a form feed between them
neither in any of them ─► a.pdf.json: its lines
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

from docherd.sinks.columns import record_of

#: between the texts of two Records
BREAK = b"\n\f\n"
_KEYS = {".md": "markdown", ".txt": "text"}


class Text(NamedTuple):
    """What becomes of the Records of a Document."""

    #: behind its name
    suffix: str
    content: list[bytes]
    #: bytes of each Record's text; None where they are lines
    pieces: tuple[int, ...] | None


def text_of_records(lines: Sequence[bytes]) -> Text:
    """The file of a Document with these Records."""
    records = [record_of(line) or {} for line in lines]
    markdown = any(isinstance(each.get("markdown"), str) for each in records)
    suffix = ".md" if markdown else ".txt"
    texts = [_text(each, ("markdown", "text") if markdown else ("text",)) for each in records]
    if not any(text is not None for text in texts):
        return Text(".json", list(lines), None)
    pieces = [b"" if text is None else text for text in texts]
    content = [piece for each in pieces for piece in (BREAK, each)][1:]
    return Text(suffix, content, tuple(map(len, pieces)))


def _text(record: dict[str, object], keys: Iterable[str]) -> bytes | None:
    for key in keys:
        if isinstance(text := record.get(key), str):
            return text.encode(errors="replace")
    return None


def lines_of_text(
    content: bytes, suffix: str, pieces: Sequence[int] | None, head: str
) -> Iterator[bytes]:
    """The Records again, as lines: our keys and the text; ``head`` begins each."""
    if pieces is None:
        yield from io.BytesIO(content)
        return
    at = 0
    for ordinal, length in enumerate(pieces):
        text = content[at : at + length].decode(errors="replace")
        at += length + len(BREAK)
        rest = {"ordinal": ordinal, _KEYS[suffix]: text}
        yield f"{head}, {json.dumps(rest, ensure_ascii=False)[1:]}\n".encode()
