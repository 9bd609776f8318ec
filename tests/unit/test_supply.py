"""What the scheduler is given: every Document once, probed at most once, by whatever way."""

import contextlib
import random
import tempfile
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from docherd import supply as supply_module
from docherd import window as window_module
from docherd.forecast import Forecast
from docherd.ledger import Ledger
from docherd.model import Found, Outcome, Reason, Root, Status
from docherd.rows import Carried
from docherd.scheduler import Rules, Scheduler, Verdict
from docherd.supply import LARGE, PROBES, Supply
from docherd.window import Window

ROOTS = [Root(b"in", b"/in")]
MB = 1 << 20
#: what files there are: a name, bytes
KINDS = [
    *(("small.txt", 700), ("large.txt", 9 * MB), ("small.pdf", 5000), ("slow.pdf", 90_000)),
    *(("large.pdf", MB), ("huge.pdf", 40 * MB), ("slides.pptx", 3 * MB), ("none", 0)),
]
#: seconds they take, about
TAKES = {
    "small": 1e-4,
    "quick": 0.02,
    "a": 1e-3,
    "pdf": 1e-3,
    "large": 0.3,
    "slow": 0.4,
    "huge": 20.0,
    "slides": 2.0,
    "none": 1e-4,
}


class Engine:
    """Drives supply and scheduler as the engine does, without processes; workers by chance."""

    def __init__(self, folder, rng, workers=2, near=4000):
        window_module.NEAR = near
        self.rng = rng
        self.ledger = Ledger(Path(folder, "ledger.db"), create=True)
        self.ledger._db.execute("pragma synchronous = off")
        self.window = Window(self.ledger.path, ROOTS)
        self.forecast = Forecast()
        rules = Rules(workers, 1 << 30, 60.0, 0.0)
        self.scheduler = Scheduler(rules, self.forecast)
        self.supply = Supply(self.window, self.scheduler, self.forecast)
        self.workers = workers
        #: grants that are out
        self.out = []
        self.discovered = 0
        self.walked = False
        #: rows of what was carried from an earlier start
        self.carried = set()
        self.probed, self.done, self.began = Counter(), Counter(), []
        #: strata that the window and what came from it have told, by row
        self.refined = {}

    # ── the engine's steps ───────────────────────────────────────────────────────────────────

    def find(self, files, carried=0.0):
        """The walk meets some; part of them was tried before."""
        first = self.discovered + 1
        batch = [
            Found(0, f"{first + n}-{name}".encode(), size, 1, 1)
            for n, (name, size) in enumerate(files)
        ]
        found = self.ledger.discover(batch)
        self.discovered += len(found.ready)
        for document in found.ready:
            if self.rng.random() < carried:
                again = self.rng.choice([(1, Reason.CRASH, 0), (1, Reason.MEMORY, 0), (0, None, 2)])
                found.carried[document] = Carried(1, *again)
                self.carried.add(document)
        self.window.add(found)

    def feed(self):
        self.supply.refill(self.in_hand)
        over = self.walked and not self.supply.waiting
        while len(self.out) < self.workers:
            grant = self.scheduler.next(len(self.out), over, 1 << 30)
            if grant is None:
                return
            if self.rng.random() < 0.05:
                self.scheduler.take_back(grant)  # no worker was free after all
                return
            self.out.append(grant)

    def in_hand(self):
        return Counter(task.stratum for grant in self.out for task in grant.tasks[:1])

    def end_one(self, deaths=0.0):
        """A worker answers its grant, or dies in the middle of it."""
        if not self.out:
            return
        grant = self.out.pop(self.rng.randrange(len(self.out)))
        tasks = list(grant.tasks)
        while tasks and self.rng.random() >= deaths:
            self.settle(self.answer(tasks.pop(0)))
        if tasks:
            blamed = tasks.pop(0)
            killed = self.rng.random() < 0.3  # by nobody's fault
            reason = self.rng.choice([Reason.CRASH, Reason.EXIT, Reason.TIMEOUT, Reason.MEMORY])
            if killed:
                self.settle(Outcome(blamed, Status.PENDING))
            else:
                self.settle(Outcome(blamed, Status.FAILED, reason, seconds=1.0))
        for task in tasks:
            self.settle(Outcome(task, Status.PENDING))

    def answer(self, task):
        name = task.name.decode().partition("-")[2]
        if task.probe:
            pages = self.rng.choice([0, 1, 7, 300, 100_000])
            status = Status.DONE if pages else Status.SKIPPED
            return Outcome(task, status, seconds=0.003, records=pages)
        seconds = TAKES[name.partition(".")[0]] * self.rng.lognormvariate(0, 0.5)
        return Outcome(task, Status.DONE, seconds=seconds, peak=1 << 24)

    def settle(self, outcome):
        task = outcome.task
        if task.probe:
            if outcome.status is not Status.PENDING:
                self.probed[task.document] += 1
                assert task.document not in self.carried
                name = f"{task.stratum}/{outcome.records.bit_length()}"
                self.refined[task.document] = name
            self.supply.probed(outcome)
            return
        self.forecast.learn(outcome)
        verdict = self.scheduler.settle(outcome)
        if verdict is Verdict.FINAL:
            self.done[task.document] += 1
            self.began.append(task)
            plain = task.stratum if task.document not in self.refined else None
            assert plain or task.stratum == self.refined[task.document]

    def commit(self):
        """The committer writes down what was probed, and gives it back."""
        if refined := self.supply.refined():
            found = self.ledger.refine(refined)
            self.supply.added(found.ready)
            self.window.add(found)

    def finish(self, deaths=0.0):
        self.walked = True
        rounds = 0
        while not self.over:
            rounds += 1
            assert rounds < 50_000, "it does not end"
            self.feed()
            self.end_one(deaths)
            self.commit()
        return self

    @property
    def over(self):
        scheduler = self.scheduler
        return not (self.out or scheduler.waiting or scheduler.deferred or self.supply.waiting)

    def check(self):
        """All done once; nothing is waiting under any name."""
        assert self.done == Counter(range(1, self.discovered + 1))
        assert max(self.probed.values(), default=1) == 1
        assert self.supply.waiting == self.window.waiting == 0
        assert not +self.window.strata
        assert not +Counter({s: -n for s, n in self.window.strata.items()})

    def close(self):
        self.window.close()
        self.ledger.close()


@pytest.fixture(autouse=True)
def restored(monkeypatch):
    """NEAR, which the engines set."""
    monkeypatch.setattr(window_module, "NEAR", window_module.NEAR)


@pytest.fixture
def engine(tmp_path):
    with contextlib.closing(Engine(tmp_path, random.Random(1))) as made:
        yield made


@settings(derandomize=True, deadline=None, max_examples=60)
@given(
    seed=st.integers(0, 10**6),
    workers=st.sampled_from([1, 2, 5]),
    near=st.sampled_from([0, 30, 4000]),
    deaths=st.sampled_from([0.0, 0.02, 0.2]),
    carried=st.sampled_from([0.0, 0.1, 0.6]),
)
def test_every_document_is_handed_out_once(seed, workers, near, deaths, carried):
    """Sample, giants, walk and probes, dying workers, a walk that goes on: in any mixture."""
    rng = random.Random(seed)
    with (
        tempfile.TemporaryDirectory() as folder,
        contextlib.closing(Engine(folder, rng, workers, near)) as engine,
    ):
        kinds = rng.sample(KINDS, rng.randint(1, len(KINDS)))
        for _ in range(rng.randint(1, 12)):
            engine.find(rng.choices(kinds, k=rng.randint(1, 40)), carried)
            for _ in range(rng.randint(0, 30)):
                rng.choice([engine.feed, engine.commit, lambda: engine.end_one(deaths)])()
        engine.finish(deaths).check()
        for task in engine.began:
            probed = task.document in engine.probed
            assert task.stratum.count("/") == (2 if probed else 1)


def test_large_documents_are_counted_before_all_others(engine):
    """And what they are found to be decides when they come."""
    engine.find([("small.txt", 700)] * 100 + [("huge.pdf", 40 * MB)] * 5)
    engine.feed()
    assert all(task.probe for grant in engine.out for task in grant.tasks[:1])
    engine.finish().check()
    assert engine.probed == Counter(range(101, 106))
    assert all("/22/" in t.stratum or "/26/" in t.stratum for t in engine.began if t.size > MB)


@pytest.mark.parametrize(
    ("name", "size", "probed"),
    [
        ("a.pdf", 1 << (LARGE - 1), True),
        ("a.pdf", (1 << (LARGE - 1)) - 1, False),
        ("a.pptx", 1 << LARGE, True),
        ("a.docx", 1 << LARGE, False),
        ("pdf", 1 << LARGE, False),
    ],
)
def test_only_large_ones_whose_pages_can_be_counted_are(engine, name, size, probed):
    """From 1 MiB on; small ones that are quick are not worth it."""
    engine.find([(name, size)] * 20)
    engine.finish().check()
    assert len(engine.probed) == (20 if probed else 0)


def test_small_ones_are_counted_where_they_are_slow_and_few(engine):
    """What they took says so; those that came before went without."""
    engine.find([("slow.pdf", 90_000)] * 400)
    engine.finish().check()
    assert 100 < len(engine.probed) < 400
    with contextlib.closing(Engine(tempfile.mkdtemp(), random.Random(1))) as many:
        many.find([("slow.pdf", 90_000)] * 2400)
        for _ in range(300):
            many.feed()
            many.end_one()
            many.commit()
        assert not many.probed
        assert many.window.strata["pdf/17"] > supply_module.FEW


@pytest.mark.parametrize("workers", [1, 2, 4, 8])
def test_half_of_the_workers_count_at_a_time(tmp_path, workers):
    """The others process, where there is something else to do."""
    rng = random.Random(workers)
    with contextlib.closing(Engine(tmp_path, rng, workers)) as engine:
        engine.find([("large.pdf", MB)] * 500 + [("small.txt", 700)] * 500)
        most = 0
        while not engine.over:
            engine.feed()
            most = max(most, engine.supply._probing.total())
            engine.end_one()
            engine.commit()
            engine.walked = True
        engine.check()
        assert PROBES <= most < PROBES * (max(1, workers // 2) + 1)


def test_what_cannot_be_counted_is_processed_as_such(engine):
    """Its worker died of it, or it is damaged: of 0 pages, and not tried again."""
    engine.find([("large.pdf", MB)] * 3)
    engine.feed()
    for grant in engine.out:
        for task in grant.tasks:
            engine.settle(Outcome(task, Status.FAILED, Reason.CRASH, seconds=1.0))
    engine.out.clear()
    engine.finish().check()
    assert {task.stratum for task in engine.began} == {"pdf/21/0"}
    assert all((task.attempt, task.interruptions) == (0, 0) for task in engine.began)


def test_a_probe_whose_worker_died_of_another_is_made_again(engine):
    """It is not its fault, and it is not lost."""
    engine.find([("large.pdf", MB)] * 3)
    for _ in range(5):
        engine.feed()
        for grant in engine.out:
            for task in grant.tasks:
                assert task.probe
                engine.settle(Outcome(task, Status.PENDING))
        engine.out.clear()
        assert engine.supply.waiting == 3
    engine.finish().check()


def test_what_was_tried_before_is_never_counted(engine):
    """It may have killed its worker, or the whole run: it comes alone, when it is its turn."""
    engine.find([("huge.pdf", 40 * MB)] * 30, carried=1.0)
    engine.finish().check()
    assert not engine.probed
    assert {task.attempt or task.interruptions for task in engine.began} <= {1, 2}
    assert all(task.attempt or task.interruptions for task in engine.began)


def test_until_all_is_written_down_something_is_waiting(engine):
    """Or the run would end without those that were just probed."""
    engine.find([("large.pdf", MB)] * 4)
    while len(engine.probed) < 4:
        engine.feed()
        assert (engine.supply.waiting, engine.window.waiting) == (4, 0)
        engine.end_one()
    refined = engine.supply.refined()
    assert engine.supply.refined() == {}
    assert engine.supply.waiting == 4
    found = engine.ledger.refine(refined)
    engine.supply.added(found.ready)
    engine.window.add(found)
    assert (engine.supply.waiting, engine.window.waiting) == (4, 4)
    engine.finish().check()


def test_the_giant_comes_early(engine):
    """Of a thousand small ones and one that takes as long as all: it is not the last."""
    engine.find([("quick.txt", 700)] * 1000 + [("huge.pdf", 40 * MB)])
    engine.finish().check()
    at = [task.document for task in engine.began].index(1001)
    assert at < 300


def test_nothing_waiting_says_nothing(engine):
    """An empty run, and one that is all given."""
    engine.supply.refill(engine.in_hand)
    assert engine.supply.waiting == engine.scheduler.waiting == 0
    engine.find([("small.txt", 700)])
    engine.finish().check()
    engine.supply.refill(engine.in_hand)
    assert engine.scheduler.waiting == 0
