"""docherd run, and what it said of itself on the way: the events of ``--progress json``."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.command import ROOT, Ran, docherd
from benchmarks.session import Session

#: the module of the processors
LOADS = "benchmarks.loads"


@dataclass(frozen=True, slots=True)
class Observed:
    """One run."""

    ran: Ran
    #: progress events, as docherd wrote them
    progress: list[dict[str, Any]]
    #: one for each Document that ended, as docherd wrote them
    documents: list[dict[str, Any]]

    @property
    def seconds(self) -> float:
        """From the begin of the run to its end, by its own clock, which its forecasts share."""
        return float(self.progress[-1]["seconds"]) if self.progress else self.ran.seconds


def observe(
    session: Session,
    inputs: Sequence[object],
    function: str,
    *options: object,
    inside: Callable[[Sequence[str]], list[str]] = list,
    **how: Any,  # noqa: ANN401 - those of command.run
) -> Observed:
    """Run docherd to its end over ``inputs``, which may be ``--files-from`` and a file.

    ``inside`` makes of its command the one that is run.
    """
    out = session.fresh("out")
    words = docherd("run", *inputs, "-o", out, "-p", f"{LOADS}:{function}", *options)
    ran = session.run(inside([*words, "--progress", "json"]), **how)
    events = list(_events(session.work / "stdout"))
    return Observed(ran, _of(events, "progress"), _of(events, "document"))


def _of(events: list[dict[str, Any]], kind: str) -> list[dict[str, Any]]:
    return [event for event in events if event["event"] == kind]


def _events(output: Path) -> list[dict[str, Any]]:
    """All whole lines; the last may be half of one where the command was ended."""
    lines = output.read_bytes().splitlines()
    return [json.loads(line) for line in lines if line.startswith(b"{") and line.endswith(b"}")]


def unknown(*words: object) -> str:
    """What docherd says where it does not know such words yet; empty where it does."""
    done = subprocess.run(
        docherd(*words), cwd=ROOT, check=False, capture_output=True, text=True, timeout=60
    )
    said = done.stderr.strip().splitlines()[:1] if done.returncode == 2 else []
    return "".join(said).removeprefix("docherd: ").partition(" (choose from")[0]
