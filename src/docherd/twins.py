"""Documents with the same content: of equal size first, then by a digest of what is in them."""

from __future__ import annotations

import hashlib
import time
from collections import defaultdict
from collections.abc import Iterable

#: files that are remembered; more are not compared
MOST = 2_000_000
#: bytes at the beginning of a file that most often tell two apart
HEAD = 1 << 14
#: bytes read at a time
PIECE = 1 << 20


class Twins:
    """Finds copies among files."""

    def __init__(self) -> None:
        self._by_size: dict[int, bytes | list[bytes]] = {}
        self._remembered = 0
        #: False where there may be more than `count` found
        self.complete = True

    def add(self, path: bytes, size: int) -> None:
        """Remember a file; an empty one is a copy of nothing."""
        if not size:
            return
        if self._remembered >= MOST:
            self.complete = False
            return
        self._remembered += 1
        met = self._by_size.get(size)
        if met is None:
            self._by_size[size] = path
        elif isinstance(met, list):
            met.append(path)
        else:
            self._by_size[size] = [met, path]

    def count(self, seconds: float, most: int) -> int:
        """Files whose content another one has, too, but for one of each.

        Reads for at most so many seconds and bytes, the smallest files first; what is left then
        makes it not `complete`. Files that cannot be read are no copies.
        """
        reader = _Reader(time.monotonic() + seconds, most)
        copies = 0
        for size, paths in sorted(self._by_size.items(), key=lambda pair: pair[0]):
            if isinstance(paths, list):
                copies += _copies(paths, size, reader)
            if reader.spent:
                self.complete = False
                break
        return copies


class _Reader:
    """Digests of files, until the time or the bytes are used up."""

    def __init__(self, until: float, most: int) -> None:
        self._until = until
        self._left = most

    @property
    def spent(self) -> bool:
        return self._left < 0 or time.monotonic() > self._until

    def digest(self, path: bytes, most: int) -> bytes | None:
        """Of the first so many bytes; None where it cannot be read or nothing more may be."""
        digest = hashlib.blake2b(digest_size=16)
        try:
            with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - bytes
                while most > 0 and (piece := file.read(min(PIECE, most))):
                    most -= len(piece)
                    self._left -= len(piece)
                    if self.spent:
                        return None
                    digest.update(piece)
        except OSError:
            return None
        return digest.digest()


def _copies(paths: list[bytes], size: int, reader: _Reader) -> int:
    """How many of these files of one size are copies of others."""
    alike = _grouped(paths, HEAD, reader)
    if size > HEAD:
        alike = [same for group in alike for same in _grouped(group, size, reader)]
    return sum(len(group) - 1 for group in alike)


def _grouped(paths: Iterable[bytes], most: int, reader: _Reader) -> list[list[bytes]]:
    """Those with the same first bytes together; who is alone with them is left out."""
    groups: dict[bytes, list[bytes]] = defaultdict(list)
    for path in paths:
        if (digest := reader.digest(path, most)) is not None:
            groups[digest].append(path)
    return [group for group in groups.values() if len(group) > 1]
