"""A file compressed by gzip, bzip2 or xz: what is in it is read like any other Document."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import tempfile
import zlib
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import PurePath
from typing import BinaryIO, cast

from docherd.document import Document
from docherd.exceptions import CorruptError
from docherd.processors.kind import HEAD, claimed_by, kind_of
from docherd.processors.readers.inside import Inside
from docherd.processors.readers.parsing import corrupt_on

#: bytes that something may inflate to: what is read from front to back, and what is kept
FORWARD_LIMIT = 64 * 1024**3
KEPT_LIMIT = 2 * 1024**3
#: times its size that what is kept may inflate to, from so many bytes on
RATIO, RATIO_FROM = 200, 64 * 1024**2
#: files in a compressed file in a compressed file ...
DEEPEST = 3
#: bytes that are kept in memory; more are kept in a nameless file
_IN_MEMORY = 8 * 1024**2
_CHUNK = 1024**2
#: kinds whose readers go through the file once, from front to back
_FORWARD = frozenset({"tar", "mbox"})
#: what the beginning is said to be of kinds that only a look into their directory tells
_TOLD_BY_THE_WHOLE = frozenset({"zip", "ole", "ooxml-encrypted"})


@contextmanager
def inflated(document: Document, readable: Collection[str]) -> Iterator[Document]:
    """What ``document`` holds, under the name that it had before it was compressed.

    Of kinds that are not ``readable`` no more than the beginning is inflated. Raises CorruptError
    for what inflates without end.
    """
    if isinstance(document, Inside) and document.depth >= DEEPEST:
        raise CorruptError(f"compressed more than {DEEPEST} times over")
    name = _name(document.path)
    with _Inflating(document, FORWARD_LIMIT) as stream:
        head = stream.read(HEAD)
    kind = kind_of(io.BytesIO(head), PurePath(name).suffix)
    if kind in _FORWARD:
        yield Inside(document, name, lambda: _forward(document))
        return
    if kind not in readable and kind not in _TOLD_BY_THE_WHOLE:
        yield Inside(document, name, lambda: io.BytesIO(head))
        return
    with _kept(document) as opened:
        yield Inside(document, name, opened)


def _forward(document: Document) -> BinaryIO:
    return cast("BinaryIO", io.BufferedReader(_Inflating(document, FORWARD_LIMIT), _CHUNK))


def _name(path: PurePath) -> str:
    """``a.csv`` for a.csv.gz, ``a.tar`` for a.tgz; a name that promises no compression as it is."""
    if claimed_by(path.suffix) not in _OPENERS:
        return path.name
    return path.stem + _SHORTENED.get(path.suffix.lower(), "")


_SHORTENED = {".tgz": ".tar", ".tbz2": ".tar", ".txz": ".tar", ".svgz": ".svg"}


@contextmanager
def _kept(document: Document) -> Iterator[Callable[[], BinaryIO]]:
    """How to open what ``document`` holds, any number of times, one after the other."""
    limit = min(KEPT_LIMIT, max(RATIO_FROM, document.size * RATIO))
    with _Inflating(document, limit) as stream:
        head = _filled(stream, _IN_MEMORY)
        if len(head) < _IN_MEMORY:
            yield lambda: io.BytesIO(head)
            return
        with tempfile.TemporaryFile() as file:
            while head:
                file.write(head)
                head = stream.read(_CHUNK)
            file.flush()
            yield lambda: _again(file.fileno())


def _filled(stream: io.RawIOBase, size: int) -> bytes:
    with io.BytesIO() as data:
        while data.tell() < size and (chunk := stream.read(_CHUNK)):
            data.write(chunk)
        return data.getvalue()


def _again(number: int) -> BinaryIO:
    file = os.fdopen(os.dup(number), "rb")
    file.seek(0)
    return file


class _Inflating(io.RawIOBase):
    """The content as it is inflated, a heartbeat a megabyte; backwards it begins again."""

    def __init__(self, document: Document, limit: int) -> None:
        self._document = document
        self._limit = limit
        self._begin()

    def _begin(self) -> None:
        self._file = self._document.open()
        self._stream = _OPENERS[self._document.kind](self._file)
        self._place = 0
        self._next_beat = _CHUNK

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._place

    def readinto(self, buffer: object) -> int:
        view = memoryview(cast("bytearray", buffer))
        with corrupt_on(EOFError, OSError, zlib.error, lzma.LZMAError, ValueError):
            data = self._stream.read(len(view))
        view[: len(data)] = data
        self._place += len(data)
        if self._place > self._limit:
            raise CorruptError(f"inflates beyond {self._limit:,} bytes")
        if self._place >= self._next_beat:
            self._document.heartbeat()
            self._next_beat = self._place + _CHUNK
        return len(data)

    def seek(self, place: int, whence: int = os.SEEK_SET) -> int:
        if whence == os.SEEK_CUR:
            place += self._place
        elif whence == os.SEEK_END:
            raise io.UnsupportedOperation("nobody knows where it ends")
        if place < self._place:
            self._end()
            self._begin()
        while self._place < place and self.read(min(place - self._place, _CHUNK)):
            pass
        return self._place

    def close(self) -> None:
        if not self.closed:
            self._end()
        super().close()

    def _end(self) -> None:
        self._stream.close()
        self._file.close()


_OPENERS: dict[str | None, Callable[[BinaryIO], BinaryIO]] = {
    "gzip": lambda file: cast("BinaryIO", gzip.GzipFile(fileobj=file)),
    "bzip2": lambda file: cast("BinaryIO", bz2.BZ2File(file)),
    "xz": lambda file: cast("BinaryIO", lzma.LZMAFile(file)),  # noqa: SIM115 - closed in _end
}
