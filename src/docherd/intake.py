"""What comes in: source ─► ledger, a few batches ahead ─► window, once they are committed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from docherd.source import NOT_THERE
from docherd.start import Rooms


class Intake:
    """Carries what is found to where it is taken from."""

    def __init__(
        self, rooms: Rooms, pending: Counter[str], lost: Callable[[], bool], *, prune: bool
    ) -> None:
        """``pending``: Documents to be processed by stratum, kept here; ``lost`` says, and notes,
        that a whole input has gone away; ``prune`` as the option.
        """
        self._rooms = rooms
        self._pending = pending
        self._lost = lost
        self._prune = prune
        #: batches handed to the committer and not yet committed
        self._to_discover = 0
        self._vanished = False

    @property
    def walked(self) -> bool:
        """Every input has been found and committed."""
        return self._rooms.source.ended and not self._to_discover

    def turn(self, *, ending: bool) -> None:
        """Take in what there is; ``ending``: nothing new any more."""
        rooms = self._rooms
        while self._to_discover < 2 and not ending and (batch := rooms.source.take()):
            if any(each.reason in NOT_THERE for each in batch) and self._lost():
                ending = True  # the next start walks again
                break
            rooms.committer.discover(batch)
            self._to_discover += 1
        self._pass_on()
        if self.walked and not ending and not self._vanished:
            self._vanish()
        if not ending:
            rooms.copies.turn(self._pending)

    def _pass_on(self) -> None:
        rooms = self._rooms
        for found in rooms.committer.discovered():
            if found.refined:
                rooms.supply.added(found.ready)
                self._pending.subtract(found.refined)
            else:
                self._to_discover -= 1
            rooms.copies.add(found)
            self._pending.update(found.strata)

    def _vanish(self) -> None:
        """The walk is over: what it did not meet, where it took everything, is gone."""
        whole = self._rooms.source.complete
        if whole:
            if self._lost():
                return
            self._rooms.committer.vanished(self._prune)
        self._vanished = True
        self._rooms.copies.walked(whole)
