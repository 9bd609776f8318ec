"""What a section counted: how many faults were injected, and what went wrong after them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any

#: problems kept in words; all are counted
WORDS = 20


@dataclass(slots=True)
class Tally:
    """Counts of one section. Those in ``WRONG`` must all be 0."""

    #: faults that hit (a point that a run did not reach is none)
    injected: int = 0
    #: documents that were given to docherd, over all runs
    documents: int = 0
    #: documents that docherd had reported as ended before a fault hit
    acknowledged: int = 0
    #: documents without an outcome, or done without their Records
    lost: int = 0
    #: Records that are there twice, or that nobody wrote
    duplicated: int = 0
    #: documents that failed through no fault of theirs, or failed with another reason
    blamed: int = 0
    #: documents reported as ended whose Records are gone
    acknowledged_lost: int = 0
    #: Records to be seen in data/ before they were committed
    uncommitted: int = 0
    #: runs that ended otherwise than they must: refused, an unclear message, a wrong exit code
    refused: int = 0
    #: processes and files left behind
    left: int = 0
    #: what went wrong, in words
    problems: list[str] = field(default_factory=list)

    def wrong(self, count: str, where: str, number: int = 1) -> None:
        """Count a problem, as one of ``WRONG``, and say where."""
        setattr(self, count, getattr(self, count) + number)
        if len(self.problems) < WORDS:
            self.problems.append(f"{count}: {where}")

    def add(self, other: Tally) -> None:
        """Sum up."""
        for each in fields(self):
            setattr(self, each.name, getattr(self, each.name) + getattr(other, each.name))
        del self.problems[WORDS:]

    @property
    def bad(self) -> int:
        """How many things went wrong."""
        return sum(getattr(self, name) for name in WRONG)

    def as_json(self) -> dict[str, Any]:
        """For ``data["tally"]``, which every section returns."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Tally:
        """What ``as_json`` made."""
        return cls(**values)


#: the counts that must be 0, and what the page calls them
WRONG = {
    "lost": "lost",
    "duplicated": "duplicated",
    "blamed": "wrongly blamed",
    "acknowledged_lost": "acknowledged and lost",
    "uncommitted": "uncommitted but visible",
    "refused": "wrong end",
    "left": "left behind",
}
