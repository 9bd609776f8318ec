"""Folders of files to measure over."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

#: files of a folder
EACH = 1_000
#: names of a folder of links; ext4 allows 65,000 of one file
EACH_LINKED = 10_000


@dataclass(frozen=True, slots=True)
class Costly:
    """A document that says what it costs, see loads.cost_of."""

    #: its path below the folder
    name: str
    #: bytes
    size: int
    #: ``seconds`` asleep, ``cpu`` seconds, bytes of ``memory``
    cost: dict[str, float]


def files(folder: Path, count: int) -> Path:
    """``count`` files of one short line each, 1,000 in a folder."""
    for begin in range(0, count, EACH):
        part = folder / f"{begin // EACH:05d}"
        part.mkdir(parents=True)
        for number in range(begin, min(begin + EACH, count)):
            descriptor = os.open(part / f"{number:08d}.txt", os.O_WRONLY | os.O_CREAT, 0o644)
            os.write(descriptor, b"document %d\n" % number)
            os.close(descriptor)
    return folder


def links(folder: Path, count: int) -> Path:
    """``count`` names, 10,000 in a folder; those of one folder are one file.

    Beside the folder, ``NAME.list`` holds them, one a line.
    """
    with folder.with_suffix(".list").open("w") as names:
        for begin in range(0, count, EACH_LINKED):
            part = folder / f"{begin // EACH_LINKED:05d}"
            part.mkdir(parents=True)
            first = part / f"{begin:08d}.txt"
            first.write_text(f"document {begin}\n")
            names.write(f"{first}\n")
            for number in range(begin + 1, min(begin + EACH_LINKED, count)):
                name = f"{part}/{number:08d}.txt"
                os.link(first, name)
                names.write(f"{name}\n")
    return folder


def copies(folder: Path, originals: Sequence[str], count: int) -> Path:
    """``count`` copies of some files, each once before any twice."""
    for number in range(count):
        part = folder / f"{number // len(originals):03d}"
        part.mkdir(parents=True, exist_ok=True)
        original = Path(originals[number % len(originals)])
        shutil.copyfile(original, part / f"{number:06d}{original.suffix.lower()}")
    return folder


def costly(folder: Path, documents: Iterable[Costly]) -> Path:
    """Files of these sizes, no two alike, most of each a hole; the first line says the cost."""
    for each in documents:
        path = folder / each.name
        path.parent.mkdir(parents=True, exist_ok=True)
        head = f"{json.dumps(each.cost)}\n{each.name}\n".encode()
        path.write_bytes(head)
        os.truncate(path, max(each.size, len(head)))
    return folder
