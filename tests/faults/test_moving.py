"""Inputs that change, fail, hang or go away while they are read (N of the catalogue)."""

from __future__ import annotations

import ctypes
import json
import os
import shutil
import signal
import sqlite3
import struct
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import oracle

HELLO = "hello, this is a document\n"
READ = """
def own(path):
    return {"text": path.read_text()}
"""

needs_strace = pytest.mark.skipif(not shutil.which("strace"), reason="needs strace")


def command(*options: str, processor: str = "own.py:own") -> list[str]:
    return ["run", "in", "-o", "out", "-p", processor, "-w", "2", "--progress", "plain", *options]


def run(folder: Path, source: str, *options: str, before: list[str] | None = None) -> oracle.Ended:
    """Run the function in ``source`` (or a built-in) over ``folder``/in."""
    processor = source
    if "def " in source:
        (folder / "own.py").write_text(source)
        processor = "own.py:own"
    plain = oracle.COMMAND
    oracle.COMMAND = [*(before or []), *plain]
    try:
        return oracle.docherd(*command(*options, processor=processor), cwd=folder)
    finally:
        oracle.COMMAND = plain


def plant(folder: Path, *names: str) -> None:
    for name in names:
        (folder / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / "in" / name).write_text(HELLO)


def texts(out: Path) -> dict[str, str]:
    return {str(row["path"]): str(row["text"]) for row in oracle.records(out)}


# ── it changes ───────────────────────────────────────────────────────────────────────────────

#: half of the file, then the file is another, then the other half; the first time, or always
CHANGE = """
def own(path):
    with path.open() as opened:
        text = opened.read(len({hello!r}) // 2)
        if path.stem == "always" or (path.stem == "once" and "again" not in path.read_text()):
            with path.open("a") as other:
                other.write("again\\n")
        return {{"text": text + opened.read()}}
"""


def test_a_file_that_changes_while_it_is_read_is_read_once_more(tmp_path):
    """N05: never half of one and half of another; one that always changes is input_changed."""
    plant(tmp_path, "always.txt", "calm.txt", "once.txt")
    ended = run(tmp_path, CHANGE.format(hello=HELLO))
    assert ended.code == 1, ended.err
    oracle.check(tmp_path / "out", failed={"in/always.txt": "input_changed"}, total=3)
    row = oracle.failure_rows(tmp_path / "out")["in/always.txt"]
    assert (row["attempts"], row["message"]) == (2, "the file changed while it was read")
    assert texts(tmp_path / "out") == {"in/calm.txt": HELLO, "in/once.txt": HELLO + "again\n"}


TRUNCATE = """
import mmap

def own(path):
    if path.stem == "mapped":
        path.write_bytes(bytes(8192))
    with path.open("r+b") as opened, mmap.mmap(opened.fileno(), 0) as view:
        if path.stem == "mapped":
            opened.truncate(0)
        return {"text": view[:26].decode()}
"""


def test_a_file_that_is_cut_while_it_is_mapped_has_changed(tmp_path):
    """N06: SIGBUS below a mapping of a file that has shrunk is input_changed, not crash."""
    plant(tmp_path, "calm.txt", "mapped.txt")
    ended = run(tmp_path, TRUNCATE)
    assert ended.code == 1, ended.err
    oracle.check(tmp_path / "out", failed={"in/mapped.txt": "input_changed"}, total=2)


HOLD = """
import time

def own(path):
    while path.name.startswith("hold") and not (path.parent.parent / "gate").exists():
        (path.parent.parent / "held").touch()
        time.sleep(0.005)
    return {"text": path.read_text()}
"""


@pytest.fixture
def held(tmp_path):
    """Starts a run and waits until it holds a document; ends it with the test."""
    started: list[subprocess.Popen[str]] = []

    def start(*options: str) -> subprocess.Popen[str]:
        (tmp_path / "own.py").write_text(HOLD)
        started.append(oracle.start(*command(*options), cwd=tmp_path))
        oracle.wait_for((tmp_path / "held").exists)
        return started[-1]

    yield start
    for process in started:
        if process.poll() is None:
            oracle.end(process)
        process.communicate()


def committed(out: Path) -> int:
    """Documents that are done, as the ledger says."""
    return asked(out, "select sum(documents) from tally")


def asked(out: Path, query: str) -> int:
    """What the ledger of a run that goes on answers."""
    ledger = sqlite3.connect(f"file:{out}/ledger.db?mode=ro", uri=True)
    try:
        return int(ledger.execute(query).fetchone()[0] or 0)
    finally:
        ledger.close()


def test_what_changed_between_stop_and_resume_is_read_anew(tmp_path, held):
    """N07: a finished document and one to come, both edited meanwhile; the old Record is gone."""
    plant(tmp_path, "a.txt", "b.txt", "hold.txt", "z.txt")
    process = held("-w", "1")
    oracle.wait_for(lambda: committed(tmp_path / "out") == 2)
    oracle.end(process)
    (tmp_path / "in" / "a.txt").write_text("edited a\n")
    (tmp_path / "in" / "z.txt").write_text("edited z\n")
    (tmp_path / "gate").touch()
    ended = oracle.docherd("resume", "out", "-q", cwd=tmp_path)
    assert ended.code == 0, ended.err
    oracle.check(tmp_path / "out", failed={}, total=4)
    edited = {"in/a.txt": "edited a\n", "in/z.txt": "edited z\n"}
    assert texts(tmp_path / "out") == {"in/b.txt": HELLO, "in/hold.txt": HELLO} | edited
    shown = oracle.docherd("show", "out", "in/a.txt", "--json", cwd=tmp_path)
    assert [each["status"] for each in json.loads(shown.out)["attempts"]] == [
        *("done", "pending", "done"),
    ]


# ── it fails ─────────────────────────────────────────────────────────────────────────────────


@needs_strace
def test_an_io_error_is_said_with_its_name(tmp_path):
    """N09: EIO at opening costs that document; the innocent ones are done."""
    plant(tmp_path, "bad.txt", "calm.txt")
    trace = [
        "strace",
        "-f",
        "--seccomp-bpf",
        "-qq",
        "-o",
        "/dev/null",
        "-P",
        str(tmp_path / "in" / "bad.txt"),
    ]
    trace += ["-e", "trace=openat", "-e", "inject=openat:error=EIO"]
    ended = run(tmp_path, READ, before=trace)
    assert ended.code == 1, ended.err
    oracle.check(tmp_path / "out", failed={"in/bad.txt": "input_unreadable"}, total=2)
    row = oracle.failure_rows(tmp_path / "out")["in/bad.txt"]
    assert row["message"] == "cannot be read: Input/output error"


@needs_strace
@pytest.mark.parametrize("processor", [READ, "extract"])
def test_an_io_error_while_it_is_read_is_said_with_its_name(tmp_path, processor):
    """N09: EIO at reading: a function's own error, or what a built-in says of its input."""
    plant(tmp_path, "bad.txt", "calm.txt")
    trace = [
        "strace",
        "-f",
        "--seccomp-bpf",
        "-qq",
        "-o",
        "/dev/null",
        "-P",
        str(tmp_path / "in" / "bad.txt"),
    ]
    trace += ["-e", "trace=read,pread64", "-e", "inject=read,pread64:error=EIO"]
    ended = run(tmp_path, processor, before=trace)
    assert ended.code == 1, ended.err
    (row,) = oracle.failure_rows(tmp_path / "out").values()
    assert "Input/output error" in row["message"]
    reasons = {"in/bad.txt": row["reason"]}
    assert row["reason"] in ("error", "input_unreadable")
    oracle.check(tmp_path / "out", failed=reasons, total=2)


class DeadDisk:
    """A FUSE mount with the file ``stuck.txt`` whose opening nobody ever answers."""

    #: opcodes
    LOOKUP, GETATTR, OPEN, INIT, OPENDIR, READDIR = 1, 3, 14, 26, 27, 28

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._fd = os.open("/dev/fuse", os.O_RDWR)
        options = f"fd={self._fd},rootmode=40000,user_id=0,group_id=0".encode()
        if self._libc.mount(b"dead", os.fsencode(folder), b"fuse.dead", 0, options):
            os.close(self._fd)
            raise OSError(ctypes.get_errno(), "cannot mount")
        threading.Thread(target=self._serve, daemon=True).start()

    def end(self) -> None:
        """Unmount; what waited for an answer gets an error."""
        self._libc.umount2(os.fsencode(self._folder), 1 | 2)
        os.close(self._fd)

    def _serve(self) -> None:
        try:
            while self._answer(os.read(self._fd, 1 << 20)):
                pass
        except OSError:
            pass  # unmounted

    def _answer(self, request: bytes) -> bool:
        """False at the first opening: that and all further requests stay without an answer."""
        _, opcode, unique, node = struct.unpack_from("=IIQQ", request)
        if opcode == self.OPEN:
            return False
        error, body = 0, b""
        if opcode == self.INIT:
            body = struct.pack("=IIIIHHIIHHI", 7, 31, 0, 0, 0, 0, 4096, 0, 0, 0, 0) + bytes(28)
        elif opcode == self.LOOKUP and request[40:].rstrip(b"\0") == b"stuck.txt":
            body = struct.pack("=QQQQII", 2, 0, 3600, 3600, 0, 0) + self._attributes(2)
        elif opcode == self.GETATTR:
            body = struct.pack("=QII", 3600, 0, 0) + self._attributes(node)
        elif opcode == self.OPENDIR:
            body = bytes(16)
        elif opcode == self.READDIR:
            offset = struct.unpack_from("=QQ", request, 40)[1]
            name = b"stuck.txt".ljust(16, b"\0")
            body = b"" if offset else struct.pack("=QQII", 2, 1, 9, 8) + name
        else:
            error = 0 if opcode in (25, 29) else -38  # flush, release: fine; else ENOSYS
        os.write(self._fd, struct.pack("=IiQ", 16 + len(body), error, unique) + body)
        return True

    def _attributes(self, node: int) -> bytes:
        mode, size = (0o40755, 0) if node == 1 else (0o100644, 5)
        numbers = (node, size, 1, 0, 0, 0)
        return struct.pack("=6Q3I7I", *numbers, 0, 0, 0, mode, 1, 0, 0, 0, 4096, 0)


@pytest.fixture
def dead_disk(tmp_path):
    """Mounted at ``in/disk``; skips where that is not allowed."""
    (tmp_path / "in" / "disk").mkdir(parents=True)
    try:
        disk = DeadDisk(tmp_path / "in" / "disk")
    except OSError:
        pytest.skip("may not mount FUSE")
    yield
    disk.end()
    oracle.wait_for(lambda: not oracle.leftovers(), 5)


#: the command that waits a tenth as long for a process that cannot be killed
HASTY = "from docherd import cli, pool; pool.UNKILLABLE = 1.0; cli.main()"


def test_a_disk_that_never_answers_costs_the_document_its_time(tmp_path, dead_disk, monkeypatch):
    """N09: opening a file hangs in the kernel; it is cut at its timeout, the others are done."""
    monkeypatch.setattr(oracle, "COMMAND", [sys.executable, "-c", HASTY])
    plant(tmp_path, *(f"{number}.txt" for number in range(6)))
    ended = run(tmp_path, READ, "--timeout", "1")
    assert ended.code == 1, ended.err
    assert oracle.failures(tmp_path / "out") == {"in/disk/stuck.txt": "timeout"}
    assert len(oracle.records(tmp_path / "out")) == 6


# ── it is there twice, or a hundred thousand times ───────────────────────────────────────────


def test_hard_links_are_documents_of_their_own(tmp_path):
    """N14: two names of one file, and the same content twice, are all accounted for."""
    plant(tmp_path, "a.txt", "sub/same.txt")
    os.link(tmp_path / "in" / "a.txt", tmp_path / "in" / "b.txt")
    os.link(tmp_path / "in" / "a.txt", tmp_path / "in" / "sub" / "c.txt")
    ended = run(tmp_path, READ)
    assert ended.code == 0, ended.err
    oracle.check(tmp_path / "out", failed={}, total=4)
    names = ("in/a.txt", "in/b.txt", "in/sub/c.txt", "in/sub/same.txt")
    assert texts(tmp_path / "out") == dict.fromkeys(names, HELLO)


MANY = 100_000


def peak_memory(pid: int) -> int:
    """Bytes that a process has held at most, its private ones."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    fields = dict(line.split(":", 1) for line in lines)
    return (int(fields["VmHWM"].split()[0]) - int(fields["RssFile"].split()[0])) << 10


@pytest.mark.timeout(300)
def test_a_folder_of_a_hundred_thousand_names_begins_at_once(tmp_path, held):
    """N15: the first document while names are still being found, and 200 bytes a name at most."""
    plant(tmp_path, "hold.txt")
    process = held()
    small = peak_memory(process.pid)
    oracle.end(process)
    (tmp_path / "held").unlink()
    shutil.rmtree(tmp_path / "out")
    here = os.open(tmp_path / "in", os.O_RDONLY)
    for number in range(MANY):
        os.close(os.open(f"hold-{number:06}.txt", os.O_CREAT, dir_fd=here))
    os.close(here)
    process = held()
    assert asked(tmp_path / "out", "select count(*) from document") < MANY
    shown = tmp_path / "out" / "status.json"

    def found() -> int:
        return json.loads(shown.read_text())["counts"]["discovered"] if shown.exists() else 0

    oracle.wait_for(lambda: found() == MANY + 1, 100)
    assert peak_memory(process.pid) - small < 200 * MANY
    process.send_signal(signal.SIGINT)
    (tmp_path / "gate").touch()
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGINT


# ── it goes away ─────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def disk(tmp_path):
    """A disk at ``in``; call it to take it away, whoever uses it. Skips where one may not mount."""
    (tmp_path / "in").mkdir()
    mount = ["mount", "-t", "tmpfs", "docherd-test", str(tmp_path / "in")]
    if os.getuid() != 0 or subprocess.run(mount, check=False).returncode:
        pytest.skip("may not mount")

    def take_away(below: str) -> None:
        subprocess.run(["umount", "-l", str(tmp_path / below)], check=True)

    yield take_away
    if os.path.ismount(tmp_path / "in"):
        subprocess.run(["umount", "-l", str(tmp_path / "in")], check=True)


def test_a_disk_that_is_taken_away_is_no_documents_fault(tmp_path, disk, held):
    """N20: exit 3 that says so, nobody failed, the rest pending; with the disk back it goes on."""
    names = [f"{number:03}.txt" for number in range(400)]
    plant(tmp_path, "000-first.txt", "hold.txt", *(f"sub/{name}" for name in names))
    backing = tmp_path / "backing"
    shutil.copytree(tmp_path / "in", backing, copy_function=shutil.copy2)
    process = held("-w", "1")
    disk("in")
    (tmp_path / "gate").touch()
    out, err = process.communicate(timeout=20)
    assert process.returncode == 3, err
    assert "is a disk missing?" in out + err
    counts = json.loads((tmp_path / "out" / "status.json").read_text())["counts"]
    assert (counts["failed"], counts["gone"]) == (0, 0)
    assert counts["pending"] == 402 - counts["done"] > 0
    assert not oracle.leftovers()
    (tmp_path / "in").rmdir()
    backing.rename(tmp_path / "in")
    ended = oracle.docherd("resume", "out", "-q", cwd=tmp_path)
    assert ended.code == 0, ended.err
    oracle.check(tmp_path / "out", failed={}, total=402)
    assert len(oracle.records(tmp_path / "out")) == 402


def test_a_folder_that_is_removed_under_the_walk_is_no_documents_fault(tmp_path, held):
    """N20: the input's own folder is renamed away in the middle: exit 3, and all is pending."""
    plant(tmp_path, "hold.txt", *(f"{number:02}.txt" for number in range(40, 80)))
    (tmp_path / "in" / "hold.txt").rename(tmp_path / "in" / "hold-00.txt")
    for number in range(80, 120):
        plant(tmp_path, f"z{number}.txt")
    process = held("-w", "1")
    (tmp_path / "in").rename(tmp_path / "elsewhere")
    (tmp_path / "gate").touch()
    _, err = process.communicate(timeout=20)
    assert process.returncode == 3, err
    (tmp_path / "elsewhere").rename(tmp_path / "in")
    ended = oracle.docherd("resume", "out", "-q", cwd=tmp_path)
    assert ended.code == 0, ended.err
    oracle.check(tmp_path / "out", failed={}, total=81)


# ── what is not there is not gone ────────────────────────────────────────────────────────────


def test_an_input_that_is_suddenly_empty_is_not_pruned(tmp_path):
    """N20: a disk that is not mounted leaves an empty folder; its Records are kept."""
    (tmp_path / "in").mkdir()
    for number in range(5):
        (tmp_path / "in" / f"{number}.txt").write_text("x")
    (tmp_path / "own.py").write_text("def own(path):\n    return {'text': path.read_text()}\n")
    command = ("run", "in", "-o", "out", "-p", "own.py:own", "-q", "--prune")
    assert oracle.docherd(*command, cwd=tmp_path).code == 0
    before = oracle.sorted_lines(tmp_path / "out")
    (tmp_path / "in").rename(tmp_path / "disk")
    (tmp_path / "in").mkdir()
    ended = oracle.docherd(*command, cwd=tmp_path)
    assert ended.code == 3, ended.err
    assert "is a disk missing?" in ended.err
    assert oracle.sorted_lines(tmp_path / "out") == before
    (tmp_path / "in").rmdir()
    (tmp_path / "disk").rename(tmp_path / "in")
    assert oracle.docherd(*command, cwd=tmp_path).code == 0
    oracle.check(tmp_path / "out", failed={}, total=5)
