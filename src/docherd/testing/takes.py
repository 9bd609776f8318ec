"""Faults that take more than their share: memory, files, threads, processes, what is not theirs."""

from __future__ import annotations

import mmap
import os
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import IO

from docherd.document import Document
from docherd.testing.deaths import segv
from docherd.testing.fault import MB, amount, amounts, harmless, word

_BLOCK = 16 * MB
_kept: list[bytes | mmap.mmap | IO[bytes]] = []


# ── memory ───────────────────────────────────────────────────────────────────────────────────


def memory(document: Document) -> None:
    """Takes 4 GB, or so many MB, as fast as it can, or so many MB a second, and keeps them."""
    most, rate = amounts(document, 4096, 0)
    for _ in range(0, most, 16):
        _kept.append(b"\1" * _BLOCK)
        time.sleep(16 / rate if rate else 0)
    time.sleep(3600)


def shm(document: Document) -> None:
    """As much in shared memory, which many tools do not count."""
    _map(amount(document, 4096), mmap.MAP_SHARED)


def private_map(document: Document) -> None:
    """As much in private mappings, past Python's own allocator."""
    _map(amount(document, 4096), mmap.MAP_PRIVATE)


def _map(most: int, flags: int) -> None:
    for _ in range(0, most, 16):
        block = mmap.mmap(-1, _BLOCK, flags | mmap.MAP_ANONYMOUS)
        block.write(b"\1" * len(block))
        _kept.append(block)
    time.sleep(3600)


def memory_child(document: Document) -> None:
    """As much in a process that it starts."""
    blocks = amount(document, 4096) // 16
    body = f"import time; kept = [b'1' * {_BLOCK} for _ in range({blocks})]; time.sleep(3600)"
    subprocess.run([sys.executable, "-c", body], check=False)


def recursion(document: Document) -> None:
    """Calls itself in Python without end, with the limit out of the way: the heap grows."""
    sys.setrecursionlimit(10**8)
    _deeper([None])


def _deeper(held: list[None]) -> None:
    _deeper([None] * 1000)


def leak(document: Document) -> object:
    """Forgets to free 5 MB, or so many; says which process it was."""
    _kept.append(b"\1" * (amount(document, 5) * MB))
    return {"pid": os.getpid()}


# ── files, threads, processes ────────────────────────────────────────────────────────────────


def leak_fd(document: Document) -> object:
    """Forgets to close 10 files, or so many; says which process it was."""
    for _ in range(amount(document, 10)):
        os.open(os.devnull, os.O_RDONLY)
    return {"pid": os.getpid()}


def write_scratch(document: Document) -> object:
    """Writes a temporary file of 64 MB, or so many, and keeps it open."""
    file = tempfile.TemporaryFile()  # noqa: SIM115 - that is the fault
    _kept.append(file)
    for _ in range(amount(document, 64)):
        file.write(b"\1" * MB)
    return harmless(document)


def threads(document: Document) -> object:
    """Leaves 20 threads behind, or so many, that wait for ever."""
    for _ in range(amount(document, 20)):
        threading.Thread(target=threading.Event().wait, daemon=True).start()
    return harmless(document)


def fork_child(document: Document) -> object:
    """Leaves a process behind, in a session of its own; says which."""
    return {"pid": os.getpid(), "child": _start_sleeping()}


def fork_child_segv(document: Document) -> object:
    """The same, then crashes: who cleans up?"""
    _start_sleeping()
    return segv(document)


def fork_bomb(document: Document) -> None:
    """Starts 100 processes, or so many, each in a session of its own, and never ends."""
    for _ in range(amount(document, 100)):
        _start_sleeping()
    time.sleep(3600)


def _start_sleeping() -> int:
    return subprocess.Popen(["sleep", "3600"], start_new_session=True).pid


# ── what is not theirs ───────────────────────────────────────────────────────────────────────


def connect(document: Document) -> object:
    """Connects to 127.0.0.1:9, or to the address in the file; says what came of it."""
    host, _, port = word(document, "127.0.0.1:9").rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=5).close()
    except (OSError, ValueError) as error:
        return {"connected": False, "error": f"{type(error).__name__}: {error}"}
    return {"connected": True}


def open_other(document: Document) -> object:
    """Reads /etc/passwd, or the file whose name is in the file; says what came of it."""
    try:
        size = len(Path(word(document, "/etc/passwd")).read_bytes())
    except OSError as error:
        return {"opened": False, "error": f"{type(error).__name__}: {error}"}
    return {"opened": True, "size": size}
