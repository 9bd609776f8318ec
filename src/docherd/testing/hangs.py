"""Faults that never end."""

from __future__ import annotations

import hashlib
import os
import re
import signal
import sys
import time
from typing import NoReturn

from docherd.document import Document
from docherd.testing.fault import MB, amount, harmless


def sleep(document: Document) -> None:
    """Sleeps for an hour, or so many seconds."""
    time.sleep(amount(document, 3600))


def heartbeat(document: Document) -> object:
    """Says twenty times a second that work goes on, for an hour, or so many seconds."""
    for beat in range(amount(document, 3600) * 20):
        document.heartbeat(beat)
        time.sleep(0.05)
    return harmless(document)


def stall(document: Document) -> None:
    """Says three times that work goes on, and then sleeps for an hour."""
    for page in range(1, 4):
        document.heartbeat(page)
        time.sleep(0.05)
    time.sleep(3600)


def slow(document: Document) -> object:
    """Says five times that work goes on, each time after twice as long as before: 3 s in all."""
    for page in range(6):
        document.heartbeat(page)
        time.sleep(0.1 * 2**page if page < 5 else 0)
    return harmless(document)


def spin(document: Document) -> NoReturn:
    """Computes in Python for ever."""
    while True:
        pass


def spin_gil(document: Document) -> object:
    """Computes in C for ages and never lets another thread run."""
    return re.match(r"(a+)+$", "a" * 64 + "b")


def spin_native(document: Document) -> NoReturn:
    """Computes in C for ages, and lets other threads run meanwhile."""
    while True:
        hashlib.pbkdf2_hmac("sha256", b"", b"", (1 << 31) - 1)


def ignore_sigterm(document: Document) -> None:
    """Sleeps, and does not end when it is asked to."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sleep(document)


def stop(document: Document) -> None:
    """Stops its own process, as Ctrl-Z would."""
    os.kill(os.getpid(), signal.SIGSTOP)


def print_flood(document: Document) -> object:
    """Prints without end to both outputs, or so many MB, and then is done."""
    most = amount(document, sys.maxsize >> 20) * MB
    block, written = b"nonsense " * 7000 + b"\n", 0
    while written < most:
        written += os.write(1, block) + os.write(2, block)
    return harmless(document)
