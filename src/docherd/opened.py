"""A run read back from its folder: ``docherd.open``."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from docherd import exports, selection
from docherd.exceptions import UsageError
from docherd.model import Counts, Reason
from docherd.remembered import Failure
from docherd.result import Record
from docherd.selection import Selection
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

    def records(
        self,
        *,
        kind: str | Sequence[str] = (),
        path: str | Sequence[str] = (),
        limit: int | None = None,
    ) -> Iterator[Record]:
        """Every Record, each with ``document``, ``path`` and ``ordinal``; one at a time.

        ``kind``: only of this kind, or these (``"pdf"``); ``path``: only of Documents that match
        a glob, as in the Records or below the input; ``limit``: at most so many.
        """
        return map(json.loads, selection.lines(self.out, _selection(kind, path, limit)))

    def failures(
        self, reason: Reason | str | None = None, *, all: bool = False
    ) -> Iterator[Failure]:
        """What failed (for this reason), and with ``all`` what was skipped; one at a time.

        Raises ValueError for a reason that is none.
        """
        wanted = None if reason is None else Reason(reason)
        with View.open(self.out) as view:
            yield from view.failures(wanted, all)

    def export(
        self,
        file: str | os.PathLike[str],
        *,
        columns: Sequence[str] = (),
        kind: str | Sequence[str] = (),
        path: str | Sequence[str] = (),
        limit: int | None = None,
        overwrite: bool = False,
    ) -> int:
        """Write all Records, or those chosen as in ``records``, as one file; how many it has.

        Its ending says the format: ``.csv``, ``.jsonl``, ``.parquet`` or ``.xlsx``. It is written
        beside and renamed when it is whole. ``columns``: only these keys, in this order.

        Raises UsageError where the library is missing (``docherd[parquet]``, ``docherd[xlsx]``),
        the file exists or no Record has a column; EnvironmentFault where the disk says no.
        """
        from docherd.exports.writing import export

        target = Path(file)
        form = exports.format_of(target, None)
        asked = exports.Asked(form, target, tuple(columns), overwrite)
        return export(self.out, _selection(kind, path, limit), asked, _unsaid).rows

    def to_pandas(self) -> pandas.DataFrame:
        """Every Record as a row, all in memory at once.

        Raises UsageError where pandas is not installed.
        """
        try:
            import pandas
        except ImportError:
            raise UsageError("to_pandas needs pandas: pip install pandas") from None
        return pandas.DataFrame(self.records())


def _selection(
    kind: str | Sequence[str], path: str | Sequence[str], limit: int | None
) -> Selection:
    return Selection(kinds=_several(kind), paths=_several(path), limit=limit)


def _several(given: str | Sequence[str]) -> tuple[str, ...]:
    return (given,) if isinstance(given, str) else tuple(given)


def _unsaid(_: str) -> None:
    """How far it is, which nobody asked."""
