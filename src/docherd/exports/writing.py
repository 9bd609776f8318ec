"""Making one file of a run's Records.

    rows ─► survey: which columns, of what ─► rows again ─► a file beside ─► renamed

Twice, so that memory stays flat. Where a run goes on, the second reading may meet a column or a
type that the first has not: it is begun again, with room for that.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import BinaryIO, Protocol, cast

from docherd import selection
from docherd.exceptions import EnvironmentFault, UsageError
from docherd.exports import STREAMS, Asked, Exported
from docherd.exports.shape import Shape
from docherd.folder import replacing, sweep_unfinished
from docherd.model import printable, text_of
from docherd.selection import Selection
from docherd.units import count

#: byte order mark
BOM = b"\xef\xbb\xbf"
#: rows between two words of how far it is
TOLD = 256


class _Format(Protocol):
    def ready(self) -> None: ...

    def write(
        self, file: BinaryIO, rows: Iterable[Mapping[str, object]], shape: Shape
    ) -> list[str]: ...


def export(folder: Path, wanted: Selection, asked: Asked, told: Callable[[str], None]) -> Exported:
    """Write what is selected; ``told`` is given words of how far it is.

    Raises UsageError where a library is missing, a column is in no Record or a file is in the
    way, EnvironmentFault where the disk says no. What was there before is then still there.
    """
    form = cast("_Format", importlib.import_module(f"docherd.exports.{asked.format}"))
    form.ready()
    _refuse_existing(asked)
    work = _Work(folder, wanted, Shape(asked.columns), told)
    write = work.copy
    if asked.format != "jsonl" or asked.columns:
        work.survey()
        mark = BOM if asked.bom and asked.format == "csv" else b""
        write = partial(work.write, form, mark)
    if asked.file is None:
        return write(sys.stdout.buffer)
    try:
        sweep_unfinished(asked.file)
        with replacing(asked.file) as file:
            done = write(file)
            _refuse_existing(asked)  # it was not there before, which may be long ago
            return done
    except OSError as error:
        where = printable(text_of(os.fsencode(asked.file)))
        raise EnvironmentFault(f"cannot write {where}: {error.strerror or error}") from error


def _refuse_existing(asked: Asked) -> None:
    if asked.file is None:
        if asked.format not in STREAMS:
            raise UsageError(f"{asked.format} cannot go into a pipe: give -f FILE")
        if sys.stdout.isatty():
            raise UsageError("-f - is for a pipe; docherd cat is for the screen")
    elif asked.file.is_dir():
        raise UsageError(f"{_shown(asked.file)} is a folder: give -f FILE")
    elif not asked.overwrite and os.path.lexists(asked.file):
        raise UsageError(f"{_shown(asked.file)} exists: give another -f, or --force")


def _shown(file: Path) -> str:
    return printable(text_of(os.fsencode(file)))


def _begin_again(file: BinaryIO) -> None:
    if not file.seekable():
        raise EnvironmentFault("the run went on, and has new columns now: export it into a file")
    file.seek(0)
    file.truncate()


class _Outgrown(Exception):
    """A row has what the survey has not seen."""


class _Work:
    """The same rows, read more than once."""

    def __init__(
        self, folder: Path, wanted: Selection, shape: Shape, told: Callable[[str], None]
    ) -> None:
        self._folder = folder
        self._wanted = wanted
        self._shape = shape
        self._told = told
        self._found = self._written = 0

    def survey(self) -> None:
        """Read all of it for the columns, and what is in them."""
        for row in selection.rows(self._folder, self._wanted):
            self._shape.add(row)
            self._found += 1
            if self._found % TOLD == 0:
                self._told(f"reading: {count(self._found)} rows")
        self._shape.refuse_unknown()

    def copy(self, file: BinaryIO) -> Exported:
        """Write the lines as they are."""
        for line in selection.lines(self._folder, self._wanted):
            file.write(line)
            self._wrote()
        return self._done(file, [])

    def write(self, form: _Format, mark: bytes, file: BinaryIO) -> Exported:
        """Read it again, and write it after ``mark``."""
        while True:
            try:
                file.write(mark)
                return self._done(file, form.write(file, self._rows(), self._shape))
            except _Outgrown:
                _begin_again(file)

    def _rows(self) -> Iterator[Mapping[str, object]]:
        self._written = 0
        for row in selection.rows(self._folder, self._wanted):
            if self._shape.add(row):
                raise _Outgrown
            yield row
            self._wrote()

    def _wrote(self) -> None:
        self._written += 1
        if self._written % TOLD == 0:
            total = f" of {count(self._found)}" if self._found >= self._written else ""
            self._told(f"writing: {count(self._written)}{total} rows")

    def _done(self, file: BinaryIO, remarks: Sequence[str]) -> Exported:
        file.flush()
        size = file.tell() if file.seekable() else 0
        return Exported(self._written, len(self._shape.columns), size, tuple(remarks))
