"""Records as rows of a table and as text files, and back: nothing lost, nothing bent."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from docherd.sinks import table
from docherd.sinks.columns import MOST, Census, Column, fits, row_of, type_of
from docherd.sinks.texts import lines_of_text, text_of_records

fixed = settings(derandomize=True, deadline=None, max_examples=100)
ID = "abcdefghijklmnop"
scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(1 << 70), 1 << 70),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(exclude_categories=["Cs"]), max_size=9),
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=2)
    ),
    max_leaves=6,
)
keys = st.sampled_from(["text", "Text", "n", "x", "", "extra", "a.b", "Path", "o\u0308", "\x00"])
recorded = st.dictionaries(keys, values, max_size=5)


def line_of(record, ordinal=0):
    head = {"document": ID, "path": "in/a", "ordinal": ordinal}
    return json.dumps(head | record, ensure_ascii=False).encode() + b"\n"


def columns_of(found):
    census = Census()
    for record in found:
        census.take(record)
    return census.columns()


@fixed
@given(st.lists(recorded, max_size=6), st.lists(recorded, max_size=6))
def test_a_record_comes_back_from_a_table_as_it_was(tmp_path_factory, first, later):
    """Whatever the columns of the first segment make of those of the next."""
    columns = columns_of(first)
    file = tmp_path_factory.mktemp("table") / "a.parquet"
    written = table.Table(file, columns)
    lines = [line_of(record, n) for n, record in enumerate(first + later)]
    for ordinal, line in enumerate(lines):
        written.add_line(ID, "in/a", ordinal, line)
    size, _ = written.close()
    assert file.stat().st_size == size
    with file.open("rb") as source:
        again = [table.as_line(row, columns) for row in table.rows(source, columns)]
    assert list(map(json.loads, again)) == list(map(json.loads, lines))
    types = [{k: type(v) for k, v in json.loads(line).items()} for line in lines]
    for line, before in zip(again, types, strict=True):
        for key, kind in before.items():
            assert type(json.loads(line)[key]) in ((kind, float) if kind is int else (kind,))


@pytest.mark.parametrize(
    ("found", "kind"),
    [
        (["a", "b", None], "string"),
        ([1, 2], "int"),
        ([1, 2.5], "float"),
        ([True], "bool"),
        ([["a"], [], ["b", None]], "list string"),
        ([[1], [2.5]], "list float"),
        ([{"a": 1}], "json"),
        ([[{"a": 1}]], "json"),
        ([["a", 1]], "json"),
        ([[]], "json"),
        (["a", "b", 3], "string"),
    ],
)
def test_the_type_of_a_column_is_that_of_most_values(found, kind):
    """Whole numbers among others are numbers; a null has no vote."""
    assert columns_of([{"key": value} for value in found]) == (Column("key", kind),)


def test_what_has_no_type_gets_no_column():
    """Nulls alone, our own names, names that differ by case alone, and what is beyond 200."""
    assert columns_of([{"a": None}]) == ()
    assert columns_of([{"EXTRA": 1, "Document": 1, "b": 1, "B": 1}]) == (Column("b", "int"),)
    many = [{f"k{n}": 1 for n in range(MOST + 50)}, {f"k{n}": 1 for n in range(100, 300)}]
    columns = columns_of(many)
    assert len(columns) == MOST
    assert {f"k{n}" for n in range(100, MOST + 50)} <= {name for name, _ in columns}


def test_what_does_not_fit_is_kept_as_json():
    """Another type, a whole number beyond 64 bits, a null that was written, an unknown key."""
    columns = (Column("n", "int"), Column("x", "float"), Column("t", "string"))
    record = {"n": 1 << 64, "x": (1 << 53) + 1, "t": None, "new": [1]}
    values, extra = row_of(line_of(record), columns)
    assert values == [None, None, None]
    assert json.loads(extra) == record
    assert row_of(line_of({"n": True, "x": 3, "t": "a"}), columns).values == [None, 3, "a"]
    assert not fits("\ud800", "string")
    assert type_of(["a", None]) == "list string"


@pytest.mark.parametrize(
    "line", [b"\xff\x00 no line\n", b"[1]\n", b'{"document": 1}\n', b"{" * 9999]
)
def test_a_line_that_no_worker_of_ours_writes_is_kept_as_it_is(tmp_path, line):
    """It spoils nothing, and belongs to the Document that the ledger says."""
    written = table.Table(tmp_path / "a", ())
    written.add_line(ID, "in/a", 0, line)
    written.close()
    with (tmp_path / "a").open("rb") as source:
        (row,) = table.rows(source, ())
    assert row[:3] == (ID, "in/a", 0)
    assert table.as_line(row, ()) == line.decode(errors="backslashreplace").encode()


# ── text files ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("found", "suffix", "content"),
    [
        ([{"text": "a"}], ".txt", b"a"),
        ([{"text": "a", "page": 1}, {"text": "b\n"}], ".txt", b"a\n\f\nb\n"),
        ([{"text": "a", "markdown": "# a"}, {"text": "b"}], ".md", b"# a\n\f\nb"),
        ([{"text": "a"}, {"words": 3}], ".txt", b"a\n\f\n"),
        ([{"text": ""}], ".txt", b""),
        ([{"text": ["a"]}, {"words": 3}], ".json", None),
    ],
)
def test_a_document_becomes_one_file(found, suffix, content):
    """Markdown where there is any, else text, else its lines."""
    lines = [line_of(record, n) for n, record in enumerate(found)]
    text = text_of_records(lines)
    assert text.suffix == suffix
    assert b"".join(text.content) == (b"".join(lines) if content is None else content)


@fixed
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1, max_size=4))
def test_the_texts_come_back_each_as_it_was(texts):
    """Form feeds of their own do not confuse them."""
    lines = [line_of({"text": text}, n) for n, text in enumerate(texts)]
    suffix, content, pieces = text_of_records(lines)
    head = f'{{"document": "{ID}", "path": "in/a"'
    assert list(lines_of_text(b"".join(content), suffix, pieces, head)) == lines
