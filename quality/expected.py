"""Texts that are known, read from the files the MANIFEST names beside a document."""

from __future__ import annotations

import csv
import io
import json
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from quality.corpus import Sample


@dataclass(frozen=True, slots=True)
class Expected:
    """What a document says."""

    text: str
    #: False where only its tables are known: then words can be missed, but none is too many
    whole: bool


def expected(sample: Sample) -> Expected | None:
    """The whole text where there is one, else the tables; None where neither is known."""
    for suffix, read, whole in _READERS:
        for path in sample.expected:
            if path.name.endswith(suffix) and (text := read(path).strip()):
                return Expected(text, whole)
    return None


def _plain(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def _structure(path: Path) -> str:
    """ICDAR 2013: the cells of the tables, and where they stand."""
    contents = ET.parse(path).iter("content")
    return "\n".join(each.text or "" for each in contents)


def _rows(path: Path) -> str:
    rows = csv.reader(io.StringIO(_plain(path)))
    return "\n".join("\t".join(row) for row in rows)


def _tables(path: Path) -> str:
    """Tabula's tables: the values of ``text``; its other JSON files only count tables."""
    return "\n".join(_texts(json.loads(_plain(path))))


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("text"), str):
            yield value["text"]
        for each in value.values():
            yield from _texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each)


#: ends of names, the best first; regions (-reg.xml) and boxes (.box) hold no words
_READERS = (
    (".txt", _plain, True),
    ("-str.xml", _structure, False),
    (".csv", _rows, False),
    (".json", _tables, False),
)
