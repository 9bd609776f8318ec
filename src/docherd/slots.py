"""The files that say what each worker has in hand, and how the next start reads them."""

from __future__ import annotations

import os
from pathlib import Path

from docherd.wire import Slot


def slot_name(epoch: int, number: int) -> str:
    """A slot's file name: those of an earlier start are told apart by their epoch."""
    return f"slot-{epoch}-{number}"


def left_in_hand(folder: Path, epoch: int) -> list[int]:
    """The ledger rows that workers had in hand when the engine of ``epoch`` died."""
    found = []
    for file in folder.glob(slot_name(epoch, 0)[:-1] + "*"):
        with file.open("r+b") as opened:
            if os.fstat(opened.fileno()).st_size != Slot.SIZE:
                continue  # died before it was made whole: nothing was given yet
            slot = Slot(opened.fileno())
            index, held = slot.hand().place, slot.held()
            slot.close()
        if held[0] == epoch and 0 <= index < len(held[1]):
            found.append(held[1][index])
    return sorted(set(found))


def new_file(path: Path) -> int:
    """In the place of whatever has this name: what a killed start left, or a planted link."""
    path.unlink(missing_ok=True)
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
