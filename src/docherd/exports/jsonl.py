"""JSON lines, as `cat` prints them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import BinaryIO

from docherd.exports.shape import Shape
from docherd.selection import picked


def ready() -> None:
    """Needs no library."""


def write(file: BinaryIO, rows: Iterable[Mapping[str, object]], shape: Shape) -> list[str]:
    """One object a line; nothing to remark."""
    names = list(shape.columns)
    for row in rows:
        file.write(line(picked(row, names)))
    return []


def line(row: Mapping[str, object]) -> bytes:
    """A row as one line."""
    return json.dumps(row, ensure_ascii=False).encode("utf-8", "backslashreplace") + b"\n"
