"""Parts that are one file each: part-000001.jsonl, part-000001.parquet."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

from docherd import host
from docherd.exceptions import DamageError, mendable
from docherd.rows import Part


class Parts:
    """Their names, and their way from pending/ into data/."""

    def __init__(self, out: Path, suffix: str) -> None:
        self._pending, self._data = out / "pending", out / "data"
        self._suffix = suffix
        self._name = re.compile(rf"part-(\d{{6,}})\.{suffix}")

    def name(self, number: int, generation: int = 1) -> str:
        """The file name of a part; of its rewriting while it lies in pending/."""
        later = "" if generation == 1 else f".g{generation}"
        return f"part-{number:06d}.{self._suffix}{later}"

    def number(self, name: str) -> int | None:
        """The number in a published part's file name, None for any other file."""
        match = self._name.fullmatch(name)
        return int(match[1]) if match else None

    def staged(self, part: Part) -> Path:
        """Where it lies before it is published."""
        return self._pending / self.name(part.number, part.generation)

    def published(self, part: Part) -> Path:
        return self._data / self.name(part.number)

    def file(self, part: Part) -> Path:
        """Where a sealed part lies now."""
        staged = self.staged(part)
        return staged if staged.exists() else self.published(part)

    def open(self, part: Part) -> BinaryIO:
        """A sealed part, or a later generation of it. Raises FileNotFoundError."""
        try:
            return self.staged(part).open("rb")
        except FileNotFoundError:
            return self.published(part).open("rb")

    def publish(self, part: Part) -> None:
        """Rename a committed file from pending/ over its name in data/, if it is still there."""
        staged = self.staged(part)
        if staged.exists():
            staged.rename(self.published(part))
            host.sync_folder(self._data)
            host.sync_folder(self._pending)

    def check(self, parts: Iterable[Part]) -> None:
        """Raise DamageError for a sealed part that is not as it was, and for an unknown one."""
        known = {part.number: part for part in parts}
        for name in self.unknown(known):
            raise DamageError(
                f"data/{name} is not a part of this run; nothing was changed."
                " Move it elsewhere, then run the same command again"
            )
        for part in known.values():
            if part.sealed:
                refuse_damaged(part, [self.staged(part), self.published(part)])

    def unknown(self, known: Iterable[int]) -> list[str]:
        """Names in data/ of parts that are not of this run."""
        numbers = set(known)
        names = sorted(os.listdir(self._data)) if self._data.is_dir() else []
        return [n for n in names if (m := self.number(n)) is not None and m not in numbers]


def refuse_damaged(part: Part, candidates: list[Path]) -> None:
    """Raise DamageError unless the first of these that is there has the bytes of the part."""
    out = candidates[0].parent.parent
    if links := [each for each in candidates if each.is_symlink()]:
        raise DamageError(f"{links[0]} is a link; nothing was changed")
    sizes = [each.stat().st_size for each in candidates if each.exists()]
    if not sizes:
        raise mendable(f"{candidates[-1]} is missing", out)
    if sizes[0] < part.size or (part.sealed and sizes[0] != part.size):
        raise mendable(
            f"{candidates[-1]} has {sizes[0]:,} bytes where the ledger knows {part.size:,}:"
            " it was damaged from outside",
            out,
        )
