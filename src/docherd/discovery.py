"""What the walk found against what the ledger knows: new, changed, back again, unchanged, gone."""

from __future__ import annotations

import itertools
import json
import sqlite3
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace

from docherd.exceptions import EnvironmentFault
from docherd.model import Found, Reason, Status
from docherd.outcomes import Outcomes
from docherd.rows import Discovered, Known, OutcomeRow, Standing
from docherd.schema import PRUNED, insert
from docherd.sizes import Sizes

#: paths looked up with one statement
LOOKUP = 500
#: reasons of a folder that was not gone through
_UNREAD = (Reason.INPUT_UNREADABLE, Reason.PATH_TOO_LONG)


def stratum_of(path: bytes, size: int) -> str:
    """``pdf/17``: extension and power-of-two size class, the unit of forecast and order."""
    extension = _extension(path)
    known = extension.isalnum()
    return f"{extension.decode('ascii').lower() if known else ''}/{size.bit_length()}"


def _extension(path: bytes) -> bytes:
    """What may be one; empty where there is none."""
    _, dot, extension = path.rpartition(b".")
    return extension if dot and len(extension) <= 8 and b"/" not in extension else b""


class Discovery:
    """The document and stratum tables. Call within a transaction."""

    def __init__(self, db: sqlite3.Connection, outcomes: Outcomes) -> None:
        self._db = db
        self._outcomes = outcomes
        self._documents = self._earlier = len(outcomes.status) - 1
        #: the row that the walk met last, of those of earlier starts
        self._cursor = 0
        self._names: dict[int, str] = dict(db.execute("select id, name from stratum").fetchall())
        self._strata = {name: number for number, name in self._names.items()}
        #: the same by extension and size class, as they were met
        self._stratum_of: dict[tuple[bytes, int], tuple[int, str]] = {}
        #: a byte a Document: met by this start's walk
        self._seen = bytearray(self._documents + 1)
        #: finished Documents that this walk met as they were
        self.unchanged = 0
        #: which sizes there are, where those that have one in common are to wait
        self._sizes: Sizes | None = None
        #: known ones of a batch that have another size now
        self._resized: set[int] = set()

    def hold_alike(self) -> None:
        """From now on a Document waits where another one has its size (--dedup)."""
        self._sizes = Sizes()
        for (size,) in self._db.execute("select size from document"):
            self._sizes.add(size)

    def take(self, batch: Sequence[Found]) -> Discovered:
        """Insert the new, re-open the changed, note the seen."""
        result = Discovered([], {}, [], [])
        known = self._known(batch)
        try:
            self._insert(_unknown(batch, known), result)
        except sqlite3.IntegrityError:
            # A folder that changes while it is read may show a name in two batches.
            known |= self._looked_up(batch)
            self._insert(_unknown(batch, known), result)
        for found in batch:
            if found.reason in _UNREAD:
                self._see_below(found)
        for found in batch if known else ():
            if (row := known.get((found.root, found.path))) is not None:
                self._compare(found, row, result)
        return result if self._sizes is None else replace(result, held=self._alike(result))

    def _alike(self, result: Discovered) -> set[int]:
        """Those of the ready that have the size of another one, met earlier."""
        assert self._sizes
        held = set()
        for document, found in zip(result.ready, result.found, strict=True):
            if document > self._earlier or document in self._resized:
                self._sizes.add(found.size)
            if self._sizes.shared(found.size):
                held.add(document)
        self._resized.clear()
        return held

    def _see_below(self, folder: Found) -> None:
        """What is in a folder that cannot be read now is not known to be gone."""
        below = folder.path + b"/" if folder.path else b""
        rows = self._db.execute(
            "select id from document where root = ? and path >= ? and (? or path < ?)",
            (folder.root, below, not below, folder.path + b"0"),  # the byte after "/"
        )
        for (document,) in rows:
            self._seen[document] = 1

    def vanish(self, prune: bool) -> int:
        """After a walk that took everything: what it did not meet is gone; how many were new.

        Raises EnvironmentFault where it met nothing at all in an input, and ``prune`` would remove
        the Records of everything that was there.
        """
        outcomes = self._outcomes
        if prune:
            self._refuse_emptied()
        gone = [d for d in _zeros(self._seen) if d and not outcomes.is_gone(d)]
        earlier = outcomes.current(Status.GONE, None) if prune else []
        for document in gone:
            outcomes.append(OutcomeRow(document, Status.GONE, PRUNED if prune else None))
        for document in earlier:
            outcomes.append(OutcomeRow(document, Status.GONE, PRUNED))
        return len(gone)

    def _refuse_emptied(self) -> None:
        """An input that was full and is empty is more often a disk that is not there."""
        met: dict[int, bool] = {}
        for document, root in self._db.execute("select id, root from document"):
            met[root] = met.get(root, False) or bool(self._seen[document])
        if not all(met.values()):
            raise EnvironmentFault(
                "an input in which there were documents has none now: is a disk missing? Nothing"
                " was pruned; without --prune the run goes on, with --fresh it begins again"
            )

    def _known(self, batch: Sequence[Found]) -> dict[tuple[int, bytes], Known]:
        """What earlier starts know of a batch.

        A walk meets the Documents in the order of the first one, but for a few: the rows behind
        the last one met are read in one go, and only what is not among them is looked up.
        """
        if not self._earlier:
            return {}
        wanted = {(found.root, found.path) for found in batch}
        rows = self._db.execute(
            f"select {_COLUMNS} from document where id > ? and id <= ? limit ?",  # noqa: S608
            (self._cursor, self._earlier, len(batch)),
        ).fetchall()
        ahead = {(root, path): Known(*rest) for root, path, *rest in rows}
        known = {key: ahead[key] for key in wanted & ahead.keys()}
        known |= self._looked_up([f for f in batch if (f.root, f.path) not in known])
        met = (known[key] for f in reversed(batch) if (key := (f.root, f.path)) in known)
        self._cursor = next((row.document for row in met), self._cursor)
        return known

    def _looked_up(self, batch: Sequence[Found]) -> dict[tuple[int, bytes], Known]:
        """The rows of these paths."""
        known: dict[tuple[int, bytes], Known] = {}
        for start in range(0, len(batch), LOOKUP):
            part = batch[start : start + LOOKUP]
            for root in {found.root for found in part}:
                paths = [found.path for found in part if found.root == root]
                marks = ",".join("?" * len(paths))
                rows = self._db.execute(
                    f"select {_COLUMNS} from document where root = ? and path in ({marks})",  # noqa: S608
                    (root, *paths),
                )
                known.update({(root, path): Known(*rest) for root, path, *rest in rows.fetchall()})
        return known

    def _insert(self, new: Collection[Found], result: Discovered) -> None:
        """Raises IntegrityError, having inserted none, where one was there already."""
        rows, ready, strata, files, aside = [], [], [], [], []
        for document, found in enumerate(new, self._documents + 1):
            root, path, size, mtime_ns, inode, digest, reason, _ = found
            number, name = self._stratum(path, size)
            rows.append((document, root, path, size, mtime_ns, inode, number, digest))
            if reason:
                aside.append((document, found))
            else:
                ready.append(document)
                strata.append(name)
                files.append(found)
        self._write(rows)
        self._documents += len(rows)
        self._outcomes.status.extend(bytes(len(rows)))
        self._seen.extend(b"\1" * len(rows))
        for document, found in aside:
            self._set_aside(document, found)
        result.ready.extend(ready)
        result.strata.extend(strata)
        result.found.extend(files)

    def _write(self, rows: Sequence[tuple[object, ...]]) -> None:
        self._db.execute("savepoint discovered")
        try:
            insert(self._db, "document", rows)
        except sqlite3.IntegrityError:
            self._db.execute("rollback to discovered")
            raise
        finally:
            self._db.execute("release discovered")

    def _compare(self, found: Found, known: Known, result: Discovered) -> None:
        """A Document that the ledger knows."""
        document, outcomes = known.document, self._outcomes
        if self._seen[document]:
            return
        self._seen[document] = 1
        if known.size != found.size:
            self._resized.add(document)
        same = known.same_as(found) and not outcomes.is_gone(document)
        # As it is known: a probe may have refined it.
        stratum = known.stratum if same else self._stratum(found.path, found.size)[0]
        if stratum != known.stratum or not known.up_to_date(found):
            self._update(document, found, stratum)
        if same and not outcomes.is_pending(document):
            self.unchanged += 1
        elif found.reason:
            self._set_aside(document, found)
        else:
            if not same:
                outcomes.append(OutcomeRow(document, Status.PENDING))
            result.ready.append(document)
            result.strata.append(self._names[stratum])
            result.found.append(found)
            if document in outcomes.carried:
                result.carried[document] = outcomes.carried[document]

    def _update(self, document: int, found: Found, stratum: int) -> None:
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

    def compared(self, digests: Mapping[int, bytes], again: Sequence[int]) -> None:
        """Contents have been read; ``again``: what was made of them has to be made anew."""
        rows = list(digests.items())
        for start in range(0, len(rows), LOOKUP):
            part = rows[start : start + LOOKUP]
            # One statement: see schema.insert.
            self._db.execute(
                f"with new(id, digest) as (values {','.join(['(?, ?)'] * len(part))})"  # noqa: S608
                " update document set digest = new.digest from new where document.id = new.id",
                list(itertools.chain.from_iterable(part)),
            )
        for document in again:
            if not self._outcomes.is_pending(document):
                self._outcomes.append(OutcomeRow(document, Status.PENDING))

    def let_go(self, documents: Sequence[int]) -> Discovered:
        """These were held, and may be processed after all, where they are pending."""
        rows = self._db.execute(
            "select id, stratum from document where id in (select value from json_each(?))",
            (json.dumps(documents),),
        )
        strata = {document: self._names[stratum] for document, stratum in rows.fetchall()}
        ready = [each for each in documents if self._outcomes.is_pending(each)]
        carried = {d: self._outcomes.carried[d] for d in ready if d in self._outcomes.carried}
        return Discovered(ready, carried, [strata[each] for each in ready], [])

    def standing(self, document: int) -> Standing:
        """The Document, and what became of it."""
        row = self._db.execute(
            "select root, path, size, mtime_ns, inode from document where id = ?", (document,)
        ).fetchone()
        return self._outcomes.standing(document, Found(*row))

    def refine(self, refined: Mapping[int, str]) -> Discovered:
        """These Documents have been found to be of other strata, by row; they may be processed."""
        rows = [(self._number(name), document) for document, name in refined.items()]
        self._db.executemany("update document set stratum = ? where id = ?", rows)
        before = [name.rpartition("/")[0] for name in refined.values()]
        return Discovered([*refined], {}, [*refined.values()], [], before)

    def _stratum(self, path: bytes, size: int) -> tuple[int, str]:
        """Number and name of a Document's stratum."""
        key = _extension(path), size.bit_length()
        if (known := self._stratum_of.get(key)) is None:
            name = stratum_of(path, size)
            known = self._stratum_of[key] = self._number(name), name
        return known

    def _number(self, name: str) -> int:
        """Of a stratum, which is written down where it is new."""
        if name not in self._strata:
            number = self._strata[name] = len(self._strata) + 1
            self._names[number] = name
            self._db.execute("insert into stratum values (?, ?, null)", (number, name))
        return self._strata[name]


_COLUMNS = "root, path, id, size, mtime_ns, inode, digest, stratum"


def _unknown(batch: Sequence[Found], known: Mapping[tuple[int, bytes], Known]) -> Collection[Found]:
    """What is not known, each once."""
    keyed = {(found.root, found.path): found for found in batch}
    return [keyed[key] for key in keyed if key not in known] if known else keyed.values()


def _zeros(flags: bytearray) -> Iterator[int]:
    """The positions of the zero bytes."""
    at = flags.find(0)
    while at >= 0:
        yield at
        at = flags.find(0, at + 1)
