"""The clock, the memory, the files and the processes of the machine (E of the catalogue, too)."""

from __future__ import annotations

import ast
import contextlib
import errno
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import docherd
import oracle

DOCUMENTS = 40
READ = """
import time

def read(path):
    time.sleep(0.01)
    return {"text": path.read_text() * 5}
"""
STARTED: list[subprocess.Popen[str]] = []
OPTIONS = ("-p", "read.py:read", "-w", "2", "--progress", "plain")


@pytest.fixture
def tree(tmp_path):
    """Documents and a processor that reads them, in a folder to run from."""
    return plant(tmp_path)


@pytest.fixture(autouse=True)
def _nothing_runs_on():
    """What a test that failed has left running ends with it."""
    yield
    while STARTED:
        process = STARTED.pop()
        if process.poll() is None:
            oracle.end(process)


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    """The lines of a run that nothing disturbed."""
    folder = plant(tmp_path_factory.mktemp("clean"))
    assert run(folder).code == 0
    return oracle.sorted_lines(folder / "out")


def plant(folder: Path) -> Path:
    (folder / "in").mkdir()
    for number in range(DOCUMENTS):
        (folder / "in" / f"{number:03}.txt").write_text(f"document {number}\n")
    (folder / "read.py").write_text(READ)
    return folder


def with_path(folder: Path) -> dict[str, str]:
    """An environment in which every Python imports ``folder``/sitecustomize.py first."""
    path = [str(folder), *filter(None, [os.environ.get("PYTHONPATH")])]
    return os.environ | {"PYTHONPATH": os.pathsep.join(path)}


def run(
    folder: Path, *options: str, driver: str = "", before: list[str] | None = None, **popen: object
) -> oracle.Ended:
    """The command over ``folder``/in, to its end; ``driver`` as for ``start``."""
    process = start(folder, *options, driver=driver, before=before, **popen)
    began = time.monotonic()
    out, err = process.communicate(timeout=60)
    return oracle.Ended(process.returncode, out, err, time.monotonic() - began)


def start(
    folder: Path, *options: str, driver: str = "", before: list[str] | None = None, **popen: object
) -> subprocess.Popen[str]:
    """The command; ``driver``: Python that runs first, in its process."""
    command = oracle.COMMAND
    if driver:
        oracle.COMMAND = [sys.executable, "-c", f"{driver}\nfrom docherd import cli; cli.main()"]
    try:
        oracle.COMMAND = [*(before or []), *oracle.COMMAND]
        process = oracle.start("run", "in", "-o", "out", *OPTIONS, *options, cwd=folder, **popen)
        STARTED.append(process)
        return process
    finally:
        oracle.COMMAND = command


def events(ended: oracle.Ended, kind: str) -> list[dict[str, object]]:
    found = map(json.loads, ended.out.splitlines())
    return [event for event in found if event["event"] == kind]


# ── workers end with their engine, and not before ────────────────────────────────────────────

PASSING = """
import threading, time, docherd

def number(path):
    time.sleep(0.05)
    return {"name": path.name}

def begin():
    paths = [f"in/{n:03}.txt" for n in range(40)]
    streams.append(docherd.process(paths, number, workers=2))
    next(streams[0])

if __name__ == "__main__":
    streams = []
    thread = threading.Thread(target=begin)
    thread.start()
    thread.join()
    print(sum(result.ok for result in streams[0]))
    done = []
    thread = threading.Thread(
        target=lambda: done.append(docherd.run("in", "out", number, workers=2, progress="none"))
    )
    thread.start()
    thread.join()
    print(done[0].counts.done)
"""


def test_workers_outlive_the_thread_that_asked_for_them(tree):
    """E03: a stream begun in a thread that ends, and a run in one, lose no worker to its end."""
    (tree / "program.py").write_text(PASSING)
    ended = subprocess.run(
        [sys.executable, "program.py"], cwd=tree, capture_output=True, text=True, check=False
    )
    assert ended.stdout.split() == ["39", "40"], ended.stderr
    assert not oracle.leftovers()


@pytest.mark.parametrize("module", ["docherd.worker", "docherd.walker"])
def test_a_process_whose_parent_died_before_it_looked_ends(module):
    """E03: PR_SET_PDEATHSIG comes too late for it, so it looks who its parent is."""
    command = [sys.executable, "-P", "-m", module, str(os.getpid() + 1)]
    ended = subprocess.run(command, capture_output=True, timeout=20, check=False)
    assert (ended.returncode, ended.stderr) == (1, b"")


# ── the clock ────────────────────────────────────────────────────────────────────────────────

#: in every process of the run: the wall clock is a day off, another way at each look
JUMPY = """
import itertools, time
_time, _days = time.time, itertools.cycle((86400, -86400, 0))
time.time = lambda: _time() + next(_days)
time.time_ns = lambda: int(time.time() * 1e9)
"""


def test_a_clock_that_jumps_a_day_changes_nothing(tree, clean):
    """E09: no timeout, no ETA, no order and no result depends on the time of day."""
    (tree / "jumpy").mkdir()
    (tree / "jumpy" / "sitecustomize.py").write_text(JUMPY)
    environment = with_path(tree / "jumpy")
    limits = ("--timeout", "5", "--progress", "json")
    first = run(tree, *limits, "--limit", "20", env=environment)
    assert first.code == 0, first.err
    ended = run(tree, *limits, env=environment)
    assert ended.code == 0, ended.err
    for event in events(ended, "progress"):
        assert 0 <= event["seconds"] < 60
        assert event["eta"] is None or 0 <= event["eta"]["low"] <= event["eta"]["high"] < 60
    oracle.check(tree / "out", failed={}, total=DOCUMENTS)
    assert oracle.sorted_lines(tree / "out") == clean
    done = [event["path"] for event in events(first, "document") + events(ended, "document")]
    assert sorted(done) == sorted({row["path"] for row in oracle.records(tree / "out")})


#: where the time of day is a date for people, and nothing is reckoned with it
DATES = {"ledger", "outcomes", "log", "folder", "portrait", "figures", "page"}


def test_the_time_of_day_is_only_ever_a_date():
    """E09: time.time(), strftime and datetime.now are in the rooms that write dates."""
    told = re.compile(r"\b(time\.time(_ns)?|strftime|gmtime|localtime|datetime\.now)\(")
    source = Path(docherd.__file__).parent
    rooms = [file for file in source.rglob("*.py") if told.search(file.read_text())]
    assert {file.stem for file in rooms} == DATES
    for room in rooms:
        subtracted = (
            node
            for node in ast.walk(ast.parse(room.read_text()))
            if isinstance(node, ast.BinOp | ast.Compare) and told.search(ast.unparse(node))
        )
        assert not list(subtracted)


# ── a bug of ours, or no memory ──────────────────────────────────────────────────────────────

#: the n-th call of a method raises
BREAK = """
import docherd.engine, {module} as room
docherd.engine.COMMIT_SECONDS = 0.05
owner, name, calls = getattr(room, "{owner}", room), "{name}", []
before = getattr(owner, name)

def breaking(*given, **named):
    calls.append(1)
    if len(calls) == {when}:
        raise {error}
    return before(*given, **named)

setattr(owner, name, breaking)
"""
STAGES = {
    "discover": ("docherd.ledger", "Ledger", "discover", 1),
    "give": ("docherd.pool", "Pool", "give", 9),
    "settle": ("docherd.scheduler", "Scheduler", "settle", 9),
    "show": ("docherd.engine", "Engine", "_snapshot", 2),
    "commit": ("docherd.ledger", "Ledger", "commit", 2),
    "seal": ("docherd.segment", "Segment", "seal", 1),
    "prove": ("docherd.ledger", "Ledger", "prove", 1),
    "report": ("docherd.report", "", "write", 1),
}


@pytest.mark.parametrize("stage", STAGES)
def test_a_bug_of_ours_costs_a_start_and_nothing_else(tree, clean, stage):
    """E10: exit 70, one file for the bug report, nobody left, and the next start is exact."""
    module, owner, name, when = STAGES[stage]
    error = "MemoryError()" if len(stage) % 2 else "RuntimeError('planted')"
    driver = BREAK.format(module=module, owner=owner, name=name, when=when, error=error)
    (tree / "tmp").mkdir()
    ended = run(tree, driver=driver, env=os.environ | {"TMPDIR": str(tree / "tmp")})
    assert ended.code == 70, ended.err
    assert "a bug of ours" in ended.err
    assert "Traceback" not in ended.err
    (bug,) = (tree / "tmp").iterdir()
    assert bug.name in ended.err
    assert "Traceback" in bug.read_text()
    oracle.wait_for(lambda: not oracle.leftovers(), 1.0)
    assert run(tree).code == 0
    oracle.check(tree / "out", failed={}, total=DOCUMENTS)
    assert oracle.sorted_lines(tree / "out") == clean


# ── no process, no file ──────────────────────────────────────────────────────────────────────

#: posix_spawn fails for workers, but for the first so many
SPAWN = """
import errno, os
from docherd import spawn
before, started = spawn.python, []

def python(module, *rest, **named):
    if module == "docherd.worker":
        started.append(1)
        if len(started) > {most}:
            raise OSError(errno.{error}, os.strerror(errno.{error}))
    return before(module, *rest, **named)

spawn.python = python
"""


def test_no_worker_at_all_ends_the_run(tree):
    """E11: where not even one process can be started it exits with 3, and the run is safe."""
    ended = run(tree, driver=SPAWN.format(most=0, error="EAGAIN"))
    assert ended.code == 3, ended.err
    assert "cannot start a worker" in ended.err
    assert not oracle.leftovers()
    assert run(tree).code == 0


@pytest.mark.parametrize("error", ["EAGAIN", "ENOMEM"])
def test_a_pool_that_cannot_grow_goes_on_smaller(tree, clean, error):
    """E11: with one worker of four the run is done, and says so in one line."""
    ended = run(tree, "-w", "4", driver=SPAWN.format(most=1, error=error))
    assert ended.code == 0, ended.err
    assert ended.err.count(os.strerror(getattr(errno, error))) == 1
    assert oracle.sorted_lines(tree / "out") == clean


@pytest.mark.parametrize("processes", (3, 5, 6))
def test_a_limit_on_processes_is_no_bug_of_ours(tree, clean, processes):
    """E11: under ulimit -u the run is done or exits with 3, at every stage of its start."""
    if os.getuid() != 0 or not shutil.which("setpriv"):
        pytest.skip("needs root: the limit does not hold for its user")
    rights = "+dac_override,+dac_read_search"
    nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    nobody += [f"--inh-caps={rights}", f"--ambient-caps={rights}"]
    ended = run(tree, "-w", "4", before=[*nobody, "prlimit", f"--nproc={processes}"])
    assert ended.code in (0, 3), ended.err
    assert ended.code == 0 or ended.err.splitlines()[-1].startswith("docherd: ")
    assert not oracle.leftovers()
    assert run(tree).code == 0
    assert oracle.sorted_lines(tree / "out") == clean


def test_few_open_files_make_few_workers(tree, clean):
    """E12: under ulimit -n 64 the pool is as large as that allows, and it says so."""
    ended = run(tree, "-w", "64", before=["prlimit", "--nofile=64:64"])
    assert ended.code == 0, ended.err
    assert "the limit of open files allows no more" in ended.err
    assert oracle.sorted_lines(tree / "out") == clean


def test_a_soft_limit_on_open_files_is_raised(tree, clean):
    """E12: what the hard limit allows is taken, without a word."""
    ended = run(tree, "-w", "12", before=["prlimit", "--nofile=64:1024"])
    assert ended.code == 0, ended.err
    assert "open files" not in ended.err
    assert oracle.sorted_lines(tree / "out") == clean


# ── nobody else cleans up ────────────────────────────────────────────────────────────────────

CRASH = """
import ctypes

def read(path):
    if int(path.stem) % 3 == 0:
        ctypes.string_at(0)
    return {"text": path.read_text() * 5}
"""


def dead(engine: int) -> int:
    """Children of a process that have ended and that it has not waited for."""
    found = 0
    for thread in Path(f"/proc/{engine}/task").iterdir():
        for pid in (thread / "children").read_text().split():
            try:
                found += ") Z " in Path(f"/proc/{pid}/stat").read_text()
            except OSError:
                continue
    return found


def test_crashes_leave_no_dead_behind(tree):
    """E18: however many workers die, the engine waits for each: a few zombies at most."""
    (tree / "read.py").write_text(CRASH)
    for number in range(DOCUMENTS, 2 * DOCUMENTS):
        (tree / "in" / f"{number:03}.txt").write_text("more\n")
    process = start(tree)
    most = 0
    while process.poll() is None:
        with contextlib.suppress(OSError):  # it has ended
            most = max(most, dead(process.pid))
        time.sleep(0.005)
    process.communicate()
    assert process.returncode == 1
    crashed = {f"in/{n:03}.txt": "crash" for n in range(0, 2 * DOCUMENTS, 3)}
    oracle.check(tree / "out", failed=crashed, total=2 * DOCUMENTS)
    assert most < 8


needs_namespaces = pytest.mark.skipif(
    not shutil.which("unshare")
    or subprocess.run(["unshare", "--pid", "--fork", "true"], check=False).returncode != 0,
    reason="needs the right to make a process namespace",
)
#: as the first process of a container, which nobody else cleans up for
CONTAINER = ["unshare", "--pid", "--fork", "--mount-proc", "--kill-child"]
ORPHANS = """
import subprocess, time

def read(path):
    for session in (True, False):
        shell = ["sh", "-c", "true & exit"]
        subprocess.run(shell, start_new_session=session)
    while path.stem == "039" and not (path.parent.parent / "gate").exists():
        (path.parent.parent / "held").touch()
        time.sleep(0.005)
    return {"text": path.read_text() * 5}
"""
HASTY = "from docherd import engine; engine.STATUS_SECONDS = 0.05"


def first_process(process: subprocess.Popen[str]) -> int:
    """The engine in the container that this command has made."""
    (pid,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    return int(pid)


@needs_namespaces
def test_as_the_first_process_of_a_container_it_lets_go_of_orphans(tree, clean):
    """E18: what workers left behind ends up as its children, and does not pile up."""
    (tree / "read.py").write_text(ORPHANS)
    process = start(tree, driver=HASTY, before=CONTAINER)
    oracle.wait_for((tree / "held").exists)
    oracle.wait_for(lambda: dead(first_process(process)) <= 1, 5)  # the walker, until the end
    (tree / "gate").touch()
    assert process.wait(timeout=20) == 0
    process.communicate()
    assert oracle.sorted_lines(tree / "out") == clean


@needs_namespaces
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_as_the_first_process_of_a_container_it_still_says_who_stopped_it(tree, number):
    """E06: no signal of its own ends process 1, so it leaves with the code that stands for it."""
    (tree / "read.py").write_text(ORPHANS)
    process = start(tree, before=CONTAINER)
    oracle.wait_for((tree / "held").exists)
    os.kill(first_process(process), number)
    (tree / "gate").touch()
    assert process.wait(timeout=20) == 128 + number
    process.communicate()
    done = len(oracle.records(tree / "out"))
    oracle.check(tree / "out", failed={}, pending=DOCUMENTS - done, total=DOCUMENTS)
