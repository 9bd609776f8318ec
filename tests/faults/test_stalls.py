"""A Document that said it was at work and says so no more is cut before its time (W06)."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

import oracle


def plant(folder: Path, body: str, *names: str) -> tuple[str | Path, ...]:
    """Documents and a processor; the words that run it over them."""
    (folder / "in").mkdir()
    for name in names:
        (folder / "in" / name).write_text(name)
    head = "import math, os, struct, time\nfrom docherd.wire import SLOT, Slot\n"
    (folder / "own.py").write_text(head + body)
    return ("run", "in", "-o", "out", "-p", "own.py:process", "-w", "2")


def test_silence_after_heartbeats_is_cut_and_slow_pages_are_not(
    run_faulty, tmp_path, innocent_lines
):
    """W01, W06: at its limit, not at its timeout, named with its page, tried once; all others live.

    Also one whose pauses grow to three times the limit, for each was only twice the one before.
    """
    faults = ("stall", "slow")
    run = run_faulty(tmp_path, faults, "-w", "2", "--stall", "0.5", "--timeout", "60")
    assert run.ended.code == 1
    oracle.check(run.out, failed=run.expected(), total=62)
    assert run.innocent_lines() == innocent_lines
    row = run.row("stall")
    assert re.fullmatch(r"no heartbeat for \d+(\.\d)? s, the last at page 3", row["message"])
    assert 0.5 <= row["seconds"] < 10
    assert (row["attempts"], row["detail"]) == (1, "at page 3")


def test_steady_heartbeats_and_none_at_all_live_longer_than_the_limit(run_faulty, tmp_path):
    """W06: three times the limit with a heartbeat now and then; and without one, ever."""
    amounts = {"heartbeat": 3, "sleep": 3}
    run = run_faulty(tmp_path, amounts, "-w", "2", "--stall", "1", **amounts)
    assert run.ended.code == 0, run.ended.err
    oracle.check(run.out, failed={}, total=62)


FORGED = """
def process(document: "Document"):
    if document.path.name == "letter":
        return {}
    document.heartbeat(3)
    struct.pack_into("<dd", Slot(SLOT)._map, 8, *map(float, document.path.name.split("_")))
    time.sleep(60)
"""


def test_a_slot_without_sense_saves_nobody(tmp_path):
    """C09: a start or a heartbeat in the future, before all time, or that is no number."""
    names = ("1e300_2e300", "0_inf", "inf_0", "nan_nan", "5_nan", "nan_5", "-inf_-1")
    # Both no number is a start and no heartbeat: that has its timeout.
    words = plant(tmp_path, FORGED, "letter", *names)
    ended = oracle.docherd(*words, "--stall", "0.5", "--timeout", "3", "-q", cwd=tmp_path)
    assert ended.code == 1, ended.err
    expected = {f"in/{name}": "stalled" for name in names} | {"in/nan_nan": "timeout"}
    oracle.check(tmp_path / "out", expected, total=len(names) + 1)


WAITS = """
def process(document: "Document"):
    document.heartbeat()
    while document.path.name == "waits" and not os.path.exists("mended"):
        time.sleep(0.01)
    return {}
"""


def test_a_stalled_document_is_explained_and_can_be_tried_again(tmp_path):
    """W06: `failures`, `retry --reason stalled` and the advice at the end know it."""
    ended = oracle.docherd(*plant(tmp_path, WAITS, "a", "waits"), "--stall", "300ms", cwd=tmp_path)
    assert ended.code == 1
    assert "1 stalled: see where one hangs, or allow longer pauses (--stall)" in ended.out
    [row] = oracle.docherd("failures", "out", "--json", cwd=tmp_path).out.splitlines()
    assert json.loads(row)["reason"] == "stalled"
    assert re.fullmatch(r"no heartbeat for \d+(\.\d)? s", json.loads(row)["message"])
    (tmp_path / "mended").touch()
    assert oracle.docherd("retry", "out", "--reason", "stalled", cwd=tmp_path).code == 0
    oracle.check(tmp_path / "out", failed={}, total=2)


@pytest.mark.parametrize("given", ["0", "soon"])
def test_a_limit_that_makes_no_sense_is_refused(tmp_path, given):
    """Exit 2, with the option's name."""
    ended = oracle.docherd(*plant(tmp_path, WAITS, "a"), "--stall", given, cwd=tmp_path)
    assert (ended.code, ended.err.startswith("docherd: stall: ")) == (2, True)
