"""What may be processed now, read from the ledger a few Documents at a time."""

from __future__ import annotations

import json
import re
from collections import Counter, OrderedDict
from collections.abc import Iterator, Sequence
from pathlib import Path

from docherd.model import Root, Task
from docherd.readonly import ReadOnly
from docherd.rows import Carried, Discovered

#: rows read with one query; Documents passed on as they were found; rows looked at first
AT_ONCE, NEAR, FIRST = 2000, 4000, 32

_SET = re.compile(rb"[^\0]")
#: multiples of it, without what is before the point, lie evenly between 0 and 1
_GOLDEN = 0.6180339887498949


class Window:
    """Documents that may be processed, a few at a time: in walk order, or of a stratum.

    While processing keeps up with the walk they are passed on as they were found. Of those that
    must wait only a bit each is kept (10 million Documents are 1.25 MB), and they are read from
    the ledger through a connection of our own that cannot write.
    """

    def __init__(self, path: Path, roots: Sequence[Root]) -> None:
        self._db = ReadOnly(path, ("document", "stratum"))
        self._roots = roots
        #: as they were found, before all others
        self._near: OrderedDict[int, Task] = OrderedDict()
        self._bits = bytearray()
        self._cursor = 0
        #: where the search in a stratum goes on, and how often one was begun elsewhere
        self._cursors: dict[str, int] = {}
        self._elsewhere = 0
        self._carried: dict[int, Carried] = {}
        #: Documents that `take` will give, and how many of which stratum
        self.waiting = 0
        self.strata: Counter[str] = Counter()

    def add(self, discovered: Discovered) -> None:
        """These may be processed; their rows must be committed."""
        self._carried.update(discovered.carried)
        if discovered.found and self.waiting == len(self._near) < NEAR:
            rows = zip(discovered.ready, discovered.found, discovered.strata, strict=True)
            self._near.update(
                (document, self._task(document, found.root, found.path, found.size, stratum))
                for document, found, stratum in rows
            )
        if discovered.ready:
            grown = (max(discovered.ready) >> 3) + 1 - len(self._bits)
            self._bits.extend(bytes(max(0, grown)))
        for document in discovered.ready:
            self._bits[document >> 3] |= 1 << (document & 7)
        self.waiting += len(discovered.ready)
        self.strata.update(discovered.strata)

    def take(self, most: int) -> list[Task]:
        """The next tasks in walk order; fewer than ``most`` only where no more are waiting."""
        near: list[Task] = []
        while self._near and len(near) < most:
            document, task = self._near.popitem(last=False)
            self._clear(document)
            near.append(task)
        return self._taken(near + self._read(self._next(min(most, AT_ONCE) - len(near))))

    def take_of(self, stratum: str, most: int, *, anywhere: bool = False) -> list[Task]:
        """Tasks of one stratum, in walk order; ``anywhere``: neighbours are alike, so begin the
        search at a place of its own.
        """
        found: list[int] = []
        last = len(self._bits) << 3
        begin = self._cursors.get(stratum, 0)
        if anywhere:
            self._elsewhere += 1
            begin = int(last * (self._elsewhere * _GOLDEN % 1))
        for after, until in ((begin, last), (0, begin)):
            if len(found) == most:
                break
            for document in self._of(stratum, after, until):
                if self._is_set(document):
                    found.append(document)
                if len(found) == most:
                    break
        if not anywhere and found:
            self._cursors[stratum] = found[-1] - 1
        for document in found:
            self._clear(document)
        if not found:  # the ledger calls them otherwise by now: the walk's order will meet them
            self.strata[stratum] = 0
        near = [self._near.pop(document) for document in found if document in self._near]
        passed = {task.document for task in near}
        read = self._read([document for document in found if document not in passed])
        return self._taken(sorted(near + read, key=lambda task: task.document))

    def _of(self, stratum: str, after: int, until: int) -> Iterator[int]:
        """The Documents of a stratum behind one, up to another."""
        rows = FIRST  # mostly the next ones are waiting
        while True:
            found = self._db.rows(
                "select d.id from document d join stratum s on s.id = d.stratum"
                " where s.name = ? and d.id > ? and d.id <= ? order by d.id limit ?",
                *(stratum, after, until, rows),
            )
            documents = [document for (document,) in found]
            yield from documents
            if len(documents) < rows:
                return
            after, rows = documents[-1], min(2 * rows, AT_ONCE)

    def _is_set(self, document: int) -> bool:
        at = document >> 3
        return at < len(self._bits) and bool(self._bits[at] >> (document & 7) & 1)

    def _clear(self, document: int) -> None:
        self._bits[document >> 3] &= ~(1 << (document & 7))

    def _taken(self, tasks: list[Task]) -> list[Task]:
        self.waiting -= len(tasks)
        self.strata.subtract([task.stratum for task in tasks])
        if self._carried:
            for task in tasks:
                self._carried.pop(task.document, None)
        return tasks

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
        again = True
        while len(found) < most:
            hit = _SET.search(self._bits, self._cursor)
            if hit is None:  # changed Documents lie behind the cursor
                if not (again and self._cursor):
                    break
                self._cursor, again = 0, False
                continue
            self._cursor = at = hit.start()
            byte = self._bits[at]
            bits = [bit for bit in range(8) if byte >> bit & 1][: most - len(found)]
            self._bits[at] = byte ^ sum(1 << bit for bit in bits)
            found += [(at << 3) + bit for bit in bits]
        return found

    def _task(self, document: int, root: int, name: bytes, size: int, stratum: str) -> Task:
        where = self._roots[root]
        # Kept until it is taken: one of those that were passed on may be read again, by stratum.
        if (carried := self._carried.get(document)) is None:
            return Task(document, where, name, size, stratum)
        before = (carried.attempt, carried.reason, carried.interruptions)
        return Task(document, where, name, size, stratum, *before)
