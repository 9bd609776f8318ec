"""Files that change, comparers that die or hang, under --dedup (N and E of the catalogue)."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import pytest

import oracle

OWN = """
import pathlib

def own(path):
    with open("journal", "a") as journal:
        journal.write(path.name + "\\n")
    CHANGES
    return {"text": path.read_text()}
"""
COMMAND = (
    "run",
    "in",
    "-o",
    "out",
    "-p",
    "own.py:own",
    "-w",
    "1",
    "--dedup",
    "--progress",
    "plain",
)


def plant(folder: Path, texts: dict[str, str], changes: str = "pass") -> None:
    (folder / "in").mkdir()
    for name, text in texts.items():
        (folder / "in" / f"{name}.txt").write_text(text)
    (folder / "own.py").write_text(OWN.replace("CHANGES", changes))


def begun(folder: Path) -> list[str]:
    return sorted(Path(folder, "journal").read_text().replace(".txt", "").split())


def rows(folder: Path) -> dict[str, tuple[object, bool]]:
    """Name → its text, and whether it is a copy's."""
    return {
        Path(str(row["path"])).stem: (row["text"], "duplicate_of" in row)
        for row in oracle.records(folder / "out")
    }


#: what the first document does to `b`, the original of `c`
CHANGES = {
    "other content": "path.with_name('b.txt').write_text('other')",
    "longer": "path.with_name('b.txt').write_text('much longer')",
    "replaced": "path.with_name('b.txt').unlink(); path.with_name('b.txt').write_text('twins')",
    "a link": "path.with_name('b.txt').unlink(); path.with_name('b.txt').symlink_to('a.txt')",
    "gone": "path.with_name('b.txt').unlink()",
}


@pytest.mark.parametrize("change", CHANGES)
def test_no_copy_is_made_of_a_file_that_changed_meanwhile(tmp_path, change):
    """N05, N04: what was processed may not be what was compared: the copy is processed itself."""
    changes = f"if path.stem == 'a': {CHANGES[change]}"
    changes = changes.replace("; path.with_name", "\n        path.with_name").replace(
        "'a': ", "'a':\n        "
    )
    plant(tmp_path, {"a": "x" * 7, "b": "twins", "c": "twins", "d": "other"}, changes)
    ended = oracle.docherd(*COMMAND, cwd=tmp_path)
    assert ended.code == (1 if change == "gone" else 0), ended.err
    found = rows(tmp_path)
    assert found["c"] == ("twins", False)
    assert found["d"] == ("other", False)
    failed = {"in/b.txt": "input_missing"} if change == "gone" else {}
    oracle.check(tmp_path / "out", failed=failed, total=4)


def test_a_copy_that_vanishes_has_its_records_like_any_other(tmp_path):
    """N04: gone after it was compared, it is as if it had been processed before."""
    plant(
        tmp_path,
        {"a": "x" * 7, "b": "twins", "c": "twins"},
        "import sqlite3, time\n"
        "    ledger = sqlite3.connect('file:out/ledger.db?mode=ro', uri=True)\n"
        "    read = 'select count(*) from document where digest is not null'\n"
        "    while path.stem == 'b' and not ledger.execute(read).fetchone()[0]: time.sleep(0.01)\n"
        "    path.with_name('c.txt').unlink(missing_ok=True) if path.stem == 'b' else None",
    )
    assert oracle.docherd(*COMMAND, cwd=tmp_path).code == 0
    assert rows(tmp_path)["c"][0] == "twins"
    assert oracle.docherd(*COMMAND, "--prune", cwd=tmp_path).code == 0
    assert set(rows(tmp_path)) == {"a", "b"}


@pytest.fixture
def another_comparer(monkeypatch, tmp_path):
    """Another module in its place, in ``tmp_path``; seconds until it is given up."""

    def put(source: str, patience: float) -> None:
        (tmp_path / "another.py").write_text(source)
        patch = (
            "import sys; from docherd import copies, cli; real = copies.Ahead;"
            "copies.Ahead = lambda module, talk, wake: real('another', talk, wake);"
            f"copies.PATIENCE = {patience}; cli.main()"
        )
        monkeypatch.setenv("PYTHONPATH", str(tmp_path))
        monkeypatch.setattr(oracle, "COMMAND", [sys.executable, "-c", patch])

    return put


ANOTHER = {
    "dies at once": ("raise SystemExit(3)", 60.0, "died"),
    "hangs": ("import time; time.sleep(1000)", 0.5, "is a disk hanging?"),
    "dies later": (
        "import os\nfrom docherd import comparer\n"
        "comparer.grouped = lambda pairs, most: os._exit(3)\ncomparer.main()",
        60.0,
        "died",
    ),
    "has no disk": (
        "import sqlite3\nfrom docherd import comparer\n"
        "def full(*_): raise sqlite3.OperationalError('database or disk is full')\n"
        "comparer.Groups = full\ncomparer.main()",
        60.0,
        "disk is full",
    ),
}


@pytest.mark.parametrize("kind", ANOTHER)
def test_without_a_comparer_everything_is_processed(tmp_path, another_comparer, kind):
    """E10, N09: it dies or hangs, and the run is one without --dedup; run.log says why."""
    source, patience, words = ANOTHER[kind]
    another_comparer(source, patience)
    plant(tmp_path, {"a": "twins", "b": "twins", "c": "twins", "d": "alone"})
    ended = oracle.docherd(*COMMAND, cwd=tmp_path)
    assert ended.code == 0, ended.err
    assert begun(tmp_path) == ["a", "b", "c", "d"]
    assert rows(tmp_path) == {
        **dict.fromkeys("abc", ("twins", False)),
        "d": ("alone", False),
    }
    oracle.check(tmp_path / "out", failed={}, total=4)
    log = (tmp_path / "out" / "run.log").read_text()
    assert "identical files are not looked for any more: " in log
    assert words in log


def test_copies_of_an_earlier_starts_original(tmp_path):
    """E04: Ctrl-C while the original is in hand: its copy is pending, and later made of it."""
    plant(
        tmp_path,
        {"a": "twins", "b": "twins"},
        "import time\n    while not pathlib.Path('gate').exists(): time.sleep(0.01)",
    )
    process = oracle.start(*COMMAND, cwd=tmp_path)
    oracle.wait_for((tmp_path / "journal").exists)
    process.send_signal(signal.SIGINT)
    assert any("finishing 1 in hand" in line for line in process.stderr)
    (tmp_path / "gate").touch()
    process.communicate(timeout=30)
    assert process.returncode == -signal.SIGINT
    oracle.check(tmp_path / "out", pending=1, total=2)
    assert oracle.docherd("resume", "out", "-q", cwd=tmp_path).code == 0
    assert begun(tmp_path) == ["a"]
    assert rows(tmp_path) == {"a": ("twins", False), "b": ("twins", True)}


def test_hard_links_and_equal_inodes_are_told_apart(tmp_path):
    """N14: two names of one file are read once; equal content is found under any name."""
    plant(tmp_path, {"a": "y" * 50_000, "b": "y" * 50_000, "c": "y" * 49_999 + "z"})
    os.link(tmp_path / "in" / "a.txt", tmp_path / "in" / "d.txt")
    os.link(
        tmp_path / "in" / "c.txt", tmp_path / "in" / b"\xff.txt".decode("utf-8", "surrogateescape")
    )
    assert oracle.docherd(*COMMAND, cwd=tmp_path).code == 0
    assert begun(tmp_path) == ["a", "c"]
    assert {name: copy for name, (_, copy) in rows(tmp_path).items()} == {
        **{"a": False, "b": True, "c": False, "d": True, "\\xff": True},
    }
