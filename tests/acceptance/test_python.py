"""docherd.run in a program: unguarded scripts, lambdas, classes, modules beside the script."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

import docherd
from docherd import Document
from oracle import leftovers, records


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Ten small documents."""
    (tmp_path / "in").mkdir()
    for number in range(10):
        (tmp_path / "in" / f"{number}.txt").write_text("word " * number)
    return tmp_path


def run(tree: Path, processor: object, **options: object) -> docherd.Summary:
    settings = {"workers": 2, "progress": "none"} | options
    return docherd.run(tree / "in", tree / "out", processor, **settings)  # type: ignore[arg-type]


def script(tree: Path, text: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a script as its user would."""
    (tree / "script.py").write_text(text)
    return subprocess.run(
        [sys.executable, "script.py", *arguments],
        cwd=tree,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


UNGUARDED = """
import docherd
print("imported once")

def process_single(path):
    return {"words": len(path.read_text().split())}

summary = docherd.run("in", "out", processor=process_single, workers=2, progress="none")
print(summary.counts.done, summary.counts.failed, summary.finished, summary.exit_code)
"""


def test_an_unguarded_script_runs_and_resumes(tree: Path) -> None:
    """The tutorial's script, without `if __name__`, is imported once; its second run is idle."""
    first = script(tree, UNGUARDED)
    assert first.stdout == "imported once\n10 0 10 0\n", first.stderr
    assert sorted(row["words"] for row in records(tree / "out")) == list(range(10))
    assert script(tree, UNGUARDED).stdout == "imported once\n10 0 0 0\n"


def test_resume_of_a_script_names_the_call(tree: Path) -> None:
    """`docherd resume` cannot have the script's function, and says where it is."""
    script(tree, UNGUARDED)
    ended = subprocess.run(
        [sys.executable, "-m", "docherd", "resume", str(tree / "out")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.returncode == 2
    assert "__main__:process_single" in ended.stderr
    assert "docherd.run(" in ended.stderr


def test_a_module_beside_the_script_is_importable(tree: Path) -> None:
    """What the script can import, its workers can."""
    (tree / "beside.py").write_text("def size(path):\n    return {'size': path.stat().st_size}\n")
    text = 'import docherd, beside\nprint(docherd.run("in", "out", beside.size).counts.done)\n'
    assert script(tree, text).stdout == "10\n"


def test_a_notebook_cell_runs(tree: Path) -> None:
    """Functions that exist in no file at all travel by value, with what they call."""
    cell = """
import docherd
def helper(path): return len(path.name)
def cell(path): return {"length": helper(path)}
print(docherd.run("in", "out", cell, progress="none").counts.done)
"""
    text = f"exec(compile({cell!r}, '<ipython-input-1>', 'exec'), globals())"
    assert script(tree, text).stdout == "10\n"


def test_a_lambda_and_a_closure_run(tree: Path) -> None:
    """A lambda is a processor; a closure's plain values are part of its identity."""
    assert run(tree, lambda path: {"name": path.name}).counts.done == 10

    def times(factor: int) -> object:
        return lambda path: {"size": factor * path.stat().st_size}

    assert run(tree, times(2), fresh=True).counts.done == 10
    assert run(tree, times(2)).finished == 0
    with pytest.raises(docherd.UsageError, match="--fresh"):
        run(tree, times(3))


class Counting:
    """Built once per worker; counts what it was given."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, document: Document) -> dict[str, object]:
        self.calls += 1
        return {"calls": self.calls, "pid": os.getpid(), "id": document.id, "size": document.size}


def test_a_class_is_built_once_per_worker(tree: Path) -> None:
    """Models are loaded once, and an annotated parameter receives the Document."""
    assert run(tree, Counting).counts.done == 10
    rows = records(tree / "out")
    by_worker: dict[object, list[object]] = {}
    for row in rows:
        by_worker.setdefault(row["pid"], []).append(row["calls"])
        assert row["id"] == row["document"]
    assert all(
        sorted(map(int, map(str, c))) == list(range(1, len(c) + 1)) for c in by_worker.values()
    )


@dataclass
class Page:
    number: int
    text: str


def pages(path: Path) -> Iterator[Page]:
    for number in range(3):
        yield Page(number, path.name)


def test_a_generator_of_dataclasses_is_many_records(tree: Path) -> None:
    """One Record each, numbered in order."""
    assert run(tree, pages).counts.done == 10
    rows = [row for row in records(tree / "out") if row["path"] == "in/4.txt"]
    assert [(row["ordinal"], row["number"], row["text"]) for row in rows] == [
        (n, n, "4.txt") for n in range(3)
    ]


def test_text_is_a_record_and_none_is_no_record(tree: Path) -> None:
    """A string becomes {"text": ...}; None is done without a Record."""
    assert run(tree, lambda path: path.name if path.name < "5" else None).counts.done == 10
    assert sorted(row["text"] for row in records(tree / "out")) == [f"{n}.txt" for n in range(5)]


def test_a_string_parameter_receives_a_string(tree: Path) -> None:
    """The annotation says how the path is wanted."""

    def kind(path: str) -> dict[str, str]:
        return {"kind": type(path).__name__}

    assert run(tree, kind).counts.done == 10
    assert {row["kind"] for row in records(tree / "out")} == {"str"}


def test_what_cannot_be_pickled_is_one_clear_error(tree: Path) -> None:
    """A lock cannot travel; nothing was touched."""
    lock = threading.Lock()
    with pytest.raises(docherd.ProcessorError, match="cannot be sent to a worker"):
        run(tree, lambda path: lock.locked())
    assert not (tree / "out").exists()


def test_what_is_too_large_to_send_is_one_clear_error(tree: Path) -> None:
    """Ten megabytes in a closure belong in a file."""
    data = bytes(11_000_000)
    with pytest.raises(docherd.ProcessorError, match="11,000,"):
        run(tree, lambda path: data[0])


def test_no_callable_and_no_option_of_that_name_are_errors(tree: Path) -> None:
    """Wrong arguments are UsageErrors that say what would be right."""
    with pytest.raises(docherd.UsageError, match="a function or a name"):
        run(tree, 7)
    with pytest.raises(docherd.UsageError, match="did you mean workers"):
        run(tree, "extract", wrokers=3)
    with pytest.raises(docherd.UsageError, match="no inputs"):
        docherd.run([], tree / "out")


def test_it_runs_in_a_thread(tree: Path) -> None:
    """Outside of the main thread no signals are taken, and everything else is the same."""
    found: list[docherd.Summary] = []
    thread = threading.Thread(target=lambda: found.append(run(tree, lambda path: path.name)))
    thread.start()
    thread.join(60)
    assert found[0].counts.done == 10
    assert leftovers() == []


def test_failures_are_counted_and_never_raised(tree: Path) -> None:
    """A document that fails does not end the call; the summary says so."""

    def picky(path: Path) -> str:
        if path.name == "3.txt":
            raise ValueError("three")
        return path.name

    summary = run(tree, picky)
    assert (summary.state, summary.counts.done, summary.counts.failed) == ("finished", 9, 1)
    assert (summary.exit_code, summary.reasons) == (1, {docherd.Reason.ERROR: 1})
    report = json.loads((tree / "out" / "report.json").read_text())
    assert report["counts"]["failed"] == 1


def test_a_user_may_say_skipped(tree: Path) -> None:
    """The exceptions of the built-ins mean the same when a user's function raises them."""

    def own(path: Path) -> None:
        raise docherd.UnsupportedError("not ours")

    summary = run(tree, own)
    assert (summary.counts.skipped, summary.exit_code) == (10, 0)
