"""docherd.process in this very process: Results, limits, back-pressure, and every way to end."""

from __future__ import annotations

import dataclasses
import functools
import gc
import itertools
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import pytest

import docherd
import oracle
from docherd import Document, Reason, Status, feed, stream
from docherd.testing import by_name


@pytest.fixture
def files(tmp_path):
    """Makes files of these names and contents; their paths, as text."""

    def make(*names, content="x"):
        for name in names:
            (tmp_path / name).write_text(content)
        return [str(tmp_path / name) for name in names]

    return make


@pytest.fixture(autouse=True)
def nothing_left(tmp_path_factory, monkeypatch):
    """Whatever a test does, it leaves no process and no temporary folder."""
    folder = tmp_path_factory.mktemp("temporary")
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    gc.collect()
    oracle.wait_for(lambda: not oracle.leftovers())
    assert list(folder.iterdir()) == []


def by_path(results):
    return {os.path.basename(each.path): each for each in results}


def ends(results):
    return {name: (each.status, each.reason) for name, each in by_path(results).items()}


def name_of(path):
    return path.name


DONE = (Status.DONE, None)

# ── results ──────────────────────────────────────────────────────────────────────────────────


@dataclasses.dataclass
class Page:
    number: int
    text: str = ""


def shapes(path):
    """A value of the shape that the file is named after."""
    return {
        "none": None,
        "text": "Größe \n\r\u2028 end",
        "dict": {"a": [1, 2.5, None, {"b": True}], "path": "mine"},
        "page": Page(3, "three"),
        "list": [{"n": 1}, "two", Page(3)],
        "tuple": ({"n": 1},),
        "empty": [],
        "nothing": {},
        "bracket": "[",
        "generator": ({"n": n} for n in range(3)),
    }[path.name]


def test_the_value_comes_back_as_it_was_returned(files):
    """Whatever its shape; tuples, generators and dataclasses as JSON has them."""
    names = ["none", "text", "dict", "page", "list", "tuple", "empty", "nothing", "bracket"]
    found = by_path(docherd.process(files(*names, "generator"), shapes, workers=2))
    assert {name: each.value for name, each in found.items()} == {
        "none": None,
        "text": "Größe \n\r\u2028 end",
        "dict": {"a": [1, 2.5, None, {"b": True}], "path": "mine"},
        "page": {"number": 3, "text": "three"},
        "list": [{"n": 1}, "two", {"number": 3, "text": ""}],
        "tuple": [{"n": 1}],
        "empty": [],
        "nothing": {},
        "bracket": "[",
        "generator": [{"n": 0}, {"n": 1}, {"n": 2}],
    }
    assert all(each.ok and each.error is None for each in found.values())


def test_records_are_what_a_run_would_write(files):
    """With document, path and ordinal in front; a sequence that is read when it is asked for."""
    found = by_path(docherd.process(files("dict", "list", "none"), shapes))
    path = found["dict"].path
    [record] = found["dict"].records
    letters = record["document"]
    assert record == {
        **{"document": letters, "path": path, "ordinal": 0},
        **{"a": [1, 2.5, None, {"b": True}], "record_path": "mine"},
    }
    assert len(letters) == 16
    several = found["list"].records
    assert [each["ordinal"] for each in several] == [0, 1, 2]
    assert (several[1]["text"], several[-1]["number"], len(several)) == ("two", 3, 3)
    assert [each["ordinal"] for each in several[1:]] == [1, 2]
    with pytest.raises(IndexError):
        several[3]
    assert list(found["none"].records) == []


def test_a_failed_document_is_a_result(files, tmp_path):
    """Never an exception: each with its reason, and the others go on."""
    paths = files("raise-1", "sysexit-1", "segv-1", "exit0-1", "fine")
    (tmp_path / "link").symlink_to("fine")
    os.mkfifo(tmp_path / "fifo")
    paths += [str(tmp_path / name) for name in ("missing", "link", "fifo")]
    found = by_path(docherd.process(paths, by_name, workers=2))
    assert ends(found.values()) == {
        "raise-1": (Status.FAILED, Reason.ERROR),
        "sysexit-1": (Status.FAILED, Reason.ERROR),
        "segv-1": (Status.FAILED, Reason.CRASH),
        "exit0-1": (Status.FAILED, Reason.EXIT),
        "fine": DONE,
        "missing": (Status.FAILED, Reason.INPUT_MISSING),
        "link": (Status.SKIPPED, Reason.SYMLINK),
        "fifo": (Status.SKIPPED, Reason.SPECIAL),
    }
    crashed = found["segv-1"]
    assert (crashed.attempts, crashed.error) == (2, "killed by SIGSEGV")
    assert crashed.value is None
    assert "Traceback" in found["raise-1"].detail or "File" in found["raise-1"].detail
    assert "crash: killed by SIGSEGV" in repr(crashed)


def test_what_is_no_path_is_a_result_too(files):
    """Nothing is lost of an iterable that is mixed up."""
    given = [*files("a"), 7, None, *files("b")]
    found = list(docherd.process(given, name_of, ordered=True))
    assert [each.path for each in found] == given
    assert [each.ok for each in found] == [True, False, False, True]
    assert found[1].reason is Reason.INPUT_UNREADABLE
    assert found[1].error == "int is no path: give str or os.PathLike"


def test_a_result_that_is_no_json_says_where(files):
    """The path inside the value, as everywhere."""
    [result] = docherd.process(files("a"), lambda path: {"x": [1, {2}]})
    assert result.reason is Reason.RESULT_INVALID
    assert result.error == "$.x[1] is set, which is not JSON-like"


def test_relative_names_and_paths_are_given_back_as_they_came(files, tmp_path, monkeypatch):
    """Strings stay strings, Paths stay Paths; the function gets an absolute Path."""
    files("a", "b")
    monkeypatch.chdir(tmp_path)
    found = list(docherd.process(["a", Path("b")], os.fspath, ordered=True))
    assert [each.path for each in found] == ["a", Path("b")]
    assert [each.value for each in found] == [str(tmp_path / "a"), str(tmp_path / "b")]
    assert found[0].records[0]["path"] == "a"


# ── processors ───────────────────────────────────────────────────────────────────────────────


class Built:
    """Built once in each worker."""

    def __init__(self):
        self.calls = 0

    def __call__(self, document: Document):
        self.calls += 1
        return {"pid": os.getpid(), "calls": self.calls, "size": document.size}


class Reader:
    def __init__(self, word):
        self.word = word

    def read(self, path):
        return self.word + path.read_text()


def test_any_callable_is_a_processor(files):
    """Lambdas, closures, partials, bound methods, names, and text paths where annotated so."""
    [path] = files("a", content="text")

    def value(processor):
        [result] = docherd.process([path], processor, workers=1)
        assert result.ok, result.error
        return result.value

    def annotated(path: str):
        return path.upper()

    word = "the "
    assert value(lambda path: word + path.name) == "the a"
    assert value(functools.partial(lambda word, path: word + path.name, "my ")) == "my a"
    assert value(Reader("a ").read) == "a text"
    assert value(annotated) == path.upper()
    assert value("docherd.testing:by_name") == {"text": "text", "size": 4}


def test_a_class_is_built_once_in_each_worker(files):
    """Models are loaded once; a Document knows its size although nobody had looked."""
    found = [r.value for r in docherd.process(files(*"abcdefgh", content="abc"), Built, workers=2)]
    assert {each["size"] for each in found} == {3}
    most = {}
    for each in found:
        most[each["pid"]] = max(most.get(each["pid"], 0), each["calls"])
    assert len(most) <= 2
    assert sum(most.values()) == 8


def test_what_cannot_travel_is_one_clear_line(files):
    """An object that cannot be pickled, and ten megabytes in a closure."""
    lock, big = threading.Lock(), os.urandom(11_000_000)
    with pytest.raises(docherd.ProcessorError, match="cannot be sent to a worker"):
        docherd.process(files("a"), lambda path: lock)
    with pytest.raises(docherd.ProcessorError, match="carries 11,"):
        docherd.process(files("a"), lambda path: big)
    with pytest.raises(docherd.ProcessorError, match="cannot load nowhere:nothing"):
        list(docherd.process(files("a"), "nowhere:nothing"))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"workers": 0}, "workers: must be 1 or more"),
        ({"workers": 10_000}, "workers: must be 1000 or less"),
        ({"memory": "1MB"}, "memory: must be 64MB or more"),
        ({"wokers": 2}, "did you mean workers"),
        ({"limit": 3}, "limit is an option of run"),
    ],
)
def test_options_that_make_no_sense_are_one_clear_line(options, message):
    """Before anything is started."""
    with pytest.raises(docherd.UsageError, match=message):
        docherd.process(["a"], name_of, **options)


@pytest.mark.parametrize("paths", ["one.pdf", b"one.pdf", Path("one.pdf"), 7])
def test_one_path_is_no_iterable_of_paths(paths):
    """A string would be taken letter by letter."""
    with pytest.raises(docherd.UsageError, match="an iterable of paths"):
        docherd.process(paths, name_of)


def misbehave(path):
    """Does to its worker what the file is named after, and then returns."""
    match path.name.partition("-")[0]:
        case "print":
            print("x" * 200_000)
            os.write(1, b"\x00\xff" * 1000)
        case "chdir":
            os.chdir("/")
        case "fork":
            if os.fork() == 0:
                os._exit(0)
            os.wait()
        case "signals":
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGALRM):
                signal.signal(number, signal.SIG_IGN)
        case "threads":
            threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
        case "exit":
            sys.exit(3)
        case "close":
            os.closerange(3, 100)
    return {"name": path.name}


def test_functions_that_misbehave_cost_at_most_themselves(files):
    """They print, fork, change folder, set signals, start threads, exit, close descriptors."""
    kinds = ("print", "chdir", "fork", "signals", "threads", "exit", "close")
    names = [f"{kind}-{n}" for n in range(3) for kind in kinds]
    plain = [f"fine-{n}" for n in range(20)]
    found = by_path(docherd.process(files(*names, *plain), misbehave, workers=2))
    assert set(found) == {*names, *plain}
    for name, each in found.items():
        if name.startswith("exit"):
            assert (each.reason, each.error) == (Reason.ERROR, "SystemExit: 3")
        elif name.startswith("close"):
            assert each.reason in (Reason.CRASH, Reason.EXIT)
        else:
            assert each.value == {"name": name}, (name, each)


# ── order, chunks, progress ──────────────────────────────────────────────────────────────────


def late(path):
    if path.name == "f000":
        time.sleep(1)
    return path.name


def test_ordered_results_come_in_the_order_of_the_paths(files):
    """Behind a straggler, too."""
    names = [f"f{n:03}" for n in range(200)]
    found = list(docherd.process(files(*names), late, workers=2, ordered=True))
    assert [each.value for each in found] == names


def test_an_ordered_stream_goes_on_behind_a_crash(files):
    """The first one is tried again at once, though all others wait for it."""
    names = ["segv-1", *(f"f{n:03}" for n in range(50))]
    found = list(docherd.process(files(*names), by_name, workers=2, ordered=True))
    assert [os.path.basename(each.path) for each in found] == names
    assert [each.ok for each in found] == [False] + [True] * 50


def test_chunks_are_lists_of_a_size(files):
    """One pool for all of them; the last is shorter."""
    names = [f"f{n}" for n in range(7)]
    chunks = list(docherd.process_chunks(files(*names), Built, chunk_size=3, workers=1))
    assert [len(chunk) for chunk in chunks] == [3, 3, 1]
    assert len({each.value["pid"] for chunk in chunks for each in chunk}) == 1
    with pytest.raises(docherd.UsageError, match="chunk_size"):
        docherd.process_chunks([], name_of, chunk_size=0)


def test_a_bar_counts_the_results(files, capsys):
    """progress=True is tqdm, with the total where it is known."""
    assert len(list(docherd.process(files(*"abc"), name_of, progress=True))) == 3
    assert "3/3" in capsys.readouterr().err


def test_no_paths_are_no_results():
    """An empty iterable ends at once, and leaves nothing."""
    assert list(docherd.process([], name_of)) == []


# ── limits and back-pressure ─────────────────────────────────────────────────────────────────


def test_deadlines_hold_while_the_program_is_busy(files):
    """The watch over the workers does not wait for the loop."""
    with docherd.process(files("fine", "sleep-1"), by_name, workers=1, timeout=1) as results:
        first = next(results)
        time.sleep(4)
        second = next(results)
    slow = second if first.ok else first
    assert slow.reason is Reason.TIMEOUT
    assert slow.seconds < 3.5


def test_a_document_may_hold_more_than_its_share_while_there_is_room(files):
    """Of 350 MB, 175 are its share; it is done at once, beside others that need little."""

    def hog(path):
        if path.name == "hog":
            held = bytearray(200_000_000)
            held[::4096] = b"x" * len(held[::4096])
            time.sleep(0.6)
        return path.name

    found = by_path(docherd.process(files("hog", "a", "b"), hog, workers=2, memory="350MB"))
    assert [found[name].value for name in ("hog", "a", "b")] == ["hog", "a", "b"]
    assert found["hog"].attempts == 1


def test_over_the_whole_budget_it_is_stopped_and_tried_once_more(files):
    """Nothing but more memory would help: twice, then it has failed with what it held."""

    def hog(path):
        held = bytearray(300_000_000 if path.name == "hog" else 1)
        held[::4096] = b"x" * len(held[::4096])
        time.sleep(0.6)
        return path.name

    found = by_path(docherd.process(files("hog", "a", "b"), hog, workers=2, memory="250MB"))
    assert [found[name].value for name in ("a", "b")] == ["a", "b"]
    assert (found["hog"].reason, found["hog"].attempts) == (Reason.MEMORY, 2)
    assert "limit 250 MB" in found["hog"].error


def endless(pulled, path):
    for n in itertools.count():
        pulled.append(n)
        yield path


@pytest.mark.parametrize("ordered", [False, True])
def test_an_iterable_that_never_ends_is_pulled_only_a_little_ahead(files, ordered):
    """A bounded number of paths, however long the program waits."""
    pulled = []
    with docherd.process(endless(pulled, files("a")[0]), name_of, ordered=ordered) as results:
        taken = [each.value for each in itertools.islice(results, 1000)]
        assert taken == ["a"] * 1000
        before = -1
        while before != len(pulled):
            before = len(pulled)
            time.sleep(0.3)
        assert len(pulled) <= 1000 + stream.SHELF + 4 * feed.AHEAD
        assert next(results).value == "a"


def test_large_results_wait_in_bounded_memory(files):
    """300 KB each: some dozens wait, not thousands."""
    pulled = []
    with docherd.process(endless(pulled, files("a")[0]), lambda p: "x" * 300_000) as results:
        for _ in range(50):
            assert len(next(results).value) == 300_000
        before = -1
        while before != results._drive.shelf._count:
            before = results._drive.shelf._count
            time.sleep(0.3)
        assert before < 100


def test_a_blocking_iterable_holds_up_nothing_but_itself(files):
    """Results of the paths so far come while it blocks, and closing does not wait for it."""
    gate = threading.Event()

    def paths():
        yield from files(*"abc")
        gate.wait(30)

    results = docherd.process(paths(), name_of)
    assert sorted(next(results).value for _ in range(3)) == ["a", "b", "c"]
    began = time.monotonic()
    results.close()
    assert time.monotonic() - began < 15
    gate.set()


# ── large results ────────────────────────────────────────────────────────────────────────────


def test_a_large_result_is_read_when_it_is_asked_for(files):
    """Through a spool file: the parent holds it only while somebody looks."""

    def large(path):
        return ({"n": n, "text": "x" * 100_000} for n in range(600))

    held = []
    for result in docherd.process(files(*"abc"), large, workers=2):
        assert len(result.records) == 600
        assert [each["n"] for each in result.records] == list(range(600))
        held.append(result)
    assert held[0].records[599]["n"] == 599  # after the stream has ended, too


def test_results_that_are_kept_do_not_use_up_descriptors(files):
    """One spool for many: a list of a thousand large Results is fine."""
    before = len(os.listdir("/proc/self/fd"))
    paths = files("a") * 300
    held = list(docherd.process(paths, lambda path: "x" * 1_200_000, workers=2))
    assert len(os.listdir("/proc/self/fd")) < before + 20
    assert {len(each.value) for each in held} == {1_200_000}


# ── every way to end ─────────────────────────────────────────────────────────────────────────


def slowly(path):
    time.sleep(0.05)
    return path.name


def wait_for_the_end():
    oracle.wait_for(lambda: not oracle.leftovers())


def test_leaving_the_loop_ends_the_workers(files):
    """break, with everything in flight."""
    for _ in docherd.process(endless([], files("a")[0]), slowly, workers=2):
        break
    wait_for_the_end()


def test_an_exception_in_the_loop_ends_the_workers(files):
    """It passes through as it is."""
    with pytest.raises(ZeroDivisionError):
        for _ in docherd.process(endless([], files("a")[0]), slowly, workers=2):
            1 / 0  # noqa: B018
    wait_for_the_end()


def test_dropping_the_stream_ends_the_workers(files):
    """Garbage collection is enough; nothing of ours holds it."""
    results = docherd.process(endless([], files("a")[0]), by_name, workers=2)
    next(results)
    del results
    gc.collect()
    wait_for_the_end()


def test_a_hanging_worker_does_not_hold_up_the_end(files):
    """Killed, not asked."""
    with docherd.process(files("a", "sleep-1", "sleep-2"), by_name, workers=2) as results:
        next(results)
        began = time.monotonic()
    assert time.monotonic() - began < 15
    with pytest.raises(StopIteration):
        next(results)


def test_what_the_iterable_raises_comes_after_the_results_before_it(files):
    """Nothing is lost, and the error is the program's own."""

    def paths():
        yield from files(*"abc")
        raise LookupError("no more")

    seen = []
    with pytest.raises(LookupError, match="no more"):
        seen.extend(result.value for result in docherd.process(paths(), name_of))
    assert sorted(seen) == ["a", "b", "c"]


def test_a_stream_that_has_ended_stays_ended(files):
    """As any iterator."""
    results = docherd.process(files("a"), name_of)
    assert [each.value for each in results] == ["a"]
    assert list(results) == []
    results.close()


def test_several_threads_may_have_their_own(files):
    """A stream belongs to the thread that reads it."""
    paths, found = files(*"abcdef"), {}

    def work(name):
        found[name] = sorted(r.value for r in docherd.process(paths, name_of, workers=1))

    threads = [threading.Thread(target=work, args=(n,)) for n in range(3)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(60)
    assert list(found.values()) == [list("abcdef")] * 3


SCRIPT = """
import docherd, itertools, os, sys
def work(path):
    return path.name
results = docherd.process(itertools.repeat({path!r}), work, workers=2)
print(next(results).value, flush=True)
{after}
"""


@pytest.mark.parametrize("after", ["", "os.kill(os.getpid(), 9)", "sys.exit(0)", "1 / 0"])
def test_a_program_that_ends_leaves_nothing(files, nothing_left, after):
    """By its end, an exit, an exception or SIGKILL; an unguarded script, too."""
    script = SCRIPT.format(path=files("a")[0], after=after)
    environment = {**os.environ, "TMPDIR": str(nothing_left)}
    began = time.monotonic()
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=False)
    assert done.stdout == "a\n"
    assert time.monotonic() - began < 60
    oracle.wait_for(lambda: not oracle.leftovers() and not list(nothing_left.iterdir()))
