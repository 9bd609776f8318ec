"""Several contenders by turns, so that a slow minute of the machine hits them all."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.command import Ran, contender
from benchmarks.results import not_installed
from benchmarks.session import Session

#: workers of every contender
WORKERS = 2


@dataclass(frozen=True, slots=True)
class Entry:
    """One row of a comparison."""

    name: str
    contender: str
    folder: Path
    documents: int
    function: str
    #: the package it needs
    needs: str = ""
    #: the files of the folder are fewer, or more, than its documents
    counted: bool = False
    #: it writes to a folder, of which the size is taken
    writes: bool = False


def compare(session: Session, entries: Sequence[Entry]) -> list[dict[str, Any]]:
    """Every entry once a round; a row of plain values for each."""
    runs: dict[str, list[dict[str, Any]]] = {entry.name: [] for entry in entries}
    missing = {entry.name: why for entry in entries if (why := missing_package(entry.needs))}
    for turn in range(session.rounds):
        for entry in entries:
            if entry.name in missing:
                continue
            session.say(f"  round {turn + 1} of {session.rounds}: {entry.name}")
            ran, written = _once(session, entry)
            if why := _wrong(entry, ran):
                missing[entry.name] = why
            runs[entry.name].append({"seconds": ran.seconds, "written": written, **_of(ran)})
    return [
        {"name": entry.name, "documents": entry.documents, "missing": missing[entry.name]}
        if entry.name in missing
        else {"name": entry.name, "documents": entry.documents, "runs": runs[entry.name]}
        for entry in entries
    ]


def middle(row: dict[str, Any], key: str) -> float:
    """The median of a row's runs."""
    return float(median(run[key] for run in row["runs"]))


def missing_package(name: str) -> str:
    """Why a package cannot be imported; empty where it can, or none is needed."""
    if not name or find_spec(name) is not None:
        return ""
    return f"not installed: {not_installed().get(name, 'run make bench')}"


def _once(session: Session, entry: Entry) -> tuple[Ran, int]:
    words: list[object] = ["--function", entry.function, "--workers", WORKERS]
    if entry.counted:
        words += ["--count", entry.documents]
    if not entry.writes:
        return session.run(contender(entry.contender, entry.folder, *words)), 0
    out = session.fresh("out")
    ran = session.run(contender(entry.contender, entry.folder, *words, "--out", out))
    written = sum(path.stat().st_size for path in out.rglob("*.jsonl"))
    shutil.rmtree(out, ignore_errors=True)
    return ran, written


def _wrong(entry: Entry, ran: Ran) -> str:
    if ran.error:
        return f"failed: {ran.error}"
    handled = ran.report.get("documents")
    return "" if handled == entry.documents else f"failed: {handled} of {entry.documents} went well"


def _of(ran: Ran) -> dict[str, float]:
    return (
        {"job": ran.report["seconds"], **{key: ran.report[key] for key in ("cpu", "peak")}}
        if (ran.report)
        else {}
    )
