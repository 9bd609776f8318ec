"""What a worker says of its tasks, believed as far as it can be checked.

Every function raises ValueError, KeyError or TypeError for anything but the agreed shape: to the
pool that is a broken protocol, and the Document in hand is to blame.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import cast

from docherd.child import Child
from docherd.exceptions import EnvironmentFault
from docherd.model import Outcome, Reason, Spooled, Status, Task
from docherd.wire import Json, clean


def outcomes(
    child: Child, message: dict[str, Json], body: bytes, max_output: int
) -> Iterator[Outcome]:
    """The next Outcomes of the grant in hand. Raises EnvironmentFault where a disk is full."""
    if (grant := child.grant) is None:
        raise ValueError("a reply to nothing")
    child.memory = _natural(message["held"])
    child.peak = max(_natural(message["peak"]), child.peak)
    at = 0
    for reply in cast("list[dict[str, Json]]", message["replies"]):
        if reply["i"] != child.answered:  # ours to count, not the worker's
            raise ValueError("a reply out of turn")
        task = grant.tasks[child.answered]
        if reply["status"] == Status.DONE:
            lines, length = _lines(child, reply, body, at, max_output)
            at += length if isinstance(lines, bytes) else 0
            outcome = _done(child, task, reply, lines, length)
        else:
            outcome = _not_done(child, task, reply)
        child.answered += 1
        child.served += 1
        yield outcome


def _lines(
    child: Child, reply: dict[str, Json], body: bytes, at: int, max_output: int
) -> tuple[bytes | Spooled, int]:
    """A reply's lines, from the body or the spool, and their length."""
    length = _natural(reply["length"])
    if length > max_output:
        raise ValueError("more output than allowed")
    if reply["spool"] is not None:
        return child.spooled_range(_natural(reply["spool"]), length), length
    if len(body) < at + length:
        raise ValueError("a short body")
    return body[at : at + length], length


def _done(
    child: Child, task: Task, reply: dict[str, Json], lines: bytes | Spooled, length: int
) -> Outcome:
    return Outcome(
        task,
        Status.DONE,
        seconds=_seconds(child, reply),
        peak=child.peak,
        kind=_text(reply["kind"], 64),
        records=_natural(reply["records"]),
        length=length,
        crc=_natural(reply["crc"]),
        lines=lines,
    )


def _not_done(child: Child, task: Task, reply: dict[str, Json]) -> Outcome:
    if "fault" in reply:
        raise EnvironmentFault(
            f"cannot write results: {_text(reply['fault'], 500)}; free some space, then run it"
            " again"
        )
    reason = Reason(cast("str", reply["reason"]))
    return Outcome(
        task,
        Status.SKIPPED if reason.skips else Status.FAILED,
        reason,
        seconds=_seconds(child, reply),
        peak=child.peak,
        kind=_text(reply["kind"], 64),
        message=_text(reply["message"], 5000),
        detail=None if reason.skips else child.detail(_text(reply["detail"], 9000)),
    )


def _natural(value: Json) -> int:
    """A count or size from a worker: an integer that is not negative, or ValueError."""
    if not isinstance(value, int) or not 0 <= value < 1 << 62:
        raise ValueError("not a size")
    return value


def _seconds(child: Child, reply: dict[str, Json]) -> float:
    """A time from a worker, no longer than the engine has waited, or ValueError."""
    value = reply["seconds"]
    if not isinstance(value, int | float) or not value >= 0:  # not: <, for NaN
        raise ValueError("not a time")
    return min(value, time.monotonic() - child.given)


def _text(value: Json, limit: int) -> str | None:
    """Text from a worker, cut and made Unicode, or ValueError."""
    if value is None:
        return None
    if not isinstance(value, str):
        raise ValueError("not text")
    return clean(value[:limit])
