"""Archives (zip, tar, rar): what is in them is listed, nothing is unpacked."""

from __future__ import annotations

import lzma
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import BinaryIO

from docherd.document import Document
from docherd.exceptions import CorruptError, EncryptedError, UnsupportedError
from docherd.processors.readers.parsing import corrupt_on

#: members of an archive that are listed; all of them are counted, up to the second
LISTED = 10_000
COUNTED = 5_000_000
#: members between two heartbeats
_BEAT = 1000


@dataclass(frozen=True, slots=True)
class Member:
    """A file in an archive, as the archive states it."""

    name: str
    bytes: int
    modified: str | None
    encrypted: bool = False

    def listed(self) -> dict[str, object]:
        """As it stands in the Record."""
        listed: dict[str, object] = {"name": self.name, "bytes": self.bytes}
        if self.modified:
            listed["modified"] = self.modified
        if self.encrypted:
            listed["encrypted"] = True
        return listed


def _described(members: Iterator[Member], document: Document) -> dict[str, object]:
    """The first members one by one, all of them in number and bytes; their names are the text."""
    listed: list[Member] = []
    count = size = 0
    record: dict[str, object] = {}
    for member in members:
        if count == COUNTED:
            record["partial"] = True
            break
        if count < LISTED:
            listed.append(member)
        count += 1
        size += member.bytes
        if count % _BEAT == 0:
            document.heartbeat(count)
    return record | {
        "files": count,
        "bytes": size,
        "members": [member.listed() for member in listed],
        "text": "\n".join(member.name for member in listed),
    }


# ── zip ──────────────────────────────────────────────────────────────────────────────────────


def read_zip(document: Document) -> dict[str, object]:
    """What the directory of a ZIP says, without its folders."""
    errors = (zipfile.BadZipFile, NotImplementedError, OSError, ValueError)
    with document.open() as file:
        with corrupt_on(*errors):
            archive = zipfile.ZipFile(file)
        with archive:
            infos = (info for info in archive.infolist() if not info.filename.endswith("/"))
            return _described(map(_zipped, infos), document)


def _zipped(info: zipfile.ZipInfo) -> Member:
    name = info.filename
    if not info.flag_bits & _STATED_UTF8 and not name.isascii():
        name = _named(info.orig_filename)
    return Member(name, info.file_size, _zip_date(info), bool(info.flag_bits & _ENCRYPTED))


_ENCRYPTED, _STATED_UTF8 = 0x1, 0x800


def _named(name: str) -> str:
    """A name in MS-DOS' code page is UTF-8 where it can be: many writers forget to say so."""
    try:
        return name.encode("cp437").decode()
    except ValueError:
        return name


def _zip_date(info: zipfile.ZipInfo) -> str | None:
    try:
        return datetime(*info.date_time).isoformat()
    except ValueError:
        return None  # month 0, where nobody stated any


# ── tar ──────────────────────────────────────────────────────────────────────────────────────


def read_tar(document: Document) -> dict[str, object]:
    """What the headers of a tar say, one after the other; only files are listed."""
    with document.open() as file:
        return _described(_tarred(_Forward(file)), document)


def _tarred(file: _Forward) -> Iterator[Member]:
    errors = (tarfile.TarError, OSError, ValueError, EOFError, RecursionError, OverflowError)
    with corrupt_on(*errors, zlib.error, lzma.LZMAError):
        archive = tarfile.TarFile(fileobj=file, errors="surrogateescape")  # type: ignore[arg-type]
    while True:
        with corrupt_on(*errors, zlib.error, lzma.LZMAError):
            member = archive.next()
        if member is None:
            return
        archive.members = []  # type: ignore[attr-defined]  # it keeps them all
        if member.isfile():
            yield Member(member.name, member.size, _tar_date(member.mtime))


def _tar_date(seconds: float) -> str | None:
    try:
        return datetime.fromtimestamp(seconds, UTC).isoformat() if seconds else None
    except (ValueError, OverflowError, OSError):
        return None


class _Forward:
    """A file as tarfile reads it, whose headers are of a size that memory holds.

    It goes forwards only, whatever a header says, so that there is an end.
    """

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def read(self, size: int) -> bytes:
        if not 0 <= size <= _LARGEST_HEADER:
            raise CorruptError(f"a header of {size:,} bytes")
        return self._file.read(size)

    def seek(self, place: int) -> None:
        if place > self._file.tell():
            self._file.seek(place)

    def tell(self) -> int:
        return self._file.tell()


_LARGEST_HEADER = 1024**2


# ── rar ──────────────────────────────────────────────────────────────────────────────────────


def read_rar(document: Document) -> dict[str, object]:
    """What the headers of a RAR say, without its folders; no program is started."""
    try:
        import rarfile
    except ImportError:
        raise UnsupportedError("RAR is listed with rarfile: pip install 'docherd[rar]'") from None
    rarfile.rar3_decompress = _no_comment
    with document.open() as file:
        with corrupt_on(*_ERRORS_OF_RAR, rarfile.Error):
            archive = rarfile.RarFile(file, errors="strict")
        if archive.needs_password() and not archive.infolist():
            raise EncryptedError("its list of members is encrypted")
        return _described(
            (
                Member(
                    info.filename, info.file_size, _rar_date(info.date_time), info.needs_password()
                )
                for info in archive.infolist()
                if not info.is_dir()
            ),
            document,
        )


def _no_comment(*_: object, **__: object) -> bytes:
    """For a comment that is compressed, rarfile would start unrar."""
    return b""


_ERRORS_OF_RAR = (
    *(OSError, ValueError, LookupError, TypeError, AttributeError, EOFError),
    *(struct.error, OverflowError, RecursionError),
)


def _rar_date(parts: object) -> str | None:
    try:
        return datetime(*parts).isoformat()  # type: ignore[misc]  # six numbers, or nothing
    except (TypeError, ValueError, OverflowError):
        return None
