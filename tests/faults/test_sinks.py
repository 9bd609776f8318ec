"""Faults of what segments are made into: damage, death, a format that cannot be made."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import oracle

FORMATS = ("parquet", "files")
READ = """
def read(path):
    return [{"text": f"{path.read_text()}, page {n}", "page": n} for n in range(3)]
"""
DOCUMENTS = 12


@pytest.fixture(params=FORMATS)
def kept(request, tmp_path):
    """A finished run."""
    run = Kept(tmp_path, request.param)
    assert run.run().code == 0
    return run


class Kept:
    """Documents and their run folder, of one format."""

    def __init__(self, folder: Path, format: str) -> None:
        self.folder, self.format, self.out = folder, format, folder / "out"
        (folder / "in" / "sub").mkdir(parents=True)
        for number in range(DOCUMENTS):
            (folder / "in" / "sub" / f"{number:02}.txt").write_text(f"document {number}")
        (folder / "read.py").write_text(READ)

    def run(self, *words: str, **popen: object) -> oracle.Ended:
        command = ("run", "in", "-o", "out", "-p", "read.py:read", "-w", "1", "-q")
        return oracle.docherd(*command, "--format", self.format, *words, cwd=self.folder, **popen)

    def texts(self) -> list[tuple[str, int, str]]:
        """(path, ordinal, text) of each Record."""
        ended = oracle.docherd("cat", "out", cwd=self.folder)
        assert ended.code == 0, ended.err
        found = map(json.loads, ended.out.splitlines())
        return sorted((each["path"], each["ordinal"], each["text"]) for each in found)

    def files(self) -> list[Path]:
        return sorted(file for file in (self.out / "data").rglob("*") if file.is_file())

    def check(self) -> None:
        """Everything is there once, and as it was written."""
        assert self.texts() == [
            (f"in/sub/{n:02}.txt", page, f"document {n}, page {page}")
            for n in range(DOCUMENTS)
            for page in range(3)
        ]
        verified = oracle.docherd("verify", "out", cwd=self.folder)
        assert verified.code == 0, verified.out
        assert os.listdir(self.out / "pending") == []


def flip(file: Path) -> None:
    """One byte in the middle is another."""
    with file.open("r+b") as opened:
        opened.seek(file.stat().st_size // 2)
        byte = opened.read(1)[0]
        opened.seek(-1, os.SEEK_CUR)
        opened.write(bytes([byte ^ 1]))


@pytest.mark.parametrize("damage", [flip, Path.unlink, lambda file: os.truncate(file, 5)])
def test_damage_is_named_and_mended(kept, damage):
    """S09, S15: one byte, a file that is gone or cut; what was lost is processed again."""
    file = kept.files()[3 if kept.format == "files" else 0]
    damage(file)
    verified = oracle.docherd("verify", "out", cwd=kept.folder)
    assert verified.code == 4
    assert str(file.relative_to(kept.out)) in verified.out
    if damage is not flip:  # a start looks at sizes, not at every byte
        refused = kept.run()
        assert refused.code == 4, refused.err
        assert "nothing was changed. To mend it: docherd repair out" in refused.err
    repaired = oracle.docherd("repair", "out", "-q", cwd=kept.folder)
    assert repaired.code == 0, repaired.err
    kept.check()


def test_what_is_not_ours_in_data_is_refused_and_left(kept):
    """S15: a start and a repair say so, and change nothing."""
    name = "part-000009.parquet" if kept.format == "parquet" else "in/sub/mine.txt"
    stranger = kept.out / "data" / name
    stranger.parent.mkdir(parents=True, exist_ok=True)
    stranger.write_text("mine")
    for ended in (kept.run(), oracle.docherd("repair", "out", "-q", cwd=kept.folder)):
        assert ended.code == 4, ended.err
        assert f"data/{name}" in ended.err
        assert "nothing was changed" in ended.err
    assert stranger.read_text() == "mine"
    stranger.unlink()
    assert kept.run().code == 0
    kept.check()


def test_a_planted_link_in_data_is_not_followed(tmp_path):
    """C07: neither written through nor read as if it were the run's."""
    kept = Kept(tmp_path, "files")
    assert kept.run().code == 0
    elsewhere = tmp_path / "elsewhere"
    (kept.out / "data" / "in" / "sub").rename(elsewhere)
    (kept.out / "data" / "in" / "sub").symlink_to(elsewhere)
    before = {file.name: file.read_bytes() for file in elsewhere.iterdir()}
    (tmp_path / "in" / "sub" / "00.txt").write_text("changed")
    refused = kept.run()
    assert refused.code == 4, refused.err
    assert "nothing was changed" in refused.err
    assert {file.name: file.read_bytes() for file in elsewhere.iterdir()} == before


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("raise RuntimeError('no luck')", "RuntimeError: no luck"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "killed by SIGKILL"),
        ("raise OSError(28, 'No space left on device')", "No space left on device"),
    ],
)
def test_a_conversion_that_fails_loses_nothing(tmp_path, code, said):
    """S01, S10: exit 3 with the reason; what was processed is done, and published later."""
    kept = Kept(tmp_path, "parquet")
    broken = tmp_path / "broken" / "pyarrow"
    broken.mkdir(parents=True)
    (broken / "__init__.py").write_text(code)
    environment = {**os.environ, "PYTHONPATH": str(broken.parent)}
    ended = kept.run(env=environment)
    assert ended.code == 3, ended.err
    assert said in ended.err
    assert "resume" in ended.err
    assert kept.files() == []
    assert kept.run().code == 0
    kept.check()


def test_a_conversion_that_does_not_fit_the_stop_is_left_to_the_next_start(tmp_path):
    """S09: SIGTERM's time ends it; readers see what was processed, and damage to it is mended."""
    kept = Kept(tmp_path, "parquet")
    slow = tmp_path / "slow" / "pyarrow"
    slow.mkdir(parents=True)
    (slow / "__init__.py").write_text("open('begun', 'w').close(); import time; time.sleep(60)")
    environment = {**os.environ, "PYTHONPATH": str(slow.parent)}
    code = "from docherd import stop; stop.GRACE = 0.1; from docherd.cli import main; main()"
    words = ("run", "in", "-o", "out", "-p", "read.py:read", "-w", "1", "-q", "--format", "parquet")
    process = subprocess.Popen(
        [sys.executable, "-c", code, *words], cwd=tmp_path, env=environment, stderr=subprocess.PIPE
    )
    oracle.wait_for((tmp_path / "begun").exists)
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGTERM, err
    assert oracle.leftovers() == []
    assert os.listdir(kept.out / "data") == []
    assert len(kept.texts()) == 3 * DOCUMENTS
    flip(kept.out / "pending" / "part-000001.jsonl")
    verified = oracle.docherd("verify", "out", cwd=tmp_path)
    assert (verified.code, "pending/part-000001.jsonl" in verified.out) == (4, True)
    repaired = oracle.docherd("repair", "out", "-q", cwd=tmp_path)
    assert repaired.code == 0, repaired.err
    kept.check()
