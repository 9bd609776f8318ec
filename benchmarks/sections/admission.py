"""As many documents at a time as fit the memory, when a few need far more than all others."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import plots, probes, trees
from benchmarks.cgroup import killed_with_us, limited
from benchmarks.command import Ran, contender
from benchmarks.figures import Figures, goals, megabytes, number, table, times
from benchmarks.observed import Observed, observe
from benchmarks.schedules import noted
from benchmarks.session import Session
from benchmarks.trees import Costly

WORKERS, BUDGET = 8, 2_000_000_000
#: documents, and the share of them that is large
FULL, LARGE = 500, 0.05
#: bytes of memory, the interpreter's among them: the median, and how much the large ones need
MEDIAN, INTERPRETER, TIMES = 30_000_000, 10_000_000, (10.0, 40.0)
#: seconds that a document holds it
HELD = 0.3
#: what is wanted: of the budget at most, of the oracle's throughput, of the safe constant's
MOST, ORACLE, CONSTANT = 1.1, 0.9, 2.0
#: what the kernel allows the engine besides, in a cgroup
ENGINE = 100_000_000
#: seconds between looks, and points kept of a curve
INTERVAL, POINTS = 0.05, 400

#: variant → whether the large ones can be told from their names and sizes
VARIANTS = {"large ones have large files": True, "nothing tells them apart": False}


def measure(session: Session) -> dict[str, Any]:
    """docherd and the oracle by turns; the constant and the cgroup once."""
    before = killed_with_us()
    found: dict[str, dict[str, list[dict[str, Any]]]] = {}
    trees_of = {name: _tree(session, name) for name in VARIANTS}
    for turn in range(session.rounds):
        for name, tree in trees_of.items():
            session.say(f"  round {turn + 1} of {session.rounds}: {name}")
            runs = found.setdefault(name, {"docherd": [], "oracle": []})
            runs["docherd"].append(_docherd(session, tree, WORKERS))
            runs["oracle"].append(_oracle(session, tree))
    name, tree = list(trees_of.items())[-1]
    costs = [each.cost["memory"] + INTERPRETER for each in _documents(session, known=False)]
    session.say("  the safe constant")
    longest = CONSTANT * 1.1 * median(run["seconds"] for run in found[name]["docherd"])
    constant = _docherd(session, tree, int(BUDGET // max(costs)), patience=longest)
    return {
        "documents": len(costs),
        "peaks": [median(costs), max(costs)],
        "variants": found,
        "constant": constant,
        "cgroup": _in_cgroup(session, tree),
        "kills": killed_with_us() - before,
    }


def _tree(session: Session, name: str) -> Path:
    folder = session.fresh(f"admission-{'known' if VARIANTS[name] else 'hidden'}")
    return trees.costly(folder, _documents(session, known=VARIANTS[name]))


def _documents(session: Session, *, known: bool) -> Iterator[Costly]:
    """The same costs in both variants, in the same order."""
    chance, count = random.Random(13), session.count(FULL)
    large = set(chance.sample(range(count), max(1, int(LARGE * count))))
    for index in range(count):
        factor = chance.uniform(*TIMES) if index in large else chance.lognormvariate(0, 0.2)
        memory = int(factor * MEDIAN) - INTERPRETER
        seconds, other = HELD * chance.lognormvariate(0, 0.5), chance.lognormvariate(0, 1)
        size = int(memory / 100 if known else other * 200_000)
        suffix = "tif" if known and index in large else "pdf"
        yield Costly(f"{index:05d}.{suffix}", size, {"seconds": seconds, "memory": memory})


def _docherd(session: Session, tree: Path, workers: int, **how: Any) -> dict[str, Any]:  # noqa: ANN401 - those of command.run
    options = ("-w", workers, "--memory", f"{BUDGET}B", "--exit-zero")
    notes = session.notes()
    run = observe(
        *(session, [tree], "told", *options),
        **{"notes": notes, "probe": probes.tree_memory, "interval": INTERVAL, **how},
    )
    return _kept(run.ran) | {"workers": workers, "killed": noted(notes)[1], **_counts(run)}


def _counts(run: Observed) -> dict[str, int]:
    counts = run.progress[-1]["counts"] if run.progress else {}
    return {key: counts.get(key, 0) for key in ("done", "failed")}


def _oracle(session: Session, tree: Path) -> dict[str, Any]:
    words = contender("packed", tree, "--workers", WORKERS, "--memory", BUDGET)
    return _kept(session.run(words, probe=probes.tree_memory, interval=INTERVAL))


def _kept(ran: Ran) -> dict[str, Any]:
    """What is kept of a run; the curve in few points, each the most of its stretch."""
    step = max(1, len(ran.samples) // POINTS)
    stretches = (ran.samples[at : at + step] for at in range(0, len(ran.samples), step))
    return {
        "error": ran.error,
        "given_up": ran.given_up,
        "seconds": ran.seconds,
        "peak": max((size for _, size in ran.samples), default=0),
        "samples": [(round(each[0][0], 2), max(size for _, size in each)) for each in stretches],
    }


def _in_cgroup(session: Session, tree: Path) -> dict[str, Any]:
    """Once more where the kernel would kill; whom it killed."""
    limit = int(MOST * BUDGET) + ENGINE
    try:
        with limited(f"docherd-benchmark-{os.getpid()}", limit) as group:
            session.say("  in a cgroup")
            found = _docherd(session, tree, WORKERS, inside=group.inside)
            return found | {"limit": limit, "oom": group.killed(), "most": group.peak()}
    except OSError as error:
        return {"missing": f"{error.strerror or error}"}


# ── the page ─────────────────────────────────────────────────────────────────────────────────


def page(data: dict[str, Any], figures: Figures) -> list[str]:
    """The budget, and what was made of it."""
    shown = [_draw(name, runs, figures) for name, runs in data["variants"].items()]
    middle, most = data["peaks"]
    return [
        f"{data['documents']:,} documents that take memory bit by bit, hold it"
        f" {number(HELD)} s (median) and give it back: {megabytes(middle)} in the median, the"
        f" interpreter's among them, but 5 % of them 10 to 40 times that; the largest"
        f" {megabytes(most)}. {WORKERS} workers, `--memory` {megabytes(BUDGET)}. Once the large"
        " ones are `.tif` among `.pdf` and their files are large; once nothing tells them apart."
        " Memory is RssAnon + RssShmem of the whole process tree, the engine's among it, read"
        f" {1 / INTERVAL:.0f} times a second. The oracle is"
        " [a loop](../benchmarks/contenders/packed.py) that is told each document's memory"
        " beforehand. The safe constant is as many workers as could all have the largest document"
        " in hand. *Killed* are attempts that did not come to their end.",
        "",
        *goals(list(_goals(data))),
        *table(
            ("", "", "seconds", "to the oracle", "most memory", "killed", "failed"),
            list(_lines(data)),
        ),
        *(line for picture in shown for line in (picture, "")),
    ]


def _goals(data: dict[str, Any]) -> Iterator[tuple[str, str, str, bool]]:
    runs = [run for each in data["variants"].values() for run in each["docherd"]]
    group = data["cgroup"]
    runs += [] if "missing" in group else [group]
    peak = max(run["peak"] for run in runs)
    yield (
        *("most memory, of the worst run", f"≤ {times(MOST)} the budget"),
        *(times(peak / BUDGET), peak <= MOST * BUDGET),
    )
    failed = sum(run["failed"] for run in runs)
    yield "documents that failed, though each fits", "0", f"{failed:,}", not failed
    kills = data["kills"] + group.get("oom", 0)
    yield "processes killed by the kernel", "0", f"{kills:,}", not kills
    for name, each in data["variants"].items():
        share = _seconds(each["oracle"]) / _seconds(each["docherd"])
        yield (
            f"throughput, {name}",
            f"≥ {times(ORACLE)} the oracle's",
            times(share),
            share >= ORACLE,
        )
    name, each = list(data["variants"].items())[-1]
    gain = data["constant"]["seconds"] / _seconds(each["docherd"])
    reached = f"> {times(gain)}" if data["constant"]["given_up"] else times(gain)
    yield (
        f"throughput, {name}",
        f"≥ {times(CONSTANT)} the safe constant's",
        reached,
        gain >= CONSTANT,
    )


def _seconds(runs: Sequence[dict[str, Any]]) -> float:
    return float(median(run["seconds"] for run in runs))


def _lines(data: dict[str, Any]) -> Iterator[list[str]]:
    for name, each in data["variants"].items():
        oracle = _seconds(each["oracle"])
        yield from (
            _line(f"docherd run, `-w {WORKERS}`", name, run, oracle) for run in each["docherd"]
        )
        yield from (_line("the oracle", name, run, oracle) for run in each["oracle"])
    name, each = list(data["variants"].items())[-1]
    oracle, constant, group = _seconds(each["oracle"]), data["constant"], data["cgroup"]
    yield _line(f"the safe constant, `-w {constant['workers']}`", name, constant, oracle)
    if "missing" in group:
        yield ["docherd run, in a cgroup", f"not measured: {group['missing']}", *[""] * 5]
    else:
        yield _line(f"docherd run, in a cgroup of {megabytes(group['limit'])}", name, group, oracle)


def _line(title: str, variant: str, run: dict[str, Any], oracle: float) -> list[str]:
    if run["error"] and not run["given_up"]:
        return [title, variant, f"failed: {run['error']}", *[""] * 4]
    return [
        title,
        variant,
        f"{'> ' if run['given_up'] else ''}{number(run['seconds'])}",
        times(oracle / run["seconds"]),
        megabytes(run["peak"]),
        *(f"{run[key]:,}" if _known(run, key) else "" for key in ("killed", "failed")),
    ]


def _known(run: dict[str, Any], key: str) -> bool:
    """Whether it was counted; of what was given up, everything in hand was killed, by us."""
    return key in run and not run["given_up"]


def _draw(name: str, runs: dict[str, list[dict[str, Any]]], figures: Figures) -> str:
    """Memory over time of the first round; Markdown that shows it."""
    file, title = f"admission-{list(VARIANTS).index(name)}", f"Memory of the whole tree: {name}"
    lines = [
        plots.Curve(title, [(at, size / 1e6) for at, size in runs[who][0]["samples"]])
        for who, title in (("docherd", "docherd run"), ("oracle", "the oracle"))
    ]
    end = max(line.points[-1][0] for line in lines if line.points)
    budget = plots.Curve("the budget", [(0, BUDGET / 1e6), (end, BUDGET / 1e6)], limit=True)
    plots.curves(figures.path(file), plots.Axes(title, "time, s", "memory, MB"), [*lines, budget])
    return figures.shown(file, title)
