"""Records as JSON lines: what the quick way for long texts writes is what the usual way writes."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docherd.encoding import LONG, Ended, Lines
from docherd.model import Reason, Root, Task

TASK = Task(0, Root(b"inputs", b"/data/inputs"), b"a.txt", 1, "txt/1")
HEAD = {"document": TASK.id, "path": TASK.path, "ordinal": 0}

texts = st.text(max_size=20)
#: every kind of character, also in the middle of what is long
long_texts = st.tuples(texts, st.sampled_from(["x", "ß", "\x7f", "\u2028", '"', "\\", "\n", "😀"]))
long_texts = long_texts.map(lambda pair: pair[0] + pair[1] * LONG + pair[0])
numbers = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
values = st.none() | st.booleans() | numbers | texts | long_texts | st.lists(long_texts, max_size=2)
keys = texts.filter(lambda key: key not in HEAD)


def line(result: object) -> bytes:
    lines = Lines(TASK, 1 << 30, 0)
    lines.add(result)
    return lines.finish().lines


@given(st.dictionaries(keys, values, max_size=6))
def test_every_record_is_written_as_the_standard_library_would(record: dict[str, object]):
    expected = json.dumps(HEAD | record, ensure_ascii=False, allow_nan=False) + "\n"
    assert line(record) == expected.encode()


@given(st.lists(st.sampled_from(["short", "long"]), max_size=5))
def test_wherever_the_long_texts_stand(kinds: list[str]):
    record = {str(at): "y" * (LONG + 1 if kind == "long" else 1) for at, kind in enumerate(kinds)}
    assert line(record).decode() == json.dumps(HEAD | record) + "\n"


def test_keys_that_are_no_text_are_written_as_text():
    record = {1: "z" * 2 * LONG, None: 2, False: "short"}
    assert json.loads(line(record)) == HEAD | {"1": "z" * 2 * LONG, "null": 2, "false": "short"}


@pytest.mark.parametrize("key", ["text", "\ud800"])
def test_a_lone_surrogate_is_named_in_a_long_text_too(key: str):
    with pytest.raises(Ended, match="lone surrogate") as error:
        line({"title": "fine", key: "a" * LONG + "\udc80"})
    assert error.value.reason is Reason.RESULT_INVALID
