"""How many workers: decisions over a simulated machine."""

import math
import random
from dataclasses import dataclass, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from docherd.width import LONGEST, Limits, Seen, State, Tally, rate, step

LOOK = 0.5


@dataclass(frozen=True)
class Machine:
    """A job on a machine, in seconds of one Document on a worker that has all for itself."""

    cores: int = 2
    #: of a core, and of waiting for something else
    cpu: float = 0.0
    wait: float = 0.0
    #: Documents that what is waited for can serve at the same time
    server: float = math.inf
    #: every worker more than these makes all others slower by so much
    roomy: int = 1 << 30
    thrash: float = 0.1
    #: Documents at the same time that the memory holds
    fit: int = 1 << 30

    def rate(self, workers):
        """Documents a second, and the share of the cores that is wanted."""
        workers = min(workers, self.fit)
        crowded = 1 + self.thrash * max(0, workers - self.roomy)
        cpu = self.cpu * crowded
        alone = workers / (cpu + self.wait)
        served = self.server / self.wait if self.wait else math.inf
        computed = self.cores / cpu if cpu else math.inf
        per_second = min(alone, served, computed)
        load = 1.0 if per_second == computed else per_second * cpu / self.cores
        return per_second, load


class Run:
    """A run on it: what the gauge would see, look by look."""

    def __init__(self, machine, most=64, noise=0.0, seed=1):
        self.machine, self.noise = machine, noise
        self.limits = Limits(machine.cores, most)
        self.state = State(machine.cores)
        self.now = self.progress = 0.0
        self.numbers = [machine.cores]
        self.random = random.Random(seed)

    def look(self, seconds=LOOK):
        self.now += seconds
        workers = self.state.workers
        per_second, load = self.machine.rate(workers)
        busy = min(workers, self.machine.fit)
        self.progress += per_second * seconds
        count, self.progress = divmod(self.progress, 1)
        each = busy / per_second
        took = sum(each * self.some() for _ in range(int(min(count, 1000))))
        took *= count / max(1, min(count, 1000))
        tally = Tally(
            seconds, busy * seconds, load * seconds, {"pdf/17": (count, took)} if count else {}
        )
        seen = Seen(self.now, tally, full=busy == workers, short=busy < workers)
        self.state = step(self.state, seen, lambda stratum: 1.0, self.limits)
        if self.state.workers != workers:
            self.numbers.append(self.state.workers)

    def some(self):
        """About 1."""
        return self.random.gammavariate(self.noise**-2, self.noise**2) if self.noise else 1.0

    def go_on(self, seconds):
        until = self.now + seconds
        while self.now < until:
            self.look()
        return self

    @property
    def loss(self):
        """How much slower it is than with the best number there is."""
        best = max(self.machine.rate(n)[0] for n in range(1, self.limits.most + 1))
        return best / self.machine.rate(self.settled)[0]

    @property
    def settled(self):
        origin = self.state.origin
        return origin.workers if origin else self.state.workers


JOBS = {
    "computing": Machine(cpu=0.1),
    "waiting": Machine(wait=0.25, cpu=0.001),
    "waiting long": Machine(wait=5.0, cpu=0.01),
    "brief": Machine(cpu=0.001),
    "half and half": Machine(cpu=0.1, wait=0.1),
    "a server": Machine(wait=0.2, cpu=0.002, server=12),
    "memory": Machine(wait=0.5, cpu=0.3, fit=6),
    "many cores": Machine(cores=16, cpu=0.2),
    "many cores, slow memory": Machine(cores=16, cpu=0.2, roomy=6, thrash=0.2),
}


@pytest.mark.parametrize("name", JOBS)
def test_it_finds_a_number_within_a_tenth_of_the_best(name):
    """Whatever the job waits for, and without being told."""
    run = Run(JOBS[name]).go_on(60 if name != "many cores, slow memory" else 300)
    assert run.loss < 1.1, (run.numbers, run.settled)


def test_a_job_that_waits_has_many_workers_within_seconds():
    """Steps are large while the cores idle."""
    run = Run(JOBS["waiting"]).go_on(3.5)
    assert run.settled == 64, run.numbers


def test_a_job_that_computes_stays_at_the_cores():
    """And hardly anything is tried."""
    run = Run(JOBS["computing"]).go_on(600)
    assert run.settled == 2
    assert max(run.numbers) == 2
    assert len(run.numbers) < 15


def test_more_than_the_memory_holds_are_not_kept():
    """One more than fit, so that it is seen when more would."""
    run = Run(JOBS["memory"]).go_on(60)
    assert run.settled == 7
    run.machine = replace(run.machine, fit=30, cpu=0.01)
    run.go_on(120)
    assert run.settled > 25, run.numbers


@pytest.mark.parametrize(
    ("first", "then"), [("waiting", "computing"), ("computing", "waiting"), ("a server", "waiting")]
)
def test_it_follows_a_workload_that_changes(first, then):
    """Half-way everything is different."""
    run = Run(JOBS[first]).go_on(120)
    run.machine = JOBS[then]
    run.go_on(100)
    assert run.loss < 1.1, run.numbers
    assert (run.settled <= 8) == (then == "computing"), run.numbers


def test_a_few_looks_of_another_load_are_not_another_workload():
    """One large Document between small ones changes nothing."""
    run = Run(JOBS["waiting"]).go_on(60)
    kept, numbers = run.machine, len(run.numbers)
    for _ in range(20):
        run.machine = JOBS["computing"]
        run.look()
        run.machine = kept
        run.go_on(4)
    assert run.settled == 64
    assert len(run.numbers) - numbers <= 2


def test_what_says_nothing_changes_nothing():
    """Workers that start, or have nothing to do since nothing is found."""
    state = State(2)
    for seen in (
        Seen(10.0, Tally(0.5, 1.0, 0.0, {"a/1": (50, 1.0)}), full=False),
        Seen(10.0, Tally(0.5, 1.0, 0.0, {"a/1": (50, 1.0)}), full=True, settling=True),
    ):
        assert step(state, seen, lambda stratum: 1.0, Limits(2, 64)) is state


def test_no_more_are_tried_than_there_are_documents_for():
    """Nor where starting takes longer than the work that is left."""
    tally = Tally(1.0, 2.0, 0.01, {"a/1": (8, 2.0)})
    limits = Limits(2, 64)

    def tried(**also):
        return step(State(2), Seen(1.0, tally, full=True, **also), lambda s: 1.0, limits).workers

    assert tried() == 8
    assert tried(left=5) == 5
    assert tried(left=2) == 2
    assert tried(left=100, start_seconds=3.0) == 8
    assert tried(left=100, start_seconds=10.0) == 2


def test_fewer_where_the_limit_sinks():
    """A loaded worker turns out to hold more than was thought."""
    seen = Seen(1.0, Tally(), full=True, settling=True)
    assert step(State(64), seen, lambda stratum: 1.0, Limits(2, 9)).workers == 9


def test_documents_of_different_kinds_are_weighed():
    """Twice the seconds for Documents that usually take twice as long are no loss."""
    weights = {"a/1": 1.0, "a/2": 2.0}
    light = Tally(10.0, 20.0, 0.0, {"a/1": (20, 20.0)})
    heavy = Tally(10.0, 20.0, 0.0, {"a/2": (10, 20.0)})
    assert rate(light, weights.get) == rate(heavy, weights.get) == 2.0
    assert rate(Tally(), weights.get) == 0.0


def test_documents_that_take_minutes_are_compared_by_the_seconds_of_a_core():
    """Nobody waits until the first has finished."""
    run = Run(Machine(cores=4, cpu=60.0, wait=240.0)).go_on(80)
    assert run.settled >= 16, run.numbers


@settings(derandomize=True, deadline=None, max_examples=25)
@given(
    cpu=st.sampled_from([0.0005, 0.02, 0.1, 1.0]),
    wait=st.sampled_from([0.0, 0.05, 0.2, 2.0]),
    cores=st.sampled_from([1, 2, 4, 16]),
    server=st.sampled_from([3, 10, 40, math.inf]),
    fit=st.sampled_from([1, 5, 20, 1000]),
    noise=st.sampled_from([0.0, 0.3, 1.0]),
    seed=st.integers(0, 100),
)
def test_it_never_swings(cpu, wait, cores, server, fit, noise, seed):
    """However Documents vary: few changes, ever fewer, and never far from the best for long."""
    run = Run(Machine(cores, cpu, wait, server, fit=fit), noise=noise, seed=seed)
    run.go_on(120)
    early = len(run.numbers)
    assert early <= 40, run.numbers
    run.go_on(1800)
    late = len(run.numbers) - early
    assert late <= 12 * math.ceil(1800 / LONGEST) + 12, run.numbers
    assert min(run.numbers) >= 1
    assert max(run.numbers) <= 64
    if noise < 1:
        assert run.loss < 1.3, run.numbers
