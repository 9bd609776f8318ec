"""What is learned and foretold: the arithmetic, against the direct computation."""

from dataclasses import astuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from docherd.discovery import stratum_of
from docherd.eta import Left, again_seconds, remaining
from docherd.forecast import TRUSTED, Forecast
from docherd.model import Outcome, Reason, Root, Status, Task
from docherd.scheduler import is_brief

fixed = settings(derandomize=True, deadline=None, max_examples=120)
SECONDS = st.floats(0.0, 1e5)
MEASURED = st.tuples(SECONDS, st.integers(0, 1 << 40))
STRATA = st.sampled_from(["pdf/17", "pdf/18", "pdf/3", "txt/9", "/0", "docx/17"])
KNOWN = st.sampled_from(["pdf/17", "pdf/18", "pdf/25", "txt/9", "/0"])


def learn(forecast, stratum, measured):
    for seconds, peak in measured:
        one = Task(1, Root(b"", b"/"), b"a", 1, stratum)
        forecast.learn(Outcome(one, Status.DONE, seconds=seconds, peak=peak))


def taught(measurements):
    """A Forecast that has seen {stratum: [(seconds, peak)]}."""
    forecast = Forecast()
    for stratum, measured in measurements.items():
        learn(forecast, stratum, measured)
    return forecast


def near(value):
    return pytest.approx(value, rel=1e-6, abs=1e-5)


def test_nothing_is_foretold_from_nothing():
    """Before the first measurement there is no cost and no ETA; with nothing left it is now."""
    assert Forecast().cost("pdf/17") is None
    assert remaining(Forecast(), Left({"pdf/17": 1}, [], 1)) is None
    assert remaining(Forecast(), Left({}, [], 1)).seconds == 0


@fixed
@given(st.dictionaries(KNOWN, st.lists(MEASURED, min_size=1, max_size=8)), STRATA)
def test_what_was_learned_survives_a_restart(known, asked):
    """load(dump) foretells the same, and goes on learning."""
    before = taught(known)
    after = Forecast(before.dump())
    assert after.dump() == {}
    for _ in range(2):
        one, other = before.cost(asked), after.cost(asked)
        assert (one is None) == (other is None)
        assert one is None or astuple(one) == near(astuple(other))  # pooled in another order
        for each in (before, after):
            learn(each, "pdf/17", [(1.5, 3)])
        assert after.dump() == before.dump()


def test_only_what_changed_is_dumped():
    """A commit writes a handful of strata, not all of them."""
    forecast = taught({"pdf/17": [(1.0, 1)], "txt/9": [(1.0, 1)]})
    assert list(forecast.dump()) == ["pdf/17", "txt/9"]
    learn(forecast, "txt/9", [(2.0, 2)])
    assert list(forecast.dump()) == ["txt/9"]
    assert forecast.dump() == {}


@fixed
@given(st.binary(max_size=12), st.integers(0, 1 << 62))
def test_any_file_has_a_stratum_that_the_forecast_takes(path, size):
    """Odd names cannot disturb what is learned."""
    stratum = stratum_of(path, size)
    forecast = taught({stratum: [(1.0, 1)]})
    assert 0.2 < forecast.cost(stratum).seconds < 5.0


@pytest.mark.parametrize(
    ("path", "size", "stratum"),
    [
        (b"a/b.PDF", 70_000, "pdf/17"),
        (b"a.b/c", 0, "/0"),
        (b"c.", 1, "/1"),
        (b"c.tar.gz", 1024, "gz/11"),
        (b"c.much-too-long", 1, "/1"),
        (b"c.\xff\xfe", 1, "/1"),
        (b"c.p/f", 1, "/1"),
        ("c.größe".encode(), 1, "/1"),
    ],
)
def test_a_stratum_is_an_extension_and_a_power_of_two(path, size, stratum):
    """Odd extensions count as none, so that strata stay few."""
    assert stratum_of(path, size) == stratum


# ── what was deferred ────────────────────────────────────────────────────────────────────────


def test_a_memory_kill_is_expected_to_take_the_larger_budgets_time():
    """Solo it may use `workers` times the memory, at the rate it went; nobody works beside it."""
    task = Task(1, Root(b"", b"/"), b"a", 1, "x/1")
    outcome = Outcome(task, Status.FAILED, Reason.MEMORY, seconds=0.5)
    assert again_seconds(outcome, 8, 0.2) == 4.0


def test_a_crash_is_expected_to_take_a_fresh_workers_start():
    """Beside others, so it lengthens the run by its share."""
    task = Task(1, Root(b"", b"/"), b"a", 1, "x/1")
    outcome = Outcome(task, Status.FAILED, Reason.CRASH, seconds=0.6)
    assert again_seconds(outcome, 4, 0.2) == pytest.approx(0.2)


def test_what_is_deferred_moves_the_end_and_widens_its_band():
    """An ETA is later by it."""
    forecast = taught({"txt/3": [(1.0, 1)] * 50})
    sooner, later = (remaining(forecast, Left({"txt/3": 10}, [], 1, d)) for d in (0.0, 3.0))
    assert later.seconds == near(sooner.seconds + 3.0)
    assert later.low == near(sooner.low + 1.0)
    assert later.high == near(sooner.high + 9.0)


# ── what may travel together ─────────────────────────────────────────────────────────────────


def lately(*seconds):
    """What a stratum took lately that saw these."""
    return taught({"txt/3": [(each, 0) for each in seconds]}).took("txt/3")


@fixed
@given(st.lists(st.floats(1e-6, 5e-4), min_size=300, max_size=300), st.floats(0.01, 30.0))
def test_what_a_worker_loads_at_its_first_document_is_forgotten(seconds, first):
    """However long it took, so much of quick work later its kind is known to be quick."""
    quick = lately(*seconds)
    assert is_brief(quick) == is_brief(lately(first, *seconds, *seconds, *seconds, *seconds))


@fixed
@given(st.lists(st.floats(1e-5, 1e-4), min_size=200, max_size=200), st.integers(100, 199))
def test_one_that_the_machine_held_up_does_not_make_its_kind_slow(seconds, at):
    """One in a hundred, and for fifty milliseconds: as seen where others use the machine, too."""
    assert is_brief(lately(*seconds))
    seconds[at] = 0.05
    assert is_brief(lately(*seconds, *seconds[:60]))


@pytest.mark.parametrize("every", [2, 5, 20])
def test_a_kind_with_slow_ones_among_the_quick_is_not_quick(every):
    """Each twentieth takes 100 ms: 5 ms on average, and never forecast below one."""
    seconds = [0.1 if n % every == 0 else 1e-5 for n in range(600)]
    for seen in range(300, 600):
        assert not is_brief(lately(*seconds[:seen]))


def test_a_kind_that_becomes_slow_is_noticed():
    quick = [1e-5] * 1000
    assert is_brief(lately(*quick))
    assert not is_brief(lately(*quick, *[0.01] * 20))


def test_too_few_say_nothing():
    assert lately(*[1e-5] * (TRUSTED - 1)) is None
    mean, deviation = lately(*[1e-5] * TRUSTED)
    assert mean == near(1e-5)
    assert deviation == near(0)
