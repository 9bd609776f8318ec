"""Who may hold how much memory. Pure: what each worker claims in, whom to stop out.

Reservations never exceed the budget together, because nothing is granted that does not fit. A
Document may hold more than was reserved for it while there is room. When all together hold more
than the budget, somebody is over what was reserved; of those the one furthest over it goes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass

#: memory that one core can fill, bytes a second, and seconds between two looks
GROWTH, LOOK_MIN, LOOK_MAX = 1_000_000_000, 0.05, 0.5


@dataclass(frozen=True, slots=True)
class Claim:
    """One worker's, in bytes."""

    worker: int
    #: for what it has in hand; 0 where that is nothing
    reserved: int
    held: int

    @property
    def size(self) -> int:
        """What cannot be given to others."""
        return max(self.reserved, self.held)


def room(claims: Iterable[Claim], budget: int) -> int:
    """Bytes that one more grant may reserve; idle workers can be ended to make them."""
    return budget - sum(claim.size for claim in claims if claim.reserved)


def surplus(claims: Iterable[Claim], budget: int) -> list[Claim]:
    """The idle workers that have to end so that what is reserved for others is there for them."""
    claims = list(claims)
    over = sum(claim.size for claim in claims) - budget
    gone: list[Claim] = []
    for claim in sorted(claims, key=lambda claim: -claim.held):
        if over > 0 and not claim.reserved:
            gone.append(claim)
            over -= claim.held
    return gone


def to_go(claims: Collection[Claim], budget: int) -> Claim | None:
    """Whose process has to end, so that all stay within the budget; None while they do.

    An idle worker first, the largest; then the one furthest over its reservation. One within its
    reservation never goes.
    """
    if sum(claim.held for claim in claims) <= budget:
        return None
    idle = [claim for claim in claims if not claim.reserved]
    if idle:
        return max(idle, key=lambda claim: claim.held)
    over = [claim for claim in claims if claim.held > claim.reserved]
    return max(over, key=lambda claim: claim.held - claim.reserved, default=None)


def next_look(claims: Iterable[Claim], budget: int, cores: int) -> float:
    """Seconds in which what is held may not grow over the budget, but for one look's time."""
    held = busy = 0
    for claim in claims:
        held += claim.held
        busy += bool(claim.reserved)
    growth = GROWTH * max(1, min(busy, cores))
    return min(LOOK_MAX, max(LOOK_MIN, (budget - held) / growth))
