"""Memory: what Documents take, what others leave, and who is blamed (M of the catalogue)."""

from __future__ import annotations

import itertools
import json
import os
import resource
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

import oracle
from docherd import cgroups, host

MB = 10**6
#: takes so many MB as its file says, bit by bit, holds them for a moment, and notes both ends
TAKES = """
import json, os, time

def takes(path):
    amount, *rest = path.read_text().split()
    note(path, "begin")
    held = []
    for _ in range(0, int(amount), 8):
        held.append(b"1" * 8_000_000)
        time.sleep(0.01)
    time.sleep(0.1)
    while rest and not os.path.exists(rest[0]):
        time.sleep(0.02)
    note(path, "end")
    return {"mb": int(amount)}

def note(path, what):
    fd = os.open("notes", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(fd, f"{path.name} {what}\\n".encode())
    os.close(fd)
"""
EXAMPLES = Path(__file__).parents[2] / "examples" / "documents"
_numbers = itertools.count()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Where a run is started from: a processor, and documents to come in ``in``."""
    (tmp_path / "takes.py").write_text(TAKES)
    (tmp_path / "in").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def plant(folder: Path, *amounts: object) -> list[str]:
    """A document for each amount of MB, or text; their names."""
    names = [f"{number:03}.txt" for number in range(len(amounts))]
    for name, amount in zip(names, amounts, strict=True):
        (folder / "in" / name).write_text(f"{amount}\n")
    return names


def words(*options: str, processor: str = "takes.py:takes") -> list[str]:
    return ["run", "in", "-o", "out", "-p", processor, *options]


def log(folder: Path) -> str:
    try:
        return (folder / "out" / "run.log").read_text()
    except FileNotFoundError:
        return ""


def notes(folder: Path) -> list[str]:
    try:
        return (folder / "notes").read_text().splitlines()
    except FileNotFoundError:
        return []


def peak(folder: Path) -> int:
    return json.loads((folder / "out" / "status.json").read_text())["memory"]["peak"]


# ── among documents ──────────────────────────────────────────────────────────────────────────


def test_what_is_shared_mapped_or_a_child_s_counts(run_faulty, tmp_path, innocent_lines):
    """M01, M02, M05: each is stopped at the budget, twice, and nobody else suffers."""
    faults = ("mmap", "memory_child", "shm")
    run = run_faulty(tmp_path, faults, "-w", "2", "--memory", "200MB")
    assert run.ended.code == 1
    oracle.check(run.out, failed=run.expected(), total=63)
    assert run.innocent_lines() == innocent_lines
    for fault in faults:
        assert run.row(fault)["message"].endswith("used when it was stopped, limit 200 MB")
        assert run.row(fault)["attempts"] == 2


def test_sixteen_at_once_that_take_two_fifths_each(folder):
    """M03: as many at a time as fit, learned as it goes; all are done, in the end."""
    plant(folder, *[140] * 16)
    ended = oracle.docherd(*words("-w", "6", "--memory", "400MB"))
    assert ended.code == 0, ended.err
    oracle.check(folder / "out", failed={}, total=16)
    assert peak(folder) < 800 * MB  # six of them take 960
    begun = Counter(line.split()[0] for line in notes(folder) if line.endswith("begin"))
    assert max(begun.values()) <= 4  # crowded out twice, then nothing beside it


def test_small_ones_pass_a_large_one_and_it_is_not_forgotten(folder):
    """M03: what nothing foretold grows as long as there is room."""
    plant(folder, *[300 if number == 5 else 1 for number in range(40)])
    ended = oracle.docherd(*words("-w", "3", "--memory", "400MB"))
    assert ended.code == 0, ended.err
    oracle.check(folder / "out", failed={}, total=40)


def test_a_document_larger_than_the_budget_says_what_it_needed(folder):
    """M08, M05: alone with all of it, then it has failed; the others are done long before."""
    plant(folder, 1, 400, 1, 1)
    ended = oracle.docherd(*words("-w", "1", "--memory", "100MB"))
    assert ended.code == 1, ended.err
    oracle.check(folder / "out", failed={"in/001.txt": "memory"}, total=4)
    rows = oracle.docherd("failures", "out", "--json").out.splitlines()
    (row,) = map(json.loads, rows)
    assert (row["reason"], row["attempts"]) == ("memory", 2)
    assert 100 * MB < row["peak_memory"] < 350 * MB
    assert row["message"] == (
        f"{row['peak_memory'] / 1e6:,.0f} MB used when it was stopped, limit 100 MB"
    )
    assert notes(folder)[-1] == "001.txt begin"


def test_half_of_the_memory_for_every_kind_of_document(folder):
    """M03: what is built in reads a mixed tree in 256 MB."""
    ended = oracle.docherd("run", EXAMPLES, "-o", "out", "--memory", "256MB", "-w", "2")
    assert ended.code in (0, 1), ended.err
    assert "memory" not in oracle.failures(folder / "out").values()
    assert peak(folder) < 300 * MB


def test_a_processor_larger_than_the_budget_is_one_line(folder):
    """M08: before any document was read, with the exit code of a machine that cannot."""
    (folder / "takes.py").write_text("model = b'1' * 200_000_000\n" + TAKES)
    plant(folder, 1)
    ended = oracle.docherd(*words("-w", "1", "--memory", "100MB", "--progress", "none"))
    assert ended.code == 3
    (line,) = ended.err.splitlines()
    assert "takes.py:takes takes 2" in line
    assert "--memory is 100 MB: give it more" in line
    assert not notes(folder)


def test_a_processor_that_leaks_fails_nobody(folder):
    """M03, W26: what it never gives back is given back by its end."""
    leaks = "kept = []\ndef leaks(path):\n    kept.append(b'1' * 12_000_000)\n    return 'x'\n"
    (folder / "leaks.py").write_text(leaks)
    plant(folder, *[1] * 60)
    ended = oracle.docherd(*words("-w", "2", "--memory", "250MB", processor="leaks.py:leaks"))
    assert ended.code == 0, ended.err
    oracle.check(folder / "out", failed={}, total=60)
    assert peak(folder) < 350 * MB


def test_nobody_within_its_reservation_is_stopped(folder):
    """M01, M03: beside a hog that takes all there is, again and again, small ones end at once."""
    names = plant(folder, *[900 if number % 8 == 7 else 2 for number in range(16)])
    ended = oracle.docherd(*words("-w", "2", "--memory", "260MB"))
    assert ended.code == 1, ended.err
    hogs = {f"in/{name}": "memory" for name in names[7::8]}
    oracle.check(folder / "out", failed=hogs, total=16)
    begun = Counter(line.split()[0] for line in notes(folder) if line.endswith("begin"))
    assert {begun[name] for name in names if f"in/{name}" not in hogs} == {1}


# ── limits of the user's ─────────────────────────────────────────────────────────────────────

REFUSED = """
import lxml.etree, mmap

def data(path):  # a library that has no word for it
    held = []
    try:
        while True:
            held.append(mmap.mmap(-1, 4_000_000, mmap.MAP_PRIVATE))
            held[-1].write(b"1" * 4_000_000)
    except (OSError, MemoryError):
        raise lxml.etree.XMLSyntaxError("no element found", 0, 0, 0) from None

def wrong(path):
    raise ValueError("wrong all the same")

def process(path):
    return {"small": lambda path: "x", "data": data, "wrong": wrong}[path.read_text().strip()](path)
"""


@pytest.mark.parametrize(
    ("which", "flag"), [(resource.RLIMIT_AS, "-v"), (resource.RLIMIT_DATA, "-d")]
)
def test_a_failure_at_a_limit_of_the_user_s_is_one_of_memory(folder, which, flag):
    """M06: whatever the library called it; with the limit, and how near it was."""
    (folder / "refused.py").write_text(REFUSED)
    plant(folder, "small", "wrong", "data", "small")
    limit = 700 * MB

    def limited():
        resource.setrlimit(which, (limit, limit))

    ended = oracle.docherd(
        *words("-w", "1", "--memory", "5GB", processor="refused.py:process"), preexec_fn=limited
    )
    assert ended.code == 1, ended.err
    oracle.check(folder / "out", failed={"in/001.txt": "error", "in/002.txt": "memory"}, total=4)
    row = oracle.failure_rows(folder / "out")["in/002.txt"]
    assert row["message"].startswith("lxml.etree.XMLSyntaxError: no element found")
    assert row["message"].endswith(f" of the 700 MB that ulimit {flag} allows)")
    assert row["attempts"] == 2


# ── others ───────────────────────────────────────────────────────────────────────────────────


HOG = """
import sys, time
open(sys.argv[1] + "/cgroup.procs", "w").write("0")
held = b"1" * int(sys.argv[2])
print("held", flush=True)
time.sleep(600)
"""


class Container:
    """A cgroup v1 with a limit, commands of docherd in it, and others."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.inside: list[subprocess.Popen[str]] = []

    def limit(self, amount: int) -> None:
        (self.path / "memory.limit_in_bytes").write_text(str(amount))

    def enter(self) -> None:
        (self.path / "cgroup.procs").write_text("0")

    def docherd(self, *arguments: str) -> subprocess.Popen[str]:
        self.inside.append(oracle.start(*arguments, preexec_fn=self.enter))
        return self.inside[-1]

    def hog(self, amount: int) -> subprocess.Popen[str]:
        """Somebody else in it, who holds so many bytes; returns once he does."""
        one = subprocess.Popen(
            [sys.executable, "-S", "-c", HOG, str(self.path), str(amount)],
            stdout=subprocess.PIPE,
            text=True,
        )
        self.inside.append(one)
        assert one.stdout is not None
        assert one.stdout.readline() == "held\n"
        return one

    def end(self) -> None:
        for process in self.inside:
            process.kill()
            process.communicate()


@pytest.fixture
def container():
    """One of this test's own; skips where none can be made."""
    above = [at for at, generation in cgroups.folders("memory") if generation == 1]
    if not above or not os.access(above[-1], os.W_OK) or os.geteuid() != 0:
        pytest.skip("makes a cgroup v1 for memory: none here, or not root")
    made = Container(above[-1] / f"docherd-fault-{os.getpid()}-{next(_numbers)}")
    try:
        made.path.mkdir()
    except OSError as error:
        pytest.skip(f"cannot make a cgroup: {error}")
    yield made
    made.end()
    oracle.wait_for(lambda: removed(made.path))


def removed(path: Path) -> bool:
    """Busy for a moment after its last process."""
    try:
        path.rmdir()
    except OSError:
        return False
    return True


def test_while_others_hold_the_memory_one_at_a_time_goes_on(folder, container):
    """M04: said when it begins and when it ends; everything is done."""
    container.limit(1000 * MB)
    plant(folder, *[f"1 {folder / 'gate'}"] * 30)
    run = container.docherd(*words("-w", "2", "--memory", "150MB", "--progress", "json"))
    oracle.wait_for(lambda: len(notes(folder)) == 2)
    left = cgroups.Memory(Path(f"/proc/{run.pid}")).allowed().left
    hog = container.hog(left - 40 * MB)
    while not (notice := noticed(run)):
        pass
    (folder / "gate").touch()
    oracle.wait_for(lambda: len(notes(folder)) > 10)
    hog.kill()
    alone = [line.split()[1] for line in notes(folder)[:10]]
    assert alone == ["begin", "begin", "end", "end", *["begin", "end"] * 3]
    assert run.wait(30) == 0
    assert "of this container's 1.0 GB, other programs hold it" in notice
    said = [line[21:] for line in log(folder).splitlines()[1:] if "expected:" not in line]
    assert said[:2] == [notice, "going on"]
    oracle.check(folder / "out", failed={}, total=30)


def noticed(run: subprocess.Popen[str]) -> str:
    """What the next event of progress has to say."""
    assert run.stdout is not None
    return json.loads(run.stdout.readline()).get("notice", "")


def test_a_limit_that_changes_is_followed(folder, container):
    """M04, M07: 80 % of what the container has, whatever the machine has; lowered and raised."""
    container.limit(1000 * MB)
    plant(folder, *[f"1 {folder / 'gate'}"] * 4)
    run = container.docherd(*words("-w", "2", "--progress", "json"))

    def told(budget: int) -> bool:
        event = json.loads(run.stdout.readline())
        return event["event"] == "progress" and abs(event["memory"]["budget"] - budget) < MB

    for limit in (1000, 600, 1500):
        container.limit(limit * MB)
        oracle.wait_for(lambda limit=limit: told(limit * MB * 8 // 10))
    (folder / "gate").touch()
    assert run.wait(30) == 0
    oracle.check(folder / "out", failed={}, total=4)


def test_a_limit_lowered_below_what_is_held_crowds_out_and_fails_nobody(folder, container):
    """M04: who is over what was reserved for him goes, and comes again when there is room."""
    container.limit(1200 * MB)
    plant(folder, *[f"180 {folder / 'gate'}"] * 3)
    run = container.docherd(*words("-w", "3"))
    oracle.wait_for(lambda: held(run) > 500 * MB)
    container.limit(700 * MB)
    oracle.wait_for(lambda: held(run) < 560 * MB)
    (folder / "gate").touch()
    assert run.wait(30) == 0
    oracle.check(folder / "out", failed={}, total=3)


def held(run: subprocess.Popen[str]) -> int:
    return sum(host.tree_memory(pid) for pid in oracle.workers(run.pid))


def test_what_the_kernel_took_is_no_crash(folder, container):
    """M04, M05, E16: told by its own count; once more with nothing beside it, then final."""
    container.limit(200 * MB)
    plant(folder, 1, 400, 1)
    (folder / "takes.py").write_text(TAKES.replace("time.sleep(0.01)", "pass"))
    run = container.docherd(*words("-w", "1", "--memory", "50GB"))
    assert run.wait(30) == 1
    oracle.check(folder / "out", failed={"in/001.txt": "memory"}, total=3)
    row = oracle.failure_rows(folder / "out")["in/001.txt"]
    assert row["message"].startswith("the kernel's OOM killer ended it: the memory of the machine")
    assert row["attempts"] == 2


IN_A_STREAM = """
import docherd, pathlib, takes

if __name__ == "__main__":
    paths = sorted(pathlib.Path("in").iterdir())
    for result in docherd.process(paths, takes.takes, workers=1, memory="50GB"):
        print(result.path.name, result.reason, result.attempts)
"""


def test_a_stream_is_watched_in_the_same_way(folder, container):
    """M04: it tells the kernel's kills from crashes, and goes on."""
    container.limit(200 * MB)
    plant(folder, 1, 400, 1)
    (folder / "takes.py").write_text(TAKES.replace("time.sleep(0.01)", "pass"))
    (folder / "program.py").write_text(IN_A_STREAM)
    ended = subprocess.run(
        [sys.executable, "program.py"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        preexec_fn=container.enter,
    )
    assert sorted(ended.stdout.splitlines()) == [
        "000.txt None 1",
        "001.txt memory 2",
        "002.txt None 1",
    ], ended.stderr
