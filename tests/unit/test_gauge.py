"""What workers wait for, turn by turn."""

import json
import math
from types import SimpleNamespace

import pytest

from docherd import gauge
from docherd.forecast import Forecast
from docherd.gauge import Gauge
from docherd.model import Outcome, Root, Status, Task
from docherd.scheduler import Rules
from docherd.sizing import FILE, Use

RULES = Rules(workers=2, memory=10**9, timeout=1.0, timeout_per_mb=0.0)
AUTO = Rules(workers=2, memory=10**9, timeout=1.0, timeout_per_mb=0.0, most_workers=64)


class Crew:
    """As much of a crew as is looked at."""

    def __init__(self):
        self.size, self.busy, self.starting, self.trimmed = 2, 0, 0, 0
        self.idle = True

    def has_room(self):
        return self.idle

    def trim(self):
        self.trimmed += 1


@pytest.fixture
def world(monkeypatch):
    """A clock, CPU and crew that stand still until they are told otherwise."""
    world = SimpleNamespace(now=100.0, cpu=0.0, waits={}, lines=[])
    clock = SimpleNamespace(
        monotonic=lambda: world.now, process_time=lambda: 0.0, perf_counter=lambda: 0.0
    )
    monkeypatch.setattr(gauge, "time", clock)
    monkeypatch.setattr(gauge.host, "tree_cpu", lambda pid: (world.cpu, dict(world.waits)))
    monkeypatch.setattr(gauge.host, "cores", lambda: 2)
    world.crew = Crew()
    world.pool = SimpleNamespace(
        crew=world.crew, start_seconds=0.1, budget=SimpleNamespace(loaded=10**8, peak=5)
    )
    world.scheduler = SimpleNamespace(waiting=0, deferred=0, workers=2)

    def make(rules=RULES):
        return Gauge(world.pool, world.scheduler, Forecast(), rules, world.lines.append)

    world.make = make
    return world


@pytest.mark.parametrize(
    ("waiting", "deferred", "left", "stuck", "starting", "why"),
    [
        (0, 0, math.inf, False, 0, "source"),
        (0, 0, 0, False, 0, "end"),
        (0, 1, 0, False, 0, "memory"),
        (5, 0, 9, False, 0, "memory"),
        (5, 0, 9, True, 0, "disk"),
        (5, 0, 9, False, 1, "start"),
    ],
)
def test_idle_workers_wait_for_something(world, waiting, deferred, left, stuck, starting, why):
    """Which follows from what there is to do, and counts from this turn to the next."""
    measured = world.make()
    world.scheduler.waiting, world.scheduler.deferred = waiting, deferred
    world.crew.busy, world.crew.starting, world.crew.idle = 1, starting, not starting
    measured.turn(left, stuck=stuck)
    world.now += 3
    measured.turn(left, stuck=stuck)
    use = measured.use
    assert (use.capacity, use.busy) == (6.0, 3.0)
    assert use.idle == {why: 3.0}
    assert (use.squeezed, use.beside) == ((3.0, 3.0) if why == "memory" else (0.0, 0.0))


def test_the_cpu_of_workers_that_ended_stays_counted(world):
    """And what others waited for a core only grows."""
    measured = world.make()
    for cpu, waits in ((1.0, {1: 0.5, 2: 0.5}), (0.4, {2: 0.6}), (1.4, {2: 0.6, 3: 0.1})):
        world.cpu, world.waits = cpu, waits
        world.now += 1
        measured.turn(1, stuck=False)
    assert measured.use.cpu == 2.0
    assert measured.use.waited == pytest.approx(1.2)


def finish(measured, number, seconds):
    for _ in range(number):
        task = Task(1, Root(b"in", b"/in"), b"a.txt", 10, "txt/4")
        measured.end(Outcome(task, Status.DONE, seconds=seconds))


def test_the_number_is_set_where_it_is_looked_up(world):
    """Crew and scheduler hear of it, and so does the log; idle ones go once it stands."""
    measured = world.make(AUTO)
    world.crew.busy = world.crew.size
    measured.turn(1000, stuck=False)
    world.now += 1
    finish(measured, 8, 0.25)
    measured.turn(1000, stuck=False)
    assert world.crew.size == world.scheduler.workers == 8
    assert world.lines == ["workers: 2 → 8, 0 % of the cores in use"]
    assert world.crew.trimmed == 0


def test_a_fixed_number_stays(world):
    """Without auto nothing is changed."""
    measured = world.make()
    world.crew.busy = world.crew.size
    for _ in range(5):
        finish(measured, 8, 0.25)
        world.now += 1
        measured.turn(1000, stuck=False)
    assert world.crew.size == 2
    assert world.lines == []


def test_it_is_written_where_it_was_long_enough(world, tmp_path):
    """A start of a moment leaves what the one before it wrote."""
    measured = world.make()
    assert measured.write(tmp_path) == ()
    assert list(tmp_path.iterdir()) == []
    finish(measured, 10, 1.0)
    world.now += 10
    sentences = measured.write(tmp_path)
    assert sentences
    kept = Use.from_json(json.loads((tmp_path / FILE).read_text()))
    assert kept.documents == 10
    assert kept.seconds == 10.0
