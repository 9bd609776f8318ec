"""What is shown while a run goes on: a live display, plain lines, JSON events or nothing.

The engine calls ``update`` up to ten times a second; each display decides what it writes. A
display can fail only by falling silent: a closed pipe never ends a run.
"""

from __future__ import annotations

import json
import math
import os
from typing import IO, Protocol, TextIO, cast

from docherd import wording
from docherd.model import Eta, Outcome, Snapshot, Status, printable
from docherd.plan import Foretold
from docherd.units import clock, count
from docherd.wording import ending, failures, pace, progress, verdict, workers

#: where a notice is over
GOES_ON = "going on"
KINDS = ("auto", "live", "plain", "json", "none")


class Progress(Protocol):
    """A display of one run."""

    def update(self, snapshot: Snapshot) -> None:
        """Show where the run stands; cheap enough for ten calls a second."""

    def document(self, outcome: Outcome) -> None:
        """Take note of one finished Document."""

    def message(self, text: str) -> None:
        """Show one line to the person."""

    def foretell(self, foretold: Foretold) -> None:
        """Show what is to be expected of the rest."""

    def close(self, snapshot: Snapshot) -> None:
        """Show how it ended; nothing is written after this."""


def choose(kind: str, stream: TextIO, verbose: bool) -> Progress:
    """The display of this name (one of KINDS) on ``stream``.

    ``auto`` is live on a terminal that can draw it, else plain. ``verbose`` adds a line
    for every Document that is not done. Raises ValueError for any other name.
    """
    if kind == "auto":
        kind = "live" if _can_draw(stream) else "plain"
    if kind == "none":
        return Silent()
    outlet = Outlet(stream)
    if kind == "plain":
        return Plain(outlet, verbose)
    if kind == "json":
        return Json(outlet)
    if kind == "live":
        from docherd.live import Live

        # Rich writes, flushes and asks for the encoding; that much of a stream an Outlet is.
        return Live(cast(IO[str], outlet), verbose)
    raise ValueError(f"{kind!r} is not a display; one of {', '.join(KINDS)}")


def _can_draw(stream: TextIO) -> bool:
    try:
        terminal = stream.isatty() and os.environ.get("TERM", "dumb") != "dumb"
    except ValueError:  # closed
        return False
    return terminal and "utf" in (stream.encoding or "").lower()


# ── the shape others build on ────────────────────────────────────────────────────────────────


def status(snapshot: Snapshot) -> dict[str, object]:
    """A Snapshot as status.json, ``status --json`` and progress events show it.

    Seconds and bytes. Keys may be added, never removed or renamed.
    """
    return {
        "run": snapshot.run,
        "state": snapshot.state,
        "counts": snapshot.counts.as_json(),
        "reasons": {str(reason): number for reason, number in snapshot.reasons.items()},
        "seconds": round(snapshot.seconds, 3),
        "eta": _eta(snapshot.eta),
        "memory": {
            "budget": snapshot.memory_budget,
            "peak": snapshot.memory_peak,
            "used": snapshot.memory,
        },
        "walking": snapshot.walking,
        "finished": snapshot.finished,
        "rate": round(snapshot.rate, 3),
        "written": snapshot.written,
        "workers": [
            {
                "path": busy.path,
                "seconds": round(busy.seconds, 3),
                "memory": busy.memory,
                "page": busy.page,
                "pages": busy.pages,
            }
            for busy in snapshot.busy
        ],
        "parallel": snapshot.workers,
        "auto": snapshot.auto,
        "notice": snapshot.notice,
    }


def _eta(eta: Eta | None) -> dict[str, float] | None:
    if eta is None:
        return None
    return {
        "seconds": round(eta.seconds),
        "low": math.floor(eta.low),
        "high": math.ceil(eta.high),
    }


def forecast(foretold: Foretold) -> dict[str, object]:
    """What is expected, as ``--progress json`` shows it once. Seconds and bytes."""
    time, output = foretold.time, foretold.output
    return {
        "documents": foretold.documents,
        "seconds": round(time.middle, 3),
        "low": round(time.low, 3),
        "high": round(time.high, 3),
        "output_bytes": round(output.middle),
        "output_low": round(output.low),
        "output_high": round(output.high),
        "free_bytes": foretold.free,
    }


# ── displays ─────────────────────────────────────────────────────────────────────────────────


class Silent:
    """Shows nothing."""

    def update(self, snapshot: Snapshot) -> None: ...

    def document(self, outcome: Outcome) -> None: ...

    def message(self, text: str) -> None: ...

    def foretell(self, foretold: Foretold) -> None: ...

    def close(self, snapshot: Snapshot) -> None: ...


class Plain:
    """One line every few seconds, for logs and terminals that cannot move the cursor."""

    FIRST = 2.0
    EVERY = 5.0

    def __init__(self, outlet: Outlet, verbose: bool = False) -> None:
        self._outlet = outlet
        self._verbose = verbose
        self._due = self.FIRST
        self._notice = ""

    def update(self, snapshot: Snapshot) -> None:
        if snapshot.notice != self._notice:
            self._notice = snapshot.notice
            self._line(f"{clock(snapshot.seconds)}  {snapshot.notice or GOES_ON}")
        # The run's own clock, not ours: a laptop that slept does not owe a thousand lines.
        if snapshot.seconds >= self._due:
            self._due = snapshot.seconds + self.EVERY
            self._line(plain_line(snapshot))

    def document(self, outcome: Outcome) -> None:
        if self._verbose and outcome.status is not Status.DONE:
            self._line(ending(outcome))

    def message(self, text: str) -> None:
        self._line(text)

    def foretell(self, foretold: Foretold) -> None:
        self._line(wording.foretold(foretold))

    def close(self, snapshot: Snapshot) -> None:
        how = verdict(snapshot.state, snapshot.counts, snapshot.seconds)
        self._line(f"{clock(snapshot.seconds)}  {how}")

    def _line(self, text: str) -> None:
        self._outlet.write(printable(text) + "\n")
        self._outlet.flush()


def plain_line(snapshot: Snapshot) -> str:
    """``00:01:05  12,345 of 50,000 documents (24.7 %), 189/s, ETA about 3 min (2-5), ...``."""
    parts = [progress(snapshot), *pace(snapshot), failures(snapshot.counts, snapshot.reasons)]
    parts.append(workers(snapshot))
    if snapshot.counts.skipped:
        parts.append(f"{count(snapshot.counts.skipped)} skipped")
    return f"{clock(snapshot.seconds)}  {', '.join(part for part in parts if part)}"


class Json:
    """One JSON object a line, for machines: progress, document and message events."""

    #: seconds between progress events
    EVERY = 1.0

    def __init__(self, outlet: Outlet) -> None:
        self._outlet = outlet
        self._due = 0.0
        self._notice = ""

    def update(self, snapshot: Snapshot) -> None:
        if snapshot.seconds >= self._due or snapshot.notice != self._notice:
            self._notice = snapshot.notice
            self._due = snapshot.seconds + self.EVERY
            self._event("progress", status(snapshot))
        # Documents may end by the thousand a second: they are flushed here, not one by one.
        self._outlet.flush()

    def document(self, outcome: Outcome) -> None:
        self._event(
            "document",
            {
                "document": outcome.task.id,
                "path": outcome.task.path,
                "status": outcome.status,
                "reason": outcome.reason,
                "seconds": round(outcome.seconds, 6),
                "peak_memory": outcome.peak,
            },
        )

    def message(self, text: str) -> None:
        self._event("message", {"text": text})
        self._outlet.flush()

    def foretell(self, foretold: Foretold) -> None:
        self._event("forecast", forecast(foretold))
        self._outlet.flush()

    def close(self, snapshot: Snapshot) -> None:
        self._event("progress", status(snapshot))
        self._outlet.flush()

    def _event(self, event: str, values: dict[str, object]) -> None:
        self._outlet.write(json.dumps({"event": event, **values}) + "\n")


class Outlet:
    """A stream that falls silent for good when it fails (a closed pipe, a full disk)."""

    def __init__(self, stream: TextIO) -> None:
        self._stream: TextIO | None = stream
        self.encoding: str = getattr(stream, "encoding", None) or "utf-8"

    def write(self, text: str) -> int:
        if self._stream is not None:
            # Any name on any terminal: what its encoding lacks is written as \u20ac.
            shown = text.encode(self.encoding, "backslashreplace").decode(self.encoding)
            try:
                self._stream.write(shown)
            except (OSError, ValueError):  # ValueError: closed by somebody else
                self._stream = None
        return len(text)

    def flush(self) -> None:
        if self._stream is not None:
            try:
                self._stream.flush()
            except (OSError, ValueError):
                self._stream = None

    def isatty(self) -> bool:
        return self._stream is not None and self._stream.isatty()
