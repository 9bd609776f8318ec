"""-w auto and what limited a run, with the real command and the real workers."""

import json
import os
import random
import re
import signal
from dataclasses import replace

import pytest

import docherd
import oracle
from docherd import gauge, host

SLEEPS = """
import time
from pathlib import Path

def sleeps(path):
    if (Path(__file__).parent / "slow").exists():
        time.sleep(0.1)
    return {"name": path.name}
"""
COMPUTES = """
import time

def computes(path):
    end = time.thread_time() + 0.03
    while time.thread_time() < end:
        sum(range(1000))
    return {"name": path.name}
"""


@pytest.fixture
def inputs(tmp_path):
    """Makes so many Documents; their folder."""

    def make(number):
        (tmp_path / "in").mkdir()
        for index in range(number):
            (tmp_path / "in" / f"{index:05d}.txt").write_text("x" * 40)
        (tmp_path / "slow").touch()
        (tmp_path / "own.py").write_text(SLEEPS + COMPUTES)
        return tmp_path / "in"

    return make


def numbers(out):
    """The numbers of workers that run.log tells of."""
    log = out / "run.log"
    text = log.read_text() if log.exists() else ""
    return [int(each) for each in re.findall(r"workers: \d+ → (\d+)", text)]


def test_documents_that_wait_get_many_workers(tmp_path, inputs):
    """Found within seconds, told in status and report; all are accounted for."""
    folder, out = inputs(700), tmp_path / "out"
    own = f"{tmp_path / 'own.py'}:sleeps"
    ended = oracle.docherd("run", folder, "-o", out, "-p", own, "-w", "auto")
    assert ended.code == 0, ended.err
    oracle.check(out, {}, total=700)
    assert max(numbers(out)) > 2 * host.cores()
    status = json.loads((out / "status.json").read_text())
    assert status["auto"]
    assert status["parallel"] == numbers(out)[-1]
    assert "workers (auto)" in ended.err
    told = json.loads((out / "report.json").read_text())["sizing"]
    assert told["use"]["auto"]
    assert told["sentences"][0] in ended.out


def test_documents_that_compute_get_the_cores(tmp_path, inputs):
    """Whatever else the machine is doing."""
    folder, out = inputs(80 * host.cores()), tmp_path / "out"
    own = f"{tmp_path / 'own.py'}:computes"
    ended = oracle.docherd("run", folder, "-o", out, "-p", own, "-w", "auto")
    assert ended.code == 0, ended.err
    oracle.check(out, {}, total=80 * host.cores())
    assert max([0, *numbers(out)]) <= 4 * host.cores()


def test_an_interrupted_run_stays_automatic(tmp_path, inputs):
    """Ctrl-C while the number grows; `resume` goes on with `auto`, and nothing is lost."""
    folder, out = inputs(2000), tmp_path / "out"
    own = f"{tmp_path / 'own.py'}:sleeps"
    run = oracle.start("run", folder, "-o", out, "-p", own, "-w", "auto")
    oracle.wait_for(lambda: numbers(out))
    run.send_signal(signal.SIGINT)
    run.communicate(timeout=30)
    assert run.returncode == 130 or run.returncode == -signal.SIGINT
    counts = json.loads((out / "status.json").read_text())["counts"]
    assert 0 < counts["done"] < 2000
    oracle.check(out, {}, pending=2000 - counts["done"], total=2000)
    assert json.loads((out / "run.json").read_text())["options"]["workers"] == "auto"
    (tmp_path / "slow").unlink()
    ended = oracle.docherd("resume", out)
    assert ended.code == 0, ended.err
    oracle.check(out, {}, total=2000)
    assert json.loads((out / "status.json").read_text())["auto"]


def test_a_number_that_changes_all_the_time_loses_nothing(tmp_path, inputs, monkeypatch):
    """Shrinking takes nothing from workers that have something in hand."""
    folder, out = inputs(400), tmp_path / "out"
    chance = random.Random(7)

    def swings(state, seen, weigh, limits):
        return replace(state, workers=chance.choice([1, 2, 7, 12]))

    monkeypatch.setattr(gauge, "step", swings)
    monkeypatch.setattr(gauge, "LOOK", 0.05)
    own = f"{tmp_path / 'own.py'}:sleeps"
    summary = docherd.run(folder, out, own, workers="auto", progress="none")
    assert summary.counts.done == 400
    assert len(numbers(out)) > 3
    oracle.check(out, {}, total=400)


def test_a_stream_finds_its_number_too(tmp_path, inputs):
    """The same measure, without a ledger."""
    folder = inputs(300)
    paths = sorted(os.path.join(folder, name) for name in os.listdir(folder))
    own = f"{tmp_path / 'own.py'}:sleeps"
    results = list(docherd.process(paths, own, workers="auto"))
    assert sorted(result.path for result in results) == paths
    assert all(result.ok for result in results)


def test_with_a_number_it_says_which_would_be_better(tmp_path, inputs):
    """At the end of the command, and in reports made later; a short start after it changes
    nothing.
    """
    folder, out = inputs(60), tmp_path / "out"
    own = f"{tmp_path / 'own.py'}:sleeps"
    ended = oracle.docherd("run", folder, "-o", out, "-p", own, "-w", "2")
    assert "\nlimited by " in f"\n{ended.out}", ended.out
    assert numbers(out) == []
    first = json.loads((out / "report.json").read_text())["sizing"]
    assert first["limited_by"] in ("workers", "cores")
    assert first["use"]["workers"] == 2
    assert oracle.docherd("run", folder, "-o", out, "-p", own, "-w", "2").code == 0
    assert oracle.docherd("report", out).code == 0
    assert json.loads((out / "report.json").read_text())["sizing"] == first
    assert first["sentences"][0][1:] in (out / "report.html").read_text().replace("&#39;", "'")


def test_a_sizing_that_is_none_is_left_out(tmp_path, inputs):
    """A folder that somebody wrote into still has a report."""
    folder, out = inputs(3), tmp_path / "out"
    own = f"{tmp_path / 'own.py'}:sleeps"
    assert oracle.docherd("run", folder, "-o", out, "-p", own).code == 0
    for text in ("", "[]", "{}", '{"seconds": "<b>"}', "\0"):
        (out / "sizing.json").write_text(text)
        assert oracle.docherd("report", out).code == 0
        assert json.loads((out / "report.json").read_text())["sizing"] is None
