"""What limited a run, from what was measured."""

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from docherd.sizing import DOCUMENTS, SECONDS, Idle, Use, advise, demand

GB = 10**9
#: 100 seconds of two workers that compute on two cores
COMPUTING = Use(
    seconds=100.0,
    documents=1000,
    cores=2,
    workers=2,
    auto=False,
    capacity=200.0,
    busy=196.0,
    idle={"start": 4.0},
    squeezed=0.0,
    beside=0.0,
    cpu=194.0,
    waited=0.0,
    engine=5.0,
    memory=2 * GB,
    peak=GB,
)
WAITING = replace(COMPUTING, cpu=40.0, memory=20 * GB)


def idle(why, share, **also):
    seconds = share * COMPUTING.capacity
    return replace(COMPUTING, idle={why: seconds}, busy=200 - seconds, cpu=100.0, **also)


@pytest.mark.parametrize(
    ("use", "limited_by", "sentence"),
    [
        (
            COMPUTING,
            "cores",
            "limited by cores: 2 of 2 in use 97 % of the time; more workers would not help",
        ),
        (
            replace(COMPUTING, cpu=80.0, waited=110.0),
            "cores",
            "limited by cores: other programs had 56 % of the 2 cores; more workers would not help",
        ),
        (
            WAITING,
            "workers",
            "limited by workers: the cores were idle 80 % of the time;"
            " -w 8 may take about a quarter of the time (-w auto finds the number)",
        ),
        (
            replace(WAITING, peak=19 * GB),
            "workers",
            "limited by workers: the cores were idle 80 % of the time,"
            " and there is no memory for more",
        ),
        (
            replace(WAITING, workers=64, auto=True),
            "waiting",
            "limited by what documents wait for (a disk, a network, a server): the cores were"
            " idle 80 % of the time; 64 workers were best",
        ),
        (
            idle(Idle.SOURCE, 0.6),
            "source",
            "limited by the source: workers waited 60 % of the time for files to be found",
        ),
        (
            idle(Idle.DISK, 0.5),
            "disk",
            "limited by the disk: workers waited 50 % of the time for results to be written",
        ),
        (
            idle(Idle.END, 0.5),
            "work",
            "limited by too little work: workers had nothing left to do 50 % of their time;"
            " fewer would have done",
        ),
        (
            idle(Idle.START, 0.5),
            "start",
            "limited by starting: 50 % of the workers' time went by until they had loaded",
        ),
        (
            idle(Idle.MEMORY, 0.5, workers=8, squeezed=35.0, beside=95.0, peak=1_900_000_000),
            "memory",
            "limited by memory: documents waited for memory 35 % of the time;"
            " peak 1.9 GB of 2.0 GB; --memory 5.9GB would let all 8 workers run",
        ),
        (
            replace(COMPUTING, cores=16, cpu=300.0, engine=95.0),
            "engine",
            "limited by the engine: it was busy 95 % of the time; more workers would not help",
        ),
    ],
)
def test_it_says_what_most_of_the_time_was_lost_to(use, limited_by, sentence):
    """One cause, with the figures it was taken from, and what would be better."""
    advice = advise(use)
    assert advice.sentences[0] == sentence
    assert advice.limited_by == limited_by


def test_far_too_much_memory_is_said_too():
    """Not where that is what there was too little of."""
    use = replace(COMPUTING, memory=19 * GB, peak=400_000_000)
    assert advise(use).sentences[1:] == (
        "memory: 400 MB of 19 GB were used: --memory 800MB is enough",
    )
    assert advise(replace(use, peak=5 * GB)).sentences[1:] == ()
    assert advise(idle(Idle.MEMORY, 0.5, memory=19 * GB, peak=GB)).sentences[1:] == ()


@pytest.mark.parametrize("little", [{"seconds": SECONDS / 2}, {"documents": DOCUMENTS - 1}])
def test_of_too_little_nothing_is_said(little):
    """Two seconds say nothing about two hours."""
    assert advise(replace(COMPUTING, **little)).limited_by == "work"


def test_a_core_that_others_have_counts_as_computing():
    """But waking up late does not."""
    assert demand(0.5, waited=50.0, busy=100.0) == 1.0
    assert demand(0.02, waited=2.0, busy=100.0) == 0.04
    assert demand(0.9, waited=900.0, busy=10.0) == 1.0
    assert demand(0.0, 0.0, 0.0) == 0.0


def test_it_is_kept_as_json():
    """sizing.json holds what was measured, not what was made of it."""
    assert Use.from_json(json.loads(json.dumps(WAITING.as_json()))) == WAITING
    with pytest.raises(KeyError):
        Use.from_json({})


amounts = st.floats(0, 1e6, allow_nan=False)


@settings(derandomize=True, deadline=None, max_examples=200)
@given(
    amounts, st.integers(0, 10**9), st.integers(1, 256), st.integers(1, 256), amounts, amounts,
    st.dictionaries(st.sampled_from(list(Idle)), amounts), amounts, amounts, st.booleans(),
)  # fmt: skip
def test_whatever_was_measured_there_is_a_sentence(
    seconds, documents, cores, workers, capacity, busy, lost, cpu, waited, auto
):
    """No division by nothing, no suggestion that is not one."""
    use = Use(
        seconds, documents, cores, workers, auto, capacity, busy, lost, seconds / 3,
        busy / 3, cpu, waited, cpu / 2, 10**9, int(busy * 1000),
    )  # fmt: skip
    advice = advise(use)
    assert 1 <= len(advice.sentences) <= 2
    assert not any("inf" in each or "nan" in each for each in advice.sentences)
