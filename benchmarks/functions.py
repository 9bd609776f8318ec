"""The processors that all contenders share."""

from __future__ import annotations

import json
import os
import random
import time
import zlib
from collections.abc import Callable
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from typing import Any

#: characters in what ``text`` returns
LENGTH = 50_000
#: where ``note`` writes; unset outside the sections that ask for notes
NOTES = "DOCHERD_BENCHMARK_NOTES"


def noop(path: str | Path) -> None:
    """Nothing: what remains is the cost of the engine."""
    return


def text(path: str | Path) -> dict[str, str]:
    """50 KB that differ from path to path, made in no time."""
    pages = _pages()
    start = zlib.crc32(os.fsencode(path)) % (len(pages) - LENGTH)
    return {"text": pages[start : start + LENGTH]}


@lru_cache(maxsize=1)
def _pages() -> str:
    """Sentences from a vocabulary of 5,000 words; some not ASCII, some lines, some quotes."""
    chance = random.Random(5)  # the same in every process
    letters = "etaoinshrdlucmfwypvbgk" * 9 + "äéüßñø"
    words = ["".join(chance.choices(letters, k=chance.randint(2, 11))) for _ in range(5_000)]
    ends = (" ",) * 12 + (", ", ". ", ".\n", ' "')
    return "".join(word + end for word, end in _pairs(chance, words, ends))


def _pairs(chance: random.Random, words: list[str], ends: tuple[str, ...]) -> list[tuple[str, str]]:
    number = 4 * LENGTH // 7
    return list(zip(chance.choices(words, k=number), chance.choices(ends, k=number), strict=True))


def sleeper(path: str | Path) -> dict[str, str]:
    """``text``, but for a file named ``sleep-SECONDS``, which takes as long as its name says."""
    name = os.path.basename(path)
    if name.startswith("sleep-"):
        time.sleep(float(name.removeprefix("sleep-")))
    return text(path)


def noting(path: str | Path) -> None:
    """Sleeps as its name says, and notes when it began and ended; or crashes."""
    name, begun = os.path.basename(path), time.time()
    if name == "crash":
        os.abort()
    time.sleep(float(name.removeprefix("sleep-")))
    with Path(os.environ[NOTES], str(os.getpid())).open("a") as notes:
        notes.write(f"{begun} {time.time()}\n")


def pdf(path: str | Path) -> dict[str, str]:
    """The text of a PDF."""
    import pypdfium2

    document = pypdfium2.PdfDocument(path)
    try:
        return {"text": "\n".join(_text_of(page) for page in document)}
    finally:
        document.close()


def _text_of(page: Any) -> str:  # noqa: ANN401 - pypdfium2 has no types
    content = page.get_textpage()
    try:
        return str(content.get_text_range())
    finally:
        content.close()
        page.close()


def started(path: str | Path) -> None:
    """``noop`` that notes when its process had its first Document in hand."""
    _note_start()


@lru_cache(maxsize=1)
def _note_start() -> None:
    note(started=time.time_ns())


def blas(path: str | Path) -> dict[str, float]:
    """Some milliseconds of linear algebra, with as many threads as numpy's BLAS sees fit."""
    import numpy

    matrix = numpy.ones((600, 600))
    total = float(sum((matrix @ matrix)[0, 0] for _ in range(3)))
    _note_threads()
    return {"total": total}


def onnx(path: str | Path) -> dict[str, float]:
    """The same work by onnxruntime, with as many threads as its session sees fit."""
    import numpy

    (result,) = _session().run(None, {"x": numpy.ones((600, 600), numpy.float32)})
    _note_threads()
    return {"total": float(result[0, 0])}


@lru_cache(maxsize=1)
def _session() -> Any:  # noqa: ANN401 - onnxruntime has no types
    """A model of three matrix products, loaded once per worker as a model would be."""
    import onnxruntime
    from onnx import TensorProto, helper

    shape = [600, 600]
    names = ["x", "a", "b", "y"]
    graph = helper.make_graph(
        [helper.make_node("MatMul", [one, "x"], [two]) for one, two in pairwise(names)],
        "products",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    return onnxruntime.InferenceSession(model.SerializeToString())


@lru_cache(maxsize=1)
def _note_threads() -> None:
    from threadpoolctl import threadpool_info

    status = Path("/proc/self/status").read_text()
    threads = next(line.split()[1] for line in status.splitlines() if line.startswith("Threads:"))
    note(threads=int(threads), blas=[pool["num_threads"] for pool in threadpool_info()])


def note(**facts: object) -> None:
    """Leave facts about this process where the benchmark finds them, whatever runs the function."""
    if folder := os.environ.get(NOTES):
        Path(folder, f"{os.getpid()}.json").write_text(json.dumps(facts))


FUNCTIONS: dict[str, Callable[[str], object]] = {
    each.__name__: each for each in (noop, text, sleeper, noting, pdf, started, blas, onnx)
}
