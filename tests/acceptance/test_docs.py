"""The programs in docs/ run as they stand, and do what the text says."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import oracle

DOCS = Path(__file__).parents[2] / "docs"
PROGRAM = re.compile(r"```python\n# (\w+\.py)\n(.*?)```", re.DOTALL)


@pytest.fixture
def folder(tmp_path):
    """Six documents in two folders, of which one cannot be read as text."""
    for number in range(6):
        file = tmp_path / "in" / f"{number % 2}" / f"{number}.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("word " * number)
    (tmp_path / "in" / "0" / "4.txt").write_bytes(b"\xff")
    for name, text in PROGRAM.findall((DOCS / "from-a-loop.md").read_text()):
        (tmp_path / name).write_text(text)
    return tmp_path


def run(folder, name, target):
    command = [sys.executable, name, "in", target]
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    oracle.wait_for(lambda: not oracle.leftovers())
    return done.stdout


def test_the_loop_and_the_stream_give_the_same_results(folder):
    """Path by path, the failed one included; both show a bar."""
    said = [run(folder, f"{name}.py", f"{name}.json") for name in ("loop", "stream")]
    assert said == ["5 done, 1 failed\n"] * 2
    loop, stream = (
        {row["path"]: (row["status"], row.get("data")) for row in json.loads(text)}
        for text in ((folder / f"{name}.json").read_text() for name in ("loop", "stream"))
    )
    assert loop == stream
    assert loop["in/1/5.txt"] == ("success", {"words": 5})
    assert loop["in/0/4.txt"] == ("error", None)


def test_the_durable_one_gives_them_too_and_again(folder):
    """A second time nothing is done twice."""
    for _ in range(2):
        said = run(folder, "durable.py", "out").splitlines()
        assert said[0] == "5 done, 1 failed"
        assert sorted(said[1:6]) == [f"in/{n % 2}/{n}.txt {n}" for n in (0, 2, 1, 3, 5)]
        assert said[6].startswith("in/0/4.txt error UnicodeDecodeError")
