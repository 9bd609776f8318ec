"""What the watch over the workers costs, what a crash costs the others, and how late durable is."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import probes
from benchmarks.command import begin_command, docherd, end_all, ended
from benchmarks.figures import Figures, number, table
from benchmarks.session import Session

#: workers watched, seconds that their Documents take, and the part of the time that is looked at
WATCHED, SLEEP, MIDDLE = 32, 30.0, (0.5, 0.9)
#: Documents of 50 ms each, and as many more that crash
USUAL, CRASHING = 400, 40
#: Documents of a slow job, one a second
SLOW = 15


def measure(session: Session) -> dict[str, Any]:
    """Seconds of one core for each second; seconds for each crash; seconds until durable."""
    return {
        "workers": WATCHED,
        "watching": [_watching(session) for _ in range(session.rounds)],
        "crash": [_crash(session) for _ in range(session.rounds)],
        "late": _late(session),
    }


def _watching(session: Session) -> float:
    """Share of a core that the engine takes while every worker sleeps."""
    seconds = session.seconds(SLEEP)
    folder = _tree(session, "sleeping", {f"sleep-{seconds:g}": WATCHED})
    words = _run(session, folder, "sleeper", "-w", WATCHED, "--memory", "16GB")
    seen = session.run(words, probe=probes.processor_seconds, interval=0.5).samples
    begin, end = (seen[0][0] + part * (seen[-1][0] - seen[0][0]) for part in MIDDLE)
    looked = [(at, used) for at, used in seen if begin <= at <= end and used is not None]
    (first, before), (last, after) = looked[0], looked[-1]
    return float((after - before) / (last - first))


def _crash(session: Session) -> float:
    """How much later the last of the others ended, for each Document that crashed among them."""
    usual, crashing = session.count(USUAL), session.count(CRASHING, 10)
    without = _last_end(session, {"sleep-0.05": usual})
    return (_last_end(session, {"sleep-0.05": usual, "crash": crashing}) - without) / crashing


def _last_end(session: Session, kinds: dict[str, int]) -> float:
    """Seconds from the first start of a Document that is no crash to the last end of one."""
    folder, notes = _tree(session, "crashing", kinds), session.notes()
    session.run(_run(session, folder, "noting", "-w", 2, "--exit-zero"), notes=notes)
    times = [float(line) for file in notes.iterdir() for line in file.read_text().split()]
    return max(times) - min(times)


def _late(session: Session) -> list[float]:
    """Of a slow job: seconds from the end of each Document until the ledger has it."""
    folder, notes = _tree(session, "slow", {"sleep-1": SLOW}), session.notes()
    words = _run(session, folder, "noting", "-w", 1)
    process = begin_command(words, session.work / "stdout", session.work / "stderr", notes)
    durable: list[float] = []
    try:
        while not ended(process, 0.02):
            durable += [time.time()] * (_committed(session.work / "out") - len(durable))
    finally:
        if process.poll() is None:
            end_all(process)
    ends = sorted(
        float(line) for file in notes.iterdir() for line in file.read_text().split()[1::2]
    )
    return [seen - end for seen, end in zip(durable, ends, strict=False)]


def _committed(out: Path) -> int:
    try:
        with sqlite3.connect(f"file:{out}/ledger.db?mode=ro", uri=True) as ledger:
            return int(ledger.execute("select count(*) from outcome").fetchone()[0])
    except sqlite3.Error:
        return 0  # not yet there


def _tree(session: Session, name: str, kinds: dict[str, int]) -> Path:
    """Files of these names, each in a folder of its own, the kinds evenly mixed."""
    folder = session.fresh(name)
    for kind, count in kinds.items():
        for index in range(count):
            part = folder / f"{index / count:.6f}"
            part.mkdir(parents=True, exist_ok=True)
            (part / kind).write_text("x")
    return folder


def _run(session: Session, folder: Path, function: str, *options: object) -> list[str]:
    out = session.fresh("out")
    return docherd("run", folder, "-o", out, "-p", f"benchmarks.functions:{function}", *options)


def page(data: dict[str, Any], figures: Figures) -> list[str]:
    """Three figures."""
    late = data["late"]
    rows = [
        [
            f"the engine, while it watches {data['workers']} workers that are busy",
            f"{100 * median(data['watching']):.1f} % of a core",
        ],
        [
            "a crash: by how much the other documents end later",
            f"{number(1000 * median(data['crash']))} ms",
        ],
        [
            "one document a second: from its end until it is durable, mean",
            f"{number(sum(late) / len(late))} s",
        ],
        ["and at most", f"{number(max(late))} s"],
    ]
    return table(("", ""), rows)
