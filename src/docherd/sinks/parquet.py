"""--format parquet: a segment becomes one Parquet file, made in a process of its own.

The columns are those of the first segment (``columns``); run.json keeps them.
"""

from __future__ import annotations

import importlib.util
import itertools
from collections.abc import Collection, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

from docherd import host
from docherd.conversion import (
    Answer,
    Asked,
    Conversion,
    Json,
    part_as_json,
    part_from_json,
)
from docherd.exceptions import EnvironmentFault, UsageError, mendable
from docherd.folder import Folder
from docherd.placements import Line, placements, read, superseded
from docherd.readonly import ReadOnly
from docherd.rows import Part
from docherd.sinks.columns import Census, Column, record_of
from docherd.sinks.parts import Parts
from docherd.sinks.sink import Hurry, Made, Range

if TYPE_CHECKING:
    from docherd.sinks.table import TableRow


def refuse_missing() -> None:
    """Raise UsageError where pyarrow is not installed."""
    if importlib.util.find_spec("pyarrow") is None:
        raise UsageError("--format parquet needs pyarrow: pip install 'docherd[parquet]'")


class Parquet:
    """Parquet as a Sink."""

    mirrors = False

    def __init__(self, out: Path) -> None:
        self._out = out
        self._parts = Parts(out, "parquet")
        self.publish = self._parts.publish
        self.check = self._parts.check

    def begin(self, part: Part, gone: Sequence[Range]) -> Conversion | None:
        holes = tuple(sorted({*part.holes, *gone}))
        target = replace(part, sealed=True, holes=holes)
        return self._conversion("parquet", part, target)

    def made(self, part: Part, answer: Answer) -> Made:
        if "columns" in answer:
            columns = cast("list[tuple[str, str]]", answer["columns"])
            Folder(self._out).keep_columns(Column(*each) for each in columns)
        return Made(self._target(answer))

    def rewrite(self, part: Part, target: Part, hurry: Hurry) -> Part:
        return self._target(self._conversion("shorter", part, target).wait(hurry))

    def salvage(self, part: Part, target: Part) -> tuple[Part, set[int]]:
        """What is intact of a damaged part, as ``target``; the offsets of what that is."""
        try:
            answer = self._conversion("intact", part, target).wait(lambda: False)
        except EnvironmentFault:  # reading it has ended the process
            answer = self._conversion("nothing", part, target).wait(lambda: False)
        return self._target(answer), set(cast("list[int]", answer["intact"]))

    def taken(self, name: str) -> bool:
        return False

    def _conversion(self, task: str, part: Part, target: Part) -> Conversion:
        return Conversion(task, Asked(self._out, part, target, self._parts.staged(target)))

    def _target(self, answer: Answer) -> Part:
        host.sync_folder(self._out / "pending")
        return part_from_json(answer["target"])


# ── in the process ───────────────────────────────────────────────────────────────────────────


def convert(asked: Asked) -> Answer:
    """A segment as a Parquet file; with the columns, where these are the first."""
    from docherd.sinks.table import Table

    columns = Folder(asked.out).read_about().columns
    found = columns if columns is not None else _take_census(asked)
    table = Table(asked.file, found)
    for each in _lines(asked):
        table.add_line(each.placement.id, each.placement.path, each.ordinal, each.line)
    answer = _answer(asked, *table.close())
    return answer if columns is not None else answer | {"columns": [list(each) for each in found]}


def _take_census(asked: Asked) -> tuple[Column, ...]:
    census = Census()
    for each in _lines(asked):
        if (record := record_of(each.line)) is not None:
            census.take(record)
    return census.columns()


def _lines(asked: Asked) -> Iterator[Line]:
    """The Records of a segment that count."""
    segment = Parts(asked.out, "jsonl").staged(asked.part)
    gone = sorted({*asked.target.holes} - {*asked.part.holes})
    with _ledger(asked.out) as db:
        placed = placements(db, Folder(asked.out).read_about().inputs, asked.part.number)
        yield from read(segment, asked.part, placed, gone)


def shorten(asked: Asked) -> Answer:
    """A published part without the Documents in its further holes."""
    from docherd.sinks.table import Table, rows, size_of

    about = Folder(asked.out).read_about()
    holes = {offset for offset, _ in asked.target.holes}
    with _ledger(asked.out) as db:
        old = superseded(db, about.inputs, asked.part.number)
    gone = {each.id for each in old if each.offset in holes}
    columns = about.columns or ()
    table = Table(asked.file, columns)
    with Parts(asked.out, "parquet").open(asked.part) as source:
        for row in rows(source, columns):
            if row.document not in gone:
                table.add(row, size_of(row))
    return _answer(asked, *table.close())


def salvage(asked: Asked) -> Answer:
    """Of a damaged part, the Documents that are whole and in sound row groups."""
    from docherd.sinks.table import Table, size_of

    about = Folder(asked.out).read_about()
    holes = {offset for offset, _ in asked.target.holes}
    columns = about.columns or ()
    with _ledger(asked.out) as db:
        placed = placements(db, about.inputs, asked.part.number)
        live = {each.id: each for each in placed if each.offset not in holes}
    table = Table(asked.file, columns)
    intact: list[int] = []
    for document, found in itertools.groupby(_sound(asked, columns), lambda row: row.document):
        group = list(found)
        whole = [row.ordinal for row in group] == list(range(len(group)))
        known = live.get(document)
        if known is not None and whole and len(group) == known.records:
            del live[document]  # once
            intact.append(known.offset)
            for row in group:
                table.add(row, size_of(row))
    return _answer(asked, *table.close()) | {"intact": cast("Json", intact)}


def _sound(asked: Asked, columns: Sequence[Column]) -> Iterator[TableRow]:
    """What can be read of a file, whatever happened to it: each page has its CRC-32."""
    from docherd.sinks.table import UNREADABLE, groups

    try:
        with Parts(asked.out, "parquet").open(asked.part) as source:
            for group in groups(source, columns):
                try:
                    yield from group
                except UNREADABLE:
                    continue
    except UNREADABLE:
        return  # it has no end, or is not there


def nothing(asked: Asked) -> Answer:
    """A part of which nothing is left."""
    from docherd.sinks.table import Table

    columns = Folder(asked.out).read_about().columns or ()
    return _answer(asked, *Table(asked.file, columns).close()) | {"intact": []}


def _answer(asked: Asked, size: int, crc: int) -> Answer:
    return {"target": part_as_json(replace(asked.target, size=size, crc=crc))}


def _ledger(out: Path) -> closing[ReadOnly]:
    return closing(ReadOnly(out / "ledger.db", ("document", "outcome", "stale")))


# ── Records again ────────────────────────────────────────────────────────────────────────────


def lines(out: Path, part: Part, without: Collection[str]) -> Iterator[bytes]:
    """The Records in a published part, but for those of some Documents."""
    refuse_missing()
    from docherd.sinks import table

    columns = Folder(out).read_about().columns or ()
    parts = Parts(out, "parquet")
    with _translating(parts.published(part)), parts.open(part) as file:
        for row in table.rows(file, columns):
            if row.document not in without:
                yield table.as_line(row, columns)


def lines_of(out: Path, part: Part, document: str) -> Iterator[bytes]:
    """The Records of one Document in a published part."""
    refuse_missing()
    from docherd.sinks import table

    columns = Folder(out).read_about().columns or ()
    parts = Parts(out, "parquet")
    with _translating(parts.published(part)), parts.open(part) as file:
        for row in table.of_document(file, columns, document):
            yield table.as_line(row, columns)


def documents(file: Path, columns: Sequence[Column]) -> Iterator[tuple[tuple[str, str], int]]:
    """(id, path) of each Document in a file, in order, and how many Records it has."""
    refuse_missing()
    from docherd.sinks import table

    with _translating(file), file.open("rb") as source:
        rows = table.rows(source, columns)
        for name, records in itertools.groupby(rows, lambda row: (row.document, row.path)):
            yield name, sum(1 for _ in records)


@contextmanager
def _translating(file: Path) -> Iterator[None]:
    from docherd.sinks.table import UNREADABLE

    try:
        yield
    except UNREADABLE as error:
        raise mendable(f"{file} cannot be read ({error})", file.parent.parent) from error
