"""The one commit path: results reach the disk, then the ledger, then the eyes of readers.

    lines ─► pending/part-N.jsonl ─ fdatasync ─► ledger COMMIT ─► "done"          commit
                     │ 128 MB, 5 minutes or a clean stop
                     ▼
    what it becomes (sinks) ─► pending/, fsync                                    seal
    parts that hold superseded Records are rewritten without them:                settle
        pending/part-M.jsonl.gK ─ fsync ─► COMMIT (generation K, holes) ─► rename over data/
    COMMIT sealed ─► rename into data/ ─► fsync of the folders ─► the segment is deleted

Under --format jsonl the segment is the part, and nothing has to be made of it. Otherwise that is
done in a process of its own while the next segment grows; until it is committed, the segment is
what counts.

Every arrow can be cut by a SIGKILL or a power cut; ``recover`` brings any such state to one from
which going on is exact: what the ledger has committed counts, everything else never was.
(Protocol and measurements: SQLite WAL with synchronous=FULL; Flink's file sink for the tail that
is cut back to the committed length.)

An error from a sync is final and is never retried: Linux may have dropped the page.
"""

from __future__ import annotations

import os
import shutil
import time
import zlib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from docherd import host
from docherd.conversion import Conversion, GivenUp
from docherd.exceptions import DamageError, mendable
from docherd.ledger import Ledger
from docherd.model import Outcome, Spooled
from docherd.rows import Note, Part, Placed, Written
from docherd.sinks import jsonl
from docherd.sinks.parts import Parts, refuse_damaged
from docherd.sinks.sink import Hurry, Made, Range, Sink

#: a segment is sealed on reaching this many bytes or seconds
SEAL_BYTES, SEAL_SECONDS = 128 << 20, 300.0
#: bytes copied from a spool, and of lines written, between looks at anything else
SLICE, PIECE = 8 << 20, 256 << 10


class Segment:
    """The open part and the folders around it. Used by one thread at a time."""

    def __init__(self, out: Path, ledger: Ledger, sink: Sink, hurry: Hurry = lambda: False) -> None:
        """``hurry``: True where what takes long is to be left to the next start."""
        self._pending = out / "pending"
        self._ledger = ledger
        self._sink = sink
        self._hurry = hurry
        self._segments = Parts(out, "jsonl")
        self._part: Part | None = None
        self._fd = -1
        self._opened = 0.0
        #: the closed segment of which something is being made
        self._closed: Part | None = None
        self._conversion: Conversion | None = None

    # ── a start ──────────────────────────────────────────────────────────────────────────────

    def check(self) -> None:
        """Raise DamageError, having changed nothing, where data and ledger disagree."""
        parts = self._ledger.parts()
        self._sink.check(parts)
        for part in parts:
            if not part.sealed:
                refuse_damaged(part, [self._segments.staged(part)])

    def recover(self) -> None:
        """Bring any state that an interruption can leave to one from which going on is exact.

        The slots of the engine that died must have been read before.
        """
        parts = self._ledger.parts()
        for part in parts:
            if part.sealed:
                self._publish(part)
        unsealed = [part for part in parts if not part.sealed]
        self._sweep({self._segments.staged(part).name for part in unsealed})
        for part in unsealed:
            self._reopen(part)
            self.seal()
        self.settle()
        if self._ledger.stale():  # died between a commit and the rewriting it calls for
            self._take_out_stale()

    def _sweep(self, keep: set[str]) -> None:
        """Delete what no ledger row speaks of: parts and rewritings that were never committed."""
        ours = f"slot-{self._ledger.epoch}-"  # of this start's workers
        for name in os.listdir(self._pending):
            if name not in keep and not name.startswith(ours):
                _delete(self._pending / name)

    def _reopen(self, part: Part) -> None:
        """Go on with an open segment, cut back to what was committed."""
        self._part = part
        flags = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC
        self._fd = os.open(self._segments.staged(part), flags)
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
            file = self._segments.staged(part)
            raise mendable(f"{file} was damaged during the run", self._pending.parent)
        if now.st_size > part.size:  # the next start cuts it back
            raise DamageError(
                f"{self._segments.staged(part)} was written by somebody else during the run;"
                " nothing is lost, run the same command again"
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
        self._fd = os.open(self._segments.staged(part), flags, 0o644)
        host.sync_folder(self._pending)
        self._part, self._opened = part, time.monotonic()

    # ── seal ─────────────────────────────────────────────────────────────────────────────────

    def seal(self) -> None:
        """Close the open segment; what it becomes is begun, and committed by ``settle``."""
        if self._closed is not None:
            self.settle()
        part = self._part
        if part is None:
            return
        self._conversion = self._sink.begin(part, self._ledger.stale().get(part.number, ()))
        os.close(self._fd)
        self._part, self._closed, self._fd = None, part, -1
        if self._conversion is None:
            self.settle()

    def settle(self, *, wait: bool = True) -> None:
        """Publish what was made of the closed segment, and take out what its Records supersede."""
        if self._closed is None:
            if wait:
                self._take_out_stale()
            return
        if not wait and self._conversion is not None and not self._conversion.done:
            return
        part, conversion = self._closed, self._conversion
        self._closed = self._conversion = None
        try:
            made = self._sink.made(part, conversion.wait(self._hurry) if conversion else {})
            if self._sink.mirrors:
                self._replace(made)
            else:
                self._rewrite_stale()
                self._ledger.write_part(made.part, cleared=True)
            self._publish(made.part)
        except GivenUp:
            pass  # the segment stays where it is

    def close(self) -> None:
        """End what is still being made; the next start makes it again. Idempotent."""
        if self._conversion is not None:
            self._conversion.close()
            self._conversion = self._closed = None

    def _publish(self, part: Part) -> None:
        """Into data/ with it, and away with the segment that it was made of."""
        self._sink.publish(part)
        segment = self._segments.staged(part)
        if segment.exists():
            segment.unlink()
            host.sync_folder(self._pending)

    def _take_out_stale(self) -> None:
        """No published part holds superseded Records any longer, if there is time for that."""
        if self._hurry():
            return
        if self._sink.mirrors:
            self._replace(None)
            return
        with suppress(GivenUp):
            self._rewrite_stale()

    def _rewrite_stale(self) -> None:
        for part in self._with_stale():
            target = replace(part, generation=part.generation + 1, holes=self._holes(part))
            target = self._sink.rewrite(part, target, self._hurry)
            self._ledger.write_part(target, cleared=True)
            self._publish(target)

    def _replace(self, made: Made | None) -> None:
        """Files of superseded Records go, unless one that was ``made`` takes their place."""
        old = [replace(part, holes=self._holes(part)) for part in self._with_stale()]
        if made is not None:
            self._ledger.publish(old, made.part, made.files, self._sink.taken)
        elif old:
            self._ledger.take_out(old)
            self._sink.publish(old[0])

    def _with_stale(self) -> list[Part]:
        """Published parts that hold superseded Records, by number."""
        stale = self._ledger.stale()
        return [part for part in self._ledger.parts() if part.sealed and part.number in stale]

    def _holes(self, part: Part) -> tuple[Range, ...]:
        """Those of a part once its superseded Records are out."""
        return tuple(sorted({*part.holes, *self._ledger.stale()[part.number]}))

    def mend(self, part: Part, lost: Sequence[Written]) -> tuple[int, int]:
        """Commit and publish what is left of a damaged part, durable in pending/ already.

        What was ``lost`` is pending again; (how many of them, how many not: their file is gone).
        """
        counts = self._ledger.mend(part, lost)
        if part.sealed:
            self._publish(part)
        return counts


def _delete(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()
