"""JSON lines: names of parts, ranges left out, offsets after rewritings."""

import io
import os
import tempfile
import zlib
from itertools import accumulate, pairwise
from pathlib import Path
from typing import NamedTuple

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


# ── a part as it is found ────────────────────────────────────────────────────────────────────

IDS = ["a" * 16, "b" * 16, "234567abcdefghij"]
own_lines = st.tuples(st.sampled_from(IDS), st.integers(0, 40)).map(
    lambda pair: f'{{"document": "{pair[0]}", "path": "in/x", "t": "{"y" * pair[1]}"}}\n'.encode()
)
foreign = st.sampled_from([b"{}\n", b"\n", b'{"document": "SHORT", "path": "x"}\n', b"\xff\xfe\n"])


@fixed
@given(st.lists(own_lines | foreign, max_size=12), st.integers(0, 60))
def test_groups_are_the_lines_of_one_document_wherever_the_file_ends(lines, cut):
    """They lie behind one another without gaps; a torn end belongs to nobody."""
    data = b"".join(lines)
    data = data[: len(data) - min(cut, len(data))]
    found = list(jsonl.groups(io.BytesIO(data)))
    assert [group.offset for group in found] == list(
        accumulate((g.length for g in found), initial=0)
    )[:-1]
    assert sum(group.length for group in found) == len(data)
    for group in found:
        text = data[group.offset : group.offset + group.length]
        assert group.crc == zlib.crc32(text)
        assert group.records == text.count(b"\n")
        if group.document:
            assert text.endswith(b"\n")
            assert {line[14:30].decode() for line in text.splitlines()} == {group.document}
    named = [group.document for group in found]
    assert all(one != other or not one for one, other in pairwise(named[:-1]))


class At(NamedTuple):
    offset: int


@fixed
@given(st.lists(st.tuples(st.integers(1, 9), st.booleans()), max_size=30))
def test_what_is_placed_lies_where_the_holes_leave_it(pieces):
    """As `physical` says of each, without going through all holes for each."""
    starts = list(accumulate((length for length, _ in pieces), initial=0))
    holes = [(start, length) for start, (length, hole) in zip(starts, pieces, strict=False) if hole]
    written = [At(start) for start, _ in zip(starts, pieces, strict=False)]
    expected = [
        (each, jsonl.physical(each.offset, holes))
        for each, (_, hole) in zip(written, pieces, strict=True)
        if not hole
    ]
    assert list(jsonl.placed(written, holes)) == expected
