"""Which columns a table of Records has, and what of a Record fits into them.

The columns are those of the first segment, and then stay: all parts of a run have the same. What
fits none (another key, another type, a null that was written) is kept as JSON in the last one,
``extra``, so that the Record can be made again from its row.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple, TypeAlias

#: a value of JSON
Value: TypeAlias = object

#: columns besides ours: the commonest keys, should Records have more
MOST = 200
#: keys looked at, should every Record have others
_KEYS = 10_000
#: columns of ours, before and behind the others
FIRST, EXTRA = ("document", "path", "ordinal"), "extra"
_INT = range(-(1 << 63), 1 << 63)
#: integers that a float holds exactly
_EXACT = range(-(1 << 53), (1 << 53) + 1)


class Column(NamedTuple):
    """``type``: bool, int, float, string, a list of one of them ("list string"), or json."""

    name: str
    type: str


# ── which columns ────────────────────────────────────────────────────────────────────────────


class Census:
    """What keys Records have, and which types their values."""

    def __init__(self) -> None:
        self._types: dict[str, Counter[str]] = defaultdict(Counter)

    def take(self, record: Mapping[str, Value]) -> None:
        """One Record, without our own keys."""
        for key, value in record.items():
            if key in self._types or len(self._types) < _KEYS:
                self._types[key][type_of(value)] += 1

    def columns(self) -> tuple[Column, ...]:
        """In the order in which their keys first came; the type is that of most values."""
        common = Counter({key: each.total() for key, each in self._types.items()})
        kept = {key for key, _ in common.most_common(MOST)}
        taken = {*FIRST, EXTRA}
        columns = []
        for key, types in self._types.items():
            same = key.casefold()  # for DuckDB names that differ by case are one
            if key in kept and same not in taken and _sound(key) and (kind := _commonest(types)):
                taken.add(same)
                columns.append(Column(key, kind))
        return tuple(columns)


def type_of(value: Value) -> str:
    """The narrowest type that holds a value; "" for what any holds."""
    if value is None:
        return ""
    if isinstance(value, list):
        inner = _commonest(Counter(type_of(each) for each in value))
        if not inner:
            return "list"
        kind = f"list {inner}"
        return kind if inner in _SCALARS.values() and fits(value, kind) else "json"
    return _SCALARS.get(type(value), "json")


_SCALARS: dict[type, str] = {bool: "bool", int: "int", float: "float", str: "string"}


def _commonest(types: Counter[str]) -> str:
    """Whole numbers among others are numbers; what fits anything has no vote."""
    votes = Counter({kind: n for kind, n in types.items() if kind not in ("", "list")})
    for whole, real in (("int", "float"), ("list int", "list float")):
        if votes[real]:
            votes[real] += votes.pop(whole, 0)
    ranked = votes.most_common(1)
    return ranked[0][0] if ranked and ranked[0][1] else "json" if types["list"] else ""


# ── what fits ────────────────────────────────────────────────────────────────────────────────


def fits(value: Value, kind: str) -> bool:
    """A column of this type holds it, and gives it back."""
    if kind == "json":
        return True
    if kind.startswith("list "):
        inner = kind.removeprefix("list ")
        if not isinstance(value, list):
            return False
        return all(each is None or fits(each, inner) for each in value)
    found = type(value)
    if kind == "string":
        return found is str and _sound(value)
    if kind == "float":
        return found is float or (found is int and value in _EXACT)
    return found is (bool if kind == "bool" else int) and (kind == "bool" or value in _INT)


def _sound(text: Value) -> bool:
    """Text that can be written as UTF-8: what a line escapes need not be."""
    try:
        str(text).encode()
    except UnicodeEncodeError:
        return False
    return True


class Row(NamedTuple):
    """A Record as it goes into a table."""

    #: by column; None where it has none that fits
    values: list[Value]
    #: the rest, as JSON
    extra: str | None


def row_of(line: bytes, columns: Sequence[Column]) -> Row:
    """A line of a segment, without our own keys: those the ledger knows."""
    record = record_of(line)
    if record is None:  # no line that docherd writes: kept as it is
        return Row([None] * len(columns), json.dumps(line.decode(errors="backslashreplace")))
    values: list[Value] = []
    for name, kind in columns:
        if name in record and fits(record[name], kind):
            value = record.pop(name)
            values.append(_dumped(value) if kind == "json" else value)
        else:
            values.append(None)
    return Row(values, _dumped(record) if record else None)


def record_of(line: bytes) -> dict[str, Value] | None:
    """What a processor returned; None where a line is no Record."""
    try:
        record = json.loads(line)
        for key in FIRST:
            del record[key]
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    return record if isinstance(record, dict) else None


def _dumped(value: Value) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if _sound(text) else json.dumps(value)


def line_of(
    head: Mapping[str, Value], values: Iterable[tuple[Column, Value]], extra: str | None
) -> bytes:
    """The Record of a row, as a line; ``head``: our own keys."""
    record = dict(head)
    for (name, kind), value in values:
        if value is not None:
            record[name] = json.loads(str(value)) if kind == "json" else value
    rest = json.loads(extra) if extra is not None else {}
    if isinstance(rest, str):
        return rest.encode()
    return f"{_dumped(record | rest)}\n".encode()
