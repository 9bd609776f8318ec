"""The files that --format files has made of Documents, by name: part of the ledger.

A row without a part is a file that no longer counts and has yet to be deleted.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence

from docherd.rows import Listed, MadeFile, Part
from docherd.sinks.names import candidates, folded

#: what ``listed`` takes
COLUMNS = "name, document, part, size, crc, pieces"


_STALE = """select o.document, o.offset from outcome o
    cross join stale s on s.part = o.part and s.offset = o.offset where o.part = ?"""


class Listing:
    """The file table. What changes it is called within a transaction."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def add(self, part: int, made: Iterable[MadeFile], taken: Callable[[str], bool]) -> None:
        """Name what was made of a part; a Document that has a name keeps it.

        ``taken``: something in data/ has this name that is not ours.
        """
        for each in made:
            name = self._name(each, taken)
            self._db.execute(
                "update file set part = null where document = ? and name != ?",
                (each.document, name),
            )
            self._put(Listed(name, each.document, part, *each[4:]))

    def _name(self, made: MadeFile, taken: Callable[[str], bool]) -> str:
        query = "select name from file where document = ?"
        for (name,) in self._db.execute(query, (made.document,)):
            if str(name).endswith(made.suffix):
                return str(name)
        return next(
            name
            for name in candidates(made.path, made.id, made.suffix)
            if not self._has("folded", folded(name)) and not taken(name)
        )

    def _has(self, column: str, value: str) -> bool:
        query = f"select 1 from file where {column} = ?"  # noqa: S608
        return self._db.execute(query, (value,)).fetchone() is not None

    def adopt(self, files: Sequence[Listed]) -> None:
        """Files that were there before this ledger, of one Document: the first counts."""
        for each in files:
            self._put(each)
        rest = [(each.name,) for each in files[1:]]
        self._db.executemany("update file set part = null where name = ?", rest)

    def _put(self, row: Listed) -> None:
        pieces = None if row.pieces is None else json.dumps(row.pieces)
        values = (row.name, folded(row.name), *row[1:-1], pieces)
        self._db.execute("insert or replace into file values (?, ?, ?, ?, ?, ?, ?)", values)

    def doom(self, part: Part) -> None:
        """What is stale in a part, and in its holes now, no longer counts."""
        rows = self._db.execute(_STALE, (part.number,)).fetchall()
        holes = {offset for offset, _ in part.holes}
        self.lose(part.number, [document for document, offset in rows if offset in holes])

    def lose(self, part: int, documents: Iterable[int]) -> None:
        """What these Documents have of a part no longer counts."""
        self._db.executemany(
            "update file set part = null where document = ? and part = ?",
            [(document, part) for document in documents],
        )

    def of(self, part: int) -> Iterator[Listed]:
        """What was made of a part, by name."""
        query = f"select {COLUMNS} from file where part = ? order by name"  # noqa: S608
        for row in self._db.execute(query, (part,)):
            yield listed(*row)

    def has(self, name: str) -> bool:
        """This name is of ours, or was and is yet to be deleted."""
        return self._has("name", name)

    def doomed(self) -> list[str]:
        """Names that are to be deleted in data/."""
        return [name for (name,) in self._db.execute("select name from file where part is null")]

    def forget(self, names: Iterable[str]) -> None:
        """These have been deleted."""
        self._db.executemany(
            "delete from file where name = ? and part is null", [(name,) for name in names]
        )


def listed(name: str, document: int, part: int, size: int, crc: int, pieces: str | None) -> Listed:
    """A row of ``COLUMNS``."""
    lengths = None if pieces is None else tuple(json.loads(pieces))
    return Listed(name, document, part, size, crc, lengths)
