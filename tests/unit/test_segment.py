"""The commit path against a model of what must be readable, cut at every step it takes."""

import contextlib
import json
import os
import random
import shutil
import sqlite3
import tempfile
import threading
import zlib
from collections import Counter
from pathlib import Path
from unittest import mock

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from docherd import converter, host, records, segment
from docherd.committer import Committer
from docherd.conversion import Asked, GivenUp
from docherd.exceptions import DamageError, EnvironmentFault
from docherd.folder import Folder
from docherd.identity import About
from docherd.ledger import Ledger
from docherd.model import Found, Outcome, Reason, Root, Spool, Spooled, Status, Task, document_id
from docherd.rows import Note
from docherd.segment import Segment
from docherd.sinks import files, jsonl, parquet
from docherd.sinks.formats import sink_of

FORMATS = ("jsonl", "parquet", "files")
NOTHING = Note()


ROOT = Root(b"in", b"/in")


@pytest.fixture(scope="module", autouse=True)
def no_waiting_for_the_disk():
    """A sync is a step that can be cut; what it does only a power cut would show."""
    with mock.patch.multiple(os, fsync=lambda fd: None, fdatasync=lambda fd: None):
        yield


class Here:
    """A conversion in this process, so that it can be cut, too."""

    #: what it does before it has made anything; tests change it
    before = staticmethod(lambda: None)

    def __init__(self, task, asked):
        self.task, self.asked = task, Asked.from_json(json.loads(json.dumps(asked.as_json())))
        self.done = False

    def wait(self, hurry):
        if hurry():
            raise GivenUp
        Here.before()
        return json.loads(json.dumps(converter.task(self.task)(self.asked)))

    def close(self):
        pass


@pytest.fixture(scope="module", autouse=True)
def conversions_here():
    """Starting a process for each would take most of the time."""
    with (
        mock.patch.object(files, "Conversion", Here),
        mock.patch.object(parquet, "Conversion", Here),
    ):
        yield


class Cut(BaseException):
    """The process was killed here."""


class Knife:
    """Cuts at the n-th step: before a system call or commit, halfway through it, or after it."""

    CALLS = (
        *((os, name) for name in ("open", "fsync", "fdatasync", "ftruncate", "copy_file_range")),
        *((os, name) for name in ("rename", "unlink", "mkdir", "rmdir")),
        *((Path, "rename"), (Path, "unlink"), (shutil, "rmtree")),
        *((Ledger, name) for name in ("commit", "write_part", "publish", "take_out", "forget")),
    )

    def __init__(self, at):
        self.left = at
        self.patches = contextlib.ExitStack()

    def __enter__(self):
        for owner, name in self.CALLS:
            self.patch(owner, name, self.around(getattr(owner, name)))
        self.patch(os, "pwrite", self.halving(os.pwrite))

    def patch(self, owner, name, replacement):
        self.patches.enter_context(mock.patch.object(owner, name, replacement))

    def __exit__(self, *_):
        self.patches.close()

    def step(self):
        self.left -= 1
        if self.left < 0:
            raise Cut

    def around(self, call):
        def cut(*arguments, **named):
            self.step()
            result = call(*arguments, **named)
            try:
                self.step()
            except Cut:
                if call is OPEN:
                    os.close(result)
                raise
            return result

        return cut

    def halving(self, call):
        def cut(fd, data, offset):
            try:
                self.step()
            except Cut:
                call(fd, bytes(data)[: len(data) // 2], offset)
                raise
            written = call(fd, data, offset)
            self.step()
            return written

        return cut


OPEN = os.open


class Life:
    """A run folder and what readers must see, through commits, seals, changes and deaths."""

    def __init__(self, out, rng, format="jsonl"):
        self.out, self.rng, self.format = out, rng, format
        for name in ("pending", "data"):
            (out / name).mkdir(parents=True)
        #: by document: version on the disk, None where there is no file
        self.disk = dict.fromkeys(range(1, 7), 0)
        #: by document: the lines that count; and all that ever did
        self.lines, self.ever = {}, set()
        self.serial = 0
        about = About((ROOT,), None, False, "extract", "1", True, {"format": format}, {})
        Folder(out).write_about(about)
        self.begin(create=True)

    # ── a start ──────────────────────────────────────────────────────────────────────────────

    def begin(self, *, create=False):
        """A start as far as these rooms go: open, check, begin, recover."""
        self.ledger = Ledger(self.out / "ledger.db", create=create)
        sink = sink_of(self.format, self.out, self.ledger)
        self.segment = Segment(self.out, self.ledger, sink)
        self.ledger._db.execute("pragma synchronous = off")
        self.segment.check()
        self.ledger.begin(1, 1, [], 0)
        self.segment.recover()

    def walk(self, *, prune):
        """Find what is there now, and what is not."""
        batch = [
            Found(0, b"%d" % n, 1, v, 1) for n, v in sorted(self.disk.items()) if v is not None
        ]
        self.ready = self.ledger.discover(batch).ready
        prune = prune and bool(batch)  # an input that is suddenly empty is not pruned
        self.ledger.vanished(prune)
        if prune:
            for n, version in self.disk.items():
                if version is None:
                    self.lines.pop(n, None)

    def die(self):
        """What a SIGKILL leaves: files as they are, and no one who holds them."""
        if self.segment._fd >= 0:
            os.close(self.segment._fd)
            self.segment._fd = -1
        self.ledger._db.close()

    def litter(self):
        """What an engine that died may have left besides."""
        pending = self.out / "pending"
        for name in ("part-000077.jsonl", "part-000001.jsonl.g99", "slot-1-0", "spool"):
            if self.rng.random() < 0.3:
                (pending / name).write_bytes(b'{"document":1,"torn')
        for part in self.ledger.parts():
            file = pending / jsonl.part_name(part.number)
            if not part.sealed and file.exists() and self.rng.random() < 0.5:
                with file.open("ab") as tail:
                    tail.write(b'{"document":1,"torn":')

    def start(self):
        """Die, files change, start again."""
        self.litter()
        self.die()
        for n in self.disk:
            self.disk[n] = self.rng.choice([self.disk[n], self.disk[n], self.serial + 1, None])
        self.begin()
        self.check_published()
        self.walk(prune=self.rng.random() < 0.5)

    # ── work ─────────────────────────────────────────────────────────────────────────────────

    def outcome(self, document):
        """What a worker says of a Document, and the lines that count from then on."""
        task = Task(document, ROOT, b"a", 1, "/1")
        if self.rng.random() < 0.2:
            return Outcome(task, Status.FAILED, Reason.ERROR), []
        if self.rng.random() < 0.1:
            return Outcome(task, Status.PENDING, Reason.CRASH), self.lines.get(document, [])
        lines = [self.line(document, n) for n in range(self.rng.randrange(4))]
        return self.done(document, lines, spooled=self.rng.random() < 0.4)

    def done(self, document, lines, *, spooled=False):
        """A Document that became these lines."""
        joined = b"".join(lines)
        held = self.spool(joined) if joined and spooled else joined
        task = Task(document, ROOT, b"a", 1, "/1")
        crc = zlib.crc32(joined)
        return Outcome(task, Status.DONE, length=len(joined), crc=crc, lines=held), lines

    def line(self, document, ordinal=0):
        self.serial += 1
        name = b"%d" % document
        head = {"document": document_id(ROOT.label, name), "path": f"in/{document}"}
        record = head | {"ordinal": ordinal, "text": f"{self.serial}" + "x" * (self.serial % 50)}
        return json.dumps(record).encode() + b"\n"

    def spool(self, content):
        spool = Spool(os.memfd_create("spool"))
        os.pwrite(spool.fd, content, 100)
        return Spooled(spool, 100)

    def commit(self):
        """Some of what is ready is finished."""
        some = [document for document in self.ready if self.rng.random() < 0.5]
        self.finish([self.outcome(document) for document in some])

    def finish(self, finished):
        """Commit outcomes; what counts changes where the ledger says so."""
        before = self.committed()
        try:
            self.segment.commit([outcome for outcome, _ in finished], NOTHING)
        finally:
            if self.committed() != before:
                for outcome, lines in finished:
                    self.lines[outcome.task.document] = lines
                    self.ever.update(lines)
                    if outcome.status.final:
                        self.ready.remove(outcome.task.document)

    def committed(self):
        return self.query("select count(*) from outcome")

    def seal(self):
        self.publish()
        self.check_published()

    def publish(self):
        """Seal, and wait until that is in data/."""
        self.segment.seal()
        self.segment.settle()

    def cut(self, work, at):
        """Do something and be killed at a step; True where it ended before that."""
        try:
            with Knife(at):
                work()
        except Cut:
            return False
        return True

    def recover(self):
        """Start again after a cut."""
        self.die()
        self.begin()
        self.walk(prune=False)

    # ── what must hold ───────────────────────────────────────────────────────────────────────

    def query(self, sql):
        with contextlib.closing(sqlite3.connect(self.out / "ledger.db")) as db:
            return db.execute(sql).fetchall()

    def published(self):
        """The lines that are in data/, as this test reads them."""
        found = sorted(file for file in (self.out / "data").rglob("*") if file.is_file())
        return [line for file in found for line in READ[self.format](file)]

    def check(self):
        """At any moment, also when dead: readers see what counts, nobody anything twice."""
        wanted = sorted(line for lines in self.lines.values() for line in lines)
        assert sorted(records.lines(self.out)) == wanted
        published = self.published()
        assert set(published) <= self.ever
        assert max(Counter(published).values(), default=1) == 1
        for document, lines in self.lines.items():
            mine = [line for line in published if json.loads(line)["path"] == f"in/{document}"]
            assert mine in ([], lines) or not set(mine) & set(lines)
        self.check_places()

    def check_places(self):
        """What an outcome says of its Records is found at that place."""
        for document, part, offset, length, crc in self.query(
            "select document, part, offset, length, crc from outcome o where status = 1"
            " and part is not null and not exists"
            " (select 1 from outcome n where n.previous = o.id)"
        ):
            lines = list(records.lines_at(self.out, part, offset, length, document))
            assert lines == self.lines[document]
            assert zlib.crc32(b"".join(lines)) == crc

    def check_published(self):
        """After a seal: data/ alone holds what counts, and every file is what the ledger says."""
        self.check()
        assert not self.ledger.stale()
        assert sorted(self.published()) == sorted(records.lines(self.out))
        assert not [name for name in os.listdir(self.out / "pending") if "slot" not in name]
        for part in self.ledger.parts():
            assert part.sealed
            named = {f"part-{part.number:06d}.{self.format}": (part.size, part.crc)}
            if self.format == "files":
                named = {row.name: (row.size, row.crc) for row in self.ledger.listed(part.number)}
            for name, known in named.items():
                content = (self.out / "data" / name).read_bytes()
                assert (len(content), zlib.crc32(content)) == known


def lines_of_table(file):
    """Of a Parquet file."""
    return [
        json.dumps({key: row[key] for key in ("document", "path", "ordinal", "text")}).encode()
        + b"\n"
        for row in pq.ParquetFile(file).read().to_pylist()
    ]


def lines_of_text(file):
    """Of in/3.txt."""
    name = file.stem
    head = {"document": document_id(ROOT.label, name.encode()), "path": f"in/{name}"}
    return [
        json.dumps(head | {"ordinal": n, "text": text}).encode() + b"\n"
        for n, text in enumerate(file.read_text().split("\n\f\n"))
    ]


READ = {
    "jsonl": lambda file: file.read_bytes().splitlines(keepends=True),
    "parquet": lines_of_table,
    "files": lines_of_text,
}


@contextlib.contextmanager
def lived(seed, format="jsonl"):
    """A life in a folder of its own."""
    rng = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        life = Life(Path(folder), rng, format)
        life.walk(prune=False)
        yield life
        life.die()


@pytest.mark.parametrize("format", FORMATS)
@settings(derandomize=True, deadline=None, max_examples=8)
@given(seed=st.integers(0, 1 << 32))
def test_readers_see_what_counts_whatever_happens_in_whatever_order(format, seed):
    """Commits, seals, changed, vanished and pruned files, kills at random steps, and again."""
    with lived(seed, format) as life:
        for _ in range(25):
            work = life.rng.choice([life.commit, life.commit, life.seal, life.start])
            while not life.cut(work, life.rng.choice([10, 30, 1000])):
                life.check()
                work = life.recover
            life.check()


def finish(life, *documents):
    """Commit these Documents, with two lines each."""
    life.finish([life.done(n, [life.line(n, 0), life.line(n, 1)]) for n in documents])


def two_parts_to_rewrite(life):
    """Two published parts of which each holds something superseded, and an open segment."""
    for documents in ([1, 2, 3], [4, 5, 6]):
        finish(life, *documents)
        life.publish()
    life.disk |= dict.fromkeys((1, 3, 5), 99)
    life.recover()
    finish(life, 1, 3, 5)
    assert sorted(life.ledger.stale()) == [1, 2]


@pytest.mark.parametrize("format", FORMATS)
def test_a_seal_may_be_cut_at_any_step(format):
    """Two parts are rewritten and one is published; a kill anywhere leaves what counts readable."""
    at, over = 0, False
    while not over:
        with lived(0, format) as life:
            two_parts_to_rewrite(life)
            over = life.cut(life.publish, at)
            life.check()
            life.recover()
            life.check_published()
        at += 1 if format == "jsonl" else 4  # the same path: some of its steps
    assert at > 40


@pytest.mark.parametrize("format", FORMATS)
def test_a_reader_that_is_overtaken_reads_nothing_twice(format):
    """Parts are rewritten under a long reading: it sees one moment, or less, never two."""
    with lived(0, format) as life:
        two_parts_to_rewrite(life)
        wanted = sorted(records.lines(life.out))
        reading = records.lines(life.out)
        seen = [next(reading)]
        life.publish()
        assert sorted([*seen, *reading]) == wanted

        reading = records.lines(life.out)
        seen = [next(reading)]
        life.disk |= dict.fromkeys(life.disk, 100)
        life.recover()
        finish(life, *life.disk)
        life.publish()
        seen += reading
        assert set(seen) <= set(wanted)
        assert len(seen) == len(set(seen))


@pytest.mark.parametrize("format", FORMATS[1:])
def test_what_there_is_no_time_for_is_left_to_the_next_start(format, monkeypatch):
    """A stop gives it up: nothing of it is published, all can be read, and then it is made."""
    with lived(0, format) as life:
        two_parts_to_rewrite(life)
        before = life.published()
        monkeypatch.setattr(life.segment, "_hurry", lambda: True)
        life.publish()
        life.check()
        assert life.published() == before
        assert sorted(life.ledger.stale()) == [1, 2]
        life.recover()
        life.check_published()


def test_the_next_segment_grows_while_something_is_made_of_the_last(monkeypatch):
    """Commits do not wait for it; the next seal does, and so does the end."""
    with lived(0, "files") as life:
        finish(life, 1, 2)
        life.segment.seal()
        finish(life, 3)
        life.segment.settle(wait=False)
        assert life.published() == []
        life.check()
        life.segment.seal()
        assert sorted(json.loads(line)["path"] for line in life.published()) == [
            *("in/1", "in/1", "in/2", "in/2"),
        ]
        finish(life, 4)
        life.seal()


# ── one thing at a time ──────────────────────────────────────────────────────────────────────


ROOT = Root(b"in", b"/in")


@pytest.fixture
def life(tmp_path):
    """A run with one published part and one open segment."""
    one = Life(tmp_path / "out", random.Random(0))
    one.walk(prune=False)
    finish(one, 1, 2)
    one.segment.seal()
    finish(one, 3, 4)
    yield one
    one.die()


def test_nothing_unfinished_is_visible(life):
    """What is not sealed lies in pending/, and `docherd cat` reads it all the same."""
    assert os.listdir(life.out / "data") == ["part-000001.jsonl"]
    assert os.listdir(life.out / "pending") == ["part-000002.jsonl"]
    life.check()


def damage(path, change):
    """Change a file behind docherd's back."""
    path.write_bytes(change(path.read_bytes()))


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("data/part-000001.jsonl", lambda b: b[:-1], "bytes where the ledger knows"),
        ("data/part-000001.jsonl", lambda b: b + b"x\n", "bytes where the ledger knows"),
        ("data/part-000001.jsonl", None, "is missing"),
        ("pending/part-000002.jsonl", lambda b: b[:-1], "bytes where the ledger knows"),
        ("pending/part-000002.jsonl", None, "is missing"),
        ("data/part-000009.jsonl", lambda b: b"x", "is not a part of this run"),
        ("data/part-000002.jsonl", lambda b: b"x", None),
        ("data/notes.txt", lambda b: b"mine", None),
        ("pending/part-000002.jsonl", lambda b: b + b"torn", None),
    ],
)
def test_data_that_was_damaged_is_refused_unchanged(life, name, change, message):
    """Damage is found, never built upon; a torn tail and a user's own file are no damage."""
    life.die()
    path = life.out / name
    if change is None:
        path.unlink()
    else:
        path.touch()
        damage(path, change)
    before = {each: each.stat().st_size for each in life.out.glob("*/*")}
    ledger = Ledger(life.out / "ledger.db", create=False)
    with contextlib.closing(ledger):
        if message:
            with pytest.raises(DamageError, match=f"{message}.*nothing was changed"):
                Segment(life.out, ledger, sink_of("jsonl", life.out, ledger)).check()
        else:
            Segment(life.out, ledger, sink_of("jsonl", life.out, ledger)).check()
    assert {each: each.stat().st_size for each in life.out.glob("*/*")} == before


def test_recovery_keeps_what_this_start_has_made(life):
    """The slots of this start's workers stay, those of the dead engine's do not."""
    for name in ("slot-1-0", "slot-2-0", "slot-2-spool"):
        (life.out / "pending" / name).touch()
    life.recover()
    assert sorted(os.listdir(life.out / "pending")) == ["slot-2-0", "slot-2-spool"]


def test_a_segment_is_due_by_size_and_by_time(life, monkeypatch):
    """128 MB or five minutes, whichever comes first; nothing is due where nothing is open."""
    assert not life.segment.due
    monkeypatch.setattr(segment, "SEAL_BYTES", 10)
    assert life.segment.due
    monkeypatch.setattr(segment, "SEAL_BYTES", 1 << 30)
    monkeypatch.setattr(segment, "SEAL_SECONDS", 0.0)
    assert life.segment.due
    life.segment.seal()
    assert not life.segment.due


def test_failures_open_no_segment(tmp_path):
    """A run in which everything fails has no part, not an empty one."""
    life = Life(tmp_path / "out", random.Random(0))
    life.walk(prune=False)
    task = Task(1, ROOT, b"a", 1, "/1")
    life.segment.commit([Outcome(task, Status.FAILED, Reason.ERROR)], NOTHING)
    life.segment.seal()
    assert life.ledger.parts() == []
    assert os.listdir(life.out / "pending") == os.listdir(life.out / "data") == []
    life.die()


def test_a_large_result_is_copied_in_slices(life, monkeypatch):
    """Several slices, one CRC; the spool's space is given back and the spool closed."""
    monkeypatch.setattr(segment, "SLICE", 7)
    content = b'{"document": 5, "pad": "0123456789012345678901234567890"}\n'
    spooled = life.spool(content)
    again, fd = os.dup(spooled.spool.fd), spooled.spool.fd
    task = Task(5, ROOT, b"a", 1, "/1")
    crc = zlib.crc32(content)
    outcome = Outcome(task, Status.DONE, length=len(content), crc=crc, lines=spooled)
    life.finish([(outcome, [content])])
    life.check()
    del outcome, spooled
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(fd)
    assert os.pread(again, len(content), 100) in (content, bytes(len(content)))
    os.close(again)


def test_a_spool_that_is_shorter_than_its_worker_said_is_not_committed(life):
    """No Record is made of what was never written."""
    spool = life.spool(b"short\n")
    task = Task(5, ROOT, b"a", 1, "/1")
    with pytest.raises(OSError, match="shorter"):
        life.segment.commit([Outcome(task, Status.DONE, length=99, lines=spool)], NOTHING)
    life.check()


# ── the thread ───────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def committer(life):
    """A committer on that run, and an event for each of its jobs."""
    one = Committer(life.segment, life.ledger, lambda: None)
    yield one
    with contextlib.suppress(BaseException):
        one.close()


def test_jobs_are_done_in_order_and_before_the_end(life, committer):
    """Found, committed, sealed: closing waits for all of it."""
    committer.discover([Found(0, b"new", 1, 1, 1)])
    outcome, lines = life.done(5, [life.line(5)])
    committer.commit([outcome], NOTHING)
    committer.seal()
    committer.close()
    assert [each.ready for each in committer.discovered()] == [[7]]
    assert (committer.waiting, committer.backlog) == (0, 0)
    life.lines[5] = lines
    life.ever.update(lines)
    life.check_published()


def test_the_backlog_is_what_is_not_durable_yet(life, committer, monkeypatch):
    """A slow disk is seen by the engine, which then gives out nothing more."""
    gate = threading.Event()
    monkeypatch.setattr(host, "sync_data", lambda fd: gate.wait(10))
    committer.commit([life.done(5, [b"x" * 99 + b"\n"])[0]], NOTHING)
    assert (committer.waiting, committer.backlog) == (1, 100)
    gate.set()
    committer.close()
    assert (committer.waiting, committer.backlog) == (0, 0)


def test_a_full_segment_is_sealed_by_itself(life, committer, monkeypatch):
    """Nobody has to ask for it."""
    monkeypatch.setattr(segment, "SEAL_BYTES", 1)
    committer.commit([life.done(5, [b"x\n"])[0]], NOTHING)
    committer.close()
    assert len(os.listdir(life.out / "data")) == 2


def test_after_a_failed_sync_nothing_is_committed_any_more(life, committer, monkeypatch):
    """Linux may have dropped the page: an error from a sync is final, whatever comes after."""

    def fail(fd):
        raise OSError(5, "Input/output error")

    before = life.committed()
    with monkeypatch.context() as patched:
        patched.setattr(host, "sync_data", fail)
        committer.commit([life.done(5, [b"x\n"])[0]], NOTHING)
        while committer.waiting:
            pass
    for job in (lambda: committer.commit([], NOTHING), committer.seal, committer.discovered):
        with pytest.raises(EnvironmentFault, match="cannot write results: Input/output error"):
            job()
    with pytest.raises(EnvironmentFault):
        committer.close()
    assert life.committed() == before
    life.check()
