"""The ledger against a model of it: accounting, outcomes, stale Records, and coming back."""

import contextlib
import sqlite3
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from docherd.exceptions import DamageError, EnvironmentFault
from docherd.ledger import Ledger
from docherd.model import Counts, Found, Outcome, Reason, Root, Status, Task
from docherd.rows import Note, Part, Placed

PENDING, DONE, FAILED, SKIPPED, GONE = Status
NOTHING = Note()


def task(document, **more):
    return Task(document, Root(b"in", b"/in"), b"a", 1, "pdf/1", **more)


def found(name, version=1, reason=None):
    """What a walk says of a file: its version is its size, time and inode."""
    where = (0, 0, 0) if reason in (Reason.INPUT_MISSING, Reason.HIDDEN) else (version,) * 3
    return Found(0, name, *where, reason=reason)


def fast(ledger):
    """The same without waiting for the disk."""
    ledger._db.execute("pragma synchronous = off")
    return ledger


# ── any sequence of operations ───────────────────────────────────────────────────────────────


@dataclass
class Known:
    """What a Document is, as far as the design says."""

    identity: tuple
    status: Status = PENDING
    reason: Reason | None = None
    attempt: int = 0
    interruptions: int = 0
    #: met by this start's walk
    seen: bool = True
    #: where its Records are
    records: tuple | None = None


ALL = (b"a.pdf", b"b.pdf", b"c")
#: a file on the disk: its version, and why it cannot be opened; None where there is none
FILES = [None, (1, None), (1, None), (2, None), (1, Reason.INPUT_MISSING), (3, Reason.SYMLINK)]
ENDINGS = [
    *((DONE, None, length) for length in (0, 7, 20)),
    *((FAILED, reason, 0) for reason in (Reason.ERROR, Reason.CRASH)),
    *((PENDING, reason, 0) for reason in (Reason.CRASH, Reason.MEMORY)),
    (SKIPPED, Reason.UNSUPPORTED, 0),
]


class Life:
    """A ledger and what it must say, through walks, commits, retries, deaths and restarts."""

    def __init__(self, folder, rng):
        self.rng = rng
        self.path = Path(folder, "ledger.db")
        self.ledger = fast(Ledger(self.path, create=True))
        self.epoch = self.ledger.begin(1, 1, [], 3)
        self.disk, self.known = {}, {}  # by name; known in the order of the ledger's rows
        self.stale, self.size = [], 0

    def row(self, name):
        return list(self.known).index(name) + 1

    # ── what happens on the disk, and what a walk makes of it ────────────────────────────────

    def start(self):
        """Files come, change and go; the run is started again and meets some of them."""
        self.restart()
        self.disk = {name: self.rng.choice(FILES) for name in ALL}
        self.walk()

    def walk(self):
        self.meet_all(name for name in ALL if self.rng.random() < 0.8)

    def meet_all(self, names):
        batch = [found(name, *self.disk[name]) for name in names if self.disk.get(name)]
        expected = [each.path for each in batch if self.meet(each)]
        discovered = self.ledger.discover(batch)
        assert sorted(discovered.ready) == sorted(map(self.row, expected))
        assert len(discovered.strata) == len(discovered.ready)
        for name in expected:
            self.check_carried(self.known[name], discovered.carried.get(self.row(name)))

    def check_carried(self, known, carried):
        tried = (known.attempt, known.reason, known.interruptions)
        before = (
            (carried.attempt, carried.reason, carried.interruptions) if carried else (0, None, 0)
        )
        assert before == tried

    def meet(self, entry):
        """Note an entry; True where it may be processed now."""
        identity = (entry.size, entry.mtime_ns, entry.inode)
        if entry.path not in self.known:
            self.known[entry.path] = Known(identity)
            if entry.reason:
                self.end(entry.path, SKIPPED if entry.reason.skips else FAILED, entry.reason)
            return not entry.reason
        known = self.known[entry.path]
        if known.seen:
            return False
        changed = known.identity != identity
        known.seen, known.identity = True, identity
        if entry.reason:
            if changed or known.status in (PENDING, GONE):
                self.end(entry.path, SKIPPED if entry.reason.skips else FAILED, entry.reason)
            return False
        if changed or known.status is GONE:
            self.wait(known)
        return known.status is PENDING

    def wait(self, known):
        known.status, known.reason, known.attempt, known.interruptions = PENDING, None, 0, 0

    def end(self, name, status, reason=None, records=None):
        """A final outcome: what the Document had in the data counts no longer."""
        known = self.known[name]
        if known.records:
            self.stale.append(known.records)
        known.status, known.reason, known.records = status, reason, records
        known.attempt = known.interruptions = 0

    def finish_walk(self):
        prune = self.rng.random() < 0.5
        self.meet_all(ALL)
        # An input that is suddenly empty is not pruned.
        prune = prune and any(known.seen for known in self.known.values())
        unseen = [name for name, known in self.known.items() if not known.seen]
        new = [name for name in unseen if self.known[name].status is not GONE]
        assert self.ledger.vanished(prune) == len(new)
        for name, known in self.known.items():
            if name in new and not prune:
                known.status, known.reason = GONE, None
                known.attempt = known.interruptions = 0
            elif name in new or (prune and known.status is GONE):
                self.end(name, GONE)

    # ── what workers and people do ───────────────────────────────────────────────────────────

    def commit(self):
        ready = [name for name, k in self.known.items() if k.status is PENDING and k.seen]
        placed = []
        for name in ready:
            status, reason, length = self.rng.choice(ENDINGS)
            known = self.known[name]
            tried = {
                "attempt": known.attempt,
                "previous_reason": known.reason,
                "interruptions": known.interruptions,
            }
            outcome = Outcome(task(self.row(name), **tried), status, reason, length=length)
            placed.append(Placed(outcome, 1 if length else None, self.size))
            if status is PENDING:
                known.reason, known.attempt = reason, known.attempt + 1
            else:
                self.end(name, status, reason, (1, self.size, length) if length else None)
            self.size += length
        part = Part(1, 1, sealed=False, size=self.size, crc=0)
        self.ledger.commit(placed, part, NOTHING)

    def retry(self):
        reason = self.rng.choice([None, Reason.ERROR, Reason.CRASH, Reason.INPUT_MISSING])
        failed = [
            k for k in self.known.values() if k.status is FAILED and reason in (None, k.reason)
        ]
        assert self.ledger.reopen(reason) == len(failed)
        for known in failed:
            self.wait(known)

    def rewrite(self):
        holes = tuple(sorted((offset, length) for _, offset, length in self.stale))
        part = Part(1, 2, sealed=False, size=self.size, crc=0, holes=holes)
        self.ledger.write_part(part, cleared=True)
        self.stale.clear()

    def restart(self):
        in_hand = {name for name in ALL if self.rng.random() < 0.4}
        most = self.rng.randrange(3)
        before = (self.ledger.counts, self.ledger.reasons, self.ledger.parts())
        if self.rng.random() < 0.5:
            self.ledger.end("finished", NOTHING)
        self.ledger.close()
        self.ledger = fast(Ledger(self.path, create=False))
        assert (self.ledger.counts, self.ledger.reasons, self.ledger.parts()) == before
        rows = [self.row(name) for name in in_hand if name in self.known]
        self.epoch += 1
        assert self.ledger.begin(1, 1, [*rows, 0, -1, 999], most) == self.epoch
        for name, known in self.known.items():
            known.seen = False
            if name in in_hand and known.status is PENDING:
                self.interrupt(name, known, most)

    def interrupt(self, name, known, most):
        known.interruptions += 1
        if 0 < most < known.interruptions:
            self.end(name, FAILED, Reason.CRASH)
        else:
            known.reason = known.reason or Reason.INTERRUPTED

    # ── what must hold after each of them ────────────────────────────────────────────────────

    def the_accounting_is_exact(self):
        by = Counter(known.status for known in self.known.values())
        assert self.ledger.counts == Counts(
            len(self.known), by[DONE], by[FAILED], by[SKIPPED], by[GONE]
        )
        assert self.ledger.counts.pending == by[PENDING]
        assert self.ledger.reasons == Counter(
            k.reason for k in self.known.values() if k.status in (FAILED, SKIPPED)
        )
        self.ledger.prove()

    def each_document_has_one_outcome_that_counts(self):
        with contextlib.closing(sqlite3.connect(f"file:{self.path}?mode=ro", uri=True)) as db:
            rows = db.execute(
                "select document, status from outcome o"
                " where not exists (select 1 from outcome n where n.previous = o.id)"
            ).fetchall()
        standing = [(self.row(n), k.status) for n, k in self.known.items()]
        by_row = {row: list(Status)[code] for row, code in rows}
        assert len(by_row) == len(rows)
        assert [(row, by_row.get(row, PENDING)) for row, _ in standing] == standing

    def what_counts_no_longer_is_stale(self):
        ranges = [(part, *r) for part, rs in self.ledger.stale().items() for r in rs]
        assert sorted(ranges) == sorted(self.stale)


@settings(derandomize=True, deadline=None, max_examples=40)
@given(st.randoms(use_true_random=True))
def test_the_ledger_says_what_happened_whatever_happened(rng):
    """After each of any sequence of operations: exact counts, one outcome each, exact stale."""
    with tempfile.TemporaryDirectory() as folder:
        life = Life(folder, rng)
        steps = [life.start, life.walk, life.finish_walk, life.retry, life.rewrite]
        steps += [life.commit] * 2
        for _ in range(40):
            rng.choice(steps)()
            life.the_accounting_is_exact()
            life.each_document_has_one_outcome_that_counts()
            life.what_counts_no_longer_is_stale()
        life.ledger.close()


# ── one thing at a time ──────────────────────────────────────────────────────────────────────


@pytest.fixture
def ledger(tmp_path):
    """A ledger in its first start."""
    one = fast(Ledger(tmp_path / "ledger.db", create=True))
    one.begin(2, 1000, [], 3)
    yield one
    one.close()


def rows(ledger, query):
    """What another process reads."""
    with contextlib.closing(sqlite3.connect(f"file:{ledger.path}?mode=ro", uri=True)) as db:
        return db.execute(query).fetchall()


def done(document, **more):
    return Placed(Outcome(task(document), DONE, **more))


def test_an_outcome_is_kept_with_all_that_explains_it(ledger):
    """Seconds, peak, kind, Records and where they are, message and detail."""
    ledger.discover([found(b"a.pdf")])
    outcome = Outcome(
        task(1, interruptions=2),
        FAILED,
        Reason.ERROR,
        seconds=1.5,
        peak=9,
        kind="pdf",
        records=3,
        length=5,
        crc=77,
        message="ValueError: no",
        detail="Traceback",
    )
    ledger.commit([Placed(outcome, 4, 10)], Part(4, 1, sealed=False, size=15, crc=1), NOTHING)
    assert rows(
        ledger,
        "select document, attempt, status, reason, seconds, peak, kind, records, part, offset,"
        " length, crc, interruptions, message, detail from outcome",
    ) == [(1, 1, 2, "error", 1.5, 9, "pdf", 3, 4, 10, 5, 77, 2, "ValueError: no", "Traceback")]


def test_a_commit_is_all_or_nothing(ledger):
    """Whatever is wrong with any of it takes the whole transaction back."""
    ledger.discover([found(b"a"), found(b"b")])
    before = ledger.counts
    with pytest.raises(DamageError):
        ledger.commit([done(1), done(2)], None, Note(learned={"/1": object()}))
    assert ledger.counts == before
    assert rows(ledger, "select count(*) from outcome") == [(0,)]


def test_a_full_disk_is_the_machine_s_fault(ledger):
    """It ends the run with code 3, and nothing of the commit is there."""
    ledger.discover([found(b"a")])
    pages = ledger._db.execute("pragma page_count").fetchone()[0]
    ledger._db.execute(f"pragma max_page_count = {pages}")
    with pytest.raises(EnvironmentFault, match=r"full.*resume it"):
        ledger.commit([done(1, detail="x" * 100_000)], None, NOTHING)
    assert rows(ledger, "select count(*) from outcome") == [(0,)]


def test_a_large_batch_is_compared_whole(ledger):
    """More entries than SQLite takes parameters, in two roots with the same paths."""
    batch = [found(b"%d" % n)._replace(root=n % 2) for n in range(2500)]
    batch += [each._replace(root=1 - each.root) for each in batch]
    assert ledger.discover(batch).ready == list(range(1, 5001))
    assert ledger.discover(batch).ready == []
    assert ledger.counts == Counts(5000)


def test_content_tells_a_changed_file_where_it_is_known(ledger):
    """Under --checksum a file that was only touched is the same, and the new time is noted."""
    batch = [found(b"same")._replace(digest=b"1"), found(b"other")._replace(digest=b"2")]
    ledger.discover(batch)
    ledger.commit([done(1), done(2)], None, NOTHING)
    again = restarted(ledger)
    batch = [found(b"same", 1)._replace(mtime_ns=9, digest=b"1"), batch[1]._replace(digest=b"3")]
    assert again.discover(batch).ready == [2]
    assert rows(again, "select mtime_ns, digest from document") == [(9, b"1"), (1, b"3")]
    again.close()


def restarted(ledger):
    """The same ledger at its next start."""
    ledger.end("finished", NOTHING)
    ledger.close()
    again = fast(Ledger(ledger.path, create=False))
    again.begin(1, 1, [], 3)
    return again


def test_what_the_forecast_learned_is_kept_by_stratum(ledger):
    """The next start does not begin to measure from nothing."""
    ledger.discover([found(b"a.pdf", 5), found(b"b.txt", 5)])
    ledger.commit([], None, Note(learned={"pdf/3": "[1]", "never/1": "[2]"}))
    assert ledger.learned() == {"pdf/3": "[1]"}
    again = restarted(ledger)
    assert again.learned() == {"pdf/3": "[1]"}
    again.close()


# ── strata that a probe refined ──────────────────────────────────────────────────────────────


def strata(ledger):
    """Row → stratum, as another process reads them."""
    return dict(
        rows(ledger, "select d.id, name from document d join stratum s on s.id = d.stratum")
    )


def told(discovered):
    """Row → stratum, as it is said of what may be processed."""
    return dict(zip(discovered.ready, discovered.strata, strict=True))


@pytest.fixture
def refined(ledger):
    """Four Documents, two of which were probed; and what was found of them."""
    batch = [found(b"%d.pdf" % n, 1 << 20)._replace(digest=b"%d" % n) for n in range(4)]
    ledger.discover(batch)
    ledger.refine({1: "pdf/21/4", 2: "pdf/21/0"})
    return ledger, batch


def test_a_refined_stratum_is_said_and_kept(ledger):
    """Ready again, under its new name; the old one is named, to be counted off."""
    ledger.discover([found(b"%d.pdf" % n, 1 << 20) for n in range(3)])
    discovered = ledger.refine({3: "pdf/21/9", 1: "pdf/21/0"})
    assert told(discovered) == {3: "pdf/21/9", 1: "pdf/21/0"}
    assert discovered.refined == ["pdf/21", "pdf/21"]
    assert (discovered.found, discovered.carried) == ([], {})
    assert strata(ledger) == {1: "pdf/21/0", 2: "pdf/21", 3: "pdf/21/9"}
    assert ledger.counts == Counts(3)


def test_an_unchanged_file_keeps_its_refined_stratum(refined):
    """A resumed run does not count pages twice; nor where it is told by its content."""
    ledger, batch = refined
    again = restarted(ledger)
    batch[0] = batch[0]._replace(mtime_ns=9)  # touched, with the same content
    now = told(again.discover(batch))
    assert now == strata(again) == {1: "pdf/21/4", 2: "pdf/21/0", 3: "pdf/21", 4: "pdf/21"}
    again.close()


def test_a_changed_file_is_of_its_plain_stratum_again(refined):
    """How many pages it has is no longer known, also where its size is the same."""
    ledger, batch = refined
    ledger.commit([done(1)], None, NOTHING)
    again = restarted(ledger)
    batch[0] = batch[0]._replace(mtime_ns=9, digest=b"other")
    batch[1] = batch[1]._replace(size=5, digest=b"shorter")
    now = told(again.discover(batch))
    assert now == strata(again) == {1: "pdf/21", 2: "pdf/3", 3: "pdf/21", 4: "pdf/21"}
    again.close()


def test_what_comes_back_is_of_the_stratum_that_is_written(refined):
    """Whatever happened to a file, window and ledger call its Document the same."""
    ledger, batch = refined
    again = restarted(ledger)
    again.discover(batch[2:])
    assert again.vanished(prune=False) == 2
    back = restarted(again)
    assert told(back.discover(batch)) == strata(back)
    back.close()


def test_a_start_is_remembered_with_its_curve(ledger):
    """Budget, workers, state, peak, and a row of the throughput curve where one is due."""
    ledger.commit([], None, Note(1.0, 10, 100, 5, 7, sample=True))
    ledger.commit([], None, Note(2.0, 20, 200, 5, 7, sample=False))
    ledger.end("interrupted", Note(3.0, 30, 300, 5, 9, sample=True))
    assert rows(ledger, "select epoch, state, workers, memory, peak, seconds from start") == [
        (1, "interrupted", 2, 1000, 9, 3.0)
    ]
    assert rows(ledger, "select seconds, finished, written, memory from sample") == [
        (1.0, 10, 100, 5),
        (3.0, 30, 300, 5),
    ]


def test_parts_keep_their_holes(ledger):
    """Old offsets can be corrected after any number of rewritings."""
    part = Part(2, 3, sealed=True, size=50, crc=1 << 31, holes=((0, 5), (20, 10)))
    ledger.write_part(Part(2, 1, sealed=False, size=65, crc=5))
    ledger.write_part(part)
    assert ledger.parts() == [part]


def test_proof_finds_what_does_not_add_up(ledger):
    """An accounting that says something else than the outcomes is never called a clean end."""
    ledger.discover([found(b"a"), found(b"b")])
    ledger.commit([done(1)], None, NOTHING)
    ledger.prove()
    ledger._db.execute(
        "insert into outcome select 9, 2, null, 1, 1, null, 0, 0, '', 0, null, 0,"
        " 0, 0, null, 0, null, null"
    )
    with pytest.raises(DamageError, match="1 counted, 1 remembered, 2 recorded"):
        ledger.prove()


# ── what is no sound ledger of ours ──────────────────────────────────────────────────────────


def spoilt(path, *statements):
    """A ledger of two Documents, closed, and then changed by somebody else."""
    ledger = Ledger(path, create=True)
    ledger.begin(1, 1, [], 3)
    ledger.discover([found(b"a"), found(b"b")])
    ledger.commit([done(1)], None, NOTHING)
    ledger.end("finished", NOTHING)
    ledger.close()
    with contextlib.closing(sqlite3.connect(path)) as db:
        for each in statements:
            db.execute(each)
        db.commit()


@pytest.mark.parametrize(
    ("statement", "message"),
    [
        ("pragma application_id = 5", "is not a docherd ledger"),
        ("pragma user_version = 9", "written by a newer docherd"),
        ("drop table sample", r"our tables \(sample\)"),
        ("create table odd (x)", r"our tables \(odd\)"),
        ("create trigger t after insert on outcome begin delete from document; end", r"\(t\)"),
        ("create view v as select 1", r"our tables \(v\)"),
        ("drop index outcome_first", r"our tables \(outcome_first\)"),
        ("insert into outcome values (9,99,null,1,1,null,0,0,'',0,null,0,0,0,0,0,'','')", "damage"),
        ("insert into outcome values (9,2,null,1,0,'odd',0,0,'',0,null,0,0,0,0,0,'','')", "damage"),
        ("insert into outcome values (9,'x',null,1,1,'',0,0,'',0,null,0,0,0,0,0,'','')", "damage"),
        ("insert into tally values (2, 'odd', 1)", "damage"),
        ("insert into tally values (7, 'error', 1)", "damage"),
    ],
)
def test_a_ledger_that_somebody_changed_is_refused_unchanged(tmp_path, statement, message):
    """What is not exactly ours is never built upon: exit 4, and not a byte is written."""
    spoilt(tmp_path / "ledger.db", statement)
    before = (tmp_path / "ledger.db").read_bytes()
    with pytest.raises(DamageError, match=message):
        Ledger(tmp_path / "ledger.db", create=False)
    assert [each.name for each in tmp_path.iterdir()] == ["ledger.db"]
    assert (tmp_path / "ledger.db").read_bytes() == before


@pytest.mark.parametrize("junk", [b"", b"not a database " * 500, None, "torn", "flipped"])
def test_a_damaged_file_is_refused(tmp_path, junk):
    """Empty, foreign, missing, cut short or with broken pages."""
    path = tmp_path / "ledger.db"
    spoilt(path)
    sound = path.read_bytes()
    if junk is None:
        path.unlink()
    elif junk == "torn":
        path.write_bytes(sound[: len(sound) // 2])
    elif junk == "flipped":
        path.write_bytes(sound[:4096] + bytes(b ^ 0x55 for b in sound[4096:12288]) + sound[12288:])
    else:
        path.write_bytes(junk)
    with pytest.raises(DamageError):
        Ledger(path, create=False)
