"""The wire between a worker and its parent, both sides: frames, the slot, tasks.

A frame is a header (two lengths), a JSON index and a body. The parent never unpickles, never
trusts a length, and takes from the slot only an index into the batch that it sent itself. An
answer says how many tasks the worker had answered before it, so that an old one is told apart.
For each task of a batch, in order, the worker answers one of

    nanoseconds                                            done, with nothing to show
    [nanoseconds, kind, records, length, crc, start]       done; start: in the spool, else null
    {"taken", "kind", "reason", "message", "detail"}       not done
    {"fault"}                                              done, and the disk has no room for it
    {"pages", "taken"}                                     a probe: how many it has, 0 if unknown
"""

from __future__ import annotations

import json
import mmap
import os
import struct
import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple, TypeAlias, cast

from docherd.model import Reason, Root, Task

Json: TypeAlias = "dict[str, Json] | list[Json] | str | int | float | bool | None"

#: bound now: a processor may replace them in the module
_dumps, _loads = json.dumps, json.loads

SOCKET, SLOT, SPOOL = 3, 4, 5
HEADER = struct.Struct("<II")
#: most bytes of one frame's index and body; a header that promises more is a broken protocol
INDEX_LIMIT, BODY_LIMIT = 16 << 20, 4 << 20
#: a result above this goes through the spool file, and a batch's replies are sent on reaching it
INLINE = 1 << 20
#: mean bytes of lines from which on they are written one by one
MANY = 16 << 10
#: Documents that may travel together
BATCH_LIMIT = 512


def frame(index: Json, size: int = 0) -> bytes:
    """A message up to its body: header, index as JSON; ``size`` bytes of body must follow."""
    text = _dumps(index, separators=(",", ":")).encode()
    return HEADER.pack(len(text), size) + text


class Hand(NamedTuple):
    """What a worker says it is on; it may lie."""

    #: place in the batch, -1 where there is none
    place: int
    #: since when, and the last heartbeat: monotonic seconds
    since: float
    beat: float
    #: -1 where it did not say
    page: int
    pages: int


class Slot:
    """What a worker is on, in memory that outlives it: a file mapped by both sides.

    The first page is the worker's, a Hand. The rest is the engine's: its epoch and the ledger rows
    of the batch, so that the next start knows what was in hand when an engine died.
    """

    SIZE = 12288
    _HAND = struct.Struct("<qddqq")
    _HELD = struct.Struct("<qq")
    _HELD_AT = 4096

    def __init__(self, fd: int) -> None:
        self._map = mmap.mmap(fd, self.SIZE)

    def take(self, index: int) -> None:
        """The worker starts on Document ``index`` of its batch."""
        now = time.monotonic()
        self._HAND.pack_into(self._map, 0, index, now, now, -1, -1)

    def idle(self) -> None:
        """The engine has every reply of a batch: the worker holds nothing."""
        self._HAND.pack_into(self._map, 0, -1, 0.0, 0.0, -1, -1)

    def beat(self, page: int | None, pages: int | None) -> None:
        """Work goes on, at ``page`` of ``pages``."""
        at, of = -1 if page is None else page, -1 if pages is None else pages
        struct.pack_into("<dqq", self._map, 16, time.monotonic(), at, of)

    def hand(self) -> Hand:
        """What the worker said last."""
        return Hand._make(self._HAND.unpack_from(self._map, 0))

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

    def send(self, index: Json, lines: Sequence[bytes] = ()) -> None:
        size = sum(map(len, lines))
        head = frame(index, size)
        # Short lines are joined for the sake of calls, long ones are not copied once more.
        joined = size < MANY * len(lines)
        for piece in (head + b"".join(lines),) if joined else (head, *lines):
            view = memoryview(piece)
            while view:
                view = view[os.write(self._fd, view) :]

    def receive(self) -> tuple[dict[str, Json], bytes] | None:
        """The next message, or None when the engine has gone."""
        head = self._read.read(HEADER.size)
        if len(head) < HEADER.size:
            return None
        index_length, body_length = HEADER.unpack(head)
        index = _loads(self._read.read(index_length))
        return index, self._read.read(body_length)


def batch_to_wire(tasks: Sequence[Task], spool: int) -> bytes:
    """The frame that gives tasks to a worker whose spool is used up to ``spool``.

    Tasks are lists, not objects, and each root is said once: every Document pays for this.
    """
    roots: dict[int, int] = {}
    folders: list[Root] = []
    for task in tasks:
        if id(task.root) not in roots:
            roots[id(task.root)] = len(folders)
            folders.append(task.root)
    index = {
        "roots": [(name_to_wire(each.label), name_to_wire(each.folder)) for each in folders],
        "tasks": [
            (roots[id(t.root)], name_to_wire(t.name), t.size, t.attempt, t.previous_reason)
            for t in tasks
        ],
        "spool": spool,
    }
    if any(task.probe for task in tasks):
        index["probes"] = [at for at, task in enumerate(tasks) if task.probe]
    return frame(cast("Json", index))


def batch_from_wire(batch: dict[str, Json]) -> Iterator[Task]:
    """The tasks of a batch, in the worker; ledger row and stratum stay with the engine."""
    roots = [
        Root(name_from_wire(label), name_from_wire(folder))
        for label, folder in cast("list[tuple[str, str]]", batch["roots"])
    ]
    tasks = cast("list[tuple[int, str, int, int, str | None]]", batch["tasks"])
    probes = cast("list[int]", batch.get("probes", ()))
    for at, (root, name, size, attempt, previous) in enumerate(tasks):
        reason = Reason(previous) if previous else None
        task = Task(0, roots[root], name_from_wire(name), size, "", attempt, reason)
        yield task._replace(probe=True) if at in probes else task


def name_to_wire(name: bytes) -> str:
    """A path as text that JSON can hold and name_from_wire takes back, whatever its bytes."""
    return name.decode("utf-8", "surrogateescape")


def name_from_wire(text: str) -> bytes:
    """The inverse of name_to_wire."""
    return text.encode("utf-8", "surrogateescape")


def clean(text: str) -> str:
    """``text`` with what is not Unicode replaced, so that it can be stored and sent."""
    return text.encode("utf-8", "replace").decode("utf-8")
