"""The pool alone, with real processes: give, watch, blame, replace, close."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
import zlib

import pytest

import oracle
from docherd import testing
from docherd.exceptions import EnvironmentFault, ProcessorError
from docherd.model import Grant, Reason, Root, Spooled, Status, Task
from docherd.pool import Pool
from docherd.processors import describe
from docherd.setup import Setup

PLENTY = 2 * 10**9


class Desk:
    """Makes tasks and pools, and plays the engine."""

    def __init__(self, folder):
        self.folder = folder
        self.pending = folder / "pending"
        self.pending.mkdir()
        self.pools = []
        self.tasks = 0

    def pool(self, processor="docherd.testing:by_name", size=1, **options):
        limits = {"max_output": 10**9, "max_input": 10**9} | options
        setup = Setup(describe(processor), size, **limits)
        self.pools.append(Pool(setup, self.pending))
        return self.pools[-1]

    def processor(self, body):
        """A file of one's own; ``here`` is the test's folder."""
        head = f"import os, subprocess, sys, time\nhere = {str(self.folder)!r}\n"
        (self.folder / "own.py").write_text(head + body)
        return f"{self.folder / 'own.py'}:process"

    def task(self, name, content=""):
        file = self.folder / name
        file.write_text(content)
        self.tasks += 1
        root = Root(b"in", os.fsencode(self.folder))
        return Task(self.tasks, root, os.fsencode(name), len(content), "txt/1")

    def grant(self, *names, seconds=30.0, memory=PLENTY, **options):
        """``name`` or ``name:content`` each."""
        tasks = tuple(self.task(*name.split(":")) for name in names)
        return Grant(tasks, (seconds,) * len(tasks), memory, **options)


@pytest.fixture
def desk(tmp_path):
    made = Desk(tmp_path)
    yield made
    for pool in made.pools:
        pool.close()
    assert oracle.leftovers() == []
    # Whoever commits what became of them removes the slots of those that died of a task.
    buried = {slot.name for pool in made.pools for slot in pool.buried}
    assert set(os.listdir(made.pending)) == buried


def turns(pool, until, seconds=20.0):
    """Be the loop until ``until()``; what came out of it."""
    found = []
    deadline = time.monotonic() + seconds
    while not until(found):
        assert time.monotonic() < deadline, found
        found += pool.outcomes(0.05)
    return found


def give(pool, grant):
    """Give it as soon as a worker is free."""
    pool.crew.grow(len(grant.tasks))
    found = turns(pool, lambda _: pool.give(grant))
    assert found == []


def outcomes(pool, grant):
    """Everything that becomes of a grant, in order."""
    give(pool, grant)
    return turns(pool, lambda found: len(found) == len(grant.tasks))


def ends(found):
    """name → how it ended"""
    return {name_of(each.task): (each.status, each.reason) for each in found}


def name_of(task):
    return os.fsdecode(task.name)


def record_of(outcome):
    return json.loads(outcome.lines)


UNTOUCHED = (Status.PENDING, None)
DONE = (Status.DONE, None)


# ── start ────────────────────────────────────────────────────────────────────────────────────


def test_start_waits_for_a_loaded_processor(desk):
    """The first worker says the fingerprint of what it loaded."""
    pool = desk.pool()
    assert pool.fingerprint == ""
    pool.start()
    assert len(pool.fingerprint) == 16
    assert pool.crew.has_room()


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("sys.exit('no licence')", "SystemExit: no licence"),
        ("import nowhere", "ModuleNotFoundError: No module named 'nowhere'"),
        ("process = 3", "is int, not a function or class"),
        ("", "has no 'process'"),
    ],
)
def test_a_processor_that_cannot_be_loaded_is_refused(desk, body, message):
    """W05: whatever a module does on import is one error of usage, and no document's fault."""
    with pytest.raises(ProcessorError, match="cannot load") as caught:
        desk.pool(desk.processor(body)).start()
    assert message in str(caught.value)


def test_workers_that_die_while_they_start_end_the_run(desk):
    """W05: three deaths in a row before any document: exit 3, with what the last one printed."""
    body = (
        "if os.path.exists(here + '/broken'):\n"
        "    os.write(2, b'library not found')\n"
        "    os._exit(5)\n"
        "def process(path): pass\n"
    )
    pool = desk.pool(desk.processor(body))
    pool.start()
    (desk.folder / "broken").touch()
    for pid in oracle.workers(os.getpid()):
        os.kill(pid, signal.SIGKILL)

    def go_on(_):
        pool.crew.grow(1)
        return False

    with pytest.raises(EnvironmentFault, match=r"cannot start, 3 in a row.* code 5") as caught:
        turns(pool, go_on)
    assert "library not found" in str(caught.value)


# ── give and take ────────────────────────────────────────────────────────────────────────────


def test_a_result_comes_back_with_its_sums(desk):
    """Lines, their number, length and CRC, the seconds and the memory of the process."""
    [outcome] = outcomes(desk.pool(), desk.grant("letter:hello"))
    assert (outcome.status, outcome.reason, outcome.records) == (Status.DONE, None, 1)
    assert record_of(outcome)["text"] == "hello"
    assert (outcome.length, outcome.crc) == (len(outcome.lines), zlib.crc32(outcome.lines))
    assert 0 <= outcome.seconds < 10
    assert 10**6 < outcome.peak < PLENTY


def test_a_batch_comes_back_in_order(desk):
    """Documents that travel together each have their own outcome."""
    names = [f"letter{n}:{n}" for n in range(50)]
    found = outcomes(desk.pool(), desk.grant(*names))
    assert [record_of(each)["text"] for each in found] == [str(n) for n in range(50)]


def test_a_large_result_comes_through_the_spool(desk):
    """Above 1 MB the outcome is a range of a file; the second one lies behind the first."""
    pool = desk.pool()
    starts = []
    for name in ("huge-1:3", "huge-2:2"):
        [outcome] = outcomes(pool, desk.grant(name))
        assert isinstance(outcome.lines, Spooled)
        content = os.pread(outcome.lines.spool.fd, outcome.length, outcome.lines.offset)
        assert zlib.crc32(content) == outcome.crc
        assert len(json.loads(content)["text"]) == int(name[-1]) << 20
        starts += [outcome.lines.offset, outcome.lines.offset + outcome.length]
    assert starts[0] == 0
    assert starts[1] == starts[2]


def test_no_more_is_given_than_there_are_workers(desk):
    """With both at work there is no room, although a warm spare waits."""
    pool = desk.pool(size=2)
    for name in ("sleep-1", "sleep-2"):
        give(pool, desk.grant(name))
    turns(pool, lambda _: len(list(pool.in_hand())) == 2)
    assert pool.crew.busy == 2
    assert {busy.path for busy in pool.in_hand()} == {"in/sleep-1", "in/sleep-2"}
    assert not pool.crew.has_room()
    assert not pool.give(desk.grant("letter"))


def test_a_fresh_worker_has_served_nobody(desk):
    """A used worker is taken first; a fresh grant gets another, and the third one that used one."""
    pool = desk.pool()
    pids = []
    for fresh in (False, False, True, True):
        [outcome] = outcomes(pool, desk.grant("leak:0", fresh=fresh))
        pids.append(record_of(outcome)["pid"])
    assert pids[0] == pids[1]
    assert len(set(pids)) == 3


def test_waking_ends_a_wait(desk):
    """wake() from another thread ends outcomes() at once."""
    pool = desk.pool()
    pool.start()
    started = time.monotonic()
    waker = threading.Thread(target=pool.wake)
    waker.start()
    while time.monotonic() - started < 20 and pool.outcomes(30):
        pass
    waker.join()
    assert time.monotonic() - started < 20


# ── blame ────────────────────────────────────────────────────────────────────────────────────


#: what each does to a worker that has 400 MB, and a second where it would never end
FATAL = {Reason.CRASH, Reason.EXIT, Reason.TIMEOUT, Reason.STALLED, Reason.MEMORY}


@pytest.mark.parametrize("fault", sorted(testing.FAULTS))
def test_every_fault_at_every_place_of_a_batch_costs_one_document(desk, fault):
    """First, in the middle, last: the others are done, or come back untouched to be done."""
    kind = testing.FAULTS[fault]
    pool = desk.pool(max_output=64 << 20, memory=400_000_000, stall=1.0)
    room = {"seconds": 1.0 if kind.reason is Reason.TIMEOUT else 60.0, "memory": 400_000_000}
    for place in (0, 2, 4):
        names = [f"{place}{letter}" for letter in "abcd"]
        names.insert(place, f"{fault}-{place}")
        found = {name_of(each.task): each for each in outcomes(pool, desk.grant(*names, **room))}
        assert set(found) == set(names)
        guilty = [name for name, each in found.items() if each.reason is not None]
        if kind.reason is None:
            assert guilty == []
            continue
        if not guilty:  # half a message hides who it was: all come back, to travel singly
            assert fault in ("frame_short", "frame_slow")
            assert {each.status for each in found.values()} <= {Status.DONE, Status.PENDING}
            continue
        [blamed] = guilty
        assert found[blamed].reason is kind.reason
        fate = {found[name].status for name in names if name != blamed}
        assert fate <= {Status.DONE, Status.PENDING}
        if fault.startswith("frame_") or fault == "close_all":
            # A lie, or a lost socket, arrives when another's turn has come: that one is tried again
            # alone, is done then, and the liar is blamed in its own batch of one.
            continue
        assert blamed == f"{fault}-{place}"
        before = names[: names.index(blamed)]
        if kind.reason not in FATAL:
            assert fate == {Status.DONE}
        again = [name for name in names if found[name].status is Status.PENDING]
        assert not set(again) & set(before) or kind.reason in FATAL
        if again:
            done = outcomes(pool, desk.grant(*again))
            assert {each.status for each in done} == {Status.DONE}


@pytest.mark.parametrize("fault", ["segv", "exit0", "kill9", "frame_garbage"])
def test_of_a_batch_only_the_one_in_hand_is_blamed(desk, fault):
    """W24 and its like: the others, before it and after it, come back untouched."""
    found = outcomes(desk.pool(), desk.grant("a", "b", f"{fault}-1", *(["c", "d"])))
    reason = Reason.EXIT if fault == "exit0" else Reason.CRASH
    blamed = [name_of(each.task) for each in found if each.reason is reason]
    assert len(blamed) == 1
    assert fault == "frame_garbage" or blamed == [f"{fault}-1"]
    assert [each.status for each in found].count(Status.PENDING) == 4


def test_what_was_answered_before_a_crash_is_kept(desk):
    """Replies of a batch are sent at 1 MB: those two are done when the third one crashes."""
    long = "x" * 700_000
    body = (
        "def process(path):\n    if path.name == 'bad': os.abort()\n    return path.read_text()\n"
    )
    pool = desk.pool(desk.processor(body))
    found = outcomes(pool, desk.grant(f"a:{long}", f"b:{long}", "bad", "c"))
    assert ends(found) == {
        "a": DONE,
        "b": DONE,
        "bad": (Status.FAILED, Reason.CRASH),
        "c": UNTOUCHED,
    }
    assert len(record_of(found[1])["text"]) == 700_000


def test_a_timeout_in_a_batch_is_the_one_of_the_document_in_hand(desk):
    """Each document of a batch has its own time, from when it was taken."""
    found = outcomes(desk.pool(), desk.grant("a", "sleep-1", "b", seconds=0.5))
    assert ends(found) == {
        "a": UNTOUCHED,
        "sleep-1": (Status.FAILED, Reason.TIMEOUT),
        "b": UNTOUCHED,
    }
    assert 0.5 <= found[1].seconds < 10


def test_a_document_that_stalls_in_a_batch_is_cut_before_its_time(desk):
    """W03, W06: it gave heartbeats and then none; one that gives none at all has its time."""
    pool = desk.pool(stall=0.5)
    found = outcomes(pool, desk.grant("sleep-1:1", "stall-1", "b", seconds=60.0))
    assert ends(found) == {
        "sleep-1": UNTOUCHED,
        "stall-1": (Status.FAILED, Reason.STALLED),
        "b": UNTOUCHED,
    }
    assert 0.5 <= found[1].seconds < 10
    assert found[1].message.endswith(", the last at page 3")


def test_the_page_that_was_reached_is_kept(desk):
    """A failure says at which page the processor last was, and what it printed."""
    body = (
        "def process(document: 'Document'):\n"
        "    document.heartbeat(7)\n"
        "    print('torn page')\n"
        "    raise ValueError('no')\n"
    )
    [outcome] = outcomes(desk.pool(desk.processor(body)), desk.grant("letter"))
    assert outcome.message == "ValueError: no"
    assert "at page 7" in outcome.detail
    assert outcome.detail.endswith("printed:\ntorn page")


def test_what_was_printed_before_is_nobody_elses(desk):
    """The output of one document is not kept with the next one's failure."""
    body = "def process(path):\n    print(path.name)\n    raise ValueError\n"
    pool = desk.pool(desk.processor(body))
    details = [outcomes(pool, desk.grant(name))[0].detail for name in ("one", "two")]
    assert details[0].endswith("printed:\none")
    assert details[1].endswith("printed:\ntwo")


# ── watch ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("fault", ["memory", "shm"])
def test_over_its_memory_a_worker_is_killed(desk, fault):
    """M01: the outcome has the peak and the limit, and the pool goes on with another worker."""
    pool = desk.pool(memory=100_000_000)
    [outcome] = outcomes(pool, desk.grant(f"{fault}-1", memory=50_000_000))
    assert (outcome.status, outcome.reason) == (Status.FAILED, Reason.MEMORY)
    assert outcome.message.endswith("limit 100 MB")
    assert outcome.peak > 100_000_000
    assert pool.budget.peak >= outcome.peak
    assert ends(outcomes(pool, desk.grant("letter"))) == {"letter": DONE}


def test_memory_of_what_a_processor_starts_counts(desk):
    """M01: the whole tree of processes is watched, not the worker alone."""
    child = "x = b'1' * 200_000_000; import time; time.sleep(60)"
    body = f"def process(path): subprocess.run([sys.executable, '-c', {child!r}])\n"
    pool = desk.pool(desk.processor(body), memory=100_000_000)
    [outcome] = outcomes(pool, desk.grant("letter", memory=100_000_000))
    assert outcome.reason is Reason.MEMORY


def test_an_engine_that_stood_still_times_nobody_out(desk):
    """E08: what a suspended laptop slept through is not charged to the documents in hand."""
    pool = desk.pool()
    give(pool, desk.grant("sleep-1:3", seconds=2.0))
    turns(pool, lambda _: list(pool.in_hand()))
    time.sleep(2.5)  # the fault itself
    assert ends(turns(pool, lambda found: found)) == {"sleep-1": DONE}


def test_an_engine_that_stood_still_stalls_nobody(desk):
    """E08: nor are the heartbeats missed that could not be given meanwhile."""
    pool = desk.pool(
        desk.processor(
            "def process(document: 'Document'):\n    document.heartbeat(1)\n    time.sleep(3)\n"
        ),
        stall=2.0,
    )
    give(pool, desk.grant("letter"))
    turns(pool, lambda _: any(busy.page == 1 for busy in pool.in_hand()))
    time.sleep(2.5)  # the fault itself
    assert ends(turns(pool, lambda found: found)) == {"letter": DONE}


def test_an_idle_worker_that_dies_is_replaced(desk):
    """W16: a death with nothing in hand makes no outcome."""
    pool = desk.pool()
    outcomes(pool, desk.grant("letter"))
    victims = oracle.workers(os.getpid())
    for pid in victims:
        os.kill(pid, signal.SIGKILL)
    assert turns(pool, lambda _: not pool.crew.has_room()) == []  # it has noticed
    [outcome] = outcomes(pool, desk.grant("leak:0"))
    assert record_of(outcome)["pid"] not in victims


def test_a_worker_that_dies_before_it_takes_a_document_blames_nobody(desk):
    """W16: given to a worker that is dead already, a document comes back untouched."""
    pool = desk.pool(spares=0)
    pool.start()
    (pid,) = oracle.workers(os.getpid())
    os.kill(pid, signal.SIGKILL)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    assert pool.give(grant := desk.grant("letter"))
    assert ends(turns(pool, lambda found: found)) == {"letter": UNTOUCHED}
    assert ends(outcomes(pool, grant)) == {"letter": DONE}


def test_a_worker_that_leaks_is_let_go_after_its_document(desk):
    """W26: one that holds far more than after its first document is replaced between two."""
    pool = desk.pool()
    pids = [record_of(outcomes(pool, desk.grant(f"leak:{mb}"))[0])["pid"] for mb in (1, 200, 1)]
    assert pids[0] == pids[1] != pids[2]
    oracle.wait_for(lambda: pool.outcomes(0.01) or pids[0] not in oracle.workers(os.getpid()))


def test_stacks_of_busy_workers_can_be_seen(desk):
    """SIGQUIT: each busy worker prints where it is, and goes on."""
    pool = desk.pool()
    give(pool, desk.grant("sleep-1"))
    turns(pool, lambda _: list(pool.in_hand()))
    pool.dump_stacks()
    turns(pool, lambda _: any("in sleep" in text for _, text in pool.printed()))
    assert pool.crew.busy == 1


# ── end ──────────────────────────────────────────────────────────────────────────────────────


def test_what_is_killed_on_request_comes_back_untouched(desk):
    """kill_busy blames nobody; the same documents can be given again."""
    pool = desk.pool(size=2)
    for name in ("sleep-1", "spin-1"):
        give(pool, desk.grant(name))
    pool.kill_busy()
    found = turns(pool, lambda found: len(found) == 2)
    assert ends(found) == {"sleep-1": UNTOUCHED, "spin-1": UNTOUCHED}
    assert ends(outcomes(pool, desk.grant("letter"))) == {"letter": DONE}


def test_close_ends_busy_workers_at_once(desk):
    """However busy, stopped or deaf to SIGTERM they are; closing again does nothing."""
    pool = desk.pool(size=3)
    for name in ("spin_gil-1", "stop-1", "ignore_sigterm-1"):
        give(pool, desk.grant(name))
    turns(pool, lambda _: len(list(pool.in_hand())) == 3)
    started = time.monotonic()
    pool.close()
    assert time.monotonic() - started < 15
    assert oracle.workers(os.getpid()) == set()
    pool.close()


@pytest.mark.parametrize("ending", ["returns", "os.abort()"])
def test_what_a_processor_started_ends_with_its_worker(desk, ending):
    """W21: a grandchild in a session of its own is gone when its worker has died or was closed."""
    body = (
        "def process(path):\n"
        "    child = subprocess.Popen(['sleep', '1000'], start_new_session=True)\n"
        "    while not open(f'/proc/{child.pid}/environ', 'rb').read(): pass\n"
        f"    {'return {}' if ending == 'returns' else ending}\n"
    )
    pool = desk.pool(desk.processor(body))
    outcomes(pool, desk.grant("letter"))
    if ending == "returns":
        assert "sleep" in str(oracle.leftovers())
    else:
        oracle.wait_for(lambda: "sleep" not in str(oracle.leftovers()), seconds=1)
    pool.close()
    assert oracle.leftovers() == []
