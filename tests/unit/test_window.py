"""The window on the queue: everything that is ready, once, in walk order."""

import contextlib

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


def test_a_file_that_is_no_ledger_is_damage(tmp_path):
    """A window never makes a file, and says what is wrong."""
    with pytest.raises(DamageError):
        Window(tmp_path / "nowhere.db", ROOTS)
    assert list(tmp_path.iterdir()) == []
