"""When the run will end: the arithmetic over a forecast that is certain."""

import math
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from docherd.eta import BAND, OVERDUE, InHand, Left, again_seconds, remaining
from docherd.model import Outcome, Reason, Root, Status, Task

fixed = settings(derandomize=True, deadline=None, max_examples=200)
STRATA = ("pdf/17", "txt/9", "/0")
SECONDS = st.floats(0, 1e6)
COSTS = st.builds(
    SimpleNamespace,
    seconds=st.floats(1e-6, 1e6),
    deviation=st.floats(0, 1e6),
    doubt=st.floats(0, 1e6),
)
FORECASTS = st.fixed_dictionaries(dict.fromkeys(STRATA, COSTS))
WAITING = st.dictionaries(st.sampled_from(STRATA), st.integers(-3, 10**7))
SHARES = st.just(0.0) | st.floats(0.001, 1)
IN_HAND = st.lists(
    st.tuples(
        *(st.sampled_from(STRATA), SECONDS, SHARES, st.integers(0, 10**6), st.floats(0, 1))
    ).map(lambda drawn: InHand(*drawn[:4], drawn[1] * drawn[4])),
    max_size=8,
)
PARALLEL = st.floats(-1, 256)


class Known:
    """A forecast that knows these costs."""

    def __init__(self, costs):
        self._costs = costs

    def cost(self, stratum):
        return self._costs.get(stratum)


def sure(**seconds):
    """A forecast without doubt, of strata by the name of their extension."""
    costs = {
        f"{name}/1": SimpleNamespace(seconds=s, deviation=0, doubt=0) for name, s in seconds.items()
    }
    return Known(costs)


@fixed
@given(FORECASTS, WAITING, IN_HAND, PARALLEL, SECONDS)
def test_the_band_holds_the_middle_and_nothing_is_negative(costs, waiting, hand, parallel, later):
    """Whatever is left, at whatever pace."""
    eta = remaining(Known(costs), Left(waiting, hand, parallel, later))
    assert 0 <= eta.low <= eta.seconds * (1 + 1e-9)
    assert eta.seconds <= eta.high * (1 + 1e-9)
    assert math.isfinite(eta.high)


@fixed
@given(FORECASTS, WAITING, st.integers(2, 50), st.floats(0.01, 64))
def test_twice_the_documents_take_twice_as_long(costs, waiting, times, parallel):
    """Linear in the counts, while nothing is in hand."""
    one = remaining(Known(costs), Left(waiting, [], parallel))
    more = {stratum: count * times for stratum, count in waiting.items()}
    assert remaining(Known(costs), Left(more, [], parallel)).seconds == pytest.approx(
        one.seconds * times
    )


@fixed
@given(FORECASTS, WAITING, st.floats(0.5, 64), st.floats(1, 64))
def test_twice_the_workers_take_half_as_long(costs, waiting, parallel, times):
    """Inverse in what is in work at the same time, band and all."""
    one = remaining(Known(costs), Left(waiting, [], parallel))
    fast = remaining(Known(costs), Left(waiting, [], parallel * times))
    assert fast.seconds * times == pytest.approx(one.seconds)
    assert fast.high * times == pytest.approx(one.high)


def test_work_is_the_sum_over_what_is_left():
    """By hand: 10 of 2 s and 4 of 5 s on 4 workers are 10 s."""
    assert remaining(sure(a=2, b=5), Left({"a/1": 10, "b/1": 4}, [], 4)).seconds == 10


def test_what_is_in_hand_counts_with_its_rest():
    """One second of ten is done."""
    eta = remaining(sure(a=10), Left({}, [InHand("a/1", 1)], 1))
    assert eta.seconds == 9


@fixed
@given(FORECASTS, WAITING, IN_HAND, st.floats(0.01, 1000), st.floats(1, 1e5))
def test_the_end_is_never_before_the_longest_in_hand(costs, waiting, hand, parallel, over):
    """However many workers there are, one Document takes its time."""
    each = InHand("pdf/17", over * costs["pdf/17"].seconds)
    eta = remaining(Known(costs), Left(waiting, [*hand, each], parallel))
    assert eta.seconds >= each.seconds * OVERDUE * (1 - 1e-9)
    page = InHand("pdf/17", 100.0, 0.25)
    eta = remaining(Known(costs), Left(waiting, [*hand, page], parallel))
    assert eta.seconds >= 300 * (1 - 1e-9)


def test_one_that_is_over_its_time_still_takes_a_part_of_it():
    """Its rest grows, and the end is never called near."""
    rests = [remaining(sure(a=10), Left({}, [InHand("a/1", s)], 1)).seconds for s in (2, 9, 20, 90)]
    assert rests == [8, 9 * OVERDUE, 20 * OVERDUE, 90 * OVERDUE]


@pytest.mark.parametrize(("share", "rest"), [(0.5, 60), (0.9, 60 / 9), (0.001, 59_940), (1, 0)])
def test_the_share_of_its_pages_tells_better_than_any_forecast(share, rest):
    """So does the band: the further it is, and the more pages that are, the surer."""
    eta = remaining(sure(a=1e6), Left({}, [InHand("a/1", 60, share)], 1))
    assert eta.seconds == pytest.approx(rest)
    assert eta.high - eta.seconds == pytest.approx(BAND * rest)
    many = remaining(sure(a=1e6), Left({}, [InHand("a/1", 60, share, pages=99)], 1))
    assert many.seconds == pytest.approx(rest)
    assert many.high - many.seconds == pytest.approx(BAND * rest / 10)


@pytest.mark.parametrize(("silent", "rest"), [(0, 60), (30, 60 - 60 + 7.5), (20, 20), (60, 15)])
def test_a_share_is_as_old_as_its_heartbeat(silent, rest):
    """Half of the pages were done then; since when nothing was heard, nothing is known."""
    eta = remaining(sure(a=1e6), Left({}, [InHand("a/1", 60, 0.5, 10, silent)], 1))
    assert eta.seconds == pytest.approx(rest)
    assert 0 <= eta.low <= eta.seconds <= eta.high


def test_what_was_deferred_comes_on_top():
    """Only its order of magnitude is known."""
    eta = remaining(sure(a=1), Left({"a/1": 8}, [], 4, deferred=30))
    assert (eta.seconds, eta.low, eta.high) == (32, 12, 92)


@fixed
@given(st.integers(1, 10_000), st.floats(0.01, 10), st.floats(0, 10), st.floats(0, 10))
def test_doubt_about_a_mean_does_not_average_out(count, seconds, deviation, doubt):
    """The band grows with the root of the number, but for the doubt, which all share."""
    cost = SimpleNamespace(seconds=seconds, deviation=deviation, doubt=doubt)
    eta = remaining(Known({"a/1": cost}), Left({"a/1": count}, [], 1))
    half = BAND * math.sqrt(count * deviation**2 + (count * doubt) ** 2)
    assert eta.high - eta.seconds == pytest.approx(half, rel=1e-6, abs=1e-6)
    assert eta.low == pytest.approx(max(0, eta.seconds - half), rel=1e-6, abs=1e-6)


def test_where_a_cost_is_unknown_there_is_no_end():
    """But nothing is asked of strata of which nothing waits."""
    assert remaining(sure(a=1), Left({"b/1": 1}, [], 1)) is None
    assert remaining(sure(a=1), Left({"b/1": 0, "a/1": 1}, [], 1)).seconds == 1
    assert remaining(sure(a=1), Left({}, [InHand("b/1", 4)], 1)).seconds == 1


# ── what has to be tried again ───────────────────────────────────────────────────────────────


@fixed
@given(SECONDS, st.integers(1, 256), st.floats(0, 60), st.sampled_from(list(Reason)))
def test_another_attempt_is_never_free_nor_endless(seconds, workers, start, reason):
    """After a memory kill ``workers`` times as long, else its share of a fresh worker's time."""
    task = Task(1, Root(b"", b"/"), b"a", 1, "x/1")
    outcome = Outcome(task, Status.FAILED, reason, seconds=seconds)
    again = again_seconds(outcome, workers, start)
    if reason is Reason.MEMORY:
        assert again == seconds * workers
    else:
        assert again * workers == pytest.approx(start + seconds)
