"""What it costs to run a finished run again: find all files, and see that nothing has changed."""

from __future__ import annotations

from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.command import Ran, contender
from benchmarks.figures import Figures, megabytes, number, table
from benchmarks.interleaved import WORKERS
from benchmarks.sections.memory import MANY
from benchmarks.session import Session


def measure(session: Session) -> dict[str, Any]:
    """By turns: the run again, and a walk of the same tree."""
    count = session.count(MANY)
    folder = session.files(count)
    out = session.work / f"run-{count}"
    if not (out / "report.json").exists():  # else the section `memory` has just made it
        session.say(f"  the first run over {count:,} files")
        if why := _run(session, folder, session.fresh(out.name)).error:
            return {"missing": why}
    again: list[Ran] = []
    walks: list[Ran] = []
    for turn in range(session.rounds):
        session.say(f"  round {turn + 1} of {session.rounds}")
        again.append(_run(session, folder, out))
        walks.append(session.run(contender("walk_stat", folder)))
    if why := next((ran.error for ran in again + walks if ran.error), ""):
        return {"missing": why}
    return {
        "documents": count,
        "again": [ran.seconds for ran in again],
        "walk": [ran.seconds for ran in walks],
        "peak": max(ran.report["peak"] for ran in again),
    }


def _run(session: Session, folder: Path, out: Path) -> Ran:
    return session.run(contender("docherd_run", folder, "--out", out, "--workers", WORKERS))


def page(data: dict[str, Any], figures: Figures) -> list[str]:
    """The difference to a bare walk."""
    if "missing" in data:
        return [f"Not measured: {data['missing']}.", ""]
    again, walk, documents = median(data["again"]), median(data["walk"]), data["documents"]
    rows = [
        ("the same `docherd run` again", again),
        ("bare walk + stat of the same tree", walk),
        ("the difference", again - walk),
    ]
    return [
        f"{documents:,} files that are all done; whole commands. The engine's memory was"
        f" {megabytes(data['peak'])} at most.",
        "",
        *table(
            ("", "seconds", "µs a document"),
            [[name, number(value), number(value / documents * 1e6)] for name, value in rows],
        ),
    ]
