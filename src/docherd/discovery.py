"""What the walk found against what the ledger knows: new, changed, back again, unchanged, gone."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence

from docherd.model import Found, Status
from docherd.outcomes import Outcomes
from docherd.rows import Discovered, Known, OutcomeRow
from docherd.schema import PRUNED

#: paths looked up with one statement
LOOKUP = 500


def stratum_of(path: bytes, size: int) -> str:
    """``pdf/17``: extension and power-of-two size class, the unit of forecast and order."""
    name = path.rpartition(b"/")[2]
    _, dot, extension = name.rpartition(b".")
    known = dot and len(extension) <= 8 and extension.isalnum()
    return f"{extension.decode('ascii').lower() if known else ''}/{size.bit_length()}"


class Discovery:
    """The document and stratum tables. Call within a transaction."""

    def __init__(self, db: sqlite3.Connection, outcomes: Outcomes) -> None:
        self._db = db
        self._outcomes = outcomes
        self._documents = len(outcomes.status) - 1
        self._strata: dict[str, int] = {
            name: number for number, name in db.execute("select id, name from stratum")
        }
        #: a byte a Document: met by this start's walk
        self._seen = bytearray(self._documents + 1)
        #: finished Documents that this walk met as they were
        self.unchanged = 0

    def take(self, batch: Sequence[Found]) -> Discovered:
        """Insert the new, re-open the changed, note the seen."""
        result = Discovered([], {}, [])
        known = self._known(batch)
        self._insert([f for f in batch if (f.root, f.path) not in known], result)
        for found in batch:
            if (row := known.get((found.root, found.path))) is not None:
                self._compare(found, row, result)
        return result

    def vanish(self, prune: bool) -> int:
        """After a walk that took everything: what it did not meet is gone; how many were new."""
        outcomes = self._outcomes
        gone = [d for d in _zeros(self._seen) if d and not outcomes.is_gone(d)]
        earlier = outcomes.current(Status.GONE, None) if prune else []
        for document in gone:
            outcomes.append(OutcomeRow(document, Status.GONE, PRUNED if prune else None))
        for document in earlier:
            outcomes.append(OutcomeRow(document, Status.GONE, PRUNED))
        return len(gone)

    def _known(self, batch: Sequence[Found]) -> dict[tuple[int, bytes], Known]:
        known: dict[tuple[int, bytes], Known] = {}
        if not self._documents:
            return known
        for start in range(0, len(batch), LOOKUP):
            part = batch[start : start + LOOKUP]
            for root in {found.root for found in part}:
                paths = [found.path for found in part if found.root == root]
                marks = ",".join("?" * len(paths))
                rows = self._db.execute(
                    "select path, id, size, mtime_ns, inode, digest from document"  # noqa: S608
                    f" where root = ? and path in ({marks})",
                    (root, *paths),
                )
                known.update(((root, path), Known(*rest)) for path, *rest in rows)
        return known

    def _insert(self, new: Sequence[Found], result: Discovered) -> None:
        rows, aside = [], []
        for found in new:
            self._documents += 1
            name = stratum_of(found.path, found.size)
            where = (found.root, found.path, found.size, found.mtime_ns, found.inode)
            rows.append((self._documents, *where, self._stratum(name), found.digest))
            if found.reason:
                aside.append((self._documents, found))
            else:
                result.ready.append(self._documents)
                result.strata.append(name)
        self._db.executemany(
            "insert into document (id, root, path, size, mtime_ns, inode, stratum, digest)"
            " values (?, ?, ?, ?, ?, ?, ?, ?)",
            rows,
        )
        self._outcomes.status.extend(bytes(len(rows)))
        self._seen.extend(b"\1" * len(rows))
        for document, found in aside:
            self._set_aside(document, found)

    def _compare(self, found: Found, known: Known, result: Discovered) -> None:
        """A Document that the ledger knows."""
        document, outcomes = known.document, self._outcomes
        if self._seen[document]:
            return
        self._seen[document] = 1
        same = known.same_as(found) and not outcomes.is_gone(document)
        if not known.up_to_date(found):
            self._update(document, found)
        if same and not outcomes.is_pending(document):
            self.unchanged += 1
        elif found.reason:
            self._set_aside(document, found)
        else:
            if not same:
                outcomes.append(OutcomeRow(document, Status.PENDING))
            result.ready.append(document)
            result.strata.append(stratum_of(found.path, found.size))
            if document in outcomes.carried:
                result.carried[document] = outcomes.carried[document]

    def _update(self, document: int, found: Found) -> None:
        stratum = self._stratum(stratum_of(found.path, found.size))
        self._db.execute(
            "update document set size = ?, mtime_ns = ?, inode = ?, stratum = ?, digest = ?"
            " where id = ?",
            (found.size, found.mtime_ns, found.inode, stratum, found.digest, document),
        )

    def _set_aside(self, document: int, found: Found) -> None:
        """The walk itself says that it will not be opened."""
        assert found.reason
        status = Status.SKIPPED if found.reason.skips else Status.FAILED
        self._outcomes.append(OutcomeRow(document, status, found.reason, message=found.message))

    def _stratum(self, name: str) -> int:
        if name not in self._strata:
            self._strata[name] = len(self._strata) + 1
            self._db.execute(
                "insert into stratum (id, name) values (?, ?)", (self._strata[name], name)
            )
        return self._strata[name]


def _zeros(flags: bytearray) -> Iterator[int]:
    """The positions of the zero bytes."""
    at = flags.find(0)
    while at >= 0:
        yield at
        at = flags.find(0, at + 1)
