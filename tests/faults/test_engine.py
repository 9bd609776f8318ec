"""The engine dies, is asked to stop, or is started twice (E of the catalogue)."""

from __future__ import annotations

import fcntl
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import oracle

#: one byte in ../journal for each document begun
READ = """
import os, time

def read(path):
    journal = os.open(path.parent.parent / "journal", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(journal, b".")
    os.close(journal)
    time.sleep(0.002)
    return {"text": path.read_text()}
"""
#: says in ../held/ that it has begun, ends when ../gate is there
HOLD = """
import time

def hold(path):
    (path.parent.parent / "held" / path.name).touch()
    while not (path.parent.parent / "gate").exists():
        time.sleep(0.005)
    return {"text": path.read_text()}
"""
#: the command with commits, parts and the patience of SIGTERM at a tenth of their time
HASTY = """
from docherd import cli, engine, segment, stop
engine.COMMIT_SECONDS, segment.SEAL_SECONDS, stop.GRACE = 0.05, 0.2, 1.0
cli.main()
"""
#: the command on a disk that takes 30 s for each sync of results
SLOW_DISK = """
import time
from docherd import cli, host
host.sync_data = lambda fd: time.sleep(30)
cli.main()
"""
HELD = 6


@pytest.fixture
def hasty(monkeypatch):
    """The real command, a tenth as patient."""
    monkeypatch.setattr(oracle, "COMMAND", [sys.executable, "-c", HASTY])


@pytest.fixture
def held(tmp_path):
    """A run whose first two documents are in hand until ``open_gate``."""
    run = Held(tmp_path)
    yield run
    run.end()


class Held:
    """A run that waits, with two workers, at its first documents."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.out = folder / "out"
        self.process: subprocess.Popen[str] | None = None
        write_documents(folder / "in", HELD)
        (folder / "held").mkdir()
        (folder / "hold.py").write_text(HOLD)

    def start(self) -> subprocess.Popen[str]:
        """Start it and wait until both workers have a document in hand."""
        self.process = oracle.start(*self.command(), cwd=self.folder)
        oracle.wait_for(lambda: len(os.listdir(self.folder / "held")) == 2)
        return self.process

    def command(self) -> list[str]:
        return ["run", "in", "-o", "out", "-p", "hold.py:hold", "-w", "2", "--progress", "plain"]

    def open_gate(self) -> None:
        (self.folder / "gate").touch()

    def goes_on(self) -> None:
        """The same command finishes the run, with everything once."""
        self.open_gate()
        ended = oracle.docherd(*self.command(), cwd=self.folder)
        assert ended.code == 0, ended.err
        oracle.check(self.out, failed={}, total=HELD)
        assert len(oracle.records(self.out)) == HELD

    def end(self) -> None:
        if self.process and self.process.poll() is None:
            oracle.end(self.process)
            oracle.wait_for(lambda: not oracle.leftovers())


def write_documents(folder: Path, number: int) -> None:
    folder.mkdir()
    for each in range(number):
        (folder / f"{each:03}.txt").write_text(f"document {each}\n" * (each % 7 + 1))


def read_until(process: subprocess.Popen[str], words: str) -> None:
    """Read what it says on stderr until these words come."""
    assert process.stderr
    while words not in (line := process.stderr.readline()):
        assert line, f"ended without {words!r}"


def ended_with(process: subprocess.Popen[str], seconds: float = 20) -> int:
    process.communicate(timeout=seconds)
    return process.returncode


def status(out: Path) -> dict[str, object]:
    return json.loads((out / "status.json").read_text())


# ── killed ───────────────────────────────────────────────────────────────────────────────────

DOCUMENTS, KILLS, SEEDS = 300, 10, 5


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """The documents, and the lines that a run without kills gives."""
    folder = tmp_path_factory.mktemp("undisturbed")
    write_documents(folder / "in", DOCUMENTS)
    (folder / "read.py").write_text(READ)
    ended = oracle.docherd(*killed_command("out"), cwd=folder)
    assert ended.code == 0, ended.err
    return folder, oracle.sorted_lines(folder / "out")


def killed_command(out: str) -> list[str]:
    command = ["run", "in", "-o", out, "-p", "read.py:read", "-w", "2", "-q"]
    return [*command, "--max-interruptions", "0"]


class Moments:
    """Events in the life of one start, seen from outside; each comes true sooner or later."""

    NAMES = ("starting", "working", "committing", "sealing", "ending")

    def __init__(self, out: Path, generator: random.Random) -> None:
        self.out = out
        self._until = time.monotonic() + generator.uniform(0, 0.4)
        self._begun = self._journal() + generator.randrange(1, 60)
        self._parts, self._status = self._published(), self._inode()

    def starting(self) -> bool:
        return time.monotonic() > self._until

    def working(self) -> bool:
        return self._journal() >= self._begun

    def committing(self) -> bool:
        try:
            return any(part.stat().st_size for part in (self.out / "pending").glob("part-*"))
        except OSError:  # renamed while we looked
            return True

    def sealing(self) -> bool:
        return self._published() > self._parts

    def ending(self) -> bool:
        return self._inode() != self._status and status(self.out)["state"] == "finished"

    def _journal(self) -> int:
        journal = self.out.parent / "journal"
        return journal.stat().st_size if journal.exists() else 0

    def _published(self) -> int:
        return len(os.listdir(self.out / "data")) if (self.out / "data").exists() else 0

    def _inode(self) -> int:
        file = self.out / "status.json"
        return file.stat().st_ino if file.exists() else 0


def kill_at(moment: str, folder: Path, generator: random.Random) -> bool:
    """Start the command, kill it shortly after the moment; False where it ended before."""
    moments = Moments(folder / "out", generator)
    process = oracle.start(*killed_command("out"), cwd=folder)
    come = getattr(moments, moment)
    oracle.wait_for(lambda: come() or process.poll() is not None, 30)
    time.sleep(generator.uniform(0, 0.03))
    oracle.end(process)
    return process.returncode == -signal.SIGKILL


@pytest.mark.parametrize(
    "seed", [pytest.param(n, marks=[pytest.mark.slow] if n > 1 else []) for n in range(SEEDS)]
)
def test_kills_at_random_lose_and_double_nothing(undisturbed, hasty, tmp_path, seed):
    """E01, G1-G8: ten kills in all phases, then the bytes of a run that was left in peace."""
    source, clean = undisturbed
    shutil.copytree(source / "in", tmp_path / "in")
    shutil.copy(source / "read.py", tmp_path)
    generator = random.Random(seed)
    kills, moments = 0, list(Moments.NAMES) * (KILLS // len(Moments.NAMES))
    generator.shuffle(moments)
    while kills < KILLS:
        moment = moments.pop()
        killed = kill_at(moment, tmp_path, generator)
        kills += killed
        if not killed:  # nothing was left that could come true
            moments.append("starting")
        nothing_unfinished_is_visible(tmp_path / "out", clean)
    ended = oracle.docherd(*killed_command("out"), cwd=tmp_path)
    assert ended.code == 0, ended.err
    oracle.check(tmp_path / "out", failed={}, total=DOCUMENTS)
    assert oracle.sorted_lines(tmp_path / "out") == clean
    only_ours_is_left(tmp_path / "out")


def nothing_unfinished_is_visible(out: Path, clean: list[bytes]) -> None:
    """Every published line is a whole one of the clean run, and is there once."""
    if (out / "data").exists():
        lines = oracle.sorted_lines(out)
        assert len(set(lines)) == len(lines)
        assert set(lines) <= set(clean)


def only_ours_is_left(out: Path) -> None:
    names = {"run.json", "status.json", "run.log", "ledger.db", "lock", "pending", "data"}
    long_enough = {"sizing.json"}  # to say what limited it
    assert set(os.listdir(out)) - long_enough == names | {
        "failures.jsonl",
        "report.html",
        "report.json",
    }


NATIVE = """
import ctypes, re, subprocess
from pathlib import Path

def native(path):
    folder = path.parent.parent
    try:
        (folder / "first").touch(exist_ok=False)
    except FileExistsError:
        (folder / "held" / path.name).touch()
    else:
        subprocess.Popen(["sleep", "600"], start_new_session=True)
        (folder / "held" / path.name).touch()
        ctypes.CDLL(None).sleep(600)
    re.match(r"(a+)+$", "a" * 64 + "b")
"""


def test_nothing_outlives_a_killed_engine(held):
    """E02, G5: workers busy in native code, and a grandchild that left, are gone within 1 s."""
    (held.folder / "hold.py").write_text(NATIVE.replace("def native", "def hold"))
    process = held.start()
    oracle.wait_for(lambda: any("sleep" in each for each in oracle.leftovers()))
    oracle.end(process)
    oracle.wait_for(lambda: not oracle.leftovers(), 1.0)
    with (held.out / "lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)


POISON = """
import os, signal, time

def read(path):
    with open(path.parent.parent / "journal", "a") as journal:
        journal.write(path.name + "\\n")
    if path.name == "poison.txt":
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(600)
    return path.read_text()
"""


def test_a_document_that_kills_the_engine_is_given_up(tmp_path):
    """E01, E16: one that is in hand at three deaths runs solo and last; at the fourth it failed."""
    write_documents(tmp_path / "in", 20)
    (tmp_path / "in" / "005-before.txt").touch()
    (tmp_path / "in" / "005.txt").rename(tmp_path / "in" / "poison.txt")
    (tmp_path / "read.py").write_text(POISON)
    command = ["run", "in", "-o", "out", "-p", "read.py:read", "-w", "2", "-q"]
    journal, begun, deaths = tmp_path / "journal", [], 0
    while (ended := oracle.docherd(*command, cwd=tmp_path)).code < 0:
        deaths += 1
        assert deaths <= 4
        begun = journal.read_text().splitlines()
        journal.unlink()
    assert (deaths, ended.code) == (4, 1)
    assert begun[-1] == "poison.txt"  # last, when everybody else had been done
    oracle.check(tmp_path / "out", failed={"in/poison.txt": "crash"}, total=21)
    message = oracle.failure_rows(tmp_path / "out")["in/poison.txt"]["message"]
    assert message == "the whole run died 4 times with this document in hand"


# ── asked to stop ────────────────────────────────────────────────────────────────────────────


def test_ctrl_c_finishes_what_is_in_hand(held):
    """E04: the first SIGINT says so, lets two documents end, commits, and dies of SIGINT."""
    process = held.start()
    process.send_signal(signal.SIGINT)
    read_until(process, "finishing 2 in hand; Ctrl-C again stops now")
    held.open_gate()
    assert ended_with(process) == -signal.SIGINT
    oracle.check(held.out, failed={}, pending=HELD - 2, total=HELD)
    assert len(oracle.records(held.out)) == 2
    assert status(held.out)["state"] == "interrupted"
    held.goes_on()


def test_ctrl_c_twice_stops_now(held):
    """E05: the second SIGINT kills the workers; what they had in hand stays pending, uncharged."""
    process = held.start()
    process.send_signal(signal.SIGINT)
    read_until(process, "finishing")
    process.send_signal(signal.SIGINT)
    assert ended_with(process, 5) == -signal.SIGINT
    oracle.check(held.out, failed={}, pending=HELD, total=HELD)
    held.goes_on()


def test_ctrl_c_three_times_dies_at_once(held, monkeypatch):
    """E05: the third SIGINT waits for nothing, not even for a slow disk; the run can go on."""
    plain = oracle.COMMAND
    monkeypatch.setattr(oracle, "COMMAND", [sys.executable, "-c", SLOW_DISK])
    process = held.start()
    process.send_signal(signal.SIGINT)
    read_until(process, "finishing")
    held.open_gate()
    oracle.wait_for(lambda: any((held.out / "pending").glob("part-*")))
    started = time.monotonic()
    while process.poll() is None and time.monotonic() < started + 10:
        process.send_signal(signal.SIGINT)
        time.sleep(0.02)
    assert ended_with(process, 1) == -signal.SIGINT
    oracle.wait_for(lambda: not oracle.leftovers(), 1.0)
    monkeypatch.setattr(oracle, "COMMAND", plain)
    held.goes_on()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_sigterm_and_sighup_finish_what_is_in_hand(held, number):
    """E06: as Ctrl-C, and the process dies of the signal that asked."""
    process = held.start()
    process.send_signal(number)
    read_until(process, "finishing 2 in hand")
    held.open_gate()
    assert ended_with(process) == -number
    oracle.check(held.out, failed={}, pending=HELD - 2, total=HELD)


def test_sigterm_waits_a_bounded_time(held, hasty):
    """E06: what has not ended after the time of grace (10 s, here 1) is killed, uncharged."""
    process = held.start()
    process.send_signal(signal.SIGTERM)
    started = time.monotonic()
    assert ended_with(process) == -signal.SIGTERM
    assert 0.9 < time.monotonic() - started < 9
    oracle.check(held.out, failed={}, pending=HELD, total=HELD)
    held.goes_on()


def test_a_hangup_is_ignored_under_nohup(held, monkeypatch):
    """E06: SIGHUP that was ignored at the start does not stop the run."""
    monkeypatch.setattr(oracle, "COMMAND", ["nohup", *oracle.COMMAND])
    process = held.start()
    process.send_signal(signal.SIGHUP)
    held.open_gate()
    assert ended_with(process) == 0
    oracle.check(held.out, failed={}, total=HELD)


# ── started twice ────────────────────────────────────────────────────────────────────────────


def contents(out: Path) -> dict[str, bytes]:
    files = [path for path in out.rglob("*") if path.is_file()]
    return {str(path.relative_to(out)): path.read_bytes() for path in files}


def test_a_second_run_on_a_folder_is_refused(held):
    """E13: it exits with 6, names who holds the folder, and touches no byte of it."""
    process = held.start()
    process.send_signal(signal.SIGSTOP)  # so that every change is the second one's
    before = contents(held.out)
    ended = oracle.docherd(*held.command(), cwd=held.folder)
    assert ended.code == 6
    assert f"pid {process.pid} on " in ended.err
    assert ended.err.count("\n") == 1
    assert contents(held.out) == before
    process.send_signal(signal.SIGCONT)
    held.open_gate()
    assert ended_with(process) == 0
    oracle.check(held.out, failed={}, total=HELD)


def test_of_two_that_start_at_once_one_runs(held):
    """E13: both make the folder, one gets its lock and loses nothing to the other's refusal."""
    held.open_gate()
    both = [oracle.start(*held.command(), cwd=held.folder) for _ in range(2)]
    assert sorted(map(ended_with, both)) in ([0, 6], [0, 0])  # 0, 0: one after the other
    oracle.check(held.out, failed={}, total=HELD)


def test_a_lock_left_by_a_dead_run_is_taken_over(held):
    """E14: the lock of a killed run holds nobody up, though its file still names the dead."""
    process = held.start()
    oracle.end(process)
    assert f"pid {process.pid} on " in (held.out / "lock").read_text()
    held.goes_on()


# ── signals that only ask ────────────────────────────────────────────────────────────────────


def test_sigusr1_and_sigquit_ask_and_the_run_goes_on(tmp_path):
    """SIGUSR1 says where the run stands; SIGQUIT writes every stack to run.log."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.txt").write_text("a")
    (tmp_path / "own.py").write_text(
        "import time, pathlib\n"
        "def napping_for_the_test(path):\n"
        "    end = path.parent.parent / 'end'\n"
        "    while not end.exists():\n"
        "        time.sleep(0.01)\n"
    )
    process = oracle.start(
        *("run", "in", "-o", "out", "-p", "own.py:napping_for_the_test", "--progress", "plain"),
        cwd=tmp_path,
    )
    log = tmp_path / "out" / "run.log"
    status = tmp_path / "out" / "status.json"
    oracle.wait_for(lambda: status.exists() and json.loads(status.read_bytes())["workers"])
    process.send_signal(signal.SIGQUIT)
    oracle.wait_for(lambda: "napping_for_the_test" in log.read_text())
    process.send_signal(signal.SIGUSR1)
    assert process.stderr is not None
    told = next(line for line in process.stderr if '"counts"' in line)
    assert '"pending": 1' in told
    (tmp_path / "end").touch()
    assert process.wait(timeout=20) == 0
    process.communicate()
    text = log.read_text()
    assert "engine.py" in text
    assert "worker " in text
    oracle.check(tmp_path / "out", failed={}, total=1)


# ── reported means durable ───────────────────────────────────────────────────────────────────


def test_what_was_reported_as_done_survives_a_kill(tmp_path):
    """E01: each document that --progress json has named is done after kill -9 of the engine."""
    (tmp_path / "in").mkdir()
    for number in range(400):
        (tmp_path / "in" / f"{number:03d}.txt").write_text(str(number))
    (tmp_path / "own.py").write_text(
        "import time\ndef own(path):\n    time.sleep(0.02)\n    return {'name': path.name}\n"
    )
    process = oracle.start(
        *("run", "in", "-o", "out", "-p", "own.py:own", "-w", "2", "--progress", "json"),
        cwd=tmp_path,
    )
    assert process.stdout is not None
    told = []
    for line in process.stdout:
        event = json.loads(line)
        if event["event"] == "document":
            told.append(event["document"])
        if len(told) >= 20:
            break
    oracle.end(process)
    for document in told:
        shown = oracle.docherd("show", "out", document, "--json", cwd=tmp_path)
        entry = json.loads(shown.out)
        assert [each["status"] for each in entry["attempts"]] == ["done"]
        assert len(entry["records"]) == 1
