"""The memory of a pool, with workers that hold what a test says, and readings that it makes up."""

import signal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from docherd.admission import Claim
from docherd.budget import Budget
from docherd.exceptions import EnvironmentFault
from docherd.model import Reason
from docherd.pressure import Kills, Reading, Watch

MB = 10**6
GB = 1000 * MB
PLENTY = Reading(16 * GB, 12 * GB)


class Worker:
    """As much of a Child as a Budget uses."""

    def __init__(self, number, reserved=0, held=0, ready=True):
        self.number, self.ready, self.leaving = number, ready, 0.0
        self.reserved, self.holds, self.memory, self.peak = reserved, held, held, held
        self.verdict, self.crowded, self.dismissed, self.ended = None, False, False, None

    @property
    def grant(self):
        return self.reserved or None

    @property
    def claim(self):
        return Claim(self.number, self.reserved, self.memory)

    def look_at_memory(self):
        self.memory = self.holds
        self.peak = max(self.peak, self.memory)

    def hang_up(self):
        self.leaving, self.dismissed = 1.0, True

    def kill(self, verdict):
        self.leaving, self.verdict = 1.0, verdict

    def crowd_out(self, verdict):
        self.kill(verdict)
        self.crowded = True


class Machine:
    """Time and memory as a test sets them."""

    def __init__(self):
        self.now, self.reading, self.oom_kills = 100.0, PLENTY, 0

    def budget(self, asked=0, share=0.5):
        watch = Watch(asked, share, lambda: self.reading, lambda: self.now)
        kills = Kills(lambda: self.oom_kills, lambda: self.now)
        return Budget(asked or int(self.reading.total * share), watch, kills)

    def look(self, budget, *workers):
        """One that sees everything."""
        self.now += 1.0
        budget.look(workers, self.now)


@pytest.fixture
def machine():
    return Machine()


# ── among ourselves ──────────────────────────────────────────────────────────────────────────


def test_an_idle_worker_goes_before_anybody_is_stopped(machine):
    """It is told to go, not killed."""
    budget = machine.budget(asked=500 * MB)
    idle, busy = Worker(1, held=100 * MB), Worker(2, 200 * MB, 450 * MB)
    machine.look(budget, idle, busy)
    assert idle.dismissed
    assert not busy.leaving
    assert budget.peak == 550 * MB


def test_the_one_furthest_over_its_reservation_is_crowded_out(machine):
    """It was not its fault alone, so it is no attempt."""
    budget = machine.budget(asked=500 * MB)
    within, over = Worker(1, 300 * MB, 290 * MB), Worker(2, 100 * MB, 230 * MB)
    machine.look(budget, within, over)
    assert not within.leaving
    assert over.crowded
    assert over.verdict == (
        Reason.MEMORY,
        "230 MB used, and others need the rest of 500 MB",
    )


@pytest.mark.parametrize("reserved", [100, 500])
def test_one_that_holds_more_than_all_may_has_failed(machine, reserved):
    """Beside others or not, with the whole budget reserved or less."""
    budget = machine.budget(asked=500 * MB)
    hog = Worker(1, reserved * MB, 501 * MB)
    machine.look(budget, hog)
    assert hog.verdict == (Reason.MEMORY, "501 MB used when it was stopped, limit 500 MB")
    assert not hog.crowded


def test_as_many_workers_as_the_bare_ones_fit(machine):
    """Each holds what the processor loads; what is reserved for one in hand is not to be had."""
    budget = machine.budget(asked=1000 * MB)
    first = Worker(1, held=150 * MB)
    budget.weigh(first, "own.py:own")
    assert budget.workers([first]) == 6
    busy = Worker(1, 600 * MB, 160 * MB)
    assert budget.workers([busy]) == 3
    assert budget.workers([busy, Worker(2, held=140 * MB), Worker(3, ready=False)]) == 3
    assert budget.room([busy, Worker(2, held=140 * MB)]) == 400 * MB


def test_idle_workers_make_room_for_what_is_reserved(machine):
    """The largest first, and no more of them than it takes."""
    budget = machine.budget(asked=1000 * MB)
    busy, small, large = (Worker(1, 800 * MB), Worker(2, held=60 * MB), Worker(3, held=200 * MB))
    budget.make_room([busy, small, large])
    assert large.dismissed
    assert not small.leaving
    assert not busy.leaving


def test_a_processor_that_does_not_fit_is_one_line(machine):
    """Before any Document was read."""
    budget = machine.budget(asked=100 * MB)
    with pytest.raises(EnvironmentFault, match="takes 300 MB before it reads a document"):
        budget.weigh(Worker(1, held=300 * MB), "own.py:own")


def test_what_workers_say_themselves_counts_before_anybody_looks(machine):
    """A run that ends before the first look has held something too."""
    budget = machine.budget(asked=GB)
    machine.look(budget)
    one, other = Worker(1, 100 * MB, 70 * MB), Worker(2, 100 * MB, 50 * MB)
    one.holds = other.holds = 400 * MB
    budget.look([one, other], machine.now)
    assert budget.peak == 120 * MB
    one.memory = 20 * MB
    budget.look([one, other], machine.now)
    assert budget.peak == 120 * MB
    machine.look(budget, one, other)
    assert budget.peak == 800 * MB


@settings(derandomize=True, deadline=None, max_examples=100)
@given(
    st.lists(st.tuples(st.integers(1, 600), st.integers(0, 200)), min_size=1, max_size=5),
    st.lists(st.lists(st.integers(0, 200), min_size=5, max_size=5), max_size=8),
    st.sampled_from([PLENTY, Reading(16 * GB, 150 * MB), Reading(GB, 5 * MB)]),
)
def test_nobody_within_its_reservation_is_ever_stopped(starts, growth, reading):
    """Whatever all of them do, and whatever others leave; what goes first is idle."""
    machine = Machine()
    budget = machine.budget(asked=600 * MB)
    machine.reading = reading
    room, workers = 600, []
    for number, (wanted, held) in enumerate(starts):
        reserved = wanted if wanted <= room else 0
        room -= reserved
        workers.append(Worker(number, reserved * MB, held * MB))
    for step in growth:
        for worker, more in zip(workers, step, strict=False):
            worker.holds += more * MB if worker.reserved else 0
        staying = [worker for worker in workers if not worker.leaving]
        machine.look(budget, *staying)
        assert not any(w.verdict for w in workers if w.memory <= w.reserved)
        if reading == PLENTY:
            held = sum(worker.memory for worker in workers if not worker.leaving)
            assert held <= 600 * MB


# ── others ───────────────────────────────────────────────────────────────────────────────────


def test_while_little_is_left_one_at_a_time_goes_on(machine):
    """And the sentence stays what it was when the waiting began, so that it is said once."""
    budget = machine.budget(asked=1000 * MB)
    idle = Worker(1, held=20 * MB)
    machine.look(budget, idle)
    assert (budget.admits(0), budget.admits(7), budget.waiting) == (True, True, "")
    machine.reading = Reading(16 * GB, 500 * MB)
    machine.look(budget, idle)
    assert (budget.admits(0), budget.admits(1)) == (True, False)
    assert budget.workers([]) == 1
    said = budget.waiting
    assert said.startswith("waiting for memory: 500 MB are left on this machine")
    machine.reading = Reading(16 * GB, 700 * MB)
    machine.look(budget, idle)
    assert budget.waiting == said
    assert not idle.leaving
    machine.reading = PLENTY
    machine.look(budget, idle)
    assert (budget.admits(7), budget.waiting) == (True, "")


def test_what_others_take_is_not_there_to_reserve(machine):
    """The room for a grant ends where the reserve begins."""
    budget = machine.budget(asked=4 * GB)
    busy = Worker(1, 300 * MB, 100 * MB)
    machine.reading = Reading(16 * GB, 2 * GB)
    machine.look(budget, busy)
    assert budget.room([busy]) == 100 * MB + 2 * GB - 800 * MB - 300 * MB
    assert budget.size == 4 * GB


def test_when_even_the_reserve_is_gone_nothing_begins_and_the_unforeseen_goes(machine):
    """Before the kernel chooses somebody: idle ones, then who is over its reservation."""
    budget = machine.budget(asked=4 * GB)
    machine.look(budget)
    budget.weigh(Worker(9, held=30 * MB), "own")
    machine.reading = Reading(16 * GB, 100 * MB)
    idle, within, over = Worker(1, held=50 * MB), Worker(2, GB, GB), Worker(3, 10 * MB, GB)
    machine.look(budget, idle, within, over)
    assert (budget.admits(0), budget.workers([within])) == (False, 0)
    assert idle.dismissed
    assert over.crowded
    assert not within.leaving


def test_the_last_idle_worker_stays_however_little_is_left(machine):
    """Or it would be started and ended again for as long as that lasts."""
    budget = machine.budget(asked=4 * GB)
    idle = Worker(1, held=30 * MB)
    budget.weigh(idle, "own")
    machine.reading = Reading(16 * GB, 10 * MB)
    machine.look(budget, idle)
    assert not idle.leaving
    assert not budget.admits(0)


def test_alone_it_is_crowded_out_by_others_and_has_not_failed(machine):
    """Within the budget, over its reservation, and no memory left: that was not its fault."""
    budget = machine.budget(asked=4 * GB)
    alone = Worker(1, 100 * MB, GB)
    machine.reading = Reading(16 * GB, 10 * MB)
    machine.look(budget, alone)
    assert alone.crowded


@pytest.mark.parametrize(("asked", "sizes"), [(0, [8, 4, 16]), (6 * GB, [6, 6, 6])])
def test_a_share_follows_the_limit_it_is_of(machine, asked, sizes):
    """What was asked for stays."""
    budget = machine.budget(asked)
    seen = []
    for total in (16, 8, 32):
        machine.reading = Reading(total * GB, total * GB)
        machine.look(budget)
        seen.append(budget.size // GB)
    assert seen == sizes


# ── the kernel ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("kills", "ended", "ours", "blamed"),
    [
        (1, -signal.SIGKILL, False, True),
        (0, -signal.SIGKILL, False, False),
        (1, -signal.SIGSEGV, False, False),
        (1, -signal.SIGKILL, True, False),
    ],
)
def test_a_death_is_the_kernel_s_where_it_counted_one(machine, kills, ended, ours, blamed):
    """By SIGKILL, that we did not send."""
    budget = machine.budget(asked=GB)
    machine.look(budget)
    machine.oom_kills += kills
    dead = Worker(1, 100 * MB, 212 * MB)
    dead.ended, dead.dismissed = ended, ours
    budget.blame_kernel(dead)
    assert bool(dead.verdict) == blamed
    if blamed:
        reason, message = dead.verdict
        assert reason is Reason.MEMORY
        assert message.startswith("the kernel's OOM killer ended it")
        assert message.endswith("(it held 212 MB when last looked at)")
