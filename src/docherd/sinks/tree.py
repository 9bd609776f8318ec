"""The folders below data/, opened one in another: no link is followed, and none is too deep."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from docherd.exceptions import DamageError

#: what file managers leave anywhere
_LITTER = frozenset((".DS_Store", "Thumbs.db", "desktop.ini"))
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@contextmanager
def opened(top: Path, folder: str, *, create: bool = False) -> Iterator[int]:
    """A folder below ``top`` ("a/b", "" is ``top``). Raises OSError; DamageError for a link.

    ``create``: what is missing is made, and durable.
    """
    fd = os.open(top, _FOLDER)
    try:
        for name in folder.split("/") if folder else ():
            if create:
                _make(name, fd)
            inner = _open(top, folder, name, fd)
            os.close(fd)
            fd = inner
        yield fd
    finally:
        os.close(fd)


def _make(name: str, fd: int) -> None:
    try:
        os.mkdir(name, dir_fd=fd)
    except FileExistsError:
        return
    os.fsync(fd)


def _open(top: Path, folder: str, name: str, fd: int) -> int:
    try:
        return os.open(name, _FOLDER, dir_fd=fd)
    except NotADirectoryError:
        where = f"{top.name}/{folder}"
        raise DamageError(f"{where}: {name} is a link or a file; nothing was changed") from None


def remove(top: Path, name: str) -> None:
    """Delete a file, durable, and the folders that are empty without it."""
    folder, _, last = name.rpartition("/")
    try:
        with opened(top, folder) as fd:
            os.unlink(last, dir_fd=fd)
            os.fsync(fd)
    except FileNotFoundError:
        pass  # that was done before we were cut
    while folder:
        above, _, last = folder.rpartition("/")
        try:
            with opened(top, above) as fd:
                os.rmdir(last, dir_fd=fd)
        except OSError:
            return  # something is in it
        folder = above


def names(top: Path) -> Iterator[str]:
    """Every file below ``top``, whatever it is. Folders that links lead to are not looked into."""
    waiting = [""]
    while waiting:
        folder = waiting.pop()
        with opened(top, folder) as fd:
            entries = list(os.scandir(fd))
            for entry in entries:
                name = f"{folder}/{entry.name}" if folder else entry.name
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(name)
                elif entry.name not in _LITTER:
                    yield name
