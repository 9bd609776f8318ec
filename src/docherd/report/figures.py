"""What a report tells, gathered once: report.json shows all of it, report.html most."""

from __future__ import annotations

import json
import platform
import sqlite3
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from docherd import host, wording
from docherd.model import Counts, Reason, Root, text_of
from docherd.remembered import Failure, Kind, Measured, Start
from docherd.report import command
from docherd.sizing import FILE, Advice, Use, advise
from docherd.view import View

#: Documents in the lists of what stands out, and examples of each reason
OUTSTANDING, EXAMPLES = 10, 20


@dataclass(frozen=True, slots=True)
class Environment:
    """Where the report was written."""

    python: str
    platform: str
    cpus: int
    memory: int
    sqlite: str


@dataclass(frozen=True, slots=True)
class Figures:
    """One run at one moment. Seconds and bytes."""

    run: str
    docherd: str
    #: ISO 8601
    created: str
    #: running, finished or interrupted
    state: str
    command: str
    inputs: tuple[Root, ...]
    processor: str
    fingerprint: str
    counts: Counts
    reasons: Mapping[Reason, int]
    written: int
    kinds: tuple[Kind, ...]
    slowest: tuple[Measured, ...]
    largest: tuple[Measured, ...]
    most_memory: tuple[Measured, ...]
    examples: Mapping[Reason, tuple[Failure, ...]]
    starts: tuple[Start, ...]
    #: of the last start that was long enough to say; None where there was none
    use: Use | None
    advice: Advice | None
    environment: Environment
    #: ISO 8601, when all this was so
    reported: str

    @property
    def headline(self) -> str:
        return wording.headline(self.state, self.counts)

    @property
    def seconds(self) -> float:
        return sum(start.seconds for start in self.starts)

    @property
    def rate(self) -> float:
        return wording.finished(self.counts) / self.seconds if self.seconds > 0 else 0.0

    @property
    def budget(self) -> int:
        return self.starts[-1].memory if self.starts else 0

    @property
    def peak(self) -> int:
        return max((start.peak for start in self.starts), default=0)

    @property
    def records(self) -> int:
        return sum(kind.records for kind in self.kinds)

    @property
    def copies(self) -> int:
        return sum(kind.copies for kind in self.kinds)

    @property
    def read(self) -> int:
        return sum(kind.size for kind in self.kinds)

    def as_json(self) -> dict[str, object]:
        """The run as report.json shows it; keys may be added, never renamed."""
        return {
            "headline": self.headline,
            "run": self.run,
            "docherd": self.docherd,
            "created": self.created,
            "state": self.state,
            "command": self.command,
            "inputs": [
                {"label": text_of(root.label), "folder": text_of(root.folder)}
                for root in self.inputs
            ],
            "processor": {"name": self.processor, "fingerprint": self.fingerprint},
            "counts": self.counts.as_json(),
            "reasons": {str(reason): number for reason, number in self.reasons.items()},
            "seconds": round(self.seconds, 3),
            "rate": round(self.rate, 3),
            "memory": {"budget": self.budget, "peak": self.peak},
            "records": self.records,
            "copies": self.copies,
            "bytes_read": self.read,
            "bytes_written": self.written,
            "kinds": [kind.as_json() for kind in self.kinds],
            "slowest": [row.as_json() for row in self.slowest],
            "largest": [row.as_json() for row in self.largest],
            "most_memory": [row.as_json() for row in self.most_memory],
            "failures": self._by_reason(skips=False),
            "skipped": self._by_reason(skips=True),
            "starts": [start.as_json() for start in self.starts],
            "sizing": self._sizing(),
            "environment": asdict(self.environment),
            "reported": self.reported,
        }

    def _by_reason(self, *, skips: bool) -> dict[str, object]:
        return {
            str(reason): {
                "count": number,
                "meaning": wording.MEANING[reason],
                # failures.jsonl has the details, whole
                "examples": [{**each.as_json(), "detail": None} for each in self.examples[reason]],
            }
            for reason, number in self.reasons.items()
            if reason.skips == skips
        }

    def _sizing(self) -> dict[str, object] | None:
        if self.use is None or self.advice is None:
            return None
        return {
            "limited_by": self.advice.limited_by,
            "sentences": self.advice.sentences,
            "use": self.use.as_json(),
        }


def gather(view: View, *, state: str) -> Figures:
    """All of it; ``state`` is what is so, whatever the ledger's last start said."""
    reasons, costs = view.reasons(), view.costs(OUTSTANDING)
    use, advice = _sizing(view.folder)
    return Figures(
        run=view.run,
        docherd=view.version,
        created=view.created,
        state=state,
        command=command.of(view.about, view.folder),
        inputs=view.inputs,
        processor=view.processor,
        fingerprint=view.fingerprint,
        counts=view.counts(),
        reasons=reasons,
        written=view.written(),
        kinds=costs.kinds,
        slowest=tuple(view.measured(costs.slowest)),
        largest=tuple(view.measured(costs.largest)),
        most_memory=tuple(view.measured(costs.most_memory)),
        # No more than there are: the search for another would go through all failures.
        examples={
            reason: tuple(view.failures(reason, most=min(number, EXAMPLES)))
            for reason, number in reasons.items()
        },
        starts=tuple(view.starts()),
        use=use,
        advice=advice,
        environment=_environment(),
        reported=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _sizing(folder: Path) -> tuple[Use, Advice] | tuple[None, None]:
    try:
        use = Use.from_json(json.loads((folder / FILE).read_bytes()))
        return use, advise(use)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, ArithmeticError):
        return None, None  # a start that was killed left none


def _environment() -> Environment:
    return Environment(
        python=platform.python_version(),
        platform=platform.platform(),
        cpus=host.cores(),
        memory=host.memory(),
        sqlite=sqlite3.sqlite_version,
    )
