"""The examples in README.md and docs/ run as they stand, and do what the text says."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import oracle
from docherd import arguments

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PROGRAM = re.compile(r"```python\n# (\w+\.py)\n(.*?)```", re.DOTALL)
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.DOTALL | re.MULTILINE)
#: an amount of time or memory: another one each time
AMOUNT = re.compile(r"(?<![\w.])\d[\d,.]* (?:ms|s|min|h|B|kB|MB|GB)\b")

# ── what is typed, page by page ──────────────────────────────────────────────────────────────

PAGES = sorted(
    page.name for page in DOCS.glob("*.md") if "```console\n$ " in page.read_text("utf-8")
)


@pytest.fixture
def desk(tmp_path, monkeypatch):
    """A folder with the example documents, where `docherd` and `python` are ours."""
    shutil.copytree(ROOT / "examples" / "documents", tmp_path / "documents")
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}:{os.environ['PATH']}")
    return tmp_path


@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_types_says_what_it_shows(desk, page):
    """Block by block: files are written, commands run, and say the lines that are shown."""
    for kind, text in BLOCK.findall((DOCS / page).read_text("utf-8")):
        if kind == "python" and (name := re.match(r"# (\w+\.py)\n", text)):
            (desk / name[1]).write_text(text)
        if kind == "console":
            for command, shown in typed(text):
                said = shell(command, desk)
                for line in shown:
                    assert any(line.fullmatch(each) for each in said), (command, line, said)
    oracle.wait_for(lambda: not oracle.leftovers())


def typed(console):
    """Each command of a console block with a pattern for each line that is shown of it."""
    for part in re.split(r"(?m)^\$ ", console)[1:]:
        command, *lines = part.splitlines()
        yield command, [pattern(line) for line in lines if line not in ("...", "")]


def pattern(line):
    """What may stand where a page shows this line: `...` is anything, amounts are others."""
    pieces = AMOUNT.split(line.rstrip())
    loose = [".*".join(map(re.escape, piece.split("..."))) for piece in pieces]
    return re.compile(r"[\d,.]+ \w+".join(loose) + r"\s*")


def shell(command, folder):
    """The lines that a command says, on either stream."""
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", command],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=100,
        check=False,
    )
    said = done.stdout.decode()
    # `head` leaves the one before it with nobody to write to
    assert done.returncode in (0, 141), (command, said)
    # What is no terminal is shown the time before each line.
    return [re.sub(r"^\d\d:\d\d:\d\d  ", "", line) for line in said.splitlines()]


# ── what is not run here ─────────────────────────────────────────────────────────────────────


def commands_shown():
    """Every command line of docherd in a block that is not run: cron, Docker, Slurm."""
    for page in (ROOT / "README.md", *sorted(DOCS.glob("*.md"))):
        for kind, text in BLOCK.findall(page.read_text("utf-8")):
            if kind in ("sh", "console") and (kind == "sh" or page.name == "README.md"):
                for line in text.splitlines():
                    for found in re.findall(r"\bdocherd ((?!run /in)[a-z]+ .*)", line):
                        yield page.name, found


@pytest.mark.parametrize(("page", "line"), list(commands_shown()))
def test_a_command_that_is_shown_can_be_typed(page, line):
    """Its options are options."""
    for each in re.split(r";\s*docherd ", line.partition("  #")[0]):
        words = shlex.split(each.partition(" | ")[0], comments=True)
        assert arguments.parse(words).command == words[0]


# ── the loop, the stream and the durable run ─────────────────────────────────────────────────


@pytest.fixture
def folder(tmp_path):
    """Six documents in two folders, of which one cannot be read as text."""
    for number in range(6):
        file = tmp_path / "in" / f"{number % 2}" / f"{number}.txt"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("word " * number)
    (tmp_path / "in" / "0" / "4.txt").write_bytes(b"\xff")
    for name, text in PROGRAM.findall((DOCS / "from-a-loop.md").read_text()):
        (tmp_path / name).write_text(text)
    return tmp_path


def run(folder, name, target):
    command = [sys.executable, name, "in", target]
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    oracle.wait_for(lambda: not oracle.leftovers())
    return done.stdout


def test_the_loop_and_the_stream_give_the_same_results(folder):
    """Path by path, the failed one included; both show a bar."""
    said = [run(folder, f"{name}.py", f"{name}.json") for name in ("loop", "stream")]
    assert said == ["5 done, 1 failed\n"] * 2
    loop, stream = (
        {row["path"]: (row["status"], row.get("data")) for row in json.loads(text)}
        for text in ((folder / f"{name}.json").read_text() for name in ("loop", "stream"))
    )
    assert loop == stream
    assert loop["in/1/5.txt"] == ("success", {"words": 5})
    assert loop["in/0/4.txt"] == ("error", None)


def test_the_durable_one_gives_them_too_and_again(folder):
    """A second time nothing is done twice."""
    for _ in range(2):
        said = run(folder, "durable.py", "out").splitlines()
        assert said[0] == "5 done, 1 failed"
        assert sorted(said[1:6]) == [f"in/{n % 2}/{n}.txt {n}" for n in (0, 2, 1, 3, 5)]
        assert said[6].startswith("in/0/4.txt error UnicodeDecodeError")
