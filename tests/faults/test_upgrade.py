"""A run folder that an older docherd has left (E17 of the catalogue)."""

from __future__ import annotations

import json
import shutil
import sqlite3
from pathlib import Path

import pytest

import oracle

FIXTURES = Path(__file__).parent.parent / "fixtures"
#: one for each version of ledger and run folder that was ever released; see make_run.py
LEFT = sorted(FIXTURES.glob("run-*"))
COMMAND = ("run", "in", "-o", "fresh", "-p", "own.py:own", "-w", "1", "--checksum", "-q")


@pytest.fixture(params=LEFT, ids=lambda folder: folder.name)
def left(request, tmp_path):
    """A folder with documents and a run over them that was killed at its work."""
    folder = tmp_path / "left"
    shutil.copytree(request.param, folder)
    about = folder / "out" / "run.json"
    about.write_text(about.read_text().replace("@PLACE@", str(folder)))
    (folder / "gate").touch()
    return folder


def begun(folder: Path) -> list[str]:
    """What was begun since the last call."""
    names = (folder / "journal").read_text().split()
    (folder / "journal").unlink()
    return names


def test_what_an_older_version_left_is_gone_on_with_exactly(left):
    """E17: only what it had not finished is begun, and the data is that of one undisturbed run."""
    resumed = oracle.docherd("resume", "out", "-q", cwd=left)
    assert resumed.code == 1, resumed.err
    assert begun(left) == ["11.txt"]
    oracle.check(left / "out", failed={"in/04.txt": "error"}, total=12)
    assert oracle.docherd(*COMMAND, cwd=left).code == 1
    assert oracle.sorted_lines(left / "out") == oracle.sorted_lines(left / "fresh")


def test_what_an_older_version_left_can_be_read(left):
    """E17: status and Records of a folder that this version has not gone on with."""
    counts = json.loads(oracle.docherd("status", "out", "--json", cwd=left).out)["counts"]
    assert counts == {
        **{"discovered": 12, "done": 10, "failed": 1, "skipped": 0, "pending": 1, "gone": 0},
    }
    lines = oracle.docherd("cat", "out", cwd=left).out.splitlines()
    assert {json.loads(line)["path"] for line in lines} == {
        f"in/{number:02}.txt" for number in range(12) if number not in (4, 11)
    }


def test_a_newer_version_is_left_alone(left):
    """E17: exit 4 with what to do, and not a byte is changed, the write-ahead log included."""
    ledger = sqlite3.connect(left / "out" / "ledger.db")
    ledger.execute("pragma user_version = 99")
    ledger.close()
    before = contents(left / "out")
    refused = oracle.docherd("resume", "out", cwd=left)
    assert refused.code == 4
    assert "newer docherd; upgrade" in refused.err
    assert contents(left / "out") == before


def contents(out: Path) -> dict[str, bytes]:
    files = (path for path in out.rglob("*") if path.is_file() and path.name != "lock")
    return {str(path.relative_to(out)): path.read_bytes() for path in files}
