"""Who may hold how much, and who has to go: rules that hold for any numbers."""

from hypothesis import given, settings
from hypothesis import strategies as st

from docherd.admission import GROWTH, LOOK_MAX, LOOK_MIN, Claim, next_look, room, surplus, to_go

rules = settings(derandomize=True, deadline=None, max_examples=200)
AMOUNTS = st.integers(0, 1000)


@st.composite
def claims(draw):
    """Some workers, idle ones among them."""
    pairs = draw(st.lists(st.tuples(AMOUNTS, AMOUNTS), max_size=8))
    return [Claim(n, reserved, held) for n, (reserved, held) in enumerate(pairs)]


def stopped(claims, budget):
    """Whom a look ends, one after the other."""
    claims, gone = list(claims), []
    while (one := to_go(claims, budget)) is not None:
        claims.remove(one)
        gone.append(one)
    return gone


# ── one look ─────────────────────────────────────────────────────────────────────────────────


@rules
@given(claims(), AMOUNTS)
def test_nobody_within_its_reservation_is_ended(claims, budget):
    """However much the others take, and however small the budget has become."""
    for one in stopped(claims, budget):
        assert one.held > one.reserved


@rules
@given(claims(), AMOUNTS)
def test_what_is_left_fits_where_what_was_reserved_did(claims, budget):
    """And nobody has to go while all fit."""
    if sum(claim.held for claim in claims) <= budget:
        assert not stopped(claims, budget)
    elif sum(claim.reserved for claim in claims) <= budget:
        gone = stopped(claims, budget)
        assert gone
        assert sum(claim.held for claim in claims if claim not in gone) <= budget


@rules
@given(claims(), AMOUNTS)
def test_idle_ones_go_first_then_the_one_furthest_over(claims, budget):
    """What is in hand is work; what is least foreseen is the fault."""
    gone = stopped(claims, budget)
    busy = [claim for claim in gone if claim.reserved]
    assert gone == [claim for claim in gone if not claim.reserved] + busy
    if busy:
        assert not any(claim for claim in claims if not claim.reserved and claim not in gone)
        over = [claim.held - claim.reserved for claim in busy]
        assert over == sorted(over, reverse=True)


@rules
@given(claims(), AMOUNTS)
def test_room_is_made_of_idle_workers_alone(claims, budget):
    """Once they have ended, what is left for a grant really is."""
    gone = surplus(claims, budget)
    assert not any(claim.reserved for claim in gone)
    left = [claim for claim in claims if claim not in gone]
    if room(claims, budget) >= 0:
        assert sum(claim.size for claim in left) <= budget
    if sum(claim.size for claim in claims) <= budget:
        assert not gone


@rules
@given(claims(), st.integers(0, 10**12), st.integers(1, 64))
def test_between_two_looks_the_cores_cannot_fill_what_is_left(claims, budget, cores):
    """But for the time of the shortest look."""
    seconds = next_look(claims, budget, cores)
    assert LOOK_MIN <= seconds <= LOOK_MAX
    if seconds > LOOK_MIN:
        busy = sum(bool(claim.reserved) for claim in claims)
        growth = GROWTH * max(1, min(busy, cores))
        assert sum(claim.held for claim in claims) + seconds * growth <= budget * (1 + 1e-9) + 1


# ── a run of them ────────────────────────────────────────────────────────────────────────────

#: what a Document is expected to need, and how it then grows from look to look
TRACES = st.tuples(st.integers(1, 1200), st.lists(st.integers(0, 300), min_size=1, max_size=6))


@rules
@given(st.integers(50, 1000), st.integers(1, 6), st.lists(TRACES, min_size=1, max_size=25))
def test_reservations_fit_the_budget_and_after_each_look_so_does_what_is_held(
    budget, workers, traces
):
    """Documents of any appetite, foreseen or not: nobody within its reservation is ever ended."""
    waiting = [(min(reserved, budget), list(growth)) for reserved, growth in traces]
    running, number = {}, 0
    while waiting or running:
        while waiting and len(running) < workers:
            claims = [claim for claim, _ in running.values()]
            if running and waiting[0][0] > room(claims, budget):
                break
            reserved, growth = waiting.pop(0)
            running[number] = (Claim(number, reserved, 0), growth)
            number += 1
        assert running  # what fits nowhere runs alone
        assert sum(claim.reserved for claim, _ in running.values()) <= budget
        for each, (claim, growth) in list(running.items()):
            if growth:
                grown = Claim(each, claim.reserved, claim.held + growth.pop(0))
                running[each] = grown, growth
            else:
                del running[each]
        claims = [claim for claim, _ in running.values()]
        for gone in stopped(claims, budget):
            assert gone.held > gone.reserved
            del running[gone.worker]
        assert sum(claim.held for claim, _ in running.values()) <= budget
