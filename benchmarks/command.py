"""One command in a fresh process, timed from outside and looked at while it runs."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

#: the root of the repository, from which all commands run
ROOT = Path(__file__).parent.parent
#: what would tell a contender how many threads to use; none of them is told
THREAD_VARIABLES = (
    *("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"),
    *("NUMEXPR_NUM_THREADS", "VECLIB_MAXIMUM_THREADS", "RAYON_NUM_THREADS"),
)
#: seconds after which a command is given up
PATIENCE = 3 * 3600.0


@dataclass(frozen=True, slots=True)
class Ran:
    """What one command took."""

    #: from its start to its end, interpreter, imports and all
    seconds: float
    #: the JSON line it ended with; empty where it printed none
    report: dict[str, Any]
    #: (seconds since its start, what the probe saw)
    samples: list[tuple[float, Any]] = field(default_factory=list)
    #: why it failed, in one line; empty where it did not
    error: str = ""
    #: it took too long, and was ended
    given_up: bool = False


def contender(name: str, folder: Path, *arguments: object) -> list[str]:
    """The command of a contender."""
    module = f"benchmarks.contenders.{name}"
    return [sys.executable, "-m", module, str(folder), *map(str, arguments)]


def docherd(*arguments: object) -> list[str]:
    """docherd's own command, as installed beside this Python."""
    script = Path(sys.executable).with_name("docherd")
    start = [str(script)] if script.exists() else [sys.executable, "-m", "docherd"]
    return [*start, *map(str, arguments)]


def run(
    command: Sequence[str],
    scratch: Path,
    *,
    notes: Path | None = None,
    probe: Callable[[int], Any] | None = None,
    interval: float = 0.1,
    environment: Mapping[str, str] | None = None,
    patience: float = PATIENCE,
) -> Ran:
    """Run a command to its end; ``probe`` gets its process id every ``interval`` seconds.

    What other work left unwritten is written before, so that nobody pays for somebody else. One
    that takes more than ``patience`` seconds is ended.
    """
    os.sync()
    output, errors = scratch / "stdout", scratch / "stderr"
    samples: list[tuple[float, Any]] = []
    begin = time.perf_counter()
    process = begin_command(command, output, errors, notes, environment)
    try:
        pause = interval if probe else patience
        end = _wait(process, pause, patience, lambda: _look(process, probe, samples))
    finally:
        if late := process.poll() is None:
            end_all(process)
    seconds = end - begin
    timed = [(at - begin, seen) for at, seen in samples]
    error = "" if process.returncode == 0 else _why(process.returncode, errors)
    error = f"given up after {patience:,.0f} s" if late else error
    return Ran(seconds, _last_json(output), timed, error, late)


def begin_command(
    command: Sequence[str],
    output: Path,
    errors: Path,
    notes: Path | None = None,
    more: Mapping[str, str] | None = None,
) -> subprocess.Popen[bytes]:
    """Start a command in a process group of its own, its words going to files.

    ``more`` stands in its environment besides what stands there anyway.
    """
    environment = {key: value for key, value in os.environ.items() if key not in THREAD_VARIABLES}
    environment |= {"RAY_USAGE_STATS_ENABLED": "0", **(more or {})}
    if notes is not None:
        from benchmarks.functions import NOTES

        environment[NOTES] = str(notes)
    with output.open("wb") as out, errors.open("wb") as err:
        return subprocess.Popen(
            command,
            cwd=ROOT,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            start_new_session=True,
        )


def end_all(process: subprocess.Popen[bytes], number: int = signal.SIGKILL) -> None:
    """End a command and what it started in its group."""
    try:
        os.killpg(process.pid, number)
    except ProcessLookupError:
        pass  # it has ended meanwhile
    process.wait()


def _wait(
    process: subprocess.Popen[bytes], pause: float, patience: float, look: Callable[[], None]
) -> float:
    """Until the process has ended, or patience has; returns when that was."""
    deadline = time.monotonic() + patience
    while (left := deadline - time.monotonic()) > 0:
        look()
        if ended(process, min(pause, left)):
            end = time.perf_counter()
            process.wait()
            return end
    return time.perf_counter()


def ended(process: subprocess.Popen[bytes], seconds: float) -> bool:
    """Wait for its end so long at most; to the moment, where Popen.wait looks every 50 ms."""
    if process.returncode is not None:
        return True
    descriptor = os.pidfd_open(process.pid)
    try:
        return bool(select.select([descriptor], [], [], seconds)[0])
    finally:
        os.close(descriptor)


def _look(
    process: subprocess.Popen[bytes],
    probe: Callable[[int], Any] | None,
    samples: list[tuple[float, Any]],
) -> None:
    if probe is not None and (seen := probe(process.pid)) is not None:
        samples.append((time.perf_counter(), seen))


def _last_json(output: Path) -> dict[str, Any]:
    lines = output.read_bytes().splitlines()
    if not lines or not lines[-1].startswith(b"{"):
        return {}
    found: dict[str, Any] = json.loads(lines[-1])
    return found


def _why(code: int, errors: Path) -> str:
    lines = errors.read_text(errors="replace").strip().splitlines()
    return f"exit code {code}: {lines[-1][:200] if lines else 'it said nothing'}"
