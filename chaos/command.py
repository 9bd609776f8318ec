"""The docherd that is put to the test: its command, in processes of their own."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import time
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from benchmarks import machine

#: the root of the repository
ROOT = Path(__file__).parent.parent
#: in the environment of whatever is started from here, however deep: finds what is left behind
MARK = "DOCHERD_CHAOS"
#: seconds after which a command is killed, and counts as one that hung
PATIENCE, HUNG = 120.0, -99


@dataclass(frozen=True, slots=True)
class Ended:
    """A command that has ended. ``code`` is negative where a signal killed it."""

    code: int
    out: str
    err: str


@dataclass(frozen=True, slots=True)
class Product:
    """A docherd: the one of this environment, or a copy of its sources."""

    #: what PYTHONPATH says: a folder with another docherd
    path: str = ""
    #: constants of the product, "module.NAME" → expression: tests/faults do so too
    constants: Mapping[str, str] = field(default_factory=dict)

    def command(self, *words: str | Path, pad: str = "") -> list[str]:
        """The real command line; through ``chaos.hasty`` where constants are changed."""
        entry = ["-m", "docherd"]
        if self.constants:
            entry = [str(ROOT / "chaos" / "hasty.py")]
            entry += [f"{name}={value}" for name, value in self.constants.items()]
            entry += [f"pad={pad}"] * bool(pad) + ["--"]
        return [sys.executable, "-P", *entry, *map(os.fspath, words)]

    def environment(self, mark: str) -> dict[str, str]:
        """Of every process that is started."""
        path = {"PYTHONPATH": self.path} if self.path else {}
        return {**os.environ, MARK: mark, **path}

    def start(
        self,
        words: Sequence[str | Path],
        cwd: Path,
        *,
        before: Sequence[str] = (),
        pad: str = "",
        mark: str = "",
        stdout: int | IO[str] = subprocess.PIPE,
    ) -> subprocess.Popen[str]:
        """Start a command in ``cwd``, under ``before`` (strace ...); the caller waits for it."""
        return subprocess.Popen(
            [*before, *self.command(*words, pad=pad)],
            cwd=cwd,
            env=self.environment(mark or unique()),
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
            errors="surrogateescape",
        )

    def run(
        self,
        words: Sequence[str | Path],
        cwd: Path,
        *,
        before: Sequence[str] = (),
        pad: str = "",
        mark: str = "",
    ) -> Ended:
        """Run a command to its end."""
        process = self.start(words, cwd, before=before, pad=pad, mark=mark)
        try:
            out, err = process.communicate(timeout=PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            _, err = process.communicate()
            return Ended(HUNG, "", f"did not end within {PATIENCE:g} s; {err}")
        return Ended(process.returncode, out, err)


def unique() -> str:
    """A mark that no other process bears."""
    return uuid.uuid4().hex


def leftovers(mark: str) -> list[str]:
    """Processes of workers that bear the mark and are still there."""
    needles = (f"{MARK}={mark}".encode(), b"DOCHERD_WORKER=")
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            environment = Path(f"/proc/{pid}/environ").read_bytes()
            if all(needle in environment for needle in needles):
                line = Path(f"/proc/{pid}/cmdline").read_bytes().replace(bytes(1), b" ")
                found.append(f"process {pid} ({line.decode(errors='replace').strip()})")
        except OSError:
            continue  # it has ended meanwhile
    return found


def none_left(mark: str, seconds: float = 2.0) -> list[str]:
    """What is left of workers once they had this time to go."""
    deadline = time.monotonic() + seconds
    while (found := leftovers(mark)) and time.monotonic() < deadline:
        time.sleep(0.005)
    return found


def versions() -> dict[str, str]:
    """Python, docherd, and what injects."""
    known = machine.versions()
    found = {name: known[name] for name in ("Python", "docherd")}
    found["SQLite"] = sqlite3.sqlite_version
    if shutil.which("strace"):
        said = subprocess.run(["strace", "--version"], capture_output=True, text=True, check=False)
        found["strace"] = said.stdout.split("\n")[0].rpartition(" ")[2]
    return found
