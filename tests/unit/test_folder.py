"""The run folder: held by one process, never mixed with other people's files."""

import os
import subprocess
import sys

import pytest

from docherd.exceptions import DamageError, EnvironmentFault, RunLocked, UsageError
from docherd.folder import Folder, write_atomically
from docherd.identity import About
from docherd.model import Root

ABOUT = About(
    inputs=(Root(b"\xff", b"/in/\xff"),),
    files_from=None,
    null=False,
    processor="extract",
    fingerprint="extract/1",
    importable=True,
    pinned={},
    options={},
)


@pytest.fixture
def folder(tmp_path):
    """A folder that is held, with a run in it."""
    one = Folder(tmp_path / "out")
    one.hold()
    one.write_about(ABOUT)
    yield one
    one.release()


def names(folder):
    return sorted(os.listdir(folder.path))


def test_holding_makes_the_folder(tmp_path):
    """With the places for what is pending and what is published, and no run yet."""
    folder = Folder(tmp_path / "deep" / "out")
    folder.hold()
    assert names(folder) == ["data", "lock", "pending"]
    assert not folder.exists
    folder.release()


def test_a_folder_that_was_never_used_is_not_left_behind(tmp_path):
    """A refused start leaves nothing; a folder that was there stays."""
    folder = Folder(tmp_path / "out")
    folder.hold()
    folder.release()
    folder.release()
    assert not folder.path.exists()
    folder.path.mkdir()
    folder.hold()
    folder.release()
    assert folder.path.exists()


def test_only_one_may_hold_it(folder):
    """The other is told who does, and since when; afterwards it is free."""
    other = Folder(folder.path)
    with pytest.raises(
        RunLocked, match=rf"another run holds .*out \(pid {os.getpid()} on .* since"
    ):
        other.hold()
    other.release()
    folder.release()
    assert folder.exists
    other.hold()
    other.release()


def test_a_lock_ends_with_its_holder(folder):
    """It is the kernel's: a process that was killed holds nothing."""
    folder.release()
    code = (
        "import os, sys; from pathlib import Path; from docherd.folder import Folder;"
        "Folder(Path(sys.argv[1])).hold(); print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, folder.path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(RunLocked, match=f"pid {holder.pid} "):
            folder.hold()
        holder.kill()
    folder.hold()


def test_a_folder_of_other_things_is_refused(tmp_path):
    """`-o ~/Documents` must not scatter files among letters."""
    (tmp_path / "letter\x1b.txt").touch()
    with pytest.raises(UsageError, match=r"holds other things \(letter\\x1b\.txt\)"):
        Folder(tmp_path).hold()
    assert os.listdir(tmp_path) == ["letter\x1b.txt"]


def test_other_things_beside_a_run_do_not_matter(folder):
    """One may put a note into one's run folder."""
    (folder.path / "note.txt").touch()
    folder.release()
    folder.hold()
    assert "note.txt" in names(folder)


def test_a_file_is_no_folder(tmp_path):
    """Said in one line."""
    (tmp_path / "out").touch()
    with pytest.raises((UsageError, EnvironmentFault), match="out"):
        Folder(tmp_path / "out").hold()
    with pytest.raises(EnvironmentFault, match="Not a directory; give another -o"):
        Folder(tmp_path / "out" / "sub").hold()


@pytest.mark.parametrize("name", ["data", "pending", "lock"])
def test_links_in_place_of_ours_are_refused(tmp_path, name):
    """Nobody can make us write elsewhere by a link that lies ready."""
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / name).symlink_to(elsewhere if name != "lock" else elsewhere / "file")
    folder = Folder(tmp_path / "out")
    with pytest.raises((DamageError, EnvironmentFault)):
        folder.hold()
    folder.release()
    assert list(elsewhere.iterdir()) == []


def test_fresh_removes_ours_and_nothing_else(folder):
    """The lock stays held, and what others put there stays."""
    (folder.path / "note.txt").write_text("mine")
    for name in ("ledger.db", "ledger.db-wal", "status.json", ".run.json.123", "report.html"):
        (folder.path / name).touch()
    (folder.data / "part-000001.jsonl").touch()
    folder.begin_anew()
    assert names(folder) == ["data", "lock", "note.txt", "pending"]
    assert list(folder.data.iterdir()) == []
    (folder.path / "note.txt").unlink()
    with pytest.raises(RunLocked):
        Folder(folder.path).hold()


def test_what_the_run_is_can_be_read_back(folder):
    """It gets its name and date the first time, and keeps them."""
    about = folder.read_about()
    assert about.inputs == ABOUT.inputs
    assert len(about.run) == 16
    assert about.created.endswith("Z")
    assert folder.write_about(about) == about == folder.read_about()


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "null", '"x"', "{}", '{"inputs": 5, "processor": {}}', "\xff", None]
)
def test_a_run_json_that_says_nothing_we_know_is_damage(folder, content):
    """Exit 4, never a traceback, and nothing is changed."""
    path = folder.path / "run.json"
    if content is None:
        path.unlink()
    else:
        path.write_bytes(content.encode("latin-1"))
    with pytest.raises(DamageError, match=r"run\.json cannot be read"):
        folder.read_about()


def test_what_was_being_replaced_when_we_died_is_removed(folder):
    """Temporary files of a killed start do not pile up."""
    (folder.path / ".status.json.99").touch()
    folder.write_about(ABOUT)
    assert names(folder) == ["data", "lock", "pending", "run.json"]


def test_a_ledger_without_a_run_is_dropped_whole(folder):
    """With its WAL, or SQLite would roll an old one into the new."""
    for name in ("ledger.db", "ledger.db-wal", "ledger.db-shm", "ledger.db-journal"):
        (folder.path / name).touch()
    folder.drop_ledger()
    assert names(folder) == ["data", "lock", "pending", "run.json"]


@pytest.mark.parametrize("durable", [True, False])
def test_a_file_is_replaced_whole(tmp_path, durable):
    """Old or new, never a part, and no temporary file stays."""
    path = tmp_path / "status.json"
    for content in (b"one", b"two" * 100_000):
        write_atomically(path, [content], durable=durable)
        assert path.read_bytes() == content
    assert os.listdir(tmp_path) == ["status.json"]


def test_a_replacement_that_fails_leaves_the_old_content(tmp_path):
    """A file is never half written: what was there stays, and nothing lies beside it."""
    path = tmp_path / "status.json"
    path.write_bytes(b"old")

    def pieces():
        yield b"new"
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space left"):
        write_atomically(path, pieces())
    assert path.read_bytes() == b"old"
    assert [each.name for each in tmp_path.iterdir()] == ["status.json"]
