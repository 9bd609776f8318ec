"""The nouns: names that are stable, text that is safe, values that add up."""

import os
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from docherd.document import Document
from docherd.model import Counts, Reason, Root, Status, Task, document_id, printable, text_of

fixed = settings(derandomize=True, deadline=None, max_examples=300)
ANY_TEXT = st.text(st.characters())  # surrogates and everything unprintable included


@pytest.mark.parametrize(
    ("label", "path", "letters"),
    [
        (b"docs", b"a.pdf", "xgnuqwv45x5ad3s4"),
        (b"docs", b"sub/a.pdf", "2374bonwugtkv7lq"),
        (b"docs~2", b"a.pdf", "wezq2m2h2kookm4z"),
        (b"", b"home/me/a.pdf", "yuq6hyttqysvn5cr"),
        (b"docs", b"\xff\xfe", "z6vzpw3kb4vdal4n"),
    ],
)
def test_a_document_is_called_the_same_in_every_release(label, path, letters):
    """Ids are an interface: two runs of the same tree, years apart, can be compared by them."""
    assert document_id(label, path) == letters


@fixed
@given(st.binary(max_size=40), st.binary(max_size=40))
def test_an_id_is_sixteen_base32_letters(label, path):
    """An id is safe in a URL, a file name and a shell, whatever the path is."""
    name = document_id(label, path)
    assert len(name) == 16
    assert set(name) <= set("abcdefghijklmnopqrstuvwxyz234567")


def test_an_id_tells_the_label_from_the_path():
    """Moving a slash from path to label makes another Document."""
    assert document_id(b"a", b"b/c") != document_id(b"a/b", b"c")


@fixed
@given(ANY_TEXT)
def test_printable_text_can_neither_steer_a_terminal_nor_reorder_what_is_read(text):
    """No control, format (bidi), surrogate or line-separating character comes through."""
    shown = printable(text)
    assert not {unicodedata.category(c) for c in shown} & {"Cc", "Cf", "Cs", "Co", "Zl", "Zp"}
    assert len(shown.splitlines()) <= 1
    shown.encode("utf-8")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain, größe, 文書 🙂", "plain, größe, 文書 🙂"),
        ("a\x1b[31mred", r"a\x1b[31mred"),
        ("two\nlines\r", r"two\nlines\r"),
        ("\u202egpj.exe", r"\u202egpj.exe"),
        ("\u2066x\u2069\u200f\u061c", r"\u2066x\u2069\u200f\u061c"),
        ("a\u2028b\u2029c\x85d", r"a\u2028b\u2029c\x85d"),
        ("\x7f\x9b", r"\x7f\x9b"),
        ("\udcff", r"\udcff"),
    ],
)
def test_printable_escapes_what_is_unsafe_and_nothing_else(text, shown):
    """Names in any script stay readable; what could do harm is spelt out."""
    assert printable(text) == shown


@fixed
@given(st.binary(max_size=60))
def test_the_text_of_any_name_is_valid_unicode(name):
    """A path that is not UTF-8 can still be written into JSON, logs and the ledger."""
    assert text_of(name).encode("utf-8").decode("utf-8") == text_of(name)


@fixed
@given(st.text(st.characters(exclude_categories=["Cs"])))
def test_the_text_of_a_utf8_name_is_the_name(text):
    """Nothing is changed where nothing has to be."""
    assert text_of(text.encode()) == text


def test_bytes_that_are_not_utf8_are_spelt_out():
    """Latin-1 names keep their odd bytes visible."""
    assert text_of(b"gr\xfc\xdfe") == r"gr\xfc\xdfe"


def test_only_pending_awaits_another_attempt():
    """Every other status is final."""
    assert [status for status in Status if not status.final] == [Status.PENDING]


def test_what_is_set_aside_on_purpose_is_skipped():
    """The reasons that skip are those the design names; all others fail."""
    assert {reason.value for reason in Reason if reason.skips} == {
        "unsupported",
        "too_large",
        "empty",
        "symlink",
        "special",
        "hidden",
        "path_too_long",
    }


def test_pending_is_what_is_left():
    """discovered = done + failed + skipped + pending + gone."""
    counts = Counts(discovered=20, done=8, failed=3, skipped=2, gone=1)
    assert counts.pending == 6
    shown = counts.as_json()
    assert list(shown) == ["discovered", "done", "failed", "skipped", "pending", "gone"]
    assert shown.pop("discovered") == sum(shown.values())


def _document(file, **more):
    task = Task(1, Root(b"docs", bytes(file.parent)), os.fsencode(file.name), 5, "txt/3", **more)
    beats, asked = [], []
    document = Document(
        task, lambda each: asked.append(each) or "text", lambda *beat: beats.append(beat)
    )
    return document, beats, asked


def test_a_document_is_usable_as_a_path(tmp_path):
    """open(document) works, and so do its own ways to read."""
    (tmp_path / "a.txt").write_bytes(b"hello")
    document, *_ = _document(tmp_path / "a.txt")
    with open(document, "rb") as file:
        assert file.read() == b"hello"
    with document.open() as file:
        assert file.read(2) == b"he"
    assert document.read_bytes() == b"hello"
    assert repr(document) == f"Document({str(tmp_path / 'a.txt')!r})"


def test_a_document_tells_what_happened_before(tmp_path):
    """A processor can take a lighter way at the second attempt."""
    document, *_ = _document(tmp_path / "a", attempt=1, previous_reason=Reason.MEMORY)
    assert (document.attempt, document.previous_reason) == (1, Reason.MEMORY)
    assert (document.id, document.size) == (document_id(b"docs", b"a"), 5)


def test_the_kind_is_looked_for_once_and_only_on_request(tmp_path):
    """Detecting reads the file, so it happens when asked for, and not again."""
    document, _, asked = _document(tmp_path / "a")
    assert document.known_kind is None
    assert not asked
    assert (document.kind, document.kind, document.known_kind) == ("text",) * 3
    assert asked == [document]


def test_a_heartbeat_carries_the_page(tmp_path):
    """The engine hears that work goes on, and where."""
    document, beats, _ = _document(tmp_path / "a")
    document.heartbeat()
    document.heartbeat(7)
    document.heartbeat(7, 9)
    assert beats == [(None, None), (7, None), (7, 9)]


def test_a_name_that_is_not_utf8_reaches_the_processor(tmp_path):
    """Any file that exists can be opened through its Document."""
    file = bytes(tmp_path) + b"/\xff.txt"
    with open(file, "wb") as out:
        out.write(b"x")
    task = Task(1, Root(b"docs", bytes(tmp_path)), b"\xff.txt", 1, "txt/1")
    assert (task.file, task.path) == (file, r"docs/\xff.txt")
    assert Document(task, lambda _: "text").read_bytes() == b"x"
