"""The faulty processors that we ship, as far as they can be called without harm."""

import json
import os
import socket

import pytest

from docherd import processors, testing
from docherd.document import Document
from docherd.model import Root, Task
from docherd.testing import FAULTS, by_name, fault
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


@pytest.mark.parametrize("row", FAULTS.values(), ids=FAULTS)
def test_every_fault_says_what_it_does(row):
    """Each row has a docstring, and a message wherever it fails."""
    assert row.do.__doc__
    assert bool(row.message) == (row.reason is not None)


@pytest.mark.parametrize(
    ("name", "kind"),
    {
        "sysexit": SystemExit,
        "sysexit_message": SystemExit,
        "keyboard_interrupt": KeyboardInterrupt,
        "generator_exit": GeneratorExit,
        "base_exception": BaseException,
        "raise": ValueError,
        "raise_two_args": testing.raises.TwoArguments,
        "memory_error": MemoryError,
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


@pytest.mark.parametrize(
    ("text", "kind"),
    [("OSError", OSError), ("KeyboardInterrupt\n", KeyboardInterrupt), ("print", ValueError)],
)
def test_the_file_may_name_what_is_raised(document, text, kind):
    """A built-in exception by its name; anything else is a ValueError."""
    with pytest.raises(kind, match="nothing in it"):
        by_name(document("raise-1.txt", text))


def test_a_code_may_be_given_to_exit_with(document):
    """ "7" in sysexit-1.txt is sys.exit(7)."""
    with pytest.raises(SystemExit, match="7"):
        by_name(document("sysexit-1.txt", "7"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", (4096, 0)),
        ("100", (100, 0)),
        ("100 20 3", (100, 20)),
        (" 1\n2", (1, 2)),
        ("a1", (4096, 0)),
    ],
)
def test_several_numbers_are_several_amounts(document, text, expected):
    """As many as there are; the others have their usual values."""
    assert fault.amounts(document("memory-1.txt", text), 4096, 0) == expected


def test_files_leak_as_many_as_were_asked_for(document, monkeypatch):
    """leak_fd opens, and never closes."""
    opened = []
    monkeypatch.setattr(os, "open", lambda *_: opened.append(1))
    assert by_name(document("leak_fd-1.txt", "3")) == {"pid": os.getpid()}
    assert len(opened) == 3


def test_what_is_not_theirs_is_tried_and_told(document):
    """open and connect say what came of it, so that a sandbox can be looked at."""
    assert by_name(document("open-1.txt"))["opened"]
    refused = by_name(document("open-2.txt", "/nowhere/at/all"))
    assert refused == {
        "opened": False,
        "error": "FileNotFoundError: [Errno 2] No such file or directory: '/nowhere/at/all'",
    }
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert by_name(document("connect-1.txt", f"127.0.0.1:{port}")) == {"connected": True}
    assert not by_name(document("connect-2.txt", f"127.0.0.1:{port}"))["connected"]


def test_a_heartbeat_is_one(document, monkeypatch):
    """heartbeat beats twenty times a second, for so many seconds."""
    beats = []
    monkeypatch.setattr(Document, "heartbeat", lambda self, page, pages=None: beats.append(page))
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    assert by_name(document("heartbeat-1.txt", "2"))["size"] == 1
    assert beats == list(range(40))


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


WHOLE = ("frame_negative", "frame_nan", "frame_old", "frame_garbage")


@pytest.mark.parametrize("name", [*WHOLE, "frame_huge", "frame_short"])
def test_the_frames_go_to_the_socket(document, monkeypatch, name):
    """Each writes a header and what it lies about to the worker's own socket, and goes on."""
    sent = []
    monkeypatch.setattr(os, "write", lambda fd, data: sent.append((fd, data)))
    assert by_name(document(f"{name}.txt")) == {"text": "", "size": 0}
    [(fd, data)] = sent
    assert fd == SOCKET
    index, _ = HEADER.unpack_from(data)
    whole = len(data) == HEADER.size + index
    assert whole == (name in WHOLE)


def test_a_forged_reply_differs_from_a_true_one_in_one_value(document, monkeypatch):
    """frame_negative and frame_nan are well-formed otherwise, so that only the lie is refused."""
    sent = []
    monkeypatch.setattr(os, "write", lambda fd, data: sent.append(data[HEADER.size :]))
    by_name(document("frame_negative"))
    by_name(document("frame_nan"))
    (negative,), (nan,) = (json.loads(data)["replies"] for data in sent)
    differ = [(one, other) for one, other in zip(negative, nan, strict=True) if one != other]
    assert str(differ) == "[(0, nan), (-1, 0)]"
