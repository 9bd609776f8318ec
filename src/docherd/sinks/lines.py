"""--format jsonl: the segment is the part, so that publishing it is a rename."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from docherd import host
from docherd.conversion import Answer, Conversion
from docherd.rows import Part
from docherd.sinks import jsonl
from docherd.sinks.parts import Parts
from docherd.sinks.sink import Hurry, Made, Range


class Lines:
    """JSON lines as a Sink."""

    mirrors = False

    def __init__(self, out: Path) -> None:
        self._parts = Parts(out, "jsonl")
        self._pending = out / "pending"
        self.publish = self._parts.publish
        self.check = self._parts.check

    def begin(self, part: Part, gone: Sequence[Range]) -> Conversion | None:
        return None

    def made(self, part: Part, answer: Answer) -> Made:
        return Made(replace(part, sealed=True))

    def rewrite(self, part: Part, target: Part, hurry: Hurry) -> Part:
        further = sorted(set(target.holes) - set(part.holes))
        cut = [(jsonl.physical(offset, part.holes), length) for offset, length in further]
        return write_again(target, self._parts.published(part), self._parts.staged(target), cut)

    def taken(self, name: str) -> bool:
        return False


def write_again(target: Part, source: Path, file: Path, cut: Sequence[Range]) -> Part:
    """``source`` without some ranges of it, as ``target`` in ``file``, durable."""
    flags = os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
    fd = os.open(file, flags, 0o644)
    try:
        size, crc = jsonl.copy_without(source, fd, cut)
        os.fsync(fd)
    finally:
        os.close(fd)
    host.sync_folder(file.parent)
    return replace(target, size=size, crc=crc)
