"""What a document costs that does nothing: the engine, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from benchmarks import plots
from benchmarks.figures import Figures, megabytes, number, table, times
from benchmarks.interleaved import WORKERS, Entry, compare, middle
from benchmarks.session import Session

FULL = 200_000
#: enough for those whose cost does not depend on the number
FEWER = 20_000

WALK, STAT, RUN = "walk", "walk + stat", "docherd run, durable"


def measure(session: Session) -> dict[str, Any]:
    """All contenders over small files."""
    full, fewer = session.count(FULL), session.count(FEWER)
    everything, some = session.files(full), session.files(fewer)
    base = Entry("", "", everything, full, "noop")
    slow = replace(base, folder=some, documents=fewer)
    rows = compare(session, [*ours(base), *peers(base, slow), *walks(base)])
    return {"rows": rows}


def ours(base: Entry) -> list[Entry]:
    """The tutorial, and docherd in both its forms."""
    return [
        replace(base, name="the tutorial's code", contender="tutorial", needs="tqdm"),
        replace(base, name="docherd.process", contender="process"),
        replace(base, name=RUN, contender="docherd_run", writes=True),
    ]


def peers(base: Entry, slow: Entry) -> list[Entry]:
    """Everybody else; ``slow`` for those that would take minutes."""
    return [
        replace(base, name="multiprocessing imap_unordered", contender="pool_imap"),
        replace(
            base,
            name="multiprocessing imap_unordered, chunksize=100",
            contender="pool_imap_chunks",
        ),
        replace(base, name="mpire imap_unordered", contender="with_mpire", needs="mpire"),
        replace(slow, name="pebble map", contender="with_pebble", needs="pebble"),
        replace(base, name="joblib Parallel", contender="with_joblib", needs="joblib"),
        replace(slow, name="loky map", contender="with_loky", needs="loky"),
        replace(base, name="dask.bag", contender="with_dask", needs="dask"),
        replace(base, name="Ray Data map", contender="with_ray", needs="ray"),
    ]


def walks(base: Entry) -> list[Entry]:
    """What finding the files costs alone."""
    return [
        replace(base, name=WALK, contender="walk"),
        replace(base, name=STAT, contender="walk_stat"),
    ]


def page(data: dict[str, Any], figures: Figures) -> list[str]:
    """The comparison, and the parts of docherd run."""
    compared = [row for row in data["rows"] if row["name"] not in (WALK, STAT)]
    plots.bars(
        figures.path("noop"),
        plots.Axes("A document that does nothing", "µs a document (whole command)", ""),
        [(row["name"], cost(row)) for row in compared if "runs" in row],
    )
    return [
        f"A function that returns `None`, over small files, {WORKERS} workers. Seconds are those of"
        " the whole command: interpreter, imports, finding the files, ending. *Parent* is the"
        " process that was started, without its workers.",
        "",
        *costs(compared),
        figures.shown("noop", "µs a document"),
        "",
        *_parts(data["rows"]),
    ]


def costs(rows: list[dict[str, Any]]) -> list[str]:
    """One line a contender."""
    measured = [row for row in rows if "runs" in row]
    tutorial = next((row for row in measured if row["name"].startswith("the tutorial")), None)
    return table(
        (
            *("", "documents", "seconds", "µs a document", "fastest-slowest", "to the tutorial"),
            *("parent CPU, µs a document", "parent peak RSS"),
        ),
        [_line(row, tutorial) for row in rows],
    )


def cost(row: dict[str, Any], key: str = "seconds") -> float:
    """Microseconds a document."""
    return middle(row, key) / float(row["documents"]) * 1e6


def _line(row: dict[str, Any], tutorial: dict[str, Any] | None) -> list[str]:
    documents = f"{row['documents']:,}"
    if "runs" not in row:
        return [row["name"], documents, row["missing"], *[""] * 5]
    each = sorted(run["seconds"] / row["documents"] * 1e6 for run in row["runs"])
    return [
        row["name"],
        documents,
        number(middle(row, "seconds")),
        number(cost(row)),
        f"{number(each[0])}-{number(each[-1])}",
        times(cost(row) / cost(tutorial)) if tutorial else "",
        number(cost(row, "cpu")),
        megabytes(middle(row, "peak")),
    ]


def _parts(rows: list[dict[str, Any]]) -> list[str]:
    found = {row["name"]: row for row in rows if "runs" in row}
    if not {WALK, STAT, RUN} <= found.keys():
        return []
    walk, stat, whole = (cost(found[name]) for name in (WALK, STAT, RUN))
    return [
        "`docherd run` in parts. The walk is a process of its own beside the engine, so these are"
        " the costs of doing each alone, not shares of a clock.",
        "",
        *table(
            ("", "µs a document"),
            [
                ["bare walk (`os.scandir`)", number(walk)],
                ["and the `stat` of each file", number(stat - walk)],
                ["the rest: ledger, workers, commits, report, start", number(whole - stat)],
                ["`docherd run`", number(whole)],
            ],
        ),
    ]
