"""Does ``-w auto`` find the number of workers that is best for a job?"""

from __future__ import annotations

import math
import os
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import trees
from benchmarks.figures import Figures, goals, megabytes, number, percent, table, times
from benchmarks.machine import others
from benchmarks.observed import observe, unknown
from benchmarks.session import Session
from benchmarks.trees import Costly

#: numbers of workers; the first is measured first, and ends most of the others early
FIXED = (1, 2, 4, 8, 16, 32)
BUDGET = 2_100_000_000
#: seconds that each job takes with the number of workers that should be best for it
SECONDS = 15.0
#: a number that needs so much more than the best so far is given up
GIVEN_UP = 1.25
#: what is wanted: seconds to those of the best fixed number
TARGET = 1.10


@dataclass(frozen=True, slots=True)
class Job:
    """One kind of work."""

    name: str
    #: what one document costs, see loads.cost_of
    cost: Mapping[str, float]
    #: seconds that one takes, and how many at a time should be best
    seconds: float
    parallel: int
    options: tuple[object, ...] = ()

    def documents(self, session: Session) -> Iterator[Costly]:
        """As many as fill the time; each costs a little more or less than the others."""
        chance = random.Random(17)
        count = math.ceil(session.seconds(SECONDS) * self.parallel / self.seconds)
        for index in range(count):
            factor = chance.uniform(0.7, 1.3)
            cost = {key: factor * value for key, value in self.cost.items()}
            yield Costly(f"{index:06d}.pdf", int(factor * 100_000), cost)


def _jobs() -> list[Job]:
    cores = len(os.sched_getaffinity(0))
    return [
        Job("computing", {"cpu": 0.05}, 0.05, cores),
        Job("waiting", {"seconds": 0.25}, 0.25, max(FIXED)),
        # 300 MB at 500 MB/s; six fit the budget, with the interpreters and the engine
        Job("memory", {"seconds": 0.4, "memory": 300e6}, 1.0, 6, ("--memory", f"{BUDGET}B")),
    ]


def measure(session: Session) -> dict[str, Any]:
    """Each job with every number of workers and with ``auto``, by turns."""
    rows: dict[str, dict[str, list[dict[str, Any]]]] = {}
    jobs = {job.name: _tree(session, job) for job in _jobs()}
    why, load = _unknown(session, jobs["computing"]), others(5.0)
    for turn in range(session.rounds):
        for job in _jobs():
            session.say(f"  round {turn + 1} of {session.rounds}: {job.name}")
            runs = rows.setdefault(job.name, {})
            _round(session, job, jobs[job.name], runs, auto=not why)
    return {
        "missing": why,
        "others": load,
        "cores": len(os.sched_getaffinity(0)),
        "documents": {name: sum(1 for _ in tree.iterdir()) for name, tree in jobs.items()},
        "rows": rows,
    }


def _tree(session: Session, job: Job) -> Path:
    return trees.costly(session.fresh(f"auto-{job.name}"), job.documents(session))


def _unknown(session: Session, tree: Path) -> str:
    return unknown("run", tree, "-o", session.fresh("out"), "--dry-run", "-w", "auto")


def _likely_first(job: Job) -> list[int]:
    return sorted(FIXED, key=lambda workers: abs(math.log(workers / job.parallel)))


def _round(
    session: Session,
    job: Job,
    tree: Path,
    runs: dict[str, list[dict[str, Any]]],
    *,
    auto: bool,
) -> None:
    """Every fixed number, until it is clear that it is not the best; ``auto`` to its end."""
    best = math.inf
    for workers in _likely_first(job):
        patience = min(3600.0, GIVEN_UP * best + 1)
        found = _once(session, job, tree, workers, patience)
        runs.setdefault(str(workers), []).append(found)
        best = best if found["error"] else min(best, found["seconds"])
    if auto:
        runs.setdefault("auto", []).append(_once(session, job, tree, "auto", 3600.0))


def _once(
    session: Session, job: Job, tree: Path, workers: object, patience: float
) -> dict[str, Any]:
    options = ("-w", workers, *job.options)
    ran = observe(session, [tree], "told", *options, patience=patience).ran
    return {"error": ran.error, "given_up": ran.given_up, "seconds": ran.seconds}


# ── the page ─────────────────────────────────────────────────────────────────────────────────


def page(data: dict[str, Any], figures: Figures) -> list[str]:
    """All numbers of workers, the best of them, and ``auto``."""
    counts, what = data["documents"], _middles(data)
    return [
        f"Whole commands, seconds; {data['cores']} cores, of which other programs kept"
        f" {number(data['others'])} busy just before. *Computing*: {counts['computing']:,}"
        f" documents of 50 ms of CPU. *Waiting*: {counts['waiting']:,} that sleep 250 ms."
        f" *Memory*: {counts['memory']:,} that take 300 MB and hold it for 400 ms; `--memory`"
        f" {megabytes(BUDGET)}. A number that is slower than the best by {percent(GIVEN_UP - 1)} is"
        " given up.",
        "",
        *([f"Not measured: `-w auto`: {data['missing']}.", ""] if data["missing"] else []),
        *(goals(list(_goals(what))) if not data["missing"] else []),
        *table(
            ("", *(f"`-w {workers}`" for workers in FIXED), "best", "`-w auto`", "to the best"),
            [_line(name, runs, what[name]) for name, runs in data["rows"].items()],
        ),
    ]


def _middles(data: dict[str, Any]) -> dict[str, dict[str, float]]:
    """Job → number of workers → median of seconds, of those that were never given up or failed."""
    return {
        name: {
            workers: median(run["seconds"] for run in runs)
            for workers, runs in each.items()
            if not any(run["error"] for run in runs)
        }
        for name, each in data["rows"].items()
    }


def _goals(what: dict[str, dict[str, float]]) -> Iterator[tuple[str, str, str, bool]]:
    for name, middles in what.items():
        fixed = min(seconds for workers, seconds in middles.items() if workers != "auto")
        share = middles.get("auto", math.inf) / fixed
        yield name, f"≤ {times(TARGET)} the best number", times(share), share <= TARGET


def _line(name: str, runs: dict[str, list[dict[str, Any]]], middles: dict[str, float]) -> list[str]:
    fixed = {workers: middles[workers] for workers in map(str, FIXED) if workers in middles}
    best, auto = min(fixed, key=lambda workers: fixed[workers]), middles.get("auto")
    return [
        name,
        *(_cell(runs.get(str(workers), [])) for workers in FIXED),
        f"`-w {best}`",
        _cell(runs.get("auto", [])),
        times(auto / fixed[best]) if auto else "",
    ]


def _cell(runs: list[dict[str, Any]]) -> str:
    if why := next((run["error"] for run in runs if run["error"] and not run["given_up"]), ""):
        return "refused" if "exit code 2:" in why else f"failed: {why}"
    if not runs:
        return ""
    seconds = number(median(run["seconds"] for run in runs))
    return f"> {seconds}" if any(run["given_up"] for run in runs) else seconds
