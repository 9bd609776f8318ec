"""Sheets, cell by cell."""

from datetime import date, datetime, time

import pytest
from quality.cells import UNSETTLED, Score, agreed, compact, compare, placed, said


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, ""),
        (True, "TRUE"),
        (3, "3"),
        (3.0, "3"),
        (0.1 + 0.2, "0.3"),
        (datetime(2026, 11, 24), "2026-11-24"),
        ("2026-11-24 00:00:00", "2026-11-24"),
        (datetime(2026, 11, 24, 9, 30), "2026-11-24 09:30:00"),
        (date(2026, 11, 24), "2026-11-24"),
        (time(9, 30), "09:30:00"),
        ("two\n lines", "two lines"),
    ],
)
def test_types_do_not_count_but_what_is_said(value, text):
    """Every library types cells in its own way."""
    assert said(value) == text


def test_where_a_sheet_begins_does_not_count():
    """Rows and columns that are empty for all are no difference."""
    assert compact(placed([[], ["", "a", "", "b"], [], ["", "", "", "c"]])) == [
        ["a", "b"],
        ["", "c"],
    ]


def test_one_row_too_many_costs_only_itself():
    """The rows below it are still beside their like."""
    expected = [[str(row), "x"] for row in range(10)]
    found = [*expected[:3], ["noise", "y"], *expected[3:]]
    assert compare(found, expected) == Score(right=20, found=22, expected=20)
    assert compare(expected, expected).f1 == 1


def test_a_cell_in_another_column_is_wrong():
    """Its value alone does not do."""
    assert compare([["", "a"]], [["a", ""]]) == Score(right=0, found=1, expected=1)


def test_unsettled_cells_are_not_counted():
    """Where two readers differ, whatever is found is neither right nor wrong."""
    right, unsettled = agreed([{(0, 0): "a", (0, 1): "1"}, {(0, 0): "a", (0, 1): "2"}])
    assert right == {(0, 0): "a", (0, 1): UNSETTLED}
    assert unsettled == {(0, 1): "1 / 2"}
    assert compare([["a", "2"]], compact(right)) == Score(right=1, found=1, expected=1)
    assert compare([["a"]], compact(right)) == Score(right=1, found=1, expected=1)
