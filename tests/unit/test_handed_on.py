"""Small Documents while large ones wait for memory, from a window that a test makes up."""

from collections import Counter

from docherd.forecast import Forecast
from docherd.model import Outcome, Root, Status, Task
from docherd.scheduler import Rules, Scheduler
from docherd.supply import Supply

MB = 10**6
ROOT = Root(b"in", b"/in")
RULES = Rules(workers=8, memory=1000 * MB, timeout=10.0, timeout_per_mb=0.0)


class Window:
    """As much of one as a Supply uses."""

    def __init__(self, tasks):
        self._tasks = list(tasks)

    @property
    def waiting(self):
        return len(self._tasks)

    @property
    def strata(self):
        return Counter(task.stratum for task in self._tasks)

    def take(self, most):
        taken, self._tasks = self._tasks[:most], self._tasks[most:]
        return taken

    def take_of(self, stratum, most, *, anywhere=False):
        taken = [task for task in self._tasks if task.stratum == stratum][:most]
        self._tasks = [task for task in self._tasks if task not in taken]
        return taken


def task(number, stratum):
    return Task(number, ROOT, b"%d" % number, 1000, stratum)


def test_while_giants_wait_for_memory_small_ones_are_handed_on():
    """Thirty of which only one fits at a time, and a thousand small ones: nobody idles."""
    large = [task(n, "tif/23") for n in range(30)]
    small = [task(n, "txt/10") for n in range(30, 1030)]
    forecast = Forecast()
    for _ in range(300):  # it is known what either takes
        forecast.learn(Outcome(large[0], Status.DONE, seconds=3.0, peak=700 * MB))
        forecast.learn(Outcome(small[0], Status.DONE, seconds=0.1, peak=20 * MB))
    scheduler = Scheduler(RULES, forecast)
    supply = Supply(Window([*large, *small]), scheduler, forecast)
    in_hand, begun = [], Counter()
    for _ in range(100):  # one small one after the other ends; a large one takes longer
        for _ in range(10):
            supply.refill(lambda: Counter(grant.tasks[0].stratum for grant in in_hand))
            room = RULES.memory - sum(grant.memory for grant in in_hand)
            grant = scheduler.next(len(in_hand), retry=False, room=room)
            if grant is not None:
                in_hand.append(grant)
                begun[grant.tasks[0].stratum] += 1
            if len(in_hand) == RULES.workers:
                break
        assert len(in_hand) == RULES.workers
        in_hand.remove(next(each for each in in_hand if each.tasks[0].stratum == "txt/10"))
    assert begun["tif/23"] == 1
    assert scheduler.held_up >= RULES.workers
