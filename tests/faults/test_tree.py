"""Odd, hostile and moving input trees (N of the catalogue)."""

from __future__ import annotations

import os
import shutil
import socket
import stat
import subprocess
import unicodedata
from pathlib import Path

import docx
import pytest

import oracle

SIZE = """
def own(path):
    return {"size": path.stat().st_size}
"""
HELLO = "hello, this is a document\n"


def run(folder: Path, source: str, *options: str) -> oracle.Ended:
    """Run the function in ``source`` (or a built-in) over ``folder``/in."""
    processor = source
    if "def " in source:
        (folder / "own.py").write_text(source)
        processor = "own.py:own"
    command = ("run", "in", "-o", "out", "-p", processor, "-w", "2", "--progress", "plain")
    return oracle.docherd(*command, *options, cwd=folder)


def reasons(out: Path) -> dict[str, str]:
    """path → reason of everything that is not done."""
    ended = oracle.docherd("failures", out, "--all", "--json")
    return {row["path"]: row["reason"] for row in map(oracle.json.loads, ended.out.splitlines())}


def paths(out: Path) -> list[str]:
    return sorted(str(row["path"]) for row in oracle.records(out))


# ── links and devices ────────────────────────────────────────────────────────────────────────


@pytest.fixture
def unix_socket(tmp_path):
    """A socket in the input folder (its name is too long for AF_UNIX unless we go there)."""
    (tmp_path / "in").mkdir()
    opened = socket.socket(socket.AF_UNIX)
    before = Path.cwd()
    os.chdir(tmp_path / "in")
    opened.bind("socket.txt")
    os.chdir(before)
    yield tmp_path / "in"
    opened.close()


def test_links_and_devices_are_reported_and_never_opened(unix_socket, tmp_path):
    """N01, N02: loops, a link to /, FIFO, socket and device are skipped; the run ends at once."""
    tree = unix_socket
    (tree / "sub").mkdir()
    (tree / "sub" / "fine.txt").write_text(HELLO)
    (tree / "sub" / "loop").symlink_to("..")
    (tree / "root").symlink_to("/")
    (tree / "dangling.txt").symlink_to("nowhere")
    (tree / "link.txt").symlink_to("sub/fine.txt")
    os.mkfifo(tree / "fifo.pdf")
    expected = dict.fromkeys(("dangling.txt", "link.txt", "root", "sub/loop"), "symlink")
    expected |= dict.fromkeys(("fifo.pdf", "socket.txt"), "special")
    if os.getuid() == 0:
        os.mknod(tree / "zero.txt", stat.S_IFCHR | 0o666, os.makedev(1, 5))
        expected["zero.txt"] = "special"
    ended = run(tmp_path, SIZE)
    assert ended.code == 0, ended.err
    oracle.check(tmp_path / "out", failed={}, total=1 + len(expected))
    assert reasons(tmp_path / "out") == {f"in/{name}": why for name, why in expected.items()}
    assert paths(tmp_path / "out") == ["in/sub/fine.txt"]


SWAP = """
import os

def own(path):
    for name in ("b.txt", "c.txt"):
        target = path.parent / name
        if path.name == "a.txt":
            target.unlink()
            os.mkfifo(target) if name == "b.txt" else target.symlink_to("/etc/passwd")
    return path.read_text()
"""


def test_a_file_that_became_a_trap_is_not_opened(tmp_path):
    """N03: a FIFO or a link put in a file's place after the walk costs that document only."""
    (tmp_path / "in").mkdir()
    for name in ("a.txt", "b.txt", "c.txt"):
        (tmp_path / "in" / name).write_text(HELLO)
    ended = run(tmp_path, SWAP, "-w", "1", "--timeout", "3")
    assert ended.code == 0, ended.err
    assert reasons(tmp_path / "out") == {"in/b.txt": "special", "in/c.txt": "symlink"}
    assert b"root:" not in (tmp_path / "out" / "data" / "part-000001.jsonl").read_bytes()


# ── it moves ─────────────────────────────────────────────────────────────────────────────────

VANISH = """
import os

def own(path):
    if path.name == "a.txt":
        (path.parent / "b.txt").unlink()
    return path.read_text()
"""
VANISH_WHILE_READ = """
def own(path):
    with open(path) as opened:
        path.unlink()
        return opened.read()
"""


def test_a_file_that_vanishes_before_its_turn_is_missing(tmp_path):
    """N04: what is gone before it is opened fails with input_missing, the others are done."""
    (tmp_path / "in").mkdir()
    for name in ("a.txt", "b.txt", "c.txt"):
        (tmp_path / "in" / name).write_text(HELLO)
    ended = run(tmp_path, VANISH, "-w", "1")
    assert ended.code == 1
    oracle.check(tmp_path / "out", failed={"in/b.txt": "input_missing"}, total=3)
    assert paths(tmp_path / "out") == ["in/a.txt", "in/c.txt"]


def test_a_file_that_vanishes_while_it_is_read_is_done(tmp_path):
    """N04: what is unlinked while a processor reads it has been read whole."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.txt").write_text(HELLO)
    ended = run(tmp_path, VANISH_WHILE_READ)
    assert ended.code == 0, ended.err
    assert paths(tmp_path / "out") == ["in/a.txt"]


GROW = """
def own(path):
    for number in range(3):
        with (path.parent / f"{path.stem}-{number}.txt").open("w") as new:
            new.write("x" * (number + 1)) if path.stem.count("-") < 2 else None
    return path.read_text()
"""


def test_a_tree_that_grows_while_it_is_walked_is_taken_once(tmp_path):
    """N16: the run ends, each file that was found is there once, the next run takes the rest."""
    (tmp_path / "in").mkdir()
    for number in range(10):
        (tmp_path / "in" / f"{number}.txt").write_text(HELLO)
    ended = run(tmp_path, GROW)
    assert ended.code in (0, 1), ended.err  # 1: one was still being written
    oracle.check(tmp_path / "out")
    assert len(oracle.records(tmp_path / "out")) >= 10
    there = len(os.listdir(tmp_path / "in"))
    assert run(tmp_path, GROW).code in (0, 1)
    counts = oracle.json.loads((tmp_path / "out" / "status.json").read_text())["counts"]
    assert counts["discovered"] >= there


@pytest.mark.parametrize("out", ["in/out", "in/sub/deep/out", "in", "link/out"])
def test_an_output_inside_an_input_is_refused(tmp_path, out):
    """N16: results would become documents; it exits with 2 and makes nothing."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.txt").write_text(HELLO)
    (tmp_path / "link").symlink_to("in")
    ended = oracle.docherd("run", "in", "-o", out, cwd=tmp_path)
    assert ended.code == 2
    assert "lies in the input" in ended.err
    assert os.listdir(tmp_path / "in") == ["a.txt"]


# ── it may not be read ───────────────────────────────────────────────────────────────────────


@pytest.fixture
def without_override(monkeypatch):
    """The command without root's right to read everything."""
    drop = "-dac_override,-dac_read_search"
    prefix = ["setpriv", f"--bounding-set={drop}", f"--inh-caps={drop}"]
    if os.getuid() == 0:
        if not shutil.which("setpriv") or subprocess.run([*prefix, "true"], check=False).returncode:
            pytest.skip("cannot give up root's rights")
        monkeypatch.setattr(oracle, "COMMAND", [*prefix, *oracle.COMMAND])


def test_what_may_not_be_read_is_said_and_costs_nothing_else(tmp_path, without_override):
    """N08: a file and a folder without read permission fail; the run goes on and exits with 1."""
    (tmp_path / "in" / "closed").mkdir(parents=True)
    for name in ("fine.txt", "secret.txt", "closed/inner.txt"):
        (tmp_path / "in" / name).write_text(HELLO)
    (tmp_path / "in" / "secret.txt").chmod(0)
    (tmp_path / "in" / "closed").chmod(0)
    try:
        ended = run(tmp_path, SIZE)
        unreadable = dict.fromkeys(("in/secret.txt", "in/closed"), "input_unreadable")
        assert ended.code == 1, ended.err
        oracle.check(tmp_path / "out", failed=unreadable, total=3)
        rows = oracle.failure_rows(tmp_path / "out")
        assert all("Permission denied" in row["message"] for row in rows.values())
    finally:
        (tmp_path / "in" / "closed").chmod(0o755)
    (tmp_path / "in" / "secret.txt").chmod(0o644)
    retried = oracle.docherd("retry", tmp_path / "out", "-q", cwd=tmp_path)
    assert retried.code == 0, retried.err
    assert paths(tmp_path / "out") == ["in/closed/inner.txt", "in/fine.txt", "in/secret.txt"]


def test_what_is_below_a_folder_that_cannot_be_read_keeps_its_records(tmp_path, without_override):
    """N08: with --prune, too: nobody knows whether it is gone."""
    (tmp_path / "in" / "closed").mkdir(parents=True)
    for name in ("open.txt", "closed/b.txt", "closed-c.txt"):
        (tmp_path / "in" / name).write_text(name)
    (tmp_path / "own.py").write_text("def own(path):\n    return {'text': path.read_text()}\n")
    command = ("run", "in", "-o", "out", "-p", "own.py:own", "-q", "--prune")
    assert oracle.docherd(*command, cwd=tmp_path).code == 0
    before = oracle.sorted_lines(tmp_path / "out")
    (tmp_path / "in" / "closed").chmod(0)
    ended = oracle.docherd(*command, cwd=tmp_path)
    (tmp_path / "in" / "closed").chmod(0o755)
    assert ended.code == 1, ended.err
    assert oracle.sorted_lines(tmp_path / "out") == before


# ── names ────────────────────────────────────────────────────────────────────────────────────

NFC = unicodedata.normalize("NFC", "café.txt")
NFD = unicodedata.normalize("NFD", "café.txt")


def test_every_name_a_disk_can_hold_is_a_document_of_its_own(tmp_path):
    """N10, N11, N13: not UTF-8, 255 bytes, the same name twice, NFC and NFD: all are told apart."""
    names = [b"bad\xff\xfe.txt", b"a" * 251 + b".txt", NFC.encode(), NFD.encode()]
    names += [b"x.txt", b"sub/x.txt", b"SUB/X.txt", b"quote'\"$`\\.txt", b"-o.txt", b"%s{}.txt"]
    root = os.fsencode(tmp_path / "in")
    for folder in (b"", b"sub", b"SUB"):
        os.makedirs(os.path.join(root, folder), exist_ok=True)
    for number, name in enumerate(names):
        with open(os.path.join(root, name), "wb") as new:
            new.write(b"x" * number)
    ended = run(tmp_path, SIZE)
    assert ended.code == 0, ended.err
    oracle.check(tmp_path / "out", failed={}, total=len(names))
    rows = oracle.records(tmp_path / "out")
    sizes = {row["path"]: row["size"] for row in rows}
    shown = [name.decode("utf-8", "backslashreplace") for name in names]
    assert sizes == {f"in/{name}": number for number, name in enumerate(shown)}
    assert len({row["document"] for row in rows}) == len(names)
    found = oracle.docherd("show", tmp_path / "out", "in/bad\\xff\\xfe.txt", "--json")
    assert oracle.json.loads(found.out)["records"] == [rows_of(rows, "in/bad\\xff\\xfe.txt")]


def rows_of(rows: list[dict[str, object]], path: str) -> dict[str, object]:
    return next(row for row in rows if row["path"] == path)


def test_try_takes_every_name_too(tmp_path):
    """N10: `docherd try` shows the Records of a file whose name is not UTF-8."""
    name = os.fsencode(tmp_path) + b"/bad\xff.txt"
    with open(name, "wb") as new:
        new.write(b"hello")
    (tmp_path / "own.py").write_text(SIZE)
    tried = oracle.docherd("try", name, "-p", "own.py:own", cwd=tmp_path)
    assert tried.code == 0, tried.err


EVIL = ("line\nbreak: forged", "esc\x1b[31mred\x1b]0;title\x07", "rtl\u202egpj.exe", "nel\x85end")
SPOIL = """
def own(path):
    raise ValueError(f"cannot read {path}")
"""


def test_no_name_reaches_a_screen_or_a_page_as_it_is(tmp_path):
    """N19: newlines, escape sequences and overrides are escaped in all that people look at."""
    (tmp_path / "in").mkdir()
    names = [*EVIL, "<script>alert(1)<", "';alert(1)'"]
    for name in names:
        (tmp_path / "in" / f"{name}.txt").write_text(HELLO)
    ended = run(tmp_path, SPOIL, "-v")
    out = tmp_path / "out"
    assert ended.code == 1
    oracle.check(out, total=len(names))
    shown = [ended.err, ended.out, (out / "run.log").read_text(encoding="utf-8")]
    for command in (("status",), ("failures",), ("failures", "--json"), ("cat",)):
        told = oracle.docherd(command[0], out, *command[1:])
        shown += [told.out, told.err]
    shown.append(oracle.docherd("show", out, f"in/{EVIL[1]}.txt").out)
    tried = oracle.docherd("try", f"in/{EVIL[0]}.txt", "-p", "own.py:own", cwd=tmp_path)
    shown += [tried.out, tried.err]
    for text in shown:
        assert not [each for each in text if each in "\x1b\x07\u202e\x85"], text
        assert not any(line.lstrip().startswith("break: forged") for line in text.splitlines())
    page = (out / "report.html").read_text(encoding="utf-8")
    assert not set(page) & set("\x1b\x07\u202e\x85")
    assert "<script>alert" not in page


LITTER = ("~$a.docx", ".~lock.a.odt#", ".DS_Store", "._a.txt", "Thumbs.db", "desktop.ini")
LITTER += ("a.pdf.crdownload", "a.txt.part", "Icon\r")
LITTER_FOLDERS = ("__MACOSX", ".git", ".svn", "@eaDir", "$RECYCLE.BIN", "lost+found")
LITTER_FOLDERS += ("System Volume Information", ".Trash-1000")
#: what a run folder holds
OUR_NAMES = ("ledger.db", "lock", "part-000001.jsonl", "part-000001.parquet", "run.json", ".lock")


def test_names_like_ours_are_documents_and_litter_is_none(tmp_path):
    """N16: ledger.db in the input is a file as any other; what systems leave behind is skipped,
    counted, and taken with --hidden; without its input a run changes nothing.
    """
    tree = tmp_path / "in"
    for name in (*LITTER_FOLDERS, "data", "pending"):
        (tree / name).mkdir(parents=True)
        (tree / name / "inner.txt").write_text(HELLO)
    for name in (*LITTER, *OUR_NAMES):
        (tree / name).write_text(HELLO)
    assert run(tmp_path, SIZE).code == 0
    ours = {f"in/{name}" for name in (*OUR_NAMES, "data/inner.txt", "pending/inner.txt")}
    hidden = {f"in/{name}" for name in (*LITTER, *LITTER_FOLDERS, ".lock")}
    assert set(paths(tmp_path / "out")) == ours - hidden
    assert reasons(tmp_path / "out") == dict.fromkeys(hidden, "hidden")
    oracle.check(tmp_path / "out", failed={}, total=len(ours | hidden))
    everything = ("run", "in", "-o", "all", "-p", "own.py:own", "--hidden", "-q")
    assert oracle.docherd(*everything, cwd=tmp_path).code == 0
    assert len(paths(tmp_path / "all")) == len(ours | hidden)
    tree.rename(tmp_path / "away")
    before = (tmp_path / "out" / "ledger.db").read_bytes()
    missing = oracle.docherd("resume", "out", cwd=tmp_path)
    assert missing.code == 3
    assert "is not there; is a disk missing?" in missing.err
    assert (tmp_path / "out" / "ledger.db").read_bytes() == before


# ── content ──────────────────────────────────────────────────────────────────────────────────


def test_a_function_of_ones_own_sees_every_size(tmp_path):
    """N17: an empty file and a sparse one of 1 TB reach a user's function."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "empty.txt").touch()
    (tmp_path / "in" / "huge.txt").touch()
    os.truncate(tmp_path / "in" / "huge.txt", 1 << 40)
    ended = run(tmp_path, SIZE)
    assert ended.code == 0, ended.err
    sizes = {row["path"]: row["size"] for row in oracle.records(tmp_path / "out")}
    assert sizes == {"in/empty.txt": 0, "in/huge.txt": 1 << 40}


def test_extract_skips_what_is_hopeless_unread_and_trusts_no_extension(tmp_path):
    """N17, N18: empty and too_large without reading; kind by content, whatever the name says."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "empty.pdf").touch()
    (tmp_path / "in" / "huge.pdf").touch()
    os.truncate(tmp_path / "in" / "huge.pdf", 1 << 40)
    (tmp_path / "in" / "page.pdf").write_text("<!DOCTYPE html><html><body><p>hello web</p></body>")
    (tmp_path / "in" / "noextension").write_text(HELLO)
    (tmp_path / "in" / "lies.docx").write_text(HELLO)
    (tmp_path / "in" / "web.doc").write_text("<html><body><p>saved as a letter</p></body></html>")
    letter = docx.Document()
    letter.add_paragraph("newer than its name")
    letter.save(tmp_path / "in" / "new.doc")
    ended = run(tmp_path, "extract")
    assert ended.code == 0, ended.err
    found = reasons(tmp_path / "out")
    assert found == {"in/empty.pdf": "empty", "in/huge.pdf": "too_large"}
    texts = {row["path"]: row["text"].strip() for row in oracle.records(tmp_path / "out")}
    assert texts["in/page.pdf"] == "hello web"
    assert texts["in/noextension"] == texts["in/lies.docx"] == HELLO.strip()
    assert texts["in/web.doc"] == "saved as a letter"
    assert texts["in/new.doc"] == "newer than its name"
    shown = oracle.docherd("show", tmp_path / "out", "in/page.pdf", "--json")
    assert oracle.json.loads(shown.out)["kind"] == "html"


def test_a_path_longer_than_the_system_opens_is_counted(tmp_path):
    """N12: a file below 4,096 bytes of folders is reported, and the run ends well."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "fine.txt").write_text(HELLO)
    here = os.open(tmp_path / "in", os.O_RDONLY)
    for _ in range(45):
        os.mkdir("d" * 100, dir_fd=here)
        below = os.open("d" * 100, os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(os.open("deep.txt", os.O_CREAT, dir_fd=here))
    os.close(here)
    ended = run(tmp_path, SIZE)
    subprocess.run(["rm", "-rf", str(tmp_path / "in")], check=True)
    assert ended.code == 0, ended.err
    oracle.check(tmp_path / "out", failed={}, total=2)
    assert set(reasons(tmp_path / "out").values()) == {"path_too_long"}
