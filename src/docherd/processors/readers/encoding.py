"""Bytes to text: UTF-8 where it fits, else what the file declares, else the likeliest guess."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from charset_normalizer import CharsetMatch


@dataclass(frozen=True, slots=True)
class Decoded:
    """Text, and the encoding its bytes were taken to be in."""

    text: str
    encoding: str


def decode(data: bytes, declared: str | None = None) -> Decoded:
    """``data`` as text; ``declared`` is the encoding it claims, believed only if it fits.

    Never raises: where nothing fits, what cannot be decoded becomes U+FFFD.
    """
    for mark, encoding in _MARKS:
        if data.startswith(mark):
            return Decoded(data[len(mark) :].decode(encoding, "replace"), encoding)
    for claim in (wide_encoding(data[:4096]), "utf-8", declared):
        if claim and (fitting := _strictly(data, claim)):
            return fitting
    return _mostly_utf8(data) or _guessed(data)


def canonical(encoding: str) -> str:
    """The one name of an encoding that goes by many; as it stands where Python knows none."""
    try:
        return codecs.lookup(encoding).name
    except LookupError:
        return encoding.lower()


#: the longer marks first: UTF-32's begins with UTF-16's
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


def wide_encoding(head: bytes) -> str | None:
    """UTF-16 or UTF-32, told by its mark or by Western text's NUL in every other byte."""
    for mark, encoding in _MARKS:
        if encoding != "utf-8" and head.startswith(mark):
            return encoding
    even, odd = head[::2].count(0), head[1::2].count(0)
    if len(head) < 4 or min(even, odd) > 0 or max(even, odd) * 5 < len(head) * 2:
        return None
    return "utf-16-le" if odd else "utf-16-be"


def _strictly(data: bytes, claim: str) -> Decoded | None:
    try:
        encoding = codecs.lookup(claim).name
        return None if encoding in _NEVER_IN_FILES else Decoded(data.decode(encoding), encoding)
    except (LookupError, ValueError):
        return None


#: what a hostile file may declare because Python knows it; the first two take quadratic time
_NEVER_IN_FILES = frozenset({"idna", "punycode", "unicode-escape", "raw-unicode-escape"})


def _mostly_utf8(data: bytes) -> Decoded | None:
    """UTF-8 with a few broken places (a log cut in mid-character), not another encoding."""
    text = data.decode("utf-8", "replace")
    broken = text.count("\ufffd")
    whole = len(_BEYOND_ASCII.findall(text)) - broken
    return Decoded(text, "utf-8") if whole >= 10 * broken else None


_BEYOND_ASCII = re.compile(r"[^\x00-\x7f]")


def _guessed(data: bytes) -> Decoded:
    import charset_normalizer

    # A sample is enough to tell, and the whole would be decoded once per candidate. It ends with
    # a line: half a character at its end would speak against the right encoding.
    sample = data[:_SAMPLE].rpartition(b"\n")[0] if len(data) > _SAMPLE else data
    matches = charset_normalizer.from_bytes(sample or data[:_SAMPLE], cp_isolation=_ON_DISKS)
    best = matches.best()
    encoding = "cp1252"
    if best and not any(_is_western(match) and _ranks_with(match, best) for match in matches):
        encoding = best.encoding
    return Decoded(data.decode(encoding, "replace"), canonical(encoding))


def _is_western(match: CharsetMatch) -> bool:
    return "cp1252" in (match.encoding, *match.could_be_from_charset)


def _ranks_with(match: CharsetMatch, best: CharsetMatch) -> bool:
    """True where only the order of equals speaks for ``best``: short texts fit many code pages."""
    return match.chaos <= best.chaos and match.coherence + 0.05 >= best.coherence


_SAMPLE = 65_536
#: what files without a mark are in; the rarer ones (Mac, EBCDIC, ISO 8859-10) fit short texts too
#: well. Windows' supersets stand for ISO 8859-1, -7, -9 and the national standards of East Asia.
_ON_DISKS = [
    *(f"cp{page}" for page in range(1250, 1258)),
    "koi8_r",
    "cp932",
    "euc_jp",
    "iso2022_jp",
    "gb18030",
    "big5",
    "cp949",
]
