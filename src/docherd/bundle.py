"""The inputs that failed, in a folder of their own, with a table of what became of each.

    FOLDER/failures.csv          one line a Document
    FOLDER/files/LABEL/...       the files, as they lie below their inputs
    FOLDER/by-id/ID.pdf          those whose names cannot be had here

Names and files are hostile: no link is followed, neither to read nor to write, and nothing is
written outside of FOLDER.
"""

from __future__ import annotations

import csv
import errno
import io
import os
import stat
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from docherd import host
from docherd.exceptions import EnvironmentFault, UsageError
from docherd.exports.cells import cell
from docherd.folder import replacing, write_atomically
from docherd.model import Root, printable, text_of
from docherd.remembered import Undone
from docherd.units import count, size

#: what a folder of ours holds; the first says of which run
MARK, TABLE, FILES, BY_ID = ".docherd-failures", "failures.csv", b"files", b"by-id"
COLUMNS = (
    *("document", "path", "status", "reason", "message", "attempts", "seconds", "peak_memory"),
    *("size", "kind", "copy", "note", "reproduce"),
)
#: nanoseconds that a file system may round times to (FAT: 2 s)
ROUNDED = 2_000_000_000
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Bundled:
    """What came of it."""

    taken: int
    #: were there from an earlier time
    there: int
    #: gone, or not to be read or written
    missing: int
    size: int


class _Problem(Exception):
    """Why one file could not be taken, in words."""


class Bundle:
    """A folder that is filled; close it, or use it in a ``with``."""

    def __init__(self, folder: Path, run: str, *, link: bool) -> None:
        """``run``: whose failures. Raises UsageError where other things lie in the folder.

        ``link``: hard links take the place of copies.
        """
        self._folder = folder
        self._link = link
        try:
            folder.mkdir(parents=True, exist_ok=True)
            _refuse_foreign(folder, run)
            self._top = os.open(folder, _FOLDER & ~os.O_NOFOLLOW)
        except OSError as error:
            raise EnvironmentFault(f"cannot write {_shown(folder)}: {error.strerror}") from error
        #: the folder of the last file: its parts, and opened
        self._last: tuple[tuple[bytes, ...], int] = ((), os.dup(self._top))
        #: inodes that were made or met by us
        self._ours: set[int] = set()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        os.close(self._last[1])
        os.close(self._top)

    def refuse_too_large(self, found: Iterable[Undone]) -> None:
        """Raise EnvironmentFault where copies of all these do not fit on the disk."""
        if self._link:
            return
        needed = sum(each.size for each in found if not self._there(each))
        disk = os.fstatvfs(self._top)
        free = disk.f_bavail * disk.f_frsize
        if needed > free:
            raise EnvironmentFault(
                f"the files are {size(needed)}, and {size(free)} are free in"
                f" {_shown(self._folder)}: choose some (--reason, --kind, --path), or --link"
            )

    def fill(
        self, found: Iterable[Undone], told: Callable[[str], None], missed: Callable[[str], None]
    ) -> Bundled:
        """Take all these, and write the table.

        ``told`` is given words of how far it is, ``missed`` a line for each that cannot be taken.
        """
        taken = there = missing = total = 0
        with replacing(self._folder / TABLE, durable=False) as file:
            text = io.TextIOWrapper(file, "utf-8", newline="")
            table = csv.writer(text, lineterminator="\r\n")
            table.writerow(COLUMNS)
            for each in found:
                copy, note = b"", ""
                try:
                    copy, new, note = self._take(each)
                    taken, there = taken + new, there + (not new)
                    total += each.size if new else 0
                except _Problem as problem:
                    missing, note = missing + 1, str(problem)
                    missed(printable(f"{each.failure.path}: {note}"))
                table.writerow(_row(each, copy, note))
                told(f"{'linked' if self._link else 'copied'}: {count(taken)}, {size(total)}")
            text.detach()
        return Bundled(taken, there, missing, total)

    # ── one file ─────────────────────────────────────────────────────────────────────────────

    def _take(self, each: Undone) -> tuple[bytes, bool, str]:
        """(name below the folder, whether it is new, what is odd about it)."""
        places = _places(each)
        try:
            source = os.open(each.file, _READ)
        except OSError as error:
            raise _Problem(
                _WHY.get(error.errno or 0, f"cannot be read: {error.strerror}")
            ) from None
        try:
            found = os.fstat(source)
            if not stat.S_ISREG(found.st_mode):
                raise _Problem("is no file any more")
            changed = (found.st_size, found.st_mtime_ns) != (each.size, each.mtime_ns)
            name, new = self._put(each, places, source, found)
            return name, new, "has changed since" if changed else ""
        finally:
            os.close(source)

    def _put(
        self,
        each: Undone,
        places: Sequence[tuple[bytes, ...]],
        source: int,
        found: os.stat_result,
    ) -> tuple[bytes, bool]:
        failure: OSError | None = None
        for parts in places:
            try:
                folder = self._opened(parts[:-1])
                there = _look(folder, parts[-1])
                if there and there.st_ino in self._ours:
                    continue  # a name that differs only where this file system sees no difference
                new = not (there and self._same(there, found))
                if new:
                    self._make(each, source, found, folder, parts[-1])
                if made := _look(folder, parts[-1]):
                    self._ours.add(made.st_ino)
                return b"/".join(parts), new
            except OSError as error:
                if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS):
                    where = _shown(self._folder)
                    raise EnvironmentFault(f"cannot write {where}: {error.strerror}") from error
                failure = failure or error
        why = failure.strerror if failure else "its name is taken"
        raise _Problem(f"cannot be written: {why}")

    def _make(
        self, each: Undone, source: int, found: os.stat_result, folder: int, name: bytes
    ) -> None:
        """The file under another name, then under its own: never a part of it."""
        unfinished = f".docherd-{each.failure.document}"
        with suppress(FileNotFoundError):
            os.unlink(unfinished, dir_fd=folder)
        try:
            if self._link:
                self._linked(each.file, found, folder, unfinished)
            else:
                _copied(source, found, folder, unfinished)
            os.rename(unfinished, name, src_dir_fd=folder, dst_dir_fd=folder)
        except BaseException:
            with suppress(FileNotFoundError):
                os.unlink(unfinished, dir_fd=folder)
            raise

    def _linked(self, file: bytes, found: os.stat_result, folder: int, name: str) -> None:
        try:
            os.link(file, name, dst_dir_fd=folder, follow_symlinks=False)
        except OSError as error:
            if error.errno == errno.EXDEV:
                where = _shown(self._folder)
                raise UsageError(
                    f"{where} is on another disk than {printable(text_of(file))}: leave out --link"
                ) from None
            raise
        made = os.stat(name, dir_fd=folder, follow_symlinks=False)
        if (made.st_dev, made.st_ino) != (found.st_dev, found.st_ino):
            raise _Problem("was replaced just now")

    def _there(self, each: Undone) -> bool:
        """True where an earlier call has made a copy of it, as far as names say."""
        try:
            file = self._folder.joinpath(*map(os.fsdecode, _places(each)[0]))
            return _alike(file.lstat(), each.size, each.mtime_ns)
        except (OSError, _Problem):
            return False

    def _same(self, there: os.stat_result, found: os.stat_result) -> bool:
        alike = _alike(there, found.st_size, found.st_mtime_ns)
        linked = (there.st_dev, there.st_ino) == (found.st_dev, found.st_ino)
        return alike and linked == self._link

    def _opened(self, parts: Sequence[bytes]) -> int:
        """The folder of these names, made where it is not there; no link on the way is followed."""
        wanted = tuple(parts)
        if wanted == self._last[0]:
            return self._last[1]
        folder = os.dup(self._top)
        try:
            for name in wanted:
                with suppress(FileExistsError):
                    os.mkdir(name, dir_fd=folder)
                deeper = os.open(name, _FOLDER, dir_fd=folder)
                os.close(folder)
                folder = deeper
        except BaseException:
            os.close(folder)
            raise
        os.close(self._last[1])
        self._last = (wanted, folder)
        return folder


_WHY = {
    errno.ENOENT: "is not there any more",
    errno.ENOTDIR: "is not there any more",
    errno.ELOOP: "is a symbolic link: not followed",
}


def refuse_inside(folder: Path, inputs: Iterable[Root], out: Path) -> None:
    """Raise UsageError where what is copied would become Documents, or lie among the results."""
    target = os.path.join(os.path.realpath(os.fsencode(folder)), b"")  # noqa: PTH118
    theirs = [root.folder for root in inputs if root.names is None]
    ours = [os.fsencode(out / name) for name in ("data", "pending")]
    for each in (*theirs, *ours):
        if target.startswith(os.path.join(os.path.realpath(each), b"")):  # noqa: PTH118
            raise UsageError(
                f"{_shown(folder)} lies in {printable(text_of(each))}: give another --to"
            )


def _refuse_foreign(folder: Path, run: str) -> None:
    mark = folder / MARK
    names = sorted(os.listdir(folder))
    if MARK not in names:
        if names:
            raise UsageError(
                f"{_shown(folder)} holds other things ({printable(names[0])}):"
                " give a --to that is new or empty"
            )
        write_atomically(mark, [run.encode()], durable=False)
    elif mark.is_symlink() or mark.read_bytes() != run.encode():
        raise UsageError(f"{_shown(folder)} holds what failed in another run: give another --to")


def _places(each: Undone) -> list[tuple[bytes, ...]]:
    """Where a file may lie below the folder, the best place first."""
    parts = each.name.lstrip(b"/").split(b"/")
    if any(part in (b"", b".", b"..") or b"\0" in part for part in parts):
        raise _Problem("has a name that no walk finds")
    ending = os.path.splitext(parts[-1])[1][:16]  # noqa: PTH122 - bytes
    return [(FILES, *parts), (BY_ID, each.failure.document.encode() + ending)]


def _look(folder: int, name: bytes) -> os.stat_result | None:
    try:
        return os.stat(name, dir_fd=folder, follow_symlinks=False)
    except FileNotFoundError:
        return None


def _alike(there: os.stat_result, size_: int, mtime_ns: int) -> bool:
    near = abs(there.st_mtime_ns - mtime_ns) < ROUNDED
    return stat.S_ISREG(there.st_mode) and there.st_size == size_ and near


def _copied(source: int, found: os.stat_result, folder: int, name: str) -> None:
    target = os.open(name, _NEW, 0o666, dir_fd=folder)
    try:
        at = 0
        while at < found.st_size:
            length = min(found.st_size - at, 1 << 24)
            if not (copied := host.copy_range(source, at, target, at, length)):
                raise _Problem("became shorter while it was copied")
            at += copied
        os.utime(target, ns=(found.st_atime_ns, found.st_mtime_ns))
    finally:
        os.close(target)


def _row(each: Undone, copy: bytes, note: str) -> list[str | int | float | None]:
    values = each.failure.as_json() | {
        "size": each.size,
        "kind": each.kind,
        "copy": text_of(copy),
        "note": note,
    }
    return [_harmless(values[name]) for name in COLUMNS]


def _harmless(value: object) -> str | int | float | None:
    """Names and messages are on one line each, as on the screen."""
    return cell("", printable(value) if isinstance(value, str) else value)


def _shown(folder: Path) -> str:
    return printable(text_of(os.fsencode(folder)))
