"""Messages that are slow, old or foreign, and an engine that has no time for them (I)."""

from __future__ import annotations

import os
import re
import shutil
import signal
import sys
import time
from pathlib import Path

import pytest

import docherd
import oracle


def documents(folder: Path, *names: str, content: str = "x") -> Path:
    folder.mkdir(exist_ok=True)
    for name in names:
        (folder / name).write_text(content)
    return folder


def processor(folder: Path, body: str) -> str:
    (folder / "own.py").write_text(f"import os, signal, time\nfrom pathlib import Path\n{body}")
    return "own.py:process"


# ── slow ─────────────────────────────────────────────────────────────────────────────────────


def test_a_message_that_trickles_in_delays_nobody(run_faulty, tmp_path, innocent_lines):
    """I07: ten bytes a second are cut at the document's limit; the other worker never waits."""
    run = run_faulty(tmp_path, ("frame_slow", "frame_short"), "-w", "2", "--timeout", "2")
    assert run.ended.code == 1
    oracle.check(run.out, failed=run.expected(), total=62)
    for fault in run.faults:
        assert run.verdict(fault) == ("timeout", "over its 2 s")
        assert run.row(fault)["seconds"] >= 2
    assert run.innocent_lines() == innocent_lines
    log = (run.out / "run.log").read_text()
    assert log.count("crash") == 0


# ── old ──────────────────────────────────────────────────────────────────────────────────────

#: keeps what the worker sends, and sends the last of it once more in place of its own result
REPLAY = """
sent = []
write = os.write

def spy(fd, data):
    if fd == 3:
        sent.append(bytes(data))
    return write(fd, data)

os.write = spy

def process(document: "Document"):
    if document.path.name.startswith("old") and len(sent) > 1:
        write(3, sent[-1])
        WHEN
    return {"text": document.path.name, "attempt": document.attempt}
"""


@pytest.mark.parametrize("when", ["pass", "time.sleep(60)"], ids=["races", "waits"])
def test_an_answer_that_comes_once_more_is_no_answer(tmp_path, when):
    """I09: the protocol is broken, its worker killed, and every document has its own Records."""
    names = [f"{n}" for n in range(9)]
    docs = documents(tmp_path / "in", *names, "4-old", "old")
    own = processor(tmp_path, REPLAY.replace("WHEN", when).replace("startswith", "endswith"))
    out = tmp_path / "out"
    ended = oracle.docherd("run", docs, "-o", out, "-p", own, "-w", "1", cwd=tmp_path)
    assert ended.code == 0, ended.err
    # The second attempt is made by a fresh worker, which has nothing old to send.
    oracle.check(out, failed={}, total=11)
    found = {row["path"]: row["text"] for row in oracle.records(out)}
    assert found == {f"in/{name}": name for name in (*names, "4-old", "old")}
    log = (out / "run.log").read_text()
    assert "broke the protocol: an answer to something else (will be tried again)" in log


# ── an engine that has no time ───────────────────────────────────────────────────────────────

SLOW_DISK = """
import sys, time
from docherd import cli, engine, host
engine.BACKLOG, engine.COMMIT_BYTES = 16 << 20, 8 << 20
host.sync_data = lambda fd: time.sleep(0.55)
code = cli.execute(sys.argv[1:])
print(host.status_fields("/proc/self/status")["VmHWM"], file=sys.stderr)
sys.exit(code)
"""


def test_a_slow_disk_holds_back_results_and_times_nobody_out(tmp_path, monkeypatch):
    """I10: 72 MB of results against a disk that takes longer for a sync than a document may."""
    docs = documents(tmp_path / "in", *(f"{n:03}" for n in range(90)))
    own = processor(tmp_path, "def process(path):\n    return path.name + 'x' * 800_000\n")
    monkeypatch.setattr(oracle, "COMMAND", [sys.executable, "-c", SLOW_DISK])
    out = tmp_path / "out"
    options = ("-p", own, "-w", "2", "--timeout", "0.5", "-q")
    ended = oracle.docherd("run", docs, "-o", out, *options, cwd=tmp_path)
    assert ended.code == 0, ended.err
    oracle.check(out, failed={}, total=90)
    assert int(ended.err.splitlines()[-1]) < 100e6  # 24 MB of them at most
    assert "timeout" not in (out / "run.log").read_text()


#: the engine stands still from before the result is ready until the test has it go on
STOPPED = """
def process(path):
    if path.name.startswith("a"):
        Path(f"began-{path.name}").touch()
        while not os.path.exists("stopped"):
            time.sleep(0.002)
    return {"text": "x" * SIZE}
"""


@pytest.mark.parametrize("size", [10, 900_000])
def test_an_engine_that_stood_still_counts_what_was_sent_meanwhile(tmp_path, size):
    """I10: the time of a document ends with its result, whenever the engine comes to read it."""
    docs = documents(tmp_path / "in", "a1", "a2", "z")
    own = processor(tmp_path, STOPPED.replace("SIZE", str(size)))
    out = tmp_path / "out"
    options = ("-p", own, "-w", "2", "--timeout", "1", "-q")
    command = oracle.start("run", docs, "-o", out, *options, cwd=tmp_path)
    oracle.wait_for(lambda: all((tmp_path / f"began-a{n}").exists() for n in (1, 2)))
    command.send_signal(signal.SIGSTOP)
    (tmp_path / "stopped").touch()
    time.sleep(1.5)  # the fault itself: longer than the limit
    command.send_signal(signal.SIGCONT)
    _, errors = command.communicate(timeout=30)
    assert command.returncode == 0, errors
    oracle.check(out, failed={}, total=3)


# ── many at once ─────────────────────────────────────────────────────────────────────────────

BRIEF = "def process(path):\n    return {'name': path.name}\n"


def test_thousands_of_brief_documents_a_second_lose_no_wake_up(tmp_path):
    """I11: 5,000 of them in a run: one lost wake-up, and it would stand still for good."""
    docs = documents(tmp_path / "in", *(f"{n:04}" for n in range(5000)))
    out = tmp_path / "out"
    own = processor(tmp_path, BRIEF)
    ended = oracle.docherd("run", docs, "-o", out, "-p", own, "-w", "2", "-q", cwd=tmp_path)
    assert ended.code == 0, ended.err
    oracle.check(out, failed={}, total=5000)
    assert len(oracle.records(out)) == 5000


def test_streams_begun_and_ended_one_after_the_other_lose_no_wake_up(tmp_path):
    """I11: six streams of a few documents each: none ever waits for what has come already."""
    docs = documents(tmp_path / "in", *(f"{n:04}" for n in range(76)))
    paths = [str(docs / name) for name in sorted(os.listdir(docs))]
    for number in range(6):
        given = paths[number * 10 : number * 10 + 1 + number * 5]
        found = [each.value for each in docherd.process(given, len_of_name, workers=2)]
        assert found == [{"n": 4}] * len(given)
    assert oracle.leftovers() == []


def len_of_name(path):
    return {"n": len(path.name)}


# ── of another version ───────────────────────────────────────────────────────────────────────

HELD = """
def process(path):
    if path.name == "hold":
        Path("holding").write_text(str(os.getpid()))
        while not os.path.exists("go"):
            time.sleep(0.005)
    return {"name": path.name}
"""


def test_a_worker_of_another_version_is_refused(tmp_path):
    """I12: docherd is replaced under a running engine: exit 3, nothing lost, the next goes on."""
    shutil.copytree(Path(docherd.__file__).parent, tmp_path / "lib" / "docherd")
    version = tmp_path / "lib" / "docherd" / "version.py"
    docs = documents(tmp_path / "in", "hold", *(f"z{n:02}" for n in range(20)))
    own = processor(tmp_path, HELD)
    out = tmp_path / "out"
    environment = os.environ | {"PYTHONPATH": str(tmp_path / "lib")}
    command = ("run", docs, "-o", out, "-p", own, "-w", "1")
    engine = oracle.start(*command, cwd=tmp_path, env=environment)
    oracle.wait_for((tmp_path / "holding").exists)
    oracle.wait_for(lambda: len(oracle.workers(engine.pid)) == 2)
    version.write_text(re.sub(r'"[\d.]+"', '"99.1.10"', version.read_text()))
    for pid in oracle.workers(engine.pid):
        os.kill(pid, signal.SIGKILL)
    _, errors = engine.communicate(timeout=30)
    assert engine.returncode == 3, errors
    assert f"this is docherd {docherd.__version__}, but its workers are 99.1.10" in errors
    assert "run the same command again" in errors
    assert "Traceback" not in errors
    assert oracle.leftovers() == []
    (tmp_path / "go").touch()
    ended = oracle.docherd(*command, cwd=tmp_path)
    assert ended.code == 0, ended.err
    oracle.check(out, failed={}, total=21)
