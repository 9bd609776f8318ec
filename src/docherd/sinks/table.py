"""A Parquet file of Records: written row by row in row groups, and read again.

Imported only where that is done: pyarrow takes its time.
"""

from __future__ import annotations

import io
import os
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple

import pyarrow as pa
import pyarrow.compute
import pyarrow.parquet as pq

from docherd.sinks import jsonl
from docherd.sinks.columns import EXTRA, FIRST, Column, Value, line_of, row_of

#: a row group is written at so many bytes of lines, or so many Records
GROUP_BYTES, GROUP_ROWS = 16 << 20, 100_000
#: what pyarrow raises for a file that is none, or damaged
UNREADABLE = (pa.ArrowException, ValueError, OSError)
#: rows taken out of a row group at a time
BATCH = 1000


class TableRow(NamedTuple):
    """A Record in a Parquet file."""

    document: str
    path: str
    ordinal: int
    values: tuple[Value, ...]
    extra: str | None


class Sealed(io.RawIOBase):
    """A new file that counts its bytes and their CRC-32, and is durable once it is closed."""

    def __init__(self, path: Path) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
        self._fd = os.open(path, flags, 0o644)
        self.size = self.crc = 0

    def writable(self) -> bool:
        return True

    def tell(self) -> int:
        return self.size

    def write(self, data: object) -> int:
        piece = bytes(data)  # type: ignore[call-overload]
        jsonl.write_all(self._fd, piece, self.size)
        self.crc = zlib.crc32(piece, self.crc)
        self.size += len(piece)
        return len(piece)

    def close(self) -> None:
        if not self.closed:
            super().close()
            try:
                os.fsync(self._fd)
            finally:
                os.close(self._fd)


class Table:
    """A Parquet file that is being written."""

    def __init__(self, path: Path, columns: Sequence[Column]) -> None:
        self._columns = columns
        self._schema = schema(columns)
        self._file = Sealed(path)
        self._writer = pq.ParquetWriter(
            self._file, self._schema, compression="zstd", write_page_checksum=True
        )
        self._rows: list[TableRow] = []
        self._bytes = 0

    def add(self, row: TableRow, size: int) -> None:
        """One more Record, of about so many bytes."""
        self._rows.append(row)
        self._bytes += size
        if self._bytes >= GROUP_BYTES or len(self._rows) >= GROUP_ROWS:
            self._write()

    def add_line(self, document: str, path: str, ordinal: int, line: bytes) -> None:
        """One more Record, as a segment has it."""
        values, extra = row_of(line, self._columns)
        self.add(TableRow(document, path, ordinal, tuple(values), extra), len(line))

    def _write(self) -> None:
        rows, self._rows, self._bytes = self._rows, [], 0
        if rows:
            flat = [(*row[:3], *row.values, row.extra) for row in rows]
            columns = [
                pa.array(column, field.type)
                for column, field in zip(zip(*flat, strict=True), self._schema, strict=True)
            ]
            self._writer.write_batch(pa.RecordBatch.from_arrays(columns, schema=self._schema))

    def close(self) -> tuple[int, int]:
        """Finish; (bytes, CRC-32) of the file, which is durable now."""
        self._write()
        self._writer.close()
        self._file.close()
        return self._file.size, self._file.crc


def schema(columns: Sequence[Column]) -> pa.Schema:
    """As Arrow has it: our keys, the columns, the rest."""
    first = zip(FIRST, ("string", "string", "int"), strict=True)
    fields = [*first, *columns, (EXTRA, "json")]
    return pa.schema([(name, _arrow(kind)) for name, kind in fields])


def _arrow(kind: str) -> pa.DataType:
    if kind.startswith("list "):
        return pa.list_(_arrow(kind.removeprefix("list ")))
    return {"bool": pa.bool_(), "int": pa.int64(), "float": pa.float64()}.get(kind, pa.string())


def rows(file: BinaryIO, columns: Sequence[Column]) -> Iterator[TableRow]:
    """Every Record in a file. Raises one of UNREADABLE where it cannot be read."""
    for group in groups(file, columns):
        yield from group


def groups(file: BinaryIO, columns: Sequence[Column]) -> Iterator[Iterator[TableRow]]:
    """The Records of each row group; a damaged one raises one of UNREADABLE when it is taken."""
    opened = _opened(file, columns)
    for number in range(opened.num_row_groups):
        yield _group(opened, number)


def _opened(file: BinaryIO, columns: Sequence[Column]) -> pq.ParquetFile:
    opened = pq.ParquetFile(file, page_checksum_verification=True)
    if not opened.schema_arrow.equals(schema(columns)):
        raise ValueError("it has other columns than this run")
    return opened


def _group(opened: pq.ParquetFile, number: int) -> Iterator[TableRow]:
    for batch in opened.iter_batches(BATCH, row_groups=[number]):
        columns = [column.to_pylist() for column in batch.columns]
        for document, path, ordinal, *values, extra in zip(*columns, strict=True):
            yield TableRow(document, path, ordinal, tuple(values), extra)


def of_document(file: BinaryIO, columns: Sequence[Column], document: str) -> Iterator[TableRow]:
    """The Records of one Document; of other row groups only the ids are read."""
    opened = _opened(file, columns)
    for number in range(opened.num_row_groups):
        ids = opened.read_row_group(number, columns=[FIRST[0]]).column(0)
        if pyarrow.compute.index(ids, document).as_py() >= 0:
            yield from (row for row in _group(opened, number) if row.document == document)


def as_line(row: TableRow, columns: Sequence[Column]) -> bytes:
    """A Record as a JSON line again."""
    head = dict(zip(FIRST, row[:3], strict=True))
    return line_of(head, zip(columns, row.values, strict=True), row.extra)


def size_of(row: TableRow) -> int:
    """About as many bytes as its line has."""
    texts = (*row.values, row.extra, row.path)
    return 60 + sum(len(each) for each in texts if isinstance(each, str | list))
