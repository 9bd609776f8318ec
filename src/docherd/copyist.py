"""Outcomes of copies, made from what became of their originals (--dedup).

Where the original is done, each of its lines with another document and path in front, and
``duplicate_of`` behind the ordinal; where it failed or was skipped, the same reason. An original
whose file is not what the walk saw is no original: what it says may be of another content. All of
it happens in the committer's thread.
"""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from docherd import records
from docherd.encoding import opening
from docherd.exceptions import mendable
from docherd.folder import Folder
from docherd.identity import JSONL
from docherd.ledger import Ledger
from docherd.model import Found, Outcome, Reason, Root, Spool, Spooled, Status, Task
from docherd.rows import COPY_OF, Standing
from docherd.slots import new_file

#: bytes of lines from which on they go through a spool, and after which a call returns
INLINE, AT_ONCE = 64 << 10, 16 << 20
#: reasons that are of the file, not of what is in it
_OF_THE_FILE = frozenset(
    {
        *(Reason.INPUT_MISSING, Reason.INPUT_CHANGED, Reason.INPUT_UNREADABLE),
        *(Reason.SYMLINK, Reason.SPECIAL, Reason.HIDDEN, Reason.PATH_TOO_LONG),
    }
)


class Copied(NamedTuple):
    """What came of some copies."""

    outcomes: list[Outcome]
    #: those that have to be processed, like any other
    alone: list[int]
    #: pairs that these were; the rest would have been too much at once
    pairs: int


class Copyist:
    """Makes copies. Of an original that is pending nothing is made: its copies stay pending."""

    def __init__(self, folder: Path, ledger: Ledger, roots: Sequence[Root]) -> None:
        self._folder = folder
        self._ledger = ledger
        self._roots = roots
        self._made_again = Folder(folder).read_about().format != JSONL
        self._spool: Spool | None = None
        self._end = 0

    def copy(self, pairs: Sequence[tuple[int, int]]) -> Copied:
        """(original, copy), originals together. Raises DamageError where their Records are not
        what was written.
        """
        outcomes: list[Outcome] = []
        alone: list[int] = []
        size = done = 0
        for original, group in groupby(pairs, key=lambda pair: pair[0]):
            twins = [document for _, document in group]
            standing = self._ledger.standing(original)
            task = self._task(original, standing.found)
            if standing.status is Status.PENDING:
                done += len(twins)
            elif not _is_original(task, standing):
                done += len(twins)
                alone += twins
            else:
                for outcome in self._outcomes(task, standing, twins):
                    outcomes.append(outcome)
                    size, done = size + outcome.length, done + 1
                    if size > AT_ONCE:
                        return Copied(outcomes, alone, done)
        return Copied(outcomes, alone, done)

    def _task(self, document: int, found: Found) -> Task:
        """Of no stratum: it takes no time, so nothing is learned of it. No attempt is charged."""
        return Task(document, self._roots[found.root], found.path, found.size, "", attempt=-1)

    def _outcomes(self, of: Task, standing: Standing, twins: Sequence[int]) -> Iterator[Outcome]:
        says = f"{COPY_OF}{of.path}"
        if standing.status is not Status.DONE and standing.message:
            says = f"{says}: {standing.message}"
        small = list(self._lines(of, standing)) if standing.length <= INLINE else None
        for document in twins:
            task = self._task(document, self._ledger.standing(document).found)
            made = Outcome(task, standing.status, standing.reason, message=says, kind=standing.kind)
            made = made._replace(records=standing.records)
            if small is None:
                yield self._spooled(made, of, self._lines(of, standing))
            else:
                yield _inline(made, of, small)

    def _lines(self, of: Task, standing: Standing) -> Iterator[bytes]:
        """What stands behind the opening of each line of the original."""
        head, crc, length, number = opening(of).encode(), 0, 0, 0
        if standing.part is None:
            return
        where = (standing.part, standing.offset, standing.length, of.document)
        for line in records.lines_at(self._folder, *where):
            crc, length, number = zlib.crc32(line, crc), length + len(line), number + 1
            if not line.startswith(head):
                break
            yield line[len(head) :]
        else:
            # Lines that a sink made again have other bytes; it has checked its own.
            made_again = self._made_again and number == standing.records
            if made_again or (crc, length) == (standing.crc, standing.length):
                return
        raise mendable(f"the Records of {of.path} are not what was written", self._folder)

    def _spooled(self, outcome: Outcome, of: Task, lines: Iterable[bytes]) -> Outcome:
        """Large ones do not stay in memory until they are committed."""
        if self._spool is None:
            self._spool, self._end = Spool(_nameless(self._folder / "pending" / "copies")), 0
        start = self._end
        crc = 0
        for line in _relabelled(outcome.task, of, lines):
            crc = zlib.crc32(line, crc)
            view = memoryview(line)
            while view:
                written = os.pwrite(self._spool.fd, view, self._end)
                view, self._end = view[written:], self._end + written
        place = Spooled(self._spool, start)
        return outcome._replace(lines=place, length=self._end - start, crc=crc)


def _is_original(task: Task, standing: Standing) -> bool:
    """True where what became of it is of its content, and its file is the one the walk saw."""
    if standing.status is Status.GONE or standing.reason in _OF_THE_FILE:
        return False
    try:
        now = os.lstat(task.file)
    except (OSError, ValueError):
        return False
    found = standing.found
    seen = found.size, found.mtime_ns, found.inode
    return (now.st_size, now.st_mtime_ns, now.st_ino) == seen


def _inline(outcome: Outcome, of: Task, lines: Iterable[bytes]) -> Outcome:
    made = b"".join(_relabelled(outcome.task, of, lines))
    return outcome._replace(lines=made, length=len(made), crc=zlib.crc32(made))


def _relabelled(task: Task, of: Task, lines: Iterable[bytes]) -> Iterator[bytes]:
    """Lines of another Document: an opening of their own, and whose copies they are."""
    head, key = opening(task).encode(), f', "duplicate_of": "{of.id}"'.encode()
    for line in lines:
        digits = len(line) - len(line.lstrip(b"0123456789"))
        yield b"%s%s%s%s" % (head, line[:digits], key, line[digits:])


def _nameless(path: Path) -> int:
    fd = new_file(path)
    path.unlink()
    return fd
