"""A worker that dies or hangs costs one document, with the right reason (W of the catalogue)."""

from __future__ import annotations

import os
import signal
import subprocess
from collections import Counter
from pathlib import Path

import pytest

import oracle

HANGS = (
    *("sleep", "spin", "spin_gil", "spin_native", "ignore_sigterm", "stop", "heartbeat"),
    *("str_loops", "print_flood"),
)
DEATHS = (
    *("segv", "abort", "stack_overflow", "kill", "kill9", "exit", "exit0", "exit3", "close_all"),
    "fork_child_segv",
)
EXITS = ("sysexit", "sysexit_message")
BASE = ("keyboard_interrupt", "generator_exit", "base_exception")
#: seconds a document may take in the storm
LIMIT = 2.0
#: most bytes of the detail of a death: 8 KB and its heading
KEPT = 8192 + 20


@pytest.fixture(scope="module")
def storm(run_faulty, tmp_path_factory):
    """All of them in one run."""
    faults = (*HANGS, *DEATHS, *EXITS, *BASE)
    folder = tmp_path_factory.mktemp("storm")
    return run_faulty(folder, faults, "-w", "4", "--timeout", str(LIMIT))


# ── all at once ──────────────────────────────────────────────────────────────────────────────


def test_each_fault_costs_one_document(storm, innocent_lines):
    """W01-W15, G1-G8: exactly the faulty fail, the innocents give the same bytes as without."""
    oracle.check(storm.out, failed=storm.expected(), total=60 + len(storm.faults))
    assert storm.ended.code == 1
    assert "Traceback" not in storm.ended.err + storm.ended.out
    assert storm.innocent_lines() == innocent_lines


def test_the_run_ends_in_bounded_time(storm):
    """G4: hangs cost their limit each, shared by four workers, beside half a minute for all."""
    assert storm.ended.seconds < LIMIT * len(HANGS) / 4 + 30


# ── it hangs ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("fault", HANGS)
def test_a_hang_is_cut_at_its_limit(storm, fault):
    """W01, W02, W03, I03: whatever it hangs in, it is killed at its limit."""
    assert storm.verdict(fault) == ("timeout", "over its 2 s")
    assert LIMIT <= storm.row(fault)["seconds"] < LIMIT + 10
    assert storm.row(fault)["attempts"] == 1


def test_a_flood_of_output_is_drained_and_its_tail_kept(storm):
    """W23: printing without end neither blocks anybody nor fills memory; 8 KB of it are kept."""
    detail = storm.row("print_flood")["detail"]
    assert "nonsense nonsense" in detail
    assert len(detail) < 9000


def test_a_document_that_prints_much_is_done(run_faulty, tmp_path):
    """W23: 40 MB on both outputs, with nobody reading them in a pipe, end as done."""
    run = run_faulty(tmp_path, ("print_flood",), print_flood=40)
    assert run.ended.code == 0
    oracle.check(run.out, failed={}, total=61)


# ── it dies ──────────────────────────────────────────────────────────────────────────────────


def test_a_segfault_is_named_and_its_stack_kept(storm):
    """W08: the reason names SIGSEGV, the detail has the Python stack at that moment, and is short.

    However deep the stack is, and however much was printed before.
    """
    assert storm.verdict("segv") == ("crash", "killed by SIGSEGV")
    assert "Fatal Python error: Segmentation fault" in storm.row("segv")["detail"]
    assert 'deaths.py", line' in storm.row("segv")["detail"]
    assert " in segv" in storm.row("segv")["detail"]
    assert len(storm.row("segv")["detail"]) <= KEPT


DEEP = """
import faulthandler

def process(path):
    if path.name == "deep":
        os.write(1, b"said before\\n" * 100_000)
        down(900)
    return {}

def down(levels):
    faulthandler._sigsegv() if levels == 0 else down(levels - 1)
"""


def test_a_deep_stack_and_much_output_are_kept_short(tmp_path):
    """W08: 8 KB of them, with the frame that crashed."""
    docs = documents(tmp_path / "in", "deep", "a", "b")
    own = processor(tmp_path, DEEP)
    ended = oracle.docherd("run", docs, "-o", tmp_path / "out", "-p", own, cwd=tmp_path)
    assert ended.code == 1
    oracle.check(tmp_path / "out", failed={"in/deep": "crash"}, total=3)
    row = oracle.failure_rows(tmp_path / "out")["in/deep"]
    assert row["message"] == "killed by SIGSEGV"
    assert " in down" in row["detail"]
    assert 4000 < len(row["detail"]) <= KEPT


def test_an_abort_is_named(storm):
    """W09: SIGABRT, with the last lines the process printed."""
    assert storm.verdict("abort") == ("crash", "killed by SIGABRT")
    assert "Fatal Python error: Aborted" in storm.row("abort")["detail"]


def test_a_full_stack_is_named(storm):
    """W10: a C stack overflow is a SIGSEGV with the Python stack."""
    assert storm.verdict("stack_overflow") == ("crash", "killed by SIGSEGV")
    assert " in stack_overflow" in storm.row("stack_overflow")["detail"]


@pytest.mark.parametrize("code", [0, 3])
def test_leaving_without_a_result_is_never_done(storm, code):
    """W12: os._exit is a failure also with code 0."""
    message = f"the process left with code {code} and without a result"
    assert storm.verdict(f"exit{code}") == ("exit", message)


def test_sys_exit_is_an_error_of_the_document(storm):
    """W13: SystemExit ends the attempt, not the worker, so it is not tried again."""
    assert storm.verdict("sysexit") == ("error", "SystemExit: 0")
    assert storm.verdict("sysexit_message") == ("error", "SystemExit: cannot go on")
    assert storm.row("sysexit")["attempts"] == 1


def test_interrupts_raised_by_a_processor_do_not_interrupt_the_run(storm):
    """W14: KeyboardInterrupt, GeneratorExit and a bare BaseException are errors like others."""
    assert storm.verdict("keyboard_interrupt") == ("error", "KeyboardInterrupt")
    assert storm.verdict("generator_exit") == ("error", "GeneratorExit")
    assert storm.verdict("base_exception") == ("error", "BaseException: from the very bottom")
    assert '"finished"' in (storm.out / "status.json").read_text()
    assert storm.ended.code == 1


@pytest.mark.parametrize("fault", DEATHS)
def test_a_death_is_tried_once_more_and_then_final(storm, fault):
    """W15, W19: two attempts, both in the log, the second one last of all."""
    assert storm.row(fault)["attempts"] == 2
    log = (storm.out / "run.log").read_text()
    tried = [line for line in log.splitlines() if f"in/{fault}-1.txt" in line]
    assert [line.endswith("(will be tried again)") for line in tried] == [True, False]


def test_a_kill_that_repeats_is_said_to_come_from_outside(storm):
    """W15: the second SIGKILL that is not ours is final, and not taken for the user's crash."""
    reason, message = storm.verdict("kill9")
    assert (reason, message.partition(" (")[0]) == ("crash", "killed by SIGKILL from outside")


# ── with processors that watch themselves ────────────────────────────────────────────────────


def documents(folder: Path, *names: str) -> Path:
    folder.mkdir()
    for name in names:
        (folder / name).write_text(name)
    return folder


def processor(folder: Path, body: str) -> str:
    (folder / "own.py").write_text(f"import os, signal, time\nfrom pathlib import Path\n{body}")
    return f"{folder / 'own.py'}:process"


def pids(file: Path) -> list[int]:
    return [int(line) for line in file.read_text().split()] if file.exists() else []


RETRIED = """
def process(document: "Document"):
    name = document.path.name
    if name == "poison" or (name == "once" and document.attempt == 0):
        with open("deaths", "a") as file:
            print(name, os.getpid(), file=file, flush=True)
        os.kill(os.getpid(), signal.SIGSEGV if name == "poison" else signal.SIGKILL)
    return {"pid": os.getpid(), "attempt": document.attempt, "before": document.previous_reason}
"""


def test_a_poisonous_document_kills_two_workers_that_serve_nobody_after_it(tmp_path):
    """W15, W19: tried again last, alone on a fresh worker; it takes two workers with it, only."""
    docs = documents(tmp_path / "in", "once", "poison", *(f"z{n}" for n in range(20)))
    own = processor(tmp_path, RETRIED)
    ended = oracle.docherd("run", docs, "-o", tmp_path / "out", "-p", own, "-w", "2", cwd=tmp_path)
    assert ended.code == 1
    oracle.check(tmp_path / "out", failed={"in/poison": "crash"}, total=22)
    deaths = [line.split() for line in (tmp_path / "deaths").read_text().splitlines()]
    assert sorted(name for name, _ in deaths) == ["once", "poison", "poison"]
    found = {record["path"]: record for record in oracle.records(tmp_path / "out")}
    once = found.pop("in/once")
    assert (once["attempt"], once["before"]) == (1, "crash")
    served = {record["pid"] for record in found.values()}
    assert once["pid"] not in served
    last_of_poison = [int(pid) for name, pid in deaths if name == "poison"][-1]
    assert last_of_poison not in served | {once["pid"]}


VICTIM = """
def process(document: "Document"):
    if document.path.name == "victim" and document.attempt == 0:
        Path("pid.new").write_text(str(os.getpid()))
        os.rename("pid.new", "pid")
        time.sleep(60)
    return {"attempt": document.attempt, "before": document.previous_reason}
"""


def test_a_worker_killed_from_outside_costs_nothing(tmp_path):
    """W15: kill -9 of a worker in the middle of a document: it is done on the second attempt."""
    docs = documents(tmp_path / "in", "victim", *(f"z{n}" for n in range(10)))
    own = processor(tmp_path, VICTIM)
    out = tmp_path / "out"
    command = oracle.start("run", docs, "-o", out, "-p", own, "-w", "2", cwd=tmp_path)
    oracle.wait_for((tmp_path / "pid").exists)
    os.kill(int((tmp_path / "pid").read_text()), signal.SIGKILL)
    command.communicate(timeout=30)
    assert command.returncode == 0
    oracle.check(out, failed={}, total=11)
    victim = next(row for row in oracle.records(out) if row["path"] == "in/victim")
    assert (victim["attempt"], victim["before"]) == (1, "crash")


HOLD = """
def process(document: "Document"):
    if document.path.name.startswith("hold"):
        with open("holding", "a") as file:
            print(os.getpid(), file=file, flush=True)
        until = time.monotonic() + 30
        while not os.path.exists("go") and time.monotonic() < until:
            time.sleep(0.005)
    return {"attempt": document.attempt, "pid": os.getpid()}
"""


def test_an_idle_worker_killed_from_outside_is_replaced_silently(tmp_path):
    """W16: kill -9 of a worker with nothing in hand touches no document and says nothing."""
    docs = documents(tmp_path / "in", "hold1", "hold2", *(f"z{n}" for n in range(20)))
    own = processor(tmp_path, HOLD)
    out = tmp_path / "out"
    command = oracle.start("run", docs, "-o", out, "-p", own, "-w", "2", cwd=tmp_path)
    oracle.wait_for(lambda: len(pids(tmp_path / "holding")) == 2)
    holding = set(pids(tmp_path / "holding"))
    oracle.wait_for(lambda: oracle.workers(command.pid) - holding)
    idle = min(oracle.workers(command.pid) - holding)
    os.kill(idle, signal.SIGKILL)
    oracle.wait_for(lambda: oracle.workers(command.pid) - holding - {idle})
    (tmp_path / "go").touch()
    text, errors = command.communicate(timeout=30)
    assert command.returncode == 0, errors
    oracle.check(out, failed={}, total=22)
    assert {record["attempt"] for record in oracle.records(out)} == {0}
    assert str(idle) not in text + errors
    assert "crash" not in (out / "run.log").read_text()


BROKEN = """
def process(path):
    if not os.path.exists("mended"):
        os.kill(os.getpid(), signal.SIGSEGV)
    return {}
"""


def test_a_broken_installation_stops_the_run_and_can_be_mended(tmp_path):
    """W20: when every document crashes the run stops with 7, nothing failed; mended, it goes on."""
    docs = documents(tmp_path / "in", *(f"{n:03}" for n in range(100)))
    own = processor(tmp_path, BROKEN)
    out = tmp_path / "out"
    command = ("run", docs, "-o", out, "-p", own, "-w", "8")
    ended = oracle.docherd(*command, cwd=tmp_path)
    assert ended.code == 7
    assert "50 of the last 50 documents killed their worker" in ended.out
    oracle.check(out, failed={}, pending=100, total=100)
    (tmp_path / "mended").touch()
    assert oracle.docherd(*command, cwd=tmp_path).code == 0
    oracle.check(out, failed={}, total=100)
    assert len(oracle.records(out)) == 100


# ── memory ───────────────────────────────────────────────────────────────────────────────────


def test_a_worker_that_leaks_is_replaced_before_its_limit(tmp_path):
    """W26: 5 MB lost a document, 150 MB a worker: all are done, by many workers, none killed."""
    docs = documents(tmp_path / "in", *(f"leak-{n:02}" for n in range(60)))
    for document in docs.iterdir():
        document.write_text("5")
    out = tmp_path / "out"
    options = ("-p", "docherd.testing:by_name", "-w", "2", "--memory", "300MB")
    assert oracle.docherd("run", docs, "-o", out, *options).code == 0
    oracle.check(out, failed={}, total=60)
    served = Counter(record["pid"] for record in oracle.records(out))
    assert max(served.values()) < 25
    assert len(served) > 2
    assert "memory" not in (out / "run.log").read_text()


def test_a_document_over_its_memory_is_killed_and_had_two_chances(
    run_faulty, tmp_path, innocent_lines
):
    """M01, M05: private and shared memory count; killed at its share, once more with all of it."""
    run = run_faulty(tmp_path, ("memory", "shm"), "-w", "2", "--memory", "200MB")
    assert run.ended.code == 1
    oracle.check(run.out, failed=run.expected(), total=62)
    assert run.innocent_lines() == innocent_lines
    for fault in run.faults:
        row = run.row(fault)
        assert row["message"].endswith("limit 200 MB")
        assert row["attempts"] == 2
        assert 200e6 < row["peak_memory"] < 500e6


def test_a_worker_that_lies_about_its_start_gains_nothing(tmp_path):
    """W01, C09: a processor that keeps telling the slot it has just begun is cut all the same."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.txt").write_text("a")
    (tmp_path / "own.py").write_text(
        "from docherd.wire import SLOT, Slot\n"
        "def own(path):\n"
        "    slot = Slot(SLOT)\n"
        "    while True:\n"
        "        slot.take(0)\n"
    )
    ended = oracle.docherd(
        *("run", "in", "-o", "out", "-p", "own.py:own", "--timeout", "1", "-q"), cwd=tmp_path
    )
    assert ended.code == 1, ended.err
    oracle.check(tmp_path / "out", {"in/a.txt": "timeout"}, total=1)


# ── it leaves something behind ───────────────────────────────────────────────────────────────

LEAVES = """
import importlib, json, locale, os, signal, sys

held = []
locale_then = locale.setlocale(locale.LC_ALL)

def own(path):
    kind = path.name.partition("-")[0]
    if kind == "chdir":
        os.chdir("/")
    elif kind == "umask":
        os.umask(0o777)
    elif kind == "signal":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    elif kind == "json":
        json.dumps = lambda value: "poison"
    elif kind == "locale":
        locale.setlocale(locale.LC_ALL, "C.UTF-8" if locale_then == "C" else "C")
    elif kind == "path":
        sys.path.insert(0, str(path.parent.parent / "poison"))
    elif kind == "files":
        held.extend(os.open("/dev/null", os.O_RDONLY) for _ in range(10))
    stands = {
        "folder": os.getcwd(),
        "umask": os.umask(0o022),
        "term": str(signal.getsignal(signal.SIGTERM)),
        "dumps": json.dumps([1]),
        "locale": locale.setlocale(locale.LC_ALL) == locale_then,
        "colorsys": "poison" in importlib.util.find_spec("colorsys").origin,
    }
    os.umask(stands["umask"])
    return stands | {"file": open(path).read()} if kind == "fine" else None
"""


@pytest.mark.parametrize("kind", ["chdir", "umask", "signal", "json", "locale", "path", "files"])
def test_what_a_document_leaves_behind_does_not_reach_the_next(tmp_path: Path, kind: str) -> None:
    """W27, W28: folder, umask, handlers, functions, locale, import path, leaked files: all others
    as without.

    Four hundred of them leak 4,000 descriptors, four times what a process may have.
    """
    (tmp_path / "in").mkdir()
    (tmp_path / "own.py").write_text(LEAVES)
    (tmp_path / "poison").mkdir()
    (tmp_path / "poison" / "colorsys.py").touch()
    faulty = 400 if kind == "files" else 5
    for number in range(faulty):
        (tmp_path / "in" / f"{kind}-{number:03d}").write_text("x")
        (tmp_path / "in" / f"fine-{number:03d}").write_text(str(number))
    # One after the other: a fine one follows a faulty one in the same worker.
    names = "".join(f"in/{k}-{n:03d}\n" for n in range(faulty) for k in (kind, "fine"))
    (tmp_path / "names").write_text(names)
    limit = ["prlimit", f"--nofile={1000}:{1000}"] if kind == "files" else []
    command = [*limit, *oracle.COMMAND, "run", "--files-from", "names", "-o", "out"]
    done = subprocess.run(
        [*command, "-p", "own.py:own", "-w", "1"], cwd=tmp_path, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
    oracle.check(tmp_path / "out", failed={}, total=2 * faulty)
    found = oracle.records(tmp_path / "out")
    assert sorted(int(each["file"]) for each in found) == list(range(faulty))
    keys = ("folder", "umask", "term", "dumps", "locale", "colorsys")
    assert {tuple(each[key] for key in keys) for each in found} == {
        (str(tmp_path), 0o022, "0", "[1]", True, False)
    }
