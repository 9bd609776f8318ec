"""One child process: receives Documents, calls the processor, sends JSON lines back.

    pool (parent)                                     worker (this file)
    ─────────────                                     ──────────────────
    posix_spawn python -P -m docherd.worker           fds: 0 null, 1+2 output pipe,
                                                           3 socket, 4 slot, 5 spool
    init: sys.path, processor, options    ──────►     load the processor (models: once)
                                          ◄──────     ready: fingerprint   | refused: why
    batch: tasks, spool offset            ──────►     for each task: slot ← index, call, encode
                                          ◄──────     replies + lines (or a range of the spool)

A frame is a header (two lengths), a JSON index and a body. The parent never unpickles, never
trusts a length, and takes from the slot only an index into the batch that it sent itself.
This module is imported by both sides for the wire's shapes, so it imports almost nothing.
"""

from __future__ import annotations

import json
import mmap
import os
import struct
import sys
import time
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, TypeAlias, cast

from docherd import host
from docherd.exceptions import DocumentError, ProcessorError
from docherd.model import Document, Reason, Status, Task

if TYPE_CHECKING:
    from docherd.processors import Loaded

Json: TypeAlias = "dict[str, Json] | list[Json] | str | int | float | bool | None"

SOCKET, SLOT, SPOOL = 3, 4, 5
HEADER = struct.Struct("<II")
#: most bytes of one frame's index and body; a header that promises more is a broken protocol
INDEX_LIMIT, BODY_LIMIT = 16 << 20, 4 << 20
#: a result above this goes through the spool file, and a batch's replies are sent on reaching it
INLINE = 1 << 20
#: most characters kept of what went wrong
MESSAGE_LIMIT, DETAIL_LIMIT = 4096, 8192
#: Documents that may travel together
BATCH_LIMIT = 512

#: the keys that docherd puts first in every Record
OWN_KEYS = ("document", "path", "ordinal")


# ── the wire, both sides ─────────────────────────────────────────────────────────────────────


def frame(index: Json, body: bytes = b"") -> bytes:
    """A message: header, index as JSON, body."""
    text = json.dumps(index, separators=(",", ":")).encode()
    return HEADER.pack(len(text), len(body)) + text + body


class Slot:
    """What a worker is on, in memory that outlives it: a file mapped by both sides.

    The first page is the worker's: index into the batch (-1: nothing in hand), since when and
    last heartbeat (monotonic seconds), page. The rest is the engine's: its epoch and the ledger
    rows of the batch, so that the next start knows what was in hand when an engine died.
    """

    SIZE = 12288
    _HAND = struct.Struct("<qddq")
    _HELD = struct.Struct("<qq")
    _HELD_AT = 4096

    def __init__(self, fd: int) -> None:
        self._map = mmap.mmap(fd, self.SIZE)

    def take(self, index: int) -> None:
        """The worker starts on Document ``index`` of its batch."""
        now = time.monotonic()
        self._HAND.pack_into(self._map, 0, index, now, now, -1)

    def idle(self) -> None:
        """The engine has every reply of a batch: the worker holds nothing."""
        self._HAND.pack_into(self._map, 0, -1, 0.0, 0.0, -1)

    def beat(self, page: int | None) -> None:
        """Work goes on, at ``page``."""
        struct.pack_into("<dq", self._map, 16, time.monotonic(), -1 if page is None else page)

    def hand(self) -> tuple[int, float, float, int]:
        """(index, since, last heartbeat, page); index and page are -1 where there is none."""
        return cast("tuple[int, float, float, int]", self._HAND.unpack_from(self._map, 0))

    def hold(self, epoch: int, documents: list[int]) -> None:
        """The engine is about to send these ledger rows, at most 512."""
        self._HELD.pack_into(self._map, self._HELD_AT, epoch, len(documents))
        struct.pack_into(f"<{len(documents)}q", self._map, self._HELD_AT + 16, *documents)

    def held(self) -> tuple[int, tuple[int, ...]]:
        """(epoch, ledger rows); no rows where the file makes no sense."""
        epoch, count = self._HELD.unpack_from(self._map, self._HELD_AT)
        count = count if 0 <= count <= BATCH_LIMIT else 0
        return epoch, struct.unpack_from(f"<{count}q", self._map, self._HELD_AT + 16)

    def close(self) -> None:
        self._map.close()


class Channel:
    """The worker's end of its socket, blocking."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._read = os.fdopen(fd, "rb", buffering=1 << 16, closefd=False)

    def send(self, index: Json, body: bytes = b"") -> None:
        view = memoryview(frame(index, body))
        while view:
            view = view[os.write(self._fd, view) :]

    def receive(self) -> tuple[dict[str, Json], bytes] | None:
        """The next message, or None when the engine has gone."""
        head = self._read.read(HEADER.size)
        if len(head) < HEADER.size:
            return None
        index_length, body_length = HEADER.unpack(head)
        index = json.loads(self._read.read(index_length))
        return index, self._read.read(body_length)


# ── the child ────────────────────────────────────────────────────────────────────────────────


def main() -> None:
    """The life of a worker: tie to the parent, load, serve until the socket closes."""
    host.tie_to_parent(int(sys.argv[1]))
    for fd in (SOCKET, SLOT, SPOOL):
        os.set_inheritable(fd, False)
    host.die_first()
    _report_crashes()
    channel = Channel(SOCKET)
    if (message := channel.receive()) is None:
        return
    init, payload = message
    os.nice(cast("int", init["nice"]))
    loaded = _load(channel, init, payload)
    _Server(
        channel, loaded, cast("int", init["max_output"]), cast("int", init["max_input"])
    ).serve()


def _report_crashes() -> None:
    """A segfault leaves the Python stack in the output that the engine keeps."""
    import faulthandler
    import signal

    faulthandler.enable(file=2, all_threads=False)
    faulthandler.register(signal.SIGQUIT, file=2, all_threads=True, chain=False)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(line_buffering=True, errors="backslashreplace")


def _load(channel: Channel, init: dict[str, Json], payload: bytes) -> Loaded:
    sys.path[:] = cast("list[str]", init["sys_path"])
    try:
        from docherd.processors import load

        loaded = load(cast("str", init["processor"]), payload, cast("list[str]", init["passwords"]))
    except BaseException as error:  # also SystemExit: whatever a user's module does on import
        ours = isinstance(error, ProcessorError)  # the message says it all
        detail = None if ours else _trace(error)
        channel.send({"refused": str(error) if ours else _message(error), "detail": detail})
        raise SystemExit(0) from None
    channel.send({"ready": True, "fingerprint": loaded.fingerprint})
    return loaded


class _Server:
    """Serves batches one after another."""

    def __init__(self, channel: Channel, loaded: Loaded, max_output: int, max_input: int) -> None:
        self._channel = channel
        self._loaded = loaded
        self._max_output = max_output
        self._max_input = max_input
        self._slot = Slot(SLOT)
        self._peak = host.OwnPeak()
        self._spool = 0

    def serve(self) -> None:
        while (message := self._channel.receive()) is not None:
            batch, _ = message
            self._spool = cast("int", batch["spool"])
            self._serve(cast("list[dict[str, Json]]", batch["tasks"]))

    def _serve(self, tasks: list[dict[str, Json]]) -> None:
        replies: list[Json] = []
        lines: list[bytes] = []
        size = 0
        for index, raw in enumerate(tasks):
            self._slot.take(index)
            task = task_from_wire(raw)
            reply, encoded = self._attempt(task)
            replies.append(cast("Json", reply | {"i": index}))
            lines.append(encoded)
            size += len(encoded)
            last = index + 1 == len(tasks)
            if last or size > INLINE:
                self._send(replies, lines, last)
                replies, lines, size = [], [], 0
        # The slot stays: until the engine has the whole reply, it is still this Document's.

    def _send(self, replies: list[Json], lines: list[bytes], last: bool) -> None:
        peak, held = self._peak.take()
        if peak - held > 64 << 20:
            host.give_back_memory()
        self._channel.send(
            {"replies": replies, "peak": peak, "held": held, "last": last}, b"".join(lines)
        )

    def _attempt(self, task: Task) -> tuple[dict[str, object], bytes]:
        """One Document, whatever it does to us: the reply, and its lines where they are small."""
        document = Document(task, self._loaded.detect, self._slot.beat)
        start = time.perf_counter()
        try:
            before = _look(task)
            if self._loaded.builtin:
                _refuse_hopeless(task, self._max_input)
            writer = _Lines(task, self._max_output, self._spool)
            for record in records_of(self._loaded.call(document)):
                writer.add(record)
            if _look(task) != before:
                raise _Ended(Reason.INPUT_CHANGED, "the file changed while it was read")
            reply, encoded = writer.finish()
            self._spool = writer.spool
        except BaseException as error:  # SystemExit and KeyboardInterrupt are the Document's too
            reply, encoded = _failure(error), b""
        reply["seconds"] = time.perf_counter() - start
        reply["kind"] = document.known_kind
        return reply, encoded


def task_to_wire(task: Task) -> dict[str, Json]:
    """What a worker needs to know of a task."""
    return {
        "id": task.id,
        "file": os.fsdecode(task.file),
        "path": task.path,
        "size": task.size,
        "attempt": task.attempt,
        "previous": task.previous_reason,
    }


def task_from_wire(raw: dict[str, Json]) -> Task:
    """The inverse of task_to_wire; the ledger's row and stratum stay with the engine."""
    previous = raw["previous"]
    return Task(
        document=0,
        id=cast("str", raw["id"]),
        file=os.fsencode(cast("str", raw["file"])),
        path=cast("str", raw["path"]),
        size=cast("int", raw["size"]),
        stratum="",
        attempt=cast("int", raw["attempt"]),
        previous_reason=Reason(cast("str", previous)) if previous else None,
    )


class _Ended(Exception):
    """Ends an attempt with a reason of ours."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


# ── the input ────────────────────────────────────────────────────────────────────────────────


def _look(task: Task) -> tuple[int, int, int]:
    """(size, mtime_ns, inode) of the input through an open that never blocks or follows a link."""
    try:
        fd = os.open(task.file, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        raise _Ended(Reason.INPUT_MISSING, "the file is not there any more") from None
    except OSError as error:
        raise _Ended(Reason.INPUT_UNREADABLE, f"cannot be read: {error.strerror}") from None
    try:
        found = os.fstat(fd)
    finally:
        os.close(fd)
    return found.st_size, found.st_mtime_ns, found.st_ino


def _refuse_hopeless(task: Task, max_input: int) -> None:
    if task.size == 0:
        raise _Ended(Reason.EMPTY, "the file has no bytes")
    if task.size > max_input:
        raise _Ended(Reason.TOO_LARGE, f"{task.size:,} bytes, over --max-input {max_input:,}")


# ── the result ───────────────────────────────────────────────────────────────────────────────


def records_of(result: object) -> Iterator[dict[str, object]]:
    """The Records in what a processor returned.

    None: no Record. A mapping, dataclass, pydantic model or msgspec struct: one. A string:
    ``{"text": ...}``. An iterable of those: many, taken one by one.
    """
    if result is None:
        return
    single = _record(result)
    if single is not None:
        yield single
        return
    if isinstance(result, bytes | bytearray | memoryview) or not isinstance(result, Iterable):
        raise _Ended(Reason.RESULT_INVALID, f"$ is {_kind_of(result)}: return a dict or a str")
    for ordinal, each in enumerate(result):
        if (record := _record(each)) is None:
            raise _Ended(Reason.RESULT_INVALID, f"$[{ordinal}] is {_kind_of(each)}: yield dicts")
        yield record


def _record(value: object) -> dict[str, object] | None:
    if isinstance(value, str):
        return {"text": value}
    if isinstance(value, dict):
        return value
    try:
        plain = _plain(value)
    except TypeError:
        return None
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
    raise TypeError(f"{_kind_of(value)} is not JSON-like")


class _Lines:
    """The Records of one Document as JSON lines, in memory while small, else in the spool."""

    def __init__(self, task: Task, limit: int, spool: int) -> None:
        head = json.dumps({"document": task.id, "path": task.path}, ensure_ascii=False)
        self._head = head[:-1] + ', "ordinal": '
        self._limit = limit
        self._buffer = bytearray()
        self._start = self.spool = spool
        self._length = self._records = self._crc = 0

    def add(self, record: dict[str, object]) -> None:
        line = self._encode(record)
        self._length += len(line)
        self._records += 1
        if self._length > self._limit:
            raise _Ended(
                Reason.OUTPUT_TOO_LARGE, f"Records over --max-output {self._limit:,} bytes"
            )
        self._buffer += line
        if len(self._buffer) > INLINE:
            self._flush()

    def finish(self) -> tuple[dict[str, object], bytes]:
        spooled = self.spool > self._start
        if spooled:
            self._flush()
        else:
            self._sum(self._buffer)
        reply: dict[str, object] = {
            "status": Status.DONE,
            "records": self._records,
            "length": self._length,
            "crc": self._crc,
            "spool": self._start if spooled else None,
        }
        return reply, b"" if spooled else bytes(self._buffer)

    def _encode(self, record: dict[str, object]) -> bytes:
        if any(key in record for key in OWN_KEYS):
            record = {f"record_{k}" if k in OWN_KEYS else k: v for k, v in record.items()}
        try:
            body = _encoder.encode(record)
            rest = "}\n" if body == "{}" else f", {body[1:]}\n"
            return f"{self._head}{self._records}{rest}".encode()
        except (TypeError, ValueError, RecursionError) as error:
            raise _invalid(record, error) from None

    def _flush(self) -> None:
        view = memoryview(bytes(self._buffer))
        self._sum(view)
        while view:
            try:
                written = os.pwrite(SPOOL, view, self.spool)
            except OSError as error:  # the disk's fault, not the Document's
                raise _Full(error.strerror) from None
            view, self.spool = view[written:], self.spool + written
        self._buffer.clear()

    def _sum(self, data: bytearray | memoryview) -> None:
        import zlib

        self._crc = zlib.crc32(data, self._crc)


class _Full(Exception):
    """The spool cannot be written: the run must stop, the Document stays pending."""


_encoder = json.JSONEncoder(ensure_ascii=False, allow_nan=False, default=_plain)


def _invalid(record: dict[str, object], error: Exception) -> _Ended:
    """result_invalid, with the path to the first value that is not JSON-like."""
    try:
        where = _first_bad(record, "$", 0)
    except Exception:  # something in it cannot even be looked at
        where = None
    return _Ended(Reason.RESULT_INVALID, where or f"$: {error}")


def _first_bad(value: object, path: str, depth: int) -> str | None:
    if depth > 100:
        return f"{path[:200]}… is nested more than 100 deep, or holds itself"
    children: Iterable[tuple[str, object]]
    if isinstance(value, dict):
        bad = next((k for k in value if not isinstance(k, str | int | float | bool | None)), None)
        if bad is not None:
            return f"{path} has a key that is {_kind_of(bad)}; keys are strings"
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
        return f"{path} is {_kind_of(value)}, which JSON cannot hold: {error}"
    except (TypeError, RecursionError):
        return f"{path} is {_kind_of(value)}, which is not JSON-like"
    return None


def _kind_of(value: object) -> str:
    kind = type(value)
    return kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"


# ── what went wrong ──────────────────────────────────────────────────────────────────────────


def _failure(error: BaseException) -> dict[str, object]:
    if isinstance(error, _Full):
        return {"fault": str(error)}
    reason = Reason.ERROR
    if isinstance(error, _Ended | DocumentError):
        reason = error.reason
    elif isinstance(error, MemoryError):
        reason = Reason.MEMORY
    return {
        "status": Status.SKIPPED if reason.skips else Status.FAILED,
        "reason": reason,
        "message": _message(error),
        "detail": _trace(error) if reason is Reason.ERROR else None,
    }


def _message(error: BaseException) -> str:
    """ "Type: text" of an exception, whatever its __str__ does; at most 4,096 characters."""
    name = _kind_of(error)
    try:
        text = str(error)[:MESSAGE_LIMIT]
    except BaseException:  # SystemExit, too
        return f"unprintable {name}"
    if isinstance(error, _Ended | DocumentError):
        return clean(text) or error.reason
    return clean(f"{name}: {text}" if text else name)[:MESSAGE_LIMIT]


def _trace(error: BaseException) -> str:
    """The user's frames of a traceback, without ours and without any values."""
    import traceback

    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if frame.filename != __file__]
    return clean("".join(traceback.format_list(own)))[-DETAIL_LIMIT:]


def clean(text: str) -> str:
    """``text`` with what is not Unicode replaced, so that it can be stored and sent."""
    return text.encode("utf-8", "replace").decode("utf-8")


if __name__ == "__main__":
    main()
