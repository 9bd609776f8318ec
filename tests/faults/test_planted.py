"""A run folder in which somebody else has planted things (C05, C07, C08 of the catalogue)."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
from pathlib import Path

import pytest

import oracle

OWN = """
import time

def own(path):
    while path.name == "hold.txt" and not (path.parent.parent / "gate").exists():
        time.sleep(0.005)
    return {"text": path.read_text()}
"""
#: nothing may read or write this through a link
SECRET = "a file of somebody else\n" * 4000


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A finished run, beside it its documents and its processor."""
    folder = tmp_path_factory.mktemp("finished")
    plant(folder)
    ended = oracle.docherd(*command(), cwd=folder)
    assert ended.code == 0, ended.err
    return folder


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """One that was killed with an open segment."""
    folder = tmp_path_factory.mktemp("killed")
    plant(folder)
    (folder / "in" / "hold.txt").write_text("held\n")
    process = oracle.start(*command(), cwd=folder)
    oracle.wait_for(lambda: committed(folder / "out"))
    oracle.end(process)
    (folder / "gate").touch()
    oracle.wait_for(lambda: not oracle.leftovers())
    return folder


def committed(out: Path) -> int:
    """Bytes of Records that the ledger knows of."""
    try:
        with sqlite3.connect(f"file:{out}/ledger.db?mode=ro", uri=True) as ledger:
            return int(ledger.execute("select coalesce(sum(size), 0) from part").fetchone()[0])
    except sqlite3.Error:
        return 0  # not there yet


def plant(folder: Path) -> None:
    (folder / "in").mkdir()
    for number in range(6):
        (folder / "in" / f"{number}.txt").write_text(f"document {number}\n")
    (folder / "own.py").write_text(OWN)


def command() -> list[str]:
    return ["run", "in", "-o", "out", "-p", "own.py:own", "-w", "2", "-q"]


def copy_of(folder: Path, tmp_path: Path) -> Path:
    """The same run elsewhere, over the same documents."""
    shutil.copytree(folder / "out", tmp_path / "out")
    return tmp_path / "out"


def contents(out: Path) -> dict[str, bytes]:
    files = (path for path in out.rglob("*") if path.is_file() and not path.is_symlink())
    return {str(path.relative_to(out)): path.read_bytes() for path in files}


# ── the ledger ───────────────────────────────────────────────────────────────────────────────

FOREIGN = {
    "trigger": "create trigger evil after insert on outcome begin delete from outcome; end",
    "view": "create view evil as select * from outcome",
    "table": "create table evil (x)",
    "index": "create index evil on outcome (at)",
    "view for a table": "drop table sample; create view sample as with recursive n(x) as"
    " (select 1 union all select x + 1 from n) select x as epoch, x as seconds, x as finished,"
    " x as written, x as memory from n",
    "other columns": "drop table sample; create table sample (x)",
    "no table": "drop table stale",
}


@pytest.mark.parametrize("what", ["trigger", "view", "table", "index", "no table"])
def test_a_ledger_with_anything_that_is_not_ours_is_refused(finished, tmp_path, what):
    """C05: triggers, views and tables that we did not make: exit 4, and nothing is changed."""
    out = copy_of(finished, tmp_path)
    alter(out, FOREIGN[what])
    before = contents(out)
    for words in (command(), ["resume", "out"]):
        ended = oracle.docherd(*(out if word == "out" else word for word in words), cwd=finished)
        assert ended.code == 4, ended.err
        assert "does not have our tables" in ended.err
    assert contents(out) == before


@pytest.mark.parametrize("what", ["view for a table", "other columns"])
def test_a_ledger_whose_tables_only_have_our_names_is_refused(finished, tmp_path, what):
    """C05: a view in the place of a table, other columns: exit 4, and nothing is changed."""
    out = copy_of(finished, tmp_path)
    alter(out, FOREIGN[what])
    before = contents(out)
    ended = oracle.docherd("resume", out, "-q", cwd=finished)
    assert ended.code == 4, ended.err
    assert contents(out) == before


@pytest.mark.parametrize("words", [("status",), ("failures",), ("show", "in/1.txt"), ("report",)])
def test_nobody_who_only_looks_runs_what_a_ledger_says(finished, tmp_path, words):
    """C05: a trigger changes nothing for those who read."""
    out = copy_of(finished, tmp_path)
    alter(out, FOREIGN["trigger"])
    before = (out / "ledger.db").read_bytes()
    ended = oracle.docherd(words[0], out, *words[1:])
    assert ended.code in (0, 4), ended.err
    assert (out / "ledger.db").read_bytes() == before


def test_a_ledger_with_the_largest_pages_is_one(finished, tmp_path):
    """C05: 64 KB pages cost memory for a page, and are taken."""
    out = copy_of(finished, tmp_path)
    alter(out, "pragma journal_mode = delete; pragma page_size = 65536; vacuum")
    ended = oracle.docherd("resume", out, "-q", cwd=finished)
    assert ended.code == 0, ended.err
    oracle.check(out, failed={}, total=6)


def alter(out: Path, sql: str) -> None:
    ledger = sqlite3.connect(out / "ledger.db")
    ledger.executescript(sql)
    ledger.close()


# ── links ────────────────────────────────────────────────────────────────────────────────────


class Victim:
    """A file in a folder outside, that nothing may happen to."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "kept.txt"
        folder.mkdir()
        self.file.write_text(SECRET)

    def unharmed(self) -> bool:
        return os.listdir(self.folder) == ["kept.txt"] and self.file.read_bytes() == SECRET.encode()


@pytest.fixture
def victim(tmp_path):
    return Victim(tmp_path / "victim")


def replace(path: Path, target: Path) -> None:
    """Put a link in the place of a file or folder."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)
    path.symlink_to(target)


@pytest.mark.parametrize("name", ["data", "pending"])
@pytest.mark.parametrize("begun", [False, True], ids=["new", "begun"])
def test_a_folder_that_is_a_link_is_refused(finished, tmp_path, victim, name, begun):
    """C07: data or pending that lead elsewhere: exit 4, nothing is written there."""
    out = copy_of(finished, tmp_path) if begun else tmp_path / "out"
    out.mkdir(exist_ok=True)
    replace(out / name, victim.folder)
    ended = oracle.docherd(*(out if word == "out" else word for word in command()), cwd=finished)
    assert ended.code == 4, ended.err
    assert "is a link" in ended.err
    assert victim.unharmed()


REPLACED = ("status.json", "report.html", "report.json", "failures.jsonl")
REFUSED = ("lock", "ledger.db-wal", "ledger.db-shm")


@pytest.mark.parametrize("name", REFUSED)
def test_a_file_that_is_a_link_is_refused_or_removed(finished, tmp_path, victim, name):
    """C07: what it points to is never written; the run goes on or says why not."""
    out = copy_of(finished, tmp_path)
    replace(out / name, victim.file)
    ended = oracle.docherd("resume", out, "-q", cwd=finished)
    assert ended.code in (0, 3, 4), ended.err
    assert victim.unharmed()


def test_files_that_are_links_are_replaced(finished, tmp_path, victim):
    """C07: status and reports are written anew, and not through a link."""
    out = copy_of(finished, tmp_path)
    for name in REPLACED:
        replace(out / name, victim.file)
    ended = oracle.docherd("resume", out, "-q", cwd=finished)
    assert ended.code == 0, ended.err
    assert not any((out / name).is_symlink() for name in REPLACED)
    assert victim.unharmed()


def test_what_a_run_is_may_be_read_through_a_link_and_is_never_written_through_one(
    finished, tmp_path
):
    """C07: run.json is replaced, not written."""
    out = copy_of(finished, tmp_path)
    elsewhere = tmp_path / "elsewhere.json"
    (out / "run.json").rename(elsewhere)
    before = elsewhere.read_bytes()
    (out / "run.json").symlink_to(elsewhere)
    ended = oracle.docherd("resume", out, "-q", cwd=finished)
    assert ended.code in (0, 4), ended.err
    assert elsewhere.read_bytes() == before


def test_the_log_is_never_written_through_a_link(finished, tmp_path, victim):
    """C07: run.log."""
    out = copy_of(finished, tmp_path)
    replace(out / "run.log", victim.file)
    oracle.docherd("resume", out, "-q", cwd=finished)
    assert victim.unharmed()


def test_the_ledger_is_never_written_through_a_link(finished, tmp_path):
    """C07: ledger.db: exit 4, and the database it points to is as it was."""
    out = copy_of(finished, tmp_path)
    elsewhere = tmp_path / "elsewhere.db"
    (out / "ledger.db").rename(elsewhere)
    before = elsewhere.read_bytes()
    (out / "ledger.db").symlink_to(elsewhere)
    ended = oracle.docherd("resume", out, "-q", cwd=finished)
    assert ended.code == 4, ended.err
    assert elsewhere.read_bytes() == before


@pytest.mark.parametrize("name", ["slot-{}-1", "spool-000001"])
def test_a_workers_file_is_never_made_through_a_link(finished, tmp_path, victim, name):
    """C07: links with the names of the slot and spool that the next worker will make."""
    out = copy_of(finished, tmp_path)
    ledger = sqlite3.connect(out / "ledger.db")
    (epoch,) = ledger.execute("select max(epoch) from start").fetchone()
    ledger.close()
    (out / "pending" / name.format(epoch + 1)).symlink_to(victim.file)
    oracle.docherd("resume", out, "-q", cwd=finished)
    assert victim.unharmed()


def test_an_open_segment_is_never_cut_through_a_link(killed, tmp_path, victim):
    """C07: exit 4; its tail would be cut off, and the link published."""
    out = copy_of(killed, tmp_path)
    replace(out / "pending" / "part-000001.jsonl", victim.file)
    ended = oracle.docherd("resume", out, "-q", cwd=killed)
    assert victim.unharmed()
    assert ended.code in (3, 4), ended.err


def test_a_published_part_is_never_rewritten_through_a_link(finished, tmp_path):
    """C07: a part in data/ that is a link, of which a Record is superseded."""
    out = copy_of(finished, tmp_path)
    part, elsewhere = out / "data" / "part-000001.jsonl", tmp_path / "elsewhere.jsonl"
    part.rename(elsewhere)
    part.symlink_to(elsewhere)
    before = elsewhere.read_bytes()
    (finished / "in" / "0.txt").write_text("another\n")
    ended = oracle.docherd("resume", out, "-q", cwd=finished)
    (finished / "in" / "0.txt").write_text("document 0\n")
    assert ended.code in (0, 3, 4), ended.err
    assert elsewhere.read_bytes() == before


# ── what is missing ──────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("missing", [["ledger.db-wal"], ["ledger.db-wal", "ledger.db-shm"]])
def test_a_write_ahead_log_that_is_gone_is_noticed_or_made_good(killed, tmp_path, missing):
    """S17: what only it knew of is done again, or it is refused; nothing is lost or doubled."""
    out = copy_of(killed, tmp_path)
    for name in missing:
        (out / name).unlink()
    ended = oracle.docherd("resume", out, "-q", cwd=killed)
    assert ended.code in (0, 4), ended.err
    if ended.code == 0:
        oracle.check(out, failed={}, total=7)
        assert len(oracle.records(out)) == 7


# ── who may write ────────────────────────────────────────────────────────────────────────────


def test_what_a_run_makes_nobody_else_may_write(finished):
    """C08: whatever the umask is for, results are not world-writable; slots are private."""
    for path in [finished / "out", *(finished / "out").rglob("*")]:
        assert not path.stat().st_mode & 0o022, path


def test_slots_are_private(tmp_path):
    """C08: what a worker has in hand is nobody else's to read."""
    plant(tmp_path)
    (tmp_path / "in" / "hold.txt").write_text("held\n")
    process = oracle.start(*command(), cwd=tmp_path)
    pending = tmp_path / "out" / "pending"
    oracle.wait_for(lambda: any(pending.glob("slot-*")))
    assert {path.stat().st_mode & 0o777 for path in pending.glob("slot-*")} == {0o600}
    oracle.end(process, signal.SIGKILL)
    oracle.wait_for(lambda: not oracle.leftovers())
