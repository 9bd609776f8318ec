"""A run's Records as one file that opens anywhere: what can be made, and what is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from docherd.exceptions import UsageError

#: also how their files end
FORMATS = ("csv", "jsonl", "parquet", "xlsx")
#: those that a pipe can take
STREAMS = ("csv", "jsonl")


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be written, and where."""

    format: str
    #: None: standard output
    file: Path | None
    #: all that there are where none are named
    columns: tuple[str, ...] = ()
    overwrite: bool = False
    #: a CSV begins with a byte order mark, by which Excel knows UTF-8
    bom: bool = False


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written."""

    rows: int
    columns: int
    size: int
    #: what does not fit the format
    remarks: tuple[str, ...] = ()


def format_of(file: Path | None, named: str | None) -> str:
    """The format that was named, or that the file's ending says. Raises UsageError."""
    found = named or (file.suffix[1:].lower() if file else "")
    if found not in FORMATS:
        raise UsageError(f"say what to make: --to {', '.join(FORMATS[:-1])} or {FORMATS[-1]}")
    return found
