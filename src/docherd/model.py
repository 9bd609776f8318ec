"""The nouns: what a Document is, and how an attempt on it can end.

Immutable values without behaviour beyond naming themselves; this module imports nothing of
docherd. Times are seconds, sizes are bytes, everywhere. What is made once for every Document
(Found, Task, Outcome) is a NamedTuple: a frozen dataclass of ten fields takes four times as long
to make, which a run over millions pays several times a Document.
"""

from __future__ import annotations

import base64
import hashlib
import os
import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NamedTuple


class Status(StrEnum):
    """Where a Document stands: the one vocabulary of ledger, report and screen."""

    PENDING = "pending"
    DONE = "done"
    FAILED = "failed"
    SKIPPED = "skipped"
    GONE = "gone"  #: was in the inputs once, is not now

    @property
    def final(self) -> bool:
        """True where no further attempt is due."""
        return self is not Status.PENDING


class Reason(StrEnum):
    """Why a Document is not done."""

    ERROR = "error"  #: the processor raised
    TIMEOUT = "timeout"  #: over its seconds
    STALLED = "stalled"  #: gave heartbeats, and then none for too long
    MEMORY = "memory"  #: over its memory
    CRASH = "crash"  #: ended by a signal, or broke the protocol
    EXIT = "exit"  #: the worker left without a result
    OUTPUT_TOO_LARGE = "output_too_large"
    RESULT_INVALID = "result_invalid"  #: the result is not JSON-like
    INTERRUPTED = "interrupted"  #: in hand when the whole engine died; only ever pending
    ENCRYPTED = "encrypted"
    CORRUPT = "corrupt"
    INPUT_MISSING = "input_missing"
    INPUT_CHANGED = "input_changed"
    INPUT_UNREADABLE = "input_unreadable"
    UNSUPPORTED = "unsupported"
    TOO_LARGE = "too_large"
    EMPTY = "empty"
    SYMLINK = "symlink"
    SPECIAL = "special"  #: a FIFO, socket or device: never opened
    HIDDEN = "hidden"
    PATH_TOO_LONG = "path_too_long"

    @property
    def skips(self) -> bool:
        """True where the Document is set aside on purpose: skipped, not failed."""
        return self in _SKIPS


_SKIPS = frozenset(
    {
        Reason.UNSUPPORTED,
        Reason.TOO_LARGE,
        Reason.EMPTY,
        Reason.SYMLINK,
        Reason.SPECIAL,
        Reason.HIDDEN,
        Reason.PATH_TOO_LONG,
    }
)


# ── names ────────────────────────────────────────────────────────────────────────────────────


def document_id(label: bytes, path: bytes) -> str:
    """16 letters for a Document: the same in every run of the same tree.

    Lower-case base32 of an 80-bit blake2b over (label, NUL, path below the root).
    """
    digest = hashlib.blake2b(label + b"\0" + path, digest_size=10).digest()
    return base64.b32encode(digest).decode().lower()


def text_of(name: bytes) -> str:
    """A path as valid Unicode: bytes that are not UTF-8 become ``\\xff``."""
    return name.decode("utf-8", "backslashreplace")


def printable(text: str) -> str:
    """``text`` on one line, safe for a terminal or a log.

    Control characters, line separators and bidirectional overrides are escaped (``\\x1b``), so
    that no file name or message can move the cursor, forge a line or reorder what is read.
    """
    if text.isprintable():  # nearly always, and twenty times as fast
        return text
    return "".join(_escaped(c) if _unsafe(c) else c for c in text)


def _unsafe(char: str) -> bool:
    return char < " " or (char > "~" and unicodedata.category(char) in _UNSAFE)


_UNSAFE = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})


def _escaped(char: str) -> str:
    return char.encode("unicode_escape").decode("ascii")


# ── inputs ───────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Root:
    """One input of a run: a folder, or some of the files in it."""

    #: what paths in Records begin with; b"" for a file list (absolute paths)
    label: bytes
    #: absolute folder
    folder: bytes
    #: only these files right below the folder; None takes the whole tree
    names: tuple[bytes, ...] | None = None
    #: only paths below the folder that match this glob
    pattern: str | None = None


class Found(NamedTuple):
    """One entry the source came across; with a reason where it will not be opened."""

    root: int
    #: below the root's folder
    path: bytes
    size: int
    mtime_ns: int
    inode: int
    digest: bytes | None = None
    reason: Reason | None = None
    message: str | None = None


# ── work ─────────────────────────────────────────────────────────────────────────────────────


class Task(NamedTuple):
    """A Document that is to be processed, and what happened to it before."""

    #: row in the ledger, or the place in a stream
    document: int
    root: Root
    #: below the root's folder
    name: bytes
    size: int
    stratum: str
    #: attempts charged before this one
    attempt: int = 0
    previous_reason: Reason | None = None
    #: engine deaths while this Document was in hand
    interruptions: int = 0
    #: True where only its pages are counted, for the forecast
    probe: bool = False

    @property
    def id(self) -> str:
        """The 16 letters of document_id."""
        return document_id(self.root.label, self.name)

    @property
    def file(self) -> bytes:
        """Absolute path of the input."""
        name = self.name
        return name if name[:1] == b"/" else b"%s/%s" % (self.root.folder.rstrip(b"/"), name)

    @property
    def path(self) -> str:
        """The path that Records carry."""
        return text_of(self.root.label + b"/" + self.name)


@dataclass(frozen=True, slots=True)
class Grant:
    """Tasks that travel to one worker together, and what they may use."""

    tasks: tuple[Task, ...]
    #: seconds each task may take
    timeouts: tuple[float, ...]
    #: bytes reserved for the worker's process tree: within them it is never stopped
    memory: int
    #: on a worker that has served nobody yet
    fresh: bool = False


class Spool:
    """A worker's file of large results: without a name, and closed once nobody holds it."""

    def __init__(self, fd: int) -> None:
        self.fd = fd

    def __del__(self, close: Callable[[int], None] = os.close) -> None:
        close(self.fd)


@dataclass(frozen=True, slots=True)
class Spooled:
    """A result too large for the socket: where it begins in its spool."""

    spool: Spool
    offset: int


class Outcome(NamedTuple):
    """How one attempt on one Document ended."""

    task: Task
    status: Status
    reason: Reason | None = None
    seconds: float = 0.0
    #: most memory the worker's process tree held, 0 where unknown
    peak: int = 0
    #: kind of the Document by content, where the processor asked for it
    kind: str | None = None
    records: int = 0
    #: bytes of JSON lines, and their CRC-32
    length: int = 0
    crc: int = 0
    lines: bytes | Spooled = b""
    #: one line for people
    message: str | None = None
    #: traceback, last page, the tail of what the worker printed
    detail: str | None = None


# ── what a run looks like from outside ───────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Counts:
    """Accounting of a run: discovered = done + failed + skipped + pending + gone, always."""

    discovered: int = 0
    done: int = 0
    failed: int = 0
    skipped: int = 0
    gone: int = 0

    @property
    def pending(self) -> int:
        return self.discovered - self.done - self.failed - self.skipped - self.gone

    def as_json(self) -> dict[str, int]:
        names = ("discovered", "done", "failed", "skipped", "pending", "gone")
        return {name: getattr(self, name) for name in names}


@dataclass(frozen=True, slots=True)
class Eta:
    """Seconds until the end, with the band the truth is expected in."""

    seconds: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Busy:
    """What one worker is on."""

    path: str
    seconds: float
    memory: int
    #: at which page of how many, where it says so
    page: int | None = None
    pages: int | None = None
    stratum: str = ""
    #: seconds since its last heartbeat
    silent: float = 0.0

    @property
    def share(self) -> float:  # of its pages that are done; 0 where that is not known
        return 0.0 if self.page is None or self.pages is None else (self.page - 1) / self.pages


@dataclass(frozen=True, slots=True)
class Snapshot:
    """A run at one moment: what the display, status.json and --progress json show."""

    run: str
    #: "running", "finished" or "interrupted"
    state: str
    counts: Counts
    #: failed and skipped, by reason
    reasons: Mapping[Reason, int] = field(default_factory=dict)
    #: seconds of this start, not of earlier ones
    seconds: float = 0.0
    #: Documents finished by this start, and a second lately
    finished: int = 0
    rate: float = 0.0
    eta: Eta | None = None
    #: True while the inputs are still being walked: the total may grow
    walking: bool = False
    #: at work at the same time; True where that number is found out on the way
    workers: int = 0
    auto: bool = False
    busy: tuple[Busy, ...] = ()
    memory: int = 0
    memory_peak: int = 0
    memory_budget: int = 0
    #: bytes of Records written by this start
    written: int = 0
    #: one line where the run is ending early or waits for memory, e.g. "finishing 3 documents,
    #: Ctrl-C again stops now"
    notice: str = ""
