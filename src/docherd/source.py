"""Where Documents come from: folders, globs and file lists, walked lazily.

    roots_of(inputs)   what the user typed → Roots, checked and labelled
    Source(...)        a thread that runs ahead of the engine and hands it batches of Found

A folder's entries come sorted by name, files before sub-folders; one with more than 20,000
entries in sorted slices, so that memory stays flat. Links, devices and hidden names are reported
and never opened. All names are bytes: a name need not be UTF-8.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import queue
import re
import stat
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from docherd.exceptions import EnvironmentFault, UsageError
from docherd.globs import Wanted
from docherd.model import Found, Reason, Root, printable, text_of

#: entries sorted at a time, Documents handed over at a time, batches ahead of the engine
SLICE, BATCH, AHEAD = 20_000, 1000, 8
#: seconds a Document may wait for its batch to fill
HOLD = 0.05

_GLOB = re.compile(r"[*?\[]")
#: names that hold nobody's Document: version control, locks of open Office files, litter
_HIDDEN_PREFIXES = (b".", b"~$")
_HIDDEN_NAMES = (b"__MACOSX", b"Thumbs.db", b"desktop.ini", b"$RECYCLE.BIN")


@dataclass(frozen=True, slots=True)
class Filters:
    """Which entries count; part of a run's identity, but for the limit."""

    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    hidden: bool = False
    #: read every file for a digest of its content
    checksum: bool = False
    #: the first so many Documents; None takes all
    limit: int | None = None


# ── what the user typed ──────────────────────────────────────────────────────────────────────


def roots_of(inputs: Sequence[str | os.PathLike[str]]) -> list[Root]:
    """Folders, files and globs as Roots, with unique labels.

    A folder is labelled by its name, a second of that name gets ``~2``; files are gathered under
    their folder. Raises UsageError where inputs overlap, EnvironmentFault where one is missing.
    """
    roots: list[Root] = []
    files: dict[bytes, int] = {}
    for each in inputs:
        root = _root_of(os.fsencode(os.fspath(each)))
        if root.names and root.folder in files:
            at = files[root.folder]
            roots[at] = replace(root, names=_merged(roots[at].names, root.names))
            continue
        if root.names:
            files[root.folder] = len(roots)
        roots.append(root)
    refuse_overlap(roots)
    return _labelled(roots)


def _merged(one: tuple[bytes, ...] | None, other: tuple[bytes, ...] | None) -> tuple[bytes, ...]:
    return tuple(dict.fromkeys((*(one or ()), *(other or ()))))


def _root_of(typed: bytes) -> Root:
    path = os.path.abspath(typed)  # noqa: PTH100 - bytes
    try:
        mode = os.stat(path).st_mode  # noqa: PTH116 - an input that is a link to a folder is meant
    except OSError as error:
        return _glob_of(typed, error)
    if stat.S_ISDIR(mode):
        return Root(b"", path)
    folder, name = os.path.split(path)
    return Root(b"", folder, names=(name,))


def _glob_of(typed: bytes, error: OSError) -> Root:
    text = os.fsdecode(os.path.abspath(typed))  # noqa: PTH100
    if not (found := _GLOB.search(text)):
        raise EnvironmentFault(f"input {printable(text_of(typed))}: {error.strerror}")
    cut = text.rindex("/", 0, found.start())
    folder = text[:cut] or "/"
    if not Path(folder).is_dir():
        raise EnvironmentFault(f"input {printable(folder)}: no such folder")
    return Root(b"", os.fsencode(folder), pattern=text[cut + 1 :])


def refuse_overlap(roots: Sequence[Root]) -> None:
    """Raise UsageError where an input lies in another: its Documents would count twice."""
    real = [os.path.join(os.path.realpath(root.folder), b"") for root in roots]  # noqa: PTH118
    for (i, one), (j, other) in itertools.permutations(enumerate(real), 2):
        if other.startswith(one) and roots[i].names is None:
            raise UsageError(
                f"inputs overlap: {_shown(roots[j])} lies in {_shown(roots[i])};"
                " its Documents would count twice, give only one of them"
            )


def _shown(root: Root) -> str:
    return printable(text_of(root.folder))


def _labelled(roots: Sequence[Root]) -> list[Root]:
    taken: set[bytes] = set()
    labelled = []
    for root in roots:
        name = os.path.basename(root.folder) or b"root"  # noqa: PTH119
        numbered = (name if n == 1 else b"%s~%d" % (name, n) for n in itertools.count(1))
        label = next(each for each in numbered if each not in taken)
        taken.add(label)
        labelled.append(replace(root, label=label))
    return labelled


def refuse_missing(roots: Sequence[Root]) -> None:
    """Raise EnvironmentFault where an input's folder is not there (a disk that is not mounted)."""
    for root in roots:
        if not os.path.isdir(root.folder):  # noqa: PTH112 - bytes
            raise EnvironmentFault(
                f"input {_shown(root)} is not there; is a disk missing? Nothing was changed"
            )


def refuse_output_inside(roots: Sequence[Root], out: Path) -> None:
    """Raise UsageError where the run folder lies in an input: results would become Documents."""
    target = os.path.join(os.path.realpath(os.fsencode(out)), b"")  # noqa: PTH118
    for root in roots:
        folder = os.path.join(os.path.realpath(root.folder), b"")  # noqa: PTH118
        if root.names is None and target.startswith(folder):
            raise UsageError(
                f"the output {printable(str(out))} lies in the input {_shown(root)};"
                " give an -o outside of it"
            )
        if folder.startswith(target):
            raise UsageError(
                f"the input {_shown(root)} lies in the output {printable(str(out))};"
                " give another -o"
            )


# ── walking ──────────────────────────────────────────────────────────────────────────────────


def walk(index: int, root: Root, filters: Filters) -> Iterator[Found]:
    """Every entry below a root, lazily; nothing but the entries themselves is opened."""
    wanted = Wanted(filters.include, filters.exclude, root.pattern)
    if root.names is not None:
        for name in filter(wanted.passes, root.names):
            yield from _found_by_path(index, root.folder, name)
        return
    waiting = [b""]
    while waiting:
        folder = waiting.pop()
        below: list[bytes] = []
        for entry, failure in _entries(os.path.join(root.folder, folder)):  # noqa: PTH118
            path = os.path.join(folder, entry.name) if entry else folder  # noqa: PTH118
            if entry is None:
                yield Found(index, path, 0, 0, 0, reason=failure[0], message=failure[1])
            elif not filters.hidden and hidden(entry.name):
                if wanted.passes(path):
                    yield Found(index, path, 0, 0, 0, reason=Reason.HIDDEN)
            elif entry.is_dir(follow_symlinks=False):
                below.append(path)
            elif wanted.passes(path):
                yield _found(index, path, entry)
        waiting.extend(reversed(below))


def listed(
    index: int, names: Iterable[bytes], filters: Filters, base: bytes = b""
) -> Iterator[Found]:
    """The files of a list: absolute paths, in the list's order, each once.

    ``base``: the folder that relative names are meant from; the working folder where not given.
    """
    here = base or os.getcwdb()  # noqa: PTH109 - bytes
    wanted = Wanted(filters.include, filters.exclude)
    seen: set[bytes] = set()
    for name in names:
        path = os.path.normpath(os.path.join(here, name))  # noqa: PTH118
        if not wanted.passes(path[1:]):
            continue
        if (key := hashlib.blake2b(path, digest_size=8).digest()) not in seen:
            seen.add(key)
            yield from _found_by_path(index, b"/", path[1:])


def hidden(name: bytes) -> bool:
    """True for names that hold nobody's Documents (``.git``, ``~$x.docx``, ``__MACOSX``)."""
    return name.startswith(_HIDDEN_PREFIXES) or name in _HIDDEN_NAMES


_Failure = tuple[Reason, str]


def _entries(folder: bytes) -> Iterator[tuple[os.DirEntry[bytes] | None, _Failure]]:
    """The entries of a folder, in sorted slices; (None, why) where it cannot be read."""
    none: _Failure = (Reason.INPUT_UNREADABLE, "")
    try:
        with os.scandir(folder) as scan:
            while part := list(itertools.islice(scan, SLICE)):
                part.sort(key=lambda entry: entry.name)
                yield from ((entry, none) for entry in part)
    except OSError as error:
        reason = Reason.PATH_TOO_LONG if error.errno == 36 else Reason.INPUT_UNREADABLE
        yield None, (reason, f"folder cannot be read: {error.strerror}")


def _found(index: int, path: bytes, entry: os.DirEntry[bytes]) -> Found:
    try:
        status = entry.stat(follow_symlinks=False)
    except OSError as error:
        return _unreadable(index, path, error)
    return _judged(index, path, status)


def _found_by_path(index: int, folder: bytes, path: bytes) -> Iterator[Found]:
    full = os.path.join(folder, path)  # noqa: PTH118
    try:
        yield _judged(index, path, os.lstat(full))
    except OSError as error:
        yield _unreadable(index, path, error)


def _unreadable(index: int, path: bytes, error: OSError) -> Found:
    reason = {2: Reason.INPUT_MISSING, 36: Reason.PATH_TOO_LONG}.get(error.errno or 0)
    return Found(
        index, path, 0, 0, 0, reason=reason or Reason.INPUT_UNREADABLE, message=error.strerror
    )


def _judged(index: int, path: bytes, status: os.stat_result) -> Found:
    reason = None
    if stat.S_ISLNK(status.st_mode):
        reason = Reason.SYMLINK
    elif not stat.S_ISREG(status.st_mode):
        reason = Reason.SPECIAL
    return Found(index, path, status.st_size, status.st_mtime_ns, status.st_ino, reason=reason)


def digest_of(path: bytes) -> bytes | None:
    """128-bit blake2b of a file's content; None where it cannot be read: processing says why."""
    digest = hashlib.blake2b(digest_size=16)
    try:
        with open(path, "rb", buffering=0) as file:  # noqa: PTH123 - bytes
            while chunk := file.read(1 << 20):
                digest.update(chunk)
    except OSError:
        return None
    return digest.digest()


# ── running ahead ────────────────────────────────────────────────────────────────────────────


class Source:
    """Walks in a thread of its own and keeps a few batches ready."""

    def __init__(
        self,
        entries: Iterable[Found],
        roots: Sequence[Root],
        filters: Filters,
        wake: Callable[[], None],
    ) -> None:
        """``wake`` is called, from the thread, each time something is ready."""
        self._entries = entries
        self._roots = roots
        self._filters = filters
        self._wake = wake
        self._ready: queue.Queue[list[Found] | None] = queue.Queue(AHEAD)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="docherd-source", daemon=True)
        self._failure: BaseException | None = None
        #: True once every batch has been taken
        self.ended = False
        #: True where the walk took everything there is
        self.complete = False

    def start(self) -> None:
        self._thread.start()

    def take(self) -> list[Found]:
        """A batch if one is ready, else nothing. Raises what the walk raised."""
        if self.ended:
            return []
        try:
            batch = self._ready.get_nowait()
        except queue.Empty:
            return []
        if batch is None:
            self.ended = True
            if self._failure:
                raise self._failure
            return []
        return batch

    def close(self) -> None:
        """Stop walking; a list that blocks (a pipe nobody writes to) is left behind."""
        self._stop.set()
        while not self.ended and self._thread.is_alive():
            try:
                self._ready.get(timeout=0.05)
            except queue.Empty:
                break
        self._thread.join(0.1)

    def _run(self) -> None:
        try:
            self.complete = self._walk()
        except BaseException as error:  # carried to the engine's thread
            self._failure = error
        self._put(None)

    def _walk(self) -> bool:
        """True where nothing was left out."""
        batch: list[Found] = []
        due, left = 0.0, self._filters.limit
        for found in self._entries:
            if left == 0 or self._stop.is_set():
                self._put(batch)
                return False
            left = None if left is None else left - 1
            batch.append(self._digested(found))
            if len(batch) >= BATCH or time.monotonic() > due:
                self._put(batch)
                batch, due = [], time.monotonic() + HOLD
        self._put(batch)
        return True

    def _digested(self, found: Found) -> Found:
        if not self._filters.checksum or found.reason:
            return found
        folder = self._roots[found.root].folder
        return replace(found, digest=digest_of(os.path.join(folder, found.path)))  # noqa: PTH118

    def _put(self, batch: list[Found] | None) -> None:
        if batch == []:
            return
        while not self._stop.is_set():
            try:
                self._ready.put(batch, timeout=0.2)
            except queue.Full:
                continue
            self._wake()
            return


def read_list(file: Path | None, null: bool) -> Iterator[bytes]:
    """Names from a file (None: standard input), one a line or ended by NUL, lazily."""
    separator = b"\0" if null else b"\n"
    rest = b""
    fd = 0 if file is None else os.open(file, os.O_RDONLY)
    try:
        while chunk := os.read(fd, 1 << 16):
            *names, rest = (rest + chunk).split(separator)
            yield from (name for name in names if name)
        if rest:
            yield rest
    finally:
        if file is not None:
            os.close(fd)
