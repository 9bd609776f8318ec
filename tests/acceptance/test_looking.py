"""After a run: failures, show, cat and export, over names and contents that are hostile."""

from __future__ import annotations

import csv
import fcntl
import io
import json
import os
import pty
import shutil
import signal
import struct
import termios
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path

import openpyxl
import pyarrow.parquet
import pytest

import docherd
import oracle
from docherd.cli import execute
from docherd.model import printable, text_of
from docherd.view import View

#: X01 to X10 of the catalogue: each as a file that can be read, and as one that fails
HOSTILE = [
    b"<img src=x onerror=alert(1)>",
    b"a\x1b]0;pwn\x07",
    b"=cmd|'calc'!A0",
    b"+1",
    b"@SUM(A1)",
    b"\t=1",
    "＝1".encode(),
    b"a\nb",
    b"-rf",
    b"%s{}",
    "\u202egpj".encode(),
    b"CON",
    b"'); DROP TABLE document--",
    b"ledger.db",
    b"x\nERROR ok",
    b"not utf-8 \xff\x9b2J",
]
#: says what its own name is, in a key and in its error
OWN = """
import os
def own(path):
    name = os.fsencode(path.name).decode("utf-8", "backslashreplace")
    if path.suffix == ".bad":
        raise ValueError(name)
    return {"name": name, "size": path.stat().st_size, "parts": [name, {"deep": -1}]}
"""
#: what may never be seen raw: what moves a cursor, forges a line, reorders
RAW = ("\x1b", "\x07", "\u202e", "\x9b", "\nERROR ok")


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A finished run over hostile names; not to be written."""
    folder = tmp_path_factory.mktemp("hostile")
    (folder / "in").mkdir()
    for name in HOSTILE:
        for ending in (b".txt", b".bad"):
            (folder / "in" / os.fsdecode(name + ending)).write_bytes(b"content of " + name)
    (folder / "in" / "empty.txt").touch()
    (folder / "in" / "link.txt").symlink_to("/etc/passwd")
    (folder / "own.py").write_text(OWN)
    command = ("run", "in", "-o", "out", "-p", "own.py:own", "-q", "-w", "2")
    ended = oracle.docherd(*command, cwd=folder)
    assert ended.code == 1, ended.err
    return folder / "out"


def path_of(name: bytes, ending: bytes = b".txt") -> str:
    return text_of(b"in/" + name + ending)


def records_of(text: str) -> dict[str, dict[str, object]]:
    return {row["path"]: row for row in map(json.loads, text.splitlines())}


def look(*arguments: str | Path) -> oracle.Ended:
    """A command that only looks, in this process: the same words, without the start of another."""
    out, err = (
        io.TextIOWrapper(io.BytesIO(), "utf-8", "surrogateescape", newline="", write_through=True)
        for _ in range(2)
    )
    with redirect_stdout(out), redirect_stderr(err):
        code = execute(list(map(os.fspath, arguments)))
    texts = (each.buffer.getvalue().decode("utf-8", "surrogateescape") for each in (out, err))
    return oracle.Ended(code, *texts, 0.0)


# ── cat ──────────────────────────────────────────────────────────────────────────────────────


def test_cat_chooses_by_status_reason_kind_and_path(run):
    """Records of what is done; of any other status what `failures --json` says."""
    done = {path_of(name) for name in HOSTILE} | {"in/empty.txt"}
    assert set(records_of(look("cat", run).out)) == done
    assert set(records_of(look("cat", run, "--status", "done").out)) == done
    failed = look("cat", run, "--status", "failed").out
    assert (
        failed == look("failures", run, "--json").out == (look("cat", run, "--reason", "error").out)
    )
    assert len(failed.splitlines()) == len(HOSTILE)
    both = look("cat", run, "--status", "done", "--status", "skipped").out
    assert len(both.splitlines()) == len(HOSTILE) + 2
    assert records_of(both)["in/link.txt"]["reason"] == "symlink"
    for chosen in (["--kind", "txt"], ["--path", "*.txt"], ["--path", "in/*.txt"]):
        assert set(records_of(look("cat", run, *chosen).out)) == done, chosen
    for none in (["--kind", "pdf"], ["--path", "other/*"]):
        assert look("cat", run, *none).out == "", none
    for status in ("done", "failed"):
        few = look("cat", run, "--limit", "3", "--status", status)
        assert (len(few.out.splitlines()), few.err) == (3, "")


def test_cat_takes_columns_and_says_where_there_is_none(run):
    """In the order they were asked for; null where a Record has none of that name."""
    ended = look("cat", run, "--columns", "size,path", "--path", "CON*")
    assert json.loads(ended.out) == {"size": 14, "path": "in/CON.txt"}
    assert list(json.loads(ended.out)) == ["size", "path"]
    ended = look("cat", run, "--columns", "siez")
    assert (ended.code, json.loads(ended.out.splitlines()[0])) == (2, {"siez": None})
    assert "did you mean size?" in ended.err


def test_filters_that_cannot_be_are_refused(run):
    """2, and why."""
    for wrong, why in (
        (["--status", "done", "--reason", "error"], "done has no --reason"),
        (["--limit", "0"], "not a number of 1 or more"),
        (["--status", "well"], "one of pending, done"),
    ):
        ended = look("cat", run, *wrong)
        assert ended.code == 2
        assert why in ended.err


def test_x02_a_terminal_gets_nothing_that_moves_its_cursor(run):
    """X02, X06: `cat` on a terminal is the same JSON with more of it escaped."""
    code, text = on_terminal("cat", run)
    assert code == 0
    assert not [raw for raw in RAW if raw in text]
    assert records_of(text) == records_of(look("cat", run).out)
    code, text = on_terminal("export", run, "--to", "jsonl", "-f", "-")
    assert (code, text) == (2, "docherd: -f - is for a pipe; docherd cat is for the screen\n")


def on_terminal(*arguments: str | Path) -> tuple[int, str]:
    """What a command shows on a terminal of 80 columns, and its exit code."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
    process = oracle.start(*arguments, stdout=slave, stderr=slave)
    os.close(slave)
    shown = b""
    try:
        while piece := os.read(master, 65536):
            shown += piece
    except OSError:  # Linux: the other end is closed
        pass
    os.close(master)
    process.communicate(timeout=20)
    return process.returncode, shown.decode().replace("\r\n", "\n")


# ── failures, show ───────────────────────────────────────────────────────────────────────────


def test_failures_fit_a_terminal(run):
    """What is for people to read is wrapped; what is to be copied is not."""
    code, text = on_terminal("failures", run)
    assert code == 0
    assert not [raw for raw in RAW if raw in text]
    assert not [line for line in text.splitlines() if len(line) > 80 and "docherd " not in line]


@pytest.mark.parametrize("options", [(), ("--all",), ("--reason", "error"), ("--path", "*.bad")])
def test_x10_failures_forge_no_line_and_move_no_cursor(run, options):
    """X02, X06, X10: each name is there once as it is printed, with its command."""
    ended = look("failures", run, *options)
    assert ended.code == 0
    assert not [raw for raw in RAW if raw in ended.out]
    names = [name for name in HOSTILE if printable(path_of(name, b".bad")) in ended.out]
    if options[:1] in (("--reason",), ("--path",)):
        assert names == HOSTILE
        assert ended.out.count("docherd try") == len(HOSTILE)
    else:
        assert ended.out.startswith(f"of 34 documents {len(HOSTILE)} failed, 1 skipped\n")
        assert f"{len(HOSTILE)} error: the processor raised" in ended.out
        assert "  next: " in ended.out
        assert "11 more with other messages" in ended.out
        assert ("symlink" in ended.out) == (options == ("--all",))


def test_failures_say_where_nothing_failed(tmp_path):
    """Not silence, which could be anything."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.txt").write_text("x")
    assert oracle.docherd("run", tmp_path / "in", "-o", tmp_path / "out", "-q").code == 0
    assert look("failures", tmp_path / "out").out == "of 1 document none failed\n"


@pytest.mark.parametrize("name", HOSTILE)
def test_x02_show_is_safe_with_any_name(run, name):
    """X02, X04, X06, X08: found by how it is printed, and shown so."""
    with View.open(run) as view:
        assert view.find(printable(path_of(name))).path == path_of(name)
    if name in (b"a\x1b]0;pwn\x07", b"x\nERROR ok", "\u202egpj".encode(), HOSTILE[-1]):
        ended = look("show", run, printable(path_of(name)))
        assert ended.code == 0, ended.err
        assert printable(path_of(name)) in ended.out
        assert not [raw for raw in RAW if raw in ended.out]


def test_show_lists_what_may_be_meant(run):
    """A part of a path or a glob of one is enough; of several all are named; near ones, too."""
    for key in ("CON.txt", "con.t", "CO?.txt", "in/CON.*xt", "N.txt"):
        assert look("show", run, key).out.startswith("in/CON.txt\n"), key
    ended = look("show", run, "CON")
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.splitlines()[0] == "docherd: 2 documents match CON; give one of them"
    assert {line.strip() for line in ended.err.splitlines()[1:]} == {"in/CON.bad", "in/CON.txt"}
    assert look("show", run, "empty").out.startswith("in/empty.txt\n")
    many = look("show", run, "*")
    assert "... and 14 more" in many.err
    assert not [raw for raw in RAW if raw in many.err]
    assert "did you mean\n  in/CON.txt" in look("show", run, "C0N.txt").err
    assert "a glob" in look("show", run, "nothing like it").err


def test_show_cuts_what_is_long(tmp_path, monkeypatch):
    """Texts and many Records, with what shows the rest; --full shows all."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.txt").write_text("x")
    (tmp_path / "own.py").write_text(
        "def own(path): return ({'page': n, 'text': 'word ' * 1000} for n in range(8))"
    )
    command = ("run", "in", "-o", "out", "-p", "own.py:own", "-q")
    monkeypatch.chdir(tmp_path)
    assert oracle.docherd(*command).code == 0
    short = look("show", "out", "a.txt").out
    assert "Record 5 of 8" in short
    assert "Record 6 of 8" not in short
    assert "… 3 more Records: docherd show out " in short
    assert short.count("more characters: docherd show out ") == 5
    assert max(len(line) for line in short.splitlines() if "  file" not in line) <= 80
    full = look("show", "out", "a.txt", "--full").out
    assert full.count("word") == 8000
    assert "more" not in full


# ── failures --to ────────────────────────────────────────────────────────────────────────────


def test_failed_inputs_are_copied_with_a_table(run, tmp_path):
    """X03, X05, X07, X09: every byte and time, by name; the table is harmless; again, no work."""
    ended = look("failures", run, "--to", tmp_path / "bad")
    assert ended.code == 0, ended.err
    assert ended.out.startswith(f"{len(HOSTILE)} copied")
    for name in HOSTILE:
        copy, source = (
            Path(os.fsdecode(os.fsencode(folder) + b"/in/" + name + b".bad"))
            for folder in (tmp_path / "bad" / "files", run.parent)
        )
        assert copy.read_bytes() == source.read_bytes()
        assert copy.stat().st_mtime_ns == source.stat().st_mtime_ns
        assert copy.stat().st_nlink == 1
    assert sorted(os.listdir(tmp_path / "bad")) == [".docherd-failures", "failures.csv", "files"]
    text = (tmp_path / "bad" / "failures.csv").read_bytes().decode()
    assert not [raw for raw in RAW if raw in text]
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert {row["path"] for row in rows} == {printable(path_of(n, b".bad")) for n in HOSTILE}
    assert all(row["reproduce"].startswith("docherd try ") for row in rows)
    assert all(row["copy"] == f"files/{row['path']}" for row in rows)
    again = look("failures", run, "--to", tmp_path / "bad", "--json")
    assert json.loads(again.out) == {"taken": 0, "there": len(HOSTILE), "missing": 0, "size": 0}


def test_failed_inputs_are_linked_where_asked(run, tmp_path):
    """The very files; and copies take their place where that is asked later."""
    for how, links in (("--link", 2), ("--link", 2), ("--copy", 1)):
        ended = look("failures", run, "--to", tmp_path / "bad", how, "--path", "CON*")
        assert ended.code == 0, ended.err
        assert (tmp_path / "bad" / "files" / "in" / "CON.bad").stat().st_nlink == links
    assert (run.parent / "in" / "CON.bad").stat().st_nlink == 1


def test_what_is_gone_or_a_link_now_is_named(run, tmp_path):
    """And the exit code says it; no link is followed, neither to read nor to write."""
    base = tmp_path / "base"
    shutil.copytree(run.parent, base, symlinks=True)
    about = json.loads((base / "out" / "run.json").read_text())
    about["inputs"][0]["folder"] = str(base / "in")
    (base / "out" / "run.json").write_text(json.dumps(about))
    (base / "in" / "CON.bad").unlink()
    (base / "in" / "ledger.db.bad").unlink()
    (base / "in" / "ledger.db.bad").symlink_to("/etc/passwd")
    (base / "in" / "-rf.bad").write_text("another content")
    ended = look("failures", base / "out", "--to", tmp_path / "bad")
    assert ended.code == 1
    assert "in/CON.bad: is not there any more" in ended.err
    assert "in/ledger.db.bad: is a symbolic link: not followed" in ended.err
    assert "14 copied" in ended.out
    assert "2 could not be" in ended.out
    files = tmp_path / "bad" / "files"
    assert not os.path.lexists(files / "in" / "ledger.db.bad")
    with (tmp_path / "bad" / "failures.csv").open(newline="") as file:
        notes = {row["path"]: row["note"] for row in csv.DictReader(file)}
    assert notes["in/-rf.bad"] == "has changed since"
    # C07: a link planted where the copies go
    shutil.rmtree(files / "in")
    (tmp_path / "elsewhere").mkdir()
    (files / "in").symlink_to(tmp_path / "elsewhere")
    ended = look("failures", base / "out", "--to", tmp_path / "bad", "--path", "%*")
    assert ended.code == 0, ended.err
    assert os.listdir(tmp_path / "elsewhere") == []
    assert len(os.listdir(tmp_path / "bad" / "by-id")) == 1


def test_folders_that_are_not_ours_are_refused(run, tmp_path):
    """Nor is one filled that lies in an input, among the results, or is another run's."""
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").touch()
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / ".docherd-failures").write_text("another run")
    for folder, why in (
        (tmp_path / "full", "holds other things (mine.txt)"),
        (tmp_path / "other", "holds what failed in another run"),
        (run.parent / "in" / "new", "lies in"),
        (run / "data" / "new", "lies in"),
    ):
        ended = look("failures", run, "--to", folder)
        assert (ended.code, why in ended.err) == (2, True), ended.err
    assert not (run.parent / "in" / "new").exists()


# ── export ───────────────────────────────────────────────────────────────────────────────────


def test_x03_a_csv_calculates_nothing(run, tmp_path):
    """X02, X03, X04: names and values from documents; numbers stay numbers."""
    file = tmp_path / "all.csv"
    ended = look("export", run, "-f", file, "--path", "*.txt")
    assert ended.code == 0, ended.err
    assert ended.err.startswith(f"{len(HOSTILE) + 1} Records in 6 columns, ")
    assert str(file) in ended.err
    text = file.read_bytes().decode()
    assert text.startswith("document,path,ordinal,name,size,parts\r\n")
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert {row["path"] for row in rows} >= {printable(path_of(name)) for name in HOSTILE}
    assert not [cell for row in rows for cell in row.values() if cell[:1] in set("=+-@\t\r\n＝")]
    assert not [raw for raw in "\x1b\x07\x9b" if raw in text]
    assert {row["size"] for row in rows} == {
        str(len(name) + len("content of ")) for name in HOSTILE
    } | {"0"}
    assert json.loads(rows[0]["parts"])[1] == {"deep": -1}


def test_x03_an_xlsx_holds_texts_and_numbers_only(run, tmp_path):
    """X03: no formula, no link, whatever a name looks like."""
    file = tmp_path / "all.xlsx"
    assert look("export", run, "--to", "xlsx", "-f", file).code == 0
    (sheet,) = openpyxl.load_workbook(file).worksheets
    head, *rows = sheet.iter_rows()
    assert [cell.value for cell in head] == ["document", "path", "ordinal", "name", "size", "parts"]
    assert len(rows) == len(HOSTILE) + 1
    assert {cell.data_type for row in rows for cell in row} == {"s", "n"} or {
        cell.data_type for row in rows for cell in row
    } == {"inlineStr", "n"}
    assert not [cell for row in rows for cell in row if cell.hyperlink]
    assert "'=cmd|'calc'!A0.txt" in {row[3].value for row in rows}


def test_parquet_and_json_lines_change_nothing(run, tmp_path):
    """X03: they execute nothing, and keep each name as the Records have it."""
    for ending in ("parquet", "jsonl"):
        assert look("export", run, "-f", tmp_path / f"all.{ending}").code == 0
    assert (tmp_path / "all.jsonl").read_text() == look("cat", run).out
    table = pyarrow.parquet.read_table(tmp_path / "all.parquet").to_pylist()
    records = list(records_of(look("cat", run).out).values())
    assert [row | {"parts": json.loads(row["parts"])} for row in table] == records


def test_export_goes_where_it_is_told_and_replaces_nothing(run, tmp_path):
    """OUT/export.csv by itself, a pipe with -; an existing file only with --force."""
    out = tmp_path / "out"
    shutil.copytree(run, out)
    pipe = oracle.docherd("export", out, "--to", "csv", "-f", "-", "--columns", "path", "-q")
    assert (pipe.code, pipe.err) == (0, "")
    assert pipe.out.startswith("path\n")  # text mode makes one of CRLF
    assert look("export", out, "--to", "csv", "--bom").code == 0
    made = (out / "export.csv").read_bytes()
    assert made.startswith(b"\xef\xbb\xbfdocument,path,ordinal,")
    (out / ".export.csv.999999999").write_text("left by one that was killed")
    ended = look("export", out, "--to", "csv")
    assert (ended.code, "exists: give another -f, or --force" in ended.err) == (2, True)
    ended = look("export", out, "--to", "csv", "--force", "--columns", "path,siez")
    assert (ended.code, "did you mean size?" in ended.err) == (2, True)
    assert (out / "export.csv").read_bytes() == made
    ended = look("export", out, "--to", "csv", "--force", "--status", "failed")
    assert ended.code == 0, ended.err
    assert (out / "export.csv").read_text().startswith("document,path,status,reason,")
    assert not list(out.glob(".export*"))
    for wrong in (["--to", "xlsx", "-f", "-"], [], ["-f", "x.doc"], ["-f", out, "--to", "csv"]):
        assert look("export", out, *wrong).code == 2, wrong
    ended = look("export", out, "-f", tmp_path / "no" / "x.csv")
    assert (ended.code, "cannot write" in ended.err) == (3, True)


def test_an_export_that_is_ended_leaves_nothing(run, tmp_path, monkeypatch):
    """SIGTERM in the middle of it: the exit code says so, and no unfinished file is left."""
    (tmp_path / "was.csv").write_text("what was there")

    def ended(*_: object) -> None:
        assert list(tmp_path.glob(".was.csv.*"))
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr("docherd.exports.csv.write", ended)
    with pytest.raises(SystemExit) as raised:
        look("export", run, "-f", tmp_path / "was.csv", "--force")
    assert raised.value.code == 143
    assert [each.name for each in tmp_path.iterdir()] == ["was.csv"]
    assert (tmp_path / "was.csv").read_text() == "what was there"


def test_a_library_that_is_missing_is_named(run, tmp_path):
    """One line with what to install; nothing is written."""
    (tmp_path / "xlsxwriter.py").write_text("raise ImportError")
    (tmp_path / "pyarrow.py").write_text("raise ImportError")
    environment = os.environ | {"PYTHONPATH": str(tmp_path)}
    for form in ("xlsx", "parquet"):
        file = tmp_path / f"x.{form}"
        ended = oracle.docherd("export", run, "-f", file, env=environment)
        assert (ended.code, ended.err.count("\n")) == (2, 1)
        assert f"pip install 'docherd[{form}]'" in ended.err
        assert not file.exists()


def test_a_run_that_goes_on_is_exported_as_far_as_it_is(tmp_path):
    """And that is said."""
    (tmp_path / "in").mkdir()
    for name in ("a.txt", "wait.txt"):
        (tmp_path / "in" / name).write_text(name)
    (tmp_path / "own.py").write_text(
        "import time\n"
        "def own(path):\n"
        "    while path.name == 'wait.txt' and not path.parent.with_name('gate').exists():\n"
        "        time.sleep(0.005)\n"
        "    return path.read_text()\n"
    )
    process = oracle.start("run", "in", "-o", "out", "-p", "own.py:own", "-q", cwd=tmp_path)
    out = tmp_path / "out"
    oracle.wait_for(lambda: oracle.docherd("cat", out).out.count("\n") == 1)
    ended = look("export", out, "--to", "csv")
    (tmp_path / "gate").touch()
    process.communicate(timeout=20)
    assert ended.err.startswith("1 Record in 4 columns, ")
    assert ended.err.endswith("the run goes on: this is what was committed so far\n")


def test_from_python_the_same(run, tmp_path):
    """`docherd.open(...)`: records are chosen as by `cat`, and exported."""
    opened = docherd.open(run)
    assert len(list(opened.records())) == len(HOSTILE) + 1
    assert [row["path"] for row in opened.records(path="CON*", kind=["txt", "pdf"])] == [
        "in/CON.txt"
    ]
    assert len(list(opened.records(limit=2))) == 2
    assert list(opened.records(kind="pdf")) == []
    file = tmp_path / "x.csv"
    assert opened.export(file, columns=["size", "name"], path="CON*") == 1
    assert file.read_bytes() == b"size,name\r\n14,CON.txt\r\n"
    with pytest.raises(docherd.UsageError, match="exists"):
        opened.export(file)
    assert opened.export(file, overwrite=True) == len(HOSTILE) + 1
