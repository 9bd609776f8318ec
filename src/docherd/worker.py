"""One child process: receives Documents, calls the processor, sends JSON lines back.

    pool (parent)                                     worker (this file)
    ─────────────                                     ──────────────────
    posix_spawn python -P -m docherd.worker           fds: 0 null, 1+2 output pipe,
                                                           3 socket, 4 slot, 5 spool
    init: sys.path, processor, options    ──────►     load the processor (models: once)
                                          ◄──────     version, fingerprint | refused: why
    batch: tasks, spool offset            ──────►     for each task: slot ← index, call, encode
                                          ◄──────     replies + lines (or a range of the spool)

This module and what it imports load in every worker, so they load little.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
import time
from typing import TYPE_CHECKING, Self, cast

from docherd import host, threads, version
from docherd.document import Document
from docherd.encoding import Encoded, Ended, Lines, SpoolFull, name_of_type
from docherd.exceptions import DocumentError, ProcessorError
from docherd.model import Reason, Task
from docherd.standing import Standing
from docherd.wire import INLINE, SLOT, SOCKET, SPOOL, Channel, Json, Slot, batch_from_wire, clean

if TYPE_CHECKING:
    from collections.abc import Callable

    from docherd.processors import Loaded

#: most characters kept of what went wrong
MESSAGE_LIMIT, DETAIL_LIMIT = 4096, 8192
#: exit code of a worker that has no descriptors left
_NO_FILES = 24
#: of a limit that the user has set (ulimit): a failure this near to it was one for want of memory
NEAR_LIMIT = 0.9
_MAY_BE_MEMORY = frozenset({Reason.ERROR, Reason.CORRUPT, Reason.MEMORY})
#: bytes freed after a Document from which on the heap is given back to the system
GIVE_BACK = 64 << 20


# ── the child ────────────────────────────────────────────────────────────────────────────────


def main() -> None:
    """The life of a worker: tie to the parent, load, serve until the socket closes."""
    host.tie_to_parent(int(sys.argv[1]))
    for fd in (SOCKET, SLOT, SPOOL):
        os.set_inheritable(fd, False)
    host.die_first()
    _report_crashes()
    channel = Channel(SOCKET)
    if (message := channel.receive()) is None:
        return
    init, payload = message
    os.nice(cast("int", init["nice"]))
    limits = cast("dict[str, int]", init["limits"])
    threads.limit(limits["threads"])
    loaded = _load(channel, init, payload)
    server = _Server(channel, loaded, limits["input"], limits["output"], bare=bool(limits["bare"]))
    try:
        server.serve()
    except OSError as error:  # a Document closed what we speak through
        os.write(2, f"{error}\n".encode())
        os._exit(os.EX_PROTOCOL)


def _report_crashes() -> None:
    """A segfault leaves the Python stack in the output that the engine keeps."""
    import faulthandler
    import signal

    faulthandler.enable(file=2, all_threads=False)
    faulthandler.register(signal.SIGQUIT, file=2, all_threads=True, chain=False)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(line_buffering=True, errors="backslashreplace")


def _load(channel: Channel, init: dict[str, Json], payload: bytes) -> Loaded:
    sys.path[:] = cast("list[str]", init["sys_path"])
    try:
        from docherd.processors import load

        loaded = load(cast("str", init["processor"]), payload, cast("list[str]", init["passwords"]))
    except BaseException as error:  # also SystemExit: whatever a user's module does on import
        ours = isinstance(error, ProcessorError)  # the message says it all
        detail = None if ours else _trace(error)
        why = str(error) if ours else _message(error)
        channel.send({"version": version.__version__, "refused": why, "detail": detail})
        raise SystemExit(0) from None
    channel.send({"version": version.__version__, "fingerprint": loaded.fingerprint})
    return loaded


class _Server:
    """Serves batches one after another."""

    def __init__(
        self, channel: Channel, loaded: Loaded, max_input: int, max_output: int, *, bare: bool
    ) -> None:
        self._channel = channel
        self._loaded = loaded
        self._max_input = max_input
        self._max_output = max_output
        self._bare = bare
        self._slot = Slot(SLOT)
        self._standing = Standing()
        self._served = 0
        self._peak = host.OwnPeak()
        self._spool = 0

    def serve(self) -> None:
        while (message := self._channel.receive()) is not None:
            batch, _ = message
            self._spool = cast("int", batch["spool"])
            self._serve(list(batch_from_wire(batch)))

    def _serve(self, tasks: list[Task]) -> None:
        replies: list[Json] = []
        lines: list[bytes] = []
        size = 0
        for index, task in enumerate(tasks):
            self._slot.take(index)
            reply, encoded = self._attempt(task)
            self._served += 1
            replies.append(reply)
            lines.append(encoded)
            size += len(encoded)
            tired = self._standing.restore()
            if size > INLINE or tired:
                self._send(replies, lines, tired)
                replies, lines, size = [], [], 0
            if tired:
                return  # the rest of the batch comes back, and this process goes
        if replies:
            self._send(replies, lines)
        # The slot stays: until the engine has the whole reply, it is still this Document's.

    def _send(self, replies: list[Json], lines: list[bytes], tired: str | None = None) -> None:
        """``tired``: why this process should serve nobody any more."""
        self._standing.refuse_loss()
        peak, held = self._peak.take()
        if peak - held > GIVE_BACK:
            host.give_back_memory()
        index: dict[str, Json] = {"first": self._served - len(replies), "replies": replies}
        index |= {"peak": peak, "held": held, "tired": tired}
        self._channel.send(index, lines)

    def _attempt(self, task: Task) -> tuple[Json, bytes]:
        """One Document, whatever it does to us: the reply, and its lines where they are small."""
        document = Document(task, self._loaded.detect, self._slot.beat)
        start = time.perf_counter_ns()
        if task.probe:
            return {"pages": _pages(document), "taken": time.perf_counter_ns() - start}, b""
        try:
            if self._bare:  # a stream: nobody comes back to a file that changed meanwhile
                document.size = _looked_at(task.file)
                encoded = self._processed(task, document)
            else:
                with _Input(task.file) as file:
                    document.size = file.size
                    encoded = self._processed(task, document)
                    file.refuse_change()
        except BaseException as error:  # SystemExit and KeyboardInterrupt are the Document's too
            if self._served and _out_of_files(error):
                os._exit(_NO_FILES)  # others leaked them: again, on a fresh worker
            taken = time.perf_counter_ns() - start
            failure = _failure(error, self._peak.near_limit)
            return {"taken": taken, "kind": document.known_kind, **failure}, b""
        return _done(time.perf_counter_ns() - start, document.known_kind, encoded)

    def _processed(self, task: Task, document: Document) -> Encoded | None:
        """What the processor made of it; None where that is nothing."""
        if self._loaded.builtin:
            _refuse_hopeless(document.size, self._max_input)
        if (result := self._loaded.call(document)) is None:
            return None
        lines = Lines(task, self._max_output, self._spool, bare=self._bare)
        lines.add(result)
        encoded = lines.finish()
        self._spool = lines.spool
        return encoded


def _done(taken: int, kind: str | None, encoded: Encoded | None) -> tuple[Json, bytes]:
    if encoded is not None:
        records, length, crc, start, lines = encoded
        return [taken, kind, records, length, crc, start], lines
    return (taken if kind is None else [taken, kind, 0, 0, 0, None]), b""


def _pages(document: Document) -> int:
    from docherd.processors.pages import pages

    return pages(document)


# ── the input ────────────────────────────────────────────────────────────────────────────────


class _Input:
    """The file while it is processed, held open without ever blocking on it or following a link."""

    def __init__(self, path: bytes) -> None:
        self._path = path

    def __enter__(self) -> Self:
        flags = os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC
        try:
            self._fd = os.open(self._path, flags)
        except FileNotFoundError:
            raise Ended(Reason.INPUT_MISSING, "the file is not there any more") from None
        except OSError as error:
            link = error.errno == errno.ELOOP
            reason = Reason.SYMLINK if link else Reason.INPUT_UNREADABLE
            raise Ended(reason, f"cannot be read: {error.strerror}") from None
        found = os.fstat(self._fd)
        self.size = found.st_size
        self._before = _identity(found)
        if not stat.S_ISREG(found.st_mode):
            os.close(self._fd)
            raise Ended(Reason.SPECIAL, "it is no file any more")
        return self

    def refuse_change(self) -> None:
        """Raise Ended where the file is another now; one that was removed has been read whole."""
        try:
            now = os.stat(self._path, follow_symlinks=False)  # noqa: PTH116 - bytes
        except FileNotFoundError:
            now = os.fstat(self._fd)
        if _identity(now) != self._before:
            raise Ended(Reason.INPUT_CHANGED, "the file changed while it was read")

    def __exit__(self, *_: object) -> None:
        os.close(self._fd)


def _looked_at(path: bytes) -> int:
    """The size of a file, or Ended where there is none to open."""
    try:
        found = os.stat(path, follow_symlinks=False)  # noqa: PTH116 - bytes
    except OSError as error:
        missing = error.errno in (errno.ENOENT, errno.ENOTDIR)
        reason = Reason.INPUT_MISSING if missing else Reason.INPUT_UNREADABLE
        raise Ended(reason, f"cannot be read: {error.strerror}") from None
    if stat.S_ISLNK(found.st_mode):
        raise Ended(Reason.SYMLINK, "a symbolic link: give the file that it points to")
    if not stat.S_ISREG(found.st_mode):
        raise Ended(Reason.SPECIAL, "no regular file")
    return found.st_size


def _identity(found: os.stat_result) -> tuple[int, int, int]:
    return found.st_size, found.st_mtime_ns, found.st_ino


def _refuse_hopeless(size: int, max_input: int) -> None:
    if size == 0:
        raise Ended(Reason.EMPTY, "the file has no bytes")
    if size > max_input:
        raise Ended(Reason.TOO_LARGE, f"{size:,} bytes, over --max-input {max_input:,}")


# ── what went wrong ──────────────────────────────────────────────────────────────────────────


def _out_of_files(error: BaseException) -> bool:
    return isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE)


def _failure(
    error: BaseException, near_limit: Callable[[float], str] = lambda share: ""
) -> dict[str, Json]:
    """``near_limit``: how much of a limit of the user's was used, where it was such a share."""
    if isinstance(error, SpoolFull):
        return {"fault": str(error)}
    reason, message = Reason.ERROR, _message(error)
    if isinstance(error, Ended | DocumentError):
        reason = error.reason
    elif isinstance(error, MemoryError):
        reason = Reason.MEMORY
    detail = _trace(error) if reason is Reason.ERROR else None
    # Where the last bytes were refused, a library calls it what it likes.
    share = 0.0 if reason is Reason.MEMORY else NEAR_LIMIT
    if reason in _MAY_BE_MEMORY and (limit := near_limit(share)):
        reason, message = Reason.MEMORY, f"{message} ({limit})"
    return {"reason": reason, "message": message, "detail": detail}


def _message(error: BaseException) -> str:
    """ "Type: text" of an exception, whatever its __str__ does; at most 4,096 characters."""
    name = name_of_type(error)
    try:
        text = str(error)[:MESSAGE_LIMIT]
    except BaseException:  # SystemExit, too
        return f"unprintable {name}"
    if isinstance(error, Ended | DocumentError):
        return clean(text) or error.reason
    return clean(f"{name}: {text}" if text else name)[:MESSAGE_LIMIT]


def _trace(error: BaseException) -> str:
    """The user's frames of a traceback, without ours and without any values."""
    import traceback

    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if frame.filename != __file__]
    return clean("".join(traceback.format_list(own)))[-DETAIL_LIMIT:]


if __name__ == "__main__":
    main()
