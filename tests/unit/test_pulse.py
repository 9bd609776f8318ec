"""When a Document counts as hung: heartbeats on the parent's clock, whatever the slot says."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from docherd.pulse import PATIENT, Pulse

fixed = settings(derandomize=True, deadline=None, max_examples=200)
#: what a worker may write where a time belongs
TIMES = st.floats(allow_nan=True, allow_infinity=True)
START = 1000.0


def beaten(*times, begun=START):
    """After looks at these times, each of which saw a new heartbeat; the first saw none."""
    pulse = Pulse().felt(0, begun, begun, begun)
    for now in times:
        pulse = pulse.felt(0, begun, now, now)
    return pulse


def test_without_a_heartbeat_nothing_is_missed():
    """A processor that gives none is bound by its timeout alone."""
    pulse = beaten()
    for now in (START + 1, START + 1e6):
        pulse = pulse.felt(0, START, START, now)
        assert pulse.missed(0.5, now) == 0


def test_after_one_it_may_not_be_silent_for_longer_than_the_limit():
    """However long the first one took to come."""
    pulse = beaten(START + 100)
    assert pulse.missed(60, START + 160) == 0
    assert pulse.missed(60, START + 160.5) == 60.5


def test_one_that_came_before_the_first_look_counts():
    """Brief pauses hide between two looks."""
    pulse = Pulse().felt(0, START, START + 0.01, START + 0.02)
    assert pulse.missed(1, START + 1.1) == pytest.approx(1.08)


def test_slow_pages_earn_longer_pauses():
    """Ten times the longest pause so far; what is less than the limit earns none."""
    pulse = beaten(START + 1, START + 31, START + 32)
    assert pulse.longest == 30
    assert pulse.missed(60, START + 32 + PATIENT * 30) == 0
    assert pulse.missed(60, START + 32.5 + PATIENT * 30) == 300.5
    assert beaten(START + 1, START + 2).missed(60, START + 63) == 61


def test_the_next_document_of_a_batch_starts_anew():
    """Neither the heartbeats nor the pauses of the one before are its own."""
    pulse = beaten(START + 1, START + 31).felt(1, START + 32, START + 32, START + 32)
    assert pulse == Pulse(1, START + 32, START + 32, START + 32)
    assert pulse.missed(1, START + 1000) == 0


def test_a_slot_caught_while_it_changes_is_not_a_heartbeat():
    """The new index with the times of the Document before; at the next look all is well."""
    before = Pulse().felt(0, START, START + 5, START + 5)
    torn = before.felt(1, START, START + 5, START + 6)
    assert not torn.felt(1, START + 6, START + 6, START + 6.02).beats


@fixed
@given(TIMES)
def test_no_heartbeat_that_a_worker_forges_saves_it(beat):
    """C09: in the future, before all time, no number: silent it is all the same."""
    pulse = Pulse().felt(0, START, START + 1, START + 1)
    for look in range(1, 100):
        pulse = pulse.felt(0, START, beat, START + 1 + look * 0.02)
    assert pulse.missed(1, START + 4) == pytest.approx(3, abs=0.02)


@fixed
@given(TIMES)
def test_no_start_that_a_worker_forges_saves_it(since):
    """C09: it begins anew once, and then it is as silent as before."""
    pulse = beaten(START + 1)
    for look in range(1, 100):
        pulse = pulse.felt(0, since, START + 1, START + 1 + look * 0.02)
    assert pulse.beats == (since != START + 1)
    assert not pulse.beats or pulse.missed(1, START + 4) == pytest.approx(3, abs=0.02)
