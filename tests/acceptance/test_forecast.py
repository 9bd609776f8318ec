"""Probes, order and ETA through the real command: what they promise, and that they harm nothing."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import sqlite3
import sys
from pathlib import Path

import pytest
from fpdf import FPDF

import oracle

SMALL = 200
#: pages of the large PDFs, by name: last in the order of the walk
LARGE = {"z1.pdf": 3, "z2.pdf": 40, "z3.pdf": 1, "z4.pdf": 40, "z5.pdf": 7}
#: writes each begun document's name in ../journal; a PDF takes its time
OWN = """
import os, time

def own(path):
    with open(path.parent.parent / "journal", "a") as journal:
        journal.write(path.name + "\\n")
    time.sleep(0.4 if path.suffix == ".pdf" else 0.004)
    if "dies" in path.name:
        os._exit(7)
    return {"name": path.name, "size": path.stat().st_size}
"""
#: in every worker: what happens while pages are counted, by name
SITE = """
import os, time
from docherd.processors import pages as module

count = module.pages

def pages(document):
    folder, _, name = os.fspath(document).rpartition("/")
    with open(os.path.join(folder, "../probed"), "a") as probed:
        probed.write(name + "\\n")
    if "probe-exits" in name:
        os._exit(9)
    if "probe-killed" in name:
        os.kill(os.getpid(), 11)
    while "probe-hangs" in name:
        time.sleep(1)
    while os.path.exists(os.path.join(folder, "../hold")):
        time.sleep(0.005)
    return count(document)

module.pages = pages
"""
#: the command in which counting may take half a second
HASTY = """
from docherd import cli, scheduler
scheduler.PROBE_SECONDS = 0.5
cli.main()
"""
#: the command that never counts pages
NEVER = """
from docherd import cli, supply
supply.COUNTED = frozenset()
cli.main()
"""


def pdf(path: Path, pages: int, size: int = 1_100_000) -> None:
    """A PDF of so many pages, and above a megabyte by what is embedded in it."""
    made = FPDF()
    for _ in range(pages):
        made.add_page()
    made.embed_file(basename="noise", bytes=random.Random(pages).randbytes(size))
    path.write_bytes(bytes(made.output()))


class Folder:
    """Large PDFs behind many small files, and the command over them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.source, self.out = folder / "in", folder / "out"
        self.source.mkdir()
        for n in range(SMALL):
            (self.source / f"{n:03}.txt").write_text(f"text {n}")
        for name, pages in LARGE.items():
            pdf(self.source / name, pages)
        (folder / "own.py").write_text(OWN)
        (folder / "site").mkdir()
        (folder / "site" / "sitecustomize.py").write_text(SITE)

    @property
    def total(self) -> int:
        return len(os.listdir(self.source))

    def command(self, out: str = "out") -> list[str]:
        return ["run", "in", "-o", out, "-p", "own.py:own", "-w", "2", "-q"]

    def run(self, out: str = "out") -> oracle.Ended:
        return oracle.docherd(*self.command(out), cwd=self.folder, env=self.environment())

    def environment(self) -> dict[str, str]:
        return os.environ | {"PYTHONPATH": str(self.folder / "site")}

    def lines(self, name: str) -> list[str]:
        file = self.folder / name
        return file.read_text().splitlines() if file.exists() else []

    def strata(self) -> dict[str, str]:
        """Name → stratum, as the ledger has it."""
        rows = self.rows("select path, name from document d join stratum s on s.id = d.stratum")
        return {path.decode(): name for path, name in rows}

    def rows(self, query: str) -> list[tuple]:
        with contextlib.closing(sqlite3.connect(self.out / "ledger.db")) as db:
            return db.execute(query).fetchall()


@pytest.fixture
def folder(tmp_path):
    return Folder(tmp_path)


def counted(pages: int) -> str:
    return f"pdf/21/{pages.bit_length()}"


def test_large_documents_are_counted_and_come_early(folder, monkeypatch):
    """Last in the walk, first in their turn; the results are those of a run without probes."""
    assert folder.run().code == 0
    oracle.check(folder.out, failed={}, total=folder.total)
    assert sorted(folder.lines("probed")) == sorted(LARGE)
    strata = folder.strata()
    assert {name: strata[name] for name in LARGE} == {n: counted(p) for n, p in LARGE.items()}
    begun = folder.lines("journal")
    assert sorted(begun) == sorted(os.listdir(folder.source))
    assert max(begun.index(name) for name in LARGE) < 0.75 * len(begun)
    monkeypatch.setattr(oracle, "COMMAND", [sys.executable, "-c", NEVER])
    assert folder.run("without").code == 0
    assert len(folder.lines("probed")) == len(LARGE)
    assert oracle.sorted_lines(folder.out) == oracle.sorted_lines(folder.folder / "without")


def test_a_probe_that_ends_its_worker_blames_nobody(folder, monkeypatch):
    """It exits, is killed, or hangs: the Document is processed like any other, at the first go."""
    odd = ("y-probe-exits.pdf", "y-probe-killed.pdf", "y-probe-hangs.pdf", "y-dies.pdf")
    for name in odd:
        pdf(folder.source / name, 2)
    (folder.source / "y-broken.pdf").write_bytes(b"%PDF-1.4" + bytes(1 << 20))
    monkeypatch.setattr(oracle, "COMMAND", [sys.executable, "-c", HASTY])
    assert folder.run().code == 1
    oracle.check(folder.out, failed={"in/y-dies.pdf": "exit"}, total=folder.total)
    assert oracle.failure_rows(folder.out)["in/y-dies.pdf"]["attempts"] == 2
    attempts = dict(
        folder.rows(
            "select path, max(attempt) from outcome o join document d on"
            " d.id = o.document where status = 1 group by path"
        )
    )
    assert len(attempts) == folder.total - 1
    assert set(attempts.values()) == {1}
    begun = folder.lines("journal")
    assert sorted(begun) == sorted([*os.listdir(folder.source), "y-dies.pdf"])
    strata = folder.strata()
    for name in (*odd[:3], "y-broken.pdf"):
        assert strata[name] == "pdf/21/0"
    assert strata["y-dies.pdf"] == counted(2)
    probed = folder.lines("probed")  # some once more, whose answers went with their worker
    assert set(probed) == {*odd, "y-broken.pdf", *LARGE}
    assert [probed.count(name) for name in odd[:3]] == [1, 1, 1]


@pytest.mark.parametrize("kills", [1, 3])  # each has one or two of the five in hand
def test_an_engine_that_is_killed_while_pages_are_counted(folder, kills):
    """However often: the next start goes on, and everything is done once."""
    hold = folder.folder / "hold"
    hold.touch()
    for _ in range(kills):
        before = len(folder.lines("probed"))
        process = oracle.start(*folder.command(), cwd=folder.folder, env=folder.environment())
        oracle.wait_for(lambda before=before: len(folder.lines("probed")) > before)
        oracle.end(process, signal.SIGKILL)
        oracle.wait_for(lambda: not oracle.leftovers())
    hold.unlink()
    assert folder.run().code == 0
    oracle.check(folder.out, failed={}, total=folder.total)
    assert len(oracle.records(folder.out)) == folder.total
    probed = folder.lines("probed")
    assert {name: probed.count(name) for name in LARGE} == dict.fromkeys(LARGE, 1)


def test_pages_that_were_counted_are_not_counted_again(folder):
    """A resumed run knows them; a file that changed is another."""
    process = oracle.start(*folder.command(), cwd=folder.folder, env=folder.environment())
    oracle.wait_for(lambda: "z1.pdf" in folder.lines("journal"))
    oracle.end(process, signal.SIGINT)
    assert sorted(folder.lines("probed")) == sorted(LARGE)
    pdf(folder.source / "z2.pdf", 5)
    assert folder.run().code == 0
    oracle.check(folder.out, failed={}, total=folder.total)
    assert sorted(folder.lines("probed")) == sorted([*LARGE, "z2.pdf"])
    assert folder.strata()["z2.pdf"] == counted(5)
    assert folder.strata()["z4.pdf"] == counted(40)


# ── the end, foretold ────────────────────────────────────────────────────────────────────────

SLEEPS = """
import time

def own(path):
    time.sleep(0.05)
    return {"text": path.read_text()}
"""
ALIKE = 200


def told(folder: Path) -> list[tuple[float, dict | None, float]]:
    """(finished, ETA, seconds until the end) of each progress event of a run."""
    ended = oracle.docherd(
        *("run", "in", "-o", "out", "-p", "own.py:own", "-w", "2", "--progress", "json"),
        cwd=folder,
    )
    assert ended.code == 0, ended.err
    lines = [json.loads(line) for line in (ended.out + ended.err).splitlines() if line[:1] == "{"]
    events = [event for event in lines if event["event"] == "progress"]
    end = events[-1]["seconds"]
    return [(each["finished"], each["eta"], end - each["seconds"]) for each in events]


@pytest.fixture
def alike(tmp_path):
    """Files that take a twentieth of a second each."""
    (tmp_path / "in").mkdir()
    (tmp_path / "own.py").write_text(SLEEPS)
    write(tmp_path, "first")
    return tmp_path


def write(folder: Path, text: str) -> None:
    for n in range(ALIKE):
        (folder / "in" / f"{n}.txt").write_text(f"{text} {n}")


def test_the_end_is_foretold_early_and_about_right(alike):
    """From the first second on; of files that are alike, mostly within a second and a fifth."""
    for start in ("first", "changed"):
        write(alike, start)
        events = [event for event in told(alike) if 0 < event[0] < ALIKE]
        assert all(eta is not None for _, eta, _ in events)
        assert events[0][0] < ALIKE / 3
        assert all(eta["low"] <= eta["seconds"] <= eta["high"] for _, eta, _ in events)
        right = [0.8 * eta["low"] - 1 <= truth <= 1.2 * eta["high"] + 1 for _, eta, truth in events]
        assert sum(right) > 0.6 * len(right)  # a busy machine may stand still at the end
    oracle.check(alike / "out", failed={}, total=ALIKE)


def test_what_was_learned_is_there_at_the_next_start(alike):
    """A kind that takes long and was met by the last start: its end is told with the first."""
    slow = alike / "in" / "slow.odd"
    slow.write_text("x")
    (alike / "own.py").write_text(SLEEPS.replace("0.05", "3 if path.suffix == '.odd' else 0.01"))
    told(alike)
    with contextlib.closing(sqlite3.connect(alike / "out" / "ledger.db")) as db:
        learned = dict(db.execute("select name, learned from stratum").fetchall())
    assert json.loads(learned["odd/1"])[0] == 1
    assert json.loads(learned["txt/4"])[0] + json.loads(learned.get("txt/3", "[0]"))[0] == ALIKE
    slow.write_text("y")
    write(alike, "again")
    events = [event for event in told(alike) if event[0] and event[1]]
    _, eta, truth = events[0]
    assert eta["high"] >= 1.5  # met once it counts half; without it, a few tenths of a second
    assert eta["low"] <= 2 * truth + 2
