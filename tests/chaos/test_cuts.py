"""The power is cut."""

from __future__ import annotations

import random

import pytest
from chaos.sections import cuts

from chaos import disk, formats


@pytest.fixture
def trees(session):
    if why := disk.missing():
        pytest.skip(why)
    return {"medium": cuts.tree(session.fresh("cuts") / "medium", cuts.SIZES["medium"])}


@pytest.mark.parametrize("format", formats.FORMATS)
def test_what_was_acknowledged_survives_a_power_cut(session, trees, format):
    """E15: a cut loses nothing that was acknowledged, and the same command ends the run."""
    for tally in cuts.cuts(session, trees, random.Random(1), 1, [], format):
        assert tally.bad == 0, tally.problems


def test_a_run_without_syncs_is_found_out(session, trees, traced):
    """E15: were nothing synced, a cut would show it."""
    found = cuts.cuts(session, trees, random.Random(4), 2, cuts.NO_SYNC)
    assert any(tally.bad for tally in found)
