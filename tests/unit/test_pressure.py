"""What may start while others take the memory: rules that hold for any numbers, and real looks."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from docherd import cgroups, host, pressure
from docherd.pressure import FLOWING, RELIEF, STALLED, Kills, Reading, Room, Watch, reserve, room

MB, GB = 10**6, 10**9
rules = settings(derandomize=True, deadline=None, max_examples=300)

AMOUNTS = st.one_of(st.integers(0, 2**20), st.integers(0, 2**42))
STALLS = st.one_of(st.none(), st.floats(0, 100), st.sampled_from([FLOWING, STALLED]))


@st.composite
def readings(draw):
    total = draw(AMOUNTS)
    edges = [0, total, *(int(f * reserve(total)) for f in (0.25, 1, RELIEF))]
    available = draw(st.one_of(st.integers(0, total), st.sampled_from(edges)))
    return Reading(total, available, draw(STALLS), draw(st.booleans()))


# ── rules ────────────────────────────────────────────────────────────────────────────────────


@rules
@given(readings(), AMOUNTS, AMOUNTS, st.booleans())
def test_a_budget_is_never_negative_nor_above_what_was_asked(reading, held, asked, parked):
    """Nor above what is held and can be had, less the reserve."""
    found = room(reading, held, asked, parked)
    assert 0 <= found.budget <= asked == found.asked
    assert found.budget <= max(0, held + reading.available - reserve(reading.total))


@rules
@given(readings(), AMOUNTS, AMOUNTS, AMOUNTS, st.booleans())
def test_more_memory_is_never_a_smaller_budget(reading, more, held, asked, parked):
    """And never forbids what was allowed."""
    less, after = (
        room(each, held, asked, parked)
        for each in (reading, replace(reading, available=reading.available + more))
    )
    assert less.budget <= after.budget
    assert less.parked >= after.parked
    assert less.exhausted >= after.exhausted


@rules
@given(readings(), AMOUNTS, AMOUNTS, st.booleans())
def test_with_plenty_it_is_never_parked(reading, held, asked, parked):
    """Whatever it was before; and what was asked for may be used."""
    plenty = reserve(reading.total) * 2 + asked + 1
    reading = replace(reading, available=plenty, stalled=0.0)
    assert room(reading, held, asked, parked) == Room(asked, asked)


@rules
@given(readings(), AMOUNTS, AMOUNTS, st.booleans())
def test_a_constant_reading_does_not_flap(reading, held, asked, parked):
    """The first look decides, the next ones agree."""
    first = room(reading, held, asked, parked)
    assert room(reading, held, asked, first.parked) == first


@rules
@given(readings(), AMOUNTS, AMOUNTS, st.booleans())
def test_one_worker_may_always_go_on_unless_the_reserve_is_gone(reading, held, asked, parked):
    """Otherwise a run that has little memory would wait for ever."""
    found = room(reading, held, asked, parked)
    gone = reading.available < reserve(reading.total) / 4
    assert found.exhausted == gone
    assert found.admits(0) == (not gone)
    assert found.admits(1) == found.admits(15) == (not gone and not found.parked)


@rules
@given(readings(), AMOUNTS, AMOUNTS, st.booleans())
def test_there_is_a_sentence_exactly_while_it_waits(reading, held, asked, parked):
    """One line."""
    found = room(reading, held, asked, parked)
    assert bool(found.sentence) == found.parked
    assert "\n" not in found.sentence
    assert found.parked or not found.exhausted


@rules
@given(st.lists(st.integers(900, 1100), min_size=1, max_size=50))
def test_wavering_around_a_threshold_changes_its_mind_once(available):
    """A reserve is 1 GiB here; between one and one and a half it stays as it was."""
    parked, changes = False, 0
    for each in available:
        found = room(Reading(64 * GB, each * reserve(64 * GB) // 1000), 0, GB, parked)
        changes += found.parked != parked
        parked = found.parked
    assert changes <= 1


# ── figures ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("total", "kept"),
    [
        (0, 0),
        (40 * MB, 10 * MB),
        (256 * MB, 64 * MB),
        (1 * GB, 64 * MB),
        (2 * GB, 100 * MB),
        (16 * GB, 800 * MB),
        (512 * GB, 1 << 30),
    ],
)
def test_the_reserve(total, kept):
    """5 %, at least 64 MB, at most 1 GiB, never above a quarter."""
    assert reserve(total) == kept


@pytest.mark.parametrize(
    ("available", "stalled", "before", "parked"),
    [
        (900, None, False, False),
        (799, None, False, True),
        (1200, None, True, True),
        (1201, None, True, False),
        (9000, 10.0, False, False),
        (9000, 10.1, False, True),
        (9000, 5.0, True, True),
        (9000, 4.9, True, False),
        (700, 0.0, True, True),
    ],
)
def test_parked_from_one_threshold_to_the_other(available, stalled, before, parked):
    """Of 16 GB 800 MB are the reserve."""
    reading = Reading(16 * GB, available * MB, stalled)
    assert room(reading, 0, 8 * GB, before).parked == parked


def test_what_the_workers_hold_is_theirs():
    """A cgroup that they have filled themselves leaves them their budget."""
    alone = Reading(4 * GB, 1200 * MB, 0.0, True)
    assert room(alone, 2700 * MB, 3200 * MB, False) == Room(3200 * MB, 3200 * MB)
    squeezed = Reading(16 * GB, 1 * GB)
    assert room(squeezed, 2 * GB, 12 * GB, False).budget == 2200 * MB


@pytest.mark.parametrize(
    ("reading", "held", "sentence"),
    [
        (
            Reading(16 * GB, 212 * MB),
            2 * GB,
            "212 MB are left on this machine, other programs hold it",
        ),
        (
            Reading(2 * GB, 40 * MB, 90.0, True),
            1800 * MB,
            "40 MB are left of this container's 2.0 GB, the workers hold it",
        ),
        (Reading(16 * GB, 9 * GB, 34.2), 0, "programs waited for it 34 % of the last 10 s"),
    ],
)
def test_why_it_waits_in_words(reading, held, sentence):
    """Where it is missing, and who has it."""
    assert room(reading, held, 12 * GB, False).sentence == f"waiting for memory: {sentence}"


# ── over time ────────────────────────────────────────────────────────────────────────────────


class Clock:
    """Seconds that pass when a test says so."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


class Scripted:
    """Readings one after the other; the last stays."""

    def __init__(self, *readings):
        self.left = list(readings)
        self.taken = 0

    def __call__(self):
        self.taken += 1
        return self.left.pop(0) if len(self.left) > 1 else self.left[0]


def test_a_watch_looks_four_times_a_second_at_most():
    """Between looks the last room stands, whatever the workers hold meanwhile."""
    clock, scripted = Clock(), Scripted(Reading(16 * GB, 8 * GB), Reading(16 * GB, 1 * GB))
    watch = Watch(12 * GB, 0.8, scripted, clock)
    first = watch.room(GB)
    clock.now += 0.24
    assert watch.room(5 * GB) is first
    assert scripted.taken == 1
    clock.now += 0.01
    assert watch.room(GB).budget == 1200 * MB
    assert scripted.taken == 2


def test_a_watch_remembers_that_it_is_parked():
    """Until there is more than the threshold that parked it."""
    clock = Clock()
    available = (700, 900, 1300, 900)
    watch = Watch(8 * GB, 0.8, Scripted(*(Reading(16 * GB, a * MB) for a in available)), clock)
    seen = []
    for _ in available:
        seen.append(watch.room(0).parked)
        clock.now += 1
    assert seen == [True, True, False, False]


@pytest.mark.parametrize(("asked", "budgets"), [(None, [8, 4]), (0, [8, 4]), (6 * GB, [6, 4.75])])
def test_a_limit_that_is_changed_changes_the_share_of_it(asked, budgets):
    """What the user asked for stays asked, and is given as far as there is."""
    clock = Clock()
    scripted = Scripted(Reading(10 * GB, 10 * GB), Reading(5 * GB, 5 * GB, None, True))
    watch = Watch(asked, 0.8, scripted, clock)
    found = [watch.room(0)]
    clock.now += 1
    found.append(watch.room(0))
    assert [each.budget / GB for each in found] == budgets
    assert [each.asked / GB for each in found] == ([6, 6] if asked else budgets)


def test_a_kill_explains_one_death():
    """Two workers that were taken at once are both explained, a third is not."""
    clock, counts = Clock(), iter([7, 7, 9, 9, 9, 9, 9])
    kills = Kills(lambda: next(counts), clock)
    assert not kills.look()
    assert kills.look()
    assert not kills.look()
    assert [kills.claim() for _ in range(3)] == [True, True, False]


def test_a_kill_of_long_ago_explains_nothing():
    """It was of something else: a child of a worker, another program."""
    clock, counts = Clock(), iter([0, 1, 1, 2])
    kills = Kills(lambda: next(counts), clock)
    assert kills.look()
    clock.now += 6
    assert not kills.claim()
    assert kills.claim()


# ── real ─────────────────────────────────────────────────────────────────────────────────────


class Fixed:
    """Cgroups that allow this."""

    def __init__(self, limit, left, stalled=None):
        self._allowed, self._stalled = cgroups.Allowed(limit, left), stalled

    def allowed(self):
        return self._allowed

    def stalled(self):
        return self._stalled


@pytest.mark.parametrize(
    ("allowed", "reading"),
    [
        ((None, None, 3.0), Reading(16 * GB, 8 * GB, 3.0)),
        ((4 * GB, 3 * GB), Reading(4 * GB, 3 * GB, None, True)),
        ((12 * GB, 11 * GB), Reading(12 * GB, 8 * GB, None, False)),
        ((64 * GB, 2 * GB), Reading(16 * GB, 2 * GB, None, True)),
        ((0, 0), Reading(0, 0, None, True)),
    ],
)
def test_the_least_of_machine_and_cgroups_is_read(monkeypatch, allowed, reading):
    """Both of what there is and of what is left of it."""
    monkeypatch.setattr(host, "physical_memory", lambda: (16 * GB, 8 * GB))
    assert pressure.read(Fixed(*allowed)) == reading


def test_this_machine_can_be_watched():
    """Whatever it is: a budget is found, and no kill has happened of which we know."""
    found = Watch(None, 0.8).room(0)
    assert 0 < found.asked < host.physical_memory()[0]
    assert 0 <= found.budget <= found.asked
    assert not Kills().look()
