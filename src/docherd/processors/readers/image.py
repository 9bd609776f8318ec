"""Images: what their headers say; no picture is ever decoded."""

from __future__ import annotations

import io
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from typing import TYPE_CHECKING, BinaryIO, cast

from docherd.document import Document
from docherd.exceptions import CorruptError
from docherd.processors.readers.encoding import decode
from docherd.processors.readers.parsing import corrupt_on
from docherd.processors.readers.properties import names

if TYPE_CHECKING:
    from PIL import Image

#: pages of a TIFF, or frames of an animation, that are counted
MOST_PAGES = 100_000
#: times its size, and bytes beyond, that may be read of an image: headers can point in circles
_READ_OVER, _READ_BESIDE = 3, 16 * 1024**2
_MALFORMED = (
    *(OSError, ValueError, SyntaxError, LookupError, TypeError, AttributeError, EOFError),
    *(OverflowError, ZeroDivisionError, struct.error, RuntimeError, NotImplementedError),
)


def read(document: Document) -> dict[str, object]:
    """Size, pages and what the camera or the scanner wrote; the text is empty."""
    with document.open() as file, _opened(file, document) as image:
        record: dict[str, object] = {"width": image.width, "height": image.height}
        record |= {"mode": image.mode} | _counted(image, document)
        stated = _exif(image) | _info(image)
    return record | {key: value for key, value in stated.items() if value} | {"text": ""}


@contextmanager
def _opened(file: BinaryIO, document: Document) -> Iterator[Image.Image]:
    from PIL import Image

    # Size is no danger to who decodes nothing; Pillow refuses what is too large to be decoded.
    limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
    bounded = _Bounded(file, document.size * _READ_OVER + _READ_BESIDE)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of what is odd in an EXIF
            with corrupt_on(*_MALFORMED):
                image = _identified(cast("BinaryIO", bounded), document.kind)
            with image:
                yield image
    finally:
        Image.MAX_IMAGE_PIXELS = limit


def _identified(file: BinaryIO, kind: str) -> Image.Image:
    from PIL import Image, UnidentifiedImageError

    try:
        return Image.open(file, formats=(_FORMATS[kind],))
    except UnidentifiedImageError:  # it names the object, which differs from run to run
        raise CorruptError(f"begins like {kind}, but its header cannot be read") from None


#: what Pillow calls the kinds
_FORMATS = {
    **{kind: kind.upper() for kind in ("png", "jpeg", "tiff", "gif", "bmp", "webp", "avif", "psd")},
    "jp2": "JPEG2000",
}


class _Bounded(io.RawIOBase):
    """A file of which only so much is read, however often its header points back."""

    def __init__(self, file: BinaryIO, limit: int) -> None:
        self._file = file
        self._left = limit

    def read(self, size: int = -1) -> bytes:
        data = self._file.read(size)
        self._left -= len(data)
        if self._left < 0:
            raise CorruptError("its header points in circles")
        return data

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, place: int, whence: int = 0) -> int:
        return self._file.seek(place, whence)

    def tell(self) -> int:
        return self._file.tell()


def _counted(image: Image.Image, document: Document) -> dict[str, object]:
    """``pages`` of a TIFF; ``frames`` of what moves."""
    if image.format in _MOVING:
        with suppress(*_MALFORMED):
            return {"frames": image.n_frames} if image.is_animated else {}  # type: ignore[attr-defined]
    if image.format != "TIFF":  # what Pillow calls the frames of a Photoshop file are its layers
        return {}
    pages = 1
    with suppress(*_MALFORMED):  # the end, or a directory that cannot be read
        while pages < MOST_PAGES:
            image.seek(pages)
            pages += 1
            document.heartbeat(pages)
    with corrupt_on(*_MALFORMED):
        image.seek(0)
    return {"pages": pages}


_MOVING = ("GIF", "PNG", "WEBP", "AVIF")

# ── what the camera says ─────────────────────────────────────────────────────────────────────

_EXIF, _GPS = 0x8769, 0x8825
_DESCRIPTION, _MAKE, _MODEL, _ORIENTATION, _CHANGED, _ARTIST = 270, 271, 272, 274, 306, 315
_TITLE_OF_WINDOWS = 0x9C9B
_TAKEN, _TAKEN_ZONE, _CHANGED_ZONE = 0x9003, 0x9011, 0x9010


def _exif(image: Image.Image) -> dict[str, object]:
    """What EXIF states; nothing where it is garbage."""
    try:
        exif = image.getexif()
        detail, place = exif.get_ifd(_EXIF), exif.get_ifd(_GPS)
        plain = dict(exif)
    except _MALFORMED:
        return {}
    make, model = _text(plain.get(_MAKE)), _text(plain.get(_MODEL))
    orientation = plain.get(_ORIENTATION)
    return {
        "title": _text(plain.get(_TITLE_OF_WINDOWS)) or _text(plain.get(_DESCRIPTION)),
        "authors": names(_text(plain.get(_ARTIST))),
        "created": _date(detail.get(_TAKEN), detail.get(_TAKEN_ZONE)),
        "modified": _date(plain.get(_CHANGED), detail.get(_CHANGED_ZONE)),
        "camera": model if model.startswith(make) else f"{make} {model}".strip(),
        "orientation": orientation if orientation in range(1, 9) else None,
        "gps": _place(place),
    }


def _text(value: object) -> str:
    if isinstance(value, bytes):
        wide = "utf-16-le" if b"\0" in value.rstrip(b"\0") else None
        value = decode(value, wide).text
    return " ".join(value.replace("\0", " ").split()) if isinstance(value, str) else ""


def _date(stated: object, zone: object) -> str | None:
    """``2026:11:27 10:00:00``, in the time zone that stands beside it."""
    try:
        date = datetime.strptime(_text(stated), "%Y:%m:%d %H:%M:%S").isoformat()
        return datetime.fromisoformat(date + _text(zone)).isoformat()
    except ValueError:
        return None


def _place(gps: dict[int, object]) -> dict[str, float]:
    """Degrees north and east, metres above the sea."""
    stated = {
        "latitude": _degrees(gps.get(2), gps.get(1), "S", 90),
        "longitude": _degrees(gps.get(4), gps.get(3), "W", 180),
    }
    return {key: value for key, value in stated.items() if value is not None}


def _degrees(parts: object, side: object, negative: str, most: int) -> float | None:
    try:
        degrees, minutes, seconds = (float(part) for part in parts)  # type: ignore[attr-defined]
    except (TypeError, ValueError, ZeroDivisionError):
        return None
    value = degrees + minutes / 60 + seconds / 3600
    if not 0 <= value <= most:  # which no NaN is either
        return None
    return round(-value if _text(side).startswith(negative) else value, 6)


# ── what stands in the texts of a PNG, or in a comment ───────────────────────────────────────


def _info(image: Image.Image) -> dict[str, object]:
    stated = {
        str(key).lower(): _text(value)
        for key, value in image.info.items()
        if isinstance(value, str | bytes) and len(value) < _LONGEST
    }
    found: dict[str, object] = {
        "title": stated.get("title"),
        "authors": names(stated.get("author")),
        "description": stated.get("description") or stated.get("comment"),
    }
    return {key: value for key, value in found.items() if value}


_LONGEST = 65_536
