"""Writes that are short, fail, or find no room, and readers in their way (S of the catalogue)."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
from pathlib import Path

import pytest

import oracle

DOCUMENTS = 40
#: documents named `wait-...` wait for ../gate; the second in the walk gives a large result
READ = """
import time

def read(path):
    while path.name.startswith("wait-") and not (path.parent.parent / "gate").exists():
        time.sleep(0.005)
    times = 20_000 if path.name.startswith("01") else 20
    return {"text": path.read_text() * times}
"""
OPTIONS = ("-p", "read.py:read", "-w", "2", "--progress", "none")

needs_strace = pytest.mark.skipif(not shutil.which("strace"), reason="needs strace")


@pytest.fixture
def tree(tmp_path):
    return plant(tmp_path)


@pytest.fixture(scope="module")
def clean(tmp_path_factory):
    """The lines of a run that nothing disturbed."""
    folder = plant(tmp_path_factory.mktemp("clean"))
    assert run(folder).code == 0
    return oracle.sorted_lines(folder / "out")


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


def plant(folder: Path) -> Path:
    (folder / "in").mkdir()
    for number in range(DOCUMENTS):
        (folder / "in" / f"{number:02}.txt").write_text(f"document {number}\n" * 5)
    (folder / "read.py").write_text(READ)
    (folder / "gate").touch()
    return folder


def with_path(folder: Path) -> dict[str, str]:
    """An environment in which every Python imports ``folder``/sitecustomize.py first."""
    path = [str(folder), *filter(None, [os.environ.get("PYTHONPATH")])]
    return os.environ | {"PYTHONPATH": os.pathsep.join(path)}


def run(
    folder: Path,
    *options: str,
    out: Path | str = "out",
    before: list[str] | None = None,
    **popen: object,
) -> oracle.Ended:
    """The command over ``folder``/in, to its end."""
    command = oracle.COMMAND
    oracle.COMMAND = [*(before or []), *command]
    try:
        return oracle.docherd("run", "in", "-o", out, *OPTIONS, *options, cwd=folder, **popen)
    finally:
        oracle.COMMAND = command


def one_line(text: str) -> str:
    (line,) = text.splitlines()
    assert line.startswith("docherd: ")
    return line


# ── half of it ───────────────────────────────────────────────────────────────────────────────

SHORT = """
import os
_pwrite, _copy = os.pwrite, os.copy_file_range

def pwrite(fd, data, offset):
    return _pwrite(fd, memoryview(data)[: len(data) // 2 or len(data)], offset)

def copy_file_range(source, target, count, *rest):
    return _copy(source, target, count // 2 or count, *rest)

os.pwrite, os.copy_file_range = pwrite, copy_file_range
"""


def test_a_write_that_takes_only_half_is_gone_on_with(tree, clean):
    """S04: short writes, in the engine and in its workers, of small and of large results."""
    (tree / "short").mkdir()
    (tree / "short" / "sitecustomize.py").write_text(SHORT)
    ended = run(tree, env=with_path(tree / "short"))
    assert ended.code == 0, ended.err
    oracle.check(tree / "out", failed={}, total=DOCUMENTS)
    assert oracle.sorted_lines(tree / "out") == clean


# ── it fails ─────────────────────────────────────────────────────────────────────────────────

#: what is written or synced, the system call, and the files that the process opens it at
FAULTS = {
    "a sync of results": ("fdatasync", "pending/part-000001.jsonl", "EIO"),
    "a sync of the ledger": ("fdatasync", "ledger.db-wal", "EIO"),
    "a sync of the published": ("fsync", "data", "EIO"),
    "a quota of results": ("pwrite64", "pending/part-000001.jsonl", "EDQUOT"),
    "a quota of the ledger": ("pwrite64", "ledger.db-wal", "EDQUOT"),
}


@needs_strace
@pytest.mark.parametrize("what", FAULTS)
def test_a_failed_write_or_sync_ends_the_run_and_is_not_tried_again(tree, clean, what):
    """S05, S23: exit 3 and one line; the file is not synced again; the next start is exact."""
    call, name, error = FAULTS[what]
    trace = [
        "strace",
        "-f",
        "-qq",
        "-o",
        "calls",
        "-e",
        f"trace={call}",
        "-P",
        str(tree / "out" / name),
    ]
    ended = run(tree, before=[*trace, "-e", f"inject={call}:error={error}:when=1"])
    assert ended.code == 3, ended.err
    assert "resume it when this is mended" in one_line(ended.err)
    assert not oracle.leftovers()
    calls = re.findall(rf"{call}\(.*", (tree / "calls").read_text())
    assert "(INJECTED)" in calls[0]
    if call == "fdatasync" or name == "data":
        assert len(calls) == 1, calls
    assert run(tree).code == 0
    oracle.check(tree / "out", failed={}, total=DOCUMENTS)
    assert oracle.sorted_lines(tree / "out") == clean


@pytest.mark.parametrize("inodes", [4, 12, 18])
def test_a_disk_without_inodes_stops_the_run_and_spoils_nothing(tree, disk, clean, inodes):
    """S23: no further file can be made, at any stage: exit 3, and with room it goes on."""
    folder = disk(f"size=64m,nr_inodes={inodes}")
    ended = run(tree, out=folder / "out")
    assert ended.code in (0, 3), ended.err
    if inodes < 18:
        line = one_line(ended.err)
        assert "No space left" in line or "unable to open database file" in line
    assert not oracle.leftovers()
    subprocess.run(["mount", "-o", "remount,nr_inodes=1000", str(folder)], check=True)
    assert run(tree, out=folder / "out").code == 0
    oracle.check(folder / "out", failed={}, total=DOCUMENTS)
    assert oracle.sorted_lines(folder / "out") == clean


@pytest.fixture
def image(tmp_path):
    """A small ext4 of its own, mounted at ``image``; skips where that is not allowed."""
    mounted, file = tmp_path / "image", tmp_path / "ext4"
    mounted.mkdir()
    with file.open("wb") as new:
        new.truncate(16 << 20)
    make, mount = ["mkfs.ext4", "-q", str(file)], ["mount", "-o", "loop", str(file), str(mounted)]
    if os.getuid() != 0 or not shutil.which("mkfs.ext4"):
        pytest.skip("needs root and mkfs.ext4")
    if any(subprocess.run(each, check=False).returncode for each in (make, mount)):
        pytest.skip("may not mount")
    yield mounted
    subprocess.run(["umount", str(mounted)], check=False)


def test_a_disk_that_turns_read_only_ends_the_run(tree, image, clean):
    """S06: as the kernel does after an error, in the middle: exit 3; mended, it goes on."""
    (tree / "gate").unlink()
    (tree / "in" / "00.txt").rename(tree / "in" / "wait-00.txt")
    out = image / "out"
    process = oracle.start("run", "in", "-o", out, *OPTIONS, cwd=tree)
    oracle.wait_for(lambda: any((out / "pending").glob("part-*")))
    subprocess.run(["mount", "-o", "remount,abort", str(image)], check=False)
    (tree / "gate").touch()
    _, err = process.communicate(timeout=20)
    assert process.returncode == 3, err
    assert "resume it when this is mended" in one_line(err)
    oracle.wait_for(lambda: not oracle.leftovers(), 1)
    subprocess.run(["umount", str(image)], check=True)
    subprocess.run(["e2fsck", "-fy", str(tree / "ext4")], check=False, capture_output=True)
    subprocess.run(["mount", "-o", "loop", str(tree / "ext4"), str(image)], check=True)
    (tree / "in" / "wait-00.txt").rename(tree / "in" / "00.txt")
    assert run(tree, out=out).code == 0
    oracle.check(out, failed={})
    assert oracle.sorted_lines(out) == clean


ENDLESS = """
def read(path):
    while path.name == "07.txt":
        yield {"text": "x" * 1_000_000}
    yield {"text": path.read_text()}
"""


def test_results_without_end_stop_at_their_limit(tree, disk):
    """S03: what goes through a spool is cut at --max-output, long before the disk is full."""
    (tree / "read.py").write_text(ENDLESS)
    folder = disk("size=24m")
    ended = run(tree, "--max-output", "5MB", out=folder / "out")
    assert ended.code == 1, ended.err
    oracle.check(folder / "out", failed={"in/07.txt": "output_too_large"}, total=DOCUMENTS)


# ── what an earlier start left, and who reads ────────────────────────────────────────────────


def test_what_a_killed_start_left_in_pending_is_swept(tree, clean):
    """S22: spools, slots and parts that no ledger row speaks of are gone after the next start."""
    (tree / "gate").unlink()
    (tree / "in" / "00.txt").rename(tree / "in" / "wait-00.txt")
    process = oracle.start("run", "in", "-o", "out", *OPTIONS, cwd=tree)
    pending = tree / "out" / "pending"
    oracle.wait_for(lambda: any(pending.glob("part-*")))
    oracle.end(process)
    oracle.wait_for(lambda: not oracle.leftovers())
    assert any(pending.glob("slot-*"))
    for name in ("spool-000007", "slot-0-9", "part-000009.jsonl", "part-000001.jsonl.g2", "other"):
        (pending / name).write_bytes(b"left")
    (tree / "in" / "wait-00.txt").rename(tree / "in" / "00.txt")
    (tree / "gate").touch()
    ended = run(tree)
    assert ended.code == 0, ended.err
    oracle.check(tree / "out", failed={})
    assert oracle.sorted_lines(tree / "out") == clean


def test_nothing_of_a_killed_stream_is_left(tmp_path):
    """S22: `docherd.process` keeps its scratch in a temporary folder that goes with it."""
    (tmp_path / "tmp").mkdir()
    (tmp_path / "program.py").write_text(
        "import time, docherd\n"
        "def slow(path):\n    time.sleep(60)\n"
        "if __name__ == '__main__':\n    list(docherd.process(['program.py'], slow, workers=1))\n"
    )
    command = [oracle.COMMAND[0], "program.py"]
    environment = os.environ | {"TMPDIR": str(tmp_path / "tmp")}
    with subprocess.Popen(command, cwd=tmp_path, env=environment) as process:
        oracle.wait_for(lambda: any((tmp_path / "tmp").glob("docherd-*/slot-*")))
        process.send_signal(signal.SIGKILL)
    oracle.wait_for(lambda: not any((tmp_path / "tmp").iterdir()), 5)
    oracle.wait_for(lambda: not oracle.leftovers(), 1)


def test_a_long_read_never_holds_the_engine_up(tree, clean):
    """S21: a reader that keeps one moment of the ledger open through all commits of a run."""
    (tree / "gate").unlink()
    (tree / "in" / "00.txt").rename(tree / "in" / "wait-00.txt")
    process = oracle.start("run", "in", "-o", "out", *OPTIONS, cwd=tree)
    ledger = tree / "out" / "ledger.db"
    oracle.wait_for(lambda: ledger.exists() and any((tree / "out" / "pending").glob("part-*")))
    reader = sqlite3.connect(f"file:{ledger}?mode=ro", uri=True, isolation_level=None)
    reader.execute("begin")
    (seen,) = reader.execute("select count(*) from outcome").fetchone()
    for number in range(DOCUMENTS, 2 * DOCUMENTS):
        (tree / "in" / f"z{number:02}.txt").write_text("more\n")
    (tree / "gate").touch()
    assert process.wait(timeout=20) == 0
    process.communicate()
    assert run(tree).code == 0  # the same read is still open
    assert reader.execute("select count(*) from outcome").fetchone() == (seen,)
    with pytest.raises(sqlite3.OperationalError):
        reader.execute("pragma wal_checkpoint(truncate)").fetchone()
        reader.execute("insert into part values (9, 1, 1, 0, 0, '')")
    reader.close()
    assert run(tree).code == 0
    oracle.check(tree / "out", failed={})
    assert {line for line in clean if b'"in/00.txt"' not in line} <= set(
        oracle.sorted_lines(tree / "out")
    )
    assert not ledger.with_name("ledger.db-wal").exists()


def test_those_who_look_all_the_time_see_whole_numbers(tree):
    """S21: `status` and `failures` while a run goes on add up, and the run is not held up."""
    process = oracle.start("run", "in", "-o", "out", *OPTIONS, cwd=tree)
    looked = 0
    while process.poll() is None:
        told = oracle.docherd("status", "out", "--json", cwd=tree)
        if told.code == 0:
            counts = json.loads(told.out)["counts"]
            assert counts.pop("discovered") == sum(counts.values())
            looked += 1
        else:
            assert told.code in (2, 4), told.err  # not there yet
    process.communicate()
    assert process.returncode == 0
    assert looked
