"""What comes next: the sample where most is to be learned, then what is long."""

import random
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from docherd.forecast import Forecast
from docherd.model import Outcome, Root, Status, Task
from docherd.order import (
    GIANT,
    SAMPLE,
    SAMPLE_MOST,
    SAMPLE_SHARE,
    following,
    giant,
    most_doubtful,
)

fixed = settings(derandomize=True, deadline=None, max_examples=200)
STRATA = ("pdf/17", "pdf/25", "pdf/25/9", "txt/9", "/0")
COSTS = st.none() | st.builds(
    SimpleNamespace, seconds=st.floats(1e-6, 1e6), doubt=st.floats(0, 1e6)
)
FORECASTS = st.fixed_dictionaries(dict.fromkeys(STRATA, COSTS))
WAITING = st.dictionaries(st.sampled_from(STRATA), st.integers(-3, 10**7))
ASKED = st.dictionaries(st.sampled_from(STRATA), st.integers(0, 500))


class Known:
    def __init__(self, costs):
        self._costs = costs

    def cost(self, stratum):
        return self._costs.get(stratum)


def cost(seconds, doubt=0.0):
    return SimpleNamespace(seconds=seconds, doubt=doubt)


@fixed
@given(FORECASTS, WAITING, ASKED, st.integers(0, 10**6))
def test_only_what_waits_is_sampled(costs, waiting, asked, sampled):
    """Never an empty stratum, and never more than the most."""
    chosen = most_doubtful(Known(costs), waiting, asked, sampled)
    most = max(SAMPLE_MOST, SAMPLE_SHARE * sum(waiting.values()))
    if chosen is None:
        assert sampled >= SAMPLE or not any(count > 0 for count in waiting.values())
    else:
        assert waiting[chosen] > 0
        assert sampled < most


@fixed
@given(FORECASTS, WAITING, ASKED, st.integers(1, 256))
def test_only_what_waits_can_be_a_giant(costs, waiting, asked, workers):
    """And it is the longest, and takes a noticeable part of what is left."""
    chosen = giant(Known(costs), waiting, asked, workers)
    known = {s: costs[s].seconds for s, n in waiting.items() if n > 0 and costs[s]}
    work = sum(waiting[stratum] * seconds for stratum, seconds in known.items())
    work += sum(n * costs[s].seconds for s, n in asked.items() if costs[s])
    longest = max(known.values(), default=0)
    if chosen is None:
        assert longest <= GIANT * work / workers * (1 + 1e-9)
    else:
        assert known[chosen] == longest
        assert longest > GIANT * work / workers * (1 - 1e-9)


@fixed
@given(FORECASTS, WAITING, ASKED, st.integers(1, 256), st.integers(0, 10**6))
def test_what_follows_waits_and_is_a_sample_or_a_giant(costs, waiting, asked, workers, sampled):
    """Never an empty stratum; nothing is sampled once that is over."""
    choice = following(Known(costs), waiting, asked, workers, sampled)
    if choice is not None:
        assert waiting[choice.stratum] > 0
        if not choice.sampled:
            assert choice.stratum == giant(Known(costs), waiting, asked, workers)
    if choice is None or not choice.sampled:
        return
    assert sampled < max(SAMPLE_MOST, SAMPLE_SHARE * sum(waiting.values()))


def test_the_sample_is_taken_where_there_is_most_to_learn():
    """Number times doubt (Neyman): many that are known well count less than few that are not."""
    forecast = Known({"a/1": cost(1, 0.1), "b/1": cost(1, 5.0), "c/1": cost(9, 0.0)})
    assert most_doubtful(forecast, {"a/1": 100, "b/1": 100, "c/1": 100}, {}, 0) == "b/1"
    assert most_doubtful(forecast, {"a/1": 10_000, "b/1": 100, "c/1": 100}, {}, 0) == "a/1"


def test_what_was_asked_already_is_not_asked_all_over():
    """Those in hand will say something: of 16 in hand the doubt is a quarter."""
    forecast = Known({"a/1": cost(1, 1.0), "b/1": cost(1, 1.1)})
    waiting = {"a/1": 100, "b/1": 100}
    assert most_doubtful(forecast, waiting, {}, 0) == "b/1"
    assert most_doubtful(forecast, waiting, {"b/1": 1}, 0) == "a/1"
    assert most_doubtful(forecast, waiting, {"b/1": 16, "a/1": 16}, 0) == "b/1"


def test_nothing_known_begins_with_most_and_largest():
    """Before the first measurement work is guessed from number and size."""
    assert most_doubtful(Known({}), {"a/10": 5, "b/20": 5}, {}, 0) == "b/20"
    assert most_doubtful(Known({}), {"a/10": 5000, "b/20": 5}, {}, 0) == "a/10"


def test_the_sample_ends_when_it_is_sure():
    """But not before so many, for the first may all have been alike."""
    forecast = Known({"a/1": cost(1, 0.01)})
    assert most_doubtful(forecast, {"a/1": 1000}, {}, SAMPLE - 1) == "a/1"
    assert most_doubtful(forecast, {"a/1": 1000}, {}, SAMPLE) is None


def test_the_sample_ends_when_it_is_large_enough():
    """Two hundred, or one of a hundred, however unsure it is."""
    forecast = Known({"a/1": cost(1, 10)})
    assert most_doubtful(forecast, {"a/1": 1000}, {}, SAMPLE_MOST - 1) == "a/1"
    assert most_doubtful(forecast, {"a/1": 1000}, {}, SAMPLE_MOST) is None
    assert most_doubtful(forecast, {"a/1": 100_000}, {}, 999) == "a/1"
    assert most_doubtful(forecast, {"a/1": 100_000}, {}, 1000) is None


@pytest.mark.parametrize(("seconds", "chosen"), [(0.49, None), (0.51, "b/1")])
def test_a_giant_is_above_the_threshold(seconds, chosen):
    """0.5 % of what is left for one worker: 100 s."""
    forecast = Known({"a/1": cost(0.01), "b/1": cost(seconds)})
    assert giant(forecast, {"a/1": 40_000, "b/1": 1}, {}, 4) == chosen


def test_what_is_in_hand_counts_as_work():
    """So that the last ones are not giants all of a sudden while others are long in hand."""
    forecast = Known({"a/1": cost(1.0), "b/1": cost(1000.0)})
    assert giant(forecast, {"a/1": 10}, {}, 1) == "a/1"
    assert giant(forecast, {"a/1": 10}, {"b/1": 1}, 1) is None


@settings(derandomize=True, deadline=None, max_examples=30)
@given(
    st.dictionaries(
        st.sampled_from(["pdf/17", "txt/9", "eml/12", "docx/20"]),
        st.tuples(st.integers(300, 5000), st.floats(1e-3, 10), st.floats(0, 1)),
        min_size=1,
    ),
    st.integers(0, 99),
)
def test_a_sample_ends_and_calibrates(kinds, seed):
    """With a real forecast: every kind that matters is met, and what is left is known."""
    forecast, sampled, seen, rng = Forecast(), 0, set(), random.Random(seed)
    waiting = {stratum: count for stratum, (count, *_) in kinds.items()}
    while stratum := most_doubtful(forecast, waiting, {}, sampled):
        sampled += 1
        assert sampled <= max(SAMPLE_MOST, SAMPLE_SHARE * sum(waiting.values())) + 1
        waiting[stratum] -= 1
        seen.add(stratum)
        _, middle, spread = kinds[stratum]
        task = Task(1, Root(b"", b"/"), b"a", 1, stratum)
        seconds = middle * rng.lognormvariate(0, spread)
        forecast.learn(Outcome(task, Status.DONE, seconds=seconds, peak=1 << 24))
    work = {stratum: n * kinds[stratum][1] for stratum, n in waiting.items()}
    heavy = {stratum for stratum, share in work.items() if share > 0.3 * sum(work.values())}
    assert heavy <= seen
