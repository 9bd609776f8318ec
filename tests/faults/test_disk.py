"""The disk is full, gone, read-only, or not as it was left (S of the catalogue)."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

import oracle

#: one line in ../journal for each document begun; waits for ../gate at the documents `wait-...`
READ = """
import time

def read(path):
    with open(path.parent.parent / "journal", "a") as journal:
        journal.write(path.name + "\\n")
    while path.name.startswith("wait-") and not (path.parent.parent / "gate").exists():
        time.sleep(0.005)
    return {"text": path.read_text() * 50}
"""
DOCUMENTS = 40

needs_strace = pytest.mark.skipif(not shutil.which("strace"), reason="needs strace")


class Tree:
    """Documents, a processor that writes down what it begins, and the command over both."""

    def __init__(self, folder: Path, out: Path | None = None) -> None:
        self.folder = folder
        self.out = out or folder / "out"
        (folder / "in").mkdir()
        for number in range(DOCUMENTS):
            (folder / "in" / f"{number:02}.txt").write_text(f"document {number}\n" * 10)
        (folder / "read.py").write_text(READ)
        self.gate()

    @property
    def command(self) -> list[str]:
        out = os.path.relpath(self.out, self.folder)
        return ["run", "in", "-o", out, "-p", "read.py:read", "-w", "2", "--progress", "none"]

    def gate(self, *, closed: bool = False) -> None:
        if closed:
            (self.folder / "gate").unlink()
        else:
            (self.folder / "gate").touch()

    def run(self, *before: str, options: Sequence[str] = ()) -> oracle.Ended:
        """The command, to its end."""
        command = oracle.COMMAND
        oracle.COMMAND = [*before, *command]
        try:
            return oracle.docherd(*self.command, *options, cwd=self.folder)
        finally:
            oracle.COMMAND = command

    def begun(self) -> list[str]:
        """What was begun since the last call, in order."""
        journal = self.folder / "journal"
        names = journal.read_text().splitlines() if journal.exists() else []
        journal.unlink(missing_ok=True)
        return names

    def finish(self, clean: list[bytes]) -> None:
        """The same command ends the run, and the data is that of an undisturbed one."""
        ended = self.run()
        assert ended.code == 0, ended.err
        oracle.check(self.out, failed={})
        assert oracle.sorted_lines(self.out) == clean


@pytest.fixture
def tree(tmp_path):
    return Tree(tmp_path)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A finished run that nobody disturbed."""
    tree = Tree(tmp_path_factory.mktemp("finished"))
    ended = tree.run()
    assert ended.code == 0, ended.err
    return tree


@pytest.fixture(scope="module")
def clean(finished):
    """The lines of a run that nobody disturbed."""
    return oracle.sorted_lines(finished.out)


@pytest.fixture
def disk(tmp_path):
    """Mounts a small disk of its own; skips where that is not allowed."""
    mounted = tmp_path / "disk"
    mounted.mkdir()

    def mount(options: str) -> Path:
        command = ["mount", "-t", "tmpfs", "-o", options, "docherd-test", str(mounted)]
        if os.getuid() != 0 or subprocess.run(command, check=False).returncode:
            pytest.skip("may not mount")
        return mounted

    yield mount
    if os.path.ismount(mounted):
        subprocess.run(["umount", "-l", str(mounted)], check=True)


def contents(out: Path) -> dict[str, bytes]:
    files = [path for path in out.rglob("*") if path.is_file()]
    return {str(path.relative_to(out)): path.read_bytes() for path in files}


def one_line(text: str) -> str:
    """The only line there is on stderr."""
    (line,) = text.splitlines()
    assert line.startswith("docherd: ")
    return line


# ── it cannot be written ─────────────────────────────────────────────────────────────────────


def test_an_output_below_a_file_is_refused_before_any_work(tree):
    """S06: a run folder that cannot be made exits with 3 and begins nothing."""
    tree.out = tree.folder / "read.py" / "out"
    ended = tree.run()
    assert ended.code == 3
    assert "Not a directory; give another -o" in one_line(ended.err)
    assert tree.begun() == []


def test_a_read_only_disk_is_refused_before_any_work(tree, disk):
    """S06: a disk that is mounted read-only exits with 3 and begins nothing."""
    tree.out = disk("ro") / "out"
    ended = tree.run()
    assert ended.code == 3
    assert "Read-only file system" in one_line(ended.err)
    assert tree.begun() == []


@pytest.mark.parametrize("kilobytes", [40, 100, 148, 164, 300, 440])
def test_a_full_disk_stops_the_run_and_spoils_nothing(tree, disk, clean, kilobytes):
    """S01, S02, S23: full at any stage, it exits with 3 and one line; with room it goes on."""
    folder = disk(f"size={kilobytes}k")
    tree.out = folder / "out"
    # Where a busy machine makes it last, a run would say before that the disk will not do.
    ended = tree.run(options=["--force"])
    assert ended.code == 3, ended.err
    assert "No space left" in (line := one_line(ended.err)) or "the disk is full" in line
    assert "resume it when this is mended" in line
    assert not oracle.leftovers()
    subprocess.run(["mount", "-o", "remount,size=64m", str(folder)], check=True)
    tree.finish(clean)


def test_a_full_disk_under_large_results_blames_no_document(tree, disk):
    """S01: results of 2 MB, that go through a spool, fill a disk and leave nobody failed."""
    (tree.folder / "read.py").write_text("def read(path): return 'x' * 2_000_000")
    folder = disk("size=6m")
    tree.out = folder / "out"
    ended = tree.run()
    assert ended.code == 3, ended.err
    assert "No space left" in one_line(ended.err)
    subprocess.run(["mount", "-o", "remount,size=200m", str(folder)], check=True)
    ended = tree.run()
    assert ended.code == 0, ended.err
    oracle.check(tree.out, failed={}, total=DOCUMENTS)


# ── it died in the middle ────────────────────────────────────────────────────────────────────


def committed(out: Path) -> int:
    """Bytes of results that the ledger of a run speaks for."""
    try:
        ledger = sqlite3.connect(f"file:{out}/ledger.db?mode=ro", uri=True)
        try:
            return ledger.execute("select coalesce(sum(size), 0) from part").fetchone()[0]
        finally:
            ledger.close()
    except sqlite3.Error:
        return 0  # not there yet


def kill_with_an_open_segment(tree: Tree) -> Path:
    """Kill a run that has committed results and waits for a document; its segment."""
    tree.gate(closed=True)
    (tree.folder / "in" / "00.txt").rename(tree.folder / "in" / "wait-00.txt")
    process = oracle.start(*tree.command, cwd=tree.folder)
    oracle.wait_for(lambda: committed(tree.out))
    oracle.end(process)
    oracle.wait_for(lambda: not oracle.leftovers())
    (tree.folder / "in" / "wait-00.txt").rename(tree.folder / "in" / "00.txt")
    tree.gate()
    return tree.out / "pending" / "part-000001.jsonl"


@pytest.mark.parametrize("tail", [b'{"document": "half a li', b"\x00" * 70_000])
def test_a_torn_tail_is_cut_off(tree, clean, tail):
    """S07: what lies behind the committed length of a segment is never read."""
    segment = kill_with_an_open_segment(tree)
    with segment.open("ab") as opened:
        opened.write(tail)
    ended = tree.run()
    assert ended.code == 0, ended.err
    lines = oracle.sorted_lines(tree.out)
    assert lines == clean
    assert not any(b"half" in part.read_bytes() for part in (tree.out / "data").iterdir())


def test_an_open_segment_that_lost_bytes_is_refused(tree):
    """S08, S17: a segment shorter than the ledger says exits with 4 and changes nothing."""
    segment = kill_with_an_open_segment(tree)
    os.truncate(segment, segment.stat().st_size - 1)
    data = segment.read_bytes()
    ended = tree.run()
    assert ended.code == 4
    assert "part-000001.jsonl" in one_line(ended.err)
    assert segment.read_bytes() == data
    assert os.listdir(tree.out / "data") == []


def kill_at(calls: str, file: Path, when: int = 1) -> list[str]:
    """strace that kills the process at a system call on a file."""
    trace = ["strace", "-f", "-qq", "-o", "/dev/null", "-P", str(file), "-e", f"trace={calls}"]
    return [*trace, "-e", f"inject={calls}:signal=SIGKILL:when={when}"]


RENAMES = "rename,renameat,renameat2"


@needs_strace
def test_a_death_between_commit_and_rename_is_made_good(tree, clean):
    """S11: what is committed and not yet published is published, and not processed again."""
    part = tree.out / "pending" / "part-000001.jsonl"
    assert tree.run(*kill_at(RENAMES, part.relative_to(tree.folder))).code == -9
    assert part.exists()
    assert os.listdir(tree.out / "data") == []
    assert len(tree.begun()) == DOCUMENTS
    tree.finish(clean)
    assert tree.begun() == []


@needs_strace
def test_a_death_between_sync_and_commit_is_undone(tree, clean):
    """S12: lines that are on the disk and not in the ledger are cut off; they are made anew."""
    part = tree.out / "pending" / "part-000001.jsonl"
    assert tree.run(*kill_at("fdatasync", part)).code == -9
    assert part.stat().st_size > 0
    assert committed(tree.out) == 0
    begun = tree.begun()
    tree.finish(clean)
    assert set(begun) <= set(tree.begun())


@needs_strace
@pytest.mark.parametrize("when", range(1, 7))
def test_a_death_at_any_rename_of_the_engine_is_made_good(tree, clean, when):
    """E01, S11: run.json, status.json and the reports appear whole or not at all."""
    calls = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={RENAMES}"]
    ended = tree.run(*calls, "-e", f"inject={RENAMES}:signal=SIGKILL:when={when}")
    assert ended.code in (-9, 0)
    tree.finish(clean)
    assert not [name for name in os.listdir(tree.out) if name.startswith(".")]


# ── it is not as it was left ─────────────────────────────────────────────────────────────────


def unknown_part(out: Path) -> None:
    (out / "data" / "part-000009.jsonl").write_text("{}\n")


def short_part(out: Path) -> None:
    part = out / "data" / "part-000001.jsonl"
    os.truncate(part, part.stat().st_size - 5)


def long_part(out: Path) -> None:
    with (out / "data" / "part-000001.jsonl").open("ab") as part:
        part.write(b"{}\n")


def no_part(out: Path) -> None:
    (out / "data" / "part-000001.jsonl").unlink()


def no_ledger(out: Path) -> None:
    (out / "ledger.db").unlink()


def newer_ledger(out: Path) -> None:
    ledger = sqlite3.connect(out / "ledger.db")
    ledger.execute("pragma user_version = 99")
    ledger.close()


def foreign_ledger(out: Path) -> None:
    (out / "ledger.db").unlink()
    other = sqlite3.connect(out / "ledger.db")
    other.execute("create table t (x)")
    other.close()


def noise_in_ledger(out: Path) -> None:
    with (out / "ledger.db").open("r+b") as ledger:
        ledger.seek(4096)
        ledger.write(b"\xa5" * 4096)


def no_about(out: Path) -> None:
    (out / "run.json").unlink()


def garbage_about(out: Path) -> None:
    (out / "run.json").write_bytes(b"\xff\xfe{")


def odd_about(out: Path) -> None:
    (out / "run.json").write_text(json.dumps({"inputs": 3}))


DAMAGE = {
    unknown_part: "data/part-000009.jsonl is not a part of this run",
    short_part: "it was damaged from outside",
    long_part: "it was damaged from outside",
    no_part: "part-000001.jsonl is missing",
    no_ledger: "ledger.db is missing",
    newer_ledger: "was written by a newer docherd",
    foreign_ledger: "is not a docherd ledger",
    noise_in_ledger: "is damaged",
    no_about: "there is no run.json",
    garbage_about: "run.json cannot be read",
    odd_about: "run.json cannot be read",
}


@pytest.mark.parametrize("damage", DAMAGE, ids=lambda damage: damage.__name__)
def test_damage_is_refused_and_not_built_upon(finished, tmp_path, damage):
    """S08, S13-S16: what was changed from outside exits with 4, says so, and changes no byte."""
    out = tmp_path / "out"
    shutil.copytree(finished.out, out)
    damage(out)
    before = contents(out)
    command = finished.command
    command[command.index("-o") + 1] = str(out)
    ended = oracle.docherd(*command, cwd=finished.folder)
    assert ended.code == 4, ended.err
    assert DAMAGE[damage] in one_line(ended.err)
    assert contents(out) == before


@pytest.mark.parametrize("damage", [short_part, no_ledger, newer_ledger, garbage_about])
def test_resume_refuses_damage_too(finished, tmp_path, damage):
    """S08, S14, S16: `resume` is no more careless than `run`."""
    out = tmp_path / "out"
    shutil.copytree(finished.out, out)
    damage(out)
    before = contents(out)
    ended = oracle.docherd("resume", out)
    assert ended.code == 4, ended.err
    assert contents(out) == before


def test_a_run_folder_can_be_moved(finished, clean, tmp_path):
    """S18: nothing in a run folder says where it lies; moved, it is resumed by its new name."""
    out = tmp_path / "moved"
    shutil.copytree(finished.out, out)
    ended = oracle.docherd("resume", out, "-q")
    assert ended.code == 0, ended.err
    assert oracle.sorted_lines(out) == clean
