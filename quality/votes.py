"""What most of some readers agree on, where nobody has written down what is right."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from quality.words import Bag


@dataclass(frozen=True, slots=True)
class Ballot:
    """What readers say of one document."""

    #: each word as often as more than half of them have it; of two, both
    needed: Bag
    #: as often as any of them has it
    allowed: Bag

    def f1(self, found: Bag) -> float:
        """Of what is needed, how much is there; of what is there, how much is allowed."""
        there = (found & self.needed).total() / max(1, self.needed.total())
        right = (found & self.allowed).total() / max(1, found.total())
        return 2 * there * right / (there + right) if there + right else 0.0


def vote(bags: Sequence[Bag]) -> Ballot:
    """Each bag is one reader's."""
    majority = len(bags) // 2
    needed: Bag = Counter()
    allowed: Bag = Counter()
    for word in set().union(*bags):
        counts = sorted((bag[word] for bag in bags), reverse=True)
        needed[word], allowed[word] = counts[majority], counts[0]
    return Ballot(+needed, allowed)


def agreed(said: Sequence[str]) -> str | None:
    """What more than half say of a cell ("" is that it is empty); None where they differ."""
    value, votes = Counter(said).most_common(1)[0]
    return value if votes * 2 > len(said) else None
