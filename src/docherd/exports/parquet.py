"""Parquet: a column is typed where all its values are of one type, and JSON text where not."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, BinaryIO

from docherd.exceptions import UsageError
from docherd.exports.shape import Holds, Shape

if TYPE_CHECKING:
    import pyarrow

#: rows and characters of text that are written together
ROWS, CHARACTERS = 10_000, 32_000_000

#: what a column may hold, with the Arrow type that holds all of it exactly
_TYPES: Sequence[tuple[Holds, str]] = (
    (Holds.TEXT, "string"),
    (Holds.BOOL, "bool"),
    (Holds.INT | Holds.WIDE, "int64"),
    (Holds.INT | Holds.FLOAT, "double"),
)


def ready() -> None:
    """Raise UsageError where there is no pyarrow."""
    try:
        import pyarrow.parquet  # noqa: F401
    except ImportError:
        raise UsageError("Parquet needs pyarrow: pip install 'docherd[parquet]'") from None


def write(file: BinaryIO, rows: Iterable[Mapping[str, object]], shape: Shape) -> list[str]:
    """The rows in groups, compressed with zstd; nothing to remark."""
    import pyarrow
    from pyarrow import parquet

    types = {name: _type(holds) for name, holds in shape.columns.items()}
    fields = [(name, pyarrow.type_for_alias(each or "string")) for name, each in types.items()]
    converters = {name: _same if each else _json for name, each in types.items()}
    schema = pyarrow.schema(fields)
    with parquet.ParquetWriter(file, schema, compression="zstd") as writer:
        group: list[Mapping[str, object]] = []
        held = 0
        for row in rows:
            group.append(row)
            held += sum(len(value) for value in row.values() if isinstance(value, str))
            if len(group) >= ROWS or held >= CHARACTERS:
                writer.write_table(_table(group, schema, converters))
                group, held = [], 0
        writer.write_table(_table(group, schema, converters))
    return []


def _type(holds: Holds) -> str | None:
    """The Arrow type of a column; None where only JSON text holds what is in it."""
    return next((name for all_, name in _TYPES if holds in all_), None)


def _same(value: object) -> object:
    return value


def _json(value: object) -> object:
    return None if value is None else json.dumps(value, ensure_ascii=False)


def _table(
    group: Sequence[Mapping[str, object]],
    schema: pyarrow.Schema,
    converters: Mapping[str, Callable[[object], object]],
) -> pyarrow.Table:
    import pyarrow

    arrays = [
        pyarrow.array([converters[field.name](row.get(field.name)) for row in group], field.type)
        for field in schema
    ]
    return pyarrow.Table.from_arrays(arrays, schema=schema)
