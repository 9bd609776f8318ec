"""A disk of one's own, whose power can be cut: a file system in an image file.

What has been written to the image is what had reached the disk; what the kernel still holds for
that file system is lost. So a copy of the image, made while the writer stands still, is the disk
as the next boot would find it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SIZE = 96 << 20
#: seconds until nobody has files open there
PATIENCE = 20.0


def missing() -> str:
    """Why there can be no such disk here; empty where there can."""
    if os.geteuid() != 0:
        return "mounting a disk image needs root"
    tools = [name for name in ("mkfs.ext4", "mount", "umount") if not shutil.which(name)]
    if tools:
        return f"{', '.join(tools)} is not installed"
    return "" if Path("/dev/loop-control").exists() else "there are no loop devices"


def make(image: Path) -> None:
    """An empty ext4 file system."""
    image.unlink(missing_ok=True)
    with image.open("wb") as file:
        file.truncate(SIZE)
    eager = "lazy_itable_init=0,lazy_journal_init=0"  # nothing is written behind our back later
    _call("mkfs.ext4", "-q", "-F", "-E", eager, str(image))


@contextmanager
def mounted(image: Path, folder: Path) -> Iterator[Path]:
    """The file system at ``folder``; its journal is replayed, as after any power cut."""
    folder.mkdir(exist_ok=True)
    _call("mount", "-o", "loop", str(image), str(folder))
    try:
        yield folder
    finally:
        _unmount(folder)


def _unmount(folder: Path) -> None:
    """Processes that were just killed let go of their files a moment later."""
    deadline = time.monotonic() + PATIENCE
    while subprocess.run(["umount", str(folder)], capture_output=True, check=False).returncode:
        if time.monotonic() > deadline:
            _call("umount", "-l", str(folder))
            raise TimeoutError(f"somebody still has files open below {folder}")
        time.sleep(0.05)


def _call(*words: str) -> None:
    subprocess.run(words, check=True, capture_output=True)
