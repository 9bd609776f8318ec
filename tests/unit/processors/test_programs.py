"""Programs that readers start, tried on those that every system has."""

import os
import tempfile

import pytest

from docherd import host
from docherd.exceptions import CorruptError
from docherd.processors import programs


def test_a_program_is_found_or_named_with_its_package():
    """What is missing says how to get it."""
    assert programs.found("sh").is_absolute()
    assert programs.found("no-such-program") is None
    assert str(programs.missing("doc", "a", "b")) == "doc is read with: apt-get install a or b"


def test_it_reads_a_file_without_a_name_and_knows_nothing_of_the_user(tmp_path, monkeypatch):
    """Its home is the scratch folder; of the environment it gets the path and the mark."""
    monkeypatch.setenv(host.MARK, "abc.7")
    monkeypatch.setenv("SECRET_TOKEN", "x")
    with tempfile.TemporaryFile() as source:
        source.write(b"content")
        source.seek(0)
        said = programs.said_by(["sh", "-c", "cat; pwd; env"], tmp_path, source)
    lines = said.output.decode().splitlines()
    assert lines[0] == f"content{tmp_path}"
    assert {f"HOME={tmp_path}", f"{host.MARK}=abc.7"} < set(lines)
    assert not [line for line in lines if "SECRET" in line]


def test_it_stays_in_the_process_group(tmp_path):
    """What ends the worker's group ends it, too."""
    said = programs.said_by(
        ["sh", "-c", "ps -o pgid= -p $$ || cut -d' ' -f5 /proc/$$/stat"], tmp_path
    )
    assert int(said.output.split()[-1]) == os.getpgrp()


def test_the_end_of_its_complaints_is_told(tmp_path):
    """On one line, however much it complained."""
    noisy = "yes complaint | head -100000 >&2; echo at last >&2; exit 3"
    with pytest.raises(CorruptError, match=r"sh ended with exit code 3: .*at last") as caught:
        programs.said_by(["sh", "-c", noisy], tmp_path)
    assert len(str(caught.value)) < 400
    assert "\n" not in str(caught.value)
    with pytest.raises(CorruptError, match=r"killed by signal 11$"):
        programs.said_by(["sh", "-c", "kill -SEGV $$"], tmp_path)


def test_what_it_says_and_writes_is_bounded(tmp_path, monkeypatch):
    """A document that makes it say or write without end is corrupt, and it has ended."""
    monkeypatch.setattr(programs, "OUTPUT_LIMIT", 1_000_000)
    with pytest.raises(CorruptError, match="more than 1,000,000 bytes"):
        programs.said_by(["yes"], tmp_path)
    with pytest.raises(CorruptError, match="signal"):
        programs.said_by(["dd", "if=/dev/zero", "of=large", "bs=4096", "count=4096"], tmp_path)
    assert (tmp_path / "large").stat().st_size <= 1_000_000


def test_names_of_arguments_are_no_shell(tmp_path):
    """What is passed stays what it is."""
    said = programs.said_by(["printf", "%s|", "$(id)", "; id", "-rf"], tmp_path)
    assert said == (b"$(id)|; id|-rf|", "")
