"""Documents so brief that they travel together: a fault still costs one of them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import oracle
from docherd.model import Reason
from docherd.testing import FAULTS

#: enough of each that the forecast trusts itself and batches are full
INNOCENT = 1200

COUNTING = """
import os

def own(path):
    word = path.name.split("-")[0]
    if word == "segv":
        import ctypes
        ctypes.string_at(0)
    if word == "exit":
        os._exit(0)
    if word == "hang":
        while True:
            pass
    if word == "raise":
        raise ValueError("by name")
    if word == "memory":
        held = [b"x" * (16 << 20) for _ in range(400)]
    if word == "bad":
        return {"value": object()}
    if word == "garbage":
        os.write(3, b"\\xff" * 64)
    return {"name": path.name}
"""

#: so that what they carry fits into a worker's share
AMOUNTS = {"huge": "6", "str_huge": "20", "write_scratch": "4"}

REASONS = {
    "segv": "crash",
    "exit": "exit",
    "hang": "timeout",
    "raise": "error",
    "memory": "memory",
    "bad": "result_invalid",
    "garbage": "crash",
}


def make(folder: Path, faults: dict[str, int]) -> dict[str, str]:
    """Innocent documents with faulty ones between them, at these places; what must fail."""
    (folder / "in").mkdir()
    names = {f"in-{number:05d}.txt" for number in range(INNOCENT)}
    expected = {}
    for word, place in faults.items():
        # Sorted by name within a folder: the place is in the name of the folder.
        inner = folder / "in" / f"{place:05d}"
        inner.mkdir(exist_ok=True)
        (inner / f"{word}-1.txt").write_text("x")
        expected[f"in/{place:05d}/{word}-1.txt"] = REASONS[word]
    for number, name in enumerate(sorted(names)):
        inner = folder / "in" / f"{number // 100 * 100:05d}"
        inner.mkdir(exist_ok=True)
        (inner / name).write_text("x")
    (folder / "own.py").write_text(COUNTING)
    return expected


@pytest.mark.parametrize("offset", [0, 1, 2])
def test_a_fault_in_a_batch_costs_one_document(tmp_path: Path, offset: int) -> None:
    """Every fault, at the beginning, in the middle and at the end of what travels together."""
    words = list(REASONS)
    places = {words[(n + offset) % len(words)]: 300 + 100 * n for n in range(len(words))}
    expected = make(tmp_path, places)
    ended = oracle.docherd(
        *("run", "in", "-o", "out", "-p", "own.py:own", "-w", "2"),
        *("--timeout", "3", "--memory", "128MB", "-q"),
        cwd=tmp_path,
    )
    assert ended.code == 1, ended.err
    oracle.check(tmp_path / "out", expected, total=INNOCENT + len(words))
    assert len(oracle.records(tmp_path / "out")) == INNOCENT


@pytest.mark.parametrize("hangs", [True, False])
def test_every_fault_of_the_table_in_a_batch_costs_one_document(
    tmp_path: Path, hangs: bool
) -> None:
    """All of docherd.testing, among documents that travel together: exactly they fail, as said."""
    faults = {word: it for word, it in FAULTS.items() if (it.reason is Reason.TIMEOUT) is hangs}
    expected = {}
    for number in range(INNOCENT):
        inner = tmp_path / "in" / f"{number // 20:03}"
        inner.mkdir(parents=True, exist_ok=True)
        (inner / f"d{number:04}.txt").write_text("x")
    for place, (word, fault) in enumerate(faults.items()):
        (tmp_path / "in" / f"{place:03}" / f"{word}-1.txt").write_text(AMOUNTS.get(word, ""))
        if fault.reason:
            expected[f"in/{place:03}/{word}-1.txt"] = str(fault.reason)
    ended = oracle.docherd(
        *("run", "in", "-o", "out", "-p", "docherd.testing:by_name", "-w", "4", "-q"),
        # Where none hangs, a busy machine has all the time it needs to fill their memory.
        *("--timeout", "1" if hangs else "60", "--stall", "1"),
        *("--memory", "400MB", "--max-output", "5MB"),
        cwd=tmp_path,
    )
    assert ended.code == 1, ended.err
    oracle.check(tmp_path / "out", expected, total=INNOCENT + len(faults))
    innocent = [row for row in oracle.records(tmp_path / "out") if "/d" in str(row["path"])]
    assert len(innocent) == INNOCENT
    rows = oracle.failure_rows(tmp_path / "out")
    said = {
        path.split("/")[-1].removesuffix("-1.txt"): row["message"] for path, row in rows.items()
    }
    assert {word: text for word, text in said.items() if faults[word].message not in text} == {}


def test_brief_documents_really_travel_together(tmp_path: Path) -> None:
    """Fewer messages than documents: the engine's slot file is written once a batch."""
    make(tmp_path, {})
    (tmp_path / "own.py").write_text(
        "import mmap, struct\n"
        "from docherd.wire import SLOT, Slot\n"
        "slot = None\n"
        "def own(path):\n"
        "    global slot\n"
        "    slot = slot or Slot(SLOT)\n"
        "    return {'batch': len(slot.held()[1])}\n"
    )
    ended = oracle.docherd(
        *("run", "in", "-o", "out", "-p", "own.py:own", "-w", "2", "-q"), cwd=tmp_path
    )
    assert ended.code == 0, ended.err
    sizes = [row["batch"] for row in oracle.records(tmp_path / "out")]
    assert max(map(int, map(str, sizes))) > 5
    assert os.path.exists(tmp_path / "out" / "report.html")
