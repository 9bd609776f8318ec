"""Identical files are processed once (--dedup), as the engine sees it.

    found ─► held where another file of its size was met before, else ─► window
    the walk is over ─► comparer: who has the same content as an earlier one?
        nobody ─► window        somebody ─► waits, until all others are finished
    ─► copyist: an outcome made from the original's ─► committed as any other

Nothing of it has to be remembered: contents are in the ledger (`document.digest`), a copy's outcome
says what it is a copy of, and what is held is pending. A start that was cut short compares again.
"""

from __future__ import annotations

import math
import queue
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from typing import Self, TypeVar, cast

from docherd.ahead import Ahead
from docherd.bits import Bits
from docherd.committer import Committer
from docherd.comparer import Order
from docherd.copyist import Copied, Copyist
from docherd.exceptions import EnvironmentFault
from docherd.ledger import Ledger
from docherd.model import Outcome, Root
from docherd.rows import Discovered
from docherd.window import Window
from docherd.wire import Channel, Json

#: seconds without a sign of life after which nothing more is expected of the comparer
PATIENCE = 120.0
#: Documents let go together
AT_ONCE = 1000

_T = TypeVar("_T")


class Copies:
    """What is held back, and what becomes of it. As long as it is not turned on, all goes on."""

    def __init__(
        self, ledger: Ledger, roots: Sequence[Root], window: Window, committer: Committer
    ) -> None:
        self._ledger = ledger
        self._window = window
        self._committer = committer
        self._copyist = Copyist(ledger.path.parent, ledger, roots)
        self._on = False
        #: a bit a Document: held, and found to be a copy
        self._held, self._twins = Bits(), Bits()
        #: True where there is something new, or gone, that may be or have been a copy
        self._moved = False
        #: the walk is over; the comparer was started, has said who is what, and all
        self._walked = self._started = self._compared = self._over = False
        self._heard = math.inf
        #: jobs of the committer's, and what came of them
        self._jobs = 0
        self._answers: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._made: list[Outcome] = []
        #: copies made by this start
        self.made = 0
        #: (original, copy) that are next; True once all originals are in the ledger
        self._pairs: list[tuple[int, int]] = []
        self._settled = False
        #: Documents by stratum: no longer to be processed, once more to be processed
        self._fewer: Counter[str] = Counter()
        self._more: Counter[str] = Counter()

    def turn_on(self, order: Order, wake: Callable[[], None], say: Callable[[str], None]) -> None:
        """Before anything is discovered; ``say`` is told what goes wrong."""
        self._on = True
        self._order, self._wake, self._say = order, wake, say
        self._gone = self._ledger.counts.gone
        self._ledger.hold_alike()

    @property
    def comparing(self) -> bool:
        """True while it is not known which of the Documents held are to be processed."""
        return self._on and not (self._compared and not self._jobs)

    @property
    def notice(self) -> str:
        """What others may have to wait for; empty where that is nothing."""
        return "comparing files of the same size" if self._started and self.comparing else ""

    @property
    def waiting(self) -> bool:
        """True while there is something left to do here."""
        return self._on and not (self._over and not self._jobs and not self._made)

    def add(self, discovered: Discovered) -> None:
        """Pass on what may be processed now; the rest is held."""
        self._moved = self._moved or bool(discovered.ready)
        if not discovered.held:
            self._window.add(discovered)
            return
        for document in discovered.held:
            self._held.add(document)
        rows = zip(discovered.ready, discovered.strata, discovered.found, strict=True)
        through = [row for row in rows if row[0] not in discovered.held]
        ready, strata, found = map(list, zip(*through, strict=True)) if through else ([], [], [])
        carried = {d: discovered.carried[d] for d in ready if d in discovered.carried}
        self._window.add(Discovered(ready, carried, strata, found))

    def walked(self, whole: bool) -> None:
        """All that was found was passed on, and what is gone is noted; ``whole``: by a walk that
        took everything there is.
        """
        if self._on and not self._walked:
            self._walked = True
            self._call(lambda: None, lambda _: self._start(whole))  # once that is committed

    def turn(self, pending: Counter[str]) -> None:
        """Whenever something may have happened.

        ``pending``: Documents to be processed, by stratum, which is kept true.
        """
        if not self._on:
            return
        self._answer()
        if self._started and not self._compared:
            self._hear()
        pending.subtract(self._fewer)
        pending.update(self._more)
        self._fewer.clear()
        self._more.clear()

    def outcomes(self, idle: Callable[[], bool], commit: Callable[[], None]) -> list[Outcome]:
        """Of copies that were made; ``idle``: is everything else finished, so that they may be?

        ``commit`` is called before the first are made: what became of their originals must be in
        the ledger.
        """
        self._answer()
        made, self._made = self._made, []
        if self._compared and not self._over and not self._jobs and idle():
            if not self._settled:
                self._settled = True
                commit()
            self._copy_some()  # while these are being committed
        return made

    def close(self) -> None:
        """Compare no more; idempotent."""
        if self._started:
            self._comparer.close()

    # ── comparing ────────────────────────────────────────────────────────────────────────────

    def _start(self, whole: bool) -> None:
        if not (self._moved or self._ledger.counts.gone > self._gone):
            self._compared = self._over = True
            return
        order = replace(self._order, whole=whole)
        self._comparer = Ahead("docherd.comparer", partial(_said, order), self._wake)
        self._comparer.start()
        self._started, self._heard = True, time.monotonic()

    def _hear(self) -> None:
        """What the comparer has said by now."""
        while not self._compared and (said := self._take()) is not None:
            self._heard = time.monotonic()
            if "compared" in said:
                self._compared = True
                self._release(each for each in self._held if each not in self._twins)
            else:
                self._note(_Compared.of(said))
        if time.monotonic() - self._heard > PATIENCE:
            self._give_up("it has said nothing for long: is a disk hanging?")

    def _take(self) -> dict[str, Json] | None:
        try:
            return self._comparer.take()
        except EnvironmentFault as error:
            self._give_up(str(error))
            return None

    def _note(self, said: _Compared) -> None:
        for document in said.twins:
            self._twins.add(document)
        for document in said.again:
            self._held.add(document)
        self._fewer.update(said.strata)
        alone = [document for document in said.alone if document in self._held]
        for document in alone:
            self._held.discard(document)

        def work() -> Discovered:
            if said.digests or said.again:
                self._ledger.compared(said.digests, said.again)
            return self._ledger.let_go(alone)

        def then(discovered: Discovered) -> None:
            again = set(said.again)
            rows = zip(discovered.ready, discovered.strata, strict=True)
            self._more.update(stratum for document, stratum in rows if document in again)
            self._window.add(discovered)

        if said.digests or said.again or alone:
            self._call(work, then)

    def _release(self, documents: Iterable[int]) -> None:
        """These are processed like any other."""
        rest = iter(documents)
        while some := list(islice(rest, AT_ONCE)):
            for document in some:
                self._held.discard(document)
            self._call(partial(self._ledger.let_go, some), self._window.add)

    def _give_up(self, why: str) -> None:
        """Without a comparer everything is processed: nothing is wrong but the time it takes."""
        self._say(f"identical files are not looked for any more: {why}")
        self._comparer.close()
        self._compared = self._over = True
        self._pairs = []
        self._release(self._held)

    # ── copying ──────────────────────────────────────────────────────────────────────────────

    def _copy_some(self) -> None:
        while not self._pairs:
            if (said := self._take()) is None:
                return
            if "pairs" not in said:
                self._over = True
                return
            pairs = cast("list[tuple[int, int]]", said["pairs"])
            self._pairs = [(of, document) for of, document in pairs if document in self._held]
        self._call(partial(self._copyist.copy, self._pairs), self._copied)

    def _copied(self, copied: Copied) -> None:
        done, self._pairs = self._pairs[: copied.pairs], self._pairs[copied.pairs :]
        for _, document in done:
            self._held.discard(document)
        self._made += copied.outcomes
        self.made += len(copied.outcomes)
        if copied.alone:
            self._settled = False
            self._release(copied.alone)

    # ── the committer's thread ───────────────────────────────────────────────────────────────

    def _answer(self) -> None:
        """Go on with what has been done there."""
        while not self._answers.empty():
            self._answers.get()()

    def _call(self, work: Callable[[], _T], then: Callable[[_T], None]) -> None:
        """Have something done there, and what follows of it here."""
        self._jobs += 1

        def answer(result: _T) -> None:
            self._jobs -= 1
            then(result)

        self._committer.call(lambda: self._answers.put(partial(answer, work())))


@dataclass(frozen=True, slots=True)
class _Compared:
    """What the comparer says, by row: see comparer.py."""

    digests: dict[int, bytes]
    again: list[int]
    alone: list[int]
    twins: list[int]
    strata: dict[str, int]

    @classmethod
    def of(cls, said: dict[str, Json]) -> Self:
        digests = cast("list[tuple[int, str]]", said["digests"])
        again, alone, twins = (
            cast("list[int]", said[name]) for name in ("again", "alone", "twins")
        )
        contents = {document: bytes.fromhex(digest) for document, digest in digests}
        return cls(contents, again, alone, twins, cast("dict[str, int]", said["strata"]))


def _said(order: Order, channel: Channel) -> Iterator[dict[str, Json]]:
    """In the comparer's thread."""
    try:
        channel.send(order.as_json())
        while message := channel.receive():
            index, _ = message
            if "failed" in index:
                raise EnvironmentFault(str(index["failed"]))
            yield index
            if "ended" in index:
                return
    except OSError as error:  # it has closed its socket
        raise EnvironmentFault(_DIED) from error
    raise EnvironmentFault(_DIED)


_DIED = "the process that compares files died"
