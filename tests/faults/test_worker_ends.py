"""A worker that cannot be killed, never starts, dies late or leaves others behind (W)."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

import oracle


def documents(folder: Path, *names: str, content: str = "x") -> Path:
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / name).write_text(content)
    return folder


def processor(folder: Path, body: str) -> str:
    head = "import ctypes, gc, os, signal, sys, threading, time\nfrom pathlib import Path\n"
    (folder / "own.py").write_text(head + body)
    return "own.py:process"


def driver(**constants: object) -> list[str]:
    """The command with constants of ours, named room__NAME, at a fraction of their time."""
    lines = [f"import docherd.{name.replace('__', '.').rpartition('.')[0]}" for name in constants]
    lines += [f"docherd.{name.replace('__', '.')} = {value!r}" for name, value in constants.items()]
    return [sys.executable, "-c", "\n".join((*lines, "import docherd.cli; docherd.cli.main()"))]


def alive(pid: int) -> bool:
    """True while a process runs: one that has ended and was not waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def pids(file: Path) -> list[int]:
    return [int(word) for word in file.read_text().split()] if file.exists() else []


# ── it cannot be killed ──────────────────────────────────────────────────────────────────────

FREEZER = Path("/sys/fs/cgroup/freezer")

FROZEN = """
def process(path):
    if path.name == "stuck":
        Path("stuck.new").write_text(str(os.getpid()))
        os.rename("stuck.new", "stuck")
        time.sleep(60)
    return {"name": path.name}
"""


@pytest.fixture
def freezer():
    """Puts a process where no signal reaches it, SIGKILL neither, as a dead network disk does."""
    cell = FREEZER / f"docherd-{os.getpid()}"
    if os.getuid() != 0 or not (FREEZER / "cgroup.procs").exists():
        pytest.skip("needs root and the freezer of cgroup v1")
    cell.mkdir()

    def freeze(pid: int) -> None:
        (cell / "cgroup.procs").write_text(str(pid))
        (cell / "freezer.state").write_text("FROZEN")

    yield freeze
    (cell / "freezer.state").write_text("THAWED")
    oracle.wait_for(lambda: not (cell / "cgroup.procs").read_text())
    cell.rmdir()


def test_a_worker_that_cannot_be_killed_costs_one_document(tmp_path, monkeypatch, freezer):
    """W04: it is given up, replaced and named, and the run ends although it is still there."""
    docs = documents(tmp_path / "in", "stuck", *(f"z{n:02}" for n in range(20)))
    monkeypatch.setattr(oracle, "COMMAND", driver(pool__UNKILLABLE=1.0))
    own = processor(tmp_path, FROZEN)
    out = tmp_path / "out"
    command = oracle.start(
        *("run", docs, "-o", out, "-p", own, "-w", "1", "--timeout", "1", "-q"), cwd=tmp_path
    )
    oracle.wait_for((tmp_path / "stuck").exists)
    [stuck] = pids(tmp_path / "stuck")
    freezer(stuck)
    _, errors = command.communicate(timeout=20)
    assert command.returncode == 1, errors
    assert alive(stuck)
    assert oracle.failure_rows(out)["in/stuck"]["message"] == f"process {stuck} cannot be killed"
    assert len(oracle.records(out)) == 20
    status = json.loads((out / "status.json").read_text())
    assert (status["state"], status["counts"]["failed"]) == ("finished", 1)


DEAF = """
import docherd.child, docherd.cli, docherd.pool
docherd.pool.UNKILLABLE = 1.0
docherd.child.os.kill = docherd.child.os.killpg = lambda *_: None
docherd.cli.main()
"""


def test_where_no_kill_has_any_effect_one_place_is_lost_and_no_other(tmp_path, monkeypatch):
    """W04: the engine's own kills do nothing at all: each hang is given up after its patience."""
    docs = documents(tmp_path / "in", "sleep-1", "spin-1", *(f"z{n:02}" for n in range(20)))
    monkeypatch.setattr(oracle, "COMMAND", [sys.executable, "-c", DEAF])
    out = tmp_path / "out"
    options = ("-p", "docherd.testing:by_name", "-w", "2", "--timeout", "1", "-q")
    ended = oracle.docherd("run", docs, "-o", out, *options)
    assert ended.code == 1, ended.err
    oracle.check(out, {"in/sleep-1": "timeout", "in/spin-1": "timeout"}, total=22)
    for row in oracle.failure_rows(out).values():
        assert re.fullmatch(r"process \d+ cannot be killed", row["message"])


# ── it never starts ──────────────────────────────────────────────────────────────────────────

SLOW_IMPORT = """
if os.path.exists("broken"):
    time.sleep(60)
time.sleep(0.6)
def process(path):
    return {"name": path.name}
"""


def test_a_processor_that_hangs_while_it_loads_stops_the_run_and_blames_nobody(
    tmp_path, monkeypatch
):
    """W05: three starts over their limit, exit 3, all pending; mended, the same command ends it."""
    monkeypatch.setattr(oracle, "COMMAND", driver(pool__START_LIMIT=0.8))
    docs = documents(tmp_path / "in", *(f"{n}" for n in range(10)))
    (tmp_path / "broken").touch()
    out = tmp_path / "out"
    command = ("run", docs, "-o", out, "-p", processor(tmp_path, SLOW_IMPORT), "-w", "2")
    ended = oracle.docherd(*command, cwd=tmp_path)
    assert ended.code == 3
    assert "cannot start, 3 in a row: not ready after 1 s" in ended.err
    assert "own.py:process" in ended.err
    assert oracle.leftovers() == []
    (tmp_path / "broken").unlink()
    monkeypatch.undo()
    # Loading takes longer than a document may: it has a time of its own.
    ended = oracle.docherd(*command, "--timeout", "0.5", cwd=tmp_path)
    assert ended.code == 0, ended.err
    oracle.check(out, failed={}, total=10)
    assert "will be tried again" not in (out / "run.log").read_text()


# ── alive, but no end ────────────────────────────────────────────────────────────────────────


def test_a_heartbeat_does_not_extend_the_time(run_faulty, tmp_path):
    """W06, W07: whether it would have ended or not, it ends at its limit, and is told the limit."""
    docs = documents(tmp_path / "in", "heartbeat-for-ever")
    documents(docs, "heartbeat-2", content="2")
    out = tmp_path / "out"
    options = ("-p", "docherd.testing:by_name", "--timeout", "1", "-w", "2")
    assert oracle.docherd("run", docs, "-o", out, *options).code == 1
    oracle.check(out, dict.fromkeys(("in/heartbeat-2", "in/heartbeat-for-ever"), "timeout"))
    for row in oracle.failure_rows(out).values():
        assert row["message"] == "over its 1 s"
        assert 1 <= row["seconds"] < 2
        assert 15 <= int(row["detail"].removeprefix("at page ")) <= 20  # how far it came
    assert oracle.records(out) == []


def test_recursion_without_end_is_memory(run_faulty, tmp_path, innocent_lines):
    """W11: since 3.11 it fills the heap and not the stack: its memory ends it, not its time."""
    run = run_faulty(tmp_path, ("recursion",), "-w", "2", "--memory", "400MB", "--timeout", "20")
    assert run.ended.code == 1
    oracle.check(run.out, failed=run.expected(), total=61)
    assert run.row("recursion")["message"].endswith("limit 400 MB")
    assert run.innocent_lines() == innocent_lines


# ── it dies after its result ─────────────────────────────────────────────────────────────────

#: the engine stands still from before the result is sent until the test has it go on
SENT = """
def process(path):
    if path.name == "victim":
        with open("journal", "a") as journal:
            print(os.getpid(), file=journal, flush=True)
        os.kill(os.getppid(), signal.SIGSTOP)
        me = threading.main_thread().ident
        threading.Thread(target=die_when_idle, args=(me,), daemon=True).start()
    return {"name": path.name, "text": "x" * SIZE}

def die_when_idle(main):
    while sys._current_frames()[main].f_code.co_name != "receive":
        time.sleep(0.001)
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("size", [10, 100_000, 3_000_000])
def test_a_result_that_was_sent_counts_though_its_worker_has_died(tmp_path, size):
    """W17: dead before the engine has read it: taken once, not tried again, whatever its size."""
    docs = documents(tmp_path / "in", "victim", *(f"z{n}" for n in range(5)))
    own = processor(tmp_path, SENT.replace("SIZE", str(size)))
    out = tmp_path / "out"
    command = oracle.start("run", docs, "-o", out, "-p", own, "-w", "1", cwd=tmp_path)
    oracle.wait_for(lambda: pids(tmp_path / "journal"))
    [victim] = pids(tmp_path / "journal")
    oracle.wait_for(lambda: not alive(victim))
    command.send_signal(signal.SIGCONT)
    command.communicate(timeout=30)
    assert command.returncode == 0
    oracle.check(out, failed={}, total=6)
    assert pids(tmp_path / "journal") == [victim]
    assert Counter(row["path"] for row in oracle.records(out))["in/victim"] == 1
    assert "will be tried again" not in (out / "run.log").read_text()


def test_a_crash_while_the_worker_ends_is_nobodys(run_faulty, tmp_path, innocent_lines):
    """W18: an object whose end is a segfault, freed when its worker goes: the document is done."""
    run = run_faulty(tmp_path, ("late_segv",), "-w", "2")
    assert run.ended.code == 0
    oracle.check(run.out, failed={}, total=61)
    assert run.innocent_lines() == innocent_lines
    assert "crash" not in (run.out / "run.log").read_text()


#: an object in a circle, that the collector frees at the third document after
TIME_BOMB = """
class Bomb:
    def __init__(self):
        self.me = self
    def __del__(self):
        ctypes.string_at(0)

since = -1

def process(document: "Document"):
    global since
    time.sleep(SECONDS)
    if document.path.name.endswith("bomb"):
        Bomb()
        since = 0
    elif since >= 0:
        since += 1
        if since == 3:
            gc.collect()
    return {"attempt": document.attempt}
"""


@pytest.mark.parametrize(("innocents", "seconds"), [(30, 0.002), (1500, 0)])
def test_a_crash_at_a_later_document_costs_that_one_nothing(tmp_path, innocents, seconds):
    """W18: what one leaves to the garbage collector hits another: that one is done all the same.

    Also where both travel together, and the answer of the guilty one was not yet sent.
    """
    docs = documents(tmp_path / "in", *(f"d{n:04}" for n in range(innocents)))
    documents(docs, f"d{innocents * 2 // 3:04}-bomb")
    out = tmp_path / "out"
    own = processor(tmp_path, TIME_BOMB.replace("SECONDS", str(seconds)))
    ended = oracle.docherd("run", docs, "-o", out, "-p", own, "-w", "2", cwd=tmp_path)
    assert ended.code == 0, ended.err + ended.out
    oracle.check(out, failed={}, total=innocents + 1)
    log = (out / "run.log").read_text()
    assert 1 <= log.count("will be tried again") <= 3
    assert "bomb: crash" not in log


# ── it leaves others behind ──────────────────────────────────────────────────────────────────

ORPHANS = """
def process(path):
    if path.name == "parent":
        spawn()
        os.rename("pids.new", "pids")
        time.sleep(0.05)
        ENDING
    until = time.monotonic() + 30
    while not os.path.exists("pids") and time.monotonic() < until:
        time.sleep(0.002)
    parent, *others = map(int, Path("pids").read_text().split())
    while alive(parent) and time.monotonic() < until:
        time.sleep(0.002)
    dead = time.monotonic()
    while any(map(alive, found(others))) and time.monotonic() < until:
        time.sleep(0.002)
    return {"seconds": time.monotonic() - dead, "processes": len(found(others))}

def alive(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False
"""

#: a soffice: a process in a session of its own, and one below it
GRANDCHILDREN = """
import subprocess

def spawn():
    body = "import subprocess, os; p = subprocess.Popen(['sleep', '60'], start_new_session=True); "
    body += "print(os.getpid(), p.pid, flush=True); p.wait()"
    child = subprocess.Popen([sys.executable, "-c", body], stdout=-1, start_new_session=True)
    line = child.stdout.readline().decode()
    Path("pids.new").write_text(f"{os.getpid()} {line}")

def found(others):
    return others
"""

#: every process makes others, all in sessions of their own; 400 in all, and none above 20 s
FORK_BOMB = """
import mmap, struct

total = mmap.mmap(-1, 4096)

def spawn():
    Path("pids.new").write_text(str(os.getpid()))
    Path("forked").touch()
    fork()

def fork():
    number = struct.unpack_from("<q", total)[0] + 1
    if number > 400:
        return
    struct.pack_into("<q", total, 0, number)
    if os.fork():
        return
    os.setsid()
    signal.alarm(20)
    with open("forked", "a") as file:
        print(os.getpid(), file=file, flush=True)
    while True:
        fork()
        time.sleep(0.05)

def found(_):
    return list(map(int, Path("forked").read_text().split()))
"""


@pytest.mark.parametrize(
    ("kind", "ending", "reason"),
    [
        (GRANDCHILDREN, "os.abort()", "crash"),
        (GRANDCHILDREN, "os._exit(1)", "exit"),
        (GRANDCHILDREN, "time.sleep(60)", "timeout"),
        (FORK_BOMB, "os.abort()", "crash"),
    ],
    ids=["crash", "exit", "timeout", "fork bomb"],
)
def test_what_a_document_started_is_gone_soon_after_its_end(tmp_path, kind, ending, reason):
    """W21, W22: whoever it has started, in whatever session, while the run goes on with others."""
    docs = documents(tmp_path / "in", "parent", "watch")
    own = processor(tmp_path, kind + ORPHANS.replace("ENDING", ending))
    out = tmp_path / "out"
    options = ("-w", "2", "--timeout", "2", "-q") if reason == "timeout" else ("-w", "2", "-q")
    ended = oracle.docherd("run", docs, "-o", out, "-p", own, *options, cwd=tmp_path)
    assert ended.code == 1, ended.err
    oracle.check(out, {"in/parent": reason}, total=2)
    [watch] = oracle.records(out)
    assert float(watch["seconds"]) < 10  # of 20 and more that they have
    assert int(watch["processes"]) >= 2


def test_many_processes_of_one_document_leave_the_others_alone(run_faulty, tmp_path):
    """W22: a hundred of them, each in a session of its own: a timeout, and all are gone."""
    run = run_faulty(tmp_path, ("fork_bomb",), "-w", "2", "--timeout", "2")
    assert run.ended.code == 1
    oracle.check(run.out, failed=run.expected(), total=61)


# ── it loses its voice ───────────────────────────────────────────────────────────────────────


def test_a_processor_that_closes_every_file_is_to_blame(run_faulty, tmp_path, innocent_lines):
    """W24: closerange takes the socket, too: that document's fault, and no other one's."""
    run = run_faulty(tmp_path, ("close_all",), "-w", "2")
    assert run.ended.code == 1
    oracle.check(run.out, failed=run.expected(), total=61)
    assert run.verdict("close_all") == ("crash", "broke the protocol: closed its socket")
    assert run.row("close_all")["attempts"] == 2
    assert run.innocent_lines() == innocent_lines


STOLEN = """
def process(path):
    if path.name == "close-5":
        os.close(5)
        return "x" * 2_000_000
    if path.name.startswith("steal"):
        os.close(int(path.name[-1]))
        kept.append(open(f"mine-{path.name}-{os.getpid()}", "w+"))
        kept[-1].write("kept")
        kept[-1].flush()
    return {"text": "x" * 2_000_000} if path.name == "large" else {"name": path.name}

kept = []
"""


@pytest.mark.parametrize(("guilty", "kept"), [("steal-3", 2), ("steal-5", 2), ("close-5", 0)])
def test_a_file_that_took_the_place_of_ours_is_not_written_to(tmp_path, guilty, kept):
    """W24: its own file gets our descriptor's number: what it wrote there is all there is."""
    docs = documents(tmp_path / "in", guilty, "a", "large", "z")
    own = processor(tmp_path, STOLEN)
    out = tmp_path / "out"
    ended = oracle.docherd("run", docs, "-o", out, "-p", own, "-w", "1", "-q", cwd=tmp_path)
    assert ended.code == 1, ended.err
    oracle.check(out, {f"in/{guilty}": "crash"}, total=4)
    mine = [file.read_text() for file in tmp_path.glob("mine-*")]
    assert mine == ["kept"] * kept  # one each attempt


# ── the program around it has threads ────────────────────────────────────────────────────────

THREADED = """
import threading, time
import numpy
import docherd

numpy.ones((500, 500)) @ numpy.ones((500, 500))  # starts its threads, too
over = threading.Event()
lock = threading.Lock()

def hold():
    while not over.is_set():
        with lock:
            time.sleep(0.0005)

threads = [threading.Thread(target=hold) for _ in range(50)]
for thread in threads:
    thread.start()

def process(path):
    import sys, threading
    from pathlib import Path
    return {
        "threads": len(list(Path("/proc/self/task").iterdir())),
        "numpy": "numpy" in sys.modules,
        "command": Path("/proc/self/cmdline").read_text().split("\\0")[1:4],
    }

found = list(docherd.process([f"in/{n}" for n in range(40)], process, workers=2))
over.set()
assert all(each.ok for each in found), found
for each in found:
    assert each.value == {
        "threads": 1, "numpy": False, "command": ["-P", "-m", "docherd.worker"]
    }, each.value
print(len(found), len(threads))
"""


def test_a_program_with_many_threads_is_never_forked(tmp_path):
    """W25: workers are processes begun afresh, so that no lock of the program is held in them."""
    documents(tmp_path / "in", *(str(n) for n in range(40)))
    command = [sys.executable, "-c", THREADED]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["40", "50"]
    assert oracle.leftovers() == []
