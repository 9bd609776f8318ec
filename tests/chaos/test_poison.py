"""Documents that take everything with them, in a real memory cgroup; and crash storms."""

from __future__ import annotations

import json

import pytest
from chaos.container import Policy
from chaos.poison_runs import MOST, restarted, storm

from chaos import container

LIMIT = 200 << 20


@pytest.fixture
def cgroup():
    """Skips where no container can be made."""
    if why := container.why_not():
        pytest.skip(why)


def test_a_document_that_kills_its_container_is_given_up(session, cgroup):
    """E01, E16, W19: at the third start it runs alone and last, at the fourth death it failed."""
    starts = restarted(session, Policy.TOGETHER, 60, LIMIT)
    assert starts.tally.problems == []
    assert starts.ended
    assert 1 <= starts.deaths <= MOST
    assert starts.oom_kills


LATE = """
import os, signal, subprocess

def late(path):
    if path.name == "100.txt":
        kill = f"sleep 0.05; kill -9 {os.getppid()}"
        subprocess.Popen(["sh", "-c", kill], env={}, start_new_session=True)
        os.kill(os.getpid(), signal.SIGKILL)
    return path.read_text()
"""


def test_an_engine_that_dies_just_after_its_worker_learns_from_it(session, tmp_path):
    """E01, W19: the worker is buried, nothing is committed yet, the engine dies: that counts."""
    (tmp_path / "in").mkdir()
    for each in range(200):
        (tmp_path / "in" / f"{each:03d}.txt").write_text(f"{each}\n")
    (tmp_path / "late.py").write_text(LATE)
    words = ["run", "in", "-o", "out", "-p", "late.py:late", "-w", "2", "-q"]
    deaths = 0
    while (ended := session.product.run(words, tmp_path)).code < 0:
        deaths += 1
        assert deaths <= MOST
    assert ended.code == 1, ended.err
    rows = (tmp_path / "out" / "failures.jsonl").read_text().splitlines()
    assert [json.loads(row)["path"] for row in rows] == ["in/100.txt"]


def test_the_kernel_takes_the_worker_and_never_the_engine(session, cgroup):
    """E16, W15: one start, two kills by the kernel, and the right document is blamed."""
    starts = restarted(session, Policy.ALONE, 60, LIMIT)
    assert starts.tally.problems == []
    assert (starts.deaths, starts.oom_kills) == (0, 2)
    assert "`memory`: the kernel's OOM killer ended it" in starts.outcome


def test_a_container_that_is_asked_to_stop_is_no_death(session, cgroup):
    """E06, E16: systemd's OOMPolicy=stop sends SIGTERM: what happened is committed before."""
    starts = restarted(session, Policy.ASKED, 60, LIMIT)
    assert starts.tally.problems == []
    assert starts.deaths <= 2


def test_where_everything_crashes_the_run_stops(session):
    """W20: exit 7, nobody has failed, all are pending."""
    found = storm(session, 300, 100)
    assert found.tally.problems == []
    assert found.begun < 120


def test_many_crashes_do_not_hold_up_the_others(session):
    """W19, W20: 40 of 100 crash: the run goes on, and what crashed comes again at the end."""
    found = storm(session, 90, 40)
    assert found.tally.problems == []
    assert found.attempts == 2 * found.crashing
