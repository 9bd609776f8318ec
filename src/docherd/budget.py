"""The memory that all workers of a pool share: looked at, and kept within its bounds."""

from __future__ import annotations

from collections.abc import Collection

from docherd import admission, host
from docherd.admission import Claim
from docherd.child import Child
from docherd.exceptions import EnvironmentFault
from docherd.model import Reason


class Budget:
    """How many bytes there are, and what was seen of their use."""

    def __init__(self, size: int) -> None:
        self.size = size
        #: most bytes held by all workers together
        self.peak = 0
        #: bytes held by a worker that has just loaded the processor
        self.loaded = 0
        self._next_look = 0.0
        self._cores = host.cores()

    def weigh(self, child: Child, processor: str) -> None:
        """See what one holds that has just loaded the processor.

        Raises EnvironmentFault where that is more than there is.
        """
        child.look_at_memory()
        self.loaded = child.memory
        if self.loaded > self.size:
            raise EnvironmentFault(
                f"{processor} takes {self.loaded / 1e6:,.0f} MB before it reads a document, and"
                f" --memory is {self.size / 1e6:,.0f} MB: give it more"
            )

    def room(self, children: Collection[Child]) -> int:
        """Bytes that one more grant may reserve."""
        return admission.room(self._claims(children), self.size)

    def workers(self, children: Collection[Child]) -> int:
        """As many as fit: each holds what the processor loads, whatever its Documents need."""
        claims = self._claims(children)
        free = self.size - sum(claim.size for claim in claims)
        return max(1, len(claims) + free // max(1, self.loaded))

    def make_room(self, children: Collection[Child]) -> None:
        """End idle workers until what is reserved for others is there for them."""
        by_number = {child.number: child for child in children}
        for claim in admission.surplus(self._claims(children), self.size):
            by_number[claim.worker].hang_up()

    def look(self, children: Collection[Child], now: float) -> None:
        """See what is held, where that is due, and end whom admission says until the rest fits."""
        if now < self._next_look:
            return
        ready = {child.number: child for child in children if child.ready and not child.leaving}
        for child in ready.values():
            if child.grant is not None:
                child.look_at_memory()
        self.peak = max(self.peak, sum(child.memory for child in children))
        claims = [child.claim for child in ready.values()]
        while (gone := admission.to_go(claims, self.size)) is not None:
            self._end(ready[gone.worker], others=sum(bool(claim.reserved) for claim in claims) > 1)
            claims.remove(gone)
        self._next_look = now + admission.next_look(claims, self.size, self._cores)

    def _end(self, child: Child, *, others: bool) -> None:
        """Too much is held by all: the fault of one only where that holds too much by itself."""
        used, budget = f"{child.memory / 1e6:,.0f} MB used", f"{self.size / 1e6:,.0f} MB"
        if child.grant is None:
            child.hang_up()
        elif child.memory > self.size or not others:
            child.kill((Reason.MEMORY, f"{used} when it was stopped, limit {budget}"))
        else:
            child.crowd_out((Reason.MEMORY, f"{used}, and others need the rest of {budget}"))

    def _claims(self, children: Collection[Child]) -> list[Claim]:
        """What is claimed; one that starts will hold what the others did then."""
        staying = [child for child in children if not child.leaving]
        return [c.claim if c.ready else Claim(c.number, 0, self.loaded) for c in staying]
