"""A SQLite file that is read and can never be written, and is not trusted."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

from docherd.exceptions import DamageError, DocherdError, EnvironmentFault
from docherd.model import text_of
from docherd.schema import definitions, plain


class ReadOnly:
    """A connection that hands out rows lazily.

    Every trouble is a DamageError, but for half a commit that a kill has left: EnvironmentFault.
    """

    def __init__(self, file: Path, tables: tuple[str, ...]) -> None:
        """Open ``file``; raises DamageError where it cannot be read or lacks one of ``tables``."""
        self._file = file
        # Percent-encoded: a folder may be called `a?mode=rwc#`, or not be UTF-8 at all.
        address = f"file:{quote(os.fsencode(file.absolute()))}?mode=ro"
        try:
            self._connection = sqlite3.connect(address, uri=True, isolation_level=None)
        except sqlite3.Error as error:
            raise self._trouble(error) from error
        self._connection.text_factory = lambda raw: raw.decode("utf-8", "backslashreplace")
        try:
            self._check(tables)
        except DocherdError:
            self.close()
            raise

    def _check(self, tables: tuple[str, ...]) -> None:
        for setting in ("query_only = on", "trusted_schema = off", "cell_size_check = on"):
            list(self.rows(f"pragma {setting}"))
        ours = {name: (kind, sql) for name, kind, sql in definitions()}
        rows = self.rows("select name, type, sql from sqlite_schema")
        found = {name: (kind, plain(sql)) for name, kind, sql in rows}
        for table in tables:  # a view of that name could do anything
            if found.get(table) != ours[table]:
                file = text_of(os.fsencode(self._file))
                raise DamageError(f"{file}: {table} is not ours; nothing was changed")

    def rows(self, query: str, *values: object) -> Iterator[tuple[Any, ...]]:
        """The rows of a query, as they are asked for."""
        try:
            # Not `yield from`: that closes the cursor, which may outlive its connection.
            for row in self._connection.execute(query, values):  # noqa: UP028
                yield row
        except sqlite3.Error as error:
            raise self._trouble(error) from error

    def freeze(self) -> None:
        """See the file as it is now until it is closed, though others write to it."""
        list(self.rows("begin"))
        list(self.rows("select count(*) from sqlite_schema"))  # the first read fixes the moment

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    def _trouble(self, error: sqlite3.Error) -> DocherdError:
        name = getattr(error, "sqlite_errorname", "") or ""
        file = text_of(os.fsencode(self._file))
        if name.startswith(_PASSING):
            return EnvironmentFault(
                f"{file}: a kill has left half a commit, which only a start may undo: run the same"
                f" command again, or docherd repair {text_of(os.fsencode(self._file.parent))}"
            )
        if name.startswith(_DISK):
            return EnvironmentFault(
                f"{file}: {error}; the run is safe, try again when it is mended"
            )
        return DamageError(f"{file}: cannot be read ({error}); nothing was changed")


#: what is the disk's, and not the file's
_DISK = ("SQLITE_IOERR", "SQLITE_FULL")
#: errors of a sound file: a hot journal cannot be rolled back by who only reads
_PASSING = ("SQLITE_READONLY_ROLLBACK", "SQLITE_READONLY_RECOVERY", "SQLITE_BUSY")
