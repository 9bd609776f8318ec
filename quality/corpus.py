"""The documents that are measured on, as their MANIFEST.csv describes them."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Sample:
    """A document of the corpus."""

    #: below the corpus, with slashes
    name: str
    path: Path
    #: by the MANIFEST
    kind: str
    #: of a PDF, as PDFium counts them; 0 where nothing is said
    pages: int
    note: str
    #: files that say what is in it
    expected: tuple[Path, ...]


def samples(folder: Path) -> list[Sample]:
    """Every document; raises FileNotFoundError where there is no MANIFEST.csv."""
    with (folder / "MANIFEST.csv").open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["role"] == "document"]
    return [
        Sample(
            name=row["path"],
            path=folder / row["path"],
            kind=row["kind"],
            pages=int(row["pages"] or 0),
            note=row["note"],
            expected=tuple(folder / name for name in dict.fromkeys(row["ground_truth"].split())),
        )
        for row in rows
    ]
