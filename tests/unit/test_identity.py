"""What makes a run the same run, and what does not."""

import json
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from docherd.exceptions import UsageError
from docherd.identity import About, agree
from docherd.model import Root
from docherd.sinks.columns import Column

DOCS = Root(b"docs", b"/in/docs")
MAIL = Root(b"mail", b"/in/mail")
ABOUT = About(
    inputs=(DOCS, MAIL),
    files_from=None,
    null=False,
    processor="extract",
    fingerprint="extract/1",
    importable=True,
    pinned={"format": "jsonl", "include": ["*.pdf"], "max_output": 5},
    options={"workers": 2},
    run="7f3a",
    created="2026-11-24T05:00:00Z",
)
#: the same call again, which knows nothing yet of run and date
AGAIN = replace(ABOUT, run="", created="")


def same(new, *, add=False, new_processor=False):
    return agree(ABOUT, new, add=add, new_processor=new_processor)


BYTES = st.binary(min_size=1, max_size=8).map(lambda name: name.replace(b"\0", b"?"))
ROOTS = st.builds(
    Root,
    BYTES,
    BYTES,
    st.none() | st.lists(BYTES, max_size=3).map(tuple),
    st.none() | st.text(max_size=5),
)


@settings(derandomize=True, deadline=None, max_examples=100)
@given(st.lists(ROOTS, max_size=3), st.none() | st.text(max_size=5), st.booleans())
def test_run_json_says_all_of_it(inputs, files_from, null):
    """Through JSON and back, whatever bytes the names are made of."""
    about = replace(ABOUT, inputs=tuple(inputs), files_from=files_from, null=null)
    assert About.from_json(json.loads(json.dumps(about.as_json()))) == about


def test_columns_are_remembered():
    """All parts of a run have those of the first."""
    about = replace(ABOUT, columns=(Column("text", "string"),))
    assert About.from_json(json.loads(json.dumps(about.as_json()))) == about
    assert agree(about, AGAIN, add=False, new_processor=False).columns == about.columns


def test_a_run_from_before_there_was_a_choice_has_json_lines():
    """It goes on as it was, and no other format is taken for the same run."""
    raw = ABOUT.as_json() | {"pinned": {"format": "jsonl", "include": ["*.pdf"], "max_output": 5}}
    old = About.from_json(raw)
    assert old == ABOUT
    other = replace(AGAIN, pinned={**AGAIN.pinned, "format": "parquet"})
    with pytest.raises(UsageError, match=r"--format 'jsonl', not 'parquet'.*--fresh"):
        agree(old, other, add=False, new_processor=False)


def test_the_same_call_is_the_same_run():
    """It keeps its name and date."""
    assert same(AGAIN) == ABOUT


def test_the_order_of_inputs_does_not_matter():
    """Labels are pinned: they do not follow the order of the call."""
    assert same(replace(AGAIN, inputs=(MAIL, DOCS))).inputs == (DOCS, MAIL)


def test_workers_and_the_like_are_as_last_given():
    """They never make another run, and `resume` takes the last ones."""
    assert same(replace(AGAIN, options={"workers": 9})).options == {"workers": 9}


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"files_from": "list"}, "another --files-from"),
        ({"null": True}, "another --files-from"),
        ({"fingerprint": "extract/2"}, r"made by extract \(extract/1\), not by extract"),
        (
            {"pinned": {"format": "jsonl", "include": [], "max_output": 5}},
            r"--include \['\*.pdf'\], not \[\]",
        ),
        (
            {"pinned": {"format": "jsonl", "include": ["*.pdf"], "max_output": 6}},
            "--max-output 5, not 6",
        ),
        ({"inputs": (DOCS,)}, "/in/mail is missing from the inputs"),
        ({"inputs": (DOCS, MAIL, Root(b"x", b"/x"))}, "/x is not an input of"),
        ({"inputs": (DOCS, replace(MAIL, pattern="*.eml"))}, "/in/mail is not an input of"),
        ({"inputs": (DOCS, replace(MAIL, names=(b"a",)))}, "/in/mail is not an input of"),
    ],
)
def test_another_run_is_refused_with_the_ways_out(other, message):
    """Results of two kinds are never mixed in one folder."""
    with pytest.raises(UsageError, match=f"{message}.*give a new -o, or --fresh"):
        same(replace(AGAIN, **other))


def test_further_inputs_come_in_on_request():
    """`--add` keeps what there is, with its labels, and puts the new ones behind it."""
    new = Root(b"more", b"/in/more")
    assert same(replace(AGAIN, inputs=(new,)), add=True).inputs == (DOCS, MAIL, new)
    assert same(replace(AGAIN, inputs=(new, MAIL)), add=True).inputs == (DOCS, MAIL, new)
    assert same(AGAIN, add=True).inputs == (DOCS, MAIL)


@pytest.mark.parametrize(
    ("labels", "given"),
    [
        ([b"docs"], [b"docs~2"]),
        ([b"docs", b"docs~2"], [b"docs~2", b"docs~3"]),
        ([b"other"], [b"other"]),
        ([b"v~2"], [b"v~2"]),
        ([b"mail~x"], [b"mail~x"]),
    ],
)
def test_an_added_input_gets_a_label_that_is_free(labels, given):
    """A folder's name where it is free, else numbered: never that of another input."""
    new = tuple(Root(label, b"/new/%d" % n) for n, label in enumerate(labels))
    inputs = same(replace(AGAIN, inputs=new), add=True).inputs
    assert [root.label for root in inputs[2:]] == given


def test_a_retry_takes_a_changed_processor():
    """That is why one retries; its new fingerprint is pinned from then on."""
    new = replace(AGAIN, processor="mine.py:go", fingerprint="abc", importable=False)
    assert same(new, new_processor=True) == replace(
        ABOUT, processor="mine.py:go", fingerprint="abc", importable=False
    )
