"""Faults of all kinds among harmless documents, under kill -9 of engine and workers."""

from __future__ import annotations

import json
import os
import random
import signal
from collections import Counter

from chaos.mixed_killer import workers_of
from chaos.mixed_tree import SLOW, plan
from chaos.sections import mixed

from docherd.testing import FAULTS

DOCUMENTS, KILLS = 1_200, 3


def test_faults_and_kills_at_once_cost_nobody_else_anything(session):
    """E01, W15, W19, G1-G8: 1,200 documents, 5 % faulty, three kills of the engine, and workers."""
    load = mixed.Load(DOCUMENTS, KILLS, life=(0.5, 3.0))
    data = mixed.drive(session, load)
    assert data["tally"]["problems"] == []
    assert data["engine_kills"] == KILLS
    assert sum(data["faulty"].values()) > DOCUMENTS * 0.04
    assert {"crash", "exit", "error", "timeout", "memory"} <= data["faulty"].keys()
    assert str(KILLS) in mixed.page(data)[0]


def test_faults_stand_alone_and_side_by_side():
    """W19: some in bands of ten, so that workers meet several at once; each kind is there."""
    words = plan(20_000, random.Random(1))
    faulty = [word in FAULTS for word in words]
    bands = sum(all(faulty[start : start + 10]) for start in range(0, len(words), 10))
    alone = sum(
        b and not a and not c for a, b, c in zip(faulty, faulty[1:], faulty[2:], strict=False)
    )
    assert bands >= 20
    assert alone > 400
    found = Counter(word for word in words if word in FAULTS)
    assert 900 < found.total() <= 1_000
    assert set(SLOW) <= found.keys()


SWALLOWS = """
from docherd import Document
from docherd.testing import FAULTS, harmless

def swallows(document: Document):
    short = document.path.name == "1500.txt"
    return FAULTS["frame_short"].do(document) if short else harmless(document)
"""


def test_a_message_that_never_comes_whole_costs_one_document(session, tmp_path):
    """W24, I05, G3: in the middle of a batch; what was behind it in the batch is not to blame."""
    (tmp_path / "in").mkdir()
    for each in range(2_000):
        (tmp_path / "in" / f"{each:04d}.txt").write_text(f"document {each}\n")
    (tmp_path / "own.py").write_text(SWALLOWS)
    words = ["run", "in", "-o", "out", "-p", "own.py:swallows", "-w", "2", "--timeout", "2", "-q"]
    assert session.product.run(words, tmp_path).code == 1
    rows = (tmp_path / "out" / "failures.jsonl").read_text().splitlines()
    assert [json.loads(row)["path"] for row in rows] == ["in/1500.txt"]


def test_no_workers_of_what_is_not_there():
    """An engine that has ended while we look has none."""
    child = os.posix_spawn("/bin/true", ["true"], {})
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    assert workers_of(child) == []
