"""What a worker says of its tasks, believed as far as it can be checked.

Every function raises ValueError, KeyError or TypeError for anything but the agreed shape: to the
pool that is a broken protocol, and the Document in hand is to blame.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import cast

from docherd.child import Child
from docherd.exceptions import EnvironmentFault, ProcessorError
from docherd.model import Outcome, Reason, Status, Task
from docherd.version import __version__
from docherd.wire import Json, clean


def handshake(message: dict[str, Json], processor: str) -> str:
    """The fingerprint of what a new worker has loaded.

    Raises ProcessorError where that was refused, EnvironmentFault where it is not our version.
    """
    if (version := message.get("version")) != __version__:
        raise EnvironmentFault(
            f"this is docherd {__version__}, but its workers are {_text(version, 50)}: it was"
            " replaced meanwhile; nothing is lost, run the same command again"
        )
    if "refused" in message:
        detail = f"\n{str(message['detail']).rstrip()}" if message["detail"] else ""
        raise ProcessorError(f"cannot load {processor}: {message['refused']}{detail}")
    return str(message["fingerprint"])


def outcomes(
    child: Child, message: dict[str, Json], body: bytes, max_output: int
) -> Iterator[Outcome]:
    """The next Outcomes of the grant in hand. Raises EnvironmentFault where a disk is full."""
    if (grant := child.grant) is None:
        raise ValueError("a reply to nothing")
    child.memory = _natural(message["held"])
    child.peak = max(_natural(message["peak"]), child.peak)
    child.tired = bool(message["tired"])
    if message["first"] != child.served:
        raise ValueError("an answer to something else")
    rest, waited = _Body(body), time.monotonic() - child.given
    for reply in cast("list[Json]", message["replies"]):
        if child.answered == len(grant.tasks):
            raise ValueError("a reply out of turn")
        task = grant.tasks[child.answered]  # ours to count, not the worker's
        if type(reply) is int and reply >= 0:
            outcome = Outcome(task, Status.DONE, None, min(reply / 1e9, waited), child.peak)
        elif task.probe:
            outcome = _probed(child, task, cast("dict[str, Json]", reply))
        elif isinstance(reply, list):
            outcome = _done(child, task, reply, rest, max_output)
        else:
            outcome = _not_done(child, task, cast("dict[str, Json]", reply))
        child.answered += 1
        child.served += 1
        yield outcome


def _done(child: Child, task: Task, reply: list[Json], body: _Body, max_output: int) -> Outcome:
    taken, kind, records, size, crc, start = reply
    if (length := _natural(size)) > max_output:
        raise ValueError("more output than allowed")
    spooled = None if start is None else child.spooled_range(_natural(start), length)
    return Outcome(
        task,
        Status.DONE,
        seconds=_seconds(child, taken),
        peak=child.peak,
        kind=_text(kind, 64),
        records=_natural(records),
        length=length,
        crc=_natural(crc),
        lines=spooled or body.take(length),
    )


def _probed(child: Child, task: Task, reply: dict[str, Json]) -> Outcome:
    """Done where it could be counted; its pages in place of Records."""
    pages = _natural(reply["pages"])
    status = Status.DONE if pages else Status.SKIPPED
    return Outcome(task, status, seconds=_seconds(child, reply["taken"]), records=pages)


class _Body:
    """The lines of a frame, handed out one Document's after another's."""

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def take(self, length: int) -> bytes:
        start, self._at = self._at, self._at + length
        if self._at > len(self._data):
            raise ValueError("a short body")
        return self._data[start : self._at]


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
        seconds=_seconds(child, reply["taken"]),
        peak=child.peak,
        kind=_text(reply["kind"], 64),
        message=_text(reply["message"], 5000),
        detail=None if reason.skips else child.detail(_text(reply["detail"], 9000)),
    )


def _natural(value: Json) -> int:
    """A count or size from a worker: an integer that is not negative, or ValueError."""
    if type(value) is not int or not 0 <= value < 1 << 62:
        raise ValueError("not a size")
    return value


def _seconds(child: Child, nanoseconds: Json) -> float:
    """A time from a worker, no longer than the engine has waited, or ValueError."""
    return min(_natural(nanoseconds) / 1e9, time.monotonic() - child.given)


def _text(value: Json, limit: int) -> str | None:
    """Text from a worker, cut and made Unicode, or ValueError."""
    if value is None:
        return None
    if not isinstance(value, str):
        raise ValueError("not text")
    return clean(value[:limit])
