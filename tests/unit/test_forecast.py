"""What is learned and foretold: of simple worlds, in which the truth is known."""

import json
import math
import random
from dataclasses import astuple

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from docherd.discovery import stratum_of
from docherd.eta import Left, again_seconds, remaining
from docherd.forecast import TRUSTED, UNSEEN, Forecast
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
@example({"txt/9": [(0.0, 0)]}, "pdf/18")  # as many of its own kind as there were of others
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
        one, other = before.dump(), after.dump()
        assert list(one) == list(other) == ["pdf/17"]
        assert json.loads(one["pdf/17"]) == near(json.loads(other["pdf/17"]))


def test_rows_of_an_older_docherd_are_taken_in():
    """Count, mean, sum of squares and highest peak: the mean is kept, and so is the peak."""
    old = {"pdf/17": "[100, 2.0, 36.0, 50000000]", "txt/9": "[1, 0.0, 0.0, 0]"}
    forecast = Forecast(old)
    cost = forecast.cost("pdf/17")
    assert cost.seconds == pytest.approx(2.0, rel=0.05)
    assert cost.memory == pytest.approx(50e6, rel=0.01)
    assert forecast.cost("txt/9").memory > 15e6  # no peak was seen: as others, by its size
    assert Forecast({"pdf/17": "[0, 0, 0, 0]"}).cost("pdf/17") is None


ODD = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=5),
    st.lists(st.integers() | st.floats() | st.none() | st.text(max_size=2), max_size=11),
    *(st.lists(st.floats(), min_size=n, max_size=n) for n in (4, 10)),
    *(st.lists(st.floats(0, 1e300), min_size=n, max_size=n) for n in (4, 10)),
    *(st.lists(st.integers(-1, 1), min_size=n, max_size=n) for n in (4, 10)),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=10),
)
NAMES = KNOWN | st.text(max_size=9)


@fixed
@given(st.dictionaries(NAMES, ODD.map(json.dumps) | st.text(max_size=9), max_size=4), STRATA)
def test_a_damaged_row_is_learned_again(rows, asked):
    """Whatever is in the ledger: no error at the start, and nothing but numbers afterwards."""
    forecast = Forecast(rows)
    learn(forecast, asked, [(1.0, 1 << 24)] * 3)
    check(forecast.cost(asked))
    for stratum, text in forecast.dump().items():
        assert stratum == asked
        json.loads(text)


def test_a_damaged_row_costs_no_other():
    """What the others have learned counts."""
    sound = taught({"pdf/17": [(3.0, 1 << 24)] * 50}).dump()
    forecast = Forecast({"txt/9": "[1, 2", **sound, "odd": "[1, 1, 0, 5]", "/0": "[NaN, 1, 1, 1]"})
    assert forecast.cost("pdf/17").seconds == pytest.approx(3.0, rel=0.05)
    assert list(forecast._strata) == ["pdf/17"]


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


# ── simple worlds ────────────────────────────────────────────────────────────────────────────


def check(cost):
    """Numbers that anything can be computed with."""
    if cost is None:
        return
    assert all(math.isfinite(value) and value >= 0 for value in astuple(cost))
    assert cost.memory <= cost.memory_upper


EXTREME = st.tuples(
    st.sampled_from([0.0, 1e-9, 1e-6, 1e-3, 1.0, 1e6]) | st.floats(0, 1e6),
    st.sampled_from([0, 1, 1 << 20, 1 << 30, 1 << 50]) | st.integers(0, 1 << 50),
)
ENDS = st.sampled_from([(Status.DONE, None), *((Status.FAILED, reason) for reason in Reason)])
ANY_STRATUM = st.builds(
    lambda name, size, pages: f"{name}/{size}" + ("" if pages is None else f"/{pages}"),
    st.sampled_from(["pdf", "txt", ""]),
    st.integers(0, 63),
    st.none() | st.integers(0, 31),
)


@fixed
@given(st.lists(st.tuples(ANY_STRATUM, EXTREME, ENDS), max_size=40), ANY_STRATUM)
def test_whatever_is_measured_numbers_come_out(outcomes, asked):
    """Nothing, a week, no bytes and a petabyte: finite, and never less than nothing."""
    forecast = Forecast()
    for stratum, (seconds, peak), (status, reason) in outcomes:
        task = Task(1, Root(b"", b"/"), b"a", 1, stratum)
        forecast.learn(Outcome(task, status, reason, seconds=seconds, peak=peak))
        check(forecast.cost(stratum))
    check(forecast.cost(asked))
    check(Forecast(forecast.dump()).cost(asked))
    took = forecast.took(asked)
    assert took is None or all(math.isfinite(value) and value >= 0 for value in took)


def test_a_steep_trend_can_be_continued_anywhere():
    """From nothing to a week within one doubling: neither endless nor nothing far away."""
    steep = {f"pdf/{n}": [(1e-6 if n < 6 else 1e6, 1)] * 30 for n in range(12)}
    forecast = taught(steep)
    for far in ("pdf/0", "pdf/63"):
        learn(forecast, far, [(1.0, 1)] * 4)
        check(forecast.cost(far))
    gentle = taught({"pdf/5": [(1e6, 1)] * 30, "pdf/6": [(1e-6, 1)] * 30})
    learn(gentle, "pdf/63", [(1.0, 1)])
    check(gentle.cost("pdf/63"))


@fixed
@given(st.floats(1e-4, 1e3), st.integers(1 << 21, 1 << 40), st.sampled_from([30, 200, 2000]))
def test_a_stratum_of_equals_costs_that(seconds, peak, number):
    """Of many equal measurements the next one is another; 3 % are for surprises and doubt."""
    cost = taught({"pdf/17": [(seconds, peak)] * number}).cost("pdf/17")
    assert cost.seconds == pytest.approx(seconds, rel=0.03)
    assert seconds <= cost.upper < 1.15 * seconds
    assert cost.memory == pytest.approx(peak, rel=1e-6)
    assert peak <= cost.memory_upper < 1.05 * peak
    assert cost.doubt < 0.02 * seconds
    assert cost.deviation < 0.2 * seconds


def test_a_kind_seen_once_is_known_roughly():
    """Within a factor of two, and the band says how little is known."""
    cost = taught({"pdf/17": [(0.5, 1 << 24)]}).cost("pdf/17")
    assert 0.5 <= cost.seconds < 1.0
    assert cost.upper > 1.5
    assert cost.deviation > 0.5
    assert cost.memory < 1.1 * (1 << 24) < cost.memory_upper


@fixed
@given(st.floats(0.1, 1.0), st.integers(0, 99))
def test_so_many_of_100_stay_below_the_upper(spread, seed):
    """In a log-normal world 95 take less time, and 80 less memory."""
    rng = random.Random(seed)
    took = [
        (rng.lognormvariate(0, spread), int(1e8 * rng.lognormvariate(0, spread / 3)))
        for _ in range(2000)
    ]
    cost = taught({"pdf/17": took[:1000]}).cost("pdf/17")
    below = sum(seconds <= cost.upper for seconds, _ in took[1000:])
    smaller = sum(peak <= cost.memory_upper for _, peak in took[1000:])
    assert 910 <= below <= 980
    assert 740 <= smaller <= 850
    mean = sum(seconds for seconds, _ in took[:1000]) / 1000
    assert cost.seconds == pytest.approx(mean, rel=0.15)


@pytest.mark.parametrize("at", [TRUSTED, 50, 199])
def test_one_outlier_is_charged_to_its_family(at):
    """A thousand times the others: its stratum's mean hardly moves, the family pays about all."""
    world = {f"pdf/{n}": [(0.01, 1 << 24)] * 200 for n in (15, 16, 17)}
    calm = taught(world)
    world["pdf/16"][at] = (10.0, 1 << 24)
    odd = taught(world)
    for stratum in world:
        own = odd._strata[stratum]
        assert own.seconds == pytest.approx(0.01, rel=0.1)
        rise = odd.cost(stratum).seconds - calm.cost(stratum).seconds
        assert rise == pytest.approx(10 / (600 + UNSEEN), rel=0.05)  # all alike
    expected = 200 * sum(odd.cost(stratum).seconds for stratum in world)
    seen = sum(seconds for measured in world.values() for seconds, _ in measured)
    assert expected == pytest.approx(seen, rel=0.25)


@fixed
@given(st.integers(0, 99), st.sampled_from([0.3, 1.0]))
def test_what_a_family_took_is_what_it_is_expected_to_take(seed, spread):
    """Totals: the winsorised part is in what all of them are charged, and one surprise more."""
    rng = random.Random(seed)
    world = {
        f"pdf/{n}": [(2.0 ** (n - 17) * rng.lognormvariate(0, spread), 1 << 24) for _ in range(300)]
        for n in (15, 17, 19)
    }
    forecast = taught(world)
    expected = 300 * sum(forecast.cost(stratum).seconds for stratum in world)
    seen = sum(seconds for measured in world.values() for seconds, _ in measured)
    assert expected == pytest.approx(seen, rel=0.3)


def test_a_stratum_never_seen_borrows_from_its_family_then_from_all():
    """By size: what twice as much takes is what it took on average."""
    world = {f"pdf/{n}": [(2.0 ** (n - 17), 1 << 24)] * 30 for n in (14, 15, 16, 17)}
    world |= {"txt/14": [(1e-3, 1 << 22)] * 30}
    forecast = taught(world)
    assert forecast.cost("pdf/18").seconds == pytest.approx(2.0, rel=0.4)
    assert forecast.cost("pdf/13").seconds == pytest.approx(1 / 16, rel=0.4)
    assert forecast.cost("txt/15").seconds < 3e-3
    unknown = forecast.cost("eml/16")
    assert 1e-3 < unknown.seconds < 5
    assert unknown.upper > 2 * unknown.seconds  # nobody knows
    assert unknown.doubt > 0.5 * unknown.seconds


def test_files_without_an_extension_are_a_family_too():
    """What the others take says nothing about them, nor they about the others."""
    world = {"pdf/17": [(100.0, 1 << 30)] * 50, "/17": [(1e-3, 1 << 22)] * 50}
    forecast = taught(world)
    assert forecast.cost("/17").seconds == pytest.approx(1e-3, rel=0.05)
    assert forecast.cost("/18").seconds < 3e-3
    assert forecast.cost("/18").memory < 1 << 23
    assert forecast.cost("pdf/18").seconds > 100


def test_the_pages_of_a_document_tell_more_than_its_size():
    """Of one size: 10 pages and 1,000, each a millisecond; those between are foretold."""
    world = {f"pdf/22/{n}": [(2**n / 1000, 1 << 26)] * 20 for n in (3, 4, 9, 10)}
    forecast = taught(world)
    for pages in (6, 7):
        assert forecast.cost(f"pdf/22/{pages}").seconds == pytest.approx(2**pages / 1000, rel=0.3)
    assert forecast.cost("pdf/24/6").seconds < 3 * forecast.cost("pdf/22/6").seconds
    assert forecast.cost("pdf/22") is not None


def test_neighbours_in_size_share_what_they_know():
    """One odd measurement among strata that are known is not believed by itself."""
    world = {f"pdf/{n}": [(1.0, 1 << 24)] * 30 for n in (14, 15, 17, 18)}
    alone, among = (
        taught({"pdf/16": [(8.0, 1 << 24)]}),
        taught(world | {"pdf/16": [(8.0, 1 << 24)]}),
    )
    assert alone.cost("pdf/16").seconds > 8
    assert among.cost("pdf/16").seconds < 3
    learn(among, "pdf/16", [(8.0, 1 << 24)] * 100)  # but a hundred are
    assert among.cost("pdf/16").seconds == pytest.approx(8, rel=0.2)


# ── as it goes on ────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("slow", "share"), [(1.0, 0.001), (0.002, 0.1), (0.02, 0.01), (0.0015, 0.5)]
)
def test_brief_ones_that_are_passed_over_do_not_bias(slow, share):
    """Mean and total are those of all, though of the brief ones only one in eight is looked at."""
    rng = random.Random(1)
    took = [slow if rng.random() < share else 1e-4 for _ in range(30_000)]
    forecast = taught({"txt/9": [(seconds, 0) for seconds in took]})
    assert forecast.cost("txt/9").seconds == pytest.approx(sum(took) / len(took), rel=0.25)
    assert forecast.mean == pytest.approx(sum(took[-5000:]) / 5000, rel=0.5)
    looked_at = forecast._strata["txt/9"]
    assert looked_at.took.count == pytest.approx(len(took), abs=8)


def test_what_was_passed_over_is_not_much_work():
    """Of 8,000 brief ones that are alike about 1,500 are taken in."""
    forecast, taken = Forecast(), 0
    learn(forecast, "txt/9", [(1e-4, 0)] * 501)
    for _ in range(8000):
        before = forecast._strata["txt/9"].took.count
        learn(forecast, "txt/9", [(1e-4, 0)])
        taken += forecast._strata["txt/9"].took.count > before
    assert taken == 1000


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (1.0, 10.0, {100: 1.7, 1000: 6.9, 3000: 10.0}),
        (10.0, 1.0, {100: 9.2, 1000: 4.4, 3000: 1.45}),
    ],
    ids=["slower", "faster"],
)
def test_costs_that_change_are_followed(before, after, expected):
    """Ten times as much or as little: 63 % after 1,000 more at the latest, 95 % after 3,000."""
    forecast, seen = taught({"txt/9": [(before, 1 << 24)] * 1000}), 0
    for more, seconds in expected.items():
        learn(forecast, "txt/9", [(after, 1 << 24)] * (more - seen))
        seen = more
        assert forecast.cost("txt/9").seconds == pytest.approx(seconds, rel=0.1)
    left = abs(forecast.cost("txt/9").seconds - after) / abs(before - after)
    assert left < 0.06


@pytest.mark.parametrize("lie", [10.0, 0.1])
@pytest.mark.parametrize("kept", [50, 5000])
def test_what_another_machine_has_learned_is_overcome(lie, kept):
    """Ten times as fast or slow: more than half of the lie is forgotten after 1,000 measurements
    here, after 300 where little was remembered.
    """
    history = taught({"pdf/17": [(lie, 1 << 24)] * kept}).dump()
    forecast = Forecast(history)
    assert forecast.cost("pdf/17").seconds == pytest.approx(lie, rel=0.03)
    learn(forecast, "pdf/17", [(1.0, 1 << 24)] * (1000 if kept > 1000 else 300))
    off = (forecast.cost("pdf/17").seconds - 1) / (lie - 1)
    assert abs(off) < 0.45


def test_a_stratum_far_above_its_trend_is_learned():
    """A thousand times what its family says: nearly nothing of it after one, all of it after 30."""
    forecast = taught({"txt/9": [(0.01, 1 << 24)] * 200})
    learn(forecast, "txt/10", [(10.0, 1 << 24)])
    assert forecast.cost("txt/10").seconds < 1
    learn(forecast, "txt/10", [(10.0, 1 << 24)] * 29)
    assert forecast.cost("txt/10").seconds > 8  # and far more, while it may be anything
    learn(forecast, "txt/10", [(10.0, 1 << 24)] * 270)
    assert forecast.cost("txt/10").seconds == pytest.approx(10, rel=0.25)


def test_what_is_asked_again_is_up_to_date():
    """Own measurements count at once, however many its family has, and whoever asked before."""
    forecast = taught({"txt/9": [(1.0, 1 << 24)] * 5000})
    rough, foreign = forecast.cost("txt/12").seconds, forecast.cost("eml/12").seconds
    learn(forecast, "txt/12", [(0.01, 1 << 24)] * 8)
    assert forecast.cost("txt/12").seconds < rough / 10
    learn(forecast, "txt/9", [(0.01, 1 << 24)] * 5000)
    assert forecast.cost("eml/12").seconds < foreign / 10
    learn(forecast, "eml/11", [(1e-3, 1 << 24)] * 3)
    assert forecast.cost("eml/12").seconds < foreign


def test_memory_is_learned_where_nothing_else_can_be():
    """Documents that are killed for their memory say nothing of their time, but this."""
    forecast = taught({"txt/9": [(0.1, 1 << 26)] * 50})
    assert forecast.cost("pdf/17").memory_upper < 1 << 29
    task = Task(1, Root(b"", b"/"), b"a", 1, "pdf/17")
    for _ in range(20):
        forecast.learn(Outcome(task, Status.FAILED, Reason.MEMORY, seconds=9.0, peak=1 << 32))
    assert forecast.cost("pdf/17").memory > 1 << 31
    assert forecast.cost("pdf/18").memory > 1 << 30
    assert forecast.cost("txt/9").memory < 1 << 27


def test_what_was_cut_short_or_came_back_untouched_says_nothing_of_time():
    """Its seconds are those until it was stopped."""
    forecast = taught({"pdf/17": [(1.0, 1 << 24)] * 50})
    before = forecast.cost("pdf/17").seconds
    task = Task(1, Root(b"", b"/"), b"a", 1, "pdf/17")
    forecast.dump()
    for _ in range(100):
        forecast.learn(Outcome(task, Status.PENDING, seconds=50.0))
    assert forecast.dump() == {}
    for reason in (Reason.CRASH, Reason.EXIT, Reason.MEMORY) * 30:
        forecast.learn(Outcome(task, Status.FAILED, reason, seconds=50.0))
    assert forecast.cost("pdf/17").seconds == pytest.approx(before)
    for _ in range(2):
        forecast.learn(Outcome(task, Status.FAILED, Reason.TIMEOUT, seconds=50.0))
    assert forecast.cost("pdf/17").seconds > before


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
