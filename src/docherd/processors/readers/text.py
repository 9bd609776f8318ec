"""Plain texts, and tables in plain text: what matters is the encoding."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator

from docherd.document import Document
from docherd.processors.readers.encoding import decode
from docherd.processors.textkind import CODE


def read(document: Document) -> dict[str, object]:
    """The text as it stands in the file, and the encoding it was found to be in."""
    decoded = decode(document.read_bytes())
    return {"encoding": decoded.encoding, "text": decoded.text}


def read_code(document: Document) -> dict[str, object]:
    """Source code as it stands; ``code`` is what it is written in, as its name says."""
    language = CODE.get(document.path.suffix.lower())
    return ({"code": language} if language else {}) | read(document)


def read_json_lines(document: Document) -> dict[str, object]:
    """The text as it stands, and how many ``lines`` hold anything."""
    record = read(document)
    lines = _LINE_WITH_ANYTHING.findall(str(record["text"]))
    return {"lines": len(lines)} | record


_LINE_WITH_ANYTHING = re.compile(r"\S[^\n]*")


def read_csv(document: Document) -> dict[str, object]:
    """The text of a CSV file, with its rows and columns counted."""
    return _table(document, ",;|\t")


def read_tsv(document: Document) -> dict[str, object]:
    """The text of a TSV file, with its rows and columns counted."""
    return _table(document, "\t")


def _table(document: Document, delimiters: str) -> dict[str, object]:
    record = read(document)
    text = str(record["text"])
    rows, columns = _counted(text, _delimiter(text, delimiters))
    return {"rows": rows, "columns": columns} | record


def _delimiter(text: str, delimiters: str) -> str:
    """The delimiter that is most frequent in the first line; csv.Sniffer guesses worse."""
    first_line = text[:65_536].lstrip().partition("\n")[0]
    return max(delimiters, key=first_line.count)


def _counted(text: str, delimiter: str) -> tuple[int, int]:
    """Rows that hold anything, and the most columns any of them has."""
    # Without this a field over 128 KB is an error: the text is in memory, so one more copy fits.
    csv.field_size_limit(max(csv.field_size_limit(), len(text)))
    rows = columns = 0
    for row in csv.reader(_lines(text), delimiter=delimiter):
        if row:
            rows += 1
            columns = max(columns, len(row))
    return rows, columns


def _lines(text: str) -> Iterator[str]:
    """As io.StringIO has them, which would hold the text once more at four bytes a character."""
    start = 0
    while start < len(text):
        end = text.find("\n", start) + 1 or len(text)
        line = text[start:end]
        if "\r" in line.removesuffix("\r\n"):
            yield from (found[0] for found in _LINE.finditer(line))
        else:
            yield line
        start = end


_LINE = re.compile(r"[^\r\n]*(?:\r\n|\r|\n)|[^\r\n]+")
