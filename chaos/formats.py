"""The Records in data/, whatever they are kept as, read without the help of the product.

Of each a line as a segment has it, so that runs can be compared: one Record a Document, of text.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq

from docherd.model import document_id

FORMATS = ("jsonl", "parquet", "files")
_KEYS = ("document", "path", "ordinal", "text")


def files(folder: Path) -> list[Path]:
    """Every file below a folder, if that is there."""
    return sorted(file for file in folder.rglob("*") if file.is_file())


def lines(file: Path, data: Path) -> Iterator[bytes]:
    """The Records in a file of data/."""
    if file.suffix == ".jsonl":
        yield from file.read_bytes().splitlines(keepends=True)
    elif file.suffix == ".parquet":
        for row in pq.ParquetFile(file).read().to_pylist():
            yield line({key: row[key] for key in _KEYS})
    else:
        yield text(file, str(file.relative_to(data)))


def text(file: Path, name: str) -> bytes:
    """A text file that has, or is to have, this name in data/."""
    path = name.removesuffix(".txt")
    label, _, below = path.partition("/")
    document = document_id(label.encode(), below.encode())
    values = (document, path, 0, file.read_text())
    return line(dict(zip(_KEYS, values, strict=True)))


def line(record: dict[str, object]) -> bytes:
    return f"{json.dumps(record, ensure_ascii=False)}\n".encode()


def of_document(
    out: Path, part: dict[str, object], row: int, document: str, path: str
) -> bytes | None:
    """What a sealed part that is no JSON lines has of a Document; None where it has nothing."""
    number, generation = part["number"], part["generation"]
    staged = out / "pending" / f"part-{number:06d}.files" / str(row)
    if not staged.exists():
        staged = out / "data" / f"{path}.txt"
    if staged.exists():
        return text(staged, f"{path}.txt")
    later = "" if generation == 1 else f".g{generation}"
    file = out / "pending" / f"part-{number:06d}.parquet{later}"
    if not file.exists():
        file = out / "data" / f"part-{number:06d}.parquet"
    if not file.exists():
        return None
    rows = pq.ParquetFile(file).read().to_pylist()
    found = [each for each in rows if each["document"] == document]
    return b"".join(line({key: each[key] for key in _KEYS}) for each in found)
