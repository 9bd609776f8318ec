"""The engine dies, or its disk says no, at some of the calls that `make chaos` takes all of."""

from __future__ import annotations

import pytest
from chaos.scenario import SCENARIOS
from chaos.sections import points
from chaos.session import Session

from chaos import calls

pytestmark = pytest.mark.timeout(300)


#: of Parquet and of files the one in which most happens: parts are made, replaced and published
SOME = [
    pytest.param(each, marks=[pytest.mark.slow] if each.format == "parquet" else [], id=each.name)
    for each in SCENARIOS
    if each.format == "jsonl" or each.name.startswith("rewrite")
]


@pytest.fixture(scope="module", params=SOME)
def prepared(request, tmp_path_factory):
    """What the command is doing when it is disturbed, ready to be disturbed often."""
    if why := calls.missing():
        pytest.skip(why)
    return points.ready(Session(tmp_path_factory.mktemp("points")), request.param)


def test_a_death_at_any_call_is_made_good(session, prepared):
    """E01, S07, S11, S12: killed at some of its calls, a run loses and doubles nothing."""
    every = 43 if prepared.scenario.format == "jsonl" else 97
    swept = points.sweep(session, prepared, every=every, faults=("kill",))
    assert swept.tally.bad == 0, swept.tally.problems
    assert swept.tally.injected >= 3


def test_a_disk_that_says_no_at_any_call_stops_the_run(session, prepared):
    """S01, S02, S05: it ends with 3 and one line, or needed not to; then it can go on."""
    swept = points.sweep(session, prepared, every=90, faults=calls.ERRORS)
    assert swept.tally.bad == 0, swept.tally.problems
    assert swept.tally.injected >= 2
