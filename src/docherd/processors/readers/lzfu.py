"""Compressed RTF of Outlook ([MS-OXRTFCP]): a dictionary of 4 KB that begins with usual words."""

from __future__ import annotations

import struct

from docherd.exceptions import CorruptError
from docherd.processors.readers.parsing import corrupt_on

_PREFILLED = (
    rb"{\rtf1\ansi\mac\deff0\deftab720{\fonttbl;}{\f0\fnil \froman \fswiss \fmodern \fscript "
    rb"\fdecor MS Sans SerifSymbolArialTimes New RomanCourier{\colortbl\red0\green0\blue0"
    b"\r\n"
    rb"\par \pard\plain\f0\fs20\b\i\u\tab\tx"
)
_WINDOW = 4096
_COMPRESSED, _STORED = b"LZFu", b"MELA"


def decompressed(data: bytes) -> bytes:
    """The RTF; what a cut stream still holds of it. Raises CorruptError where it is none."""
    with corrupt_on(struct.error):
        _, size, magic, _ = struct.unpack_from("<II4sI", data)
    if magic == _STORED:
        return data[16 : 16 + size]
    if magic != _COMPRESSED:
        raise CorruptError("its RTF is compressed in an unknown way")
    return bytes(_expanded(data[16:], min(size, len(data) * 10)))


def _expanded(data: bytes, size: int) -> bytearray:
    """At most ``size`` bytes: two bytes of input stand for 17 at most."""
    window = bytearray(_PREFILLED.ljust(_WINDOW, b"\0"))
    place, write, out = 0, len(_PREFILLED), bytearray()
    while place < len(data) and len(out) < size:
        flags = data[place]
        place += 1
        for bit in range(8):
            if place >= len(data):
                break
            if not flags >> bit & 1:
                piece = data[place : place + 1]
                place += 1
            else:
                reference = int.from_bytes(data[place : place + 2], "big")
                place += 2
                if place > len(data):
                    break
                offset, length = reference >> 4, (reference & 15) + 2
                if offset == write:
                    return out  # the end is a reference to where it would be written
                piece = _copied(window, offset, length, write)
            for byte in piece:
                window[write] = byte
                write = (write + 1) % _WINDOW
            out += piece
    return out


def _copied(window: bytearray, offset: int, length: int, write: int) -> bytes:
    """What stands in the window from there on; it may reach into what it is writing."""
    behind = (write - offset) % _WINDOW
    return bytes(window[(offset + each % behind) % _WINDOW] for each in range(length))
