"""Failures with the same message, numbers and paths aside, counted in flat memory."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

from docherd.model import Reason
from docherd.remembered import Failure

#: messages of one reason that are told apart at the same time, and Failures kept of each
DIFFERENT, EXAMPLES = 100, 3
#: letters of a message that are compared, and of a detail that are kept
_COMPARED, _DETAIL = 300, 2000

_VARIES = re.compile(r"0x[0-9a-f]+|\S*/\S*|\d+", re.IGNORECASE)


@dataclass(slots=True)
class Alike:
    """Failures that say the same."""

    number: int = 0
    #: the first ones
    examples: list[Failure] = field(default_factory=list)

    def add(self, failure: Failure) -> None:
        self.number += 1
        if len(self.examples) < EXAMPLES:
            detail = failure.detail and failure.detail[-_DETAIL:]
            self.examples.append(replace(failure, detail=detail))


class Messages:
    """What the failures of a run say, most frequent first."""

    def __init__(self) -> None:
        self._by_reason: dict[Reason | None, dict[str, Alike]] = {}

    def passing(self, failures: Iterable[Failure]) -> Iterator[Failure]:
        """Hand the failures on, each counted."""
        for failure in failures:
            self.add(failure)
            yield failure

    def add(self, failure: Failure) -> None:
        """Count one failure."""
        known = self._by_reason.setdefault(failure.reason, {})
        shape = _VARIES.sub("#", failure.message[:_COMPARED])
        if shape not in known:
            if len(known) >= DIFFERENT:
                _make_room(known)
            known[shape] = Alike()
        known[shape].add(failure)

    def of(self, reason: Reason, most: int) -> list[Alike]:
        """The most frequent messages of a reason, the earlier first among equals.

        Where more than DIFFERENT are told apart, rare ones may have been counted short.
        """
        known = self._by_reason.get(reason, {}).values()
        return sorted(known, key=lambda alike: -alike.number)[:most]


def _make_room(known: dict[str, Alike]) -> None:
    """Forget the rarer half: what is frequent stays, whenever it begins."""
    middle = sorted(alike.number for alike in known.values())[len(known) // 2]
    for shape in [shape for shape, alike in known.items() if alike.number <= middle]:
        del known[shape]
