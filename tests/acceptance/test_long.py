"""Tens of thousands of documents under kill -9 and under faults (`make test-long`).

The documents are hard links of the quick ones of ../shared/corpus where that is there, else of
examples/documents. DOCHERD_LONG sets their number.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sqlite3
import subprocess
from pathlib import Path

import pytest

from oracle import check, docherd, failures, records, sorted_lines, start

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1800)]

REPOSITORY = Path(__file__).parents[2]
CORPUS = REPOSITORY.parent / "shared" / "corpus"
DOCUMENTS = int(os.environ.get("DOCHERD_LONG", "50000"))
KILLS = 10
#: seconds above which a document is not quick
QUICK = 0.02

FAULTY = """
import ctypes, os, sys
sys.path.insert(0, {tests!r})
from long_faults import fault_of
from docherd import Document
from docherd.processors.extract import Extract

class Faulty:
    def __init__(self):
        self.extract = Extract()

    def __call__(self, document: Document):
        match fault_of(document.path.name):
            case "memory":
                held = [b"x" * (16 << 20) for _ in range(512)]
            case "timeout":
                while True:
                    pass
            case "crash":
                ctypes.string_at(0)
            case "exit":
                os._exit(0)
            case "error":
                raise ValueError("by name")
        return self.extract(document)
"""


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Many hard links, 500 a folder, with numbered names."""
    top = tmp_path_factory.mktemp("long")
    sources = _copied(_quick(top), top / "originals")
    for number in range(DOCUMENTS):
        folder = top / "in" / f"{number // 500:03d}"
        folder.mkdir(parents=True, exist_ok=True)
        source = sources[number % len(sources)]
        os.link(source, folder / f"{number:06d}-{source.name}")
    return top


def _quick(top: Path) -> list[Path]:
    """The documents that `extract` finishes within QUICK seconds."""
    originals = CORPUS if CORPUS.is_dir() else REPOSITORY / "examples" / "documents"
    out = top / "which"
    assert docherd("run", originals, "-o", out, "-q", timeout=300).code in (0, 1)
    with sqlite3.connect(out / "ledger.db") as ledger:
        rows = ledger.execute(
            "select path from outcome join document d on d.id = document"
            " where seconds <= ? order by path",
            (QUICK,),
        ).fetchall()
    return [originals / os.fsdecode(path) for (path,) in rows]


def _copied(files: list[Path], folder: Path) -> list[Path]:
    """Copies on our own disk, which can be linked."""
    folder.mkdir()
    copies = [folder / f"{number:04d}-{file.name}" for number, file in enumerate(files)]
    for file, copy in zip(files, copies, strict=True):
        copy.write_bytes(file.read_bytes())
    return copies


@pytest.fixture(scope="module")
def clean(tree: Path) -> Path:
    """An undisturbed run."""
    out = tree / "clean"
    assert docherd("run", tree / "in", "-o", out, "-w", "8", "-q", timeout=900).code in (0, 1)
    check(out, total=DOCUMENTS)
    return out


def test_ten_kills_change_nothing(tree: Path, clean: Path) -> None:
    """E01: killed ten times at random moments, then finished: the same Records, byte for byte."""
    out, chance = tree / "killed", random.Random(20261124)
    command = ("run", tree / "in", "-o", out, "-w", "8", "-q")
    for _ in range(KILLS):
        process = start(*command)
        try:
            process.wait(timeout=chance.uniform(0.5, 10))
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
        process.communicate()
    assert docherd(*command, timeout=900).code in (0, 1)
    check(out, failures(clean), total=DOCUMENTS)
    assert sorted_lines(out) == sorted_lines(clean)


def test_five_percent_fail_and_nobody_else(tree: Path, clean: Path) -> None:
    """40 eat 8 GB, 40 hang, the others segfault, exit or raise: exactly those fail, so named."""
    from long_faults import fault_of

    processor = tree / "faulty.py"
    processor.write_text(FAULTY.format(tests=str(Path(__file__).parent)))
    out = tree / "faulty"
    limits = ("-w", "8", "--memory", "4GB", "--timeout", "30")
    ended = docherd(
        *("run", tree / "in", "-o", out, "-p", f"{processor}:Faulty", "-q", *limits), timeout=1700
    )
    assert ended.code == 1, ended.err
    expected = {p: r for p, r in failures(clean).items() if not fault_of(Path(p).name)}
    for file in (tree / "in").glob("*/*"):
        if reason := fault_of(file.name):
            expected[f"in/{file.parent.name}/{file.name}"] = reason
    check(out, expected, total=DOCUMENTS)
    innocent = [row for row in records(clean) if not fault_of(Path(str(row["path"])).name)]
    key = json.dumps
    assert sorted(map(key, records(out))) == sorted(map(key, innocent))
