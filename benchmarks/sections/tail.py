"""Are all workers busy to the end, when a few documents take far longer than all others?"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from statistics import median
from typing import Any

from benchmarks import plots, trees
from benchmarks.figures import Figures, goals, number, percent, table, times
from benchmarks.observed import observe
from benchmarks.schedules import Span, busy, idle, in_turn, makespan, noted
from benchmarks.session import Session
from benchmarks.trees import Costly

WORKERS = 4
#: seconds that a run would take if all workers were busy to its end
SECONDS = 30.0
#: usual documents, and what each of the giants takes of all work; the giants come last
USUAL, GIANTS = 400, (0.02, 0.03, 0.05, 0.13)
#: bytes of a document for each second it takes, but for how much that varies (deviation of logs)
BYTES, VARIES = 500_000, 0.2
#: what is wanted: seconds of a run to work / workers
TARGET = 1.05
#: the part of a run that counts as its end, and points kept of a curve
END, POINTS = 0.1, 120


def measure(session: Session) -> dict[str, Any]:
    """docherd over the giants; what directory order would take is computed."""
    documents = list(_documents(session))
    seconds = [each.cost["seconds"] for each in documents]
    tree = trees.costly(session.fresh("tail"), documents)
    runs = []
    for turn in range(session.rounds):
        session.say(f"  round {turn + 1} of {session.rounds}")
        notes = session.notes()
        run = observe(session, [tree], "told", "-w", WORKERS, notes=notes)
        spans, _ = noted(notes)
        runs.append({"error": run.ran.error, "seconds": run.seconds, **_kept(spans)})
    return {
        "documents": len(documents),
        "ideal": sum(seconds) / WORKERS,
        "longest": max(seconds),
        "directory": _kept(in_turn(seconds, WORKERS)),
        "sorted": _kept(in_turn(sorted(seconds, reverse=True), WORKERS)),
        "runs": runs,
    }


def _documents(session: Session) -> Iterator[Costly]:
    """The usual ones, and then the giants, in the order of their names; no two runs differ."""
    chance, work = random.Random(11), session.seconds(SECONDS) * WORKERS
    usual = [chance.lognormvariate(0, 0.8) for _ in range(session.count(USUAL))]
    share = (1 - sum(GIANTS)) / sum(usual)
    seconds = [work * part for part in (*(share * each for each in usual), *GIANTS)]
    for index, each in enumerate(seconds):
        size = int(each * BYTES * chance.lognormvariate(0, VARIES))
        yield Costly(f"{index:04d}.pdf", size, {"seconds": each})


def _kept(spans: Sequence[Span]) -> dict[str, Any]:
    return {
        "makespan": makespan(spans),
        "idle": idle(spans, WORKERS, END),
        "busy": busy(spans, POINTS),
    }


def page(data: dict[str, Any], figures: Figures) -> list[str]:
    """Runs beside the best and the usual order, and how many workers were busy when."""
    ideal, runs = data["ideal"], [run for run in data["runs"] if not run["error"]]
    title = "Workers that are busy, the longest documents last in the folder"
    lines = [plots.Curve("directory order, computed", data["directory"]["busy"])]
    lines = [*(plots.Curve("docherd run", run["busy"]) for run in runs[:1]), *lines]
    plots.curves(figures.path("tail"), plots.Axes(title, "time, s", "workers"), lines)
    rows = [
        ["directory order, computed", *_figures(data["directory"], ideal)],
        ["longest first, computed", *_figures(data["sorted"], ideal)],
        *(["docherd run", *_figures(run, ideal)] for run in runs),
        *([f"failed: {run['error']}", *[""] * 4] for run in data["runs"] if run["error"]),
    ]
    return [
        f"{data['documents']:,} documents that sleep, {WORKERS} workers. Those with the"
        f" {len(GIANTS)} last names take {percent(sum(GIANTS))} of all the work, the last one alone"
        f" {number(data['longest'])} s; sizes follow the seconds, give or take"
        f" {percent(VARIES)}. All work by the number of workers: {number(ideal)} s. *Seconds* are"
        " those of docherd's own clock, from its start to its end; *first to last* is from the"
        " begin of the first document to the end of the last.",
        "",
        *goals(_goals(runs, ideal)),
        *table(
            (
                *("", "seconds", "to work / workers", "first to last"),
                f"idle in the last {percent(END)}",
            ),
            rows,
        ),
        figures.shown("tail", title),
        "",
    ]


def _goals(runs: Sequence[dict[str, Any]], ideal: float) -> list[tuple[str, str, str, bool]]:
    if not runs:
        return []
    reached = median(run["seconds"] for run in runs) / ideal
    what = "seconds of the run, to work / workers"
    return [(what, f"≤ {TARGET:.3f} ×", f"{reached:.3f} ×", reached <= TARGET)]


def _figures(one: dict[str, Any], ideal: float) -> list[str]:
    whole = one.get("seconds", one["makespan"])
    return [number(whole), times(whole / ideal), number(one["makespan"]), percent(one["idle"])]
