"""A set of Documents by row, a bit for each: 10 million are 1.25 MB."""

from __future__ import annotations

import re
from collections.abc import Iterator

_SET = re.compile(rb"[^\0]")


class Bits:
    """Grows as it is added to; in the order of the rows."""

    def __init__(self) -> None:
        self._bits = bytearray()

    def add(self, document: int) -> None:
        at = document >> 3
        if at >= len(self._bits):
            self._bits.extend(bytes(at + 1 - len(self._bits)))
        self._bits[at] |= 1 << (document & 7)

    def discard(self, document: int) -> None:
        if document in self:
            self._bits[document >> 3] &= ~(1 << (document & 7))

    def __contains__(self, document: int) -> bool:
        at = document >> 3
        return at < len(self._bits) and bool(self._bits[at] >> (document & 7) & 1)

    def __iter__(self) -> Iterator[int]:
        """May be changed meanwhile, but for growing."""
        at = 0
        while hit := _SET.search(self._bits, at):
            byte = self._bits[hit.start()]
            at = hit.start() + 1
            yield from ((hit.start() << 3) + bit for bit in range(8) if byte >> bit & 1)
