"""The command docherd with some constants changed: ``hasty.py module.NAME=value ... -- words``.

What takes 10,000 documents or five minutes to come (a commit, a new part) comes after a few.

``pad=thread:call:number`` besides lets that thread begin with so many system calls of a kind that
all fail. strace counts per thread, so what it injects behind that number hits this thread alone.
"""

from __future__ import annotations

import ctypes
import sys
import threading
from ast import literal_eval
from collections.abc import Callable
from importlib import import_module

_LIBC = ctypes.CDLL(None)
_PR_SET_NAME = 15
#: system call → the call in vain
VAIN: dict[str, Callable[[], object]] = {
    "write": lambda: _LIBC.write(-1, None, 0),
    "pwrite64": lambda: _LIBC.pwrite64(-1, None, 0, 0),
    "copy_file_range": lambda: _LIBC.copy_file_range(-1, None, -1, None, 0, 0),
    "fdatasync": lambda: _LIBC.fdatasync(-1),
    "fsync": lambda: _LIBC.fsync(-1),
    "ftruncate": lambda: _LIBC.ftruncate(-1, 0),
    "rename": lambda: _LIBC.rename(b"", b""),
    "unlink": lambda: _LIBC.unlink(b""),
    "mkdir": lambda: _LIBC.mkdir(b"", 0),
    "renameat": lambda: _LIBC.renameat(-1, b"", -1, b""),
    "unlinkat": lambda: _LIBC.unlinkat(-1, b"", 0),
    "mkdirat": lambda: _LIBC.mkdirat(-1, b"", 0),
    "openat": lambda: _LIBC.openat(-1, b"", 0),
}


def main() -> None:
    """Set the constants, each of which must be there, and be the command."""
    end = sys.argv.index("--")
    pad: list[str] = []
    for each in sys.argv[1:end]:
        name, _, value = each.partition("=")
        if name == "pad":
            pad = value.split(":")
        else:
            _set(name, value)
    del sys.argv[1 : end + 1]
    _name_threads(pad)

    from docherd.cli import main as command

    command()


def _set(name: str, value: str) -> None:
    module, _, constant = name.rpartition(".")
    found = import_module(f"docherd.{module}")
    getattr(found, constant)  # a constant that is no more must not go unnoticed
    setattr(found, constant, literal_eval(value))


def _name_threads(pad: list[str]) -> None:
    """Threads bear their name where strace reads it; the one that is to be padded is."""

    def begin(name: str) -> None:
        _LIBC.prctl(_PR_SET_NAME, name.encode(), 0, 0, 0)
        if pad and name == pad[0]:
            for _ in range(int(pad[2])):
                VAIN[pad[1]]()

    def named(thread: threading.Thread) -> None:
        begin(thread.name)
        run(thread)

    run = threading.Thread.run
    threading.Thread.run = named  # type: ignore[method-assign]
    begin("main")


if __name__ == "__main__":
    main()
