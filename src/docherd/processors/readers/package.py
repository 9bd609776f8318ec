"""ZIP-based documents: opened only after their true size is known."""

from __future__ import annotations

import io
import shutil
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO

from docherd.exceptions import CorruptError, EncryptedError
from docherd.processors.readers.parsing import corrupt_on

#: most bytes one member, and all of them, may inflate to
MEMBER_LIMIT = 512 * 1024**2
TOTAL_LIMIT = 2 * 1024**3
_CHUNK = 1024**2
_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, OSError, ValueError)


@contextmanager
def opened(file: BinaryIO) -> Iterator[zipfile.ZipFile]:
    """The archive in ``file``, once every member has been inflated within the limits.

    The libraries that read the members afterwards inflate them whole and know no limit, and the
    sizes in the directory may lie. Raises EncryptedError or CorruptError.
    """
    with corrupt_on(*_BROKEN):
        archive = zipfile.ZipFile(file)
    with archive:
        _inflate_within_limits(archive)
        yield archive


def _inflate_within_limits(archive: zipfile.ZipFile) -> None:
    total = 0
    for info in archive.infolist():
        if info.flag_bits & 0x1:
            raise EncryptedError("a member of the ZIP is encrypted")
        with corrupt_on(*_BROKEN):
            total += _inflated(archive, info, TOTAL_LIMIT - total)


def _inflated(archive: zipfile.ZipFile, info: zipfile.ZipInfo, left: int) -> int:
    """Bytes the member really inflates to; raises CorruptError beyond the limits."""
    size = 0
    with archive.open(info) as member:
        while chunk := member.read(_CHUNK):
            size += len(chunk)
            if size > MEMBER_LIMIT or size > left:
                raise CorruptError(
                    f"a ZIP member inflates beyond {min(MEMBER_LIMIT, left):,} bytes"
                )
    return size


def texts_of(archive: zipfile.ZipFile) -> BinaryIO:
    """A copy in memory in which every member that is no XML (a picture, a font) is empty."""
    copy = io.BytesIO()
    with zipfile.ZipFile(copy, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as texts:
        for name in dict.fromkeys(archive.namelist()):
            with archive.open(name) as member, texts.open(name, "w") as kept:
                head = member.read(_CHUNK)
                if head.lstrip(_BEFORE_XML)[:1] == b"<":
                    kept.write(head)
                    shutil.copyfileobj(member, kept, _CHUNK)
    return copy


#: byte order marks, the zeros of UTF-16, and white space
_BEFORE_XML = b"\xef\xbb\xbf\xff\xfe\0 \t\r\n"


def is_encrypted_open_document(archive: zipfile.ZipFile) -> bool:
    """True where the manifest of an OpenDocument says how its members are encrypted."""
    try:
        return b"encryption-data" in archive.read("META-INF/manifest.xml")
    except KeyError:
        return False
