"""The report of a run: report.html for people, report.json and failures.jsonl for machines."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path

from docherd.exceptions import EnvironmentFault
from docherd.folder import Folder, write_atomically
from docherd.messages import Messages
from docherd.model import text_of
from docherd.remembered import Failure
from docherd.report import figures, page
from docherd.report.figures import Figures
from docherd.view import View

NAMES = ("report.html", "report.json", "failures.jsonl")


def write(folder: Path) -> Figures:
    """Write report.json, report.html and failures.jsonl into ``folder``; returns what they tell.

    Each appears whole or not at all. Raises UsageError where there is no run, DamageError where
    the ledger cannot be read, EnvironmentFault where the folder cannot be written.
    """
    with View.open(folder) as view:
        view.freeze()  # a run may be going on: the three files tell of the same moment
        found = figures.gather(view, state=_state(view))
        messages = Messages()
        lines = (json_line(each) for each in messages.passing(view.failures()))
        _replace(folder / "failures.jsonl", lines)
        _replace(folder / "report.json", [json.dumps(found.as_json(), indent=2), "\n"])
        _replace(folder / "report.html", [page.render(view, found, messages)])
    return found


def json_line(failure: Failure) -> str:
    """A line of failures.jsonl."""
    return json.dumps(failure.as_json()) + "\n"


def _state(view: View) -> str:
    """``running``, ``finished`` or ``interrupted``; a start that was killed could not say so."""
    if view.state == "running" and not Folder(view.folder).held:
        return "interrupted"
    return view.state


def _replace(file: Path, pieces: Iterable[str]) -> None:
    """Write ``file`` whole, or leave what was there."""
    try:
        write_atomically(file, (piece.encode() for piece in pieces))
    except OSError as error:
        shown = text_of(os.fsencode(file))
        raise EnvironmentFault(f"{shown}: cannot be written ({error.strerror})") from error
