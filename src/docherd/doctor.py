"""Is this machine fit: what docherd finds around it, and what each finding means."""

from __future__ import annotations

import errno
import json
import os
import platform
import re
import shutil
import sqlite3
import statistics
import sys
import tempfile
import time
from argparse import Namespace
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from importlib import metadata
from pathlib import Path

from docherd import host, once, pressure, units
from docherd.cgroups import Memory
from docherd.config import Options
from docherd.exceptions import FINISHED, DocherdError, EnvironmentFault
from docherd.job import MEMORY_SHARE, limits, setup_of, within_files
from docherd.model import Outcome, Status, printable
from docherd.processors import describe
from docherd.version import __version__


class Grade(StrEnum):
    """How well a finding bodes."""

    GOOD = "ok"
    #: could be installed, and something more could be done then
    ABSENT = "-"
    #: runs, but slower or with a risk
    POOR = "warn"
    #: cannot run
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    what: str
    grade: Grade
    #: what is there
    value: str
    #: what that means, and what to do about it
    meaning: str

    def as_json(self) -> dict[str, object]:
        return {
            "what": self.what,
            "grade": str(self.grade),
            "value": self.value,
            "meaning": self.meaning,
        }


#: seconds: a commit that takes longer is a slow disk
SLOW_SYNC = 0.05
#: bytes free below which a run is likely to fill a disk
LITTLE = 2_000_000_000
#: file systems on other machines, where locks and syncs cannot be relied on
_NETWORK = frozenset({"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "fuse.sshfs", "afs", "davfs"})

#: extra → what it is for
EXTRAS = {
    "parquet": "docherd run --format parquet, docherd export --to parquet",
    "passwords": "locked Office files, with --password-file",
    "progress": "docherd.process(..., progress=True)",
    "rar": "what a RAR archive holds",
    "xlsx": "docherd export --to xlsx",
}
#: program → (Debian package, what it is for)
PROGRAMS: Mapping[str, tuple[str, str]] = {
    "catdoc": ("catdoc", "the text of old Word files"),
    "soffice": (
        "libreoffice-writer libreoffice-impress libreoffice-draw",
        "old Word, PowerPoint, WordPerfect, Publisher, Visio files, whole",
    ),
}


def findings(folder: Path) -> Iterator[Finding]:
    """Everything, the fundamental first; ``folder`` is where results would go."""
    yield _python()
    yield _sqlite()
    yield _cores()
    yield _memory()
    yield _files()
    yield from _disk(folder)
    yield _scratch()
    yield _worker()
    yield from _libraries()
    yield from _programs()


def fit(found: list[Finding]) -> bool:
    """True where nothing stands against running."""
    return all(each.grade is not Grade.BAD for each in found)


# ── Python and SQLite ────────────────────────────────────────────────────────────────────────


def _python() -> Finding:
    system = f"{platform.system()} {platform.release()}"
    value = f"docherd {__version__}, Python {platform.python_version()}, {system}"
    if not host.supported():
        return Finding("python", Grade.BAD, value, "docherd needs Linux; on Windows use WSL2")
    if not host.LINUX:
        meaning = (
            "works, but memory and the ends of processes are watched less closely than on Linux"
        )
        return Finding("python", Grade.POOR, value, meaning)
    if sys.getfilesystemencoding() != "utf-8":
        meaning = "names are not UTF-8 here: set LANG=C.UTF-8 so that they are shown as they are"
        return Finding("python", Grade.POOR, value, meaning)
    return Finding("python", Grade.GOOD, value, "whole support")


def _sqlite() -> Finding:
    version = sqlite3.sqlite_version
    db = sqlite3.connect(":memory:")
    try:
        db.execute("create table one (each integer primary key) without rowid")
        for _ in range(2):
            db.execute(
                "insert into one select value from json_each('[1]') where true"
                " on conflict do update set each = excluded.each"
            )
    except sqlite3.Error as error:
        meaning = f"the ledger cannot be kept with it ({error}): use a newer Python"
        return Finding("sqlite", Grade.BAD, version, meaning)
    finally:
        db.close()
    return Finding("sqlite", Grade.GOOD, version, "the ledger can be kept")


# ── the machine ──────────────────────────────────────────────────────────────────────────────


def _cores() -> Finding:
    there, usable = os.cpu_count() or 1, host.cores()
    meaning = f"-w is {usable} where it is not given"
    if usable < there:
        meaning += "; affinity, a container or Slurm leave no more"
    return Finding("cores", Grade.GOOD, f"{usable} of {there}", meaning)


def _memory() -> Finding:
    now = pressure.read(Memory())
    budget = int(host.memory() * MEMORY_SHARE)
    whose = "this container has" if now.confined else "the machine has"
    value = f"{units.size(now.total)}, {units.size(now.available)} free"
    meaning = f"--memory is {units.size(budget)} where it is not given: 80 % of what {whose}"
    if now.available < budget / 2:
        meaning += "; others hold much of it, so fewer documents will be in work at a time"
        return Finding("memory", Grade.POOR, value, meaning)
    return Finding("memory", Grade.GOOD, value, meaning)


def _files() -> Finding:
    try:
        rules, fewer = within_files(limits(Options()))
    except DocherdError as error:
        return Finding("open files", Grade.BAD, "", str(error))
    most = host.workers_for_files(1000)
    if fewer:
        return Finding("open files", Grade.POOR, f"{most} workers", fewer)
    value = f"{units.count(most)} workers" + (" or more" if most == 1000 else "")
    return Finding("open files", Grade.GOOD, value, f"enough for {rules.workers} (ulimit -n)")


# ── the disk ─────────────────────────────────────────────────────────────────────────────────


def _disk(folder: Path) -> Iterator[Finding]:
    there = _existing(folder)
    shown = printable(str(there))
    try:
        free = shutil.disk_usage(there).free
        inodes = os.statvfs(there)
    except OSError as error:
        yield Finding("disk", Grade.BAD, shown, f"cannot be read: {error.strerror}")
        return
    if free < LITTLE:
        yield Finding("disk", Grade.POOR, f"{units.size(free)} free", f"little room in {shown}")
    else:
        yield Finding("disk", Grade.GOOD, f"{units.size(free)} free", f"in {shown}")
    if inodes.f_files and inodes.f_favail < 10_000:
        yield Finding(
            "inodes", Grade.POOR, f"{inodes.f_favail} free", "few further files can be made"
        )
    yield _file_system(there)
    yield _sync(there)


def _existing(folder: Path) -> Path:
    """The folder, or the nearest above it that is there."""
    absolute = folder.absolute()
    return next(each for each in (absolute, *absolute.parents) if each.is_dir())


def _file_system(folder: Path) -> Finding:
    kind = _mounted(folder)
    if kind in _NETWORK:
        meaning = (
            "a disk of another machine: its locks and syncs may not hold; put OUT on a local one"
        )
        return Finding("file system", Grade.POOR, kind, meaning)
    if kind == "tmpfs":
        meaning = "in memory: results are lost at a reboot, and count as memory"
        return Finding("file system", Grade.POOR, kind, meaning)
    return Finding("file system", Grade.GOOD, kind or "unknown", "results can be kept on it")


def _mounted(folder: Path) -> str:
    """The type of the file system that ``folder`` is on; empty where /proc does not say."""
    found, longest = "", -1
    try:
        lines = Path("/proc/self/mounts").read_text(errors="replace").splitlines()
    except OSError:
        return found
    for line in lines:
        _, at, kind, *_ = line.split(" ")
        point = Path(re.sub(r"\\([0-7]{3})", lambda digits: chr(int(digits[1], 8)), at))
        if folder.is_relative_to(point) and len(point.parts) >= longest:
            found, longest = kind, len(point.parts)
    return found


def _sync(folder: Path) -> Finding:
    try:
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".docherd-") as file:
            seconds = statistics.median(_synced(file.fileno()) for _ in range(5))
    except OSError as error:
        why = "is full" if error.errno == errno.ENOSPC else f"cannot be written: {error.strerror}"
        return Finding("writing", Grade.BAD, printable(str(folder)), f"{why}; give another folder")
    value = f"{units.duration(seconds)} a sync"
    if seconds > SLOW_SYNC:
        meaning = "a slow disk: results are safe once a second all the same"
        return Finding("writing", Grade.POOR, value, meaning)
    return Finding("writing", Grade.GOOD, value, "one a second is made, so it costs nothing")


def _synced(fd: int) -> float:
    os.pwrite(fd, b"docherd" * 600, 0)
    began = time.monotonic()
    host.sync_data(fd)
    return time.monotonic() - began


def _scratch() -> Finding:
    folder = tempfile.gettempdir()
    free = shutil.disk_usage(folder).free
    value = f"{units.size(free)} free"
    meaning = f"in {printable(folder)}, for `try`, `plan` and docherd.process (TMPDIR chooses)"
    grade = Grade.POOR if free < LITTLE / 4 else Grade.GOOD
    return Finding("scratch", grade, value, meaning)


# ── a worker ─────────────────────────────────────────────────────────────────────────────────


def _worker() -> Finding:
    """Start one as a run does, and have it read a Document."""
    options = Options()
    try:
        setup = setup_of(describe("extract"), limits(options), options, spares=0)
        with tempfile.TemporaryDirectory(prefix="docherd-") as folder:
            file = Path(folder, "one.txt")
            file.write_text("one document\n")
            began = time.monotonic()
            outcome = next(once.attempt(file, setup, 30.0, 1_000_000_000))
    except (DocherdError, OSError) as error:
        return Finding("worker", Grade.BAD, "none", printable(str(error)))
    value = f"answers in {units.duration(time.monotonic() - began)}"
    if not isinstance(outcome, Outcome) or outcome.status is not Status.DONE:
        why = printable(outcome.message or "") if isinstance(outcome, Outcome) else ""
        return Finding("worker", Grade.BAD, value, f"could not read a text file: {why}")
    return Finding("worker", Grade.GOOD, value, "processes can be started, watched and ended")


# ── what could be installed ──────────────────────────────────────────────────────────────────


def _libraries() -> Iterator[Finding]:
    for extra, names in extras().items():
        versions = {name: _version(name) for name in names}
        use = EXTRAS[extra]
        if all(versions.values()):
            value = ", ".join(f"{name} {version}" for name, version in versions.items())
            yield Finding(extra, Grade.GOOD, value, use)
        else:
            install = f"pip install 'docherd[{extra}]'"
            yield Finding(extra, Grade.ABSENT, "not installed", f"{use}: {install}")


def extras() -> dict[str, list[str]]:
    """Extra → the libraries in it, as the installed package says."""
    found: dict[str, list[str]] = {}
    for requirement in metadata.requires("docherd") or ():
        extra = re.search(r"extra == ['\"]([\w-]+)['\"]", requirement)
        name = re.match(r"[\w.-]+", requirement)
        if extra and name and extra[1] in EXTRAS:
            found.setdefault(extra[1], []).append(name[0])
    return found


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _programs() -> Iterator[Finding]:
    for program, (package, use) in PROGRAMS.items():
        path = shutil.which(program)
        if path:
            yield Finding(program, Grade.GOOD, printable(path), use)
        else:
            install = f"apt install {package}"
            yield Finding(program, Grade.ABSENT, "not installed", f"{use}: {install}")


# ── the command ──────────────────────────────────────────────────────────────────────────────


def doctor(given: Namespace) -> int:
    """`docherd doctor [FOLDER]`"""
    found = []
    for each in findings(Path(given.folder)):
        found.append(each)
        if not given.json:
            print(f"{each.grade!s:<5}{each.what:<12}  {each.value}\n{'':<19}{each.meaning}")
    if given.json:
        shown = {"fit": fit(found), "findings": [each.as_json() for each in found]}
        print(json.dumps(shown))
    elif fit(found):
        print("\nfit: docherd run FOLDER -o OUT")
    if fit(found):
        return FINISHED
    raise EnvironmentFault("this machine is not fit yet: see what is bad above")
