"""The memory that all workers of a pool share: looked at, and kept within its bounds.

Two bounds: the budget, to which the workers are held, and what others leave of the machine or
container. While little of that is left nothing begins; once next to nothing is, who holds more
than was reserved for him goes before the kernel chooses somebody.
"""

from __future__ import annotations

import signal
from collections.abc import Collection

from docherd import admission, host
from docherd.admission import Claim
from docherd.child import Child
from docherd.exceptions import EnvironmentFault
from docherd.model import Reason
from docherd.pressure import Kills, Room, Watch
from docherd.units import size as bytes_as_text

_KERNEL = "the kernel's OOM killer ended it: the memory of the machine or container was used up"


class Budget:
    """How many bytes there are, and what was seen of their use."""

    def __init__(self, size: int, watch: Watch, kills: Kills) -> None:
        """``size``: bytes for all workers together, until ``watch`` says otherwise."""
        self.size = size
        #: most bytes held by all workers together
        self.peak = 0
        #: bytes held by a worker that has just loaded the processor
        self.loaded = 0
        #: why nothing begins for want of memory, as it was when that began; else empty
        self.waiting = ""
        self._watch = watch
        self._kills = kills
        self._now = Room(size, size)
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

    # ── what may begin ───────────────────────────────────────────────────────────────────────

    def admits(self, busy: int) -> bool:
        """Whether anything may begin while ``busy`` workers have something in hand."""
        return self._now.admits(busy)

    def room(self, children: Collection[Child]) -> int:
        """Bytes that one more grant may reserve."""
        return admission.room(self._claims(children), self._now.budget)

    def workers(self, children: Collection[Child]) -> int:
        """As many as fit: each holds what the processor loads, whatever its Documents need."""
        if self._now.parked:
            return 0 if self._now.exhausted else 1
        claims = self._claims(children)
        free = self._now.budget - sum(claim.size for claim in claims)
        return max(1, len(claims) + free // max(1, self.loaded))

    def make_room(self, children: Collection[Child]) -> None:
        """End idle workers until what is reserved for others is there for them."""
        by_number = {child.number: child for child in children}
        for claim in admission.surplus(self._claims(children), self._now.budget):
            by_number[claim.worker].hang_up()

    # ── what is held ─────────────────────────────────────────────────────────────────────────

    def look(self, children: Collection[Child], now: float) -> None:
        """See what is left, and what is held where that is due, and end whom admission says."""
        self._look_around(sum(child.memory for child in children))
        # What workers say themselves counts too: a short run has ended before the first look.
        self.peak = max(self.peak, sum(child.memory for child in children))
        if now < self._next_look:
            return
        ready = {child.number: child for child in children if child.ready and not child.leaving}
        for child in ready.values():
            if child.grant is not None:
                child.look_at_memory()
        self.peak = max(self.peak, sum(child.memory for child in children))
        claims, limit = [child.claim for child in ready.values()], self._limit
        while (gone := admission.to_go(claims, limit)) is not None:
            self._end(ready[gone.worker], others=sum(bool(claim.reserved) for claim in claims) > 1)
            claims.remove(gone)
        self._next_look = now + admission.next_look(claims, limit, self._cores)

    def _look_around(self, held: int) -> None:
        before, self._now = self._now, self._watch.room(held)
        self.size = self._now.asked
        if self._now.parked != before.parked:
            self.waiting = self._now.sentence
        if self._now is not before:
            self._kills.look()

    @property
    def _limit(self) -> int:
        """Bytes above which somebody has to end; one worker with nothing in hand may stay."""
        if not self._now.exhausted:
            return self.size
        return max(self._now.budget, self.loaded)

    def _end(self, child: Child, *, others: bool) -> None:
        """Too much is held by all: the fault of one only where that holds too much by itself."""
        used, budget = f"{child.memory / 1e6:,.0f} MB used", f"{self.size / 1e6:,.0f} MB"
        if child.grant is None:
            child.hang_up()
        elif child.memory > self.size or not (others or self._now.exhausted):
            child.kill((Reason.MEMORY, f"{used} when it was stopped, limit {budget}"))
        else:
            child.crowd_out((Reason.MEMORY, f"{used}, and others need the rest of {budget}"))

    def blame_kernel(self, child: Child) -> None:
        """Note where it was the kernel's OOM killer that ended one which has died."""
        ours = child.verdict or child.dismissed
        if child.ended == -signal.SIGKILL and not ours and self._kills.claim():
            held = bytes_as_text(max(child.peak, child.memory))
            child.verdict = (Reason.MEMORY, f"{_KERNEL} (it held {held} when last looked at)")

    def _claims(self, children: Collection[Child]) -> list[Claim]:
        """What is claimed; one that starts will hold what the others did then."""
        staying = [child for child in children if not child.leaving]
        return [c.claim if c.ready else Claim(c.number, 0, self.loaded) for c in staying]
