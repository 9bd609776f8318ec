"""Damage in a run folder: named by `verify`, mended by `repair` (S08, S09, S13-S17, S19)."""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import oracle

#: several Records a document, none, or a failure; writes down what it begins in ../journal
READ = """
def read(path):
    with open(path.parent.parent / "journal", "a") as journal:
        journal.write(path.name + "\\n")
    if path.name.startswith("bad"):
        raise ValueError("as it was asked to")
    if path.name.startswith("none"):
        return None
    return [{"page": page, "text": path.read_text() * 20} for page in range(3)]
"""
#: documents of each of the three starts, every one of which leaves a part
EACH = 20


class Run:
    """A finished run of three parts, as a folder of its own with inputs and processor."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.out = folder / "out"

    @property
    def command(self) -> list[str]:
        return ["run", "in", "-o", "out", "-p", "read.py:read", "-w", "2", "-q", "--exit-zero"]

    def make(self) -> None:
        (self.folder / "in").mkdir(parents=True)
        (self.folder / "read.py").write_text(READ)
        for start in range(3):
            for number in range(start * EACH, (start + 1) * EACH):
                (self.folder / "in" / f"{number:02}.txt").write_text(f"document {number}\n" * 10)
            for name in ("bad", "none"):
                (self.folder / "in" / f"{name}-{start}.txt").write_text("x")
            self.docherd(*self.command, code=0)
        # One of the first part is changed, one of the second vanishes.
        (self.folder / "in" / "03.txt").write_text("changed\n" * 10)
        (self.folder / "in" / "25.txt").unlink()
        self.docherd(*self.command, code=0)
        self.begun()

    def docherd(self, *words: str, code: int) -> oracle.Ended:
        ended = oracle.docherd(*words, cwd=self.folder)
        assert ended.code == code, ended.err + ended.out
        return ended

    def begun(self) -> list[str]:
        """What was begun since the last call."""
        journal = self.folder / "journal"
        names = sorted(journal.read_text().split()) if journal.exists() else []
        journal.unlink(missing_ok=True)
        return names

    def part(self, number: int) -> Path:
        return self.out / "data" / f"part-{number:06}.jsonl"

    def contents(self) -> dict[str, bytes]:
        files = [path for path in self.out.rglob("*") if path.is_file()]
        return {str(path.relative_to(self.out)): path.read_bytes() for path in files}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Run:
    run = Run(tmp_path_factory.mktemp("undisturbed"))
    run.make()
    assert [path.name for path in sorted((run.out / "data").iterdir())] == [
        run.part(number).name for number in (1, 2, 3, 4)
    ]
    return run


@pytest.fixture
def run(undisturbed: Run, tmp_path: Path) -> Run:
    """A copy of it; the times of its files are those of the original."""
    shutil.copytree(undisturbed.folder, tmp_path / "copy", symlinks=True)
    copy = Run(tmp_path / "copy")
    # Its inputs are the original's: a run goes with its folder, not with its inputs.
    about = json.loads((copy.out / "run.json").read_text())
    about["inputs"][0]["folder"] = str(copy.folder / "in")
    (copy.out / "run.json").write_text(json.dumps(about))
    with sqlite3.connect(copy.out / "ledger.db") as ledger:
        for number, path in list(ledger.execute("select id, path from document")):
            name = copy.folder / "in" / os.fsdecode(path)
            if name.exists():
                entry = name.stat()
                values = (entry.st_mtime_ns, entry.st_ino, number)
                ledger.execute("update document set mtime_ns = ?, inode = ? where id = ?", values)
    ledger.close()
    return copy


# ── what can happen to a part ────────────────────────────────────────────────────────────────


def nothing(run: Run) -> set[str]:
    return set()


def flipped_byte(run: Run) -> set[str]:
    """In the Record of a document in the middle of the second part."""
    return _change(run.part(2), lambda data, at: data[:at] + b"\xff" + data[at + 1 :])


def inserted_byte(run: Run) -> set[str]:
    """Everything behind it lies one byte further, and is intact."""
    return _change(run.part(2), lambda data, at: data[:at] + b"x" + data[at:])


def deleted_line(run: Run) -> set[str]:
    def without(data: bytes, at: int) -> bytes:
        return data[: data.rfind(b"\n", 0, at) + 1] + data[data.find(b"\n", at) + 1 :]

    return _change(run.part(2), without)


def _change(part: Path, change: Callable[[bytes, int], bytes]) -> set[str]:
    data = part.read_bytes()
    at = len(data) // 2
    line = data[data.rfind(b"\n", 0, at) + 1 : data.find(b"\n", at)]
    part.write_bytes(change(data, at))
    return {json.loads(line)["path"].removeprefix("in/")}


def cut_short(run: Run) -> set[str]:
    """All but the first two documents of the last part but one."""
    part = run.part(3)
    names = _names(part)
    lines = part.read_bytes().splitlines(keepends=True)
    os.truncate(part, sum(map(len, lines[:7])))  # two whole ones, and a third of the next
    return set(names[2:])


def appended(run: Run) -> set[str]:
    with run.part(1).open("ab") as part:
        part.write(b'{"document": "aaaaaaaaaaaaaaaa", "path": "in/x", "ordinal": 0}\n{"torn')
    return set()


def doubled_line(run: Run) -> set[str]:
    """The last line of the last document once more: it has four Records now, and had three."""
    part = run.part(3)
    line = part.read_bytes().splitlines(keepends=True)[-1]
    with part.open("ab") as file:
        file.write(line)
    return {_names(part)[-1]}


def removed(run: Run) -> set[str]:
    """S15: the whole part."""
    names = _names(run.part(3))
    run.part(3).unlink()
    return set(names)


def emptied(run: Run) -> set[str]:
    names = _names(run.part(2))
    os.truncate(run.part(2), 0)
    return set(names) - {"25.txt"}


def another_run(run: Run) -> set[str]:
    """A part of another run of the same tree: as many bytes, other content."""
    names = _names(run.part(3))
    run.part(3).write_bytes(run.part(3).read_bytes().replace(b"document 4", b"document 5"))
    return {name for name in names if name.startswith("4")}


def _names(part: Path) -> list[str]:
    rows = (json.loads(line) for line in part.read_bytes().splitlines())
    return list(dict.fromkeys(row["path"].removeprefix("in/") for row in rows))


PARTS = [
    *(nothing, flipped_byte, inserted_byte, deleted_line, cut_short, appended, doubled_line),
    *(removed, emptied, another_run),
]


@pytest.mark.parametrize("damage", PARTS, ids=lambda each: each.__name__)
def test_a_damaged_part_is_named_and_mended(
    run: Run, undisturbed: Run, damage: Callable[[Run], set[str]]
) -> None:
    """S08, S09, S15: `verify` sees every changed byte and changes none; `repair` does again what
    was lost and nothing else, and the data is that of a run that nobody disturbed.
    """
    lost = damage(run)
    before = run.contents()
    damaged = damage is not nothing
    seen = run.docherd("verify", "out", code=4 if damaged else 0)
    assert run.contents() == before
    assert ("no damage" in seen.out) != damaged
    if damage in (flipped_byte, inserted_byte, deleted_line):
        (name,) = lost
        assert f"in/{name}: its Records are not what was written" in seen.out
    run.docherd("repair", "out", "-q", code=0)
    assert run.begun() == sorted(lost)
    run.docherd("verify", "out", code=0)
    oracle.check(run.out)
    assert _lines(run, damage) == _lines(undisturbed, damage)
    run.docherd("repair", "out", "-q", code=0)
    run.docherd(*run.command, code=0)
    assert run.begun() == []


def _lines(run: Run, damage: Callable[[Run], set[str]]) -> list[bytes]:
    """Without the Records of the file that is gone, where they were lost for good."""
    lines = oracle.sorted_lines(run.out)
    return [line for line in lines if damage is not emptied or b"in/25.txt" not in line]


def test_what_is_lost_for_good_is_said(run: Run) -> None:
    """S15: a file that is gone cannot be processed again; its Records were the last of it."""
    emptied(run)
    ended = run.docherd("repair", "out", "--progress", "none", code=0)
    assert "the ledger" not in ended.out
    run.docherd("repair", "out", "-q", code=0)
    status = json.loads(run.docherd("status", "out", "--json", code=0).out)
    assert status["counts"]["gone"] == 1


def test_every_damage_is_one_line_for_machines(run: Run) -> None:
    """S09: and the figures of the whole behind them."""
    flipped_byte(run)
    run.part(3).unlink()
    *damages, last = map(
        json.loads, run.docherd("verify", "out", "--json", code=4).out.splitlines()
    )
    assert [(each["what"], each["part"]) for each in damages] == [("records", 2), ("part", 3)]
    assert last["event"] == "verified"
    assert last["damages"] == 2


def test_a_part_of_another_run_is_not_touched(run: Run) -> None:
    """S15: nothing in data/ is ever deleted; a part that nobody knows is the user's to move."""
    shutil.copy(run.part(1), run.part(9))
    before = run.contents()
    assert "part-000009.jsonl: is not a part" in run.docherd("verify", "out", code=4).out
    assert "move it elsewhere" in run.docherd("repair", "out", "-q", code=4).err
    assert run.contents() == before


# ── what can happen to the ledger ────────────────────────────────────────────────────────────


def no_ledger(run: Run) -> None:
    (run.out / "ledger.db").unlink()


def noise(run: Run) -> None:
    """Over the second to the fifth page."""
    with (run.out / "ledger.db").open("r+b") as ledger:
        ledger.seek(4096)
        ledger.write(b"\xa5" * 4 * 4096)


def empty_ledger(run: Run) -> None:
    os.truncate(run.out / "ledger.db", 0)


def foreign_ledger(run: Run) -> None:
    no_ledger(run)
    with sqlite3.connect(run.out / "ledger.db") as other:
        other.execute("create table t (x)")
    other.close()


@pytest.mark.parametrize("damage", [no_ledger, noise, empty_ledger, foreign_ledger])
def test_a_lost_ledger_is_made_anew_from_the_parts(
    run: Run, undisturbed: Run, damage: Callable[[Run], None]
) -> None:
    """S13, S14: what has Records is done, also where its file is gone; only what left none is
    processed again; the damaged ledger is kept.
    """
    damage(run)
    before = run.contents()
    run.docherd("verify", "out", code=4)
    assert "docherd repair" in run.docherd("resume", "out", "-q", code=4).err
    assert run.contents() == before
    run.docherd("repair", "out", "-q", code=0)
    left_nothing = [f"{kind}-{start}.txt" for kind in ("bad", "none") for start in range(3)]
    assert run.begun() == left_nothing
    run.docherd("verify", "out", code=0)
    oracle.check(run.out, failed={f"in/bad-{start}.txt": "error" for start in range(3)})
    assert oracle.sorted_lines(run.out) == oracle.sorted_lines(undisturbed.out)
    counts = [
        json.loads(each.docherd("status", "out", "--json", code=0).out)["counts"]
        for each in (run, undisturbed)
    ]
    assert counts[0] == counts[1]
    if damage is noise:
        assert (run.out / "ledger.db.damaged").read_bytes() == before["ledger.db"]
    run.docherd(*run.command, code=0)
    assert run.begun() == []


def test_a_lost_ledger_and_damaged_parts(run: Run, undisturbed: Run) -> None:
    """S09, S13: lines that are no JSON of ours belong to nobody, and go."""
    no_ledger(run)
    (name,) = inserted_byte(run)
    appended(run)
    with run.part(2).open("r+b") as part:
        part.write(b"garbage ")
    first = _names(undisturbed.part(2))[0]
    (run.folder / "in" / "07.txt").write_text("newer than its part\n" * 10)
    run.docherd("repair", "out", "-q", code=0)
    again = {first, "07.txt", "bad-0.txt", "bad-1.txt", "bad-2.txt"}
    again |= {"none-0.txt", "none-1.txt", "none-2.txt"}
    # A byte more in a text is JSON like any other: without the ledger's CRC nobody can tell.
    assert set(run.begun()) | {name} == again | {name}
    run.docherd("verify", "out", code=0)
    oracle.check(run.out)
    texts = {row["path"]: row["text"] for row in oracle.records(run.out)}
    assert texts["in/07.txt"].startswith("newer")
    assert len(texts) == 3 * EACH


def test_a_newer_ledger_is_not_touched(run: Run) -> None:
    """S16: not by `repair` either."""
    with sqlite3.connect(run.out / "ledger.db") as ledger:
        ledger.execute("pragma user_version = 99")
    ledger.close()
    before = run.contents()
    assert "newer docherd" in run.docherd("verify", "out", code=4).out
    assert "upgrade" in run.docherd("repair", "out", "-q", code=4).err
    assert run.contents() == before


#: dies within a commit, as a run that is killed at its very end, outside of WAL mode
HALF = """
import os, sqlite3
ledger = sqlite3.connect("out/ledger.db", isolation_level=None)
ledger.execute("pragma cache_size = 1")
ledger.execute("pragma cache_spill = 1")
ledger.execute("begin immediate")
ledger.execute("update outcome set message = zeroblob(200000)")
os.kill(os.getpid(), 9)
"""


def test_half_a_commit_is_no_damage(run: Run, undisturbed: Run) -> None:
    """E01, S13: the ledger is sound once it is undone, and knows what was changed in a part."""
    subprocess.run([sys.executable, "-c", HALF], cwd=run.folder, check=False)
    assert (run.out / "ledger.db-journal").stat().st_size
    assert "half a commit" in run.docherd("verify", "out", code=3).err
    (name,) = flipped_byte(run)
    run.docherd("repair", "out", "-q", code=0)
    assert run.begun() == [name]
    assert not list(run.out.glob("ledger.db.damaged*"))
    run.docherd("verify", "out", code=0)
    assert oracle.sorted_lines(run.out) == oracle.sorted_lines(undisturbed.out)


def test_wrong_accounting_is_made_anew(run: Run) -> None:
    """S13: somebody changed the tally."""
    with sqlite3.connect(run.out / "ledger.db") as ledger:
        ledger.execute("update tally set documents = documents + 1 where status = 1")
    ledger.close()
    assert "counted as status 1" in run.docherd("verify", "out", code=4).out
    run.docherd("repair", "out", "-q", code=0)
    run.docherd("verify", "out", code=0)
    assert run.begun() == []


def test_a_list_that_came_through_a_pipe_is_found_again(run: Run) -> None:
    """S14: the list went with the ledger; the documents that left Records are known by them."""
    names = "".join(f"{run.folder}/in/{number:02}.txt\n" for number in range(5))
    (run.folder / "names").write_text(names)
    command = ["run", "--files-from", "-", "-o", "piped", "-p", "read.py:read", "-q"]
    with (run.folder / "names").open() as piped:
        assert oracle.docherd(*command, cwd=run.folder, stdin=piped).code == 0
    (run.folder / "piped" / "ledger.db").unlink()
    run.begun()
    with (run.folder / "names").open() as piped:
        assert oracle.docherd(*command, cwd=run.folder, stdin=piped).code == 4
    run.docherd("repair", "piped", "-q", code=2)  # mended; to go on, it needs the list
    with (run.folder / "names").open() as piped:
        assert oracle.docherd(*command, cwd=run.folder, stdin=piped).code == 0
    assert run.begun() == []
    run.docherd("verify", "piped", code=0)


# ── while a run goes on ──────────────────────────────────────────────────────────────────────

SLOW = """
import time

def slow(path):
    while path.name.startswith("wait") and not (path.parent.parent / "gate").exists():
        time.sleep(0.005)
    return {"text": path.read_text()}
"""


def _remove_open(out: Path) -> None:
    (out / "pending" / "part-000002.jsonl").unlink()


def _write_open(out: Path) -> None:
    with (out / "pending" / "part-000002.jsonl").open("a") as part:
        part.write("{}\n")


def _remove_published(out: Path) -> None:
    (out / "data" / "part-000001.jsonl").unlink()


def _write_published(out: Path) -> None:
    with (out / "data" / "part-000001.jsonl").open("a") as part:
        part.write("{}\n")


@pytest.mark.parametrize("touch", [_remove_open, _remove_published, _write_published])
def test_results_that_are_touched_during_a_run_are_noticed(
    tmp_path: Path, touch: Callable[[Path], None]
) -> None:
    """S19: exit 4, which says where; `repair` does again what was lost."""
    assert "docherd repair" in _touched(tmp_path, touch)
    assert oracle.docherd("verify", "out", cwd=tmp_path).code == 4
    assert oracle.docherd("repair", "out", "-q", cwd=tmp_path).code == 0
    _is_whole(tmp_path)


def test_what_somebody_else_writes_into_the_open_segment_is_cut_off(tmp_path: Path) -> None:
    """S19, S07: as the torn tail that it might be; no damage once the run has ended."""
    assert "run the same command again" in _touched(tmp_path, _write_open)
    assert oracle.docherd("verify", "out", cwd=tmp_path).code == 0
    assert oracle.docherd("resume", "out", "-q", cwd=tmp_path).code == 0
    _is_whole(tmp_path)


def _touched(folder: Path, touch: Callable[[Path], None]) -> str:
    """What a run says under which somebody touched its results."""
    (folder / "in").mkdir()
    (folder / "slow.py").write_text(SLOW)
    for number in range(10):
        (folder / "in" / f"{number}.txt").write_text(f"document {number}")
    command = ("run", "in", "-o", "out", "-p", "slow.py:slow", "-w", "2", "-q")
    assert oracle.docherd(*command, cwd=folder).code == 0
    for number in range(10):
        (folder / "in" / f"new-{number}.txt").write_text(f"new document {number}")
    for number in range(2):
        (folder / "in" / f"wait-{number}.txt").write_text(f"late document {number}")
    running = oracle.start(*command, cwd=folder)
    # Ten of them are committed; the two that wait are in hand.
    oracle.wait_for(lambda: _size(folder / "out" / "pending" / "part-000002.jsonl") > 10 * 60)
    touch(folder / "out")
    (folder / "gate").touch()
    _, err = running.communicate(timeout=30)
    assert running.returncode == 4, err
    return str(err)


def _is_whole(folder: Path) -> None:
    assert oracle.docherd("verify", "out", cwd=folder).code == 0
    oracle.check(folder / "out", failed={}, total=22)
    assert len(oracle.records(folder / "out")) == 22


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def test_a_run_that_goes_on_is_not_looked_at(tmp_path: Path) -> None:
    """E13: what is being written cannot be verified, and not repaired."""
    (tmp_path / "in").mkdir()
    (tmp_path / "slow.py").write_text(SLOW)
    (tmp_path / "in" / "wait.txt").write_text("x")
    running = oracle.start(*("run", "in", "-o", "out", "-p", "slow.py:slow", "-q"), cwd=tmp_path)
    oracle.wait_for(lambda: _size(tmp_path / "out" / "run.json"))
    assert oracle.docherd("verify", "out", cwd=tmp_path).code == 6
    assert oracle.docherd("repair", "out", "-q", cwd=tmp_path).code == 6
    (tmp_path / "gate").touch()
    running.communicate(timeout=30)
    assert running.returncode == 0
    assert oracle.docherd("verify", "out", cwd=tmp_path).code == 0
