"""Who has the same content as whom: against a naive reading of the same ledger."""

import tempfile
from collections import defaultdict
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from docherd.bits import Bits
from docherd.contents import Groups, grouped
from docherd.ledger import Ledger
from docherd.model import Found, Outcome, Reason, Root, Status, Task
from docherd.rows import COPY_OF, Note, Placed
from docherd.sizes import PLACES, Sizes

ROOT = Root(b"in", b"/in")
fixed = settings(derandomize=True, deadline=None)

#: (size, content, what became of it): content stands for a digest, 0 for one that was never read
FILES = st.lists(
    st.tuples(
        st.integers(0, 3),
        st.integers(0, 3),
        st.sampled_from(["pending", "done", "failed", "copy", "copy of another", "gone"]),
    ),
    max_size=12,
)


def ledger_of(folder, files):
    """A ledger with these files, in this order, one a letter."""
    ledger = Ledger(Path(folder, "ledger.db"), create=True)
    ledger._db.execute("pragma synchronous = off")
    names = [b"%c" % (97 + n) for n in range(len(files))]
    ledger.discover(
        [Found(0, name, size, 1, 1) for name, (size, *_) in zip(names, files, strict=True)]
    )
    ledger.compared({n: b"%d" % each[1] for n, each in enumerate(files, 1) if each[1]}, [])
    placed = []
    for n, (size, _, became) in enumerate(files, 1):
        task = Task(n, ROOT, names[n - 1], size, "")
        copy = task._replace(attempt=-1)
        first = first_of(files, n)
        match became:
            case "done":
                placed.append(Placed(Outcome(task, Status.DONE)))
            case "failed":  # a worker may say what it likes
                outcome = Outcome(task, Status.FAILED, Reason.ERROR, message=f"{COPY_OF}in/a")
                placed.append(Placed(outcome))
            case "gone":
                placed.append(Placed(Outcome(task, Status.GONE)))
            case "copy":
                says = f"{COPY_OF}in/{chr(96 + first)}"
                placed.append(Placed(Outcome(copy, Status.DONE, message=says)))
            case "copy of another":
                says = f"{COPY_OF}in/{chr(96 + first)}: why"
                failed = Outcome(copy, Status.FAILED, Reason.ERROR, message=f"{says}")
                placed.append(Placed(failed))
    ledger.commit(placed, None, Note())
    return ledger


def first_of(files, n):
    """The first with the content of the n-th that is there; itself where that is unread."""
    size, content, _ = files[n - 1]
    if not (size and content):
        return n
    return next(
        m
        for m, (s, c, became) in enumerate(files, 1)
        if (s, c) == (size, content) and (became != "gone" or m == n)
    )


def verdicts_of(folder):
    groups = Groups(Path(folder), [ROOT], 1 << 40, lambda: None)
    found = {v.document: v for size in groups.sizes() for v in groups.verdicts(size)}
    return found, list(groups.pairs())


@fixed
@given(FILES)
def test_any_ledger_is_judged_as_by_hand(files):
    """Originals are the first that are there; a copy is outdated where its original is not final,
    is itself, or was finished later; nothing else is.
    """
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "pending").mkdir()
        ledger_of(folder, files).close()
        found, pairs = verdicts_of(folder)
    by_size = defaultdict(int)
    for size, *_ in files:
        by_size[size] += 1
    waiting = []
    for n, (size, _, became) in enumerate(files, 1):
        copy = became.startswith("copy")
        if not size or became == "gone" or (by_size[size] == 1 and not copy):
            assert n not in found
            continue
        first = first_of(files, n)
        outdated = copy and (first == n or files[first - 1][2] == "pending")
        verdict = found[n]
        assert (verdict.original, verdict.outdated) == (first, outdated)
        assert verdict.pending == (became == "pending")
        if first != n and (verdict.pending or outdated):
            waiting.append((first, n))
    assert pairs == sorted(waiting)


def test_a_copy_is_outdated_once_its_original_has_been_made_again(tmp_path):
    """Or where it names another one; a message of a worker's is no copy's."""
    (tmp_path / "pending").mkdir()
    files = [(1, 1, "done"), (1, 1, "copy"), (1, 1, "failed")]
    ledger = ledger_of(tmp_path, files)
    assert not any(each.outdated for each in verdicts_of(tmp_path)[0].values())
    again = Outcome(Task(1, ROOT, b"a", 1, "", attempt=1), Status.DONE)
    ledger.commit([Placed(again)], None, Note())
    found, pairs = verdicts_of(tmp_path)
    assert [found[n].outdated for n in (1, 2, 3)] == [False, True, False]
    other = Outcome(Task(2, ROOT, b"b", 1, "", attempt=-1), Status.DONE, message=f"{COPY_OF}in/ab")
    ledger.commit([Placed(other)], None, Note())
    assert verdicts_of(tmp_path)[0][2].outdated
    assert pairs == [(1, 2)]
    ledger.close()


def test_heads_decide_what_is_read_whole(tmp_path):
    """Of files that begin differently only the beginning is read; what is known is not read."""
    (tmp_path / "pending").mkdir()
    ledger_of(tmp_path, [(9, 0, "pending"), (9, 0, "pending"), (9, 0, "pending"), (9, 3, "done")])
    groups = Groups(tmp_path, [ROOT], 1 << 40, lambda: None)
    assert groups.unread(9)
    read = []

    def digest(each):
        read.append(each.path)
        return b"3"

    groups.put_heads(9, lambda each: {b"a": b"x", b"b": None}.get(each.path, b"y"))
    groups.put_digests(9, digest, by_head=True)
    assert read == [b"c"]
    assert {v.document: v.original for v in groups.verdicts(9)} == {1: 1, 2: 2, 3: 3, 4: 3}


def test_what_is_too_large_is_left_out(tmp_path):
    """Above --max-input nobody reads."""
    (tmp_path / "pending").mkdir()
    ledger_of(tmp_path, [(9, 1, "pending"), (9, 1, "pending")])
    assert list(Groups(tmp_path, [ROOT], 8, lambda: None).sizes()) == []


@fixed
@given(st.lists(st.integers(0, 9)), st.integers(1, 4))
def test_pairs_travel_in_groups(numbers, most):
    """All of them, in order, none more than so many together."""
    pairs = [(n, n) for n in numbers]
    groups = list(grouped(pairs, most))
    assert [pair for group in groups for pair in group] == pairs
    assert all(0 < len(group) <= most for group in groups)


@fixed
@given(st.lists(st.tuples(st.booleans(), st.integers(0, 70))))
def test_bits_are_a_set(steps):
    """Added, removed, asked for and gone through in order."""
    bits, model = Bits(), set()
    for add, document in steps:
        bits.add(document) if add else bits.discard(document)
        model.add(document) if add else model.discard(document)
    assert list(bits) == sorted(model)
    assert all((document in bits) == (document in model) for document in range(80))


@pytest.mark.parametrize("size", [1, 4096, PLACES - 1, PLACES + 7, 1 << 40])
def test_a_size_is_shared_from_the_second_on(size):
    """Nothing else is, but for what has the same place; an empty file shares nothing."""
    sizes = Sizes()
    sizes.add(size)
    assert not sizes.shared(size)
    sizes.add(size)
    assert sizes.shared(size)
    assert not sizes.shared(size + 1)
    for _ in range(2):
        sizes.add(0)
    assert not sizes.shared(0)
