"""What may be processed now, read from the ledger a few Documents at a time."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from docherd.model import Root, Task, document_id, text_of
from docherd.readonly import ReadOnly
from docherd.rows import Carried, Discovered

_SET = re.compile(rb"[^\0]")


class Window:
    """Documents that may be processed, read from the ledger a few at a time in walk order.

    What is ready is a bitmap (10 million Documents are 1.25 MB); rows come through a connection
    of its own that cannot write.
    """

    def __init__(self, path: Path, roots: Sequence[Root]) -> None:
        self._db = ReadOnly(path, ("document", "stratum"))
        self._roots = roots
        self._bits = bytearray()
        self._cursor = 0
        self._carried: dict[int, Carried] = {}
        self.waiting = 0

    def add(self, discovered: Discovered) -> None:
        """These may be processed; their rows must be committed."""
        if discovered.ready:
            grown = (max(discovered.ready) >> 3) + 1 - len(self._bits)
            self._bits.extend(bytes(max(0, grown)))
        for document in discovered.ready:
            self._bits[document >> 3] |= 1 << (document & 7)
        self.waiting += len(discovered.ready)
        self._carried.update(discovered.carried)

    def take(self, most: int) -> list[Task]:
        """The next tasks in walk order; fewer than ``most`` only where no more are waiting."""
        documents = self._next(most)
        if not documents:
            return []
        self.waiting -= len(documents)
        marks = ",".join("?" * len(documents))
        rows = self._db.rows(
            "select d.id, root, path, size, name from document d"  # noqa: S608 - only marks
            f" join stratum s on s.id = stratum where d.id in ({marks}) order by d.id",
            *documents,
        )
        return [self._task(*row) for row in rows]

    def close(self) -> None:
        self._db.close()

    def _next(self, most: int) -> list[int]:
        found: list[int] = []
        while len(found) < min(most, 500):
            hit = _SET.search(self._bits, self._cursor)
            if hit is None:
                if not self._cursor or not self.waiting - len(found):
                    break
                self._cursor = 0  # changed Documents lie behind the cursor
                continue
            self._cursor = at = hit.start()
            byte = self._bits[at]
            lowest = (byte & -byte).bit_length() - 1
            self._bits[at] &= byte - 1
            found.append((at << 3) + lowest)
        return found

    def _task(self, document: int, root: int, path: bytes, size: int, stratum: str) -> Task:
        carried = self._carried.pop(document, Carried(0))
        where = self._roots[root]
        return Task(
            document=document,
            id=document_id(where.label, path),
            file=os.path.join(where.folder, path),  # noqa: PTH118 - bytes
            path=text_of(where.label + b"/" + path),
            size=size,
            stratum=stratum,
            attempt=carried.attempt,
            previous_reason=carried.reason,
            interruptions=carried.interruptions,
        )


_SET = re.compile(rb"[^\0]")
