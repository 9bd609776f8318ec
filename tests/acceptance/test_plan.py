"""`docherd plan`: says what a run would take, and leaves nothing behind; and what a run says."""

from __future__ import annotations

import json
import os
import pty
import signal
import subprocess
import time
from pathlib import Path

import pytest

import oracle

#: each Document sleeps as many milliseconds as its first line says; fails on what is called bad;
#: waits for ever on what is called stuck
TOLD = """
import time

def told(path):
    if path.name.startswith("bad"):
        raise ValueError("cannot read this")
    while path.name.startswith("stuck"):
        time.sleep(60)
    time.sleep(int(path.read_text().split()[0]) / 1000)
    return {"text": "x" * 1000}

def broken(path):
    raise ValueError("never works")

def large(path):
    time.sleep(0.03)
    return {"text": "x" * 400_000}
"""
KEYS = {
    *("documents", "bytes", "kinds", "duplicates", "sampled", "workers", "best"),
    *("output_bytes", "expected_failures", "slowest"),
}


class Tree:
    """Documents, the processor over them, and a place for temporary files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name in ("in", "tmp"):
            (folder / name).mkdir()
        (folder / "told.py").write_text(TOLD)

    def add(self, name: str, milliseconds: int, more: str = "") -> None:
        (self.folder / "in" / name).write_text(f"{milliseconds} {more}\n")

    def start(self, *words: str, function: str = "told") -> subprocess.Popen[str]:
        environment = {**os.environ, "TMPDIR": str(self.folder / "tmp"), **oracle.MARK}
        command = ("plan", *words, "-p", f"told.py:{function}")
        return oracle.start(*command, cwd=self.folder, env=environment)

    def plan(self, *words: str, function: str = "told") -> oracle.Ended:
        began = time.monotonic()
        process = self.start(*words, function=function)
        out, err = process.communicate(timeout=60)
        return oracle.Ended(process.returncode, out, err, time.monotonic() - began)

    def json(self, *words: str) -> dict[str, object]:
        ended = self.plan("in", "--json", *words)
        assert ended.code == 0, ended.err
        return json.loads(ended.out)

    def files(self) -> dict[str, int]:
        """What there is, and when the files were written."""
        found = (path for path in self.folder.rglob("*") if "__pycache__" not in path.parts)
        return {str(p): p.stat().st_mtime_ns if p.is_file() else 0 for p in found}


@pytest.fixture
def tree(tmp_path):
    return Tree(tmp_path)


@pytest.fixture
def mixed(tree):
    """Kinds of a known cost: 40 of 60 ms, 20 of 20 ms, 10 that fail, copies, and a link."""
    for number in range(40):
        tree.add(f"{number:03}.pdf", 60, f"{number:06}")
    for number in range(20):
        tree.add(f"{number:03}.txt", 20, "the same" if number < 5 else f"{number:06}")
    for number in range(10):
        tree.add(f"bad-{number:03}.eml", 1, f"{number:06}")
    (tree.folder / "in" / "link.txt").symlink_to("000.txt")
    return tree


def test_json_has_the_shape_that_others_build_on(mixed):
    """Every key; counts are exact, and what fails is known from a sample of all."""
    plan = mixed.json("-w", "2")
    assert plan.keys() >= KEYS
    assert plan["documents"] == 70
    assert {name: kind["documents"] for name, kind in plan["kinds"].items()} == {
        "pdf": 40,
        "txt": 20,
        "eml": 10,
    }
    assert sum(kind["bytes"] for kind in plan["kinds"].values()) == plan["bytes"]
    assert plan["duplicates"] == 4
    assert plan["expected_failures"] == {"error": 10}
    assert plan["expected_skips"] == {"symlink": 1}
    assert 60_000 < plan["output_bytes"] < 72_000
    assert 50 <= plan["sampled"] <= 70
    assert len(plan["slowest"]) == 10
    assert all(each["path"].endswith(".pdf") for each in plan["slowest"])
    for entry in plan["workers"]:
        assert entry.keys() == {"workers", "seconds", "low", "high", "memory"}
        assert entry["low"] <= entry["seconds"] <= entry["high"]
    assert plan["best"] in [entry["workers"] for entry in plan["workers"]]


def test_the_table_says_the_same_to_people(mixed):
    """Kinds, workers with their range, output, failures and the slowest."""
    ended = mixed.plan("in", "-w", "2")
    assert ended.code == 0, ended.err
    text = " ".join(ended.out.split())
    assert text.startswith("70 documents, ")
    for part in ("40 pdf", "4 of them with the content", "workers time between memory"):
        assert part in text
    for part in ("best here", "of Records", "about 10: 10 error", "1 symlink", "ms in/0"):
        assert part in text
    assert text.endswith("nothing was written")


def test_it_writes_nothing_and_leaves_nothing(mixed):
    """No run folder, no temporary file, no process; the inputs are as they were."""
    before = mixed.files()
    mixed.json()
    assert mixed.files() == before
    assert oracle.leftovers() == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL, signal.SIGTERM])
def test_it_leaves_nothing_however_it_ends(tree, number):
    """Stopped with a document in hand, all of it is gone a moment later."""
    tree.add("stuck.pdf", 1)
    before = tree.files()
    process = tree.start("in", "--json")
    oracle.wait_for(lambda: oracle.workers(process.pid) and os.listdir(tree.folder / "tmp"))
    process.send_signal(number)
    process.communicate(timeout=20)
    assert process.returncode == -number
    oracle.wait_for(lambda: not oracle.leftovers() and tree.files() == before)


def test_the_time_is_within_the_range(tree):
    """240 documents of 50 ms, 4 at a time: the run's own clock agrees."""
    for number in range(240):
        tree.add(f"{number:03}.txt", 50)
    plan = tree.json("-w", "4")
    (entry,) = (each for each in plan["workers"] if each["workers"] == 4)
    ended = oracle.docherd(
        *("run", "in", "-o", "out", "-p", "told.py:told", "-w", "4", "-q"), cwd=tree.folder
    )
    assert ended.code == 0, ended.err
    seconds = json.loads((tree.folder / "out" / "status.json").read_text())["seconds"]
    assert entry["low"] <= seconds <= entry["high"]
    one = plan["workers"][0]
    assert one["workers"] == 1
    assert one["seconds"] > 2.5 * entry["seconds"]


def test_seconds_bound_what_it_takes(tree):
    """One that never ends is cut short, is among the slowest, and does not spoil the rest."""
    for number in range(12):
        tree.add(f"{number:02}.txt", 10)
    tree.add("stuck.pdf", 10)
    ended = tree.plan("in", "--json", "--seconds", "3", "-w", "2")
    assert ended.code == 0, ended.err
    assert ended.seconds < 15
    plan = json.loads(ended.out)
    assert plan["slowest"][0]["path"] == "in/stuck.pdf"
    assert plan["workers"][0]["seconds"] > 2


def test_nothing_that_ends_in_time_is_one_clear_line(tree):
    """And how to give it more."""
    tree.add("stuck.pdf", 10)
    ended = tree.plan("in", "-q", "--seconds", "2")
    assert ended.code == 2
    (line,) = ended.err.splitlines()
    assert "no document ended within" in line
    assert "--seconds 60" in line
    assert oracle.leftovers() == []


def test_a_list_and_a_limit_are_taken_as_by_run(mixed):
    """Twice the same name is one document."""
    names = ["in/000.pdf", "in/001.pdf", "in/000.pdf", "in/000.txt"]
    (mixed.folder / "list").write_text("\n".join(names))
    ended = mixed.plan("--files-from", "list", "--json")
    assert json.loads(ended.out)["documents"] == 3
    assert mixed.json("--limit", "5")["documents"] <= 5
    assert mixed.json("--include", "*.txt")["kinds"].keys() == {"txt"}


# ── wrong ────────────────────────────────────────────────────────────────────────────────────


def test_what_cannot_be_planned_is_one_clear_line(tree):
    """No input, no document, no such processor: the codes of `run`."""
    for words, code, said in (
        ((), 2, "no inputs"),
        (("in",), 5, "no documents"),
        (("nowhere",), 3, "nowhere"),
        (("in", "--seconds", "0"), 2, "--seconds"),
        (("in", "--seconds", "soon"), 2, "--seconds"),
    ):
        ended = tree.plan(*words)
        assert (ended.code, said in ended.err) == (code, True), ended.err
        assert ended.err.startswith("docherd: ")
    tree.add("a.txt", 1)
    ended = tree.plan("in", function="unheard_of")
    assert ended.code == 2
    assert "unheard_of" in ended.err


def test_where_everything_fails_it_says_so(tree):
    """With what the processor said; the table is there all the same."""
    for number in range(4):
        tree.add(f"{number}.txt", 1)
    ended = tree.plan("in", "--json", "-q", function="broken")
    assert ended.code == 1
    (line,) = ended.err.splitlines()
    assert "every one of the 4 documents of the sample failed" in line
    assert "never works" in line
    assert json.loads(ended.out)["expected_failures"] == {"error": 4}


# ── shown ────────────────────────────────────────────────────────────────────────────────────


def test_a_terminal_is_told_how_far_it_is(tree):
    """After two seconds, on one line that is gone at the end."""
    for number in range(5):
        tree.add(f"{number}.txt", 700)
    ours, theirs = pty.openpty()
    process = oracle.start(
        *("plan", "in", "-p", "told.py:told", "-w", "1"), cwd=tree.folder, stderr=theirs
    )
    os.close(theirs)
    out, _ = process.communicate(timeout=60)
    said = os.read(ours, 65536).decode()
    os.close(ours)
    assert process.returncode == 0
    assert "sampling, " in said
    assert said.endswith("\r\x1b[K")
    assert "sampling" not in out


def test_help_says_units_and_defaults():
    """And where `plan` stands among the commands."""
    text = " ".join(oracle.docherd("plan", "--help").out.split())
    for part in ("--seconds TIME", "as 90, 5m or 1h (default: 30s)", "writes nothing"):
        assert part in text
    assert "--prune" not in text
    top = oracle.docherd("--help").out
    assert top.index("\n  try ") < top.index("\n  plan ") < top.index("\n  run ")
    run = " ".join(oracle.docherd("run", "--help").out.split())
    assert "--force" in run
    assert "exit code 3 before it is full" in run


# ── what a run says ──────────────────────────────────────────────────────────────────────────


def events(text: str, kind: str) -> list[dict[str, object]]:
    rows = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    return [row for row in rows if row["event"] == kind]


def test_a_run_says_once_what_to_expect(tree):
    """As an event for machines; again and at once by a start that knows from the first."""
    for number in range(400):
        tree.add(f"{number:03}.txt", 120)
    command = ("run", "in", "-o", "out", "-p", "told.py:told", "-w", "2", "--progress", "json")
    process = oracle.start(*command, cwd=tree.folder)
    for line in process.stdout:
        if '"forecast"' in line:
            break
    (first,) = events(line, "forecast")
    oracle.end(process, signal.SIGINT)
    assert first["low"] <= first["seconds"] <= first["high"]
    assert 10 < first["seconds"] < 60
    assert first["output_low"] <= first["output_bytes"] <= first["output_high"]
    assert first["free_bytes"] > 0
    process = oracle.start(*command, cwd=tree.folder)
    before = []
    for line in process.stdout:
        if '"forecast"' in line:
            break
        before.append(line)
    (again,) = events(line, "forecast")
    oracle.end(process, signal.SIGINT)
    assert again["documents"] <= first["documents"]
    assert len(events("".join(before), "document")) < 50


def test_a_short_run_says_nothing_of_it(mixed):
    """Who has read it is done with."""
    ended = oracle.docherd(
        *("run", "in", "-o", "out", "-p", "told.py:told", "--progress", "json"), cwd=mixed.folder
    )
    assert events(ended.out, "forecast") == []


@pytest.fixture
def small_disk(tmp_path):
    """30 MB of a disk of its own; skips where that is not allowed."""
    mounted = tmp_path / "disk"
    mounted.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=30m", "docherd-test", str(mounted)]
    if os.getuid() != 0 or subprocess.run(command, check=False).returncode:
        pytest.skip("may not mount")
    yield mounted
    subprocess.run(["umount", "-l", str(mounted)], check=True)


def test_a_disk_that_will_not_do_stops_the_run_before_it_is_full(tree, small_disk):
    """Exit code 3 and one line; with room, or with --force, the same command goes on."""
    for number in range(150):
        tree.add(f"{number:03}.txt", 1)
    out = small_disk / "out"
    command = ("run", "in", "-o", out, "-p", "told.py:large", "-w", "2", "--progress", "none")
    ended = oracle.docherd(*command, cwd=tree.folder)
    assert ended.code == 3, ended.err
    said = ended.out + ended.err
    assert "--force" in said
    assert "what is left needs at least" in said
    status = json.loads((out / "status.json").read_text())
    assert status["state"] == "interrupted"
    assert 0 < status["counts"]["done"] < 150
    oracle.check(out, failed={}, pending=status["counts"]["pending"], total=150)
    forced = oracle.docherd(*command, "--force", cwd=tree.folder)
    assert forced.code == 3
    assert "No space left" in forced.err or "the disk is full" in forced.err
    subprocess.run(["mount", "-o", "remount,size=300m", str(small_disk)], check=True)
    ended = oracle.docherd(*command, cwd=tree.folder)
    assert ended.code == 0, ended.err
    oracle.check(out, failed={}, total=150)
