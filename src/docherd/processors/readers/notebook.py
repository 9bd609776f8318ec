"""Notebooks (ipynb): what was written into their cells, and what came out as text."""

from __future__ import annotations

import re
from collections.abc import Iterator

import orjson

from docherd.document import Document
from docherd.exceptions import CorruptError
from docherd.processors.readers.parsing import corrupt_on


def read(document: Document) -> dict[str, object]:
    """Sources and textual outputs in the order of the cells; title, authors, ``code``."""
    with corrupt_on(orjson.JSONDecodeError):
        notebook = orjson.loads(document.read_bytes().removeprefix(b"\xef\xbb\xbf"))
    if not isinstance(notebook, dict):
        raise CorruptError("a JSON value that is no notebook")
    cells = list(_cells(notebook))
    stated = _part(notebook, "metadata")
    authors = [_part({"": each}, "").get("name") for each in _list(stated.get("authors"))]
    record: dict[str, object] = {
        "title": stated.get("title"),
        "authors": [name for name in authors if isinstance(name, str)],
        "code": _part(stated, "language_info").get("name")
        or _part(stated, "kernelspec").get("language"),
    }
    texts = (text.strip("\n") for cell in cells for text in _texts(cell))
    return {key: value for key, value in record.items() if value} | {
        "cells": len(cells),
        "text": "\n".join(text for text in texts if text.strip()),
    }


def _cells(notebook: dict[str, object]) -> Iterator[dict[str, object]]:
    """Those of format 4, and of the worksheets of format 3."""
    for holder in (notebook, *_list(notebook.get("worksheets"))):
        if isinstance(holder, dict):
            yield from (each for each in _list(holder.get("cells")) if isinstance(each, dict))


def _texts(cell: dict[str, object]) -> Iterator[str]:
    yield _joined(cell.get("source", cell.get("input")))
    for output in _list(cell.get("outputs")):
        if isinstance(output, dict):
            yield _joined(output.get("text"))
            yield _joined(_part(output, "data").get("text/plain"))
            yield _COLOUR.sub("", "\n".join(_strings(output.get("traceback"))))


#: how terminals are told to change colour
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


def _joined(value: object) -> str:
    """A text of a notebook: one string, or its lines."""
    return value if isinstance(value, str) else "".join(_strings(value))


def _strings(value: object) -> list[str]:
    return [each for each in _list(value) if isinstance(each, str)]


def _list(value: object) -> list[object]:
    return value if isinstance(value, list) else []


def _part(holder: dict[str, object], key: str) -> dict[str, object]:
    part = holder.get(key)
    return part if isinstance(part, dict) else {}
