"""CSV as RFC 4180 has it: UTF-8, CRLF, quotes where needed, line breaks in cells kept."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping
from typing import BinaryIO

from docherd.exports.cells import cell, harmless
from docherd.exports.shape import Shape


def ready() -> None:
    """Needs no library."""


def write(file: BinaryIO, rows: Iterable[Mapping[str, object]], shape: Shape) -> list[str]:
    """The rows as one table; nothing to remark."""
    text = io.TextIOWrapper(file, "utf-8", newline="")
    try:
        writer = csv.writer(text, lineterminator="\r\n")
        names = list(shape.columns)
        writer.writerow(map(harmless, names))
        for row in rows:
            writer.writerow([_text(cell(name, row.get(name))) for name in names])
    finally:
        text.detach()  # the file stays open: it is not ours
    return []


def _text(value: str | int | float | None) -> str | int | float | None:
    return str(value).lower() if isinstance(value, bool) else value
