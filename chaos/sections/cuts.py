"""Power cuts: what was acknowledged must have reached the disk.

docherd runs on a disk image. At a moment drawn by chance it is stopped, and the image, as far as
it was written, copied: the disk after the cut. The copy is mounted, looked at, and the same command
goes on there.
"""

from __future__ import annotations

import itertools
import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from benchmarks.figures import table

from chaos import disk, formats, oracle
from chaos.command import Product, none_left, unique
from chaos.oracle import Known
from chaos.session import Session
from chaos.tally import Tally

FULL, CONTROLS = 90, 10
DOCUMENTS = 240
#: the most characters that a document yields; the last is above what travels through a spool
SIZES = {"small": 300, "medium": 20_000, "large": 1_500_000}
COMMITS, PARTS = (4, 16, 64, 1000), (20_000, 300_000, 128 << 20)
#: no later than so many seconds after the first start a cut comes that waits for no document
EARLY = 0.6
#: seconds after the document that was waited for
JITTER = 0.03

READ = """
import time

def read(path):
    time.sleep(0.003)  # so that commits, and with them cuts, are spread over the run
    text = path.read_text()
    size = int(path.stem.partition("-")[2])
    return {"text": (text * (size // len(text) + 1))[:size]}
"""
_STRACE = ["strace", "-D", "-f", "-b", "execve", "-qqq", "-o", "/dev/null"]
_SYNCS = ["-e", "trace=fdatasync,fsync", "-e", "signal=none"]
#: how the disk of a cut is: as it is, or slow to sync, so that cuts fall into syncs
DISKS = {
    "as it is": [],
    "20 ms a sync": [*_STRACE, *_SYNCS, "-e", "inject=fdatasync,fsync:delay_enter=20000"],
}
#: the control: no sync is made
NO_SYNC = [*_STRACE, *_SYNCS, "-e", "inject=fdatasync,fsync:retval=0"]


@dataclass(frozen=True, slots=True)
class Tree:
    """Documents of one size, and what a run makes of them that nobody disturbs."""

    folder: Path
    known: Known


@dataclass(frozen=True, slots=True)
class Cut:
    """When, and on what kind of run."""

    tree: Tree
    product: Product
    #: what results are kept as
    format: str
    #: what stands before the command
    before: list[str]
    #: so many documents are acknowledged before
    after: int
    delay: float


def measure(session: Session) -> dict[str, Any]:
    """Cuts of a sound docherd; then of one whose syncs do nothing, which must be found out."""
    if why := disk.missing():
        return {"missing": why}
    folder = session.fresh("cuts")
    trees = {name: tree(folder / name, size) for name, size in SIZES.items()}
    chance = random.Random(session.seed)
    number, controls = session.count(FULL, 2), session.count(CONTROLS, 1)
    total, rows = Tally(), []
    disks = DISKS.items() if shutil.which("strace") else [("as it is", [])]
    for (name, before), format in itertools.product(disks, formats.FORMATS):
        tally = Tally()
        some = -(-number // (len(DISKS) * len(formats.FORMATS)))
        for each in cuts(session, trees, chance, some, before, format):
            tally.add(each)
        session.say(f"    {name}, {format}: {some} cuts, {tally.bad} bad")
        rows.append({"disk": name, "format": format, **tally.as_json()})
        total.add(tally)
    found = [each.bad > 0 for each in cuts(session, trees, chance, controls, NO_SYNC)]
    session.say(f"    without syncs: {sum(found)} of {controls} cuts were found out")
    if not any(found):
        total.wrong("refused", "cuts of a run without syncs went unnoticed: this shows nothing")
    return {
        "tally": total.as_json(),
        "documents": DOCUMENTS,
        "rows": rows,
        "controls": controls,
        "found": sum(found),
    }


def cuts(
    session: Session,
    trees: dict[str, Tree],
    chance: random.Random,
    number: int,
    before: list[str],
    format: str = "jsonl",
) -> Iterator[Tally]:
    """So many cuts, each at its own moment of its own kind of run."""
    for _ in range(number):
        constants = {
            "engine.COMMIT_DOCUMENTS": str(chance.choice(COMMITS)),
            "segment.SEAL_BYTES": str(chance.choice(PARTS)),
            "engine.COMMIT_SECONDS": "0.1",
        }
        product = replace(session.product, constants={**session.product.constants, **constants})
        documents = trees[chance.choice(list(trees))]
        # Every fifth waits for no document, and falls into the start.
        after = 0 if chance.random() < 0.2 else chance.randrange(1, DOCUMENTS + 1)
        delay = chance.uniform(0, JITTER if after else EARLY)
        yield cut(session.work / "cuts", Cut(documents, product, format, before, after, delay))


def tree(folder: Path, most: int) -> Tree:
    """Documents that yield no more than so many characters, and what a sound docherd makes."""
    chance = random.Random(most)
    (folder / "in").mkdir(parents=True)
    large = DOCUMENTS // 40  # of the largest only a few: the disk is small
    for number in range(DOCUMENTS):
        size = chance.randrange(1, most if most < 100_000 or number % large == 0 else 3_000)
        (folder / "in" / f"{number:03}-{size}.txt").write_text(f"document {number}, ")
    (folder / "read.py").write_text(READ)
    ended = Product(constants={"engine.COMMIT_SECONDS": "0.1"}).run(_words("peace"), folder)
    if ended.code:
        raise RuntimeError(f"without any fault: {ended.code}, {ended.err}")
    known = Known(oracle.keyed(oracle.lines(folder / "peace")))
    shutil.rmtree(folder / "peace")
    return Tree(folder, known)


def _words(out: str | Path, format: str = "jsonl") -> list[str]:
    words = ["run", "in", "-o", str(out), "-p", "read.py:read", "-w", "2", "--progress", "json"]
    return [*words, "--format", format]


def cut(work: Path, plan: Cut) -> Tally:
    """One cut: run, stop, copy, mount, look, go on, look."""
    image, copy = work / "disk.img", work / "copy.img"
    disk.make(image)
    with disk.mounted(image, work / "disk") as folder:
        os.sync()  # what mkfs and mount wrote is no part of the run
        said = _run_and_copy(plan, folder / "out", image, copy, work / "said")
    tally = Tally(injected=1, documents=DOCUMENTS)
    with disk.mounted(copy, work / "copy") as folder:
        out, mark = folder / "out", unique()
        tally.add(oracle.look_after_fault(out, plan.tree.known, said))
        ended = plan.product.run(_words(out, plan.format), plan.tree.folder, mark=mark)
        tally.add(oracle.look_when_finished(out, ended, plan.tree.known, mark))
    return tally


def _run_and_copy(plan: Cut, out: Path, image: Path, copy: Path, said: Path) -> dict[str, str]:
    """The disk as it is when the moment has come; what had been acknowledged by then."""
    mark = unique()
    with said.open("w") as stdout:
        process = plan.product.start(
            _words(out, plan.format), plan.tree.folder, before=plan.before, mark=mark, stdout=stdout
        )
    try:
        _wait_for(process, said, plan)
        process.send_signal(signal.SIGSTOP)
        acknowledged = oracle.acknowledged(said.read_text())  # before the copy, not after
        shutil.copyfile(image, copy)
    finally:
        process.kill()
        process.communicate()
        none_left(mark, 10.0)  # they have files open on the disk
    return acknowledged


def _wait_for(process: subprocess.Popen[str], said: Path, plan: Cut) -> None:
    while process.poll() is None:
        if said.read_bytes().count(b'"event": "document"') >= plan.after:
            time.sleep(plan.delay)
            return
        time.sleep(0.002)


def page(data: dict[str, Any]) -> list[str]:
    """A line a kind of disk, and the control."""
    rows = [
        [
            row["disk"],
            row.get("format", "jsonl"),
            *(f"{row[name]:,}" for name in ("injected", "documents", "acknowledged")),
            *(f"{row[name]:,}" for name in ("acknowledged_lost", "lost", "duplicated")),
        ]
        for row in data["rows"]
    ]
    heads = (
        "disk",
        "format",
        "cuts",
        "documents",
        "acknowledged",
        "of these lost",
        "lost",
        "duplicated",
    )
    return [
        f"`docherd run` over {data['documents']} documents writes to an ext4 file system in an"
        " image file. At a moment drawn by chance the engine is stopped, and the image is copied as"
        " far as it was written: what the kernel had not yet given to the disk is lost. The copy is"
        " mounted and the same command goes on there. Sizes of documents, commits and parts are"
        " drawn, too. A disk that forgets what it said it had written is not simulated.",
        "",
        *table(heads, rows),
        "The control: with the engine's `fsync` and `fdatasync` made to do nothing, what was lost"
        f" was found out in {data['found']} of {data['controls']} cuts.",
        "",
    ]
