"""What is promised, each with the tests and sections that hold it; and what is not."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.figures import table


@dataclass(frozen=True, slots=True)
class Promise:
    """One of them; ``held`` names tests below tests/, and sections of this page."""

    name: str
    text: str
    held: tuple[str, ...]


PROMISES = (
    Promise(
        "Accounting",
        "Every file found is reported exactly once: done, failed, skipped or gone, with a reason"
        " where it is not done. That holds after any interruption, once the same command has"
        " finished.",
        ("points", "mixed", "acceptance/test_reprocessing.py"),
    ),
    Promise(
        "Exactly once",
        "The Records of each document are in `data/` once, whatever was killed and whenever, and"
        " after any re-processing. A document may be *processed* more than once: what a processor"
        " does elsewhere happens at least once.",
        ("points", "cuts", "mixed", "acceptance/test_long.py"),
    ),
    Promise(
        "Nothing unfinished is visible",
        "A file in `data/` is whole and committed. What lies in `pending/` is no result.",
        ("points", "faults/test_disk.py"),
    ),
    Promise(
        "Reported means durable",
        "What was shown as done survives `kill -9` and a power cut, on a disk that keeps what it"
        " was told to flush.",
        ("cuts", "points", "faults/test_engine.py"),
    ),
    Promise(
        "One bad document costs one document",
        "A document that crashes, hangs, eats memory, floods or lies is stopped, blamed and"
        " recorded; all others give the same bytes as without it. One that takes the whole"
        " container along is given up after at most four restarts.",
        ("mixed", "poison", "faults/test_workers.py", "faults/test_batches.py"),
    ),
    Promise(
        "Limits are limits",
        "Killed within a second of the deadline; memory of a worker's whole process tree is looked"
        " at every 50 to 500 ms. A document that defeats these limits is a security bug.",
        ("faults/test_workers.py", "faults/test_worker_ends.py"),
    ),
    Promise(
        "The run ends",
        "No document, dead worker, full disk or lost mount makes it wait for ever.",
        ("faults/test_worker_ends.py", "faults/test_moving.py", "faults/test_writes.py"),
    ),
    Promise(
        "Nothing is left behind",
        "When docherd ends, by `kill -9` too, all its workers and what they started end within a"
        " second (Linux); scratch files are removed then or at the next start.",
        ("faults/test_engine.py", "faults/test_worker_ends.py", "faults/test_machine.py"),
    ),
    Promise(
        "Damage is found, never built upon",
        "If ledger and results disagree it stops with exit code 4 and changes nothing; `verify`"
        " names every changed byte, `repair` does again only what was lost.",
        ("faults/test_repair.py", "faults/test_planted.py", "points"),
    ),
    Promise(
        "Safe by name",
        "No file name reaches a terminal, a page, SQL or a path as it is.",
        ("faults/test_tree.py",),
    ),
)
NOT_PROMISED = (
    "disks that lie about a flush",
    "a run folder on NFS or SMB",
    "results that rot on the disk together with the inputs they came from",
    "the same results twice from a processor that is not deterministic",
    "limits on what a processor writes or starts by itself and leaves running",
    "protection from a document that takes over its processor: a worker is no sandbox",
    "macOS: written, not run",
)


def page() -> list[str]:
    """Both lists."""
    rows = [
        [f"**{each.name}.** {each.text}", ", ".join(map(_shown, each.held))] for each in PROMISES
    ]
    return [
        "## What is promised",
        "",
        *table(("", "held by"), rows, left=True),
        "Not promised: " + "; ".join(NOT_PROMISED) + ".",
        "",
    ]


def _shown(held: str) -> str:
    return f"[{held}](../tests/{held})" if "/" in held else f"`{held}`"
