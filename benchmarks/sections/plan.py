"""Does ``docherd plan`` say how long a run will take, before it has begun?"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from statistics import median
from typing import Any

from benchmarks import plots, trees
from benchmarks.command import docherd
from benchmarks.figures import Figures, goals, number, percent, table
from benchmarks.observed import LOADS, observe, unknown
from benchmarks.session import Session
from benchmarks.trees import Costly

TRIALS, DOCUMENTS, WORKERS = 10, 1_500, 4
#: seconds that a run would take if all workers were busy to its end
SECONDS = 20.0
#: suffix → median of the bytes, seconds of a document of 100 kB to those of another kind's
KINDS = {
    "pdf": (200_000, 8.0),
    "docx": (60_000, 3.0),
    "xlsx": (40_000, 5.0),
    "html": (30_000, 1.0),
    "txt": (10_000, 0.3),
}
#: seconds grow with this power of the size; deviation of their logs; and, of so many, by so much
POWER, VARIES, HEAVY, HEAVIER = 0.7, 0.5, 0.03, (4.0, 15.0)
#: what is wanted: trials within the range, half the range to the estimate, the cost of a plan
WITHIN, WIDTH, SHARE, MOST = 0.9, 0.30, 0.03, 30.0


def measure(session: Session) -> dict[str, Any]:
    """A tree, its plan, the run; again with other trees."""
    if why := unknown("plan", "--help"):
        return {"missing": why}
    trials = session.count(TRIALS, 2)
    return {"trials": [_trial(session, seed, trials) for seed in range(trials)]}


def _trial(session: Session, seed: int, trials: int) -> dict[str, Any]:
    session.say(f"  trial {seed + 1} of {trials}")
    documents = list(_documents(session, seed))
    tree = trees.costly(session.fresh("plan"), documents)
    planned = session.run(docherd("plan", tree, "-p", f"{LOADS}:told", "--json"))
    if planned.error:
        return {"error": planned.error}
    found = json.loads((session.work / "stdout").read_bytes())
    entry = min(found["workers"], key=lambda each: abs(each["workers"] - WORKERS))
    run = observe(session, [tree], "told", "-w", entry["workers"])
    return {
        "error": run.ran.error,
        "documents": len(documents),
        "longest": max(each.cost["seconds"] for each in documents),
        "plan": {key: entry[key] for key in ("workers", "seconds", "low", "high")},
        "sampled": found["sampled"],
        "cost": planned.seconds,
        "seconds": run.seconds,
    }


def _documents(session: Session, seed: int) -> Iterator[Costly]:
    """Several kinds, mixed; every seed has its own proportions and costs."""
    chance = random.Random(seed)
    kinds = list(KINDS)
    shares = [chance.uniform(0.3, 1.0) for _ in kinds]
    chosen = chance.choices(kinds, shares, k=session.count(DOCUMENTS))
    paces = {kind: KINDS[kind][1] * chance.lognormvariate(0, 0.5) for kind in kinds}
    sizes = [int(KINDS[kind][0] * chance.lognormvariate(0, 1.0)) for kind in chosen]
    seconds = [
        paces[kind] * (size / 100_000) ** POWER * _noise(chance)
        for kind, size in zip(chosen, sizes, strict=True)
    ]
    scale = session.seconds(SECONDS) * WORKERS / sum(seconds)
    for index, (kind, size) in enumerate(zip(chosen, sizes, strict=True)):
        name = f"{index // 100:02d}/{index:05d}.{kind}"
        yield Costly(name, size, {"seconds": scale * seconds[index]})


def _noise(chance: random.Random) -> float:
    heavy = chance.uniform(*HEAVIER) if chance.random() < HEAVY else 1.0
    return heavy * chance.lognormvariate(0, VARIES)


# ── the page ─────────────────────────────────────────────────────────────────────────────────


def page(data: dict[str, Any], figures: Figures) -> list[str]:
    """Every trial, and how many came true."""
    if "missing" in data:
        return [f"Not measured: {data['missing']}.", ""]
    trials = data["trials"]
    good = [each for each in trials if not each["error"]]
    return [
        f"Trees of {DOCUMENTS:,} documents of {len(KINDS)} kinds and many sizes, each tree with"
        f" kinds, costs and a chance of its own. A document sleeps size^{POWER:g} times what its"
        f" kind costs, times a chance of its own (deviation of the logs {VARIES:g}); in"
        f" {percent(HEAVY)} that is {HEAVIER[0]:g} to {HEAVIER[1]:g} times as much. First `docherd"
        " plan`, then the run with as many workers as one of its lines was for.",
        "",
        *(goals(list(_goals(good))) if good else []),
        *table(
            (
                *("trial", "workers", "planned, s", "range", "± of it", "real, s", "in the range"),
                *("sampled", "cost of the plan, s"),
            ),
            [_line(index, each) for index, each in enumerate(trials, 1)],
        ),
        *([_draw(good, figures), ""] if good else []),
    ]


def _goals(trials: list[dict[str, Any]]) -> Iterator[tuple[str, str, str, bool]]:
    within = sum(_within(each) for each in trials)
    least = WITHIN * len(trials)
    yield (
        *("trials that ended within the range", f"≥ {percent(WITHIN)}"),
        *(f"{within} of {len(trials)}", within >= least),
    )
    width = median(map(_width, trials))
    yield "range, median", f"≤ ± {percent(WIDTH)}", f"± {percent(width)}", width <= WIDTH
    over = max(each["cost"] - max(MOST, SHARE * each["seconds"]) for each in trials)
    yield (
        *("cost of a plan, at most", f"≤ {percent(SHARE)} of the run, or {MOST:g} s"),
        *(f"{number(max(each['cost'] for each in trials))} s", over <= 0),
    )


def _within(trial: dict[str, Any]) -> bool:
    return bool(trial["plan"]["low"] <= trial["seconds"] <= trial["plan"]["high"])


def _width(trial: dict[str, Any]) -> float:
    """Half the range, to the estimate."""
    plan = trial["plan"]
    return float((plan["high"] - plan["low"]) / 2 / plan["seconds"])


def _line(index: int, trial: dict[str, Any]) -> list[str]:
    if trial["error"]:
        return [str(index), f"failed: {trial['error']}", *[""] * 7]
    plan = trial["plan"]
    return [
        str(index),
        str(plan["workers"]),
        number(plan["seconds"]),
        f"{number(plan['low'])}-{number(plan['high'])}",
        percent(_width(trial)),
        number(trial["seconds"]),
        "yes" if _within(trial) else "**no**",
        f"{trial['sampled']:,}",
        number(trial["cost"]),
    ]


def _draw(trials: list[dict[str, Any]], figures: Figures) -> str:
    """The plans beside what came; Markdown that shows it."""
    title = "Planned and real: ten trees"
    plans = [(100 / each["seconds"], each["plan"]) for each in trials]
    planned = plots.Curve(
        "planned, and its range",
        [(at, share * plan["seconds"]) for at, (share, plan) in enumerate(plans, 1)],
        [
            (at, share * plan["low"], share * plan["high"])
            for at, (share, plan) in enumerate(plans, 1)
        ],
    )
    real = plots.Curve("the real run", [(1, 100), (len(plans), 100)], limit=True)
    axes = plots.Axes(title, "trial", "% of the real run")
    plots.curves(figures.path("plan"), axes, [planned, real])
    return figures.shown("plan", title)
