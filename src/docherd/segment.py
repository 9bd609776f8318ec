"""The one commit path: results reach the disk, then the ledger, then the eyes of readers.

    lines ─► pending/part-N.jsonl ─ fdatasync ─► ledger COMMIT ─► "done"          commit
                     │ 128 MB, 5 minutes or a clean stop
                     ▼
    parts that hold superseded Records are rewritten without them:                seal
        pending/part-M.jsonl.gK ─ fsync ─► COMMIT (generation K, holes) ─► rename over data/
    COMMIT sealed ─► rename into data/ ─► fsync of the folders

Every arrow can be cut by a SIGKILL or a power cut; ``recover`` brings any such state to one from
which going on is exact: what the ledger has committed counts, everything else never was.
(Protocol and measurements: SQLite WAL with synchronous=FULL; Flink's file sink for the tail that
is cut back to the committed length.)

An error from a sync is final and is never retried: Linux may have dropped the page.
"""

from __future__ import annotations

import os
import time
import zlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from docherd import host
from docherd.exceptions import DamageError, mendable
from docherd.ledger import Ledger
from docherd.model import Outcome, Spooled
from docherd.rows import Note, Part, Placed, Written
from docherd.sinks import jsonl
from docherd.sinks.jsonl import Range

#: a segment is sealed on reaching this many bytes or seconds
SEAL_BYTES, SEAL_SECONDS = 128 << 20, 300.0
#: bytes copied from a spool, and of lines written, between looks at anything else
SLICE, PIECE = 8 << 20, 256 << 10


class Segment:
    """The open part and the folders around it. Used by one thread at a time."""

    def __init__(self, out: Path, ledger: Ledger) -> None:
        self._pending = out / "pending"
        self._data = out / "data"
        self._ledger = ledger
        self._part: Part | None = None
        self._fd = -1
        self._opened = 0.0

    # ── a start ──────────────────────────────────────────────────────────────────────────────

    def check(self) -> None:
        """Raise DamageError, having changed nothing, where data and ledger disagree."""
        parts = self._ledger.parts()
        self._refuse_unknown({part.number for part in parts})
        for part in parts:
            self._refuse_damaged(part)

    def recover(self) -> None:
        """Bring any state that an interruption can leave to one from which going on is exact.

        The slots of the engine that died must have been read before.
        """
        parts = self._ledger.parts()
        for part in parts:
            if part.sealed:
                self._publish(part)
        self._sweep({part.number for part in parts if not part.sealed})
        for part in parts:
            if not part.sealed:
                self._reopen(part)
                self.seal()
        if self._ledger.stale():  # died between a commit and the rewriting it calls for
            self._rewrite_stale()

    def _refuse_unknown(self, known: set[int]) -> None:
        for name in sorted(os.listdir(self._data)):
            if (number := jsonl.part_number(name)) is not None and number not in known:
                raise DamageError(
                    f"data/{name} is not a part of this run; nothing was changed."
                    " Move it elsewhere, then run the same command again"
                )

    def _refuse_damaged(self, part: Part) -> None:
        published = self._data / jsonl.part_name(part.number)
        candidates = [self._staged(part)] if part.sealed else []
        candidates.append(published if part.sealed else self._staged(replace(part, generation=1)))
        if links := [each for each in candidates if each.is_symlink()]:
            raise DamageError(f"{links[0]} is a link; nothing was changed")
        sizes = [each.stat().st_size for each in candidates if each.exists()]
        if not sizes:
            raise mendable(f"{candidates[-1]} is missing", self._data.parent)
        if sizes[0] < part.size or (part.sealed and sizes[0] != part.size):
            raise mendable(
                f"{candidates[-1]} has {sizes[0]:,} bytes where the ledger knows {part.size:,}:"
                " it was damaged from outside",
                self._data.parent,
            )

    def _staged(self, part: Part) -> Path:
        return self._pending / jsonl.part_name(part.number, part.generation)

    def _sweep(self, open_parts: set[int]) -> None:
        """Delete what no ledger row speaks of: parts and rewritings that were never committed."""
        keep = {jsonl.part_name(number) for number in open_parts}
        ours = f"slot-{self._ledger.epoch}-"  # of this start's workers
        for name in os.listdir(self._pending):
            if name not in keep and not name.startswith(ours):
                (self._pending / name).unlink()

    def _reopen(self, part: Part) -> None:
        """Go on with an open segment, cut back to what was committed."""
        self._part = part
        self._fd = os.open(self._staged(part), os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
        if os.fstat(self._fd).st_size > part.size:
            os.ftruncate(self._fd, part.size)
            os.fsync(self._fd)

    # ── commit ───────────────────────────────────────────────────────────────────────────────

    @property
    def due(self) -> bool:
        """True where the open segment should be sealed."""
        if self._part is None:
            return False
        return self._part.size >= SEAL_BYTES or time.monotonic() - self._opened > SEAL_SECONDS

    def commit(self, outcomes: Sequence[Outcome], note: Note) -> None:
        """Make outcomes and their lines durable, then true."""
        part, placed = self._append(outcomes)
        if part is not self._part and part is not None:
            host.sync_data(self._fd)
            self._part = part
        self._ledger.commit(placed, part, note)
        for outcome in outcomes:
            if isinstance(outcome.lines, Spooled):
                host.punch_hole(outcome.lines.spool.fd, outcome.lines.offset, outcome.length)

    def _append(self, outcomes: Sequence[Outcome]) -> tuple[Part | None, list[Placed]]:
        """Write the lines; the part as it then is, and where each outcome's Records lie."""
        if any(outcome.length for outcome in outcomes) and self._part is None:
            self._open()
        part = self._part
        placed: list[Placed] = []
        if part is None:
            return None, [Placed(outcome) for outcome in outcomes]
        self._refuse_touched(part)
        size, crc = part.size, part.crc
        held: list[bytes] = []
        waiting = 0
        for outcome in outcomes:
            at = size + waiting
            placed.append(Placed(outcome, part.number if outcome.length else None, at))
            if isinstance(outcome.lines, Spooled):
                size, crc = self._write(held, size, crc)
                size, crc = self._copy(outcome.lines, outcome.length, size, crc)
            elif outcome.lines:
                held.append(outcome.lines)
            waiting = at + outcome.length - size if held else 0
            if waiting > PIECE:
                size, crc = self._write(held, size, crc)
                waiting = 0
        size, crc = self._write(held, size, crc)
        grown = replace(part, size=size, crc=crc) if size > part.size else part
        return grown, placed

    def _refuse_touched(self, part: Part) -> None:
        """Raise DamageError where somebody else removed or wrote the open segment."""
        now = os.fstat(self._fd)
        if not now.st_nlink or now.st_size < part.size:
            raise mendable(f"{self._staged(part)} was damaged during the run", self._data.parent)
        if now.st_size > part.size:  # the next start cuts it back
            raise DamageError(
                f"{self._staged(part)} was written by somebody else during the run; nothing is"
                " lost, run the same command again"
            )

    def _write(self, held: list[bytes], offset: int, crc: int) -> tuple[int, int]:
        """Lines into the segment; (new end, CRC). A piece at a time: its memory is used again."""
        data = b"".join(held)
        held.clear()
        jsonl.write_all(self._fd, data, offset)
        return offset + len(data), zlib.crc32(data, crc)

    def _copy(self, spooled: Spooled, length: int, offset: int, crc: int) -> tuple[int, int]:
        """A large result from its spool into the segment, within the kernel; (new end, CRC)."""
        end = offset + length
        source = spooled.offset
        while offset < end:
            wanted = min(SLICE, end - offset)
            copied = host.copy_range(spooled.spool.fd, source, self._fd, offset, wanted)
            if not copied:
                raise OSError(5, "a spool is shorter than its worker said")
            crc = zlib.crc32(os.pread(self._fd, copied, offset), crc)
            source, offset = source + copied, offset + copied
        return end, crc

    def _open(self) -> None:
        numbers = [part.number for part in self._ledger.parts()]
        part = Part(max(numbers, default=0) + 1, 1, sealed=False, size=0, crc=0)
        flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        self._fd = os.open(self._staged(part), flags, 0o644)
        host.sync_folder(self._pending)
        self._part, self._opened = part, time.monotonic()

    # ── seal ─────────────────────────────────────────────────────────────────────────────────

    def seal(self) -> None:
        """Publish the open segment as a part, after taking out what its Records supersede."""
        self._rewrite_stale()
        if self._part is None:
            return
        sealed = replace(self._part, sealed=True)
        self._ledger.write_part(sealed)
        os.close(self._fd)
        self._part, self._fd = None, -1
        self._publish(sealed)

    def _publish(self, part: Part) -> None:
        """Rename a committed file from pending/ over its name in data/, if it is still there."""
        staged = self._staged(part)
        if staged.exists():
            staged.rename(self._data / jsonl.part_name(part.number))
            host.sync_folder(self._data)
            host.sync_folder(self._pending)

    def _rewrite_stale(self) -> None:
        by_number = {part.number: part for part in self._ledger.parts()}
        for number, ranges in sorted(self._ledger.stale().items()):
            part = by_number[number]
            if part.sealed:
                self._rewrite(part, sorted(ranges))

    def _rewrite(self, part: Part, ranges: list[Range]) -> None:
        """One generation more of a published part, without ``ranges``."""
        here = [(jsonl.physical(offset, part.holes), length) for offset, length in ranges]
        holes = tuple(sorted({*part.holes, *ranges}))
        source = self._data / jsonl.part_name(part.number)
        target = self._write_again(replace(part, holes=holes), source, here)
        self._ledger.write_part(target, cleared=True)
        self._publish(target)

    def salvage(
        self, part: Part, source: Path, cut: list[Range], lost: Sequence[Written]
    ) -> tuple[int, int]:
        """Publish what is intact of a damaged part: ``source`` without the ranges ``cut``.

        What was ``lost`` is pending again; (how many of them, how many not: their file is gone).
        """
        gone = {(each.offset, each.length) for each in lost}
        holes = tuple(sorted({*part.holes, *gone, *self._ledger.stale().get(part.number, ())}))
        target = self._write_again(replace(part, sealed=True, holes=holes), source, cut)
        counts = self._ledger.mend(target, lost)
        self._publish(target)
        return counts

    def _write_again(self, part: Part, source: Path, cut: Sequence[Range]) -> Part:
        """The next generation in pending/, durable: a file without some ranges of it."""
        target = replace(part, generation=part.generation + 1)
        flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
        fd = os.open(self._staged(target), flags, 0o644)
        try:
            size, crc = jsonl.copy_without(source, fd, cut)
            os.fsync(fd)
        finally:
            os.close(fd)
        host.sync_folder(self._pending)
        return replace(target, size=size, crc=crc)
