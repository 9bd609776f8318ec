"""Whatever is typed wrong gets one clear line that says what to do, and the right exit code."""

from __future__ import annotations

from pathlib import Path

import pytest

from oracle import docherd


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An input with one document, and a processor."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.txt").write_text("hello")
    (tmp_path / "own.py").write_text("def f(path):\n    return {}\nnot_one = 3\n")
    return tmp_path


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        ("", 2, "COMMAND"),
        ("rnu in -o out", 2, "invalid choice"),
        ("run in", 2, "-o/--out"),
        ("run -o out", 2, "no inputs"),
        ("run in -o out --wrokers 3", 2, "--wrokers"),
        ("run in -o out -w 0", 2, "workers: must be 1 or more"),
        ("run in -o out -w 10000", 2, "1000 or less"),
        ("run in -o out -w two", 2, "whole number"),
        ("run in -o out --memory 8", 2, "memory"),
        ("run in -o out --memory 1MB", 2, "64MB or more"),
        ("run in -o out --memory 128MB -w 8", 2, "use -w 2"),
        ("run in -o out --timeout 0", 2, "more than 0"),
        ("run in -o out --timeout soon", 2, "timeout"),
        ("run in -o out --progress loud", 2, "one of auto"),
        ("run in -o out --nice 40", 2, "0 to 19"),
        ("run in -o out --limit 0", 2, "1 or more"),
        ("run in -o out --config none.toml", 2, "none.toml"),
        ("run in -o out --password-file none", 3, "none"),
        ("run in -o out --files-from none", 3, "none"),
        ("run nowhere -o out", 3, "nowhere"),
        ("run nowhere/*.pdf -o out", 3, "no such folder"),
        ("run in in -o out", 2, "overlap"),
        ("run in -o in/out", 2, "lies in the input"),
        ("run in -o own.py", 2, "not a folder"),
        ("run in -o in2 -p extrct", 2, "did you mean extract"),
        ("run in -o out -p none.py:f", 2, "no processor file"),
        ("run in -o out -p own.py:g", 2, "has no 'g'"),
        ("run in -o out -p own.py:not_one", 2, "not a function or class"),
        ("run in -o out -p no_such_module:f", 2, "No module named"),
        ("run in -o . -p own.py:f", 2, "overlap|holds other things"),
        ("resume out", 2, "no run in out"),
        ("retry out", 2, "no run in out"),
        ("retry in --reason empty", 2, "invalid choice"),
        ("status nowhere", 2, "docherd run"),
        ("failures nowhere", 2, "docherd run"),
        ("show nowhere a", 2, "docherd run"),
        ("cat in", 2, "docherd run"),
        ("report in", 2, "docherd run"),
        ("try nothing.pdf", 3, "nothing.pdf"),
    ],
)
def test_a_wrong_call_is_one_clear_line(folder: Path, arguments: str, code: int, says: str) -> None:
    """Its exit code and what it says; nothing of ours is left behind."""
    before = sorted(folder.rglob("*"))
    ended = docherd(*arguments.split(), cwd=folder)
    assert ended.code == code, ended.err
    first = ended.err.splitlines()[0]
    assert first.startswith("docherd: ")
    assert any(each in ended.err for each in says.split("|")), ended.err
    assert "Traceback" not in ended.err
    assert sorted(folder.rglob("*")) == before


def test_no_documents_is_5(folder: Path) -> None:
    """An input without a document is told from one whose documents failed."""
    ended = docherd("run", "in", "-o", "out", "--include", "*.pdf", cwd=folder)
    assert ended.code == 5
    assert "no documents" in ended.err


def test_a_folder_with_other_things_is_not_taken(folder: Path) -> None:
    """An -o that holds somebody's files stays as it is."""
    (folder / "theirs").mkdir()
    (folder / "theirs" / "thesis.docx").write_text("years of work")
    ended = docherd("run", "in", "-o", "theirs", cwd=folder)
    assert ended.code == 2
    assert "thesis.docx" in ended.err
    assert [each.name for each in (folder / "theirs").iterdir()] == ["thesis.docx"]


def test_a_processor_that_cannot_be_imported_shows_its_own_lines(folder: Path) -> None:
    """The traceback is the user's, without ours."""
    (folder / "broken.py").write_text("import json\njson.loads('{')\ndef f(path): pass\n")
    ended = docherd("run", "in", "-o", "out", "-p", "broken.py:f", cwd=folder)
    assert ended.code == 2
    assert "JSONDecodeError" in ended.err
    assert "broken.py" in ended.err
    assert not (folder / "out").exists()
