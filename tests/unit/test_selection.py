"""Which Records, and which Documents without any, are chosen."""

import json

import pytest

from docherd.exceptions import UsageError
from docherd.model import Reason, Status
from docherd.selection import Selection, lines

DONE, FAILED, SKIPPED, GONE = 1, 2, 3, 4


@pytest.fixture
def folder(fake_run, tmp_path):
    """One Document of each status, a second pending one that was tried, one gone and pruned."""
    fake = fake_run(tmp_path / "out")
    rows = [fake.document(b"%d.pdf" % n) for n in range(7)]
    fake.outcome(rows[0], DONE)
    fake.outcome(rows[1], FAILED, "crash", kind="docx")
    fake.outcome(rows[2], SKIPPED, "empty")
    fake.outcome(rows[3], GONE)
    fake.outcome(rows[4], GONE, "pruned")
    fake.outcome(rows[5], 0, "memory")
    return fake.save()


def paths(folder, **chosen):
    found = [json.loads(line) for line in lines(folder, Selection(**chosen))]
    return [row["path"].removeprefix("docs/").removesuffix(".pdf") for row in found]


def test_each_status_but_done_is_a_line_a_document(folder):
    """Also of those that were never tried, and of those that are no longer there."""
    assert paths(folder, statuses=(Status.FAILED,)) == ["1"]
    assert paths(folder, statuses=(Status.SKIPPED,)) == ["2"]
    assert paths(folder, statuses=(Status.GONE,)) == ["3", "4"]
    assert paths(folder, statuses=(Status.PENDING,)) == ["5", "6"]
    assert paths(folder, statuses=(Status.GONE, Status.FAILED)) == ["3", "4", "1"]


def test_a_reason_chooses_among_what_can_have_it(folder):
    """Failed or skipped, as the reason is; pending ones where they are asked for."""
    assert paths(folder, reason=Reason.CRASH) == ["1"]
    assert paths(folder, reason=Reason.EMPTY) == ["2"]
    assert paths(folder, reason=Reason.MEMORY) == []
    assert paths(folder, reason=Reason.MEMORY, statuses=(Status.PENDING,)) == ["5"]
    with pytest.raises(UsageError, match="has no --reason"):
        Selection(statuses=(Status.DONE,), reason=Reason.CRASH)


def test_kinds_are_by_content_where_that_is_known(folder):
    """Else by the name."""
    everything = tuple(status for status in Status if status is not Status.DONE)
    assert paths(folder, statuses=everything, kinds=("docx",)) == ["1"]
    assert paths(folder, statuses=everything, kinds=("pdf",), limit=2) == ["5", "6"]


@pytest.mark.parametrize(
    ("glob", "path", "there"),
    [
        ("*.pdf", "in/a/b.pdf", True),
        ("b.*", "in/a/b.pdf", True),
        ("a/*.pdf", "in/a/b.pdf", True),
        ("in/**", "in/a/b.pdf", True),
        ("/srv/*", "/srv/x", True),
        ("in/*.pdf", "in/a/b.pdf", False),
        ("a", "in/a/b.pdf", False),
    ],
)
def test_globs_match_as_in_records_or_below_the_input(glob, path, there):
    """Without a slash they match the name alone."""
    assert Selection(paths=(glob,)).matches(path, None) == there
    assert Selection(paths=("no", glob)).matches(path, None) == there


@pytest.mark.parametrize(
    ("path", "kind"), [("a/b.PDF", "pdf"), ("a/.hidden", ""), ("a.b/c", ""), ("x.tar.gz", "gz")]
)
def test_a_kind_that_is_not_known_is_the_ending(path, kind):
    """As strata are told apart."""
    assert Selection(kinds=(kind,)).matches(path, None)
    assert not Selection(kinds=("other",)).matches(path, None)
    assert Selection(kinds=("other",)).matches(path, "other")
