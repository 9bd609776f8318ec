"""What may be processed now, read from the ledger a few Documents at a time."""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Sequence
from pathlib import Path

from docherd.model import Root, Task
from docherd.readonly import ReadOnly
from docherd.rows import Carried, Discovered

#: rows read with one query; Documents passed on as they were found
AT_ONCE, NEAR = 2000, 4000

_SET = re.compile(rb"[^\0]")


class Window:
    """Documents that may be processed, a few at a time in walk order.

    While processing keeps up with the walk they are passed on as they were found. Of those that
    must wait only a bit each is kept (10 million Documents are 1.25 MB), and they are read from
    the ledger through a connection of our own that cannot write.
    """

    def __init__(self, path: Path, roots: Sequence[Root]) -> None:
        self._db = ReadOnly(path, ("document", "stratum"))
        self._roots = roots
        self._near: deque[Task] = deque()
        self._bits = bytearray()
        self._far = 0
        self._cursor = 0
        self._carried: dict[int, Carried] = {}

    @property
    def waiting(self) -> int:
        """Documents that `take` will give."""
        return len(self._near) + self._far

    def add(self, discovered: Discovered) -> None:
        """These may be processed; their rows must be committed."""
        self._carried.update(discovered.carried)
        if not self._far and len(self._near) < NEAR:
            rows = zip(discovered.ready, discovered.found, discovered.strata, strict=True)
            self._near.extend(
                self._task(document, found.root, found.path, found.size, stratum)
                for document, found, stratum in rows
            )
            return
        if discovered.ready:
            grown = (max(discovered.ready) >> 3) + 1 - len(self._bits)
            self._bits.extend(bytes(max(0, grown)))
        for document in discovered.ready:
            self._bits[document >> 3] |= 1 << (document & 7)
        self._far += len(discovered.ready)

    def take(self, most: int) -> list[Task]:
        """The next tasks in walk order; fewer than ``most`` only where no more are waiting."""
        near = [self._near.popleft() for _ in range(min(most, len(self._near)))]
        return near + self._read(self._next(min(most, AT_ONCE) - len(near)))

    def _read(self, documents: list[int]) -> list[Task]:
        if not documents:
            return []
        # One row for all, as JSON: each step of a query lets go of the interpreter's lock, and
        # beside other threads costs more than reading the row.
        ((text,),) = self._db.rows(
            "select json_group_array(json_array(d.id, root, hex(path), size, name)) from"
            " document d join stratum s on s.id = stratum"
            " where d.id in (select value from json_each(?))",
            json.dumps(documents),
        )
        return [
            self._task(document, root, bytes.fromhex(path), size, stratum)
            for document, root, path, size, stratum in sorted(json.loads(text))
        ]

    def close(self) -> None:
        self._db.close()

    def _next(self, most: int) -> list[int]:
        """The next ``most`` bits that are set, or all there are; they are no longer set."""
        found: list[int] = []
        while len(found) < min(most, self._far):
            hit = _SET.search(self._bits, self._cursor)
            if hit is None:  # changed Documents lie behind the cursor
                self._cursor = 0
                continue
            self._cursor = at = hit.start()
            byte = self._bits[at]
            bits = [bit for bit in range(8) if byte >> bit & 1][: most - len(found)]
            self._bits[at] = byte ^ sum(1 << bit for bit in bits)
            found += [(at << 3) + bit for bit in bits]
        self._far -= len(found)
        return found

    def _task(self, document: int, root: int, name: bytes, size: int, stratum: str) -> Task:
        where = self._roots[root]
        if document not in self._carried:
            return Task(document, where, name, size, stratum)
        carried = self._carried.pop(document)
        before = (carried.attempt, carried.reason, carried.interruptions)
        return Task(document, where, name, size, stratum, *before)
