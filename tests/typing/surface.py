"""The public surface as a type checker sees it; tests/unit/test_typing.py, never executed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, assert_type

import docherd
from docherd import Counts, Document, Reason, Result, Status

if TYPE_CHECKING:
    import pandas


def by_path(path: Path) -> dict[str, str]:
    return {"name": path.name}


def by_text(path: str) -> str:
    return path


def by_document(document: Document) -> Iterator[dict[str, int]]:
    yield {"size": document.size}


class Model:
    def __init__(self, name: str = "small") -> None: ...

    def __call__(self, document: Document) -> dict[str, str]:
        return {"kind": document.kind}


paths: list[Path] = []
names: list[str] = []

for processor in (by_path, by_text, by_document, Model):
    docherd.process(names, processor)

stream = docherd.process(paths, by_path, workers=2, memory="8GB", timeout=2.5, ordered=True)
assert_type(stream, docherd.Stream)
for result in stream:
    assert_type(result, Result)
    assert_type(result.status, Status)
    assert_type(result.reason, Reason | None)
    assert_type(result.error, str | None)
    assert_type(len(result.records), int)
    first: Mapping[str, object] = result.records[0]
with docherd.process(names, "extract", progress=True) as opened:
    assert_type(next(opened), Result)
docherd.process(names, Model)
docherd.process(names, lambda path: None)

for chunk in docherd.process_chunks(iter(names), by_document, chunk_size=10, workers=None):
    assert_type(chunk, list[Result])

summary = docherd.run("in", Path("out"), by_text, workers=2, include=["*.pdf"], progress="none")
assert_type(summary, docherd.Summary)
docherd.run(["a", Path("b")], "out", Model, limit=3)

run = docherd.open("out")
assert_type(run, docherd.Run)
assert_type(run.counts, Counts)
assert_type(run.reasons, dict[Reason, int])
for record in run.records(kind="pdf", path=["*.pdf", "a/*"], limit=3):
    first = record
assert_type(run.export(Path("all.csv"), columns=["path", "text"], overwrite=True), int)
run.export("all.xlsx", kind=("pdf", "docx"))
run.export(3)  # type: ignore[arg-type]
for failure in run.failures("timeout", all=True):
    assert_type(failure.path, str)
if TYPE_CHECKING:
    assert_type(run.to_pandas(), pandas.DataFrame)

docherd.process(names, by_path, workers="auto")
docherd.process(names, by_path, workers="two")  # type: ignore[arg-type]
docherd.process(names, by_path, limit=3)  # type: ignore[call-arg]
docherd.process(7, by_path)  # type: ignore[arg-type]
docherd.process(names, 7)  # type: ignore[arg-type]
docherd.run("in", "out", by_path, progress="loud")  # type: ignore[arg-type]
docherd.open(3)  # type: ignore[arg-type]
