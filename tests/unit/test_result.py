"""What a Result makes of the lines that a worker wrote, whatever was in them."""

import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as some

from docherd.encoding import Ended, Lines
from docherd.model import Outcome, Root, Spool, Spooled, Status, Task, document_id
from docherd.result import _PIECE, Result

TASK = Task(0, Root(b"", b"/in"), b"a/b.txt", 3, "txt/0")

json_like = some.recursive(
    some.none()
    | some.booleans()
    | some.integers()
    | some.floats(allow_nan=False, allow_infinity=False)
    | some.text(),
    lambda inner: some.lists(inner, max_size=4) | some.dictionaries(some.text(), inner, max_size=4),
    max_leaves=12,
)
records = some.dictionaries(some.text(), json_like, max_size=4) | some.text()


def came_back(value):
    """The Result of a function that returned it."""
    lines = Lines(TASK, 1 << 30, 0, bare=True)
    if value is not None:
        lines.add(value)
    made = lines.finish()
    outcome = Outcome(TASK, Status.DONE, records=made.records, length=made.length, lines=made.lines)
    return Result("a/b.txt", outcome)


@given(some.none() | records | some.lists(records, max_size=5))
def test_any_value_comes_back_as_it_was(value):
    """One or many, and every Record has its ordinal and whatever the value said."""
    result = came_back(value)
    assert result.value == value
    many = value if isinstance(value, list) else [] if value is None else [value]
    assert len(result.records) == len(many)
    for ordinal, (record, each) in enumerate(zip(result.records, many, strict=True)):
        whole = {"text": each} if isinstance(each, str) else each
        assert record["ordinal"] == ordinal
        assert record["document"] == document_id(b"", b"a/b.txt")
        plain = {key: whole[key] for key in whole if key not in ("document", "path", "ordinal")}
        assert {key: record[key] for key in plain} == plain
        assert len(record) == 3 + len(whole)


LONG = "Größe \r\n[\n~" * 400


@pytest.mark.parametrize(
    "value",
    [
        LONG,
        {"text": LONG, "n": 1},
        {"a": 1, "text": LONG, "b": {"text": LONG}, "more": LONG, "path": LONG},
        [LONG, {"n": 1}, {"text": LONG}, "short"],
    ],
)
def test_long_texts_travel_as_they_are(value):
    """Whatever is in them, between other Records, in the order of the keys."""
    result = came_back(value)
    assert result.value == value
    assert str(result.value) == str(value)
    assert len(result.records) == len(list(result.records))
    assert len(result._outcome.lines) < len(json.dumps(value, ensure_ascii=False).encode()) + 200


def test_a_value_that_is_wrong_beside_a_long_text_is_named_by_its_own_place():
    """Not by the place in what travels."""
    for bad, where in (({"n": {1}}, "$.n is set"), ({"t": "x" * 2000 + "\ud800"}, "$.t is text")):
        with pytest.raises(Ended) as caught:
            came_back({"text": LONG} | bad)
        assert str(caught.value).startswith(where)


def test_a_large_one_is_read_piece_by_piece():
    """Lines that end anywhere between two pieces are whole; the space is given back at the end."""
    value = [{"n": n, "text": "x" * (n * 977 % 5000)} for n in range(1500)]
    content = b"[\n" + b"".join(json.dumps(each).encode() + b"\n" for each in value)
    assert len(content) > 3 * _PIECE
    spool = Spool(os.memfd_create("spool"))
    os.pwrite(spool.fd, b"before" + content, 0)
    spooled = Spooled(spool, 6)
    outcome = Outcome(
        TASK, Status.DONE, records=len(value), length=len(content), crc=0, lines=spooled
    )
    result = Result("a", outcome)
    assert result.value == value
    assert [each["n"] for each in result.records] == list(range(1500))
    before = os.fstat(spool.fd).st_blocks
    del result
    assert os.fstat(spool.fd).st_blocks < before / 2


def test_records_are_a_sequence():
    """Length, index, slice, membership; also from the end."""
    found = came_back(["one", "two", "three"]).records
    assert [found[0]["text"], found[-1]["text"]] == ["one", "three"]
    assert [each["text"] for each in found[1:]] == ["two", "three"]
    assert found[1] in found
    assert repr(found) == "<3 Records of 'a/b.txt'>"
    with pytest.raises(IndexError, match="no Record -4 of 3"):
        found[-4]
