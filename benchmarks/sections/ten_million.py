"""Ten million documents in one run, killed once half-way. It takes long: only on request."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import plots, probes
from benchmarks.command import begin_command, docherd, end_all, ended
from benchmarks.figures import Figures, megabytes, number, table
from benchmarks.interleaved import WORKERS
from benchmarks.session import Session

FULL = 10_000_000
#: seconds between looks, and points kept of a curve
INTERVAL, POINTS = 0.25, 400


@dataclass(frozen=True, slots=True)
class Start:
    """One start of the run, as seen from outside."""

    seconds: float
    #: from the command to the first document in hand, and to the first that status.json counts
    first: float
    counted: float
    #: (seconds, the engine's memory, size of the write-ahead log)
    samples: list[tuple[float, int, int]]
    code: int


def measure(session: Session) -> dict[str, Any]:
    """Half, a kill -9, the other half; then what looks at it."""
    count = session.count(FULL, 2_000)
    names = session.links(count).with_suffix(".list")
    out = session.fresh("ten-million")
    session.say(f"  {count:,} documents, until half-way")
    first = _start(session, names, out, count // 2)
    half = _timed(session, docherd("status", out, "--json"))
    done = _done(out)
    if not first.code:
        return {"missing": f"all {done:,} documents were done before half of them were seen to be"}
    session.say("  killed; again, to the end")
    second = _start(session, names, out, None)
    if second.code:
        return {"missing": f"exit code {second.code} after the kill"}
    session.say("  status and report")
    return {
        "documents": count,
        "killed": done,
        "done": _done(out),
        "seconds": [first.seconds, second.seconds],
        "first": [first.first, second.first],
        "counted": [first.counted, second.counted],
        "peak": max(size for start in (first, second) for _, size, _ in start.samples),
        "wal": max(size for start in (first, second) for *_, size in start.samples),
        "ledger": (out / "ledger.db").stat().st_size,
        "status_half": half,
        "status": _timed(session, docherd("status", out, "--json")),
        "report": _timed(session, docherd("report", out)),
        "samples": [_thinned(start.samples) for start in (first, second)],
    }


def _start(session: Session, names: Path, out: Path, kill_at: int | None) -> Start:
    """Until ``kill_at`` documents are done, then kill -9; else to the end."""
    notes = session.notes()
    words = docherd("run", "--files-from", names, "-o", out, "-w", WORKERS)
    words += ["-p", "benchmarks.functions:started"]
    began, begin = time.time_ns(), time.monotonic()
    process = begin_command(words, session.work / "stdout", session.work / "stderr", notes)
    samples: list[tuple[float, int, int]] = []
    counted = 0.0
    try:
        while not ended(process, INTERVAL):
            now = time.monotonic() - begin
            if (size := probes.memory(process.pid)) is not None:
                samples.append((now, size, _size(out / "ledger.db-wal")))
            status = _status(out, began)
            if not counted and status.get("finished"):
                counted = now
            if kill_at is not None and status and status["counts"]["done"] >= kill_at:
                break
        seconds = time.monotonic() - begin
    finally:
        end_all(process)
    starts = [int(noted["started"]) for noted in session.noted()]
    first = (min(starts) - began) / 1e9 if starts else float("nan")
    return Start(seconds, first, counted or seconds, samples, process.returncode)


def _status(out: Path, since: int) -> dict[str, Any]:
    """status.json, if this start wrote it."""
    path = out / "status.json"
    try:
        if path.stat().st_mtime_ns < since:
            return {}
        found: dict[str, Any] = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    return found


def _done(out: Path) -> int:
    return int(json.loads((out / "status.json").read_bytes())["counts"]["done"])


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _timed(session: Session, words: list[str]) -> float:
    ran = session.run(words)
    return ran.seconds if not ran.error else float("nan")


def _thinned(samples: list[tuple[float, int, int]]) -> list[tuple[float, int, int]]:
    """Few points, each the most of its stretch."""
    step = max(1, len(samples) // POINTS)
    stretches = [samples[at : at + step] for at in range(0, len(samples), step)]
    return [
        (round(part[0][0], 2), max(size for _, size, _ in part), max(size for *_, size in part))
        for part in stretches
    ]


def page(data: dict[str, Any], figures: Figures) -> list[str]:
    """All figures of the run, and its memory over time."""
    if "missing" in data:
        return [f"Not measured: {data['missing']}.", ""]
    axes = plots.Axes("Ten million documents, killed once", "time, s", "engine's memory, MB")
    names = ("until it was killed", "the same command again")
    lines = [
        plots.Curve(name, [(at, size / 1e6) for at, size, _ in samples])
        for name, samples in zip(names, data["samples"], strict=True)
    ]
    plots.curves(figures.path("ten-million"), axes, lines)
    return [
        f"{data['documents']:,} names (hard links, 10,000 in a folder) from `--files-from`, a"
        f" function that does nothing, {WORKERS} workers. `kill -9` when half were done"
        f" ({data['killed']:,} in status.json); the same command again did the rest:"
        f" {data['done']:,} done.",
        "",
        *table(("", ""), _lines(data)),
        figures.shown("ten-million", "the engine's memory"),
        "",
    ]


def _lines(data: dict[str, Any]) -> list[list[str]]:
    documents, seconds = data["documents"], sum(data["seconds"])
    return [
        ["both starts together", f"{number(seconds)} s"],
        ["a document", f"{number(seconds / documents * 1e6)} µs"],
        ["peak memory of the engine", megabytes(data["peak"])],
        ["ledger", f"{number(data['ledger'] / documents)} bytes a document"],
        ["largest write-ahead log", megabytes(data["wal"])],
        ["first document in hand", f"{number(data['first'][0])} s"],
        ["after the kill: first new document in hand", f"{number(data['first'][1])} s"],
        [
            "after the kill: first new document done, by status.json, renewed every 2 s",
            f"{number(data['counted'][1])} s",
        ],
        ["`docherd status --json`, killed half-way", f"{number(data['status_half'])} s"],
        ["`docherd status --json`, finished", f"{number(data['status'])} s"],
        ["`docherd report`", f"{number(data['report'])} s"],
    ]
