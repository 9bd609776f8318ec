"""Processors whose cost is known beforehand: they sleep, compute and allocate as they are told.

What a Document costs stands in its first line (trees.costly writes it), or, for files that are
not ours, in a table that the environment names. So the machine's noise does not decide, and an
oracle can know what docherd has to guess.
"""

from __future__ import annotations

import json
import mmap
import os
import time
from contextlib import nullcontext
from functools import lru_cache
from math import sqrt
from pathlib import Path
from typing import Any

from benchmarks.functions import NOTES
from docherd import Document

#: names a JSON file: path → seconds of each page
TABLE = "DOCHERD_BENCHMARK_TABLE"
#: dots per inch, pixels of a page at most, CPU seconds of a Document at most
DPI, PIXELS, CPU_SECONDS = 300, 1.6e8, 60.0
#: bytes a second at which memory is taken, and bytes at once
TAKEN, STEP = 500e6, 1_000_000


def rendering(document: Document) -> dict[str, Any]:
    """Render a PDF; of any other file, only read the bytes. CPU seconds of each page."""
    pages = [0.0]
    begin = time.process_time()
    if document.path.suffix.lower() == ".pdf":
        pages += _rendered(document)
    else:
        with document.open() as file:
            while file.read(1_000_000):
                pass
    pages[0] = time.process_time() - begin - sum(pages)
    return {"file": os.fspath(document), "pages": pages}


def _rendered(document: Document) -> list[float]:
    """CPU seconds of each page, until all of them have taken too long."""
    import pypdfium2

    taken: list[float] = []
    pdf = pypdfium2.PdfDocument(document.path)
    try:
        for number in range(len(pdf)):
            document.heartbeat(number + 1, len(pdf))
            begin = time.process_time()
            page = pdf[number]
            width, height = page.get_size()
            scale = min(DPI / 72, sqrt(PIXELS / (width * height)))
            page.render(scale=scale).close()
            page.close()
            taken.append(time.process_time() - begin)
            if sum(taken) > CPU_SECONDS:
                break
    finally:
        pdf.close()
    return taken


def paged(document: Document) -> None:
    """Sleep as long as the table says, page by page."""
    pages = _table(os.environ[TABLE]).get(os.fspath(document), ())
    for number, seconds in enumerate(pages):
        document.heartbeat(max(1, number), max(1, len(pages) - 1))
        time.sleep(seconds)


@lru_cache(maxsize=1)
def _table(path: str) -> dict[str, list[float]]:
    found: dict[str, list[float]] = json.loads(Path(path).read_text())
    return found


def told(path: str | Path) -> None:
    """Sleep, compute and hold memory as the first line of the file says, and note when."""
    cost, folder = cost_of(path), os.environ.get(NOTES)
    with Path(folder, str(os.getpid())).open("a") if folder else nullcontext() as notes:
        if notes:
            notes.write(f"{time.time()} ")
            notes.flush()  # of one that is killed, only this remains
        _hold(int(cost.get("memory", 0)), cost.get("seconds", 0.0))
        _compute(cost.get("cpu", 0.0))
        if notes:
            notes.write(f"{time.time()}\n")


def cost_of(path: str | Path) -> dict[str, float]:
    """What a file says it costs: ``seconds`` asleep, ``cpu`` seconds, bytes of ``memory``."""
    with open(path, "rb") as file:
        found: dict[str, float] = json.loads(file.readline())
    return found


def _hold(size: int, seconds: float) -> None:
    """Take memory bit by bit at a steady pace, as libraries do; sleep; give it back."""
    begin, page = time.monotonic(), b"\1" * STEP
    with mmap.mmap(-1, max(size, 1), mmap.MAP_PRIVATE) as block:
        for at in range(0, size, STEP):
            part = page[: size - at]
            block[at : at + len(part)] = part
            ahead = (at + len(part)) / TAKEN - (time.monotonic() - begin)
            if ahead > 0.001:
                time.sleep(ahead)
        time.sleep(seconds)


def _compute(seconds: float) -> None:
    """Keep a core busy for so long, of the CPU's own time."""
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        sum(range(10_000))
