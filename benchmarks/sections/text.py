"""What large results cost: 50 KB from every document."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from benchmarks import plots
from benchmarks.figures import Figures, megabytes, number, table, times
from benchmarks.functions import LENGTH
from benchmarks.interleaved import WORKERS, Entry, compare, middle
from benchmarks.sections.noop import RUN, cost, costs, ours, peers
from benchmarks.session import Session

FULL = 20_000
#: of those that would need all the memory there is
FEWER = 2_000
BARE = "two bare loops"


def measure(session: Session) -> dict[str, Any]:
    """Those of ``noop``, and the bare loop that writes the same bytes."""
    count = session.count(FULL)
    base = Entry("", "", session.files(count), count, "text")
    fewer = session.count(FEWER)
    few = replace(base, folder=session.files(fewer), documents=fewer)
    # A bag returns everything at once, and holds it several times over while it does.
    others = [
        replace(few, name=peer.name, contender=peer.contender, needs=peer.needs)
        if peer.needs == "dask"
        else peer
        for peer in peers(base, base)
    ]
    bare = replace(base, name=BARE, contender="bare_loop", writes=True)
    return {"rows": compare(session, [*ours(base), *others, bare])}


def page(data: dict[str, Any], figures: Figures) -> list[str]:
    """Results in memory; then what was written to disk."""
    rows = data["rows"]
    streams = [row for row in rows if row["name"] not in (RUN, BARE)]
    plots.bars(
        figures.path("text"),
        plots.Axes("50 KB of text from each document", "µs a document (whole command)", ""),
        [(row["name"], cost(row)) for row in streams if "runs" in row],
    )
    return [
        f"A function that returns {LENGTH:,} characters of varied text, {WORKERS} workers. The"
        " tutorial's code keeps all results, as it does in the tutorial; dask returns them in one"
        " list; the others are dropped one by one.",
        "",
        *costs(streams),
        figures.shown("text", "µs a document"),
        "",
        *written([row for row in rows if row["name"] in (RUN, BARE)]),
    ]


def written(rows: list[dict[str, Any]]) -> list[str]:
    """docherd run beside the bare loops."""
    bare = next((row for row in rows if row["name"].endswith("bare loops") and "runs" in row), None)
    return [
        "Written to disk: `docherd run` with its ledger, and as many processes as it has workers,"
        " which take paths from a shared counter, call the same function and write the same lines"
        " to files of their own, with one `fdatasync` a second.",
        "",
        *table(
            ("", "seconds", "documents/s", "to the bare loops", "MB written", "MB/s", "parent CPU"),
            [_written_line(row, bare) for row in rows],
        ),
    ]


def _written_line(row: dict[str, Any], bare: dict[str, Any] | None) -> list[str]:
    if "runs" not in row:
        return [row["name"], row["missing"], *[""] * 5]
    seconds, size = middle(row, "seconds"), middle(row, "written")
    return [
        row["name"],
        number(seconds),
        number(row["documents"] / seconds),
        times(middle(bare, "seconds") / seconds) if bare else "",
        megabytes(size),
        number(size / 1e6 / seconds),
        f"{number(cost(row, 'cpu'))} µs a document",
    ]
