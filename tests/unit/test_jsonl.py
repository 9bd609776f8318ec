"""JSON lines: names of parts, ranges left out, offsets after rewritings."""

import io
import os
import tempfile
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from docherd.sinks import jsonl

fixed = settings(derandomize=True, deadline=None, max_examples=80)
LINES = st.lists(st.binary(max_size=12).map(lambda b: b.replace(b"\n", b"?") + b"\n"), max_size=20)


@pytest.mark.parametrize("number", [1, 999_999, 1_000_000, 123_456_789])
def test_a_part_s_name_tells_its_number(number):
    """Six digits, more where six do not do; rewritings are no published parts."""
    assert jsonl.part_number(jsonl.part_name(number)) == number
    assert jsonl.part_number(jsonl.part_name(number, 2)) is None


@pytest.mark.parametrize(
    "name", ["part-1.jsonl", "part-000001.jsonl.g2", "xpart-000001.jsonl", "part-000001.jsonl\n"]
)
def test_other_files_are_no_parts(name):
    """A user's own file in data/ is left alone."""
    assert jsonl.part_number(name) is None


def ranges_of(lines, chosen):
    """Where the chosen lines lie in the file of all lines."""
    starts = [sum(map(len, lines[:n])) for n in range(len(lines))]
    return [(starts[n], len(lines[n])) for n in sorted(chosen) if n < len(lines)]


@fixed
@given(LINES, st.sets(st.integers(0, 19)))
def test_ranges_are_left_out_by_copy_and_by_reading_alike(lines, gone):
    """Both see exactly the other lines, and the size and CRC are those of what was written."""
    kept = [line for n, line in enumerate(lines) if n not in gone]
    holes = ranges_of(lines, gone)
    with tempfile.TemporaryDirectory() as folder:
        source, target = Path(folder, "a"), Path(folder, "b")
        source.write_bytes(b"".join(lines))
        fd = os.open(target, os.O_RDWR | os.O_CREAT)
        size, crc = jsonl.copy_without(source, fd, holes)
        os.close(fd)
        written = target.read_bytes()
        assert written == b"".join(kept)
        assert (size, crc) == (len(written), zlib.crc32(written))
        with source.open("rb") as file:
            assert list(jsonl.lines(file, source.stat().st_size, holes)) == kept


@fixed
@given(LINES, st.lists(st.sets(st.integers(0, 19), max_size=5), max_size=4))
def test_an_offset_is_found_after_any_number_of_rewritings(lines, rewritings):
    """Offsets of the first generation stay good: holes say how far everything has moved."""
    gone = set()
    for more in rewritings:
        gone |= {n for n in more if n < len(lines)}
        holes = ranges_of(lines, gone)
        now = b"".join(line for n, line in enumerate(lines) if n not in gone)
        for n in set(range(len(lines))) - gone:
            ((offset, length),) = ranges_of(lines, {n})
            at = jsonl.physical(offset, holes)
            assert now[at : at + length] == lines[n]


def test_only_what_was_committed_is_read():
    """Lines behind the known size are somebody's who has not committed yet."""
    assert list(jsonl.lines(io.BytesIO(b"one\ntwo\nthr"), 8)) == [b"one\n", b"two\n"]


def test_a_part_that_is_too_short_is_not_copied(tmp_path, monkeypatch):
    """A file that shrinks under our hands is an error, not an endless loop."""
    (tmp_path / "a").write_bytes(b"one\n")
    monkeypatch.setattr(os, "pread", lambda fd, size, offset: b"")
    fd = os.open(tmp_path / "b", os.O_RDWR | os.O_CREAT)
    with pytest.raises(OSError, match="shorter"):
        jsonl.copy_without(tmp_path / "a", fd, [])
    os.close(fd)


def test_large_parts_are_copied_in_slices(tmp_path, monkeypatch):
    """Memory stays flat whatever a part holds."""
    monkeypatch.setattr(jsonl, "SLICE", 3)
    (tmp_path / "a").write_bytes(b"0123456789abcdef")
    fd = os.open(tmp_path / "b", os.O_RDWR | os.O_CREAT)
    assert jsonl.copy_without(tmp_path / "a", fd, [(2, 7)]) == (9, zlib.crc32(b"019abcdef"))
    os.close(fd)


def test_a_short_write_is_continued(tmp_path, monkeypatch):
    """A kernel that takes less than it was given is asked again."""
    pwrite = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda fd, data, at: pwrite(fd, data[:2], at))
    fd = os.open(tmp_path / "a", os.O_RDWR | os.O_CREAT)
    jsonl.write_all(fd, b"hello", 3)
    os.close(fd)
    assert (tmp_path / "a").read_bytes() == b"\0\0\0hello"
