"""How long it takes until something happens."""

from __future__ import annotations

import shutil
import signal
import sys
import time
from collections.abc import Callable
from statistics import median
from typing import Any

from benchmarks.command import begin_command, docherd, end_all
from benchmarks.figures import Figures, number, table
from benchmarks.interleaved import WORKERS
from benchmarks.sections.noop import FULL
from benchmarks.session import Session

#: at least; starts are short and vary
TIMES = 10
#: seconds to wait for a first Document
PATIENCE = 120.0

PASS = "python -c pass"
FIRST = "`docherd run`: until a first document is in hand"


def measure(session: Session) -> dict[str, Any]:
    """All by turns; milliseconds."""
    count = session.count(FULL)
    commands: dict[str, Callable[[], float]] = {
        PASS: lambda: _whole(session, [sys.executable, "-c", "pass"]),
        "import docherd": lambda: _whole(session, [sys.executable, "-c", "import docherd"]),
        "import docherd, and take `run` and `process`": lambda: _whole(
            session, [sys.executable, "-c", "import docherd; docherd.run, docherd.process"]
        ),
        "docherd --version": lambda: _whole(session, docherd("--version")),
        FIRST: lambda: _first(session, count),
    }
    session.files(count)
    turns = max(TIMES, session.rounds)
    found: dict[str, list[float]] = {name: [] for name in commands}
    for turn in range(turns):
        session.say(f"  round {turn + 1} of {turns}")
        for name, taken in commands.items():
            found[name].append(taken() * 1000)
    return {"documents": count, "milliseconds": found}


def _whole(session: Session, words: list[str]) -> float:
    ran = session.run(words)
    return ran.seconds if not ran.error else float("nan")


def _first(session: Session, count: int) -> float:
    """Seconds from the command to the first Document in a worker; the run is then stopped."""
    notes, out = session.notes(), session.fresh("out")
    words = docherd("run", session.files(count), "-o", out, "-w", WORKERS)
    words += ["-p", "benchmarks.functions:started"]
    begin = time.time_ns()
    process = begin_command(words, session.work / "stdout", session.work / "stderr", notes)
    deadline = time.monotonic() + PATIENCE
    while not any(notes.iterdir()) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.005)
    time.sleep(0.05)  # the note is being written
    if process.poll() is None:
        end_all(process, signal.SIGTERM)
    shutil.rmtree(out, ignore_errors=True)
    starts = [int(noted["started"]) for noted in session.noted()]
    return (min(starts) - begin) / 1e9 if starts else float("nan")


def page(data: dict[str, Any], figures: Figures) -> list[str]:
    """Whole commands, and what is docherd's part of them."""
    found: dict[str, list[float]] = data["milliseconds"]
    bare = median(found[PASS])
    rows = [
        [
            name,
            number(median(each)),
            f"{number(min(each))}-{number(max(each))}",
            number(median(each) - bare) if name != PASS else "",
        ]
        for name, each in found.items()
    ]
    return [
        f"Medians of {len(found[PASS])}. The run is over {data['documents']:,} files; its first"
        " document is in hand when the processor is called in a worker.",
        "",
        *table(("", "ms", "fastest-slowest", f"without `{PASS}`"), rows),
    ]
