"""Every fault of the catalogue is injected by a test that names it, or is said not to be."""

from chaos.command import ROOT
from chaos.sections import SECTIONS

from chaos import catalogue, promises


def test_every_fault_has_a_test_or_a_reason():
    tests = catalogue.named()
    without = [each for each in catalogue.ROWS if each not in tests]
    assert [each for each in without if each not in catalogue.REMARKS] == []


def test_every_id_that_a_test_names_is_in_the_catalogue():
    known = catalogue.ROWS.keys() | catalogue.REMARKS.keys()
    assert {each: tests for each, tests in catalogue.named().items() if each not in known} == {}


def test_every_promise_is_held_by_something_that_exists():
    sections = {section.name for section in SECTIONS}
    for promise in promises.PROMISES:
        assert promise.held
        for held in promise.held:
            assert held in sections or (ROOT / "tests" / held).is_file(), held
