"""The window on the queue: everything that is ready, once, in walk order."""

import contextlib
import dataclasses
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from docherd import window as window_module
from docherd.exceptions import DamageError
from docherd.ledger import Ledger
from docherd.model import Found, Reason, Root, Task
from docherd.rows import Carried, Discovered
from docherd.window import Window

ROOTS = [Root(b"docs", b"/in/docs"), Root(b"", b"/")]


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """A ledger of 1,200 Documents."""
    path = tmp_path_factory.mktemp("window") / "ledger.db"
    ledger = Ledger(path, create=True)
    batch = [Found(0, b"%04d.txt" % n, n, 1, 1) for n in range(1198)]
    ledger.discover([*batch, Found(0, b"sub/\xff.pdf", 5, 1, 1), Found(1, b"home/a", 0, 1, 1)])
    ledger.close()
    return path


@pytest.fixture(params=[20_000, 0], ids=["near", "far"])
def window(file, monkeypatch, request):
    """A window on it, which passes on as they were found: all, or none."""
    monkeypatch.setattr(window_module, "NEAR", request.param)
    with contextlib.closing(Window(file, ROOTS)) as one:
        yield one


def entry(document):
    """Its file, and its stratum, as the ledger has them."""
    if document == 1200:
        return Found(1, b"home/a", 0, 1, 1), "/0"
    if document == 1199:
        return Found(0, b"sub/\xff.pdf", 5, 1, 1), "pdf/3"
    return Found(0, b"%04d.txt" % (document - 1), document - 1, 1, 1), "txt/1"


def ready(*documents, **carried):
    files, strata = zip(*map(entry, documents), strict=True) if documents else ((), ())
    return Discovered(list(documents), carried.get("carried", {}), list(strata), list(files))


def test_a_task_comes_back_whole(window):
    """Root, name, size and stratum; bytes that are no text stay as they are."""
    window.add(ready(1199, 1200))
    assert window.take(5) == [
        Task(1199, ROOTS[0], b"sub/\xff.pdf", 5, "pdf/3"),
        Task(1200, ROOTS[1], b"home/a", 0, "/0"),
    ]


def test_what_happened_before_travels_along_once(window):
    """An earlier attempt is carried into the task."""
    carried = {3: Carried(9, attempt=1, reason=Reason.MEMORY, interruptions=2)}
    window.add(ready(2, 3, carried=carried))
    two, three = window.take(2)
    assert (two.attempt, two.previous_reason, two.interruptions) == (0, None, 0)
    assert (three.attempt, three.previous_reason, three.interruptions) == (1, Reason.MEMORY, 2)


def test_what_happened_before_travels_along_to_who_asks_for_a_stratum(window):
    """Or a Document that takes its worker along would be tried for ever, start after start."""
    carried = {3: Carried(9, attempt=1, reason=Reason.MEMORY, interruptions=2)}
    window.add(ready(2, 3, carried=carried))
    (three,) = window.take_of("txt/2", 1)
    assert (three.attempt, three.previous_reason, three.interruptions) == (1, Reason.MEMORY, 2)
    assert [task.document for task in window.take(5)] == [2]


@contextlib.contextmanager
def restored(near):
    try:
        yield
    finally:
        window_module.NEAR = near


@settings(derandomize=True, deadline=None, max_examples=60)
@given(
    st.lists(st.tuples(st.sets(st.integers(1, 1200), max_size=40), st.integers(1, 60)), max_size=8),
    st.sampled_from([0, 30, 20_000]),
)
def test_everything_ready_is_taken_once(file, steps, near):
    """However finding and taking alternate, also behind the cursor; none is lost or repeated."""
    waiting = set()
    window_module.NEAR, before = near, window_module.NEAR
    with contextlib.closing(Window(file, ROOTS)) as window, restored(before):
        for found, most in steps:
            new = found - waiting
            window.add(ready(*sorted(new)))
            waiting |= new
            taken = {task.document for task in window.take(most)}
            assert len(taken) == min(most, len(waiting))
            assert taken <= waiting
            waiting -= taken
            assert window.waiting == len(waiting)
        assert {task.document for task in window.take(500)} == waiting
        assert window.take(1) == []


def test_tasks_come_in_walk_order(window):
    """Files of one folder are read one after the other."""
    window.add(ready(*range(1, 1201)))
    taken = [task.document for _ in range(5) for task in window.take(300)]
    assert taken == list(range(1, 1201))


# ── of one stratum ───────────────────────────────────────────────────────────────────────────


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    """A ledger of 300 Documents of three strata; its path, and what `discover` said."""
    path = tmp_path_factory.mktemp("mixed") / "ledger.db"
    ledger = Ledger(path, create=True)
    files = [Found(0, b"%03d.%s" % (n, KINDS[n * n % 7 % 3]), 700, 1, 1) for n in range(300)]
    found = ledger.discover(files)
    ledger.close()
    return path, found


KINDS = (b"txt", b"pdf", b"eml")
STRATA = ("txt/10", "pdf/10", "eml/10")


def some_of(found, documents):
    """The part of a discovery that is about these."""
    kept = sorted(documents)
    at = [found.ready.index(document) for document in kept]
    return Discovered(kept, {}, [found.strata[n] for n in at], [found.found[n] for n in at])


STEPS = st.one_of(
    st.tuples(st.just("add"), st.sets(st.integers(1, 300), max_size=80)),
    st.tuples(st.just("take"), st.integers(1, 50)),
    st.tuples(st.sampled_from(STRATA), st.integers(1, 50)),
    st.tuples(st.sampled_from(STRATA), st.just(0)),
)


@settings(derandomize=True, deadline=None, max_examples=150)
@given(st.lists(STEPS, max_size=20), st.sampled_from([0, 60, 20_000]))
def test_a_stratum_gives_all_of_its_own_once(mixed, steps, near):
    """However takes of strata, of the walk, and additions mix: exact, nothing lost or repeated."""
    path, found = mixed
    strata = dict(zip(found.ready, found.strata, strict=True))
    waiting, met = set(), set()
    window_module.NEAR, before = near, window_module.NEAR
    with contextlib.closing(Window(path, ROOTS)) as window, restored(before):
        for what, how in steps:
            if what == "add":
                window.add(some_of(found, how - met))
                waiting |= how - met
                met |= how
                continue
            of = {d for d in waiting if what in ("take", strata[d])}
            if what == "take":
                tasks = window.take(how)
            else:
                tasks = window.take_of(what, how or 1, anywhere=not how)
            taken = [task.document for task in tasks]
            assert len(taken) == len(set(taken)) == min(how or 1, len(of))
            assert set(taken) <= of
            assert all(task.stratum == strata[task.document] for task in tasks)
            waiting -= set(taken)
            assert window.waiting == len(waiting)
            left = Counter(strata[document] for document in waiting)
            assert all(window.strata[each] == left[each] for each in STRATA)
        assert {task.document for task in window.take(500)} == waiting


def test_a_stratum_comes_in_walk_order(window):
    """Documents that travel together lie beside each other on the disk."""
    window.add(ready(*range(1, 1201)))
    taken = [task.document for _ in range(3) for task in window.take_of("txt/10", 200)]
    assert taken == list(range(513, 1025)[: len(taken)])


def test_a_sample_lies_all_over_its_stratum(window):
    """Neighbours are alike: of 64 taken anywhere, some are from each eighth of the walk."""
    window.add(ready(*range(1, 1201)))
    tasks = [task for _ in range(64) for task in window.take_of("txt/10", 1, anywhere=True)]
    documents = {task.document for task in tasks}
    assert len(documents) == 64
    assert {(document - 513) // 64 for document in documents} == set(range(8))


def test_what_is_tried_again_says_so_in_its_stratum_too(window):
    """A Document that needs the whole memory must not look like a new one to whom samples."""
    carried = {600: Carried(9, attempt=1, reason=Reason.MEMORY, interruptions=2)}
    window.add(ready(599, 600, carried=carried))
    tasks = {task.document: task for task in window.take_of("txt/10", 5)}
    assert (tasks[599].attempt, tasks[599].previous_reason) == (0, None)
    assert (tasks[600].attempt, tasks[600].previous_reason) == (1, Reason.MEMORY)
    assert tasks[600].interruptions == 2


@pytest.mark.parametrize("near", [0, 20_000])
def test_a_refined_document_comes_back_as_what_it_is_now(tmp_path, monkeypatch, near):
    """Taken by its stratum, probed, added again: it is of the new one, also for the walk."""
    monkeypatch.setattr(window_module, "NEAR", near)
    ledger = Ledger(tmp_path / "ledger.db", create=True)
    files = [Found(0, b"%d.pdf" % n, 1 << 20, 1, 1) for n in range(6)]
    with contextlib.closing(ledger), contextlib.closing(Window(ledger.path, ROOTS)) as window:
        window.add(ledger.discover(files))
        assert [task.document for task in window.take_of("pdf/21", 2)] == [1, 2]
        window.add(ledger.refine({1: "pdf/21/4", 2: "pdf/21/0"}))
        assert +window.strata == {"pdf/21": 4, "pdf/21/4": 1, "pdf/21/0": 1}
        assert [task.document for task in window.take_of("pdf/21/4", 9)] == [1]
        left = {task.document: task.stratum for task in window.take(9)}
        assert left == {2: "pdf/21/0"} | dict.fromkeys(range(3, 7), "pdf/21")
        assert not +window.strata and not window.waiting


def test_a_changed_document_behind_the_cursor_is_found(window):
    """What the walk meets late lies before what was given already."""
    window.add(ready(*range(600, 700)))
    assert len(window.take_of("txt/10", 50)) == 50
    window.add(ready(*range(520, 530)))
    taken = {task.document for task in window.take_of("txt/10", 60)}
    assert taken == {*range(520, 530), *range(650, 700)}
    assert window.take_of("txt/10", 1) == window.take(1) == []


def test_a_stratum_that_the_ledger_does_not_know_is_given_up(window):
    """Nobody asks for it again, and the walk still gives its Documents."""
    window.add(dataclasses.replace(ready(600), strata=["odd/1"]))
    assert window.take_of("odd/1", 1) == []
    assert not window.strata["odd/1"]
    assert [task.document for task in window.take(5)] == [600]


def test_a_file_that_is_no_ledger_is_damage(tmp_path):
    """A window never makes a file, and says what is wrong."""
    with pytest.raises(DamageError):
        Window(tmp_path / "nowhere.db", ROOTS)
    assert list(tmp_path.iterdir()) == []
