"""The process that compares contents (--dedup): `python -P -m docherd.comparer PARENT`.

    copies (parent)                    comparer (this file)
    ───────────────                    ────────────────────
    where, which inputs   ──────►
                          ◄──────      digests, alone, twins, again: of those of one size, again
                                       and again; a sign of life every second
                          ◄──────      compared: that was all
                          ◄──────      pairs: (original, copy), as fast as they are taken
                          ◄──────      ended

Only files of the same size are opened; of larger ones first the beginning, and the whole only of
those that begin alike; of two names of one file one. A file that is not what the walk saw is like
no other. No code of a user runs here: what it says of contents can be believed.
"""

from __future__ import annotations

import hashlib
import os
import signal
import sqlite3
import stat
import sys
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self, cast

from docherd import host
from docherd.contents import Groups, Member, Verdict, grouped
from docherd.model import Root, Task
from docherd.walk import root_as_json, root_from_json
from docherd.wire import SOCKET, Channel, Json

#: bytes at the beginning of a file that most often tell two apart; bytes read at a time
HEAD, PIECE = 1 << 14, 1 << 20
#: verdicts sent together, seconds one may wait for others to come, pairs sent together
BATCH, HOLD, PAIRS = 1000, 1.0, 500
#: names of one file that are remembered
LINKS = 10_000


def main() -> None:
    """The life of the comparer."""
    host.tie_to_parent(int(sys.argv[1]))
    os.set_inheritable(SOCKET, False)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal's Ctrl-C is for the engine
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    channel = Channel(SOCKET)
    if (message := channel.receive()) is None:
        return
    try:
        _serve(channel, Order.from_json(message[0]))
    except (sqlite3.Error, OSError) as error:
        channel.send({"failed": str(error)})


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be compared."""

    #: of the run
    folder: str
    roots: tuple[Root, ...]
    #: larger files than this are not compared
    most: int
    #: False where there may be Documents that the walk did not come to: they are left as they are
    whole: bool = True

    def as_json(self) -> dict[str, Json]:
        raw = asdict(self) | {"roots": [root_as_json(root) for root in self.roots]}
        return cast("dict[str, Json]", raw)

    @classmethod
    def from_json(cls, raw: dict[str, Json]) -> Self:
        roots = tuple(map(root_from_json, cast("list[dict[str, object]]", raw["roots"])))
        return cls(**{**raw, "roots": roots})  # type: ignore[arg-type]


def _serve(channel: Channel, order: Order) -> None:
    answer = _Answer(channel, whole=order.whole)
    groups = Groups(Path(order.folder), order.roots, order.most, answer.beat)
    reader = _Reader(order.roots, answer.beat)
    for size in groups.sizes():
        _compare(groups, size, reader, answer)
    answer.send()
    channel.send({"compared": True})
    for pairs in grouped(groups.pairs(), PAIRS):
        channel.send({"pairs": cast("Json", pairs)})
    channel.send({"ended": True})


def _compare(groups: Groups, size: int, reader: _Reader, answer: _Answer) -> None:
    """Those of one size."""
    reader.forget()

    def whole(each: Member) -> bytes | None:
        if digest := reader.digest(each, size):
            answer.digests[each.document] = digest.hex()
            answer.beat()
        return digest

    if groups.unread(size):
        if size > HEAD:
            groups.put_heads(size, lambda each: reader.digest(each, HEAD))
        groups.put_digests(size, whole, by_head=size > HEAD)
    for verdict in groups.verdicts(size):
        answer.add(verdict)


class _Answer:
    """What was found out, sent in batches."""

    def __init__(self, channel: Channel, *, whole: bool) -> None:
        self._channel = channel
        self._whole = whole
        self._due = 0.0
        self._clear()

    def _clear(self) -> None:
        #: contents read now, by Document
        self.digests: dict[int, str] = {}
        #: pending ones that are nobody's copy
        self._alone: list[int] = []
        #: those that wait for another, and how many of which stratum they are
        self._twins: list[int] = []
        self._strata: Counter[str] = Counter()
        #: copies that have to be made anew
        self._again: list[int] = []

    def add(self, verdict: Verdict) -> None:
        document, original, stratum, pending, outdated = verdict
        if outdated := outdated and self._whole:
            self._again.append(document)
        if pending or outdated:
            if original == document:
                self._alone.append(document)
            else:
                self._twins.append(document)
                self._strata[stratum] += pending
        self.beat()

    def beat(self) -> None:
        """Send what there is, where that is due."""
        full = len(self.digests) + len(self._alone) + len(self._twins) >= BATCH
        if full or time.monotonic() > self._due:
            self.send()

    def send(self) -> None:
        """Digests go before or with what they decided."""
        self._channel.send(
            {
                "digests": [[document, each] for document, each in self.digests.items()],
                "again": cast("Json", self._again),
                "alone": cast("Json", self._alone),
                "twins": cast("Json", self._twins),
                "strata": cast("Json", dict(self._strata)),
            }
        )
        self._due = time.monotonic() + HOLD
        self._clear()


class _Reader:
    """Digests of files that are what the walk saw."""

    def __init__(self, roots: Sequence[Root], beat: Callable[[], None]) -> None:
        self._roots = roots
        self._beat = beat
        #: names of one file: (device, inode, bytes) → digest
        self._links: dict[tuple[int, int, int], bytes] = {}

    def forget(self) -> None:
        self._links.clear()

    def digest(self, each: Member, most: int) -> bytes | None:
        """Of the first so many bytes; None where it cannot be read, or has changed."""
        flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            fd = os.open(Task(0, self._roots[each.root], each.path, 0, "").file, flags)
        except (OSError, ValueError):
            return None
        try:
            return self._digest(fd, each, most)
        except OSError:
            return None
        finally:
            os.close(fd)

    def _digest(self, fd: int, each: Member, most: int) -> bytes | None:
        found = os.fstat(fd)
        if not stat.S_ISREG(found.st_mode) or not _same(found, each):
            return None
        link = found.st_dev, found.st_ino, most
        if (known := self._links.get(link)) is not None:
            return known
        digest = hashlib.blake2b(digest_size=16)
        left = most
        while left > 0 and (piece := os.read(fd, min(PIECE, left))):
            digest.update(piece)
            left -= len(piece)
            self._beat()
        if not _same(os.fstat(fd), each):
            return None
        if found.st_nlink > 1 and len(self._links) < LINKS:
            self._links[link] = digest.digest()
        return digest.digest()


def _same(found: os.stat_result, each: Member) -> bool:
    seen = each.size, each.mtime_ns, each.inode
    return (found.st_size, found.st_mtime_ns, found.st_ino) == seen


if __name__ == "__main__":
    main()
