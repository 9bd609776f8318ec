"""What a closed segment becomes: the one door between the commit path and the formats.

    begin ─► a process makes it, in pending/ ─► made ─► COMMIT (segment) ─► publish ─► data/

Whatever a sink does can be cut at any point and done again: what counts is what the ledger has
committed. ``part`` is always as the ledger has it, or is about to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, Protocol

from docherd.conversion import Answer, Conversion
from docherd.rows import MadeFile, Part

#: (offset, length)
Range = tuple[int, int]
#: True where there is no time for anything that takes long
Hurry = Callable[[], bool]


class Made(NamedTuple):
    """What a segment has become, durable in pending/."""

    part: Part
    #: where each Document becomes a file: those
    files: Iterable[MadeFile] = ()


class Sink(Protocol):
    """One format of results."""

    @property
    def mirrors(self) -> bool:
        """A file for each Document, which the next one replaces: no part is ever rewritten."""

    def begin(self, part: Part, gone: Sequence[Range]) -> Conversion | None:
        """Begin to make a closed segment into what is published, without what is ``gone`` of it;
        None where it is that already.
        """

    def made(self, part: Part, answer: Answer) -> Made:
        """What came of it."""

    def rewrite(self, part: Part, target: Part, hurry: Hurry) -> Part:
        """A published part as ``target``, without its further holes: durable in pending/."""

    def publish(self, part: Part) -> None:
        """From pending/ into data/, durable, what is committed; again where that was cut."""

    def check(self, parts: Sequence[Part]) -> None:
        """Raise DamageError where data/ is not what the ledger says. ``parts``: all there are."""

    def taken(self, name: str) -> bool:
        """Something of this name is in data/."""
