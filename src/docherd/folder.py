"""The run folder: where everything of one run lies, who holds it, and what the run is.

out/  run.json   status.json   run.log   ledger.db   lock   pending/   data/   report.*
"""

from __future__ import annotations

import fcntl
import glob
import json
import os
import secrets
import shutil
import socket
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from docherd import host
from docherd.exceptions import DamageError, EnvironmentFault, RunLocked, UsageError
from docherd.identity import About
from docherd.model import printable, text_of
from docherd.sinks.columns import Column

#: everything docherd ever makes in a run folder; --fresh removes these and nothing else
OURS = (
    *("run.json", "status.json", "run.log", "lock", "pending", "data"),
    *("ledger.db", "ledger.db-wal", "ledger.db-shm", "ledger.db-journal"),
    *("ledger.db.damaged", "ledger.db.damaged-wal", "ledger.db.damaged-shm"),
    "ledger.db.damaged-journal",
    *("failures.jsonl", "report.html", "report.json", "sizing.json"),
)


class Folder:
    """One run folder, by its path; holding the lock makes it ours to write."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.ledger = path / "ledger.db"
        self.pending = path / "pending"
        self.data = path / "data"
        self._lock = self._looking = -1
        self._made = False

    @property
    def exists(self) -> bool:
        """True where a run was begun here."""
        return (self.path / "run.json").is_file()

    def hold(self) -> None:
        """Make the folder and take its lock.

        A kernel lock: it is free the moment its holder has ended, however that was. Raises
        RunLocked where another process has it, UsageError where the folder holds other things,
        EnvironmentFault where it cannot be written.
        """
        try:
            if self.path.exists() and not self.path.is_dir():
                raise UsageError(f"{_shown(self.path)} is not a folder; give another -o")
            self._made = not self.path.exists()
            self.path.mkdir(parents=True, exist_ok=True)
            self._refuse_foreign()
            flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
            self._lock = os.open(self.path / "lock", flags, 0o644)
            self._take_lock()
            for folder in (self.pending, self.data):
                folder.mkdir(exist_ok=True)
                if folder.is_symlink():
                    raise DamageError(f"{folder} is a link; nothing was changed")
            host.sync_folder(self.path)
        except OSError as error:
            where = error.filename or self.path
            raise EnvironmentFault(
                f"cannot write {_shown(where)}: {error.strerror}; give another -o"
            ) from error

    @property
    def held(self) -> bool:
        """True while a process runs this folder's run."""
        try:
            self.hold_still()
        except RunLocked:
            return True
        self.release()
        return False

    def hold_still(self) -> None:
        """Keep others from starting the run while it is looked at; nothing is written.

        Raises RunLocked where a run is going on. A folder without a lock has none to take.
        """
        try:
            fd = os.open(self.path / "lock", os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            return
        try:
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            os.close(fd)
            raise RunLocked(
                f"a run is going on in {_shown(self.path)}: wait for it, or end it"
            ) from None
        self._looking = fd

    def _refuse_foreign(self) -> None:
        foreign = sorted(name for name in os.listdir(self.path) if not _is_ours(name))
        if foreign and not self.exists:
            raise UsageError(
                f"{_shown(self.path)} holds other things ({printable(foreign[0])}) and no run;"
                " give an -o that is new or empty"
            )

    def _take_lock(self) -> None:
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.pread(self._lock, 4096, 0).decode("utf-8", "replace")
            os.close(self._lock)
            self._lock = -1
            raise RunLocked(
                f"another run holds {_shown(self.path)} ({printable(holder) or 'unknown'});"
                " wait for it, or end it"
            ) from None
        since = time.strftime("%Y-%m-%d %H:%M:%S")
        text = f"pid {os.getpid()} on {socket.gethostname()} since {since}"
        os.ftruncate(self._lock, 0)
        os.pwrite(self._lock, text.encode(), 0)

    def begin_anew(self) -> None:
        """--fresh: remove everything of ours but the lock and the slots of our own workers."""
        for name in sorted(os.listdir(self.path)):
            path = self.path / name
            if name in ("lock", "pending") or not _is_ours(name):
                continue  # what lies in pending/ is swept when the segment recovers
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
        self.data.mkdir()

    def drop_ledger(self) -> None:
        """Remove the ledger of a first start that died before it had anything to remember."""
        for name in OURS:
            if name.startswith("ledger.db"):
                (self.path / name).unlink(missing_ok=True)

    def read_about(self) -> About:
        """What run.json says. Raises DamageError where it says nothing we know."""
        try:
            return About.from_json(json.loads((self.path / "run.json").read_bytes()))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise DamageError(
                f"{_shown(self.path / 'run.json')} cannot be read ({type(error).__name__});"
                " nothing was changed"
            ) from error

    def write_about(self, about: About) -> About:
        """Write run.json, durable; the run gets its name and date the first time.

        What a start that was killed was just replacing is removed.
        """
        for name in os.listdir(self.path):
            if name not in OURS and _is_ours(name):
                (self.path / name).unlink(missing_ok=True)
        named = replace(
            about,
            run=about.run or secrets.token_hex(8),
            created=about.created or time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        )
        write_atomically(self.path / "run.json", [json.dumps(named.as_json(), indent=1).encode()])
        return named

    def keep_columns(self, columns: Iterable[Column]) -> None:
        """Note in run.json which columns all parts of this run have."""
        about = replace(self.read_about(), columns=tuple(columns))
        write_atomically(self.path / "run.json", [json.dumps(about.as_json(), indent=1).encode()])

    def release(self) -> None:
        """Give up the lock; a folder that was made now and in which no run began is removed."""
        if self._looking >= 0:
            os.close(self._looking)
            self._looking = -1
        if self._lock < 0:
            return  # another has it: what lies here is theirs
        if self._made and not self.exists:
            shutil.rmtree(self.path, ignore_errors=True)
        with suppress(OSError):  # who held it is only said for people
            os.ftruncate(self._lock, 0)
        os.close(self._lock)
        self._lock = -1


def _is_ours(name: str) -> bool:
    """True for our files, and for one of those that was being replaced when we died."""
    return name in OURS or any(name.startswith(f".{each}.") for each in OURS)


def write_atomically(path: Path, pieces: Iterable[bytes], *, durable: bool = True) -> None:
    """Replace a file's content so that a reader sees the old or the new, never a part.

    Raises OSError; what was there is then still there, and nothing else.
    """
    with replacing(path, durable=durable) as file:
        file.writelines(pieces)


@contextmanager
def replacing(path: Path, *, durable: bool = True) -> Iterator[BinaryIO]:
    """A file that takes the place of ``path`` at the end: as `write_atomically`, little by little.

    Its name is ``.NAME.PID`` until then.
    """
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with open(unfinished, "w+b", opener=_not_through_links) as file:
            yield file
            file.flush()
            if durable:
                os.fsync(file.fileno())
        unfinished.replace(path)
    except BaseException:
        unfinished.unlink(missing_ok=True)
        raise
    if durable:
        host.sync_folder(path.parent)


def _not_through_links(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)


def sweep_unfinished(path: Path) -> None:
    """Remove what processes that are no more left behind of replacing ``path``."""
    for left in path.parent.glob(f".{glob.escape(path.name)}.*"):
        number = left.name.removeprefix(f".{path.name}.").partition(".")[0]
        if not number.isdecimal() or _alive(int(number)):
            continue
        if left.is_dir() and not left.is_symlink():
            shutil.rmtree(left, ignore_errors=True)
        else:
            left.unlink(missing_ok=True)


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # somebody else's
        pass
    return True


def _shown(path: Path | str) -> str:
    return printable(text_of(os.fsencode(path)))
