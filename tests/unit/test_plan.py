"""What a run will take, from what a sample took: arithmetic, copies, and what a walk counts."""

from collections import Counter
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from docherd.census import KEPT, LARGEST, Census
from docherd.forecast import Forecast
from docherd.herald import too_much
from docherd.model import Found, Outcome, Reason, Root, Status, Task
from docherd.plan import (
    Foretold,
    Lengths,
    Machine,
    Range,
    Work,
    failures,
    line,
    lines,
    output,
    work,
)
from docherd.plan import best as best_of
from docherd.twins import HEAD, Twins
from docherd.wording import foretold

fixed = settings(derandomize=True, deadline=None, max_examples=150)
ROOT = Root(b"in", b"/in")
MACHINE = Machine(cores=4, memory=8_000_000_000, loaded=30_000_000, start=0.2)
amounts = st.floats(0.0, 1e6)
works = st.builds(
    lambda longest, more, **others: Work(longest=longest, longest_upper=longest + more, **others),
    documents=st.floats(1, 1e7),
    seconds=st.floats(1e-6, 1e7),
    deviation=amounts,
    longest=st.floats(0.0, 1e4),
    more=st.floats(0.0, 1e4),
    memory=st.floats(1, 1e9),
    reserved=st.floats(1, 1e10),
    largest=st.floats(1, 1e10),
    share=st.floats(0.0, 4.0),
    workers=st.integers(1, 64),
)
machines = st.builds(
    Machine,
    cores=st.integers(1, 64),
    memory=st.integers(64_000_000, 1 << 40),
    most=st.integers(1, 1000),
    loaded=st.integers(0, 1 << 30),
    start=st.floats(0.0, 60.0),
    gap=st.floats(0.0, 0.02),
)


def taught(**seconds):
    """A Forecast that has seen so many Documents of a stratum of each kind."""
    forecast = Forecast()
    for kind, each in seconds.items():
        for number, taken in enumerate(each):
            task = Task(number, ROOT, b"a", 1000, f"{kind}/10")
            forecast.learn(Outcome(task, Status.DONE, seconds=taken, peak=30 << 20, length=100))
    return forecast


def near(value, rel=0.1):
    return pytest.approx(value, rel=rel)


# ── time ─────────────────────────────────────────────────────────────────────────────────────


@fixed
@given(works, machines, st.integers(1, 64))
def test_the_range_holds_the_estimate(work, machine, workers):
    """And memory is never more than there is."""
    found = line(work, machine, workers)
    assert 0 <= found.low <= found.seconds <= found.high
    assert 0 < found.memory <= machine.memory


@fixed
@given(works, machines)
def test_more_workers_are_never_slower(work, machine):
    """Neither below the cores nor above them."""
    found = lines(work, machine, 16)
    assert all(one.seconds >= other.seconds for one, other in pairwise(found))


@fixed
@given(works, machines, st.integers(1, 100))
def test_the_lines_are_what_the_memory_allows(work, machine, wanted):
    """One is always among them, and the best is one of them."""
    found = lines(work, machine, wanted)
    numbers = [each.workers for each in found]
    assert numbers[0] == 1
    assert numbers == sorted(set(numbers))
    assert all(number <= max(1, machine.most) for number in numbers)
    assert wanted in numbers or wanted > machine.most
    assert best_of(found) in found


@fixed
@given(st.integers(10, 10_000), st.integers(2, 50))
def test_so_many_times_the_documents_take_so_many_times_as_long(count, times):
    """Seconds in workers, and bytes of output."""
    forecast = taught(pdf=[0.5, 1.0, 2.0] * 10)
    one, more = (work(forecast, {"pdf/10": n}) for n in (count, count * times))
    assert more.seconds == near(one.seconds * times, 1e-6)
    assert more.documents == one.documents * times
    lengths = {"pdf": Lengths(30, 100.0, 0.0)}
    one, more = (output(forecast, {"pdf/10": n}, lengths) for n in (count, count * times))
    assert more.middle == near(one.middle * times, 1e-6)


def test_what_was_measured_counts_as_it_was():
    """A sample of all of them leaves nothing to doubt."""
    found = work(taught(pdf=[1.0] * 4), {"pdf/10": 0}, [1.0, 2.0, 5.0])
    assert (found.seconds, found.deviation, found.longest, found.documents) == (8.0, 0.0, 5.0, 3)


def test_nothing_is_known_from_nothing():
    """No work where not a single Document was measured."""
    assert work(Forecast(), {"pdf/10": 3}) is None


def test_who_waits_gains_from_workers_beyond_the_cores_and_who_computes_does_not():
    """The share of CPU seconds in the seconds tells them apart."""
    waits = Work(1000, 400.0, 5.0, 0.5, 1.0, workers=4, share=0.01)
    assert best_of(lines(waits, MACHINE)).workers == 8
    computes = replace(waits, share=1.0)
    assert best_of(lines(computes, MACHINE)).workers == 4
    assert line(computes, MACHINE, 8).seconds == near(line(computes, MACHINE, 4).seconds, 0.01)
    assert line(computes, MACHINE, 2).seconds == near(2 * line(computes, MACHINE, 4).seconds)


def test_seconds_in_which_workers_waited_for_a_core_are_not_theirs():
    """Sixteen that compute on four cores took four times as long as each alone would."""
    crowded = Work(1000, 1600.0, 5.0, 0.5, 1.0, workers=16, share=0.25)
    assert line(crowded, MACHINE, 1).seconds == near(400, 0.01)
    assert line(crowded, MACHINE, 16).seconds == near(100, 0.02)


def test_memory_bounds_how_many_are_at_work():
    """With room for two, eight workers are as fast as two."""
    heavy = Work(100, 100.0, 1.0, 1.0, 1.0, memory=3e9, reserved=4e9, largest=4e9)
    assert line(heavy, MACHINE, 8).seconds == line(heavy, MACHINE, 2).seconds
    assert best_of(lines(heavy, MACHINE)).workers == 2


def test_no_run_is_over_before_its_longest_document():
    """However many workers there are."""
    long = Work(10, 30.0, 0.1, 20.0, 21.0)
    assert line(long, MACHINE, 8).seconds >= 20.0


# ── what comes of it ─────────────────────────────────────────────────────────────────────────


@fixed
@given(st.lists(st.integers(0, 1 << 30), min_size=1, max_size=50), st.integers(0, 10_000))
def test_output_lies_in_its_range(measured, left):
    """And what is known already is part of it."""
    lengths = Lengths()
    for length in measured:
        lengths.add(length)
    found = output(taught(pdf=[1.0] * 9), {"pdf/10": left}, {"pdf": lengths}, 77)
    assert 77 <= found.low <= found.middle <= found.high
    assert found.middle == near(77 + 100 * left, 1e-6)


def test_failures_are_scaled_by_stratum():
    """A tenth of one kind's sample is a tenth of all of that kind, and none of another's."""
    seen = {"pdf/10": Counter({Reason.ENCRYPTED: 2})}
    found = failures({"pdf/10": 980, "txt/5": 5000}, {"pdf/10": 20, "txt/5": 20}, seen)
    assert found == {Reason.ENCRYPTED: 100}


def test_a_stratum_without_a_sample_fails_as_its_family_does():
    """All PDFs of one size failed: so do those of another, for all that is known."""
    seen = {"pdf/10": Counter({Reason.CORRUPT: 10})}
    assert failures({"pdf/11": 50}, {"pdf/10": 10}, seen) == {Reason.CORRUPT: 60}


@fixed
@given(
    st.dictionaries(st.sampled_from(["pdf/1", "pdf/2", "txt/1"]), st.integers(0, 1000)),
    st.dictionaries(st.sampled_from(["pdf/1", "pdf/2", "txt/1"]), st.integers(1, 30)),
)
def test_no_more_fail_than_there_are(left, sampled):
    """Within rounding."""
    seen = {name: Counter({Reason.ERROR: count}) for name, count in sampled.items()}
    expected = sum(failures(left, sampled, seen).values())
    assert expected <= sum(left.values()) + sum(sampled.values()) + 1


# ── what a run says ──────────────────────────────────────────────────────────────────────────


def expected(*, output=1e9, free=10**10, disk=10**11):
    spread = Range(output, output * 0.8, output * 1.2)
    return Foretold(12_431, Range(7800.0, 6600.0, 9600.0), spread, free, disk)


def test_a_run_says_what_to_expect_in_one_sentence():
    """With both ranges' units, and what is free."""
    assert foretold(expected(output=3.1e9, free=412 * 10**9)) == (
        "expected: 12,431 documents in about 2 h 10 min (1 h 50 min to 2 h 40 min),"
        " 3.1 GB of Records; 412 GB are free"
    )


def test_the_disk_is_refused_by_the_low_end_and_a_reserve():
    """What may fit is tried."""
    assert too_much(expected(output=10e9, free=10**10)) == ""
    assert "12 GB" in too_much(expected(output=15e9, free=10**10))
    assert too_much(expected(output=11.5e9, free=10**10)) != ""


# ── what the walk counts ─────────────────────────────────────────────────────────────────────


def test_a_census_counts_all_and_keeps_some():
    """Of many Documents of a stratum only so many, from anywhere in the walk."""
    census = Census([ROOT])
    for number in range(KEPT * 20):
        census.add(Found(0, b"%06d.pdf" % number, 1000 + number % 24, 0, 0))
    census.add(Found(0, b"link.pdf", 5, 0, 0, reason=Reason.SYMLINK))
    assert census.documents == census.kinds["pdf"].documents == KEPT * 20
    assert census.size == sum(1000 + number % 24 for number in range(KEPT * 20))
    assert census.aside == {Reason.SYMLINK: 1}
    (kept,) = census.shuffled().values()
    assert len({task.document for task in kept}) == KEPT
    assert KEPT * 8 < sum(task.document for task in kept) / KEPT < KEPT * 12
    assert {task.size for task in census.largest()} == {1023}
    assert len(census.largest()) == LARGEST


def test_copies_have_the_same_size_and_content(tmp_path):
    """Also where only the last byte differs; empty ones are copies of nothing."""
    contents = {"a": b"x" * 10, "b": b"x" * 10, "c": b"x" * 9 + b"y", "d": b"", "e": b""}
    long = b"z" * (HEAD + 5)
    contents |= {"f": long, "g": long, "h": long[:-1] + b"!", "i": long}
    twins = Twins()
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
        twins.add(bytes(tmp_path / name), len(content))
    twins.add(b"/gone", 10)
    assert (twins.count(60, 1 << 30), twins.complete) == (3, True)


def test_a_search_for_copies_that_was_cut_says_so(tmp_path):
    """By bytes or by seconds."""
    for limit in ((60.0, 100), (-1.0, 1 << 30)):
        twins = Twins()
        for name in "abc":
            (tmp_path / name).write_bytes(b"x" * 1000)
            twins.add(bytes(tmp_path / name), 1000)
        assert twins.count(*limit) < 2
        assert not twins.complete
