"""What one run learned serves the next, and can do it no harm."""

import json
import os
import stat

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from docherd import experience
from docherd.forecast import EXPERIENCE, Forecast
from docherd.model import Outcome, Root, Status, Task

ROOT = Root(b"in", b"/in")


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """A cache of the test's own."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "docherd"


def learned(seconds, stratum="pdf/17", times=50):
    forecast = Forecast()
    for number in range(times):
        task = Task(number, ROOT, b"a", 1, stratum)
        forecast.learn(Outcome(task, Status.DONE, seconds=seconds, peak=100 << 20))
    return forecast.dump()


def test_what_was_remembered_is_recalled_by_processor():
    """And not for another one."""
    experience.remember("extract", learned(2.0))
    assert experience.recall("extract") == learned(2.0)
    assert experience.recall("other") == {}


def test_a_later_run_replaces_what_it_measured_and_keeps_the_rest():
    experience.remember("extract", learned(2.0) | learned(1.0, "txt/3"))
    experience.remember("extract", learned(3.0))
    assert experience.recall("extract") == learned(3.0) | learned(1.0, "txt/3")


def test_a_run_begins_with_what_others_saw():
    """At once there is a cost, and its memory."""
    cost = Forecast({}, learned(2.0)).cost("pdf/17")
    assert 1.5 < cost.seconds < 3.0
    assert cost.memory == pytest.approx(100 << 20, rel=0.2)


def test_a_history_that_lies_is_soon_outweighed():
    """Another machine's, ten times as slow: after five times as many of one's own, by a third."""
    forecast = Forecast({}, learned(10.0))
    for number in range(5 * EXPERIENCE):
        task = Task(number, ROOT, b"a", 1, "pdf/17")
        forecast.learn(Outcome(task, Status.DONE, seconds=1.0, peak=100 << 20))
    assert forecast.cost("pdf/17").seconds < 3.0


def test_what_the_run_itself_measured_comes_first():
    forecast = Forecast(learned(1.0), learned(10.0))
    assert forecast.cost("pdf/17").seconds == pytest.approx(1.0, rel=0.1)


@given(st.binary(max_size=300) | st.sampled_from([b"[]", b"{}", b'{"processor":"p","strata":3}']))
@settings(deadline=None, derandomize=True)
def test_any_file_in_its_place_is_taken_for_none(content):
    """A cache is nobody's promise: half written, somebody else's, a joke."""
    experience.remember("p", learned(1.0))
    [file] = experience._file("p").parent.iterdir()
    file.write_bytes(content)
    assert experience.recall("p") == {}
    Forecast({}, experience.recall("p"))


def test_rows_of_no_sense_are_left_out(cache):
    experience.remember("p", learned(1.0))
    [file] = cache.iterdir()
    strata = {"pdf/17": "[1]", "x": "[]", "txt/3": "nan", "a/b/c/d": learned(1.0)["pdf/17"]}
    file.write_text(json.dumps({"processor": "p", "strata": strata}))
    assert Forecast({}, experience.recall("p")).cost("pdf/17") is None


def test_nobody_else_may_look(cache):
    """Extensions and sizes tell little, and that is this user's."""
    experience.remember("p", learned(1.0))
    assert stat.S_IMODE(cache.stat().st_mode) & 0o077 == 0


def test_without_a_home_nothing_is_remembered_and_nothing_fails(monkeypatch):
    for home in ("/dev/null/cache", "/proc/no"):
        monkeypatch.setenv("XDG_CACHE_HOME", home)
        experience.remember("p", learned(1.0))
        assert experience.recall("p") == {}


def test_names_of_processors_are_no_paths(cache):
    """Whatever a processor is called, its file lies in the one folder."""
    for name in ("../../x", "/etc/passwd", "a\0b", "\udcff", "x" * 5000):
        experience.remember(name, learned(1.0))
        assert experience.recall(name) == learned(1.0)
    assert len(os.listdir(cache)) == 5
