"""How well docherd foresees its end, over real documents in three orders."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable, Iterator, Sequence
from statistics import median
from typing import Any, NamedTuple

from benchmarks import plots
from benchmarks.contenders.contend import below
from benchmarks.figures import Figures, goals, number, percent, table
from benchmarks.loads import TABLE
from benchmarks.observed import Observed, observe
from benchmarks.session import Session

#: seconds that a run would take if all workers were busy to its end
SECONDS = 36.0
WORKERS = (2, 4)
#: fewer documents say nothing
LEAST = 100
#: what is wanted from this share of the run on: the median error, and the largest
FROM, MIDDLE, WORST = 0.1, 0.10, 0.25

_ORDERS: dict[str, Callable[[list[str]], list[str]]] = {
    "directory": sorted,
    "shuffled": lambda paths: random.Random(7).sample(sorted(paths), len(paths)),
    "largest first": lambda paths: sorted(paths, key=lambda path: -os.path.getsize(path)),
}


class Point(NamedTuple):
    """What was said at one moment; seconds."""

    elapsed: float
    #: left, as docherd said; None where it said nothing
    left: float | None
    low: float
    high: float
    #: left, as documents to do and the rate so far say; None before the first document is done
    rate: float | None


def measure(session: Session) -> dict[str, Any]:
    """What rendering costs; then runs that sleep so long, page by page."""
    paths = [path for path in below(session.pdfs) if os.path.isfile(path)]
    if len(paths) < LEAST:
        return {"missing": f"{len(paths)} documents in --pdfs are too few to forecast anything"}
    session.say(f"  rendering {len(paths):,} documents, to know what that takes")
    costs = _rendered(session)
    if not costs:
        return {"missing": "rendering failed"}
    return {
        "documents": len(paths),
        "pages": sum(len(pages) for pages in costs.values()),
        "seconds": sum(map(sum, costs.values())),
        "largest": max(map(sum, costs.values())),
        "runs": [
            _once(session, paths, costs, order, workers)
            for _ in range(session.rounds)
            for workers in WORKERS
            for order in _ORDERS
        ],
    }


def _rendered(session: Session) -> dict[str, list[float]]:
    """Path → CPU seconds of each page; what cannot be rendered is not in it."""
    observe(session, [session.pdfs], "rendering", "-w", 2, "--exit-zero", "--timeout", "3m")
    records = (
        json.loads(line)
        for part in (session.work / "out" / "data").glob("*.jsonl")
        for line in part.read_bytes().splitlines()
    )
    return {record["file"]: record["pages"] for record in records}


def _once(
    session: Session, paths: list[str], costs: dict[str, list[float]], order: str, workers: int
) -> dict[str, Any]:
    session.say(f"  {workers} workers, {order}")
    scale = session.seconds(SECONDS) * workers / sum(map(sum, costs.values()))
    costs_file, names = session.work / "costs.json", session.work / "names"
    scaled = {path: [scale * page for page in pages] for path, pages in costs.items()}
    costs_file.write_text(json.dumps(scaled))
    names.write_bytes(b"".join(os.fsencode(path) + b"\0" for path in _ORDERS[order](paths)))
    inputs = [session.pdfs] if order == "directory" else ["--files-from", names, "--null"]
    run = observe(session, inputs, "paged", "-w", workers, environment={TABLE: str(costs_file)})
    return {
        "order": order,
        "workers": workers,
        "error": run.ran.error,
        "seconds": run.seconds,
        "points": list(_points(run)),
    }


def _points(run: Observed) -> Iterator[Point]:
    """What was said at every progress event but the last."""
    for event in run.progress[:-1]:
        eta, elapsed, counts = event["eta"], event["seconds"], event["counts"]
        rate = counts["pending"] / (counts["done"] / elapsed) if counts["done"] else None
        if eta is None:
            yield Point(elapsed, None, 0.0, 0.0, rate)
        else:
            yield Point(elapsed, eta["seconds"], eta["low"], eta["high"], rate)


# ── the page ─────────────────────────────────────────────────────────────────────────────────


def page(data: dict[str, Any], figures: Figures) -> list[str]:
    """How far off docherd was, and what count × rate would have said at the same moments."""
    if "missing" in data:
        return [f"Not measured: {data['missing']}.", ""]
    runs = [run | {"points": [Point(*each) for each in run["points"]]} for run in data["runs"]]
    shown = [_draw(runs, workers, figures) for workers in WORKERS]
    good = [run for run in runs if not run["error"] and _judged(run)]
    return [
        f"Each of {data['documents']:,} real documents of many kinds takes as long, page by page,"
        f" as rendering it at 300 dpi was measured to take ({number(data['seconds'])} s of CPU for"
        f" {data['pages']:,} pages, {percent(data['largest'] / data['seconds'])} of it for one"
        " document), all of it scaled by one factor. The error is that of the predicted end, in"
        f" percent of the whole duration, at every progress event from {percent(FROM)} of the run"
        " on; no forecast counts as 100 %. *Count × rate* is what documents to do and the mean"
        " rate so far would have said at the same moments.",
        "",
        *goals(_goals(good)),
        *table(
            (
                *("order", "workers", "seconds", "median error", "worst", "truth in the band"),
                *("count × rate: median", "worst"),
            ),
            [_line(run) for run in runs],
        ),
        *(line for picture in shown for line in (picture, "")),
    ]


def _goals(runs: Sequence[dict[str, Any]]) -> list[tuple[str, str, str, bool]]:
    """Of all runs the worst."""
    if not runs:
        return []
    middle = max(median(_errors(run)) for run in runs)
    worst = max(max(_errors(run)) for run in runs)
    return [
        (
            "median error, of the worst run",
            f"≤ {percent(MIDDLE)}",
            percent(middle),
            middle <= MIDDLE,
        ),
        ("largest error of all", f"≤ {percent(WORST)}", percent(worst), worst <= WORST),
    ]


def _line(run: dict[str, Any]) -> list[str]:
    head = [run["order"], str(run["workers"])]
    if run["error"] or not _judged(run):
        return [*head, f"failed: {run['error'] or 'too short'}", *[""] * 5]
    errors, usual = _errors(run), _errors(run, usual=True)
    return [
        *head,
        number(run["seconds"]),
        percent(median(errors)),
        percent(max(errors)),
        percent(_in_band(run)),
        percent(median(usual)),
        percent(max(usual)),
    ]


def _judged(run: dict[str, Any]) -> list[Point]:
    """The points that count."""
    return [point for point in run["points"] if point.elapsed >= FROM * run["seconds"]]


def _errors(run: dict[str, Any], *, usual: bool = False) -> list[float]:
    """Of each point that counts, as a share of the whole duration."""
    whole = float(run["seconds"])
    said = [(each.elapsed, each.rate if usual else each.left) for each in _judged(run)]
    return [1.0 if left is None else abs(at + left - whole) / whole for at, left in said]


def _in_band(run: dict[str, Any]) -> float:
    """How often the truth lay between low and high; half a second more, as docherd rounds."""
    points, whole = _judged(run), float(run["seconds"])
    inside = (
        each.left is not None and each.low - 0.5 <= whole - each.elapsed <= each.high + 0.5
        for each in points
    )
    return sum(inside) / len(points)


def _draw(runs: Sequence[dict[str, Any]], workers: int, figures: Figures) -> str:
    """The predicted end over time, of the first round; Markdown that shows it."""
    name, title = f"eta-{workers}", f"The predicted end, {workers} workers"
    mine = {run["order"]: run for run in reversed(runs) if run["workers"] == workers}
    lines = [_curve(mine[order]) for order in _ORDERS if order in mine]
    truth = plots.Curve("the real end", [(0, 100), (100, 100)], limit=True)
    axes = plots.Axes(title, "time, % of the run", "predicted end, % of the real one", top=250)
    plots.curves(figures.path(name), axes, [*lines, truth])
    return figures.shown(name, title)


def _curve(run: dict[str, Any]) -> plots.Curve:
    share = 100 / run["seconds"]
    said = [each for each in run["points"] if each.left is not None]
    return plots.Curve(
        run["order"],
        [(share * each.elapsed, share * (each.elapsed + each.left)) for each in said],
        [(share * at, share * (at + low), share * (at + high)) for at, _, low, high, _ in said],
    )
