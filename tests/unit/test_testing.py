"""The faulty processors that we ship, as far as they can be called without harm."""

import json
import os

import pytest

from docherd import processors, testing
from docherd.model import Document, Root, Task
from docherd.testing import FAULTS, by_name
from docherd.wire import HEADER, SOCKET


@pytest.fixture
def document(tmp_path):
    """Makes the Document of a file."""

    def make(name, content=""):
        file = tmp_path / name
        file.write_text(content)
        return Document(
            Task(0, Root(b"", os.fsencode(tmp_path)), os.fsencode(name), len(content), ""),
            lambda _: "text",
        )

    return make


def test_any_other_name_is_harmless(document):
    """A file without a fault's name gives its first 100 characters and its size."""
    text = "é" * 200
    assert by_name(document("letter.txt", text)) == {"text": "é" * 100, "size": 400}


@pytest.mark.parametrize("name", ["segvault.txt", "a-segv.txt", "SEGV.txt", "segv_1", ".segv"])
def test_only_the_whole_first_word_chooses(document, name):
    """A name that merely holds a fault's word is harmless."""
    assert by_name(document(name)) == {"text": "", "size": 0}


@pytest.mark.parametrize("name", ["int", "int.txt", "int-7", "int-7.tar.gz", "int.-"])
def test_the_first_word_ends_at_a_dash_or_a_dot(document, name):
    """int, int.txt and int-7.txt all choose the fault "int"."""
    assert by_name(document(name)) == 42


def test_the_documented_name_loads():
    """-p docherd.testing:by_name is handed the Document itself."""
    loaded = processors.load("docherd.testing:by_name", b"", [])
    assert loaded.call is testing.by_name
    assert not loaded.builtin


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_every_fault_says_what_it_does(fault):
    """Each row has a docstring, and a message wherever it fails."""
    assert fault.do.__doc__
    assert bool(fault.message) == (fault.reason is not None)


@pytest.mark.parametrize(
    ("name", "kind"),
    {
        "sysexit": SystemExit,
        "sysexit_message": SystemExit,
        "keyboard_interrupt": KeyboardInterrupt,
        "generator_exit": GeneratorExit,
        "base_exception": BaseException,
        "raise": ValueError,
        "raise_two_args": testing.TwoArguments,
    }.items(),
)
def test_the_raising_ones_raise(document, name, kind):
    """Each raises exactly the class that its row speaks of."""
    with pytest.raises(kind) as caught:
        by_name(document(name))
    assert type(caught.value) is kind


def test_a_number_in_the_file_is_the_amount(document):
    """ "7" in a file called many-1.txt gives 7 Records; without it there are 1,000."""
    assert len(list(by_name(document("many-1.txt", "7\n")))) == 7
    assert len(list(by_name(document("many-2.txt", "none")))) == 1000
    assert len(by_name(document("huge.txt", "3"))["text"]) == 3 << 20


def test_a_flood_with_an_amount_ends(document, monkeypatch):
    """2 MB on both outputs, then a Record."""
    written = {1: 0, 2: 0}

    def write(fd, data):
        written[fd] += len(data)
        return len(data)

    monkeypatch.setattr(os, "write", write)
    assert by_name(document("print_flood.txt", "2"))["size"] == 1
    assert sum(written.values()) >= 2 << 20
    assert written[1] == written[2]


@pytest.mark.parametrize(
    "name", ["frame_huge", "frame_negative", "frame_nan", "frame_garbage", "frame_short"]
)
def test_the_frames_go_to_the_socket(document, monkeypatch, name):
    """Each writes a header and what it lies about to the worker's own socket, and goes on."""
    sent = []
    monkeypatch.setattr(os, "write", lambda fd, data: sent.append((fd, data)))
    assert by_name(document(f"{name}.txt")) == {"text": "", "size": 0}
    [(fd, data)] = sent
    assert fd == SOCKET
    index, _ = HEADER.unpack_from(data)
    whole = len(data) == HEADER.size + index
    assert whole == (name in ("frame_negative", "frame_nan", "frame_garbage"))


def test_a_forged_reply_differs_from_a_true_one_in_one_value(document, monkeypatch):
    """frame_negative and frame_nan are well-formed otherwise, so that only the lie is refused."""
    sent = []
    monkeypatch.setattr(os, "write", lambda fd, data: sent.append(data[HEADER.size :]))
    by_name(document("frame_negative"))
    by_name(document("frame_nan"))
    (negative,), (nan,) = (json.loads(data)["replies"] for data in sent)
    differ = [(one, other) for one, other in zip(negative, nan, strict=True) if one != other]
    assert str(differ) == "[(0, nan), (-1, 0)]"
