"""The inputs that failed, in a folder of their own."""

import csv
import os
from types import SimpleNamespace

import pytest

from docherd.bundle import Bundle, Bundled
from docherd.exceptions import EnvironmentFault
from docherd.model import Status
from docherd.view import View

FAILED = 2


@pytest.fixture
def run(fake_run, tmp_path):
    """A run over tmp_path/in, in which everything fails."""
    (tmp_path / "in").mkdir()
    return fake_run(tmp_path / "out", roots=((b"in", os.fsencode(tmp_path / "in")),))


def fail(run, *names):
    for name in names:
        run.outcome(run.document(name, size=3), FAILED, "error", message="=1+1")
    run.save()


def filled(run, folder, **options):
    """What came of it, and what was said of what could not be taken."""
    missed = []
    with View.open(run.folder) as view, Bundle(folder, view.run, link=False, **options) as bundle:
        done = bundle.fill(view.undone([Status.FAILED]), lambda text: None, missed.append)
    return done, missed


def table(folder):
    with (folder / "failures.csv").open(newline="") as file:
        return {row["path"]: row for row in csv.DictReader(file)}


def test_a_name_of_a_hostile_ledger_leads_nowhere(run, tmp_path):
    """C05: neither out of the input nor out of the folder."""
    (tmp_path / "secret").write_text("abc")
    fail(run, b"../secret", b"a/../../secret", b"/secret", b"a//b", b"x/.")
    done, missed = filled(run, tmp_path / "bad")
    assert done == Bundled(taken=0, there=0, missing=5, size=0)
    assert all(line.endswith("has a name that no walk finds") for line in missed)
    assert sorted(os.listdir(tmp_path / "bad")) == [".docherd-failures", "failures.csv"]


def test_a_file_where_a_folder_is_needed_lies_by_its_id(run, tmp_path):
    """What lies there from an earlier time stays."""
    source = tmp_path / "in" / "a"
    source.write_text("abc")
    fail(run, b"a", b"a/b.pdf")
    assert filled(run, tmp_path / "bad")[0].taken == 1
    source.unlink()
    source.mkdir()
    (source / "b.pdf").write_text("def")
    done, missed = filled(run, tmp_path / "bad")
    assert (done.taken, missed) == (1, ["in/a: is no file any more"])
    assert (tmp_path / "bad" / "files" / "in" / "a").read_text() == "abc"
    copy = table(tmp_path / "bad")["in/a/b.pdf"]["copy"]
    assert copy.startswith("by-id/")
    assert copy.endswith(".pdf")
    assert (tmp_path / "bad" / copy).read_text() == "def"


def test_what_has_changed_is_copied_again(run, tmp_path):
    """By size or time; and what a kill left unfinished is in nobody's way."""
    source = tmp_path / "in" / "a.pdf"
    source.write_text("abc")
    fail(run, b"a.pdf")
    filled(run, tmp_path / "bad")
    copy = tmp_path / "bad" / "files" / "in" / "a.pdf"
    (copy.parent / f".docherd-{table(tmp_path / 'bad')['in/a.pdf']['document']}").touch()
    assert filled(run, tmp_path / "bad")[0].there == 1
    source.write_text("longer")
    done, _ = filled(run, tmp_path / "bad")
    assert (done.taken, copy.read_text()) == (1, "longer")
    assert table(tmp_path / "bad")["in/a.pdf"]["note"] == "has changed since"
    assert table(tmp_path / "bad")["in/a.pdf"]["message"] == "'=1+1"
    assert os.listdir(copy.parent) == ["a.pdf"]


def test_a_disk_that_is_too_small_is_not_filled(run, tmp_path, monkeypatch):
    """It is said before anything is copied; what is there already needs no room."""
    for name in ("a.pdf", "b.pdf"):
        (tmp_path / "in" / name).write_text("abc")
        os.utime(tmp_path / "in" / name, ns=(1, 1))  # as the ledger has it
    fail(run, b"a.pdf", b"b.pdf")
    disk = SimpleNamespace(f_bavail=5, f_frsize=1)
    monkeypatch.setattr("docherd.bundle.os.fstatvfs", lambda fd: disk)
    with View.open(run.folder) as view, Bundle(tmp_path / "bad", view.run, link=False) as bundle:
        with pytest.raises(EnvironmentFault, match="the files are 6 B, and 5 B are free"):
            bundle.refuse_too_large(view.undone([Status.FAILED]))
        bundle.fill(view.undone([Status.FAILED], most=1), lambda text: None, print)
        bundle.refuse_too_large(view.undone([Status.FAILED]))
