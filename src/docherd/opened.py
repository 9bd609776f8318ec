"""A run read back from its folder: ``docherd.open``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from docherd import records
from docherd.exceptions import UsageError
from docherd.model import Counts, Reason
from docherd.remembered import Failure
from docherd.result import Record
from docherd.view import View

if TYPE_CHECKING:
    import pandas


class Run:
    """What is in a run's folder, also while the run goes on. Never writes.

    Everything raises DamageError where a file of the run cannot be read.
    """

    def __init__(self, out: Path) -> None:
        """Raises UsageError where ``out`` is no run's folder."""
        View.open(out).close()
        self.out = out

    def __repr__(self) -> str:
        return f"Run({str(self.out)!r})"

    @property
    def counts(self) -> Counts:
        """Documents by status, as of the last commit."""
        with View.open(self.out) as view:
            return view.counts()

    @property
    def reasons(self) -> dict[Reason, int]:
        """How many Documents failed or were skipped for each reason, most first."""
        with View.open(self.out) as view:
            return view.reasons()

    def records(self) -> Iterator[Record]:
        """Every Record, each with ``document``, ``path`` and ``ordinal``; one at a time."""
        return map(json.loads, records.lines(self.out))

    def failures(
        self, reason: Reason | str | None = None, *, all: bool = False
    ) -> Iterator[Failure]:
        """What failed (for this reason), and with ``all`` what was skipped; one at a time.

        Raises ValueError for a reason that is none.
        """
        wanted = None if reason is None else Reason(reason)
        with View.open(self.out) as view:
            yield from view.failures(wanted, all)

    def to_pandas(self) -> pandas.DataFrame:
        """Every Record as a row, all in memory at once.

        Raises UsageError where pandas is not installed.
        """
        try:
            import pandas
        except ImportError:
            raise UsageError("to_pandas needs pandas: pip install pandas") from None
        return pandas.DataFrame(self.records())
