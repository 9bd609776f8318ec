"""Folders for the files of programs: private, and gone with whom they belong to."""

import stat

import pytest

from docherd import host, scratch


@pytest.fixture(autouse=True)
def place(tmp_path, monkeypatch):
    """Where temporary files go."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


def test_a_folder_is_private_and_removed(place, monkeypatch):
    """Whatever is in it, also after an error; its name says whose it is."""
    monkeypatch.setenv(host.MARK, "abc.7")
    with pytest.raises(ValueError), scratch.folder() as folder:
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert ".7-" in folder.name
        (folder / "deep").mkdir()
        (folder / "deep" / "file").write_text("x")
        raise ValueError
    assert list(place.iterdir()) == []


def test_those_of_one_worker_or_of_a_run_are_removed(place, monkeypatch):
    """Others' stay, and so does what merely looks alike."""
    kept = []
    for mark in ("abc.7", "abc.71", "xyz.7"):
        monkeypatch.setenv(host.MARK, mark)
        kept.append(scratch.folder())
        kept[-1].__enter__()
    (place / "abc.7-file").write_text("a user's")
    scratch.remove("abc.7-")
    assert sum(path.is_dir() for path in place.iterdir()) == 2
    scratch.remove("abc.")
    assert sorted(path.name.partition("xyz")[1] for path in place.iterdir()) == ["", "xyz"]
    for each in kept:
        each.__exit__(None, None, None)
