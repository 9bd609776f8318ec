"""Every command once, as it is typed, over real files."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import oracle

COUNTS = {"discovered", "done", "failed", "skipped", "pending", "gone"}
LETTER = b"""From: ann@example.org
To: bob@example.org
Subject: The garden
Date: Mon, 3 Nov 2025 10:00:00 +0000
Content-Type: text/plain; charset=utf-8

The roses are late this year.
"""
#: fails on what is called bad
OWN = """
def own(path):
    if path.name.startswith("bad"):
        raise ValueError("cannot read this")
    return {"text": path.read_text()}
"""


def write_documents(folder: Path) -> Path:
    """Three that can be read, one that cannot, two that are skipped."""
    (folder / "sub").mkdir(parents=True)
    (folder / "a.txt").write_text("a plain text\n")
    (folder / "b.html").write_text("<!DOCTYPE html><title>Web</title><body><p>a web page</p>")
    (folder / "sub" / "c.eml").write_bytes(LETTER)
    (folder / "broken.pdf").write_bytes(b"%PDF-1.7\nthis is all there is\n")
    (folder / "empty.txt").touch()
    (folder / ".hidden.txt").write_text("nobody's")
    return folder


@pytest.fixture(scope="module")
def extracted(tmp_path_factory):
    """A finished run of `extract`: (its folder, how the command ended). Not to be written."""
    folder = tmp_path_factory.mktemp("extracted")
    write_documents(folder / "in")
    return folder / "out", oracle.docherd("run", folder / "in", "-o", folder / "out")


@pytest.fixture
def own(tmp_path):
    """Four documents, two of them bad, and the options of a run over them."""
    (tmp_path / "in").mkdir()
    for name in ("a.txt", "bad-1.txt", "bad-2.txt", "z.txt"):
        (tmp_path / "in" / name).write_text(f"this is {name}\n")
    (tmp_path / "own.py").write_text(OWN)
    return Own(tmp_path)


class Own:
    """Runs over four documents with a function of one's own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.out = folder / "out"

    def run(self, *options: str, **popen: object) -> oracle.Ended:
        command = ("run", "in", "-o", "out", "-p", "own.py:own", "-w", "2", "-q")
        return oracle.docherd(*command, *options, cwd=self.folder, **popen)

    def paths(self) -> list[str]:
        return sorted(str(row["path"]) for row in oracle.records(self.out))


# ── run ──────────────────────────────────────────────────────────────────────────────────────


def test_run_says_what_came_of_it_and_what_to_do_next(extracted):
    """`run` exits with 1 where one failed, and names results, report and the next commands."""
    out, ended = extracted
    assert ended.code == 1, ended.err
    oracle.check(out, failed={"in/broken.pdf": "corrupt"}, total=6)
    assert "3 of 6 documents done, 1 failed, 2 skipped" in ended.err
    for words in (f"{out}/data", "report.html", "jq ", "pandas", "duckdb", "docherd failures"):
        assert words in ended.out
    texts = {row["path"]: row["text"] for row in oracle.records(out)}
    assert set(texts) == {"in/a.txt", "in/b.html", "in/sub/c.eml"}
    assert "roses are late" in texts["in/sub/c.eml"]


def test_the_readme_example_of_jq_is_what_the_files_hold(extracted):
    """Each line of data/ is a JSON object that begins with document, path and ordinal."""
    for part in (extracted[0] / "data").iterdir():
        for line in part.read_bytes().splitlines():
            assert list(json.loads(line))[:3] == ["document", "path", "ordinal"]


def test_run_again_processes_nothing(own):
    """The same command again finishes at once and says that nothing was needed."""
    assert own.run().code == 1
    before = oracle.sorted_lines(own.out)
    own.folder.joinpath("own.py").touch()
    command = ("run", "in", "-o", "out", "-p", "own.py:own", "--progress", "none")
    ended = oracle.docherd(*command, cwd=own.folder)
    assert ended.code == 1
    assert "4 had been finished before and have not changed" in ended.out
    assert oracle.sorted_lines(own.out) == before


def test_limit_then_everything_is_one_run(own):
    """--limit takes the first documents; without it the same run goes on with the rest."""
    assert own.run("--limit", "1").code == 0
    assert own.paths() == ["in/a.txt"]
    assert own.run().code == 1
    assert own.paths() == ["in/a.txt", "in/z.txt"]
    oracle.check(own.out, total=4)


def test_include_and_exclude_choose_by_name_and_path(own):
    """--include and --exclude are globs on the name or on the path below the input."""
    (own.folder / "in" / "deep").mkdir()
    for name in ("deep/x.txt", "deep/y.md", "deep/no.txt"):
        (own.folder / "in" / name).write_text("deep\n")
    ended = own.run("--include", "*.txt", "--exclude", "bad*", "--exclude", "deep/n*")
    assert ended.code == 0, ended.err
    assert own.paths() == ["in/a.txt", "in/deep/x.txt", "in/z.txt"]
    oracle.check(own.out, total=3)


def test_globs_come_from_a_file(own):
    """--exclude-from: its content is the run's, so the same list elsewhere is the same run."""
    (own.folder / "in" / "node_modules" / "deep").mkdir(parents=True)
    (own.folder / "in" / "node_modules" / "deep" / "x.txt").write_text("nobody's\n")
    (own.folder / "list").write_text("# not these\n\nbad*\nnode_modules/\n")
    assert own.run("--exclude-from", "list").code == 0
    assert own.paths() == ["in/a.txt", "in/z.txt"]
    oracle.check(own.out, total=2)
    (own.folder / "list").rename(own.folder / "moved")
    assert own.run("--exclude-from", "moved").code == 0
    assert own.run("--exclude", "bad*", "--exclude", "node_modules/").code == 0
    assert (
        oracle.docherd("resume", own.out, "--exclude-from", "moved", "-q", cwd=own.folder).code == 0
    )
    (own.folder / "moved").write_text("bad*\n" + "".join(f"{n}.old\n" for n in range(9)))
    other = own.run("--exclude-from", "moved")
    assert other.code == 2
    assert "with --exclude globs without '0.old', '1.old', '2.old' and with 'node_mod" in other.err
    gone = own.run("--exclude-from", "gone")
    assert (gone.code, gone.err) == (
        3,
        "docherd: --exclude-from gone: No such file or directory\n",
    )


@pytest.mark.parametrize("null", [False, True])
def test_files_come_from_a_list(own, null):
    """--files-from FILE and - (with -0) take the files of a list, each once, in any spelling."""
    names = ["in/a.txt", "in/../in/z.txt", "in/a.txt", "in/none.txt"]
    end = "\0" if null else "\n"
    (own.folder / "list").write_text(end.join(names))
    command = ["run", "-o", "out", "-p", "own.py:own", "-q", "--files-from"]
    if null:
        with (own.folder / "list").open() as opened:
            ended = oracle.docherd(*command, "-", "-0", cwd=own.folder, stdin=opened)
    else:
        ended = oracle.docherd(*command, "list", cwd=own.folder)
    assert ended.code == 1, ended.err
    oracle.check(own.out, failed={f"{own.folder}/in/none.txt": "input_missing"}, total=3)
    assert own.paths() == [f"{own.folder}/in/a.txt", f"{own.folder}/in/z.txt"]
    (own.folder / "in" / "none.txt").write_text("here it is")
    resumed = oracle.docherd("resume", "out", "-q", cwd=own.folder)
    assert resumed.code == 0, resumed.err
    assert len(own.paths()) == 3


def test_a_list_is_read_again_from_anywhere(own):
    """`resume` of a list with relative names finds them, wherever it is called."""
    (own.folder / "list").write_text("in/a.txt\nin/z.txt\n")
    command = ["run", "-o", "out", "-p", "own.py:own", "-q", "--files-from", "list"]
    assert oracle.docherd(*command, cwd=own.folder).code == 0
    (own.folder / "in" / "a.txt").write_text("changed\n")
    ended = oracle.docherd("resume", own.out, "-q", cwd="/")
    assert ended.code == 0, ended.err
    oracle.check(own.out, failed={}, total=2)
    texts = {str(row["text"]) for row in oracle.records(own.out)}
    assert texts == {"changed\n", "this is z.txt\n"}


def test_a_pipe_that_was_cut_short_cannot_be_resumed(own):
    """`resume` of a list from stdin that was not read to its end says what to type instead."""
    (own.folder / "list").write_text("in/a.txt\nin/z.txt\n")
    command = ["run", "-o", "out", "-p", "own.py:own", "-q", "--files-from", "-"]
    with (own.folder / "list").open() as opened:
        ended = oracle.docherd(*command, "--limit", "1", cwd=own.folder, stdin=opened)
    assert ended.code == 0, ended.err
    resumed = oracle.docherd("resume", own.out, "-q")
    assert resumed.code == 2
    assert "| docherd run --files-from - -o" in resumed.err


def test_dry_run_touches_nothing(own):
    """--dry-run says what would be done, by kind, and leaves no trace; nor on a finished run."""
    ended = own.run("--dry-run")
    assert ended.code == 0, ended.err
    assert ended.out.startswith("would process 4 documents")
    assert ended.out.endswith("nothing was touched\n")
    assert not own.out.exists()
    own.run()
    (own.folder / "in" / "new.md").write_text("new")
    before = {path: path.stat().st_mtime_ns for path in own.out.rglob("*")}
    ended = own.run("--dry-run")
    assert "would process 1 document, 3 B" in ended.out
    assert {path: path.stat().st_mtime_ns for path in own.out.rglob("*")} == before


def test_fresh_begins_again(own):
    """--fresh throws the earlier run away, and what is not ours in the folder stays."""
    own.run()
    (own.out / "notes.txt").write_text("mine")
    run = json.loads((own.out / "run.json").read_text())["run"]
    (own.folder / "own.py").write_text("def own(path): return {'size': path.stat().st_size}")
    assert own.run().code == 2  # another processor
    ended = own.run("--fresh")
    assert ended.code == 0, ended.err
    oracle.check(own.out, failed={}, total=4)
    assert json.loads((own.out / "run.json").read_text())["run"] != run
    assert all("size" in row for row in oracle.records(own.out))
    assert (own.out / "notes.txt").read_text() == "mine"


def test_fresh_with_a_processor_that_does_not_load_throws_nothing_away(own):
    """--fresh removes the old results only once the new run can begin."""
    own.run()
    before = oracle.sorted_lines(own.out)
    (own.folder / "own.py").write_text("import no_such_module")
    ended = own.run("--fresh")
    assert ended.code == 2
    assert oracle.sorted_lines(own.out) == before


def test_add_takes_a_further_input_into_the_run(own):
    """Another input is refused with 2; --add takes it in, under a label of its own."""
    own.run()
    (own.folder / "more" / "in").mkdir(parents=True)
    (own.folder / "more" / "in" / "a.txt").write_text("another a\n")
    both = ("run", "in", "more/in", "-o", "out", "-p", "own.py:own", "-q")
    refused = oracle.docherd(*both, cwd=own.folder)
    assert refused.code == 2
    assert "--add" in refused.err
    ended = oracle.docherd(*both, "--add", cwd=own.folder)
    assert ended.code == 1, ended.err
    assert own.paths() == ["in/a.txt", "in/z.txt", "in~2/a.txt"]
    assert oracle.docherd(*both, cwd=own.folder).code == 1  # they are its inputs now
    oracle.check(own.out, total=5)


def test_exit_zero_is_for_cron(own):
    """--exit-zero turns a run with failures into success; they are counted all the same."""
    assert own.run("--exit-zero").code == 0
    oracle.check(own.out, failed={"in/bad-1.txt": "error", "in/bad-2.txt": "error"})


def test_options_come_from_a_file(own):
    """--config FILE sets options by name, and what is typed wins."""
    (own.folder / "run.toml").write_text('exclude = ["bad-1*"]\nexit_zero = true\nretries = 2\n')
    ended = own.run("--config", "run.toml", "--retries", "1")
    assert ended.code == 0, ended.err
    assert oracle.failure_rows(own.out)["in/bad-2.txt"]["attempts"] == 2
    oracle.check(own.out, total=3)


SECRETS = ("first-sesame", "second-sesame")


def test_a_password_is_written_nowhere(own):
    """--password and --password-file reach the processor's worker and no file of the run."""
    (own.folder / "passwords").write_text(f"{SECRETS[1]}\n")
    write_documents(own.folder / "docs")
    command = ("run", "docs", "-o", "out", "-v", "--password", SECRETS[0])
    ended = oracle.docherd(*command, "--password-file", "passwords", cwd=own.folder)
    assert ended.code == 1, ended.err
    for secret in SECRETS:
        assert secret not in ended.out + ended.err
        for file in filter(Path.is_file, own.out.rglob("*")):
            assert secret.encode() not in file.read_bytes(), file


# ── exit codes ───────────────────────────────────────────────────────────────────────────────


def test_a_missing_input_exits_with_3(own):
    """An input that is not there is the machine's fault: 3, and no folder is made."""
    ended = oracle.docherd("run", "nowhere", "-o", "out", cwd=own.folder)
    assert (ended.code, ended.err) == (
        3,
        "docherd: input nowhere: No such file or directory; the inputs are folders, files or"
        " quoted globs ('mail/*.eml')\n",
    )
    assert not own.out.exists()


def test_an_input_that_is_not_there_any_more_exits_with_3(own):
    """A disk that is not mounted any more does not turn every document into a gone one."""
    own.run()
    (own.folder / "in").rename(own.folder / "away")
    ended = oracle.docherd("resume", own.out, "-q")
    assert ended.code == 3
    assert "is a disk missing?" in ended.err
    (own.folder / "away").rename(own.folder / "in")
    assert own.run().code == 1


def test_damage_exits_with_4(own):
    """A part that was cut is refused."""
    own.run()
    os.truncate(own.out / "data" / "part-000001.jsonl", 3)
    assert own.run().code == 4


def test_no_documents_exit_with_5(own):
    """Inputs without a document exit with 5 and say where to look."""
    ended = own.run("--include", "*.pdf")
    assert ended.code == 5
    assert "no documents" in ended.err


def test_a_held_folder_exits_with_6(own):
    """A folder that another process holds exits with 6."""
    own.out.mkdir()
    with (own.out / "lock").open("w") as lock:
        lock.write("pid 1 on elsewhere since yesterday")
        lock.flush()
        fcntl.flock(lock, fcntl.LOCK_EX)
        ended = own.run()
    assert ended.code == 6
    assert "pid 1 on elsewhere since yesterday" in ended.err


def test_max_failures_exits_with_7_and_goes_on_later(own):
    """--max-failures stops with 7; what was not reached stays pending and can be done later."""
    for number in range(30):
        (own.folder / "in" / f"late-{number:02}.txt").write_text("late\n")
    ended = own.run("--max-failures", "0", "-w", "1")
    assert ended.code == 7
    assert json.loads((own.out / "status.json").read_text())["counts"]["pending"] > 0
    assert own.run().code == 1
    oracle.check(own.out, failed={"in/bad-1.txt": "error", "in/bad-2.txt": "error"}, total=34)


# ── looking at a run ─────────────────────────────────────────────────────────────────────────


def test_status_is_the_same_to_people_and_machines(extracted):
    """`status` says it in words, --json in the promised shape, as status.json does."""
    out, _ = extracted
    assert "3 of 6 documents done, 1 failed, 2 skipped" in oracle.docherd("status", out).out
    shown = json.loads(oracle.docherd("status", out, "--json").out)
    kept = json.loads((out / "status.json").read_text())
    for each in (shown, kept):
        assert {"run", "state", "counts", "reasons", "seconds", "eta", "memory"} <= set(each)
        assert set(each["counts"]) == COUNTS
        assert each["state"] == "finished"
        assert each["reasons"] == {"corrupt": 1, "empty": 1, "hidden": 1}
        assert each["eta"] is None
        assert 0 < each["memory"]["peak"] < each["memory"]["budget"]
    assert shown["counts"] == kept["counts"]
    assert shown["run"] == json.loads((out / "run.json").read_text())["run"]


def test_failures_name_the_reason_and_the_command_that_shows_it_again(extracted):
    """`failures`: one line of JSON each, skipped ones with --all, chosen by --reason."""
    out, _ = extracted
    rows = lines_of("failures", out, "--json")
    assert [(row["path"], row["status"], row["reason"]) for row in rows] == [
        ("in/broken.pdf", "failed", "corrupt")
    ]
    keys = {"document", "path", "status", "reason", "message", "attempts", "seconds"}
    assert keys | {"peak_memory", "reproduce"} <= set(rows[0])
    assert rows[0]["attempts"] == 1
    everything = lines_of("failures", out, "--json", "--all")
    assert {row["reason"] for row in everything} == {"corrupt", "empty", "hidden"}
    assert [row["path"] for row in lines_of("failures", out, "--json", "--reason", "empty")] == [
        "in/empty.txt"
    ]
    command = rows[0]["reproduce"].split()
    assert command[:2] == ["docherd", "try"]
    again = oracle.docherd(*command[1:])
    assert again.code == 1
    assert again.err.startswith("failed: corrupt")
    words = oracle.docherd("failures", out).out
    assert words.startswith("of 6 documents 1 failed, 2 skipped\n\n1 corrupt: is damaged")
    assert f"in/broken.pdf\n        {rows[0]['message']}\n        docherd try " in words


def lines_of(*command: str | Path) -> list[dict[str, object]]:
    ended = oracle.docherd(*command)
    assert ended.code == 0, ended.err
    return [json.loads(line) for line in ended.out.splitlines()]


def test_show_finds_a_document_by_id_path_and_file(extracted):
    """`show` tells everything known of one document, and its Records, however it is named."""
    out, _ = extracted
    record = next(row for row in oracle.records(out) if row["path"] == "in/sub/c.eml")
    names = (record["document"], "in/sub/c.eml", str(out.parent / "in" / "sub" / "c.eml"))
    found = [json.loads(oracle.docherd("show", out, str(name), "--json").out) for name in names]
    assert found[0] == found[1] == found[2]
    assert found[0]["records"] == [record]
    assert (found[0]["kind"], found[0]["size"]) == ("eml", len(LETTER))
    assert [each["status"] for each in found[0]["attempts"]] == ["done"]
    words = oracle.docherd("show", out, "in/sub/c.eml").out
    assert "attempt 1 done" in words
    assert "The roses are late this year." in words
    failed = oracle.docherd("show", out, "in/broken.pdf").out
    assert "attempt 1 failed: corrupt" in failed


def test_cat_prints_the_data(extracted):
    """`cat` is data/, line for line."""
    out, _ = extracted
    printed = oracle.docherd("cat", out).out.encode("utf-8", "surrogateescape")
    parts = sorted((out / "data").iterdir())
    assert printed == b"".join(part.read_bytes() for part in parts)


def test_cat_into_head_is_quiet(tmp_path):
    """`cat | head` ends without a word about broken pipes."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.txt").write_text("x")
    (tmp_path / "own.py").write_text(
        "def own(path): return ({'n': n, 'x': 'x' * 1000} for n in range(3000))"
    )
    command = ("run", "in", "-o", "out", "-p", "own.py:own", "-q")
    assert oracle.docherd(*command, cwd=tmp_path).code == 0
    script = f"set -o pipefail; {sys.executable} -m docherd cat out | head -n 1"
    ended = subprocess.run(["bash", "-c", script], cwd=tmp_path, capture_output=True, check=False)
    assert (ended.returncode, ended.stderr) == (0, b"")
    assert json.loads(ended.stdout)["n"] == 0


def test_cat_shows_what_is_committed_while_the_run_goes_on(tmp_path):
    """`cat` and `status` also read a run that is going on, as far as it is durable."""
    (tmp_path / "in").mkdir()
    (tmp_path / "held").mkdir()
    for name in ("a.txt", "b.txt", "wait.txt"):
        (tmp_path / "in" / name).write_text(f"{name}\n")
    (tmp_path / "own.py").write_text(
        "import time\n"
        "def own(path):\n"
        "    while path.name == 'wait.txt' and not path.parent.with_name('gate').exists():\n"
        "        time.sleep(0.005)\n"
        "    return path.read_text()\n"
    )
    process = oracle.start("run", "in", "-o", "out", "-p", "own.py:own", "-q", cwd=tmp_path)
    cat = ("cat", tmp_path / "out")
    oracle.wait_for(lambda: oracle.docherd(*cat).out.count("\n") == 2)
    status = json.loads(oracle.docherd("status", tmp_path / "out", "--json").out)
    assert status["state"] == "running"
    assert (status["counts"]["done"], status["counts"]["pending"]) == (2, 1)
    assert os.listdir(tmp_path / "out" / "data") == []
    (tmp_path / "gate").touch()
    process.communicate(timeout=20)
    assert oracle.docherd(*cat).out.count("\n") == 3


def test_report_writes_its_three_files_anew(extracted, tmp_path):
    """`report` writes report.html, report.json and failures.jsonl; --json prints the second."""
    out = tmp_path / "out"
    shutil.copytree(extracted[0], out)
    names = ("report.html", "report.json", "failures.jsonl")
    for name in names:
        (out / name).unlink()
    ended = oracle.docherd("report", out, "--json")
    assert ended.code == 0, ended.err
    assert json.loads(ended.out) == json.loads((out / "report.json").read_text())
    assert all((out / name).stat().st_size for name in names)
    assert "in/broken.pdf" in (out / "report.html").read_text()
    headline, *files = oracle.docherd("report", out).out.splitlines()
    assert headline == json.loads((out / "report.json").read_bytes())["headline"]
    assert [os.path.basename(file) for file in files] == list(names)


def test_processors_are_listed():
    """`processors` names the built-in ones, with what they do."""
    (extract,) = json.loads(oracle.docherd("processors", "--json").out)
    assert extract["name"] == "extract"
    assert "extract" in oracle.docherd("processors").out


def test_try_shows_one_document_and_keeps_nothing(own):
    """`try` prints the Records of one file; 0 where it is done, 1 where it failed."""
    before = sorted(own.folder.rglob("*"))
    good = oracle.docherd("try", "in/a.txt", "-p", "own.py:own", "--json", cwd=own.folder)
    assert good.code == 0, good.err
    assert json.loads(good.out)["text"] == "this is a.txt\n"
    assert good.err.startswith("done, 1 Record in")
    bad = oracle.docherd("try", "in/bad-1.txt", "-p", "own.py:own", cwd=own.folder)
    assert (bad.code, bad.out) == (1, "")
    assert "failed: error: ValueError: cannot read this" in bad.err
    assert 'raise ValueError("cannot read this")' in bad.err  # the user's own line
    assert oracle.docherd("try", "in/none.txt", cwd=own.folder).code == 3
    after = [path for path in own.folder.rglob("*") if "__pycache__" not in path.parts]
    assert sorted(after) == before


def test_progress_for_machines_ends_with_the_exit(own):
    """--progress json: progress and document events, then one exit event, one object a line."""
    command = ("run", "in", "-o", "out", "-p", "own.py:own", "--progress", "json")
    ended = oracle.docherd(*command, cwd=own.folder)
    events = [json.loads(line) for line in ended.out.splitlines()]
    kinds = [event["event"] for event in events]
    assert set(kinds[:-1]) == {"progress", "document"}
    assert kinds[-1] == "exit"
    assert events[-1]["code"] == ended.code == 1
    assert events[-1]["counts"] == {
        **dict.fromkeys(COUNTS, 0),
        "discovered": 4,
        "done": 2,
        "failed": 2,
    }
    assert events[-1]["resume"] is False
    documents = {event["path"]: event for event in events if event["event"] == "document"}
    assert set(documents) == {f"in/{name}" for name in os.listdir(own.folder / "in")}
    assert documents["in/bad-1.txt"]["reason"] == "error"
    last = next(event for event in reversed(events) if event["event"] == "progress")
    assert {"run", "state", "counts", "reasons", "seconds", "eta", "memory"} <= set(last)
    assert last["state"] == "finished"


def test_progress_for_machines_says_why_a_run_was_refused(own):
    """--progress json: a run that ends by an error has an exit event, too."""
    command = ("run", "in", "-o", "out", "--include", "*.pdf", "--progress", "json")
    ended = oracle.docherd(*command, cwd=own.folder)
    event = json.loads(ended.out.splitlines()[-1])
    assert (event["event"], event["code"]) == ("exit", 5)
    assert ended.code == 5


# ── going on, trying again ───────────────────────────────────────────────────────────────────


def test_resume_needs_no_flags(own):
    """`resume` goes on with the inputs, processor and filters of run.json, from any folder."""
    assert own.run("--limit", "1", "--exclude", "bad-2*").code == 0
    ended = oracle.docherd("resume", own.out, cwd="/")
    assert ended.code in (0, 1), ended.err
    assert "in/bad-2.txt" not in (own.out / "failures.jsonl").read_text()


def test_retry_takes_a_mended_processor_for_what_failed(own):
    """`retry --reason` processes only those again, and accepts a changed function for it."""
    assert own.run().code == 1
    mended = OWN.replace("raise ValueError", "return").replace(
        "own(path):", "own(path):\n    print()"
    )
    (own.folder / "own.py").write_text(mended)
    assert own.run().code == 2  # `run` does not mix two processors
    none = oracle.docherd("retry", own.out, "--reason", "timeout", "-q", cwd=own.folder)
    assert none.code == 1
    assert own.paths() == ["in/a.txt", "in/z.txt"]
    ended = oracle.docherd("retry", own.out, "--reason", "error", "-q", cwd=own.folder)
    assert ended.code == 0, ended.err
    assert own.paths() == ["in/a.txt", "in/bad-1.txt", "in/bad-2.txt", "in/z.txt"]
    oracle.check(own.out, failed={}, total=4)
    assert own.run().code == 0  # its fingerprint is the run's now


def test_retry_keeps_what_fails_again(own):
    """`retry` with the same processor ends as before, and the history shows both attempts."""
    own.run()
    ended = oracle.docherd("retry", own.out, "-q", cwd=own.folder)
    assert ended.code == 1
    oracle.check(own.out, failed={"in/bad-1.txt": "error", "in/bad-2.txt": "error"}, total=4)
    shown = json.loads(oracle.docherd("show", own.out, "in/bad-1.txt", "--json").out)
    assert [each["status"] for each in shown["attempts"]] == ["failed", "pending", "failed"]


def test_help_and_version_are_there():
    """Every command explains itself; --version names docherd."""
    assert oracle.docherd("--version").out.startswith("docherd ")
    overview = oracle.docherd("--help").out
    assert "exit codes: 0" in overview
    for command in ("run", "resume", "status", "failures", "retry", "show", "cat", "try"):
        assert command in overview
    assert "--max-interruptions" in oracle.docherd("run", "--help").out


def test_a_closed_pipe_does_not_change_how_a_run_ended(own):
    """E07: with nobody reading what it prints, a run still finishes, with its own exit code."""
    run = f"{sys.executable} -m docherd run in -o out -p own.py:own"
    script = f"set -o pipefail; {run} 2>&1 | true"
    ended = subprocess.run(
        ["bash", "-c", script], cwd=own.folder, capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stderr) == (1, "")
    oracle.check(own.out)


def test_the_files_of_a_run_follow_the_umask(own):
    """The report can be read by whom the data can be read by."""
    assert own.run().code == 1
    modes = {name: (own.out / name).stat().st_mode for name in ("report.html", "status.json")}
    assert modes["report.html"] == modes["status.json"]


def test_a_ledger_that_is_gone_is_damage_to_readers_too(own):
    """A run.json without its ledger exits with 4, whatever the command."""
    assert own.run().code == 1
    (own.out / "ledger.db").unlink()
    for command in ("status", "failures", "cat", "report"):
        assert oracle.docherd(command, own.out).code == 4, command


def test_an_input_inside_the_output_is_refused(own):
    """The results of a run are not its documents."""
    assert own.run().code == 1
    ended = oracle.docherd("run", "out/data", "-o", "out", cwd=own.folder)
    assert ended.code == 2
    assert "lies in the output" in ended.err
