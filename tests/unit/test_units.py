"""Numbers as people write them, and back."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docherd import units


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1_000, "1.0 kB"),
        (9_960, "10 kB"),
        (999_600, "1.0 MB"),
        (1_234_000_000, "1.2 GB"),
        (45_000_000, "45 MB"),
        (3 * 10**15, "3.0 PB"),
    ],
)
def test_size_is_decimal_and_short(amount, text):
    """A size has at most three digits, in powers of a thousand."""
    assert units.size(amount) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-1, "0 s"),
        (0, "0 s"),
        (0.042, "42 ms"),
        (0.0004, "0.4 ms"),
        (0.9999, "1.0 s"),
        (4.2, "4.2 s"),
        (59.6, "1 min"),
        (252, "4 min 12 s"),
        (5400, "1 h 30 min"),
        (86399, "1 d"),
        (2 * 86400 + 3 * 3600, "2 d 3 h"),
    ],
)
def test_duration_has_at_most_two_units(seconds, text):
    """A duration is written in the one or two units that matter."""
    assert units.duration(seconds) == text


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ((40, 30, 60), "about 40 s (30-60)"),
        ((240, 180, 360), "about 4 min (3-6)"),
        ((5400 * 2, 7200, 14400), "about 3.0 h (2.0-4.0)"),
        ((240, 239, 241), "about 4 min"),
        ((864_000, 432_000, 1_296_000), "about 10.0 d (5.0-15.0)"),
    ],
)
def test_an_estimate_shows_its_range_in_one_unit(values, text):
    """An ETA always carries its band, unless the band rounds to nothing."""
    assert units.estimate(*values) == text


@pytest.mark.parametrize(
    ("per_second", "text"),
    [
        (0, "0.0/s"),
        (12_345.6, "12,346/s"),
        (4.2, "4.2/s"),
        (0.2, "12/min"),
        (0.001, "3.6/h"),
    ],
)
def test_rate_is_per_the_unit_that_gives_a_number_above_one(per_second, text):
    """Slow processors are counted by the minute or the hour."""
    assert units.rate(per_second) == text


def test_a_share_is_never_rounded_up_to_all():
    """100.0 % means that nothing is missing."""
    assert units.share(99_999, 100_000) == "99.9 %"
    assert units.share(7, 7) == "100.0 %"
    assert units.share(0, 0) == "0.0 %"


def test_clock_counts_hours_past_a_day():
    """A clock of 100 hours is not wrapped."""
    assert units.clock(65) == "00:01:05"
    assert units.clock(360_000) == "100:00:00"


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("8GB", 8 * 10**9),
        ("8GiB", 8 * 2**30),
        ("8g", 8 * 10**9),
        ("512MB", 512 * 10**6),
        ("1.5 GiB", 3 * 2**29),
        ("100B", 100),
        (" 64kib ", 65_536),
        ("2TB", 2 * 10**12),
    ],
)
def test_parse_size_tells_decimal_from_binary(text, amount):
    """GB is a thousand million bytes, GiB is 2**30, a bare letter is decimal."""
    assert units.parse_size(text) == amount


@pytest.mark.parametrize("text", ["", "8", "GB", "-8GB", "8 parsecs", "1e9B", "8iB", "8GB8", "٨GB"])
def test_parse_size_says_in_one_line_what_to_write(text):
    """What is no size, or has no unit, is refused with an example."""
    with pytest.raises(ValueError, match="write for example") as caught:
        units.parse_size(text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90", 90),
        ("5m", 300),
        ("1h30m", 5400),
        ("250ms", 0.25),
        ("1.5h", 5400),
        ("2 min 30 s", 150),
        ("1d", 86_400),
        ("10S", 10),
    ],
)
def test_parse_duration_adds_its_parts(text, seconds):
    """A bare number is seconds; parts add up."""
    assert units.parse_duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "m5", "-5s", "5x", "nan", "inf", "1h 30", "5mss"])
def test_parse_duration_says_in_one_line_what_to_write(text):
    """What is no duration is refused with an example."""
    with pytest.raises(ValueError, match="write for example"):
        units.parse_duration(text)


@given(st.integers(min_value=0, max_value=10**18))
def test_a_written_size_reads_back_within_its_rounding(amount):
    """What size() writes, parse_size() takes, and it is the same to 6 %."""
    assert units.parse_size(units.size(amount)) == pytest.approx(amount, rel=0.06, abs=1)


@given(st.floats(min_value=0, max_value=10**7))
def test_a_written_duration_reads_back_within_its_rounding(seconds):
    """What duration() writes, parse_duration() takes, and it is the same to 6 %."""
    assert units.parse_duration(units.duration(seconds)) == pytest.approx(
        seconds, rel=0.06, abs=0.0001
    )
