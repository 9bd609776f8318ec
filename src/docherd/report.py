"""The report of a run: report.html for people, report.json and failures.jsonl for machines."""

from __future__ import annotations

import json
import os
import platform
import sqlite3
from collections.abc import Iterable
from datetime import UTC, datetime
from importlib import resources
from pathlib import Path
from typing import Any

from jinja2 import Environment, StrictUndefined, Template
from markupsafe import Markup

from docherd import advice, chart, host, units, wording
from docherd.exceptions import EnvironmentFault
from docherd.folder import write_atomically
from docherd.model import Reason, printable, text_of
from docherd.quoting import shell_quoted
from docherd.remembered import Failure
from docherd.sizing import FILE, Use, advise
from docherd.view import View

#: failures of each reason in report.json and in report.html
_IN_JSON, _IN_HTML = 20, 50
#: rows in the lists of what stands out, and in the table of kinds
_OUTSTANDING, _KINDS = 10, 20
_STARTS = 50
#: letters of a name, message or command in report.html
_MOST_LETTERS = 400


def write(folder: Path) -> tuple[Path, Path]:
    """Write report.json, report.html and failures.jsonl into ``folder``; returns the first two.

    Each appears whole or not at all. Raises UsageError where there is no run, DamageError where
    the ledger cannot be read, EnvironmentFault where the folder cannot be written.
    """
    with View.open(folder) as view:
        view.freeze()  # a run may be going on: the three files tell of the same moment
        summary = summarize(view)
        _replace(folder / "failures.jsonl", (json_line(one) for one in view.failures()))
        machines = _replace(folder / "report.json", [json.dumps(summary, indent=2), "\n"])
        people = _replace(folder / "report.html", [render(view, summary)])
    return machines, people


def json_line(failure: Failure) -> str:
    """A line of failures.jsonl."""
    return json.dumps(failure.as_json()) + "\n"


def _replace(file: Path, pieces: Iterable[str]) -> Path:
    """Write ``file`` whole, or leave what was there."""
    try:
        write_atomically(file, (piece.encode() for piece in pieces))
    except OSError as error:
        shown = text_of(os.fsencode(file))
        raise EnvironmentFault(f"{shown}: cannot be written ({error.strerror})") from error
    return file


# ── for machines ─────────────────────────────────────────────────────────────────────────────


def summarize(view: View) -> dict[str, Any]:
    """The run as report.json shows it. Seconds and bytes; keys may be added, never renamed."""
    counts, reasons, kinds, starts = view.counts(), view.reasons(), view.kinds(), view.starts()
    seconds = sum(start.seconds for start in starts)
    return {
        "run": view.run,
        "docherd": view.version,
        "created": view.created,
        "state": view.state,
        "inputs": [
            {"label": text_of(root.label), "folder": text_of(root.folder)} for root in view.inputs
        ],
        "processor": {"name": view.processor, "fingerprint": view.fingerprint},
        "counts": counts.as_json(),
        "reasons": {str(reason): number for reason, number in reasons.items()},
        "seconds": round(seconds, 3),
        "rate": round(wording.finished(counts) / seconds, 3) if seconds > 0 else 0.0,
        "memory": {
            "budget": starts[-1].memory if starts else 0,
            "peak": max((start.peak for start in starts), default=0),
        },
        "records": sum(kind.records for kind in kinds),
        "bytes_read": sum(kind.size for kind in kinds),
        "bytes_written": view.written(),
        "kinds": [kind.as_json() for kind in kinds],
        "slowest": [row.as_json() for row in view.slowest(_OUTSTANDING)],
        "largest": [row.as_json() for row in view.largest(_OUTSTANDING)],
        "most_memory": [row.as_json() for row in view.most_memory(_OUTSTANDING)],
        "failures": _by_reason(view, reasons, skips=False),
        "skipped": _by_reason(view, reasons, skips=True),
        "starts": [start.as_json() for start in starts],
        "sizing": _sizing(view.folder),
        "environment": _environment(),
        "reported": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _by_reason(view: View, reasons: dict[Reason, int], skips: bool) -> dict[str, Any]:
    return {
        str(reason): {
            "count": number,
            "meaning": wording.MEANING[reason],
            # No more than there are: the search for another would go through all failures.
            "examples": [
                {**failure.as_json(), "detail": None}  # failures.jsonl has it whole
                for failure in view.failures(reason, most=min(number, _IN_JSON))
            ],
        }
        for reason, number in reasons.items()
        if reason.skips == skips
    }


def _sizing(folder: Path) -> dict[str, object] | None:
    """What limited the last start that was long enough to say; None where there was none."""
    try:
        use = Use.from_json(json.loads((folder / FILE).read_bytes()))
        advice = advise(use)
    except (OSError, ValueError, KeyError, TypeError, AttributeError, ArithmeticError):
        return None  # a start that was killed left none
    return {"limited_by": advice.limited_by, "sentences": advice.sentences, "use": use.as_json()}


def _environment() -> dict[str, Any]:
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpus": host.cores(),
        "memory": host.memory(),
        "sqlite": sqlite3.sqlite_version,
    }


# ── for people ───────────────────────────────────────────────────────────────────────────────


def render(view: View, summary: dict[str, Any]) -> str:
    """report.html: one file without scripts that asks nothing of the network."""
    counts, reasons = view.counts(), view.reasons()
    line = chart.timeline(view.throughput)
    failed = [(reason, number) for reason, number in reasons.items() if not reason.skips]
    return _template().render(
        summary=summary,
        out=shell_quoted(os.fsencode(view.folder.absolute())),
        verdict=wording.verdict(summary["state"], counts, summary["seconds"]),
        throughput=line and chart.throughput(line),
        memory=line and chart.memory(line, summary["memory"]["budget"]),
        resumed=len(line.resumed) if line else 0,
        kinds=_kind_rows(summary["kinds"]),
        groups=[_group(view, reason, number) for reason, number in failed],
        starts=list(enumerate(summary["starts"], 1))[-_STARTS:],
        reading=advice.reading(view.folder),
        steps=advice.next_steps(view.folder, counts, reasons),
    )


def _kind_rows(kinds: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The kinds that took most time, the rest summed up, with bars relative to the longest."""
    rows, rest = kinds[:_KINDS], kinds[_KINDS:]
    if rest:
        sums = {
            key: sum(kind[key] for kind in rest)
            for key in ("documents", "size", "seconds", "records")
        }
        most = {key: max(kind[key] for kind in rest) for key in ("slowest", "peak_memory")}
        rows = [*rows, {"name": f"{len(rest)} others", "median": None, **sums, **most}]
    longest = max((row["seconds"] for row in rows), default=0) or 1
    highest = max((row["peak_memory"] for row in rows), default=0) or 1
    return [
        {
            **row,
            "time_bar": round(100 * row["seconds"] / longest, 1),
            "memory_bar": round(100 * row["peak_memory"] / highest, 1),
        }
        for row in rows
    ]


def _group(view: View, reason: Reason, number: int) -> dict[str, Any]:
    """The first failures of one reason, those with the same message together."""
    shown = list(view.failures(reason, most=min(number, _IN_HTML)))
    messages: dict[str, list[Failure]] = {}
    for failure in shown:
        messages.setdefault(_cut(failure.message), []).append(failure)
    return {
        "reason": reason,
        "number": number,
        "meaning": wording.MEANING[reason],
        "messages": sorted(messages.items(), key=lambda item: -len(item[1])),
        "more": number - len(shown),
    }


def _cut(text: str, most: int = _MOST_LETTERS) -> str:
    """The page stays small however long names and messages are: cut in the middle."""
    # Escaped before it is cut: an escaped letter may be ten times as long.
    if len(text) <= most and len(shown := printable(text)) <= most:
        return shown
    half = most // 2
    return f"{printable(text[:half])[:half]} … {printable(text[-half:])[-half:]}"


def _excerpt(text: str, most: int = 1500) -> list[str]:
    """The end of a traceback or of what a worker printed, line by line."""
    lines = text[-most:].splitlines()
    return ["…", *lines[1:]] if len(text) > most and len(lines) > 1 else lines


def _template() -> Template:
    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        # Whatever is put into the page goes through here, then through the escaping of HTML.
        finalize=_inert,
    )
    environment.filters.update(
        count=units.count,
        size=units.size,
        duration=units.duration,
        rate=units.rate,
        cut=_cut,
        excerpt=_excerpt,
        local=_local,
    )
    text = resources.files("docherd").joinpath("report.html.jinja").read_text("utf-8")
    return environment.from_string(text)


def _inert(value: object) -> object:
    """Control characters and bidirectional overrides become visible escapes."""
    return printable(value) if type(value) is not Markup and isinstance(value, str) else value


def _local(moment: int) -> str:
    """Unix seconds in the time zone of the machine that writes the report."""
    return datetime.fromtimestamp(moment, UTC).astimezone().strftime("%Y-%m-%d %H:%M")
