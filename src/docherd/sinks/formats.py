"""Which sink goes with which --format."""

from __future__ import annotations

from pathlib import Path

from docherd.ledger import Ledger
from docherd.sinks import parquet
from docherd.sinks.files import Files
from docherd.sinks.lines import Lines
from docherd.sinks.sink import Sink


def refuse_missing(name: str) -> None:
    """Raise UsageError where a format needs what is not installed."""
    if name == "parquet":
        parquet.refuse_missing()


def sink_of(name: str, out: Path, ledger: Ledger) -> Sink:
    """The sink of a run in ``out``."""
    if name == "files":
        return Files(out, ledger)
    return parquet.Parquet(out) if name == "parquet" else Lines(out)
