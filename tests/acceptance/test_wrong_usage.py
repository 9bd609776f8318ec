"""What cannot be meant is refused with exit code 2, in words that say what to type instead."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

import oracle
from docherd import cli

OWN = """
LIST = [1]
def own(path):
    return path.read_text()
def other(path):
    return path.read_text().upper()
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A working folder with inputs and a processor; a finished run in done/."""
    for name in ("in/a.txt", "in/sub/b.txt", "more/c.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(f"{name}\n")
    (tmp_path / "own.py").write_text(OWN)
    (tmp_path / "broken.py").write_text("import no_such_module\n")
    (tmp_path / "leaves.py").write_text("import sys\nsys.exit(3)\n")
    (tmp_path / "typo.toml").write_text("worker = 4\n")
    (tmp_path / "wrong.toml").write_text('workers = "many"\n')
    (tmp_path / "none.toml").write_text("workers = = 4\n")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.doc").write_text("mine")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refuse(capsys: pytest.CaptureFixture[str], command: str) -> str:
    """Run a command in this process: exit code 2, nothing on stdout, its words on stderr."""
    assert cli.execute(shlex.split(command)) == 2
    shown = capsys.readouterr()
    assert shown.out == ""
    assert shown.err.startswith("docherd: ")
    assert "Traceback" not in shown.err.split("no_such_module", maxsplit=1)[0]
    return shown.err


def tree(folder: Path) -> dict[str, bytes]:
    files = [path for path in folder.rglob("*") if "__pycache__" not in path.parts]
    return {str(path): path.read_bytes() if path.is_file() else b"" for path in files}


#: what is typed → words of the answer
WRONG = {
    "rn in": "no command 'rn'; did you mean run?",
    "walk in": "no command 'walk'; one of run, plan",
    "run in": "-o/--out is missing: say where the results go, for example -o out",
    "run -o out": "give a folder, a file, a glob, or --files-from",
    "run in -o out --worker 4": "no option --worker; did you mean --workers?",
    "run in -o out --json": "run has no option --json: it belongs to plan, try",
    "status other more": "status does not take 'more' as well",
    "show other": "DOC is missing",
    "run in -o out -w 0": "must be 1 or more",
    "run in -o out -w four": "'four' is not a whole number",
    "run in -o out -w 5000": "1000 or less",
    "run in -o out --memory 8XB": "8XB",
    "run in -o out --memory 1MB": "64MB or more",
    "run in -o out -w 9 --memory 100MB": "too little for 9 workers",
    "run in -o out --timeout soon": "soon",
    "run in -o out --timeout 0": "more than 0",
    "run in -o out --limit 0": "1 or more",
    "run in -o out --nice 20": "0 to 19",
    "run in -o out --progress loud": "loud",
    "run in -o out --config typo.toml": "did you mean workers?",
    "run in -o out --config wrong.toml": "workers: 'many' is not a whole number",
    "run in -o out --config none.toml": "none.toml",
    "run in -o out --config nowhere.toml": "No such file",
    "run in -o out -p extrac": "did you mean extract?",
    "run in -o out -p own": "file.py:name",
    "run in -o out -p nowhere.py:own": "nowhere.py",
    "run in -o own.py": "is not a folder",
    "run in -o other": "holds other things (thesis.doc)",
    "run in -o in/out": "lies in the input",
    "run in in/sub -o out": "inputs overlap",
    "run in in -o out": "inputs overlap",
    "resume nowhere": "no run in nowhere",
    "resume other": "no run in other",
    "retry nowhere": "no run in nowhere",
    "retry other --reason": "--reason",
    "retry other --reason empty": "empty",
    "retry other --reason boredom": "no --reason 'boredom'; one of error, timeout",
    "retry other --reason timeot": "did you mean timeout?",
    "status nowhere": "no run here",
    "failures other": "no run here",
    "show nowhere x": "no run here",
    "cat other": "no run here",
    "report other": "no run here",
    "try in/a.txt -p extrac": "did you mean extract?",
}


@pytest.mark.parametrize("command", WRONG)
def test_a_wrong_command_is_refused_and_touches_nothing(here, capsys, command):
    """It exits with 2, names what is wrong, and makes and changes no file."""
    before = tree(here)
    assert WRONG[command] in refuse(capsys, command)
    assert tree(here) == before


#: a processor that does not load → words of the answer
UNLOADABLE = {
    "own.py:nothing": "own.py has no 'nothing'",
    "own.py:LIST": "is list, not a function or class",
    "broken.py:own": "No module named 'no_such_module'",
    "leaves.py:own": "SystemExit",
    "no_such_module:own": "No module named 'no_such_module'",
}


@pytest.mark.parametrize("processor", UNLOADABLE)
def test_a_processor_that_does_not_load_is_refused(here, capsys, processor):
    """The first worker says why; no document is blamed and no run folder is left."""
    before = tree(here)
    words = refuse(capsys, f"run in -o out -p {processor} -q")
    assert f"cannot load {here if '.py' in processor else ''}" in words
    assert UNLOADABLE[processor] in words
    assert tree(here) == before
    assert not oracle.leftovers()


# ── another run ──────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def done(here, capsys):
    """A finished run of own.py:own over in/, in out/."""
    command = "run in -o out -p own.py:own -q -w 1 --exclude *.md"
    assert cli.execute(command.split()) == 0
    capsys.readouterr()
    return here


#: the same folder with another ... → words of the answer
ANOTHER = {
    "run more -o out -p own.py:own --exclude *.md": "more is not an input of this run",
    "run in more -o out -p own.py:own --exclude *.md": "--add",
    "run in/a.txt -o out -p own.py:own --exclude *.md": "is not an input of this run",
    "run in -o out -p own.py:own": "started with --exclude ['*.md'], not []",
    "run in -o out -p own.py:own --exclude *.md --include *.txt": "started with --include []",
    "run in -o out -p own.py:own --exclude *.md --hidden": "started with --hidden False",
    "run in -o out -p own.py:own --exclude *.md --max-output 5MB": "started with --max-output",
    "run in -o out -p own.py:other --exclude *.md": "own.py:other",
    "run in -o out --exclude *.md": "not by extract",
    "run --files-from own.py -o out -p own.py:own --exclude *.md": "another --files-from",
    "resume out -p own.py:other": "own.py:other",
    "show out nothing.txt": "no document nothing.txt in this run",
}


@pytest.mark.parametrize("command", ANOTHER)
def test_another_run_in_the_same_folder_is_refused(done, capsys, command):
    """Other inputs, filters or processors would mix two runs: 2, and no byte changes."""
    before = tree(done)
    assert ANOTHER[command] in refuse(capsys, command)
    assert tree(done) == before


def test_a_changed_function_is_another_processor(done, capsys):
    """The source counts, not the name; its neighbours in the file do not."""
    (done / "own.py").write_text(OWN.replace("upper", "lower"))
    same = "run in -o out -p own.py:own -q --exclude *.md"
    assert cli.execute(same.split()) == 0
    (done / "own.py").write_text(OWN.replace("read_text()\ndef", "read_text() + '!'\ndef"))
    words = refuse(capsys, same)
    assert "--fresh" in words
    assert "docherd retry" in words


def test_what_does_not_count_may_change(done):
    """Workers, memory, timeout, retries and the limit are no part of what a run is."""
    command = "run in -o out -p own.py:own -q --exclude *.md -w 2 --memory 500MB --timeout 9"
    assert cli.execute([*command.split(), "--retries", "2", "--limit", "1"]) == 0


def test_the_real_command_refuses_as_one_line_too(here):
    """From a shell: exit code 2, one or two lines on stderr, no traceback."""
    ended = oracle.docherd("run", "in", "-o", "out", "--config", "typo.toml", cwd=here)
    assert ended.code == 2
    assert ended.err == "docherd: no option 'worker'; did you mean workers?\n"
    assert ended.out == ""


def test_another_system_is_refused_with_the_way_out(here, capsys, monkeypatch):
    """Where there is no POSIX, the one line names WSL2."""
    monkeypatch.setattr("docherd.host.supported", lambda: False)
    assert "WSL2" in refuse(capsys, "run in -o out")
    assert not (here / "out").exists()
