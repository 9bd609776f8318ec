"""--dedup with the real command: copies cost nothing, and the data is that of a run without it."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import time
from collections import Counter
from pathlib import Path

import pytest

import oracle

#: journals what it begins; the Records tell nothing of the name
OWN = """
import os, time

def own(path):
    with open(os.path.join(os.path.dirname(__file__), "journal"), "a") as journal:
        journal.write(path.name + "\\n")
    text = path.read_text()
    if text.startswith("slow"):
        time.sleep(0.05)
    if text.startswith("bad"):
        raise ValueError(text[:20])
    if text.startswith("dies"):
        os._exit(3)
    if text.startswith("none"):
        return None
    return ({"text": text, "n": n, "duplicate_of": "mine"} for n in range(len(text) % 3 + 1))
"""


class Tree:
    """Files with copies among them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.source = folder / "in"
        self.source.mkdir()
        self.out = folder / "out"
        (folder / "own.py").write_text(OWN)

    def write(self, **texts: str) -> None:
        for name, text in texts.items():
            (self.source / f"{name}.txt").write_text(text)

    def command(self, *options: str, out: str = "out") -> list[str]:
        return ["run", "in", "-o", out, "-p", "own.py:own", "-w", "2", "-q", *options]

    def run(self, *options: str, code: int = 0) -> oracle.Ended:
        ended = oracle.docherd(*self.command("--dedup", *options), cwd=self.folder)
        assert ended.code == code, ended.err
        return ended

    def begun(self) -> list[str]:
        """The names that were processed since the last call, without their endings."""
        journal = self.folder / "journal"
        names = journal.read_text().splitlines() if journal.exists() else []
        journal.unlink(missing_ok=True)
        return sorted(name.removesuffix(".txt") for name in names)

    def copies(self) -> dict[str, str]:
        """Names of copies with Records → those of their originals."""
        rows = oracle.records(self.out)
        names = {row["document"]: Path(str(row["path"])).stem for row in rows}
        found = {}
        for row in rows:
            if "duplicate_of" in row:
                found[names[row["document"]]] = names.get(row["duplicate_of"], "nobody")
        return found

    def is_as_without(self) -> None:
        """But for `duplicate_of`, data and failures are those of a run without it."""
        shutil.rmtree(self.folder / "fresh", ignore_errors=True)
        journal = (self.folder / "journal").read_bytes() if self.begun_any() else b""
        ended = oracle.docherd(*self.command(out="fresh"), cwd=self.folder)
        assert ended.code in (0, 1), ended.err
        assert plain(self.out) == plain(self.folder / "fresh")
        oracle.check(self.out, failed=oracle.failures(self.folder / "fresh"))
        assert oracle.docherd("verify", self.out).code == 0
        (self.folder / "journal").write_bytes(journal)

    def begun_any(self) -> bool:
        return (self.folder / "journal").exists()


def plain(out: Path) -> list[dict[str, object]]:
    rows = [json.loads(line) for line in oracle.sorted_lines(out)]
    return [{key: row[key] for key in row if key != "duplicate_of"} for row in rows]


@pytest.fixture
def tree(tmp_path):
    return Tree(tmp_path)


def test_identical_files_are_processed_once(tree):
    """Records, failures, exits and nothing at all are shared; equal sizes alone are nothing; an
    empty file is a copy of nothing; a large one is compared by its beginning first.
    """
    large = "L" * 40_000
    tree.write(a="one", b="two", c="one", d="bad file", e="bad file", f="none", g="none")
    tree.write(h=large + "x", i=large + "y", j=large + "x", k="dies", l="dies", m="", n="")
    tree.write(o="z" + large)
    os.link(tree.source / "a.txt", tree.source / "p.txt")
    (tree.source / "q.docx").write_text("one")
    aloud = [word for word in tree.command("--dedup") if word != "-q"]
    ended = oracle.docherd(*aloud, cwd=tree.folder)
    assert ended.code == 1, ended.err
    assert "7 were copies of others and took no processing" in ended.out
    assert sorted(set(tree.begun())) == [*"abdfhikmno"]
    assert tree.copies() == {"c": "a", "p": "a", "q": "a", "j": "h"}
    assert oracle.failures(tree.out) == {
        **dict.fromkeys(("in/d.txt", "in/e.txt"), "error"),
        **dict.fromkeys(("in/k.txt", "in/l.txt"), "exit"),
    }
    rows = oracle.failure_rows(tree.out)
    assert rows["in/e.txt"]["message"] == "copy of in/d.txt: ValueError: bad file"
    assert rows["in/e.txt"]["attempts"] == 0
    assert {row["record_duplicate_of"] for row in oracle.records(tree.out)} == {"mine"}
    tree.is_as_without()
    tree.begun()
    tree.run(code=1)
    assert tree.begun() == []


def test_what_becomes_of_a_copy_when_its_original_changes(tree):
    """Changed, touched, gone: its copies are made anew, by themselves where they are the first."""
    tree.write(a="one", b="one", c="one", d="two", e="two", f="three", g="three")
    tree.run()
    tree.begun()
    tree.write(a="new")
    (tree.source / "d.txt").unlink()
    os.utime(tree.source / "f.txt", ns=(1, 1))
    tree.run("--prune")
    assert tree.begun() == ["a", "b", "e", "f"]
    assert tree.copies() == {"c": "b", "g": "f"}
    tree.is_as_without()
    tree.begun()
    tree.write(c="own", h="two")
    shutil.copy2(tree.source / "e.txt", tree.source / "0.txt")
    tree.run("--prune")
    assert tree.begun() == ["c"]  # what is new is a copy, also where it comes before all others
    assert tree.copies() == {"h": "e", "0": "e", "g": "f"}
    (tree.source / "e.txt").unlink()
    tree.run()
    assert tree.begun() == ["0"]  # found in the same walk as h, before it
    assert tree.copies() == {"g": "f", "h": "0"}
    assert json.loads((tree.out / "status.json").read_text())["counts"]["gone"] == 2


def test_a_retry_takes_copies_along(tree):
    """`retry` processes the original once more, and its copies share what comes of that."""
    tree.write(a="bad", b="bad", c="bad", d="fine")
    tree.run(code=1)
    tree.begun()
    (tree.folder / "own.py").write_text(OWN.replace('"bad"', '"worse"'))
    ended = oracle.docherd("retry", tree.out, "-q", cwd=tree.folder)
    assert ended.code == 0, ended.err
    assert tree.begun() == ["a"]
    assert tree.copies() == {"b": "a", "c": "a"}
    shown = oracle.docherd("show", tree.out, "in/b.txt", "--json")
    tries = [(each["status"], each["message"]) for each in json.loads(shown.out)["attempts"]]
    assert tries == [
        ("failed", "copy of in/a.txt: ValueError: bad"),
        ("pending", ""),
        ("done", "copy of in/a.txt"),
    ]


def test_a_run_of_few_documents_waits_with_copies(tree):
    """--limit: what is outside of it is left alone; without it all is as it has to be."""
    tree.write(**{f"{letter}{n}": letter * 5 for n in range(3) for letter in "abc"})
    tree.run("--limit", "4")
    assert tree.begun() == ["a0", "b0"]
    assert tree.copies() == {"a1": "a0", "a2": "a0"}
    tree.run()
    assert tree.begun() == ["c0"]
    tree.is_as_without()


@pytest.mark.parametrize("seed", [1])
def test_kills_and_edits_change_nothing_in_the_end(tree, seed):
    """Killed at chance moments while files come, go and change: never a Record twice, and in the
    end what a run without --dedup gives.
    """
    chance = random.Random(seed)
    texts = ["slow one", "slow two", "bad slow", "none", "slow " + "l" * 70_000, "slow 3"]
    for n in range(60):
        tree.write(**{f"{n:02}": chance.choice(texts)})
    for _ in range(4):
        process = oracle.start(
            *tree.command("--dedup", "--prune", "--max-interruptions", "0"), cwd=tree.folder
        )
        oracle.wait_for((tree.out / "data").exists)
        time.sleep(chance.uniform(0.1, 1.2))
        oracle.end(process, signal.SIGKILL)
        keys = Counter((row["document"], row["ordinal"]) for row in oracle.records(tree.out))
        assert not keys or max(keys.values()) == 1
        for path in chance.sample(sorted(tree.source.iterdir()), 4):
            path.unlink()
        for _ in range(4):
            tree.write(**{f"{chance.randrange(70):02}": chance.choice(texts)})
    tree.run("--prune", code=1)
    tree.is_as_without()
    assert tree.copies()
    tree.begun()
    assert oracle.docherd(*tree.command("--dedup", out="clean"), cwd=tree.folder).code == 1
    contents = {path.read_bytes() for path in tree.source.iterdir()}
    assert len(tree.begun()) == len(contents)  # the processor's calls
    assert plain(tree.folder / "clean") == plain(tree.out)


needs_strace = pytest.mark.skipif(not shutil.which("strace"), reason="needs strace")


@needs_strace
def test_a_death_at_any_commit_is_made_good(tree, monkeypatch):
    """E01: killed at each sync of the ledger's log in turn, then run again: all is there once."""
    tree.write(a="one", b="one", c="two", d="one", e="bad", f="bad", g="two", h="alone")
    assert oracle.docherd(*tree.command(out="whole"), cwd=tree.folder).code == 1
    command = oracle.COMMAND
    trace = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=fdatasync", "-P"]
    trace.append(str(tree.out / "ledger.db-wal"))
    deaths = 0
    for when in range(2, 14, 2):
        shutil.rmtree(tree.out, ignore_errors=True)
        kill = [*trace, "-e", f"inject=fdatasync:signal=SIGKILL:when={when}"]
        monkeypatch.setattr(oracle, "COMMAND", [*kill, *command])
        first = oracle.docherd(*tree.command("--dedup"), cwd=tree.folder)
        monkeypatch.setattr(oracle, "COMMAND", command)
        if first.code == 1:  # no so many syncs
            break
        assert first.code == -signal.SIGKILL
        deaths += 1
        tree.run("--max-interruptions", "0", code=1)
        assert plain(tree.out) == plain(tree.folder / "whole")
        assert tree.copies() == {"b": "a", "d": "a", "g": "c"}
        oracle.check(tree.out, failed={"in/e.txt": "error", "in/f.txt": "error"}, total=8)
    assert deaths >= 3


def test_no_copy_is_made_of_damaged_records(tree):
    """A changed byte in the original's Records: exit 4, and what to do; then all is well."""
    tree.write(a="one", b="two")
    tree.run()
    part = tree.out / "data" / "part-000001.jsonl"
    part.write_bytes(part.read_bytes().replace(b'"one"', b'"0ne"'))
    tree.write(c="one")
    assert "in/a.txt are not what was written" in tree.run(code=4).err
    assert oracle.docherd("repair", tree.out, "-q", cwd=tree.folder).code == 0
    assert tree.copies() == {"c": "a"}
    tree.is_as_without()


def test_many_copies_of_what_is_large_go_through_a_spool(tree):
    """A hundred copies of 300 kB: nothing is left in pending/, and each line is whole."""
    tree.write(**{f"{n:03}": "x" * 300_001 for n in range(100)})
    tree.run()
    assert len(tree.begun()) == 1
    rows = oracle.records(tree.out)
    assert Counter(len(str(row["text"])) for row in rows) == {300_001: 200}
    assert sum("duplicate_of" in row for row in rows) == 198
    oracle.check(tree.out, failed={}, total=100)
    assert oracle.docherd("verify", tree.out).code == 0


@pytest.mark.parametrize("format", ["parquet", "files"])
def test_a_copy_that_comes_later_is_made_of_what_the_sink_keeps(tree, format):
    """Its original lies in a finished part by then, which is no JSON lines any more."""
    tree.write(a="the same", b="another")
    tree.run("--format", format)
    tree.write(c="the same")
    tree.run("--format", format)
    assert tree.begun() == ["a", "b"]
    said = oracle.docherd("cat", "out", cwd=tree.folder).out.splitlines()
    rows = [json.loads(line) for line in said]
    texts = {row["path"]: row["text"] for row in rows if row["ordinal"] == 0}
    assert texts["in/c.txt"] == texts["in/a.txt"] == "the same"
    if format == "parquet":
        (of,) = {row["duplicate_of"] for row in rows if row["path"] == "in/c.txt"}
        assert of in {row["document"] for row in rows if row["path"] == "in/a.txt"}
    assert oracle.docherd("verify", "out", cwd=tree.folder).code == 0
