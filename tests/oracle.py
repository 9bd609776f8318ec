"""What must hold after every run, whatever was done to it (G1-G7 of the fault catalogue).

``Run`` starts the real command in a process of its own; ``check`` is called on every folder.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

COMMAND = [sys.executable, "-m", "docherd"]

#: in the environment of every process that this test process starts, however deep: tests that run
#: at the same time in another one (pytest -n 2) have another
MARK = {"DOCHERD_TEST": uuid.uuid4().hex}
os.environ |= MARK


@dataclass(frozen=True)
class Ended:
    """A command that has ended. ``code`` is negative where a signal killed it."""

    code: int
    out: str
    err: str
    seconds: float


def docherd(*arguments: str | Path, timeout: float = 60, **popen: object) -> Ended:
    """Run the real command to its end."""
    started = time.monotonic()
    process = start(*arguments, **popen)
    try:
        out, err = process.communicate(timeout=timeout)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        raise
    return Ended(process.returncode, out, err, time.monotonic() - started)


def start(*arguments: str | Path, **popen: object) -> subprocess.Popen[str]:
    """Start the real command; the caller waits for it."""
    options: dict[str, object] = {
        "stdout": subprocess.PIPE,
        "stderr": subprocess.PIPE,
        "stdin": subprocess.DEVNULL,
        "text": True,
        "errors": "surrogateescape",
    }
    if popen.get("env") is not None:
        popen["env"] = MARK | popen["env"]  # type: ignore[operator]
    return subprocess.Popen(  # type: ignore[call-overload,no-any-return]
        [*COMMAND, *map(os.fspath, arguments)], **(options | popen)
    )


def wait_for(condition: object, seconds: float = 60.0) -> None:
    """Wait until ``condition()`` is true; fails the test after ``seconds``."""
    deadline = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline, "waited too long"
        time.sleep(0.005)


def records(out: Path) -> list[dict[str, object]]:
    """Every Record in data/, in part and line order."""
    found = []
    for part in sorted((out / "data").iterdir()):
        found += [json.loads(line) for line in part.read_bytes().splitlines()]
    return found


def sorted_lines(out: Path) -> list[bytes]:
    """The lines of data/, sorted by (document, ordinal): equal for equal runs."""
    lines = [line for part in (out / "data").iterdir() for line in part.read_bytes().splitlines()]
    return sorted(lines, key=lambda line: ((r := json.loads(line))["document"], r["ordinal"]))


def failures(out: Path) -> dict[str, str]:
    """path → reason of what failed, from the file that the run left."""
    return {path: row["reason"] for path, row in failure_rows(out).items()}


def failure_rows(out: Path) -> dict[str, dict[str, Any]]:
    """path → all that failures.jsonl says of it: reason, message, attempts, seconds, detail."""
    lines = (out / "failures.jsonl").read_text().splitlines()
    return {(row := json.loads(line))["path"]: row for line in lines}


def leftovers() -> list[str]:
    """Command lines of processes that a run of this test process left behind (G5)."""
    ours = f"DOCHERD_TEST={MARK['DOCHERD_TEST']}".encode()
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            environment = Path(f"/proc/{pid}/environ").read_bytes()
            if ours in environment and b"DOCHERD_WORKER=" in environment:
                found.append(f"{pid} {_command_line(pid)!r}")
        except OSError:
            continue
    return found


def workers(engine: int) -> set[int]:
    """The worker processes that an engine has now."""
    children = Path(f"/proc/{engine}/task/{engine}/children").read_text().split()
    return {int(pid) for pid in children if b"docherd.worker" in _command_line(pid)}


def _command_line(pid: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return b""


def check(
    out: Path,
    failed: Mapping[str, str] | None = None,
    *,
    pending: int = 0,
    total: int | None = None,
) -> None:
    """Conservation, uniqueness, right blame and no leaks after a clean end.

    ``failed``: exactly these paths, as in the Records, failed, each with this reason.
    """
    status = json.loads((out / "status.json").read_text())
    counts = status["counts"]
    parts = ("done", "failed", "skipped", "pending", "gone")
    assert counts["discovered"] == sum(counts[name] for name in parts), counts  # G1
    assert counts["pending"] == pending, counts
    if total is not None:
        assert counts["discovered"] == total, counts
    keys = Counter((row["document"], row["ordinal"]) for row in records(out))
    assert all(number == 1 for number in keys.values()), keys.most_common(3)  # G2
    if failed is not None:
        assert failures(out) == dict(failed)  # G3
    assert leftovers() == []  # G5
    assert sorted(os.listdir(out / "pending")) == []
    assert (out / "lock").read_bytes() == b""


def end(process: subprocess.Popen[str], number: int = signal.SIGKILL) -> None:
    """Signal a command and wait until it has ended."""
    process.send_signal(number)
    process.communicate(timeout=30)
