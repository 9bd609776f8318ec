"""How much of the machine reaches the processor, with documents that cost what documents cost."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from benchmarks.command import contender
from benchmarks.figures import Figures, megabytes
from benchmarks.interleaved import WORKERS, Entry, compare
from benchmarks.sections.noop import costs, ours
from benchmarks.sections.text import BARE, written
from benchmarks.session import Session

FULL = 6_000


def measure(session: Session) -> dict[str, Any]:
    """Those PDFs that can be read, again and again; by docherd and by bare loops."""
    session.say("  which PDFs can be read")
    ran = session.run(contender("good_pdfs", session.pdfs))
    originals: list[str] = ran.report.get("good", [])
    if not originals:
        return {"missing": ran.error or "no PDF could be read"}
    count = session.count(FULL)
    folder = session.copies(originals, count)
    base = Entry("", "", folder, count, "pdf", needs="pypdfium2")
    bare = replace(base, name=BARE, contender="bare_loop", writes=True)
    return {
        "originals": len(originals),
        "all": ran.report["all"],
        "bytes": sum(path.stat().st_size for path in folder.rglob("*.pdf")),
        "rows": compare(session, [*ours(base), bare]),
    }


def page(data: dict[str, Any], figures: Figures) -> list[str]:
    """Throughput beside that of the bare loops, and what the engine itself took."""
    if "missing" in data:
        return [f"Not measured: {data['missing']}.", ""]
    rows = data["rows"]
    return [
        f"The text of {rows[0]['documents']:,} PDFs by pypdfium2, {WORKERS} workers: copies of"
        f" {data['originals']:,} different ones, {megabytes(data['bytes'])} together. Of"
        f" {data['all']:,} at hand, docherd found {data['all'] - data['originals']:,} damaged,"
        " encrypted, or otherwise not readable; those are in nobody's share.",
        "",
        *written([row for row in rows if row["name"].endswith(("durable", "bare loops"))]),
        "Results in memory:",
        "",
        *costs([row for row in rows if not row["name"].endswith(("durable", "bare loops"))]),
    ]
