"""How Records become lines, what is said of a bad value or an odd exception, and the wire."""

import contextlib
import dataclasses
import enum
import fcntl
import json
import math
import os
import struct
import tempfile
import time
import zlib
from types import SimpleNamespace
from unittest import mock

import pytest
from fpdf import FPDF
from hypothesis import given
from hypothesis import strategies as some

from docherd import encoding, replies, wire, worker
from docherd.encoding import Ended, Lines, SpoolFull
from docherd.exceptions import CorruptError, EncryptedError, UnsupportedError
from docherd.model import Grant, Reason, Root, Status, Task
from docherd.wire import Channel, Slot
from docherd.worker import _failure

TASK = Task(7, Root(b"docs", b"/docs"), b"a.txt", 3, "txt/2")
HEAD = {"document": TASK.id, "path": "docs/a.txt"}


def encoded(result, limit=1 << 20, *, bare=False):
    """What is made of a processor's result, and its lines."""
    lines = Lines(TASK, limit, 0, bare=bare)
    if result is not None:
        lines.add(result)
    made = lines.finish()
    return made, made.lines


def written(result):
    """The Records as a reader sees them, without the keys of docherd."""
    _, lines = encoded(result)
    found = [json.loads(line) for line in lines.splitlines()]
    for ordinal, record in enumerate(found):
        assert {key: record.pop(key) for key in encoding.OWN_KEYS[:3]} == HEAD | {
            "ordinal": ordinal
        }
    return found


def said_of(result):
    """(reason, message) of a result that is refused."""
    with pytest.raises(Ended) as caught:
        encoded(result)
    failure = _failure(caught.value)
    return failure["reason"], failure["message"]


def told_of(error):
    """The failure that a raised exception becomes."""
    try:
        raise error
    except BaseException as raised:
        return _failure(raised)


# ── Records ──────────────────────────────────────────────────────────────────────────────────


@dataclasses.dataclass
class Page:
    text: str
    number: int = 0


class Model:
    """As pydantic's."""

    def model_dump(self, mode):
        return {"mode": mode}


class Struct:
    """As msgspec's."""

    __struct_fields__ = ("one", "two")
    one, two = 1, 2


class Row:
    """As sqlite3.Row: a mapping in all but name."""

    def keys(self):
        return ["a"]

    def __getitem__(self, key):
        return f"value of {key}"


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        (None, []),
        ({}, [{}]),
        ("text", [{"text": "text"}]),
        ("", [{"text": ""}]),
        ({"a": [1, {"b": None}]}, [{"a": [1, {"b": None}]}]),
        ([], []),
        (["one", {"two": 2}], [{"text": "one"}, {"two": 2}]),
        (({"n": n} for n in range(3)), [{"n": 0}, {"n": 1}, {"n": 2}]),
        (Page("x", 1), [{"text": "x", "number": 1}]),
        ([Page("x"), Page("y")], [{"text": "x", "number": 0}, {"text": "y", "number": 0}]),
        ({"pages": [Page("x")]}, [{"pages": [{"text": "x", "number": 0}]}]),
        (Model(), [{"mode": "json"}]),
        (Struct(), [{"one": 1, "two": 2}]),
        (Row(), [{"a": "value of a"}]),
        ({"tuple": (1, 2)}, [{"tuple": [1, 2]}]),
        ({1: "int", False: "bool", None: "none"}, [{"1": "int", "false": "bool", "null": "none"}]),
    ],
)
def test_results_become_records(result, expected):
    """Mappings, dataclasses, models, structs, texts and iterables of them are Records."""
    assert written(result) == expected


json_like = some.recursive(
    some.none()
    | some.booleans()
    | some.integers()
    | some.floats(allow_nan=False, allow_infinity=False)
    | some.text(),
    lambda inner: some.lists(inner, max_size=4) | some.dictionaries(some.text(), inner, max_size=4),
    max_leaves=12,
)
names = some.text().filter(lambda name: name not in encoding.OWN_KEYS and "record_" not in name)


@given(some.lists(some.dictionaries(names, json_like, max_size=5), max_size=4))
def test_any_json_comes_back_as_it_was(result):
    """Encoding loses nothing, a Record is one line, length and CRC are those of the bytes."""
    assert written(result) == result
    made, lines = encoded(result)
    assert lines.count(b"\n") == made.records == len(result)
    assert (made.length, made.crc) == (len(lines), zlib.crc32(lines))
    assert made.start is None


def test_our_keys_come_first_and_are_never_overwritten():
    """A processor's document, path and ordinal are kept under other names."""
    _, line = encoded({"path": "mine", "text": "t", "ordinal": 9, "document": 1})
    assert list(json.loads(line)) == [
        *("document", "path", "ordinal"),
        *("record_path", "text", "record_ordinal", "record_document"),
    ]
    assert json.loads(line)["path"] == "docs/a.txt"
    assert json.loads(line)["record_path"] == "mine"


def test_text_is_written_as_it_is():
    """No \\u escapes: a line can be searched with grep."""
    _, line = encoded("Größe 東京 🙂")
    assert "Größe 東京 🙂".encode() in line


def test_a_generator_is_encoded_as_it_yields():
    """A generator that raises after its first Record has been encoded that far, and no further."""
    lines = Lines(TASK, 1000, 0)

    def pages():
        yield "one"
        raise ValueError("two is torn")

    with pytest.raises(ValueError, match="torn"):
        lines.add(pages())
    assert lines.finish().records == 1


# ── results that are none ────────────────────────────────────────────────────────────────────


def holds_itself():
    record = {"list": []}
    record["list"].append(record)
    return record


def deep(levels):
    value = "bottom"
    for _ in range(levels):
        value = [value]
    return {"deep": value}


class Colour(enum.Enum):
    RED = 1


class LoudModel:
    def model_dump(self, mode):
        raise ValueError("field required")


@pytest.mark.parametrize(
    ("result", "message"),
    [
        (b"bytes", "$ is bytes: return a dict or a str"),
        (42, "$ is int: return a dict or a str"),
        (True, "$ is bool: return a dict or a str"),
        (object(), "$ is object: return a dict or a str"),
        ([{}, 3], "$[1] is int: yield dicts"),
        ([["nested"]], "$[0] is list: yield dicts"),
        ({"a": {"b": [0, {1}]}}, "$.a.b[1] is set, which is not JSON-like"),
        ({"f": [print]}, "$.f[0] is builtin_function_or_method, which is not JSON-like"),
        ({"c": Colour.RED}, f"$.c is {__name__}.Colour, which is not JSON-like"),
        ({"x": (1, (2, b""))}, "$.x[1][1] is bytes, which is not JSON-like"),
        ({"n": math.nan}, "$.n is nan, which JSON cannot hold"),
        ({"n": [-math.inf]}, "$.n[0] is -inf, which JSON cannot hold"),
        ({"t": "caf\udce9"}, "$.t is text with a lone surrogate, which is not Unicode"),
        ("\ud800", "$.text is text with a lone surrogate, which is not Unicode"),
        ({(1, 2): 3}, "$ has a key that is tuple; keys are strings"),
        ({"a": {b"k": 3}}, "$.a has a key that is bytes; keys are strings"),
        (
            {"pages": [Page(text={1})]},
            "$.pages[0].text is set, which is not JSON-like",
        ),
    ],
)
def test_what_is_not_json_is_named_with_its_place(result, message):
    """The message has the JSON path and the type of the first value that is none."""
    assert said_of(result) == (Reason.RESULT_INVALID, message)


@pytest.mark.parametrize(
    "result",
    [
        {"n": 10**5000},
        {10**5000: "key"},
        {"k": {"\udcff": 1}},
        {"k": {math.nan: 1}},
        {"m": LoudModel()},
        {"k" * 10_000: {1}},
    ],
    ids=["long", "long key", "surrogate key", "nan key", "model", "wide"],
)
def test_values_that_resist_being_shown_are_invalid_too(result):
    """Whatever a value does when it is looked at, it is a bad result and no error of ours."""
    reason, message = said_of(result)
    assert reason is Reason.RESULT_INVALID
    assert message.startswith("$")
    assert len(message) <= worker.MESSAGE_LIMIT
    message.encode()


@pytest.mark.parametrize("result", [holds_itself(), deep(100_000)], ids=["cycle", "deep"])
def test_what_never_ends_is_named_shortly(result):
    """A Record that holds itself, or is nested without measure, is refused in a few words."""
    reason, message = said_of(result)
    assert reason is Reason.RESULT_INVALID
    assert message.endswith("… is nested more than 100 deep, or holds itself")
    assert len(message) < 300


def test_a_hundred_levels_are_fine():
    """Deep, but JSON."""
    assert written(deep(100)) == [deep(100)]


# ── limits ───────────────────────────────────────────────────────────────────────────────────


def test_the_limit_counts_the_bytes_of_all_lines():
    """Exactly --max-output is allowed, one byte more is not."""
    _, lines = encoded(["äöü", "xyz"])
    assert encoded(["äöü", "xyz"], limit=len(lines))[1] == lines
    with pytest.raises(Ended) as caught:
        encoded(["äöü", "xyz"], limit=len(lines) - 1)
    assert caught.value.reason is Reason.OUTPUT_TOO_LARGE


@pytest.fixture
def spool(monkeypatch):
    with tempfile.TemporaryFile() as file:
        monkeypatch.setattr(encoding, "SPOOL", file.fileno())
        yield file


def test_a_large_result_goes_to_the_spool(spool):
    """Above 1 MB the lines lie in the spool, after what was there, with their length and CRC."""
    spool.write(b"before")
    spool.flush()
    lines = Lines(TASK, 1 << 30, 6)
    for _ in range(5):
        lines.add({"text": "x" * 400_000})
    made = lines.finish()
    assert made.lines == b""
    assert made.start == 6
    assert lines.spool == 6 + made.length
    content = os.pread(spool.fileno(), 1 << 30, 6)
    assert (len(content), zlib.crc32(content)) == (made.length, made.crc)
    assert [json.loads(line)["ordinal"] for line in content.splitlines()] == [0, 1, 2, 3, 4]


def test_a_full_disk_is_not_the_documents_fault(monkeypatch):
    """A spool that cannot be written is told to the engine as a fault, not as a failure."""
    with open("/dev/full", "wb") as full:
        monkeypatch.setattr(encoding, "SPOOL", full.fileno())
        with pytest.raises(SpoolFull) as caught:
            encoded("x" * 2_000_000, limit=1 << 30)
    assert _failure(caught.value) == {"fault": "No space left on device"}


# ── exceptions ───────────────────────────────────────────────────────────────────────────────


class Silent(Exception):
    def __str__(self):
        raise KeyError("no text")


class Leaves(Exception):
    def __str__(self):
        raise SystemExit(0)


class NoText(Exception):
    __str__ = int  # returns no str


class Recursive(Exception):
    def __str__(self):
        return str(self)


@pytest.mark.parametrize("kind", [Silent, Leaves, NoText, Recursive])
def test_an_exception_without_text_is_unprintable(kind):
    """Whatever __str__ does, the type is said."""
    failure = told_of(kind())
    assert failure["reason"] is Reason.ERROR
    assert failure["message"] == f"unprintable {__name__}.{kind.__name__}"


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (ValueError("torn"), "ValueError: torn"),
        (ValueError(), "ValueError"),
        (SystemExit(3), "SystemExit: 3"),
        (KeyboardInterrupt(), "KeyboardInterrupt"),
        (GeneratorExit(), "GeneratorExit"),
        (UnicodeDecodeError("utf-8", b"\xff", 0, 1, "bad"), None),
        (OSError(2, "not there", "name\udcff"), None),
        (ValueError("caf\udce9"), "ValueError: caf?"),
    ],
)
def test_an_exception_is_its_type_and_text(error, message):
    """The message is "Type: text", valid Unicode, with SystemExit and its like no exception."""
    failure = told_of(error)
    assert failure["reason"] is Reason.ERROR
    assert message is None or failure["message"] == message
    failure["message"].encode()


def test_a_message_has_at_most_4096_characters():
    """However long the text."""
    assert len(told_of(ValueError("x" * 10**6))["message"]) == 4096


@pytest.mark.parametrize(
    ("error", "reason", "message"),
    [
        (EncryptedError("needs a password"), "encrypted", "needs a password"),
        (CorruptError(), "corrupt", "corrupt"),
        (UnsupportedError("a video"), "unsupported", "a video"),
    ],
)
def test_a_processor_may_say_why_itself(error, reason, message):
    """A DocumentError sets the reason, and needs no traceback."""
    failure = told_of(error)
    assert (failure["reason"], failure["message"]) == (reason, message)
    assert failure["detail"] is None


def test_a_memory_error_is_memory():
    """What Python itself noticed goes the way of what the watch over memory noticed."""
    assert told_of(MemoryError())["reason"] is Reason.MEMORY


def test_a_trace_has_the_users_frames_and_no_values():
    """The lines that raised are in the detail; what their variables held is not."""

    def parse(secret):
        return int("x" + secret)

    with pytest.raises(ValueError) as caught:
        parse("2retnuh"[::-1])
    detail = _failure(caught.value)["detail"]
    assert 'return int("x" + secret)' in detail
    assert "hunter2" not in detail


def test_a_trace_has_at_most_8192_characters():
    """The end of a deep traceback is kept, where it raised."""

    def odd(n):
        return even(n - 1) if n else 1 / 0

    def even(n):
        return odd(n - 1)

    with pytest.raises(ZeroDivisionError) as caught:
        odd(400)
    detail = _failure(caught.value)["detail"]
    assert len(detail) <= 8192
    assert detail.rstrip().rstrip("~^ \n").endswith("if n else 1 / 0")


# ── the slot ─────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def slot(tmp_path):
    with open(tmp_path / "slot", "w+b") as file:
        file.truncate(Slot.SIZE)
        with contextlib.closing(Slot(file.fileno())) as made:
            yield made


def test_the_slot_says_what_is_in_hand(slot):
    """take, beat and idle are seen through the other side's map of the file."""
    slot.take(3)
    hand = slot.hand()
    assert (hand.place, hand.page, hand.pages) == (3, -1, -1)
    assert hand.since == hand.beat
    slot.beat(12, 40)
    assert (slot.hand().page, slot.hand().pages) == (12, 40)
    assert slot.hand().beat >= hand.since
    slot.idle()
    assert slot.hand() == (-1, 0.0, 0.0, -1, -1)


@given(some.lists(some.integers(0, 2**62), max_size=512), some.integers(0, 2**62))
def test_the_slot_keeps_a_whole_batch(documents, epoch):
    """What was held is read back, up to 512 documents, beside what is in hand."""
    with tempfile.TemporaryFile() as file:
        file.truncate(Slot.SIZE)
        with contextlib.closing(Slot(file.fileno())) as slot:
            slot.take(1)
            slot.hold(epoch, documents)
            assert slot.held() == (epoch, tuple(documents))
            assert slot.hand().place == 1


any_number = some.integers(-10, 600) | some.integers(-(2**63), 2**63 - 1)


@given(any_number, any_number, any_number)
def test_a_slot_full_of_noise_is_read_without_harm(index, epoch, count):
    """Whatever a worker wrote over the file, reading gives numbers and at most 512 rows."""
    with tempfile.TemporaryFile() as file:
        os.pwrite(file.fileno(), struct.pack("<q", index) * (Slot.SIZE // 8), 0)
        os.pwrite(file.fileno(), struct.pack("<qq", epoch, count), 4096)
        with contextlib.closing(Slot(file.fileno())) as slot:
            assert slot.hand().place == index
            assert slot.held()[0] == epoch
            assert len(slot.held()[1]) == (count if 0 <= count <= 512 else 0)


# ── frames ───────────────────────────────────────────────────────────────────────────────────


@given(
    some.dictionaries(some.text(), json_like, max_size=3),
    some.lists(some.binary(max_size=100), max_size=4),
    some.booleans(),
)
def test_a_frame_is_received_as_it_was_sent(index, lines, long):
    """Index and body come back, of short lines and of long; the end of the socket is None."""
    lines = [line * 200 for line in lines] if long else lines
    read, write = os.pipe()
    fcntl.fcntl(write, fcntl.F_SETPIPE_SZ, 1 << 20)
    with mock.patch.object(wire, "MANY", 2000):
        Channel(write).send(index, lines)
    os.close(write)
    receiver = Channel(read)
    assert receiver.receive() == (index, b"".join(lines))
    assert receiver.receive() is None
    os.close(read)


def test_half_a_header_is_the_end():
    """An engine that died in the middle of a frame is gone."""
    read, write = os.pipe()
    os.write(write, b"\1\0\0")
    os.close(write)
    assert Channel(read).receive() is None
    os.close(read)


def test_a_task_travels_without_its_row():
    """The worker learns what it needs; the ledger's row and stratum stay with the engine."""
    task = TASK._replace(name=b"\xff.txt", attempt=1, previous_reason=Reason.MEMORY)
    other = TASK._replace(root=Root(b"", b"/"), name=b"docs/b")
    data = wire.batch_to_wire([task, other, task], 7)
    index = json.loads(data[wire.HEADER.size :])
    sent = [each._replace(document=0, stratum="") for each in (task, other, task)]
    assert list(wire.batch_from_wire(index)) == sent
    assert index["spool"] == 7
    assert len(index["roots"]) == 2


# ── probes ───────────────────────────────────────────────────────────────────────────────────


@given(some.lists(some.booleans(), min_size=1, max_size=30))
def test_the_worker_learns_which_tasks_are_probes(probes):
    """Whatever is mixed in a batch; where none is, nothing is said of it."""
    tasks = [TASK._replace(name=b"%d" % n, probe=probe) for n, probe in enumerate(probes)]
    index = json.loads(wire.batch_to_wire(tasks, 0)[wire.HEADER.size :])
    assert [task.probe for task in wire.batch_from_wire(index)] == probes
    assert ("probes" in index) == any(probes)


@pytest.fixture
def attempt(tmp_path, slot):
    """What a worker answers for a file of ours, whose processor says that it was called."""
    server = object.__new__(worker._Server)
    server._slot, server._bare, server._spool, server._max_output = slot, False, 0, 1 << 20
    server._loaded = SimpleNamespace(detect=None, builtin=False, call=lambda _: {"called": True})

    def answer(name, content=None, **more):
        if content is not None:
            (tmp_path / name).write_bytes(content)
        root = Root(b"in", str(tmp_path).encode())
        return server._attempt(Task(1, root, name.encode(), 1, "pdf/1", **more))

    return answer


def test_a_probe_counts_and_calls_no_processor(attempt):
    """Pages, the time it took, and no lines; without `probe` it is processed."""
    made = FPDF()
    for _ in range(3):
        made.add_page()
    reply, lines = attempt("a.pdf", bytes(made.output()), probe=True)
    assert (reply["pages"], lines) == (3, b"")
    assert reply["taken"] > 0
    _, lines = attempt("a.pdf")
    assert json.loads(lines)["called"]


@pytest.mark.parametrize("name", ["missing.pdf", "a.txt", "broken.pdf"])
def test_a_probe_never_fails_a_document(attempt, name):
    """What it is, or that it is not there, is said when it is processed."""
    content = None if name == "missing.pdf" else b"no pages"
    reply, lines = attempt(name, content, probe=True)
    assert (reply["pages"], lines) == (0, b"")
    assert set(reply) == {"pages", "taken"}


@pytest.fixture
def told():
    """The Outcomes that a parent takes from these replies to a probe and a Document behind it."""

    def take(*answers):
        grant = Grant((TASK._replace(probe=True), TASK._replace(document=8)), (20.0, 60.0), 1)
        child = SimpleNamespace(grant=grant, served=0, answered=0, peak=0, given=time.monotonic())
        message = {"held": 5, "peak": 9, "tired": None, "first": 0, "replies": list(answers)}
        return list(replies.outcomes(child, message, b"", 1000))

    return take


@given(some.integers(1, 1 << 30))
def test_pages_come_back_in_place_of_records(pages):
    """Counted: done, of so many; the Document behind it is another matter."""
    grant = Grant((TASK._replace(probe=True),), (20.0,), 1)
    child = SimpleNamespace(grant=grant, served=0, answered=0, peak=0, given=time.monotonic() - 9)
    message = {"held": 5, "peak": 9, "tired": None, "first": 0}
    reply = {"pages": pages, "taken": 3_000_000_000}
    [outcome] = replies.outcomes(child, message | {"replies": [reply]}, b"", 1000)
    assert (outcome.status, outcome.reason, outcome.records) == (Status.DONE, None, pages)
    assert (outcome.seconds, outcome.length) == (3.0, 0)


def test_none_counted_is_skipped_and_blames_nobody(told):
    """The Document is processed as one whose pages are not known."""
    first, second = told({"pages": 0, "taken": 5}, 7)
    assert (first.status, first.reason, first.records) == (Status.SKIPPED, None, 0)
    assert (second.task.document, second.status, second.records) == (8, Status.DONE, 0)


@pytest.mark.parametrize(
    "reply",
    [
        *({"pages": pages, "taken": 1} for pages in (-1, 1.5, True, None, "3", 1 << 62)),
        *({"pages": 1, "taken": taken} for taken in (-1, None, "1")),
        *({}, {"pages": 1}, {"taken": 1}, [1, None, 0, 0, 0, None], "3", None),
        {"reason": "error", "taken": 1, "kind": None, "message": "", "detail": ""},
    ],
)
def test_a_probe_answered_otherwise_breaks_the_protocol(told, reply):
    """Nothing a worker sends becomes a stratum unchecked."""
    with pytest.raises((ValueError, KeyError, TypeError)):
        told(reply)
