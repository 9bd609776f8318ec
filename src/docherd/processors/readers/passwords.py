"""Encrypted Office files, made into plain ones with the first password that fits."""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, BinaryIO
from xml.parsers.expat import ExpatError

from docherd.document import Document
from docherd.exceptions import CorruptError, EncryptedError
from docherd.processors.readers.inside import Inside
from docherd.processors.readers.parsing import corrupt_on

if TYPE_CHECKING:
    import olefile

#: what Excel encrypts with, and opens without asking, where only changes are forbidden
_EXCELS_OWN = "VelvetSweatshop"
_MALFORMED = (
    *(OSError, ValueError, LookupError, TypeError, AttributeError, OverflowError, AssertionError),
    *(struct.error, ExpatError, NotImplementedError),
)


def needed(tried: int = 0) -> EncryptedError:
    """What is said where none of so many passwords fits."""
    if not tried:
        return EncryptedError("a password is needed: --password-file")
    fitting = "the password does not fit" if tried == 1 else f"none of {tried} passwords fits"
    return EncryptedError(f"{fitting}: --password-file takes others")


def untried(kind: str, instead: str) -> EncryptedError:
    """What is said of a kind that no library decrypts."""
    return EncryptedError(f"a password is needed, and none is tried on {kind}: {instead}")


def unlocked(document: Document, passwords: Sequence[str]) -> Document:
    """``document`` as it was before it was encrypted.

    Raises EncryptedError where no password fits, CorruptError where it is not as it should be.
    """
    try:
        return _opened(document, passwords)
    except ImportError:
        if not passwords:
            raise needed() from None
        raise EncryptedError(
            "passwords of Office files are tried with: pip install 'docherd[passwords]'"
        ) from None
    except CorruptError:
        if not passwords:  # nobody has tried one yet: that comes first
            raise needed() from None
        raise


def _opened(document: Document, passwords: Sequence[str]) -> Document:
    from msoffcrypto import OfficeFile, exceptions
    from msoffcrypto.format.ooxml import OOXMLFile

    malformed = (exceptions.FileFormatError, exceptions.DecryptionError, exceptions.ParseError)
    with document.open() as file, corrupt_on(*_MALFORMED, *malformed):
        locked = OfficeFile(file)
        # Those of before 2007 are always verified.
        verify = {"verify_password": True} if isinstance(locked, OOXMLFile) else {}
        for password in (_EXCELS_OWN, *filter(None, passwords)):
            try:
                locked.load_key(password=password, **verify)
            except exceptions.InvalidKeyError:
                continue
            plain = io.BytesIO()
            locked.decrypt(plain)
            return Inside(document, document.path.name, partial(io.BytesIO, plain.getvalue()))
    raise needed(len(passwords))


def is_locked(file: BinaryIO) -> bool:
    """True where a Word, Excel or PowerPoint file of before 2007 says that it is encrypted."""
    import olefile

    try:
        with corrupt_on(*_MALFORMED), olefile.OleFileIO(file) as ole:
            word = _stream(ole, "WordDocument", 12)
            shown = _stream(ole, "Current User", 16)
            book = _stream(ole, "Workbook", 4096)
    except CorruptError:
        return False
    finally:
        file.seek(0)
    # fEncrypted of the FIB ([MS-DOC] 2.5.2); headerToken of the CurrentUserAtom ([MS-PPT] 2.3.2)
    encrypted = len(word) > 11 and bool(word[11] & 1)
    return encrypted or shown[12:16] == b"\xdf\xc4\xd1\xf3" or _FILE_PASS in _records(book)


#: the record of a workbook that says how it is encrypted ([MS-XLS] 2.4.117)
_FILE_PASS = 0x2F


def _records(book: bytes) -> Iterator[int]:
    """The numbers of a workbook's first records."""
    place = 0
    while place + 4 <= len(book):
        number, length = struct.unpack_from("<HH", book, place)
        yield number
        place += 4 + length


def _stream(ole: olefile.OleFileIO, name: str, limit: int) -> bytes:
    """The first bytes of a stream; none where there is no such stream."""
    if not ole.exists(name):
        return b""
    with ole.openstream(name) as stream:
        return bytes(stream.read(limit))
