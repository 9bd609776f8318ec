"""Exit codes, their order when several apply, and the signals that are not asked for (E08)."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import oracle

#: fails at `bad-...`, says at `hold-...` that it has begun and waits for ../gate
OWN = """
import time

def own(path):
    if path.name.startswith("bad"):
        raise ValueError("not this one")
    while path.name.startswith("hold") and not (path.parent.parent / "gate").exists():
        (path.parent.parent / "held").touch()
        time.sleep(0.005)
    return {"text": path.read_text()}
"""
#: the command on a disk that fails the first sync of results
BAD_DISK = """
from docherd import cli, host

def sync_data(fd):
    raise OSError(28, "No space left on device")

host.sync_data = sync_data
cli.main()
"""
#: the command to which half a second is a laptop's sleep
LIGHT_SLEEPER = """
from docherd import cli, pool
pool.SUSPENDED = 0.5
cli.main()
"""


def plant(folder: Path, *names: str) -> None:
    (folder / "in").mkdir()
    for name in names:
        (folder / "in" / name).write_text("a document\n")
    (folder / "own.py").write_text(OWN)


def command(*options: str) -> list[str]:
    shown = ["-w", "2", "--progress", "json"]
    return ["run", "in", "-o", "out", "-p", "own.py:own", *shown, *options]


def last_event(out: str) -> dict[str, object]:
    """The last line of --progress json; of all lines the only one of its kind."""
    events = [json.loads(line) for line in out.splitlines()]
    assert [event["event"] for event in events].count("exit") == 1, out
    assert events[-1]["event"] == "exit", out
    return events[-1]


@pytest.fixture
def held(tmp_path):
    """Starts a run and waits until it holds a document; ends it with the test."""
    started: list[subprocess.Popen[str]] = []

    def start(*options: str) -> subprocess.Popen[str]:
        started.append(oracle.start(*command(*options), cwd=tmp_path))
        oracle.wait_for((tmp_path / "held").exists)
        return started[-1]

    yield start
    for process in started:
        if process.poll() is None:
            oracle.end(process)
        process.communicate()


# ── the code, and the same in the last event ─────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("names", "options", "code"),
    [
        (["a.txt"], [], 0),
        (["a.txt", "bad.txt"], [], 1),
        (["a.txt", "bad.txt"], ["--exit-zero"], 0),
        ([], [], 5),
        (["a.txt", "bad-1.txt", "bad-2.txt"], ["--max-failures", "1"], 7),
    ],
)
def test_a_run_that_ends_says_its_code_twice(tmp_path, names, options, code):
    """Section 6: 0, 1, 5 and 7, as exit code and in the last JSON line."""
    plant(tmp_path, *names)
    ended = oracle.docherd(*command(*options), cwd=tmp_path)
    assert ended.code == code, ended.err
    assert last_event(ended.out)["code"] == code
    if code in (0, 1):
        counts = last_event(ended.out)["counts"]
        assert counts["discovered"] == len(names)
        assert last_event(ended.out)["resume"] is False


def test_a_run_that_cannot_begin_says_its_code_twice(tmp_path):
    """Section 6: 3, 4 and 6, as exit code and in the last JSON line."""
    plant(tmp_path, "hold.txt")
    process = oracle.start(*command(), cwd=tmp_path)
    oracle.wait_for((tmp_path / "held").exists)
    locked = oracle.docherd(*command(), cwd=tmp_path)
    assert (locked.code, last_event(locked.out)["code"]) == (6, 6)
    (tmp_path / "gate").touch()
    assert process.wait(timeout=20) == 0
    process.communicate()
    (tmp_path / "out" / "data" / "part-000001.jsonl").unlink()
    damaged = oracle.docherd(*command(), cwd=tmp_path)
    assert (damaged.code, last_event(damaged.out)["code"]) == (4, 4)
    below = command()
    below[below.index("out")] = "own.py/out"
    unwritable = oracle.docherd(*below, cwd=tmp_path)
    assert (unwritable.code, last_event(unwritable.out)["code"]) == (3, 3)


@pytest.mark.parametrize(
    ("names", "options", "code"),
    [
        (["missing"], [], 3),
        (["in"], ["-w", "-1"], 2),
        (["in"], ["--timeout", "soon"], 2),
    ],
)
def test_wrong_usage_touches_nothing(tmp_path, names, options, code):
    """Section 6: 2 and 3 before anything is made; one line that says what to do."""
    plant(tmp_path, "a.txt")
    words = ["run", *names, "-o", "out", "-p", "own.py:own", *options]
    ended = oracle.docherd(*words, cwd=tmp_path)
    assert ended.code == code, ended.err
    assert not (tmp_path / "out").exists()


# ── when several apply ───────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_comes_before_failures(tmp_path, held, number):
    """Section 6: signal > 1; the event has 128 and the signal's number."""
    plant(tmp_path, "bad.txt", "hold.txt", "z.txt")
    process = held("-w", "1")
    process.send_signal(number)
    (tmp_path / "gate").touch()
    out, _ = process.communicate(timeout=20)
    assert process.returncode == -number
    assert last_event(out)["code"] == 128 + number
    assert last_event(out)["resume"] is True
    oracle.check(tmp_path / "out", failed={"in/bad.txt": "error"}, pending=1, total=3)


def test_the_disk_comes_before_failures_and_rules(tmp_path, monkeypatch):
    """Section 6: 3 > 7 > 1."""
    plant(tmp_path, "a.txt", "bad-1.txt", "bad-2.txt")
    monkeypatch.setattr(oracle, "COMMAND", [sys.executable, "-c", BAD_DISK])
    ended = oracle.docherd(*command("--max-failures", "1"), cwd=tmp_path)
    assert ended.code == 3, ended.err
    assert last_event(ended.out)["code"] == 3


def test_a_signal_comes_before_the_disk(tmp_path, held, monkeypatch):
    """Section 6: signal > 3."""
    plant(tmp_path, "hold.txt")
    monkeypatch.setattr(oracle, "COMMAND", [sys.executable, "-c", BAD_DISK])
    process = held()
    process.send_signal(signal.SIGTERM)
    (tmp_path / "gate").touch()
    out, _ = process.communicate(timeout=20)
    assert process.returncode == -signal.SIGTERM
    assert last_event(out)["code"] == 128 + signal.SIGTERM


# ── stood still ──────────────────────────────────────────────────────────────────────────────


def test_an_engine_that_stood_still_cuts_nobody(tmp_path, held, monkeypatch):
    """E08: what a document does while the engine is stopped is not charged to its time."""
    monkeypatch.setattr(oracle, "COMMAND", [sys.executable, "-c", LIGHT_SLEEPER])
    plant(tmp_path, "hold-1.txt", "hold-2.txt", *(f"{n:02}.txt" for n in range(20)))
    process = held("--timeout", "1")
    process.send_signal(signal.SIGSTOP)  # SIGTSTP stops nobody without a terminal
    oracle.wait_for(lambda: state(process.pid) == "T")
    time.sleep(1.5)  # longer than any document may take
    (tmp_path / "gate").touch()
    process.send_signal(signal.SIGCONT)
    process.communicate(timeout=20)
    assert process.returncode == 0
    oracle.check(tmp_path / "out", failed={}, total=22)


def state(pid: int) -> str:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0]


def test_pipes_that_nobody_reads_change_no_exit_code(tmp_path):
    """E07: `docherd run ... | head -1`, with failures: still 1."""
    plant(tmp_path, "bad.txt", *(f"{number:03}.txt" for number in range(200)))
    process = oracle.start(*command(), cwd=tmp_path)
    assert process.stdout is not None
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(timeout=30) == 1
    assert process.stderr is not None
    process.stderr.close()
    oracle.check(tmp_path / "out", failed={"in/bad.txt": "error"}, total=201)


def test_words_that_cannot_be_written_are_the_disks_fault(tmp_path):
    """S01: `docherd status OUT > file` on a full disk: 3, and one line that says so."""
    plant(tmp_path, "a.txt")
    assert oracle.docherd(*command(), cwd=tmp_path).code == 0
    for word in ("status", "cat"):
        with open("/dev/full", "w") as full:
            process = oracle.start(word, "out", cwd=tmp_path, stdout=full)
            _, err = process.communicate(timeout=20)
        assert (process.returncode, err) == (3, "docherd: No space left on device\n")
