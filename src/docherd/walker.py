"""The process that walks the inputs: `python -P -m docherd.walker PARENT`.

    source (parent)                    walker (this file)
    ───────────────                    ──────────────────
    what to walk          ──────►
                          ◄──────      found: up to 1,000 entries, again and again
                          ◄──────      ended: was that all?     | failed: errno, text, name

It ends when nobody reads any more.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from typing import cast

from docherd import host
from docherd.model import Found
from docherd.walk import Walk, found, once
from docherd.wire import SOCKET, Channel, Json, name_to_wire

#: entries sent together; seconds one may wait for others to come
BATCH, HOLD = 1000, 0.05


def main() -> None:
    """The life of the walker."""
    host.tie_to_parent(int(sys.argv[1]))
    os.set_inheritable(SOCKET, False)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal's Ctrl-C is for the engine
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    channel = Channel(SOCKET)
    if (message := channel.receive()) is None:
        return
    walk = Walk.from_json(message[0])
    try:
        complete = _send(channel, walk)
    except OSError as error:
        channel.send({"failed": [error.errno, error.strerror, _name(error.filename)]})
    else:
        channel.send({"ended": complete})


def _send(channel: Channel, walk: Walk) -> bool:
    """Everything there is, or the first so many; True where nothing was left out."""
    batch: list[Json] = []
    due, limit, complete = 0.0, walk.filters.limit, True
    # With a limit, what a list names twice counts once.
    entries = found(walk) if limit is None else once(found(walk))
    for number, each in enumerate(entries):
        if number == limit:
            complete = False
            break
        batch.append(_row(each))
        if len(batch) >= BATCH or time.monotonic() > due:
            channel.send({"found": batch})
            batch, due = [], time.monotonic() + HOLD
    if batch:
        channel.send({"found": batch})
    return complete


def _row(each: Found) -> Json:
    """As a list; most end with the inode."""
    name = name_to_wire(each.path)
    row: list[Json] = [each.root, name, each.size, each.mtime_ns, each.inode]
    if each.digest or each.reason:
        row += [each.digest.hex() if each.digest else None, each.reason, each.message]
    return row


def _name(filename: object) -> str | None:
    return None if filename is None else os.fsdecode(cast("str | bytes", filename))


if __name__ == "__main__":
    main()
