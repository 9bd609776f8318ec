"""What comes back is judged, not trusted: results and messages (I of the catalogue)."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import oracle
from docherd.testing import FAULTS

INVALID = ("lambda_result", "cycle", "nan", "surrogate", "set", "bytes", "int")
RAISED = ("raise", "raise_two_args", "str_raises", "str_exits", "str_huge")
FRAMES = ("frame_huge", "frame_negative", "frame_nan", "frame_old", "frame_garbage", "frame_flood")
BROKEN = ("frame_short", "frame_slow", "half_frame")
GOOD = ("empty", "many", "leak_fd", "threads", "write_scratch", "fork_child", "connect", "open")


@pytest.fixture(scope="module")
def returned(run_faulty, tmp_path_factory):
    """All of them in one run; 8 MB of text against --max-output 5MB."""
    faults = (*INVALID, *RAISED, *FRAMES, *BROKEN, *GOOD, "huge")
    options = ("-w", "4", "--timeout", "2", "--max-output", "5MB")
    return run_faulty(tmp_path_factory.mktemp("returned"), faults, *options, huge=8, str_huge=20)


def test_each_bad_result_costs_one_document(returned, innocent_lines):
    """I01-I06, G1-G8: exactly the faulty fail, the innocents give the same bytes as without."""
    oracle.check(returned.out, failed=returned.expected(), total=60 + len(returned.faults))
    assert returned.ended.code == 1
    assert "Traceback" not in returned.ended.err + returned.ended.out
    assert returned.innocent_lines() == innocent_lines


# ── Records ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("fault", INVALID)
def test_what_is_not_json_is_refused_with_its_place(returned, fault):
    """I01: the message has the JSON path of the first bad value; the worker lives, no retry."""
    reason, message = returned.verdict(fault)
    assert reason == "result_invalid"
    assert message.startswith(FAULTS[fault].message)
    assert returned.row(fault)["attempts"] == 1


def test_no_record_and_many_records_are_done(returned):
    """I08: None leaves no Record, a generator as many as it yields, in order."""
    found = [row for row in oracle.records(returned.out) if "many" in str(row["path"])]
    assert [row["ordinal"] for row in found] == [row["number"] for row in found] == [*range(1000)]
    assert not [row for row in oracle.records(returned.out) if "empty" in str(row["path"])]


def test_output_above_the_limit_is_cut_in_the_worker(returned):
    """I04: a result over --max-output fails alone and leaves nothing in the data."""
    assert returned.verdict("huge") == (
        "output_too_large",
        "Records over --max-output 5,000,000 bytes",
    )
    assert not [row for row in oracle.records(returned.out) if "huge" in str(row["path"])]


# ── exceptions ───────────────────────────────────────────────────────────────────────────────


def test_an_exception_that_cannot_be_rebuilt_is_text(returned):
    """I02: only the type's name, the message and the user's frames cross the boundary."""
    message = "docherd.testing.raises.TwoArguments: this and that"
    assert returned.verdict("raise_two_args") == ("error", message)
    assert 'raise TwoArguments("this", "that")' in returned.row("raise_two_args")["detail"]
    assert "worker.py" not in returned.row("raise_two_args")["detail"]


@pytest.mark.parametrize("fault", ["str_raises", "str_exits"])
def test_an_exception_without_text_is_named_all_the_same(returned, fault):
    """I03: __str__ that raises, or leaves, makes it "unprintable", not a crash."""
    assert returned.verdict(fault) == ("error", "unprintable docherd.testing.raises.Text")


def test_a_message_is_capped(returned):
    """I03: 20 MB of text come through as 4 KB."""
    reason, message = returned.verdict("str_huge")
    assert reason == "error"
    assert message.startswith("docherd.testing.raises.Text: xxxx")
    assert len(message) == 4096


# ── the wire ─────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("fault", FRAMES)
def test_a_message_that_lies_is_a_crash(returned, fault):
    """I05, I09: one that promises 4 GB, a negative length, NaN, noise, or an old one: no answer."""
    reason, message = returned.verdict(fault)
    assert reason == "crash"
    assert message.startswith("broke the protocol: ")
    assert returned.row(fault)["attempts"] == 2


@pytest.mark.parametrize(
    ("fault", "why"),
    {
        "frame_huge": "a frame that promises too much",
        "frame_flood": "a frame that promises too much",
        "frame_negative": "not a size",
        "frame_nan": "not a size",
        "frame_old": "an answer to something else",
    }.items(),
)
def test_a_lie_is_refused_for_what_it_is(returned, fault, why):
    """I05, I09: what is well-formed otherwise fails at the one value that cannot be."""
    assert returned.verdict(fault) == ("crash", f"broke the protocol: {why}")


@pytest.mark.parametrize("fault", ["frame_short", "frame_slow"])
def test_a_message_that_never_comes_whole_is_cut_at_the_limit(returned, fault):
    """I05, I07: the document's own time covers the transfer of its result."""
    assert returned.verdict(fault) == ("timeout", "over its 2 s")
    assert returned.row(fault)["seconds"] < 3


def test_half_a_message_is_discarded(returned):
    """I06: a worker that dies in the middle of a frame crashed; nothing of it is in the data."""
    assert returned.verdict("half_frame") == ("crash", "killed by SIGABRT")
    assert not [row for row in oracle.records(returned.out) if "frame" in str(row["path"])]


# ── memory of the engine ─────────────────────────────────────────────────────────────────────

MEASURED = """
import sys
from docherd import cli, host
code = cli.execute(sys.argv[1:])
print(host.status_fields("/proc/self/status")["VmHWM"], file=sys.stderr)
sys.exit(code)
"""

PAGES = """
def process(path):
    for number in range(300):
        yield {"text": "x" * 1_000_000}
"""


def test_a_large_result_does_not_pass_through_the_engine(tmp_path):
    """I04: 300 MB from one document: the engine itself stays below 150 MB, every byte arrives."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "book.txt").write_text("long")
    (tmp_path / "pages.py").write_text(PAGES)
    run = ("run", "in", "-o", "out", "-p", "pages.py:process", "--max-output", "1GB", "-q")
    ended = subprocess.run(
        [sys.executable, "-c", MEASURED, *run],
        cwd=tmp_path,
        check=False,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert ended.returncode == 0, ended.stderr
    assert int(ended.stderr.splitlines()[-1]) < 150e6
    assert sum(file.stat().st_size for file in (tmp_path / "out" / "data").iterdir()) > 300e6
    assert lengths(tmp_path / "out") == [1_000_000] * 300
    oracle.check(tmp_path / "out", failed={}, total=1)


def lengths(out: Path) -> list[int]:
    return [len(str(row["text"])) for row in oracle.records(out)]
