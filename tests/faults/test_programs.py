"""A program that a reader starts hangs: it ends with its worker, and so do its files."""

import os
import signal
from pathlib import Path

import pytest

import oracle
from compound import word

#: stands for LibreOffice: says who it is and where, leaves its session, and does not end
HANGING = """#!/bin/sh
touch left-here
setsid sleep 1000 &
echo "$! $$ $PWD" > {told}.new
mv {told}.new {told}
wait
"""


@pytest.fixture
def desk(tmp_path):
    """A folder with one Word file, and an environment in which LibreOffice hangs."""
    for name in ("in", "bin", "tmp"):
        (tmp_path / name).mkdir()
    (tmp_path / "in" / "-rf $(id).doc").write_bytes(word())
    (tmp_path / "bin" / "libswlo.so").touch()
    soffice = tmp_path / "bin" / "soffice"
    soffice.write_text(HANGING.format(told=tmp_path / "told"))
    soffice.chmod(0o755)
    path = f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | {"PATH": path, "TMPDIR": str(tmp_path / "tmp")}
    arguments = ("run", tmp_path / "in", "-o", tmp_path / "out", "-w", "1", "-q")
    return tmp_path, arguments, environment


def told(folder):
    """The processes, and the folder they were in."""
    child, program, place = (folder / "told").read_text().split()
    return (int(child), int(program)), place


def is_alive(pid):
    """The dead that nobody has waited for have no command line any more."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes() != b""
    except OSError:
        return False


def test_a_timeout_ends_the_program_and_removes_its_files(desk):
    """W21, X05: whatever session it went to; and it was never told the name of the file."""
    folder, arguments, environment = desk
    ended = oracle.docherd(*arguments, "--timeout", "2", env=environment)
    assert ended.code == 1, ended.err
    oracle.check(folder / "out", {"in/-rf $(id).doc": "timeout"}, total=1)
    pids, place = told(folder)
    assert place.startswith(f"{folder}/tmp/docherd-scratch-")
    assert not any(map(is_alive, pids))
    assert [path.name for path in (folder / "tmp").iterdir()] == []


def test_a_killed_engine_takes_the_program_and_its_files_along(desk):
    """W21: the sentinel sweeps."""
    folder, arguments, environment = desk
    process = oracle.start(*arguments, env=environment)
    oracle.wait_for((folder / "told").exists)
    oracle.end(process, signal.SIGKILL)
    pids, place = told(folder)
    oracle.wait_for(lambda: not any(map(is_alive, pids)))
    oracle.wait_for(lambda: not os.path.exists(place))
