"""How fast a start is going: its rate, and its end by a clock that may do anything."""

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from docherd.forecast import Forecast
from docherd.model import Busy, Outcome, Reason, Root, Status, Task
from docherd.pace import WINDOW, Pace

fixed = settings(derandomize=True, deadline=None, max_examples=200)


def ended(seconds=1.0, stratum="txt/9", document=1, **more):
    task = Task(document, Root(b"", b"/"), b"a", 1, stratum)
    return Outcome(task, Status.DONE, seconds=seconds, peak=1 << 24, **more)


def busy(seconds, stratum="txt/9", **more):
    return Busy("a", seconds, 0, stratum=stratum, **more)


def taught(seconds=1.0, stratum="txt/9"):
    forecast = Forecast()
    for _ in range(300):
        forecast.learn(ended(seconds, stratum))
    return forecast


def going(workers, pending, until, seconds=1.0):
    """A pace at which ``workers`` have been busy with Documents of so many seconds all the time."""
    pace, done = Pace(workers), round(until * workers / seconds)
    pace.pending["txt/9"] = pending + done
    pace.eta(Forecast(), [], 0.0)
    for _ in range(done):
        pace.end(ended(seconds))
    return pace


def test_the_rate_is_that_of_the_last_ten_seconds():
    """What was before says nothing about now."""
    pace = Pace(2)
    for second in range(1, 41):
        for _ in range(100 if second <= 20 else 3):
            pace.end(ended())
        rate = pace.rate(float(second))
    assert rate == pytest.approx(3.0, rel=0.1)
    assert pace.finished == 20 * 103


def test_what_was_written_and_finished_is_counted():
    """Documents and bytes."""
    pace = Pace(1)
    pace.end(ended(length=7))
    pace.end(ended(length=5))
    assert (pace.finished, pace.written) == (2, 12)


def test_the_end_is_told_at_the_parallelism_that_is_there():
    """Four workers are kept busy: what is left is shared by four, whatever was asked for."""
    pace = going(4, pending=400, until=20.0)
    eta = pace.eta(taught(), [], 20.0)
    assert eta.seconds == pytest.approx(100, rel=0.02)
    assert eta.low < 100 < eta.high


def test_what_a_start_takes_says_nothing_of_the_pace():
    """Half a minute until the model was loaded: from then on two are busy."""
    pace, forecast = Pace(2), taught()
    pace.pending["txt/9"] = 102
    pace.end(ended())
    assert pace.eta(forecast, [busy(0.5)], 31.0).seconds == pytest.approx(50, rel=0.02)
    pace.end(ended())
    eta = pace.eta(forecast, [busy(1.0), busy(0.5)], 32.0)
    assert eta.seconds == pytest.approx(49.3, rel=0.02)


def test_what_is_in_hand_is_not_waiting():
    """It counts with its rest only."""
    pace = going(1, pending=2, until=10.0)
    eta = pace.eta(taught(), [busy(0.0), busy(0.9)], 10.0)
    assert eta.seconds == pytest.approx((1.0 + 0.225) * 10 / 10.9, rel=0.03)  # 0.9 s of work more


def test_pages_are_taken_into_account():
    """Page 26 of 100: a quarter is done, whatever the forecast thinks."""
    pace = going(1, pending=1, until=10.0)
    eta = pace.eta(taught(), [busy(100.0, page=26, pages=100)], 110.0)
    assert eta.seconds == pytest.approx(300, rel=0.02)


def test_what_was_deferred_is_added_until_it_is_done():
    """With its own time at the end."""
    pace = going(2, pending=10, until=10.0)
    crash = ended(6.0, document=7)._replace(status=Status.FAILED, reason=Reason.CRASH)
    pace.defer(crash, 0.4)
    eta = pace.eta(taught(), [], 10.0)
    assert eta.seconds == pytest.approx(10 / 2.6 + 3.2, rel=0.02)
    assert eta.high > 3 * 3.2
    pace.end(ended(0.0, document=7))
    assert pace.eta(taught(), [], 10.0).seconds == pytest.approx(9 / 2.6, rel=0.02)


def test_a_run_that_stalls_keeps_its_workers_at_work():
    """A Document that takes for ever moves the end away; no ETA runs out while it hangs."""
    pace, forecast = going(1, pending=5, until=10.0), taught()
    etas = [pace.eta(forecast, [busy(s)], 10.0 + s).seconds for s in (1.0, 10.0, 100.0, 1000.0)]
    assert etas == sorted(etas)
    assert etas[-1] >= 250


def test_a_run_that_does_nothing_at_all_never_ends():
    """Nothing in hand and nothing done for long: far away, and finite."""
    pace, forecast = going(2, pending=10, until=10.0), taught()
    for second in range(11, 200):
        eta = pace.eta(forecast, [], float(second))
    assert 100 < eta.seconds < math.inf


@fixed
@given(
    st.lists(
        st.tuples(
            st.floats(-1e9, 1e9),
            st.integers(0, 4),
            st.lists(st.tuples(st.floats(0, 1e9), st.sampled_from(["txt/9", "/0"])), max_size=3),
        ),
        max_size=30,
    ),
)
def test_a_clock_that_jumps_or_stands_still_does_no_harm(moments):
    """A machine that slept, a time that is told twice: never an error, never negative."""
    pace, forecast = Pace(2), taught()
    pace.pending["txt/9"] = 50
    for seconds, done, in_hand in moments:
        for _ in range(done):
            pace.end(ended())
        assert pace.rate(seconds) >= 0
        eta = pace.eta(forecast, [busy(s, stratum) for s, stratum in in_hand], seconds)
        assert 0 <= eta.low <= eta.seconds <= eta.high < math.inf


def test_a_worker_that_is_killed_takes_its_time_with_it():
    """The work in hand is suddenly less than it was: still no harm."""
    pace, forecast = going(2, pending=10, until=10.0), taught()
    pace.eta(forecast, [busy(900.0)], 10.0)
    eta = pace.eta(forecast, [], 10.5)
    assert 0 <= eta.low <= eta.seconds <= eta.high < math.inf


def test_before_anything_is_known_there_is_no_end():
    """And where nothing is left, it is now."""
    pace = Pace(2)
    assert pace.eta(Forecast(), [], 0.0).seconds == 0
    pace.pending["txt/9"] = 1
    assert pace.eta(Forecast(), [], 0.0) is None


def test_only_the_last_ten_seconds_are_kept():
    """However often it is asked."""
    pace, forecast = Pace(1), taught()
    for tick in range(3000):
        pace.rate(tick / 10)
        pace.eta(forecast, [], tick / 10)
    assert len(pace._work) < 11 * WINDOW
    assert len(pace._lately) < 11 * WINDOW
