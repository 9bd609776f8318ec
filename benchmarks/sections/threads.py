"""As many workers as cores, and a library in each that would take all cores for itself."""

from __future__ import annotations

import os
from statistics import mean, median
from typing import Any

from benchmarks import probes
from benchmarks.command import contender
from benchmarks.figures import Figures, number, table
from benchmarks.interleaved import missing_package
from benchmarks.session import Session

FULL = 400
#: seconds between looks
INTERVAL = 0.05

CONTENDERS = {"the tutorial's code": "tutorial", "docherd.process": "process"}
#: what the workers do → function, package
LIBRARIES = {"numpy (BLAS)": ("blas", "numpy"), "onnxruntime": ("onnx", "onnxruntime")}


def measure(session: Session) -> dict[str, Any]:
    """Both contenders with each library, by turns."""
    missing = {
        library: why for library, (_, package) in LIBRARIES.items() if (why := _missing(package))
    }
    rows: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for turn in range(session.rounds):
        session.say(f"  round {turn + 1} of {session.rounds}")
        for library, (function, _) in LIBRARIES.items():
            for name, module in CONTENDERS.items():
                if library not in missing:
                    rows.setdefault((library, name), []).append(_once(session, module, function))
    return {
        "cores": len(os.sched_getaffinity(0)),
        "documents": session.count(FULL),
        "missing": missing,
        "rows": [{"library": key[0], "name": key[1], "runs": runs} for key, runs in rows.items()],
    }


def _missing(package: str) -> str:
    return next((why for each in ("threadpoolctl", package) if (why := missing_package(each))), "")


def _once(session: Session, module: str, function: str) -> dict[str, Any]:
    count, cores = session.count(FULL), len(os.sched_getaffinity(0))
    words = ("--function", function, "--workers", cores, "--count", count)
    ran = session.run(
        contender(module, session.files(count), *words),
        notes=session.notes(),
        probe=probes.running_threads,
        interval=INTERVAL,
    )
    noted = session.noted()
    running = [seen for _, seen in ran.samples]
    return {
        "error": ran.error,
        "seconds": ran.seconds,
        "threads": max((each["threads"] for each in noted), default=0),
        "blas": sorted({size for each in noted for size in each["blas"]}),
        "most": max(running, default=0),
        "mean": mean(running) if running else 0.0,
    }


def page(data: dict[str, Any], figures: Figures) -> list[str]:
    """One line for each library and contender."""
    lines = [
        f"{data['documents']:,} documents, {data['cores']} workers on {data['cores']} cores; each"
        " document is three products of 600 × 600 matrices. Threads of a worker are as it counts"
        " them itself; BLAS threads are what threadpoolctl says; running threads are those of the"
        f" parent and all its descendants that run or wait for a core, looked at every {INTERVAL:g}"
        " s.",
        "",
        *table(
            (
                *("", "", "seconds", "threads of a worker", "BLAS threads"),
                *("most running", "mean running", "cores"),
            ),
            [_line(row, data["cores"]) for row in data["rows"]],
        ),
    ]
    return lines + [f"{library}: {why}.\n" for library, why in data["missing"].items()]


def _line(row: dict[str, Any], cores: int) -> list[str]:
    runs = row["runs"]
    if why := next((run["error"] for run in runs if run["error"]), ""):
        return [row["library"], row["name"], f"failed: {why}", *[""] * 5]
    return [
        row["library"],
        row["name"],
        number(median(run["seconds"] for run in runs)),
        str(max(run["threads"] for run in runs)),
        " and ".join(str(size) for size in runs[-1]["blas"]) or "none found",
        str(max(run["most"] for run in runs)),
        number(median(run["mean"] for run in runs)),
        str(cores),
    ]
