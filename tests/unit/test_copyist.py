"""Copies made from Records that are read back in other forms, and what they may not be made of."""

import json
import os

import pytest

from docherd import copyist as module
from docherd.copyist import Copyist
from docherd.exceptions import DamageError
from docherd.identity import About
from docherd.ledger import Ledger
from docherd.model import Found, Outcome, Reason, Root, Spooled, Status, Task
from docherd.rows import Note, Placed


@pytest.fixture
def made(tmp_path):
    """Makes a run folder with one original, in whatever state, and `copies` copies of its file."""
    ledgers = []

    def make(outcome, copies=3, format="jsonl"):
        about = About((), None, False, "own", "1", True, {"format": format}, {})
        (tmp_path / "run.json").write_text(json.dumps(about.as_json()))
        root = Root(b"in", os.fsencode(tmp_path / "in"))
        (tmp_path / "in").mkdir()
        (tmp_path / "pending").mkdir()
        names = [b"%d" % n for n in range(copies + 1)]
        found = []
        for name in names:
            path = tmp_path / "in" / name.decode()
            path.write_text("twins")
            entry = path.stat()
            found.append(Found(0, name, entry.st_size, entry.st_mtime_ns, entry.st_ino))
        ledger = Ledger(tmp_path / "ledger.db", create=True)
        ledgers.append(ledger)
        ledger.discover(found)
        outcome = outcome._replace(task=Task(1, root, b"0", 5, ""))
        ledger.commit([Placed(outcome, 1 if outcome.length else None)], None, Note())
        pairs = [(1, n) for n in range(2, copies + 2)]
        return Copyist(tmp_path, ledger, [root]), pairs

    yield make
    for ledger in ledgers:
        ledger.close()


NOBODY = Task(0, Root(b"", b"/"), b"", 0, "")
DONE = Outcome(NOBODY, Status.DONE, records=2, length=99, crc=1)


def lines(document="0", count=2, size=1):
    """As a sink makes them of what it has."""
    task = Task(1, Root(b"in", b"/"), document.encode(), 5, "")
    return [
        json.dumps({"document": task.id, "path": task.path, "ordinal": n, "x": "y" * size}).encode()
        + b"\n"
        for n in range(count)
    ]


def texts(outcomes):
    """What the lines of outcomes say, in memory or in a spool."""
    for outcome in outcomes:
        raw = outcome.lines
        if isinstance(raw, Spooled):
            raw = os.pread(raw.spool.fd, outcome.length, raw.offset)
        yield [json.loads(line) for line in raw.splitlines()]


@pytest.mark.parametrize("size", [1, 100_000])
def test_records_of_another_format_are_taken_where_all_are_there(made, monkeypatch, size):
    """Lines that were made again need not be the same bytes; large ones go through the spool."""
    again = lines(size=size)
    monkeypatch.setattr(module.records, "lines_at", lambda *_: iter(again))
    copyist, pairs = made(DONE._replace(length=2 * size), format="parquet")
    copied = copyist.copy(pairs)
    assert (copied.pairs, copied.alone, len(copied.outcomes)) == (3, [], 3)
    for n, records in enumerate(texts(copied.outcomes), 1):
        assert [(r["path"], r["ordinal"]) for r in records] == [(f"in/{n}", 0), (f"in/{n}", 1)]
        assert {r["duplicate_of"] for r in records} == {json.loads(again[0])["document"]}
        assert {len(r["x"]) for r in records} == {size}
    assert [o.task.document for o in copied.outcomes] == [2, 3, 4]
    assert all(o.records == 2 and o.message == "copy of in/0" for o in copied.outcomes)


@pytest.mark.parametrize("again", [lines(count=1), lines(document="other"), []])
@pytest.mark.parametrize(("length", "format"), [(99, "files"), (100_000, "parquet"), (99, "jsonl")])
def test_what_cannot_be_read_back_is_damage(made, monkeypatch, again, length, format):
    """Some are missing, or are another's: nothing is made up."""
    monkeypatch.setattr(module.records, "lines_at", lambda *_: iter(again))
    copyist, pairs = made(DONE._replace(length=length), format=format)
    with pytest.raises(DamageError, match="in/0 are not what was written"):
        copyist.copy(pairs)


def test_json_lines_must_be_what_was_written(made, monkeypatch):
    """Their very bytes."""
    monkeypatch.setattr(module.records, "lines_at", lambda *_: iter(lines()))
    copyist, pairs = made(DONE)
    with pytest.raises(DamageError, match="in/0 are not what was written"):
        copyist.copy(pairs)


def test_a_call_ends_after_so_many_bytes(made, monkeypatch):
    """The rest is for the next one, so that what waits to be committed stays small."""
    monkeypatch.setattr(module, "AT_ONCE", 1)
    monkeypatch.setattr(module.records, "lines_at", lambda *_: iter(lines()))
    copyist, pairs = made(DONE, format="files")
    copied = copyist.copy(pairs)
    assert (copied.pairs, len(copied.outcomes)) == (1, 1)
    assert len(copyist.copy(pairs[1:]).outcomes) == 1


@pytest.mark.parametrize(
    ("outcome", "alone"),
    [
        (Outcome(NOBODY, Status.FAILED, Reason.CRASH, message="why"), False),
        (Outcome(NOBODY, Status.SKIPPED, Reason.UNSUPPORTED), False),
        (Outcome(NOBODY, Status.FAILED, Reason.INPUT_UNREADABLE, message="why"), True),
        (Outcome(NOBODY, Status.SKIPPED, Reason.SYMLINK), True),
        (Outcome(NOBODY, Status.GONE), True),
    ],
)
def test_a_fate_is_shared_unless_it_is_the_files_own(made, outcome, alone):
    """A crash is the content's; that a file cannot be read is not."""
    copyist, pairs = made(outcome, copies=1)
    copied = copyist.copy(pairs)
    assert copied.alone == ([2] if alone else [])
    for made_of in copied.outcomes:
        assert (made_of.status, made_of.reason) == (outcome.status, outcome.reason)
        why = ": why" if outcome.message else ""
        assert made_of.message == f"copy of in/0{why}"
        assert made_of.task.attempt == -1


def test_of_what_is_pending_nothing_is_made(made):
    """Its copies stay pending, too."""
    copyist, pairs = made(Outcome(NOBODY, Status.PENDING, Reason.MEMORY))
    assert copyist.copy(pairs) == ([], [], 3)
