"""Which sizes of files have been met, and which more than once: in memory that does not grow."""

from __future__ import annotations

#: sizes that are told apart; larger ones share a place with smaller ones
PLACES = 1 << 26


class Sizes:
    """Two bits for every size, 16 MB in all however many files there are.

    Sizes that share a place are taken for the same: who asks has to look closer anyway.
    """

    def __init__(self) -> None:
        self._once = bytearray(PLACES >> 3)
        self._again = bytearray(PLACES >> 3)

    def add(self, size: int) -> None:
        """One more file of this size."""
        place = size % PLACES
        at, bit = place >> 3, 1 << (place & 7)
        if self._once[at] & bit:
            self._again[at] |= bit
        else:
            self._once[at] |= bit

    def shared(self, size: int) -> bool:
        """True where another file may have this size; an empty one is a copy of nothing."""
        place = size % PLACES
        return size > 0 and bool(self._again[place >> 3] >> (place & 7) & 1)
