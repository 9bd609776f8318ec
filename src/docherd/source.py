"""Where Documents come from: folders, globs and file lists.

    roots_of(inputs)   what the user typed ─► Roots, checked and labelled
    Source(walk)       the walker: a process that runs ahead of the engine, in batches of Found

A process and not a thread: each `stat` of a thread lets go of the interpreter's lock and then
waits for it, beside a busy engine up to 5 ms (measured: 45 us a file where the stat takes 3).
"""

from __future__ import annotations

import itertools
import os
import re
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import cast

from docherd import guide
from docherd.ahead import Ahead
from docherd.exceptions import EnvironmentFault, UsageError
from docherd.model import Found, Outcome, Reason, Root, printable, text_of
from docherd.walk import Walk
from docherd.wire import Channel, Json, name_from_wire

#: entries that the engine takes together
TOGETHER = 3000

_GLOB = re.compile(r"[*?\[]")

#: what becomes of a Document whose disk was taken away, too
NOT_THERE = (Reason.INPUT_MISSING, Reason.INPUT_UNREADABLE)


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
        raise EnvironmentFault(guide.no_such_input(typed, error.strerror or str(error)))
    cut = text.rindex("/", 0, found.start())
    folder = text[:cut] or "/"
    if not Path(folder).is_dir():
        raise EnvironmentFault(guide.no_such_input(os.fsencode(folder), "no such folder"))
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


# ── running ahead ────────────────────────────────────────────────────────────────────────────


def blamed(outcome: Outcome) -> bool:
    """True where the input could not be read, as far as its reason or its own error says."""
    own = outcome.reason is Reason.ERROR and "[Errno " in (outcome.message or "")
    return own or outcome.reason in NOT_THERE


class Source:
    """The walker as the engine sees it: a few batches of Found are always ready."""

    def __init__(self, walk: Walk, wake: Callable[[], None]) -> None:
        """``wake`` is called, from a thread, each time something is ready."""
        self._walk = walk
        self._stood = [_place(root) for root in walk.roots]
        self._walker = Ahead("docherd.walker", self._receive, wake)
        #: True where the walk took everything there is
        self.complete = False

    def start(self) -> None:
        """Start the walker; from the engine's thread, with which it dies.

        Raises EnvironmentFault where the system has no process for us.
        """
        self._walker.start()

    @property
    def ended(self) -> bool:
        """True once every batch has been taken."""
        return self._walker.ended

    def take(self) -> list[Found]:
        """What is ready, up to about ``TOGETHER``.

        Raises what ended the walk: OSError for a list that cannot be read, EnvironmentFault where
        the walker itself died.
        """
        taken: list[Found] = []
        while len(taken) < TOGETHER and (batch := self._walker.take()) is not None:
            taken += batch
        return taken

    def lost(self) -> str | None:
        """Which input's folder is not what it was at the start, if one is: a disk taken away.

        What is missing below it is no Document's fault.
        """
        for root, stood in zip(self._walk.roots, self._stood, strict=True):
            if _place(root) != stood:
                return f"input {_shown(root)} is not there any more; is a disk missing?"
        return None

    def close(self) -> None:
        """Stop walking, whatever the walker waits for; idempotent."""
        self._walker.close()

    def _receive(self, channel: Channel) -> Iterator[list[Found]]:
        """In the walker's thread."""
        channel.send(cast("Json", self._walk.as_json()))
        while message := channel.receive():
            index, _ = message
            if "found" not in index:
                self.complete = _ended(index)
                return
            yield [_found(row) for row in cast("list[list[Json]]", index["found"])]
        raise EnvironmentFault("the process that walks the inputs died; run it again")


def _place(root: Root) -> tuple[int, int] | None:
    """The very folder: an unmounted disk leaves one of the same name."""
    try:
        found = os.stat(root.folder)  # noqa: PTH116 - bytes
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _found(row: list[Json]) -> Found:
    """As the walker wrote it; most end with the inode."""
    root, path, size, mtime_ns, inode = cast("list[int]", row[:5])
    name = name_from_wire(cast("str", path))
    if len(row) == 5:
        return Found(root, name, size, mtime_ns, inode)
    digest, reason, message = cast("list[str | None]", row[5:])
    content = bytes.fromhex(digest) if digest else None
    why = Reason(reason) if reason else None
    return Found(root, name, size, mtime_ns, inode, content, why, message)


def _ended(index: dict[str, Json]) -> bool:
    """How the walk ended: complete or not. Raises what it raised."""
    if "failed" in index:
        raise OSError(*cast("list[object]", index["failed"]))
    return bool(index["ended"])
