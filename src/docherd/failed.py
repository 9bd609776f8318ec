"""What failed, as people read it on the morning after: by reason, by message, what to do next."""

from __future__ import annotations

import os
import textwrap
from collections.abc import Iterable, Iterator
from pathlib import Path

from docherd import advice, wording
from docherd.messages import Messages
from docherd.model import Counts, Reason, Status, printable
from docherd.quoting import shell_quoted
from docherd.remembered import Failure
from docherd.units import count
from docherd.view import View

#: messages shown of each reason, and lines of a message on a terminal
MESSAGES, LINES = 5, 3


def overview(view: View, out: Path, *, skipped: bool, width: int | None) -> Iterator[str]:
    """Everything on a few screens: each reason with the messages met most, and what to do.

    ``width``: columns of the terminal; None where there is none, and lines may be long.
    """
    counts, reasons = view.counts(), view.reasons()
    yield _headline(counts)
    if not (counts.failed or (skipped and counts.skipped)):
        if counts.skipped:
            yield f"what was skipped, and why: docherd failures {_quoted(out)} --all"
        return
    messages = Messages()
    for failure in view.failures(include_skipped=skipped):
        messages.add(failure)
    for reason, number in sorted(reasons.items(), key=lambda pair: (pair[0].skips, -pair[1])):
        if skipped or not reason.skips:
            yield ""
            yield from _of_reason(messages, out, reason, number, width)
    if counts.failed:
        yield ""
        yield f"one of them whole     docherd show {_quoted(out)} PATH"
        yield f"their files, copied   docherd failures {_quoted(out)} --to FOLDER"


def one_by_one(found: Iterable[Failure], width: int | None) -> Iterator[str]:
    """Each with its message and the command that shows it again."""
    for failure in found:
        yield f"{failure.reason or failure.status}  {printable(failure.path)}"
        yield from _said(failure, "    ", width)


def _headline(counts: Counts) -> str:
    parts = [f"{count(counts.failed) if counts.failed else 'none'} failed"]
    if counts.skipped:
        parts.append(f"{count(counts.skipped)} skipped")
    if counts.pending:
        parts.append(f"{count(counts.pending)} still to do")
    return f"of {wording.documents(counts.discovered)} {', '.join(parts)}"


def _of_reason(
    messages: Messages, out: Path, reason: Reason, number: int, width: int | None
) -> Iterator[str]:
    yield f"{count(number)} {reason}: {wording.MEANING[reason]}"
    if not reason.skips:
        hint = advice.remedy(out, reason)
        yield f"  next: {hint.what}"
        yield f"    {hint.command}"
    yield ""
    shown = 0
    for alike in messages.of(reason, MESSAGES):
        shown += alike.number
        failure = alike.examples[0]
        more = f"  and {count(alike.number - 1)} more" if alike.number > 1 else ""
        yield f"    {printable(failure.path)}{more}"
        yield from _said(failure, "        ", width)
    if number > shown:
        yield f"    {count(number - shown)} more with other messages"
    if number > 1:
        yield f"    each of them: docherd failures {_quoted(out)} --reason {reason}"


def _said(failure: Failure, indent: str, width: int | None) -> Iterator[str]:
    """The message, and the command; a command is never wrapped, so that it can be copied."""
    message = printable(failure.message)
    if message and width is None:
        yield indent + message
    elif message and width is not None:
        room = max(20, width - len(indent))
        yield from (
            indent + line
            for line in textwrap.wrap(message, room, max_lines=LINES, placeholder=" …")
        )
    if failure.status is Status.FAILED:
        yield indent + failure.reproduce


def _quoted(out: Path) -> str:
    return shell_quoted(os.fsencode(out))
