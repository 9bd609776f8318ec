"""Trends over strata, and how a stratum is drawn towards one: against data made from a trend."""

import math
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from docherd.trend import REMEMBERED, WIDEST, Logs, Trend, Usual, drawn, fit

fixed = settings(derandomize=True, deadline=None, max_examples=200)
USUAL = Usual((0.4, 0.1), 1.0, 0.5)
VALUES = st.floats(-50, 50)
LOGS = st.builds(Logs, st.integers(0, 10_000), VALUES, st.floats(0, 2000))
PLACES = st.tuples(st.integers(0, 63), st.integers(0, 31))
POINTS = st.lists(st.tuples(PLACES, LOGS), max_size=12)


def near(value):
    return pytest.approx(value, rel=1e-9, abs=1e-9)


def added(values, most=REMEMBERED):
    logs = Logs()
    for value in values:
        logs.add(value, most)
    return logs


def made(level, slopes, places, documents, noise=0.3, between=0.0, seed=1):
    """Points of strata that follow a trend, each of so many Documents."""
    generator = random.Random(seed)
    for where in places:
        off = generator.gauss(0, between)
        mean = level + sum(s * w for s, w in zip(slopes, where, strict=True)) + off
        yield where, added([generator.gauss(mean, noise) for _ in range(documents)])


GRID = [(size, pages) for size in range(15, 25, 2) for pages in range(1, 11, 3)]


# ── logs ─────────────────────────────────────────────────────────────────────────────────────


@fixed
@given(st.lists(VALUES, min_size=1, max_size=60))
def test_mean_and_spread_are_those_of_the_values(values):
    """As computed directly, as long as nothing fades."""
    logs = added(values)
    mean = sum(values) / len(values)
    assert logs.count == len(values)
    assert logs.mean == pytest.approx(mean, abs=1e-9)
    assert logs.spread == pytest.approx(sum((v - mean) ** 2 for v in values) / len(values))


@fixed
@given(st.lists(VALUES, max_size=60), VALUES, VALUES)
def test_after_so_many_what_was_seen_earlier_fades(values, before, after):
    """Each further value counts 1 / most: after ``most`` of them about 63 % is new."""
    logs = added([before] * 20 + [after] * 20, most=20)
    faded = (1 - 1 / 20) ** 20
    assert logs.mean == near(after + (before - after) * faded)
    logs = added(values + [after] * 400, most=20)
    assert logs.mean == pytest.approx(after, abs=1e-6)
    assert logs.spread == pytest.approx(0, abs=1e-4)


@fixed
@given(st.lists(VALUES, min_size=1, max_size=20), VALUES, st.integers(1, 20))
def test_one_that_stands_for_many_counts_as_if_they_all_were_the_same(values, value, times):
    """Weight, count and spread."""
    one, all_of_them = added(values), added([*values, *[value] * times])
    one.add(value, times=times)
    assert one.count == all_of_them.count
    assert one.mean == pytest.approx(all_of_them.mean, abs=1e-9)
    assert one.spread == pytest.approx(all_of_them.spread, abs=1e-7)


# ── the fit ──────────────────────────────────────────────────────────────────────────────────


def test_nothing_gives_no_trend():
    """Neither no strata nor strata without a measurement."""
    assert fit([], USUAL) is None
    assert fit([((1, 2), Logs())], USUAL) is None


@fixed
@given(POINTS, PLACES)
def test_any_measurements_give_finite_numbers(points, where):
    """And variances within what is believed in."""
    trend = fit(points, USUAL)
    if trend is None:
        assert not any(logs.count for _, logs in points)
        return
    numbers = [*trend.centre, *trend.slopes, trend.level, trend.at(where), trend.worth]
    assert all(map(math.isfinite, numbers))
    assert 0 < trend.within <= WIDEST
    assert 0 < trend.around <= WIDEST
    assert 0.5 <= trend.worth <= 10
    mean = sum(w * logs.mean for _, logs, w in weighed(points)) / sum(
        w for *_, w in weighed(points)
    )
    assert trend.at(trend.centre) == pytest.approx(mean, abs=1e-6)


def weighed(points):
    return [(where, logs, min(logs.count, 20)) for where, logs in points if logs.count]


@fixed
@given(PLACES, st.integers(1, 1000), VALUES, st.floats(0, 5))
def test_one_stratum_keeps_the_usual_slopes(where, count, mean, spread):
    """Nothing is known of what size and pages do: what is usual counts."""
    trend = fit([(where, Logs(count, mean, spread))], USUAL)
    assert trend.slopes == near(USUAL.slopes)
    assert trend.at(where) == near(mean)
    assert trend.at((where[0] + 1, where[1])) == near(mean + USUAL.slopes[0])
    assert trend.at((where[0], where[1] + 1)) == near(mean + USUAL.slopes[1])


@fixed
@given(st.floats(-1, 2), st.floats(-1, 2), st.floats(-10, 5), st.integers(0, 99))
def test_plenty_of_data_gives_its_slopes_and_level(by_size, by_pages, level, seed):
    """Whatever was thought usual before."""
    trend = fit(made(level, (by_size, by_pages), GRID, 60, seed=seed), USUAL)
    assert trend.slopes == pytest.approx((by_size, by_pages), abs=0.05)
    for where in GRID:
        expected = level + by_size * where[0] + by_pages * where[1]
        assert trend.at(where) == pytest.approx(expected, abs=0.3)
    assert trend.within == pytest.approx(0.09, abs=0.05)
    assert trend.around < 0.2


@fixed
@given(st.integers(0, 99))
def test_strata_that_differ_are_seen_to_differ(seed):
    """The variance around the trend is that of the strata, so each is believed itself."""
    calm = fit(made(0, (0.4, 0.1), GRID, 60, between=0.0, seed=seed), USUAL)
    wild = fit(made(0, (0.4, 0.1), GRID, 60, between=1.2, seed=seed), USUAL)
    assert wild.around > 0.3 > 0.2 > calm.around
    assert wild.worth == 0.5
    assert wild.worth <= calm.worth


@fixed
@given(st.lists(st.integers(10, 30), min_size=2, max_size=6, unique=True), st.floats(0, 2))
def test_what_grows_with_size_has_a_trend_that_grows(sizes, slope):
    """Sane: never downwards where no measurement went down."""
    points = [((size, 0), Logs(20, slope * size, 0.1)) for size in sizes]
    trend = fit(points, USUAL)
    assert min(slope, 0.4) - 1e-9 <= trend.slopes[0] <= max(slope, 0.4) + 1e-9


@fixed
@given(POINTS.filter(weighed), st.randoms(use_true_random=False))
def test_the_order_of_strata_does_not_matter(points, rng):
    """They come as they were met."""
    one = fit(points, USUAL)
    rng.shuffle(points)
    other = fit(points, USUAL)
    assert other.slopes == pytest.approx(one.slopes, rel=1e-6, abs=1e-6)
    assert other.level == pytest.approx(one.level, rel=1e-6, abs=1e-6)
    assert other.around == pytest.approx(one.around, rel=1e-6)


def test_a_stratum_with_many_weighs_no_more_than_one_with_twenty():
    """Or the one that is met ten thousand times would hide what the others show."""
    few = fit([((10, 0), Logs(20, 1.0, 0.1)), ((20, 0), Logs(20, 9.0, 0.1))], USUAL)
    many = fit([((10, 0), Logs(10**6, 1.0, 0.1)), ((20, 0), Logs(20, 9.0, 0.1))], USUAL)
    assert many == few


def test_a_stratum_with_one_hardly_moves_what_hundred_say():
    """Weights: a single odd Document is one of all."""
    points = [((size, 0), Logs(20, 0.4 * size, 0.1)) for size in range(10, 20)]
    with_odd = fit([*points, ((20, 0), Logs(1, 30.0, 0.0))], USUAL)
    assert with_odd.at((15, 0)) == pytest.approx(6.0, abs=0.2)


# ── drawn ────────────────────────────────────────────────────────────────────────────────────

TRENDS = st.builds(
    Trend,
    st.tuples(st.floats(0, 30), st.floats(0, 10)),
    VALUES,
    st.tuples(st.floats(-2, 2), st.floats(-2, 2)),
    st.floats(0.01, WIDEST),
    st.floats(0.01, WIDEST),
)


@fixed
@given(LOGS, TRENDS, PLACES)
def test_what_is_drawn_lies_between_its_own_and_the_trend(own, trend, where):
    """Mean and spread; without anything of its own it is the trend's."""
    logs, variance = drawn(own, trend, where)
    assert between(logs.mean, own.mean, trend.at(where))
    assert between(logs.spread, own.spread, trend.within)
    assert logs.count == own.count
    assert 0 <= variance <= trend.around * (1 + 1e-9)
    if own.count == 0:
        assert variance == near(trend.around)  # so far may it be off
        assert logs.mean == near(trend.at(where))
        assert logs.spread == near(trend.within)


def between(value, one, other):
    return min(one, other) - 1e-6 <= value <= max(one, other) + 1e-6


@fixed
@given(VALUES, st.floats(0, 10), TRENDS, PLACES)
def test_the_more_was_measured_the_more_it_is_its_own(mean, spread, trend, where):
    """Nearer to its own mean with each, and there in the end."""
    far = [
        abs(drawn(Logs(n, mean, spread), trend, where)[0].mean - mean) for n in (0, 1, 5, 50, 10**7)
    ]
    assert far == sorted(far, reverse=True)
    assert far[-1] < 1e-3


@fixed
@given(VALUES, st.floats(0.01, WIDEST), TRENDS, PLACES)
def test_the_more_was_measured_the_surer_its_mean(mean, spread, trend, where):
    """The variance shrinks to nothing, as 1 / n."""
    sure = [drawn(Logs(n, mean, spread), trend, where)[1] for n in (1, 10, 100, 1000, 10**6)]
    assert sure[1:] == sorted(sure[1:], reverse=True)
    assert sure[-1] < 1e-4
    assert sure[-1] == pytest.approx(spread / 10**6, rel=0.2, abs=1e-6)
