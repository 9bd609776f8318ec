"""Walking folders and file lists, lazily.

    Walk             what is to be walked, as it travels to the walker's process
    found(walk)  ─►  one Found for every entry

A folder's entries come sorted by name, files before sub-folders; one with more than 20,000
entries in sorted slices, so that memory stays flat. Links, devices and hidden names are reported
and never opened. All names are bytes: a name need not be UTF-8.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self, cast

from docherd.globs import Wanted
from docherd.model import Found, Reason, Root
from docherd.readonly import ReadOnly

#: entries sorted at a time, names read at a time from an earlier run's ledger
SLICE, PAGE = 20_000, 10_000

#: names that hold nobody's Document: version control, locks of open Office files, what Windows,
#: Macs and storage boxes leave behind; in lower case, for they come in any
_HIDDEN_PREFIXES = (b".", b"~$")
_HIDDEN_NAMES = frozenset(
    {
        *(b"thumbs.db", b"ehthumbs.db", b"desktop.ini", b"$recycle.bin"),
        *(b"system volume information", b"__macosx", b"icon\r"),
        *(b"@eadir", b"@eastream", b"#recycle", b"#snapshot", b"lost+found"),
    }
)
#: files that somebody is still writing: downloads, transfers, Word's own
_UNFINISHED = (b".crdownload", b".part", b".partial", b".filepart", b".opdownload")


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


@dataclass(frozen=True, slots=True)
class Walk:
    """What is to be walked: roots, of which one with an empty label stands for a file list."""

    roots: tuple[Root, ...]
    filters: Filters
    #: the list: a path, "-" for standard input
    files_from: str | None = None
    #: its names end with NUL, not newline
    null: bool = False
    #: folder that relative names in it are meant from; empty: the working folder
    base: str = ""
    #: a ledger that remembers the list, where that came through a pipe
    ledger: str | None = None

    def as_json(self) -> dict[str, object]:
        return asdict(self) | {"roots": [root_as_json(root) for root in self.roots]}

    @classmethod
    def from_json(cls, raw: Mapping[str, object]) -> Self:
        roots = tuple(map(root_from_json, cast("list[dict[str, object]]", raw["roots"])))
        filters = cast("dict[str, object]", raw["filters"])
        globs = {name: tuple(cast("list[str]", filters[name])) for name in ("include", "exclude")}
        known = {"roots": roots, "filters": Filters(**filters | globs)}  # type: ignore[arg-type]
        return cls(**{**raw, **known})  # type: ignore[arg-type]


def root_as_json(root: Root) -> dict[str, object]:
    """A Root as run.json and the walker's process get it; bytes as surrogate escapes."""
    return {
        "label": os.fsdecode(root.label),
        "folder": os.fsdecode(root.folder),
        "names": None if root.names is None else [os.fsdecode(name) for name in root.names],
        "pattern": root.pattern,
    }


def root_from_json(raw: Mapping[str, object]) -> Root:
    """The inverse of root_as_json."""
    names = cast("list[str] | None", raw["names"])
    return Root(
        os.fsencode(cast("str", raw["label"])),
        os.fsencode(cast("str", raw["folder"])),
        None if names is None else tuple(map(os.fsencode, names)),
        cast("str | None", raw["pattern"]),
    )


def found(walk: Walk) -> Iterator[Found]:
    """Every entry, root by root, without regard to the limit.

    Raises OSError where a list cannot be read.
    """
    entries = itertools.chain.from_iterable(
        tree(index, root, walk.filters) if root.label else _listed(walk, index)
        for index, root in enumerate(walk.roots)
    )
    if not walk.filters.checksum:
        return entries
    return (_digested(walk, each) for each in entries)


def once(entries: Iterable[Found]) -> Iterator[Found]:
    """The entries without those that a list names again.

    Remembers some bytes of each. Where memory counts, the ledger finds out what came before.
    """
    seen: set[bytes] = set()
    for each in entries:
        key = hashlib.blake2b(b"%d:%s" % (each.root, each.path), digest_size=8).digest()
        if key not in seen:
            seen.add(key)
            yield each


# ── folders ──────────────────────────────────────────────────────────────────────────────────


def tree(index: int, root: Root, filters: Filters) -> Iterator[Found]:
    """Every entry below a root, lazily; nothing but the entries themselves is opened."""
    wanted = Wanted(filters.include, filters.exclude, root.pattern)
    if root.names is not None:
        for name in filter(wanted.passes, root.names):
            yield from _found_by_path(index, root.folder, name)
        return
    waiting = [b""]
    while waiting:
        folder = waiting.pop()
        prefix = folder + b"/" if folder else b""
        below: list[bytes] = []
        try:
            for entry in _entries(os.path.join(root.folder, folder)):  # noqa: PTH118
                path = prefix + entry.name
                if not filters.hidden and hidden(entry.name):
                    if wanted.enters(path) and wanted.passes(path):
                        yield Found(index, path, 0, 0, 0, reason=Reason.HIDDEN)
                elif entry.is_dir(follow_symlinks=False):
                    if wanted.enters(path):
                        below.append(path)
                elif not wanted.passes(path):
                    continue
                elif not filters.hidden and unfinished(entry.name):
                    yield Found(index, path, 0, 0, 0, reason=Reason.HIDDEN)
                else:
                    yield _found(index, path, entry)
        except OSError as error:
            reason = Reason.PATH_TOO_LONG if error.errno == 36 else Reason.INPUT_UNREADABLE
            why = f"folder cannot be read: {error.strerror}"
            yield Found(index, folder, 0, 0, 0, reason=reason, message=why)
        waiting.extend(reversed(below))


def hidden(name: bytes) -> bool:
    """True for names that hold nobody's Documents (``.git``, ``~$x.docx``, ``__MACOSX``)."""
    return name.startswith(_HIDDEN_PREFIXES) or name.lower() in _HIDDEN_NAMES


def unfinished(name: bytes) -> bool:
    """True for files that are being written (``x.pdf.part``, ``~wrl0001.tmp``)."""
    lower = name.lower()
    return lower.endswith(_UNFINISHED) or (lower.endswith(b".tmp") and lower.startswith(b"~"))


def _entries(folder: bytes) -> Iterator[os.DirEntry[bytes]]:
    """The entries of a folder, in sorted slices. Raises OSError where it cannot be read."""
    with os.scandir(folder) as scan:
        while part := list(itertools.islice(scan, SLICE)):
            part.sort(key=lambda entry: entry.name)
            yield from part


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
    where = (status.st_size, status.st_mtime_ns, status.st_ino)
    if stat.S_ISREG(status.st_mode):
        return Found(index, path, *where)
    reason = Reason.SYMLINK if stat.S_ISLNK(status.st_mode) else Reason.SPECIAL
    return Found(index, path, *where, reason=reason)


# ── contents ─────────────────────────────────────────────────────────────────────────────────


def _digested(walk: Walk, found: Found) -> Found:
    if found.reason:
        return found
    folder = walk.roots[found.root].folder
    return found._replace(digest=digest_of(os.path.join(folder, found.path)))  # noqa: PTH118


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


# ── lists ────────────────────────────────────────────────────────────────────────────────────


def listed(
    index: int, names: Iterable[bytes], filters: Filters, base: bytes = b""
) -> Iterator[Found]:
    """The files of a list: absolute paths, in the list's order.

    ``base``: the folder that relative names are meant from; the working folder where not given.
    """
    here = base or os.getcwdb()  # noqa: PTH109 - bytes
    wanted = Wanted(filters.include, filters.exclude)
    for name in names:
        path = os.path.normpath(os.path.join(here, name))  # noqa: PTH118
        if wanted.reaches(path[1:]):
            yield from _found_by_path(index, b"/", path[1:])


def _listed(walk: Walk, index: int) -> Iterator[Found]:
    if walk.ledger:
        names = _remembered(Path(walk.ledger), index)
    else:
        names = read_list(
            None if walk.files_from == "-" else Path(walk.files_from or ""), walk.null
        )
    return listed(index, names, walk.filters, os.fsencode(walk.base))


def _remembered(ledger: Path, root: int) -> Iterator[bytes]:
    """The paths that a ledger knows below a root, in the order of the first walk.

    Page by page: a long reading would keep the ledger's write-ahead log from being emptied.
    """
    opened, last = ReadOnly(ledger, ("document",)), 0
    try:
        while page := list(
            opened.rows(
                "select id, path from document where id > ? and root = ? order by id limit ?",
                *(last, root, PAGE),
            )
        ):
            last = page[-1][0]
            yield from (b"/" + path for _, path in page)
    finally:
        opened.close()


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
