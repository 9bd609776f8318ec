"""What may start and what is tried again: random runs against the rules of the design."""

import math
from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from docherd.exceptions import PolicyStop
from docherd.model import Outcome, Reason, Root, Status, Task
from docherd.scheduler import MOST_CROWDED, OVERTAKEN, Rules, Scheduler, Verdict

KILLS = (Reason.CRASH, Reason.EXIT, Reason.MEMORY)
ROOM = 1 << 40
RULES = Rules(workers=4, memory=4000, timeout=10.0, timeout_per_mb=2.0)


def task(document, **more):
    return Task(document, Root(b"in", b"/in"), b"a", 1_500_000, "pdf/21", **more)


class Told:
    """A forecast that says the same of every stratum."""

    def __init__(self, took=None, upper=1.0, memory_upper=0):
        self._took = took
        self.upper, self.memory_upper = upper, memory_upper

    def took(self, stratum):
        return self._took

    def cost(self, stratum):
        return self


def failed(one, reason):
    return Outcome(one, Status.FAILED, reason)


# ── one run, at random ───────────────────────────────────────────────────────────────────────

ENDINGS = st.sampled_from(
    [(Status.DONE, None)] * 3
    + [(Status.PENDING, None), (Status.SKIPPED, Reason.UNSUPPORTED)]
    + [(Status.FAILED, r) for r in (*KILLS, Reason.ERROR, Reason.TIMEOUT, Reason.INPUT_CHANGED)]
)
CARRIED = st.sampled_from(
    [{}] * 4
    + [{"attempt": 1, "previous_reason": reason} for reason in KILLS]
    + [{"interruptions": n, "previous_reason": Reason.INTERRUPTED} for n in (1, 2, 3)]
)


class Run:
    """Drives a Scheduler as the engine does, and checks every step."""

    def __init__(self, rules, carried):
        self.rules = rules
        self.scheduler = Scheduler(rules)
        self.to_offer = [task(n, **more) for n, more in enumerate(carried)]
        self.documents = len(self.to_offer)
        self.in_hand = []
        self.killed = Counter({each.document: each.attempt for each in self.to_offer})
        self.errors = Counter()
        self.ended = set()

    @property
    def over(self):
        return len(self.ended) == self.documents

    def offer(self, most):
        self.scheduler.offer(self.to_offer[:most])
        del self.to_offer[:most]

    def give(self, keep=True):
        """Ask for a grant; without ``keep`` there is no worker for it after all."""
        room = self.rules.memory - sum(out.memory for out in self.in_hand)
        grant = self.scheduler.next(len(self.in_hand), not self.to_offer, room)
        if grant is None:
            return
        self._check(grant)
        if keep:
            self.in_hand.append(grant)
        else:
            self.scheduler.take_back(grant)

    def _check(self, grant):
        (one,) = grant.tasks
        held = [each for out in self.in_hand for each in out.tasks]
        assert one.document not in self.ended
        assert one.document not in {each.document for each in held}
        assert not any(map(self.is_solo, held))
        assert sum(out.memory for out in self.in_hand) + grant.memory <= self.rules.memory
        if self.is_solo(one):
            assert not self.in_hand
            assert grant.memory == self.rules.memory
        retried = bool(one.attempt) or self.is_solo(one)
        assert grant.fresh == retried
        assert not (retried and (self.to_offer or self.scheduler.waiting))

    def is_solo(self, one):
        most = self.rules.max_interruptions
        return one.previous_reason is Reason.MEMORY or 0 < most <= one.interruptions

    def settle(self, at, status, reason):
        (one,) = self.in_hand.pop(at % len(self.in_hand)).tasks
        verdict = self.scheduler.settle(Outcome(one, status, reason))
        if verdict is Verdict.FINAL:
            self.ended.add(one.document)
        elif verdict is Verdict.AGAIN:
            assert status is Status.FAILED
            self.errors[one.document] += reason is Reason.ERROR
            self.killed[one.document] += reason is not Reason.ERROR
            assert self.killed[one.document] <= 1
            assert self.errors[one.document] <= self.rules.retries
        assert (verdict is Verdict.BACK) == (status is Status.PENDING)


@settings(derandomize=True, deadline=None, max_examples=150)
@given(
    st.builds(
        Rules,
        workers=st.integers(1, 4),
        memory=st.integers(1000, 5000),
        timeout=st.just(1.0),
        timeout_per_mb=st.just(0.0),
        retries=st.integers(0, 2),
        max_interruptions=st.integers(0, 3),
    ),
    st.lists(CARRIED, max_size=12),
    st.lists(st.tuples(st.integers(0, 9), st.integers(0, 3), ENDINGS), max_size=120),
)
def test_every_document_is_granted_until_it_is_final(rules, carried, steps):
    """Nothing is lost, in hand twice, retried too often, too soon, or with too much memory."""
    run = Run(rules, carried)
    for choice, at, ending in steps:
        if choice < 2:
            run.offer(at)
        elif choice < 6 and len(run.in_hand) < rules.workers:
            run.give(keep=choice > 2)
        elif run.in_hand:
            run.settle(at, *ending)
    run.offer(len(carried))
    for _ in range(10 * len(carried) + 10):  # the end: everybody succeeds
        if run.in_hand:
            run.settle(0, Status.DONE, None)
        run.give()
    assert run.over
    assert run.scheduler.waiting == run.scheduler.deferred == 0
    assert run.scheduler.next(0, retry=True, room=ROOM) is None


def test_the_walk_s_order_is_kept():
    """Disk locality: Documents start in the order in which they were found."""
    scheduler = Scheduler(RULES)
    scheduler.offer(map(task, range(5)))
    granted = [scheduler.next(n, retry=False, room=ROOM).tasks[0].document for n in range(5)]
    assert granted == [0, 1, 2, 3, 4]


def test_a_returned_document_comes_first_again():
    """The rest of a worker's batch is untouched: it does not go to the end of the queue."""
    scheduler = Scheduler(RULES)
    scheduler.offer(map(task, range(3)))
    first = scheduler.next(0, retry=False, room=ROOM)
    assert scheduler.settle(Outcome(first.tasks[0], Status.PENDING)) is Verdict.BACK
    again = scheduler.next(0, retry=False, room=ROOM)
    assert again == first
    scheduler.take_back(again)
    assert scheduler.next(0, retry=False, room=ROOM) == first


def test_time_grows_with_the_size():
    """A base, and an allowance for each megabyte."""
    scheduler = Scheduler(RULES)
    scheduler.offer([task(1)])
    grant = scheduler.next(0, retry=False, room=ROOM)
    assert grant.timeouts == (13.0,)
    assert grant.memory == 1000


@pytest.mark.parametrize("reason", Reason)
def test_only_what_may_end_otherwise_is_tried_again(reason):
    """Crash, exit, memory and a changed input: once more. An error only when asked."""
    scheduler = Scheduler(replace(RULES, retries=0))
    wanted = reason in (*KILLS, Reason.INPUT_CHANGED)
    verdict = scheduler.settle(failed(task(1), reason))
    assert verdict is (Verdict.AGAIN if wanted else Verdict.FINAL)
    assert scheduler.deferred == wanted
    assert scheduler.settle(failed(task(1, attempt=1), reason)) is Verdict.FINAL


def test_a_retry_knows_why_the_first_attempt_ended():
    """The processor can take a lighter way."""
    scheduler = Scheduler(RULES)
    scheduler.settle(failed(task(1), Reason.MEMORY))
    (again,) = scheduler.next(0, retry=True, room=ROOM).tasks
    assert (again.attempt, again.previous_reason) == (1, Reason.MEMORY)


def test_errors_are_tried_as_often_as_asked():
    """`--retries 2`: three attempts."""
    scheduler = Scheduler(replace(RULES, retries=2))
    attempts = [failed(task(1, attempt=n), Reason.ERROR) for n in range(3)]
    assert list(map(scheduler.settle, attempts)) == [Verdict.AGAIN, Verdict.AGAIN, Verdict.FINAL]


def test_a_solo_document_waits_until_all_others_are_back():
    """Nothing else in hand and the whole budget; meanwhile nothing is given."""
    scheduler = Scheduler(RULES)
    scheduler.offer([task(1), task(2, interruptions=3)])
    assert scheduler.next(0, retry=True, room=ROOM).memory == 1000
    assert scheduler.next(1, retry=True, room=ROOM) is None
    solo = scheduler.next(0, retry=True, room=ROOM)
    assert (solo.memory, solo.fresh) == (4000, True)
    scheduler.offer([task(3)])
    assert scheduler.next(1, retry=True, room=ROOM) is None
    scheduler.settle(Outcome(solo.tasks[0], Status.DONE))
    assert scheduler.next(0, retry=True, room=ROOM).tasks[0].document == 3


# ── memory ───────────────────────────────────────────────────────────────────────────────────


class Needs:
    """A forecast that knows what each stratum needs."""

    def __init__(self, needs):
        self._needs = needs

    def took(self, stratum):
        return None

    def cost(self, stratum):
        return Told(memory_upper=self._needs[stratum])


class Pool:
    """Holds what the Scheduler grants, within the budget, and notes who passed whom."""

    def __init__(self, workers, needs, memory=1000):
        self.rules = replace(RULES, workers=workers, memory=memory)
        strata = {need: f"x/{need}" for need in needs}
        self.scheduler = Scheduler(self.rules, Needs({name: need for need, name in strata.items()}))
        self.scheduler.offer(task(n)._replace(stratum=strata[need]) for n, need in enumerate(needs))
        self.in_hand, self.order = [], []

    def fill(self):
        """Give whatever may start."""
        while len(self.in_hand) < self.rules.workers and self.give():
            pass

    def give(self):
        room = self.rules.memory - sum(grant.memory for grant in self.in_hand)
        grant = self.scheduler.next(len(self.in_hand), retry=True, room=room)
        if grant is None:
            return False
        assert not self.in_hand or grant.memory <= room  # never more reserved than there is
        assert grant.memory <= self.rules.memory
        self.in_hand.append(grant)
        self.order.append(grant.tasks[0].document)
        return True

    def end(self, at, status=Status.DONE, reason=None, peak=0):
        grant = self.in_hand.pop(at % len(self.in_hand))
        return self.scheduler.settle(Outcome(grant.tasks[0], status, reason, peak=peak))


SIZES = st.lists(st.sampled_from([1, 50, 240, 250, 400, 999, 1000, 5000]), min_size=1, max_size=80)


@settings(derandomize=True, deadline=None, max_examples=150)
@given(
    st.integers(1, 5),
    SIZES,
    st.lists(st.tuples(st.integers(0, 4), st.booleans()), max_size=200),
)
def test_reservations_fit_and_nobody_waits_for_ever(workers, needs, endings):
    """Whatever is crowded out on the way; everybody ends, within the budget or alone."""
    pool = Pool(workers, needs)
    crowded = Counter()
    endings = iter(endings)
    pool.fill()
    while pool.in_hand:
        at, crowds = next(endings, (0, False))
        out = pool.in_hand[at % len(pool.in_hand)]
        if crowds and len(pool.in_hand) > 1:
            crowded[out.tasks[0].document] += 1
            assert pool.end(at, Status.PENDING, Reason.MEMORY, out.memory + 100) is Verdict.BACK
        else:
            assert pool.end(at) is Verdict.FINAL
        pool.fill()
    assert set(pool.order) == set(range(len(needs)))
    assert len(pool.order) == len(needs) + crowded.total()
    assert max(crowded.values(), default=0) <= MOST_CROWDED


@settings(derandomize=True, deadline=None, max_examples=60)
@given(st.integers(2, 4), st.lists(st.integers(0, 3), max_size=300))
def test_a_large_one_is_passed_by_so_many_and_no_more(workers, endings):
    """Then nothing starts until it fits."""
    pool = Pool(workers, [300, 900, *[300] * 200])
    endings = iter(endings)
    pool.fill()
    while 1 not in pool.order:
        pool.end(next(endings, 0))
        pool.fill()
    passed = pool.order.index(1) - 1  # the first was before it
    assert passed == OVERTAKEN * workers


def test_what_waits_starts_as_soon_as_it_fits():
    """In its own turn, before anything behind it."""
    pool = Pool(3, [600, 600, 300, 100])
    pool.fill()
    assert pool.order == [0, 2, 3]
    pool.end(0)
    pool.fill()
    assert pool.order == [0, 2, 3, 1]


def test_with_nothing_in_hand_everything_fits():
    """However little room there is: nobody waits for memory that nobody will give back."""
    pool = Pool(2, [5000])
    grant = pool.scheduler.next(0, retry=False, room=-400)
    assert grant.memory == 1000


def test_what_was_crowded_out_needs_what_it_held_and_more():
    """A quarter more; it comes before all others, and is not charged."""
    pool = Pool(2, [100, 100, 100])
    pool.fill()
    pool.end(0, Status.PENDING, Reason.MEMORY, peak=500)
    pool.give()
    assert (pool.order, pool.in_hand[-1].memory) == ([0, 1, 0], 625)
    assert pool.in_hand[-1].tasks[0].attempt == 0


def test_crowded_out_twice_it_runs_solo():
    """With the whole budget and nothing beside it; its end lets the others go on."""
    pool = Pool(2, [100, 100, 100])
    pool.fill()
    pool.end(0, Status.PENDING, Reason.MEMORY, peak=200)
    pool.fill()
    assert pool.order == [0, 1, 0]
    pool.end(1, Status.PENDING, Reason.MEMORY, peak=300)
    pool.fill()
    assert pool.order == [0, 1, 0, 2]
    pool.end(0)
    pool.fill()
    assert len(pool.in_hand) == 1  # it waits for the last of them
    pool.end(0)
    pool.fill()
    assert pool.order == [0, 1, 0, 2, 0]
    (solo,) = pool.in_hand
    assert (solo.memory, solo.fresh) == (1000, True)
    assert pool.end(0) is Verdict.FINAL


def test_a_budget_that_changes_counts_at_once():
    """Of a share where nothing is known, and of the whole."""
    scheduler = Scheduler(RULES)
    scheduler.offer([task(1), task(2), task(3, interruptions=3)])
    assert scheduler.next(0, retry=False, room=ROOM).memory == 1000
    scheduler.memory = 2000
    assert scheduler.next(0, retry=False, room=ROOM).memory == 500
    assert scheduler.next(0, retry=True, room=ROOM).memory == 2000


# ── rules that stop a run ────────────────────────────────────────────────────────────────────


@settings(derandomize=True, deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.booleans(), st.integers(1, 60)), max_size=12))
def test_the_breaker_opens_at_fifty_of_the_last_hundred_first_attempts(stretches):
    """Not one earlier, not one later, however good and bad stretches follow each other."""
    scheduler = Scheduler(RULES)
    lately = []
    for bad in (bad for bad, length in stretches for _ in range(length)):
        lately = [*lately, bad][-100:]
        outcome = failed(task(1), Reason.EXIT if bad else Reason.ERROR)
        if sum(lately) >= 50:
            with pytest.raises(PolicyStop, match=f"^{sum(lately)} of the last {len(lately)} "):
                scheduler.check(outcome)
            return
        scheduler.check(outcome)


@pytest.mark.parametrize(
    "outcome",
    [
        failed(task(1, attempt=1), Reason.CRASH),
        failed(task(1), Reason.MEMORY),
        failed(task(1), Reason.TIMEOUT),
        Outcome(task(1), Status.PENDING),
        Outcome(task(1), Status.DONE),
    ],
)
def test_the_breaker_counts_only_first_attempts_that_killed_their_worker(outcome):
    """Second attempts, memory and time say nothing about a broken installation."""
    scheduler = Scheduler(RULES)
    for _ in range(200):
        scheduler.check(outcome)


def test_one_failure_more_than_allowed_stops_the_run():
    """`--max-failures 2` lets two fail."""
    scheduler = Scheduler(replace(RULES, max_failures=2))
    scheduler.count_failed()
    scheduler.count_failed()
    with pytest.raises(PolicyStop, match="more than 2 documents failed"):
        scheduler.count_failed()


def test_without_a_rule_any_number_may_fail():
    """The default goes on to the end."""
    scheduler = Scheduler(RULES)
    for _ in range(1000):
        scheduler.count_failed()


# ── batches ──────────────────────────────────────────────────────────────────────────────────


@given(
    seconds=st.lists(
        st.sampled_from([None, (0.0, 0.0), (1e-5, 5e-5), (1e-4, 0.0), (1e-4, 6e-4), (2e-3, 0.0)]),
        min_size=1,
        max_size=300,
    ),
    workers=st.integers(1, 8),
)
@settings(deadline=None)
def test_batches_are_brief_and_in_order(seconds, workers):
    """Only Documents forecast below 1 ms travel together, at most 20 ms of them, in walk order."""
    strata = {None: "unknown/1", **{s: f"x/{n}" for n, s in enumerate({*seconds} - {None})}}
    forecast = {name: each for each, name in strata.items()}
    told = Told()
    told.took = forecast.get
    scheduler = Scheduler(replace(RULES, workers=workers), told)
    scheduler.offer([task(n)._replace(stratum=strata[each]) for n, each in enumerate(seconds)])
    given_out = []
    while (grant := scheduler.next(0, retry=False, room=ROOM)) is not None:
        expected = [forecast[each.stratum] for each in grant.tasks]
        assert len(grant.tasks) == len(grant.timeouts) <= 512
        if len(grant.tasks) > 1:
            assert all(each and each[0] + 2 * each[1] < 0.001 for each in expected)
            spread = math.sqrt(sum(deviation**2 for _, deviation in expected))
            assert sum(mean for mean, _ in expected) + 2 * spread <= 0.020
            assert len(grant.tasks) <= 1 + (len(seconds) - len(given_out) - 1) // workers
        given_out += [each.document for each in grant.tasks]
    assert given_out == list(range(len(seconds)))


def test_in_a_stream_retries_go_first():
    """Somebody waits: alone on a fresh worker where there is one, before everything new."""
    scheduler = Scheduler(RULES, retries_first=True)
    scheduler.offer([task(1), task(2), task(3)])
    first = scheduler.next(0, retry=True, room=ROOM)
    assert scheduler.settle(failed(first.tasks[0], Reason.CRASH)) is Verdict.AGAIN
    assert scheduler.next(0, retry=False, room=ROOM).tasks[0].document == 2
    again = scheduler.next(1, retry=True, room=ROOM)
    assert (again.tasks[0].document, again.fresh) == (1, True)
    assert scheduler.next(2, retry=True, room=ROOM).tasks[0].document == 3


def test_in_a_stream_a_solo_document_empties_the_pool_first():
    """What ran out of memory does not wait for the end of something that may have none."""
    scheduler = Scheduler(RULES, retries_first=True)
    scheduler.offer([task(1), task(2)])
    first = scheduler.next(0, retry=True, room=ROOM)
    scheduler.settle(failed(first.tasks[0], Reason.MEMORY))
    assert scheduler.next(1, retry=True, room=ROOM) is None
    solo = scheduler.next(0, retry=True, room=ROOM)
    assert (solo.tasks[0].document, solo.memory) == (1, RULES.memory)
    assert scheduler.next(1, retry=True, room=ROOM) is None


def test_a_retry_travels_alone_however_brief():
    """What killed a worker is not put beside others again."""
    scheduler = Scheduler(RULES, Told((0.0001, 0.0)))
    tries = [task(n, attempt=1, previous_reason=Reason.CRASH) for n in range(20)]
    scheduler.offer(tries)
    grants = [scheduler.next(0, retry=True, room=ROOM) for _ in tries]
    assert [len(grant.tasks) for grant in grants] == [1] * 20
    assert all(grant.fresh for grant in grants)
