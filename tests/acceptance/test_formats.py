"""--format parquet and files, with the real command: the same Records as in JSON lines."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import docherd
import oracle

FORMATS = ("parquet", "files")
#: pages for .p, Markdown for .md, neither for .n, an error for .e
READ = """
import os, pathlib

def read(path):
    with open("journal", "a") as file:
        file.write(path.name + "\\n")
    text = path.read_text()
    if path.suffix == ".e":
        raise ValueError(text)
    if path.suffix == ".p":
        words = enumerate(text.split())
        return [{"text": word, "page": n, "tags": ["a", "b"]} for n, word in words]
    if path.suffix == ".n":
        return {"score": 0.5, "where": {"x": 1}, "none": None}
    return {"text": text, "markdown": "# " + text} if path.suffix == ".md" else text
"""
NAMES = ("a.txt", "b.p", "sub/c.md", "sub/d.n", "e.e", "sub/f:g", "Über.txt", "sub.txt/i", "j")


@pytest.fixture
def folder(tmp_path):
    """Documents, and a processor."""
    for name in NAMES:
        write(tmp_path, name, f"this is {name}")
    (tmp_path / "read.py").write_text(READ)
    return tmp_path


def write(folder: Path, name: str, text: str) -> None:
    file = folder / "in" / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


def run(folder: Path, out: str, format: str, *further: str, **popen: object) -> oracle.Ended:
    words = ("run", "in", "-o", out, "-p", "read.py:read", "-w", "1", "-q", "--format", format)
    return oracle.docherd(*words, *further, cwd=folder, **popen)


def records_of(folder: Path, out: str) -> list[dict[str, object]]:
    """As `docherd cat` shows them, by Document."""
    ended = oracle.docherd("cat", out, cwd=folder)
    assert ended.code == 0, ended.err
    found = map(json.loads, ended.out.splitlines())
    return sorted(found, key=lambda each: (each["path"], each["ordinal"]))


def expected(folder: Path, format: str) -> list[dict[str, object]]:
    """What a run into JSON lines makes now; of files as much as a text file keeps."""
    fresh = run(folder, "fresh", "jsonl", "--fresh")
    assert fresh.code == 1, fresh.err
    (folder / "journal").unlink()
    found = records_of(folder, "fresh")
    return [kept(each) for each in found] if format == "files" else found


def kept(record: dict[str, object]) -> dict[str, object]:
    key = next((key for key in ("markdown", "text") if key in record), None)
    wanted = ("document", "path", "ordinal", key)
    return {name: record[name] for name in wanted} if key else record


def begun(folder: Path) -> list[str]:
    """What was processed since this was asked last."""
    journal = folder / "journal"
    names = journal.read_text().split() if journal.exists() else []
    journal.unlink(missing_ok=True)
    return sorted(names)


def tree(folder: Path) -> dict[str, str]:
    data = folder / "out" / "data"
    return {str(f.relative_to(data)): f.read_text() for f in data.rglob("*") if f.is_file()}


@pytest.mark.parametrize("format", FORMATS)
def test_the_records_are_those_of_json_lines_also_after_changes(folder, format):
    """A first run, one over changed, failing and vanished files, and what reads it."""
    assert run(folder, "out", format).code == 1
    assert records_of(folder, "out") == expected(folder, format)
    assert os.listdir(folder / "out" / "pending") == []
    shown = json.loads(oracle.docherd("show", "out", "in/b.p", "--json", cwd=folder).out)
    assert [record["text"] for record in shown["records"]] == ["this", "is", "b.p"]
    before = records_of(folder, "out")
    assert sorted(docherd.open(folder / "out").records(), key=order) == before

    write(folder, "a.txt", "another text, longer")
    write(folder, "sub/c.md", "another")
    (folder / "in" / "b.p").rename(folder / "in" / "b.e")
    (folder / "in" / "sub/d.n").unlink()
    begun(folder)
    assert run(folder, "out", format, "--prune").code == 1
    assert begun(folder) == ["a.txt", "b.e", "c.md"]
    assert records_of(folder, "out") == expected(folder, format)
    verified = oracle.docherd("verify", "out", cwd=folder)
    assert (verified.code, "no damage" in verified.out) == (0, True), verified.out
    assert run(folder, "out", "jsonl").code == 2


def order(record: dict[str, object]) -> tuple[object, object]:
    return record["path"], record["ordinal"]


def test_a_tree_mirrors_the_inputs(folder):
    """One file a Document, its extension kept; a form feed between Records."""
    assert run(folder, "out", "files").code == 1
    found = tree(folder)
    odd = {name: text for name, text in found.items() if "~" in name}
    assert sorted(odd.values()) == ["this is sub.txt/i", "this is sub/f:g"]
    assert sorted(found.keys() - odd.keys()) == [
        *("in/a.txt.txt", "in/b.p.txt", "in/j.txt"),
        *("in/sub/c.md.md", "in/sub/d.n.json", "in/Über.txt.txt"),
    ]
    assert found["in/b.p.txt"] == "this\n\f\nis\n\f\nb.p"
    assert found["in/sub/c.md.md"] == "# this is sub/c.md"
    assert json.loads(found["in/sub/d.n.json"])["where"] == {"x": 1}


def test_parquet_opens_in_what_people_have(folder):
    """DuckDB, pandas, Polars and datasets see the same rows, typed."""
    import datasets
    import duckdb
    import pandas
    import polars

    assert run(folder, "out", "parquet").code == 1
    wanted = records_of(folder, "out")
    parts = str(folder / "out" / "data" / "*.parquet")
    texts = sorted((each["path"], each.get("text")) for each in wanted)
    key = lambda row: (row[0], row[1] or "")  # noqa: E731
    rows = duckdb.sql(f"select path, text from '{parts}'").fetchall()
    assert sorted(rows, key=key) == sorted(texts, key=key)
    summed = duckdb.sql(f"select sum(page), any_value(tags) from '{parts}'").fetchall()
    assert summed == [(3, ["a", "b"])]
    frame = pandas.read_parquet(folder / "out" / "data")
    assert list(frame.columns[:3]) == ["document", "path", "ordinal"]
    assert frame["score"].sum() == 0.5
    polar = polars.read_parquet(parts)
    assert sorted(polar["path"].to_list()) == sorted(each["path"] for each in wanted)
    assert str(polar.schema["tags"]) == "List(String)"
    loaded = datasets.load_dataset(
        "parquet", data_files=parts, split="train", cache_dir=str(folder / "cache")
    )
    assert sorted(loaded["path"]) == sorted(each["path"] for each in wanted)
    (row,) = (row for row in loaded if row["path"] == "in/sub/d.n")
    assert json.loads(row["where"]) == {"x": 1}
    assert json.loads(row["extra"]) == {"none": None}


WITHOUT = "import sys; sys.modules['pyarrow'] = None; from docherd.cli import main; main()"


def test_without_pyarrow_it_says_what_to_install(folder):
    """One line, exit 2, before anything is made."""
    words = ("run", "in", "-o", "out", "-p", "read.py:read", "--format", "parquet")
    command = [sys.executable, "-c", WITHOUT, *words]
    ended = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert ended.stderr == (
        "docherd: --format parquet needs pyarrow: pip install 'docherd[parquet]'\n"
    )
    assert not (folder / "out").exists()


@pytest.mark.parametrize("format", FORMATS)
def test_a_lost_ledger_is_made_again_from_the_results(folder, format):
    """What is in data/ is not processed again, but for what is newer than it; what failed is."""
    assert run(folder, "out", format).code == 1
    before = records_of(folder, "out")
    (folder / "out" / "ledger.db").unlink()
    write(folder, "a.txt", "another text")
    (folder / "in" / "j").unlink()
    begun(folder)
    ended = oracle.docherd("repair", "out", "-q", cwd=folder)
    assert ended.code == 1, ended.err
    assert begun(folder) == ["a.txt", "e.e"]
    gone = [each for each in before if each["path"] == "in/j"]
    wanted = sorted([*expected(folder, format), *gone], key=order)
    found = records_of(folder, "out")
    if format == "files":  # which Records its text came from is not in a text file
        wanted = [each for each in wanted if each["path"] != "in/b.p"]
        (pages,) = (each for each in found if each["path"] == "in/b.p")
        assert pages["text"] == "this\n\f\nis\n\f\nb.p"
        found.remove(pages)
    assert found == wanted
    assert oracle.docherd("verify", "out", cwd=folder).code == 0
