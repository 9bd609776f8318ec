"""Faults that speak to the engine in the worker's place, or take its voice away."""

from __future__ import annotations

import json
import math
import os
import sys
import time
from typing import NoReturn, cast

from docherd.document import Document
from docherd.testing.fault import MB, harmless
from docherd.wire import HEADER, SOCKET, frame


def huge(document: Document) -> object:
    """Promises the engine a message of 4 GB."""
    os.write(SOCKET, HEADER.pack((1 << 32) - 1, (1 << 32) - 1))
    return harmless(document)


def negative(document: Document) -> object:
    """Sends a result that is shorter than nothing."""
    os.write(SOCKET, _reply(length=-1))
    return harmless(document)


def nan(document: Document) -> object:
    """Sends a result that took no number of nanoseconds."""
    os.write(SOCKET, _reply(taken=math.nan))
    return harmless(document)


def old(document: Document) -> object:
    """Sends an answer to what was answered long ago."""
    os.write(SOCKET, _reply(first=_answered() - 1))
    return harmless(document)


def garbage(document: Document) -> object:
    """Sends a message that is noise."""
    os.write(SOCKET, HEADER.pack(4, 0) + b"\xff\xfe{]")
    return harmless(document)


def flood(document: Document) -> NoReturn:
    """Sends noise without end."""
    while True:
        os.write(SOCKET, b"\xff" * MB)


def short(document: Document) -> object:
    """Promises a message that never comes whole, and so swallows the result."""
    os.write(SOCKET, HEADER.pack(MB, 0))
    return harmless(document)


def slow(document: Document) -> NoReturn:
    """Sends a good message, one byte each tenth of a second, and would take a day for it."""
    os.write(SOCKET, HEADER.pack(MB, 0))
    while True:
        os.write(SOCKET, b" ")
        time.sleep(0.1)


def half(document: Document) -> NoReturn:
    """Dies in the middle of a message."""
    reply = _reply()
    os.write(SOCKET, reply[: len(reply) // 2])
    os.abort()


def close_all(document: Document) -> object:
    """Closes every file that its process has, as a daemon does at its start."""
    os.closerange(3, 256)
    return {"text": "and there it was gone"}


def _reply(length: int = 0, taken: float = 0, first: int | None = None) -> bytes:
    """A well-formed answer to one task, but for what is passed."""
    lie = [taken, None, 0, length, 0, None]
    first = _answered() if first is None else first
    index = {"first": first, "replies": [lie], "peak": 0, "held": 0, "tired": None}
    return frame(json.loads(json.dumps(index)))


def _answered() -> int:
    """How many Documents this worker has had before: a liar knows that, too."""
    frame = sys._getframe()
    while (above := frame.f_back) is not None:
        frame = above
        served = getattr(frame.f_locals.get("self"), "_served", None)
        if served is not None:
            return cast("int", served)
    return 0
