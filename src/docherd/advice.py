"""What to do now: how to read the results of a run, and what to do about its failures."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from docherd.model import Counts, Reason
from docherd.quoting import shell_quoted
from docherd.units import count


@dataclass(frozen=True, slots=True)
class Hint:
    """A command, and what it is good for."""

    what: str
    command: str


def reading(folder: Path) -> list[Hint]:
    """One line each for jq, pandas and DuckDB, right for the format that is in ``data/``."""
    data = folder.absolute() / "data"
    if next(data.glob("*.parquet"), None):
        return _reading_parquet(folder, os.fsencode(data), os.fsencode(data / "*.parquet"))
    if next(data.glob("*/"), None):
        return _reading_files(folder, os.fsencode(data), os.fsencode(data / "**"))
    return _reading_lines(os.fsencode(data), os.fsencode(data / "*.jsonl"))


def _reading_lines(data: bytes, parts: bytes) -> list[Hint]:
    # The shell must see the star, so it stays outside the quotes.
    star = f"{shell_quoted(data)}/*.jsonl"
    frames = f"(pandas.read_json(p, lines=True) for p in glob.glob({_python(parts)}))"
    return [
        Hint("jq", f"jq -c '{{path, text}}' {star} | head"),
        Hint("pandas", f"import glob, pandas; df = pandas.concat{frames}"),
        Hint("DuckDB", _duckdb(parts)),
    ]


def _reading_parquet(folder: Path, data: bytes, parts: bytes) -> list[Hint]:
    return [
        Hint("jq", f"docherd cat {_shell(folder)} | jq -c '{{path, text}}' | head"),
        Hint("pandas", f"import pandas; df = pandas.read_parquet({_python(data)})"),
        Hint("DuckDB", _duckdb(parts)),
    ]


def _reading_files(folder: Path, data: bytes, files: bytes) -> list[Hint]:
    query = f"select filename, size from read_text({_sql(files)}) limit 10"  # noqa: S608
    return [
        Hint("grep", f"grep -rlw invoice {shell_quoted(data)}"),
        Hint("jq", f"docherd cat {_shell(folder)} | jq -c '{{path, text}}' | head"),
        Hint("DuckDB", f"duckdb -c {_double_quoted(query)}"),
    ]


def _duckdb(parts: bytes) -> str:
    query = f"select path, count(*) as records from {_sql(parts)} group by path limit 10"  # noqa: S608
    return f"duckdb -c {_double_quoted(query)}"


def _sql(path: bytes) -> str:
    literal = path.decode("utf-8", "surrogateescape").replace("'", "''")
    return f"'{literal}'"


def _double_quoted(text: str) -> str:
    """In double quotes where that is enough, so that SQL stays readable."""
    if any(char in text for char in '"\\$`!') or not text.isprintable():
        return shell_quoted(os.fsencode(text))
    return f'"{text}"'


def _python(path: bytes) -> str:
    text = os.fsdecode(path)
    return repr(text) if text.isprintable() else f"os.fsdecode({path!r})"


def next_steps(folder: Path, counts: Counts, reasons: Mapping[Reason, int]) -> list[Hint]:
    """What may still turn pending and failed Documents into done ones."""
    out = _shell(folder)
    steps = []
    if counts.pending:
        what = f"{count(counts.pending)} are still to do: go on where the run stopped"
        steps.append(Hint(what, f"docherd resume {out}"))
    for reason, number in reasons.items():
        if number and not reason.skips:
            hint = remedy(folder, reason)
            steps.append(Hint(f"{count(number)} {reason}: {hint.what}", hint.command))
    return steps


def remedy(folder: Path, reason: Reason) -> Hint:
    """What to do about what failed for this reason, and the command for when that is done."""
    what = _REMEDY.get(reason, _THE_PROCESSOR)
    more = " --password-file FILE" if reason is Reason.ENCRYPTED else ""
    return Hint(what, f"docherd retry {_shell(folder)} --reason {reason}{more}")


_THE_PROCESSOR = "run one by hand, mend the processor, then try them again"
_REMEDY: Mapping[Reason, str] = {
    Reason.TIMEOUT: "see where one hangs, or give them more time (--timeout)",
    Reason.STALLED: "see where one hangs, or allow longer pauses (--stall)",
    Reason.MEMORY: "try them again where there is more memory (--memory)",
    Reason.CRASH: "run one by hand to see what crashes, then try them again",
    Reason.EXIT: "run one by hand to see what ends the process, then try them again",
    Reason.ENCRYPTED: "try them again with their passwords, one a line of FILE",
    Reason.CORRUPT: "put good copies in their place, then try them again",
    Reason.INPUT_MISSING: "put the files back, then try them again",
    Reason.INPUT_CHANGED: "try them again now that nobody is writing to them",
    Reason.INPUT_UNREADABLE: "allow reading them, then try them again",
    Reason.OUTPUT_TOO_LARGE: "let the processor return less, then try them again",
}


def _shell(folder: Path) -> str:
    return shell_quoted(os.fsencode(folder.absolute()))
