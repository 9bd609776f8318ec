"""The tests of faults notice a docherd that is broken."""

from __future__ import annotations

import pytest
from chaos.broken import BREAKAGES, copy
from chaos.sections import broken


def name(breakage):
    return breakage.name


@pytest.mark.parametrize("breakage", BREAKAGES, ids=name)
def test_every_breakage_still_breaks_something(tmp_path, breakage):
    """S11, S12: the text that a breakage replaces is there, once."""
    assert copy(breakage, tmp_path).path == str(tmp_path)


@pytest.mark.parametrize("wanted", ["cleaned", "never-charged"])
def test_a_broken_copy_is_noticed(session, traced, wanted):
    """E01, S15: data/ cleaned at a start, a deadly document tried for ever: somebody says so."""
    (breakage,) = [each for each in BREAKAGES if each.name == wanted]
    suite, found = broken.hunt(session, breakage)
    assert suite == breakage.suites[0]
    assert found
