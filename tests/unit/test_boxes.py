"""Bars and box plots."""

import math
import re

import pytest

from docherd.remembered import Spread
from docherd.report import boxes
from docherd.report.boxes import Scale
from docherd.units import duration


def attributes(markup, name):
    return [float(value) for value in re.findall(rf' {name}="([\d.]+)%"', markup)]


@pytest.mark.parametrize(
    ("part", "whole", "width"),
    [(1, 4, [25.0]), (0, 4, []), (9, 4, [100.0]), (1, 10**9, [0.6]), (3, 0, [0.6]), (-1, 4, [])],
)
def test_a_bar_is_as_long_as_its_part_and_seen_if_there_is_any(part, whole, width):
    """Nothing is nothing; the least is still a mark; never more than the whole."""
    assert attributes(boxes.bar(part, whole), "width") == width


def test_parts_fill_the_whole_and_the_smallest_is_seen():
    """One failure among a million documents is visible, and nothing reaches over the edge."""
    drawn = boxes.split([("done", 999_998), ("failed", 1), ("skipped", 0), ("gone", 1)], "all")
    places = attributes(drawn, "x")
    widths = attributes(drawn, "width")
    assert "skipped" not in drawn
    assert min(widths) > 0.5
    assert sum(widths) == pytest.approx(100, abs=0.05)
    assert max(places) < 100
    assert "<rect" not in boxes.split([("done", 0)], "none")


@pytest.mark.parametrize("low", [1e-6, 3e-4, 0.9, 42e6])
@pytest.mark.parametrize("factor", [1.0, 1.5, 7, 1e3, 1e9])
def test_a_scale_holds_all_and_has_a_few_round_marks(low, factor):
    """From microseconds to terabytes, from all the same to nine decades apart."""
    spread = Spread(low, low, low, low, low, low * factor)
    scale = boxes.scale([spread, Spread(0, 0, 0, 0, 0, 0)])
    assert 0 <= scale.at(low) <= scale.at(low * factor) <= 100
    marks = scale.marks()
    assert 1 <= len(marks) <= 5
    assert all(0 <= scale.at(mark) <= 100 for mark in marks)
    for mark in marks:
        first = mark / 10 ** math.floor(math.log10(mark) + 1e-9)
        assert min(abs(first - one) for one in (1, 1.5, 2, 3, 4, 5, 6, 8)) < 1e-6


def test_nothing_measured_has_no_scale():
    """Not a division by zero."""
    assert boxes.scale([]) is None
    assert boxes.scale([Spread(0, 0, 0, 0, 0, 0)]) is None


def test_a_box_stands_where_its_values_are():
    """A decade is half of two decades; the words say the same as the picture."""
    drawn = boxes.box(Spread(1, 3.1622776, 10, 31.622776, 100, 100), Scale(1, 100), duration)
    (x,) = re.findall(r'<rect x="([\d.]+)%" width="50\.0%"', drawn)
    assert x == "25.0"
    assert 'class="median" x1="50.0%"' in drawn
    assert 'cx="100.0%"' in drawn
    assert 'aria-label="median 10 s, 90 of 100 from 1.0 s to 1 min 40 s, at most' in drawn


def test_what_is_zero_or_beyond_stays_inside():
    """Half of a kind that took no time at all is drawn at the left edge."""
    drawn = boxes.box(Spread(0, 0, 0, 2, 5, 900), Scale(1, 10), duration)
    assert min(attributes(drawn, "x1")) == 0
    assert max(attributes(drawn, "x2") + attributes(drawn, "cx")) == 100


def test_the_axis_says_each_mark_once():
    """The first and the last do not reach over the edges."""
    drawn = boxes.axis(Scale(1, 1000), lambda value: f"{value:g} s")
    assert re.findall(r">([^<]+)</text>", drawn) == ["1 s", "10 s", "100 s", "1000 s"]
    assert re.findall(r'class="(\w+)"', drawn) == ["axis", "start", "middle", "middle", "end"]
