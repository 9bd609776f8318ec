"""A tree that changes between runs: in the end the data is that of a fresh run over it."""

from __future__ import annotations

import json
import os
import random
import shutil
import time
from pathlib import Path

import pytest

import oracle

#: writes each begun document's name in ../journal; the number of Records is in the text
OWN = """
def own(path):
    with open(path.parent.parent / "journal", "a") as journal:
        journal.write(path.name + "\\n")
    text = path.read_text()
    if text.startswith("bad"):
        raise ValueError(text)
    return ({"text": text, "n": n} for n in range(len(text) % 4))
"""
#: seconds a start takes, about, that is killed at a random moment
START = 0.8


class Tree:
    """Files that are edited by chance, always the same for a seed."""

    def __init__(self, folder: Path, files: int, seed: int = 0) -> None:
        self.folder = folder
        self.out = folder / "out"
        self.source = folder / "in"
        self.generator = random.Random(seed)
        self._made = self._edits = 0
        self.source.mkdir()
        (folder / "own.py").write_text(OWN)
        self.add(files)

    # ── what happens to it ───────────────────────────────────────────────────────────────────

    def add(self, number: int) -> None:
        for _ in range(number):
            self._made += 1
            self._write(self.source / f"{self._made:04}.txt")

    def edit(self, number: int) -> None:
        for path in self._some(number):
            self._write(path)

    def delete(self, number: int) -> list[str]:
        gone = self._some(number)
        for path in gone:
            path.unlink()
        return [f"in/{path.name}" for path in gone]

    def touch(self, number: int) -> None:
        for path in self._some(number):
            os.utime(path, ns=(1, 1))

    def _some(self, number: int) -> list[Path]:
        there = sorted(self.source.iterdir())
        return self.generator.sample(there, min(number, len(there)))

    def _write(self, path: Path) -> None:
        """New content; some of it fails, some of it has no Record."""
        self._edits += 1
        word = "bad" if self.generator.random() < 0.15 else "text"
        path.write_text(f"{word} {self._edits} " + "x" * self.generator.randrange(20))

    # ── what is made of it ───────────────────────────────────────────────────────────────────

    def command(self, *options: str, out: str = "out") -> list[str]:
        return ["run", "in", "-o", out, "-p", "own.py:own", "-w", "2", "-q", *options]

    def run(self, *options: str) -> oracle.Ended:
        ended = oracle.docherd(*self.command(*options), cwd=self.folder)
        assert ended.code in (0, 1), ended.err
        return ended

    def is_as_fresh(self) -> None:
        """Data and failures equal those of a fresh run over the tree as it is now."""
        shutil.rmtree(self.folder / "fresh", ignore_errors=True)
        journal = self.begun()
        ended = oracle.docherd(*self.command(out="fresh"), cwd=self.folder)
        assert ended.code in (0, 1), ended.err
        assert oracle.sorted_lines(self.out) == oracle.sorted_lines(self.folder / "fresh")
        oracle.check(self.out, failed=oracle.failures(self.folder / "fresh"))
        printed = oracle.docherd("cat", self.out).out.encode().splitlines()
        assert sorted(printed) == sorted(oracle.sorted_lines(self.out))
        self.begun()
        (self.folder / "journal").write_text("".join(f"{name}\n" for name in journal))

    def begun(self) -> list[str]:
        """The names that were processed since the last call."""
        journal = self.folder / "journal"
        names = journal.read_text().splitlines() if journal.exists() else []
        journal.unlink(missing_ok=True)
        return names

    def counts(self) -> dict[str, int]:
        return json.loads((self.out / "status.json").read_text())["counts"]


@pytest.fixture
def tree(tmp_path):
    tree = Tree(tmp_path, files=60)
    tree.run()
    tree.begun()
    return tree


def change(tree: Tree) -> list[str]:
    """Ten files edited, ten gone, ten new; the paths of those that are gone."""
    tree.edit(10)
    gone = tree.delete(10)
    tree.add(10)
    return gone


def test_with_prune_the_data_is_that_of_a_fresh_run(tree):
    """Ten edited, ten added, ten deleted: only those are processed, and nothing old remains."""
    change(tree)
    tree.run("--prune")
    assert 10 <= len(tree.begun()) <= 20  # some of the edited are among the deleted
    tree.is_as_fresh()
    assert tree.counts()["gone"] == 10
    assert tree.counts()["discovered"] == 70


def test_without_prune_the_records_of_what_is_gone_remain(tree):
    """Records of deleted files stay, counted as gone; of edited ones only the new remain."""
    old = {str(row["path"]) for row in oracle.records(tree.out)}
    gone = set(change(tree))
    tree.run()
    oracle.check(tree.out, total=70)
    assert tree.counts()["gone"] == 10
    kept = {str(row["path"]) for row in oracle.records(tree.out)}
    assert gone & kept == gone & old
    for row in oracle.records(tree.out):
        if row["path"] not in gone:
            assert row["text"] == (tree.folder / str(row["path"])).read_text()
    tree.run("--prune")  # later is early enough
    tree.is_as_fresh()


def test_what_comes_back_is_processed_again(tree):
    """A file that was gone, with its Records kept or pruned, is there once when it is back."""
    paths = sorted(tree.source.iterdir())[:6]
    for options in ((), ("--prune",)):
        texts = {path: path.read_text() for path in paths}
        for path in paths:
            path.unlink()
        tree.run(*options)
        assert tree.counts()["gone"] == 6
        for path, text in texts.items():
            path.write_text(text)
        tree.run()
        assert tree.counts()["gone"] == 0
        tree.is_as_fresh()


def test_a_file_replaced_by_a_link_loses_its_records(tree):
    """A document that became a symbolic link is skipped, once, and its old Records go."""
    path = sorted(tree.source.iterdir())[0]
    path.rename(tree.folder / "elsewhere.txt")
    path.symlink_to(tree.folder / "elsewhere.txt")
    tree.run()
    tree.run()
    tree.is_as_fresh()
    shown = json.loads(oracle.docherd("show", tree.out, f"in/{path.name}", "--json").out)
    assert [each["reason"] for each in shown["attempts"]][1:] == ["symlink"]


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_any_sequence_of_edits_ends_as_a_fresh_run(tmp_path, seed):
    """Six rounds of chance edits, each run with --prune, each compared with a fresh run."""
    tree = Tree(tmp_path, files=25, seed=seed)
    for _ in range(6):
        for edit in (tree.edit, tree.add, tree.delete, tree.touch):
            edit(tree.generator.randrange(6))
        tree.run("--prune")
        tree.is_as_fresh()


@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_kills_between_edits_change_nothing_in_the_end(tmp_path, seed):
    """Edits, kills at chance moments of the re-processing, and then the data of a fresh run."""
    tree = Tree(tmp_path, files=40, seed=seed)
    tree.run()
    for _ in range(6):
        tree.edit(tree.generator.randrange(8))
        tree.add(1)
        tree.delete(tree.generator.randrange(3))
        options = ("--prune", "--max-interruptions", "0")
        process = oracle.start(*tree.command(*options), cwd=tree.folder)
        time.sleep(tree.generator.uniform(0.2, START))
        oracle.end(process)
        keys = [(row["document"], row["ordinal"]) for row in oracle.records(tree.out)]
        assert len(keys) == len(set(keys))  # at no moment is a Record there twice
    tree.run("--prune")
    tree.is_as_fresh()


needs_strace = pytest.mark.skipif(not shutil.which("strace"), reason="needs strace")


@needs_strace
@pytest.mark.parametrize(
    ("call", "when"),
    [("fdatasync", 1), ("fdatasync", 2), ("fdatasync", 4), ("rename", 1), ("rename", 2)],
)
def test_a_death_in_the_middle_of_a_rewriting_is_made_good(tree, monkeypatch, call, when):
    """Cut at each sync and rename of the committer, a rewriting is undone or finished."""
    change(tree)
    command = oracle.COMMAND
    trace = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", f"trace={call}"]
    # A sync has a descriptor, whose path is whole; a rename has the path that was given.
    where = tree.folder if call == "fdatasync" else Path()
    places = [arg for name in PLACES[call] for arg in ("-P", str(where / name))]
    trace += [*places, "-e", f"inject={call}:signal=SIGKILL:when={when}"]
    monkeypatch.setattr(oracle, "COMMAND", [*trace, *command])
    ended = oracle.docherd(*tree.command("--prune"), cwd=tree.folder)
    assert ended.code == -9
    monkeypatch.setattr(oracle, "COMMAND", command)
    tree.run("--prune")
    tree.is_as_fresh()


#: what the committer syncs and renames in a rewriting of part 1 by part 2
PLACES = {
    "fdatasync": ("out/ledger.db-wal", "out/pending/part-000002.jsonl"),
    "rename": ("out/pending/part-000001.jsonl.g2", "out/pending/part-000002.jsonl"),
}


# ── by content ───────────────────────────────────────────────────────────────────────────────


def test_with_checksum_a_touched_file_is_not_processed(tmp_path):
    """--checksum: time and inode alone are no change; the content is, at any time."""
    tree = Tree(tmp_path, files=12)
    tree.run("--checksum")
    assert len(tree.begun()) == 12
    for number, path in enumerate(sorted(tree.source.iterdir())):
        os.utime(path, ns=(number, number))
    copy = shutil.copy(tree.source / "0001.txt", tree.folder / "copy")
    os.replace(copy, tree.source / "0001.txt")  # same content, another inode
    tree.run("--checksum")
    assert tree.begun() == []
    before = (tree.source / "0002.txt").stat()
    text = (tree.source / "0002.txt").read_text()
    (tree.source / "0002.txt").write_text(text.swapcase())
    os.utime(tree.source / "0002.txt", ns=(before.st_atime_ns, before.st_mtime_ns))
    tree.run("--checksum")
    assert tree.begun() == ["0002.txt"]
    tree.run()  # what it learned about times and inodes is remembered
    assert tree.begun() == []
    tree.is_as_fresh()


def test_without_checksum_a_touched_file_is_processed_again(tree):
    """Size, time or inode differ: it may have changed, so it is processed again."""
    os.utime(tree.source / "0001.txt", ns=(7, 7))
    tree.run()
    assert tree.begun() == ["0001.txt"]
    tree.is_as_fresh()
