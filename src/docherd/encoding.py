"""What a processor returned, as JSON lines; in the worker.

    None ─► no Record      mapping, dataclass, pydantic model, msgspec struct, str ─► one
    iterable of those ─► many, taken one by one

For a run each line begins with `document`, `path` and `ordinal`. For a stream the lines are bare:
what was returned, after a line of its own, ``[``, where that were many; so the parent can give
back both the Records and the very value. Long texts in them follow their line as they are, because
writing and reading 50 KB of text as JSON takes ten times as long as carrying it:

    ~[{"text": null, "page": 1}, [["text", 50000]]]
    ... 50,000 bytes ... Anything that is not JSON-like ends the attempt with
the path to the first such value; nothing is ever pickled.
"""

from __future__ import annotations

import errno
import json
import os
import zlib
from collections.abc import Iterable
from typing import NamedTuple

from docherd.model import Reason, Task
from docherd.wire import INLINE, SPOOL

#: the keys that docherd puts first in every Record, the last one in those of copies
OWN_KEYS = ("document", "path", "ordinal", "duplicate_of")
#: characters from which on a text is worth a way of its own
LONG = 1000
#: errors of a descriptor that is not the spool any more
_NO_SPOOL = (errno.EBADF, errno.EINVAL, errno.ESPIPE)


class Ended(Exception):
    """Ends an attempt with a reason of ours, not an error of the user's."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class Encoded(NamedTuple):
    """The lines of one Document: here, or ``length`` bytes of the spool from ``start`` on."""

    records: int
    length: int
    crc: int
    #: None where they are in ``lines``
    start: int | None
    lines: bytes


def _value(value: object) -> dict[str, object] | str | None:
    """A Record, or the text of one; None for what may be an iterable of those."""
    if isinstance(value, str | dict):
        return value
    try:
        plain = _plain(value)
    except TypeError:
        return None
    except RecursionError:
        raise Ended(
            Reason.RESULT_INVALID, f"$ is {name_of_type(value)} that holds itself"
        ) from None
    return plain if isinstance(plain, dict) else None


def _plain(value: object) -> object:
    """For json, of a value it does not know: models and structs as mappings, else TypeError."""
    kind = type(value)
    if hasattr(kind, "__dataclass_fields__"):
        import dataclasses

        return dataclasses.asdict(value)  # type: ignore[call-overload]
    if hasattr(kind, "model_dump"):  # pydantic
        return value.model_dump(mode="json")  # type: ignore[attr-defined]
    if hasattr(kind, "__struct_fields__"):  # msgspec
        return {name: getattr(value, name) for name in kind.__struct_fields__}
    if hasattr(kind, "keys") and hasattr(kind, "__getitem__"):
        return {key: value[key] for key in value.keys()}  # type: ignore[attr-defined,index]  # noqa: SIM118
    raise TypeError(f"{name_of_type(value)} is not JSON-like")


class Lines:
    """The Records of one Document as JSON lines, in memory while small, else in the spool."""

    def __init__(self, task: Task, limit: int, spool: int, *, bare: bool = False) -> None:
        """At most ``limit`` bytes; the spool is used up to ``spool``."""
        self._task = task
        self._limit = limit
        self._bare = bare
        self._head = ""
        self._buffer = bytearray()
        self._start = self.spool = spool
        self._length = self._records = self._crc = 0

    def add(self, result: object) -> None:
        """What a processor returned. Raises Ended where that is not JSON-like, or too much."""
        if (single := _value(result)) is not None:
            self._add(single)
            return
        if isinstance(result, bytes | bytearray | memoryview) or not isinstance(result, Iterable):
            kind = name_of_type(result)
            raise Ended(Reason.RESULT_INVALID, f"$ is {kind}: return a dict or a str")
        if self._bare:
            self._line(b"[")
        for ordinal, each in enumerate(result):
            if (value := _value(each)) is None:
                kind = name_of_type(each)
                raise Ended(Reason.RESULT_INVALID, f"$[{ordinal}] is {kind}: yield dicts")
            self._add(value)

    def finish(self) -> Encoded:
        """All lines; they are no longer kept here."""
        spooled = self.spool > self._start
        if spooled:
            self._flush()
        else:
            self._crc = zlib.crc32(self._buffer)
        start = self._start if spooled else None
        lines = b"" if spooled else bytes(self._buffer)
        return Encoded(self._records, self._length, self._crc, start, lines)

    def _add(self, value: dict[str, object] | str) -> None:
        if self._bare:
            self._line(*_bare(value))
        else:
            record = renamed({"text": value} if isinstance(value, str) else value)
            head = f"{self._opening()}{self._records}{', ' if record else ''}".encode()
            self._line(head, *_members(record), b"}")
        self._records += 1

    def _opening(self) -> str:
        """What each line begins with; most Documents without Records never pay for it."""
        if not self._head:
            self._head = opening(self._task)
        return self._head

    def _line(self, *pieces: bytes | memoryview) -> None:
        self._length += sum(map(len, pieces)) + 1
        if self._length > self._limit:
            raise Ended(Reason.OUTPUT_TOO_LARGE, f"Records over --max-output {self._limit:,} bytes")
        for piece in (*pieces, b"\n"):
            self._put(piece)

    def _put(self, piece: bytes | memoryview) -> None:
        if len(piece) > INLINE:  # a large text is not copied once more
            self._flush()
            self._write(memoryview(piece))
            return
        self._buffer += piece
        if len(self._buffer) > INLINE:
            self._flush()

    def _flush(self) -> None:
        self._write(memoryview(bytes(self._buffer)))
        self._buffer.clear()

    def _write(self, view: memoryview) -> None:
        self._crc = zlib.crc32(view, self._crc)
        while view:
            try:
                written = os.pwrite(SPOOL, view, self.spool)
            except OSError as error:
                if error.errno in _NO_SPOOL:
                    raise  # the Document closed it, or took its place
                raise SpoolFull(error.strerror) from None  # the disk's fault
            view, self.spool = view[written:], self.spool + written


def opening(task: Task) -> str:
    """What each line of a Document begins with, up to its ordinal."""
    names = {"document": task.id, "path": task.path}
    return _encoder.encode(names)[:-1] + ', "ordinal": '


def _bare(value: dict[str, object] | str) -> list[bytes]:
    """The line of a value, and its long texts as they are."""
    texts: dict[str | None, str] = {}
    if isinstance(value, str):
        texts = {None: value} if len(value) > LONG else {}
    else:
        for key, each in value.items():
            if type(each) is str and len(each) > LONG and type(key) is str:
                texts[key] = each
    if not texts:
        return [_encode(value, value)]
    try:
        raw = [text.encode() for text in texts.values()]
    except UnicodeEncodeError as error:
        raise _invalid(value, error) from None
    rest = None
    if not isinstance(value, str):  # in the same order
        rest = {key: None if key in texts else each for key, each in value.items()}
    lengths = [[key, len(data)] for key, data in zip(texts, raw, strict=True)]
    return [b"~", _encode([rest, lengths], value), b"\n", *raw]


def _members(record: dict[str, object]) -> list[bytes]:
    """What stands between the braces of a record; its long texts are written by orjson.

    Only those: of 50 KB the standard library makes JSON in 230 us, orjson in 20, but that writes
    NaN as null, and refuses integers above 64 bits and keys that are no text.
    """
    pieces: list[bytes] = []
    short: dict[str, object] = {}
    for key, value in record.items():
        if type(value) is str and len(value) > LONG:
            if short:
                pieces += [_encode(short, record)[1:-1], b", "]
                short = {}
            pieces += [_encode({key: ""}, record)[1:-3], _text(value, record), b", "]
        else:
            short[key] = value
    return [*pieces, _encode(short, record)[1:-1]] if short else pieces[:-1]


def _text(value: str, shown: object) -> bytes:
    import orjson  # not at the top: most workers never need it

    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError as error:  # a lone surrogate
        raise _invalid(shown, error) from None


def _encode(value: object, shown: object) -> bytes:
    """As JSON; where that cannot be, Ended with the place in ``shown``."""
    try:
        return _encoder.encode(value).encode()
    except (TypeError, ValueError, RecursionError) as error:
        raise _invalid(shown, error) from None


def renamed(record: dict[str, object]) -> dict[str, object]:
    """A processor's own `path` becomes `record_path`; nothing is lost, whatever it is called."""
    if not any(key in record for key in OWN_KEYS):
        return record
    names = set(record)
    return {_free(key, names) if key in OWN_KEYS else key: record[key] for key in record}


def _free(key: str, names: set[str]) -> str:
    while key in names:
        key = f"record_{key}"
    names.add(key)
    return key


class SpoolFull(Exception):
    """The spool cannot be written: the run must stop, the Document stays pending."""


_encoder = json.JSONEncoder(ensure_ascii=False, allow_nan=False, default=_plain)


def _invalid(value: object, error: Exception) -> Ended:
    """result_invalid, with the path to the first value that is not JSON-like."""
    try:
        where = _first_bad(value, "$", 0)
    except Exception:  # something in it cannot even be looked at
        where = None
    return Ended(Reason.RESULT_INVALID, where or f"$: {error}")


def _first_bad(value: object, path: str, depth: int) -> str | None:
    if depth > 100:
        return f"{path[:200]}… is nested more than 100 deep, or holds itself"
    children: Iterable[tuple[str, object]]
    if isinstance(value, dict):
        bad = next((k for k in value if not isinstance(k, str | int | float | bool | None)), None)
        if bad is not None:
            return f"{path} has a key that is {name_of_type(bad)}; keys are strings"
        children = ((f"{path}.{key}", each) for key, each in value.items())
    elif isinstance(value, list | tuple):
        children = ((f"{path}[{i}]", each) for i, each in enumerate(value))
    else:
        try:
            plain = _plain(value)
        except Exception:
            return _bad_leaf(value, path)
        return _first_bad(plain, path, depth + 1)
    return next((found for p, each in children if (found := _first_bad(each, p, depth + 1))), None)


def _bad_leaf(value: object, path: str) -> str | None:
    try:
        _encoder.encode(value).encode()
    except UnicodeEncodeError:
        return f"{path} is text with a lone surrogate, which is not Unicode"
    except ValueError as error:
        if type(value) is float:
            return f"{path} is {value}, which JSON cannot hold"
        return f"{path} is {name_of_type(value)}, which JSON cannot hold: {error}"
    except (TypeError, RecursionError):
        return f"{path} is {name_of_type(value)}, which is not JSON-like"
    return None


def name_of_type(value: object) -> str:
    kind = type(value)
    return kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"
