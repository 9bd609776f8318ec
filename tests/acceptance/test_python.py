"""docherd.run in programs of all kinds, each in a process of its own, without a main guard."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import oracle


class Program:
    """A script beside a folder of documents."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.out = folder / "out"
        (folder / "in").mkdir()
        for number in range(6):
            (folder / "in" / f"{number}.txt").write_text(f"document {number}\n")

    def file(self, name: str, text: str) -> None:
        (self.folder / name).write_text(textwrap.dedent(text))

    def start(self, text: str) -> subprocess.Popen[str]:
        self.file("script.py", "import docherd\n" + textwrap.dedent(text))
        command = [sys.executable, "script.py"]
        pipe = subprocess.PIPE
        return subprocess.Popen(command, cwd=self.folder, stdout=pipe, stderr=pipe, text=True)

    def run(self, text: str, code: int = 0) -> str:
        """Run a script to its end; what it printed."""
        process = self.start(text)
        out, err = process.communicate(timeout=60)
        assert process.returncode == code, err
        assert not oracle.leftovers()
        return out + err if code else out

    def values(self, key: str) -> list[object]:
        return [row[key] for row in sorted(oracle.records(self.out), key=lambda row: row["path"])]


@pytest.fixture
def program(tmp_path):
    return Program(tmp_path)


TEXTS = [f"document {number}\n" for number in range(6)]


def test_a_script_without_a_guard(program):
    """The tutorial's function runs as it stands; the report says what came of it."""
    printed = program.run(
        """
        def process_single(path):
            return path.read_text()

        report = docherd.run("in", "out", process_single, workers=2, progress="none")
        print(report.state, report.counts.done, report.exit_code, report.out)
        """
    )
    assert printed == "finished 6 0 out\n"
    assert program.values("text") == TEXTS
    oracle.check(program.out, failed={}, total=6)


def test_a_lambda_and_what_it_closes_over(program):
    """A lambda travels by value, with what it needs."""
    program.run(
        """
        def made(word):
            return lambda path: {"text": word + path.name}
        docherd.run("in", "out", made("the "), progress="none")
        """
    )
    assert program.values("text") == [f"the {number}.txt" for number in range(6)]


def test_a_class_is_built_once_per_worker(program):
    """What __init__ loads is loaded once in each process, not for each document."""
    program.run(
        """
        import os
        class Model:
            def __init__(self):
                with open("built", "a") as built:
                    built.write(".")
            def __call__(self, path):
                return {"pid": os.getpid()}
        docherd.run("in", "out", Model, workers=1, progress="none")
        """
    )
    assert len(set(program.values("pid"))) == 1
    assert (program.folder / "built").stat().st_size <= 2  # the worker and its spare


def test_a_function_from_a_module_beside_the_script(program):
    """What is imported is imported in the workers, too; so is what it imports."""
    program.file("beside.py", "from helper import word\ndef own(path): return {'word': word}\n")
    program.file("helper.py", "word = 'help'\n")
    program.run("import beside\ndocherd.run('in', 'out', beside.own, progress='none')")
    assert program.values("word") == ["help"] * 6


def test_an_object_that_cannot_be_sent(program):
    """A processor that holds a lock is one clear error, and no run folder is made."""
    printed = program.run(
        """
        import threading
        kept = threading.Lock()
        try:
            docherd.run("in", "out", lambda path: kept.locked(), progress="none")
        except docherd.ProcessorError as error:
            print(error)
        """
    )
    assert "cannot be sent to a worker" in printed
    assert "open files, locks and models inside the function" in printed
    assert printed.count("\n") == 1
    assert not program.out.exists()


def test_a_closure_too_large_to_carry(program):
    """A function that drags 20 MB along is refused with its size."""
    printed = program.run(
        """
        data = b"x" * 20_000_000
        try:
            docherd.run("in", "out", lambda path: len(data), progress="none")
        except docherd.ProcessorError as error:
            print(error)
        """
    )
    assert "bytes along, over 10,000,000" in printed


def test_in_a_thread(program):
    """A run in a thread that is not the main one works, and ends no later than its call."""
    printed = program.run(
        """
        import threading
        def own(path):
            return path.read_text()
        def work():
            report = docherd.run("in", "out", own, progress="none")
            print(report.counts.done)
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        """
    )
    assert printed == "6\n"
    oracle.check(program.out, failed={}, total=6)


AGAIN = """
def own(path):
    with open("journal", "a") as journal:
        journal.write(path.name)
    return path.read_text()
report = docherd.run("in", "out", own, limit={limit}, progress="none")
print(report.finished, report.counts.done, report.counts.pending)
"""


def test_calling_again_resumes(program):
    """The same call goes on where it was; a finished one processes nothing."""
    assert program.run(AGAIN.format(limit=2)) == "2 2 0\n"
    assert program.run(AGAIN.format(limit=None)) == "4 6 0\n"
    assert program.run(AGAIN.format(limit=None)) == "0 6 0\n"
    assert len((program.folder / "journal").read_text()) == 6 * len("0.txt")
    resumed = oracle.docherd("resume", program.out)
    assert resumed.code == 2  # a function of a script cannot be found by its name
    assert "call docherd.run(" in resumed.err


def test_calling_again_after_a_kill_resumes(program):
    """A program that was killed in the middle goes on when it is called again."""
    script = """
        import os, time
        def own(path):
            open("held-" + path.name, "w").close()
            while not os.path.exists("gate"):
                time.sleep(0.005)
            return path.read_text()
        docherd.run("in", "out", own, workers=2, progress="none")
        """
    process = program.start(script)
    oracle.wait_for(lambda: len(list(program.folder.glob("held-*"))) == 2)
    oracle.end(process)
    oracle.wait_for(lambda: not oracle.leftovers(), 1.0)
    (program.folder / "gate").touch()
    program.run(script)
    assert program.values("text") == TEXTS
    oracle.check(program.out, failed={}, total=6)


def test_ctrl_c_is_a_keyboard_interrupt_when_all_is_committed(program):
    """Ctrl-C ends the run as it does the command's, then raises in the program."""
    process = program.start(
        """
        import os, time
        def own(path):
            open("held-" + path.name, "w").close()
            time.sleep(600)
        try:
            docherd.run("in", "out", own, workers=2)
        except KeyboardInterrupt:
            print("interrupted")
        """
    )
    oracle.wait_for(lambda: len(list(program.folder.glob("held-*"))) == 2)
    process.send_signal(signal.SIGINT)
    assert process.stderr
    while "finishing 2 in hand" not in process.stderr.readline():
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (0, "interrupted\n"), err
    oracle.check(program.out, failed={}, pending=6, total=6)


def test_a_document_where_it_is_asked_for(program):
    """A parameter annotated Document gets one; the path where it is annotated str or not at all."""
    program.file(
        "beside.py",
        """
        from __future__ import annotations
        from docherd import Document
        def own(document: Document) -> dict:
            document.heartbeat(page=1)
            assert document.read_bytes() == open(document, "rb").read()
            return {"id": document.id, "kind": document.kind, "size": document.size}
        def text(path: str):
            return {"type": type(path).__name__}
        """,
    )
    program.run(
        """
        import beside
        docherd.run("in", "out", beside.own, progress="none")
        docherd.run("in", "texts", beside.text, progress="none")
        """
    )
    rows = oracle.records(program.out)
    assert all(row["id"] == row["document"] for row in rows)
    assert {(row["kind"], row["size"]) for row in rows} == {("text", 11)}
    assert {row["type"] for row in oracle.records(program.folder / "texts")} == {"str"}


def test_a_generator_makes_many_records(program):
    """Each thing that is yielded is a Record, with its ordinal; the document counts once."""
    program.run(
        """
        def pages(path):
            for number in range(3):
                yield {"page": number, "path": "mine"}
        docherd.run("in", "out", pages, progress="none")
        """
    )
    oracle.check(program.out, failed={}, total=6)
    rows = oracle.records(program.out)
    assert sorted((row["ordinal"], row["page"]) for row in rows) == sorted(
        [(number, number) for number in range(3)] * 6
    )
    assert {row["record_path"] for row in rows} == {"mine"}


def test_a_dataclass_is_a_record(program):
    """A dataclass, also within a list, becomes a mapping of its fields."""
    program.run(
        """
        from dataclasses import dataclass
        @dataclass
        class Line:
            item: str
            price: float
        @dataclass
        class Invoice:
            name: str
            lines: list[Line]
        def own(path):
            return Invoice(path.stem, [Line("pen", 1.5)])
        docherd.run("in", "out", own, progress="none")
        """
    )
    assert program.values("name") == [str(number) for number in range(6)]
    assert program.values("lines") == [[{"item": "pen", "price": 1.5}]] * 6


def test_none_is_done_without_a_record(program):
    """Returning nothing is a success that leaves nothing in the data."""
    printed = program.run(
        """
        report = docherd.run("in", "out", lambda path: None, progress="none")
        print(report.counts.done)
        """
    )
    assert printed == "6\n"
    assert oracle.records(program.out) == []


def test_options_are_those_of_the_command_line(program):
    """Underscores for dashes, numbers or text; an unknown one is a UsageError with a suggestion."""
    printed = program.run(
        """
        def own(path):
            raise ValueError("no")
        report = docherd.run(["in"], "out", own, memory="500MB", timeout=5, retries=1,
                             include="[01].txt", progress="none")
        print(report.counts.as_json(), report.exit_code)
        for wrong in ({"worker": 1}, {"workers": 0}, {"timeout": "soon"}):
            try:
                docherd.run("in", "out2", own, **wrong)
            except docherd.UsageError as error:
                print(error)
        """
    )
    lines = printed.splitlines()
    assert "'failed': 2" in lines[0]
    assert lines[0].endswith(" 1")
    assert "did you mean workers?" in lines[1]
    assert "must be 1 or more" in lines[2]
    assert "soon" in lines[3]
    assert os.listdir(program.folder).count("out2") == 0
    rows = oracle.failure_rows(program.out)
    assert {row["attempts"] for row in rows.values()} == {2}


def test_errors_are_raised_as_what_they_are(program):
    """No documents, a missing input, damage: each is an exception of its own class."""
    printed = program.run(
        """
        def own(path): return "x"
        def name(*inputs, **options):
            try:
                docherd.run(*inputs, own, progress="none", **options)
            except docherd.DocherdError as error:
                print(type(error).__name__, error.exit_code)
        name("in", "none", include="*.pdf")
        name("nowhere", "out")
        name("in", "in/out")
        name("in", "out")
        open("out/data/part-000007.jsonl", "w").close()
        name("in", "out")
        """
    )
    assert printed.splitlines() == [
        "NothingFound 5",
        "EnvironmentFault 3",
        "UsageError 2",
        "DamageError 4",
    ]


def test_the_summary_and_status_json_agree(program):
    """What the call returns is what the folder says."""
    printed = program.run(
        """
        import json
        def own(path):
            if path.name == "3.txt":
                raise ValueError("three")
            return "x"
        report = docherd.run("in", "out", own, progress="none")
        print(json.dumps([report.counts.as_json(), report.reasons]))
        """
    )
    counts, reasons = json.loads(printed)
    status = json.loads((program.out / "status.json").read_text())
    assert (status["counts"], status["reasons"]) == (counts, reasons)
    assert reasons == {"error": 1}
