"""A processor that misbehaves on purpose, to see what a run makes of it on your machine.

    echo hello > docs/fine.txt
    touch docs/segv-1.txt docs/sleep-1.txt
    docherd run docs -o out -p docherd.testing:by_name --timeout 5

The first word of a file's name, up to the first "-" or ".", chooses the fault; the table
``FAULTS`` at the end says how such a Document must end. Every other name is harmless and gets one
Record, ``{"text", "size"}``. Where a fault has an amount, a number in the file sets it.

The table is also what docherd's own fault tests run over. Nothing here cleans up after itself:
that is the run's task.
"""

from __future__ import annotations

import ctypes
import faulthandler
import json
import math
import mmap
import os
import re
import signal
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NoReturn

from docherd.model import Document, Reason
from docherd.wire import HEADER, SOCKET, frame

MB = 1 << 20


def by_name(document: Document) -> object:
    """Misbehave as the first word of the file's name says, or return one small Record."""
    word = re.split(r"[-.]", document.path.name, maxsplit=1)[0]
    return FAULTS[word].do(document) if word in FAULTS else harmless(document)


def harmless(document: Document) -> object:
    """The first 100 characters and the size."""
    content = document.read_bytes()
    return {"text": content.decode("utf-8", "replace")[:100], "size": len(content)}


@dataclass(frozen=True, slots=True)
class Fault:
    """One way to misbehave."""

    do: Callable[[Document], object]
    #: why the Document fails; None where it is done all the same
    reason: Reason | None
    #: part of the message that `docherd failures` shows
    message: str = ""


def _amount(document: Document, default: int) -> int:
    found = re.match(rb"\s*(\d+)", document.read_bytes())
    return int(found[1]) if found else default


# ── never ends ───────────────────────────────────────────────────────────────────────────────


def sleep(document: Document) -> None:
    """Sleeps for an hour, or so many seconds."""
    time.sleep(_amount(document, 3600))


def spin(document: Document) -> NoReturn:
    """Computes in Python for ever."""
    while True:
        pass


def spin_gil(document: Document) -> object:
    """Computes in C for ages and never lets another thread run."""
    return re.match(r"(a+)+$", "a" * 64 + "b")


def ignore_sigterm(document: Document) -> None:
    """Sleeps, and does not end when it is asked to."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    sleep(document)


def stop(document: Document) -> None:
    """Stops its own process, as Ctrl-Z would."""
    os.kill(os.getpid(), signal.SIGSTOP)


def print_flood(document: Document) -> object:
    """Prints without end to both outputs, or so many MB, and then is done."""
    most = _amount(document, sys.maxsize >> 20) * MB
    block, written = b"nonsense " * 7000 + b"\n", 0
    while written < most:
        written += os.write(1, block) + os.write(2, block)
    return harmless(document)


# ── ends the process ─────────────────────────────────────────────────────────────────────────


def segv(document: Document) -> object:
    """Reads from address 0."""
    return ctypes.string_at(0)


def abort(document: Document) -> NoReturn:
    """Calls abort(), as a C++ exception that nobody catches does."""
    os.abort()


def stack_overflow(document: Document) -> None:
    """Calls itself in C until the stack is full."""
    faulthandler._stack_overflow()  # type: ignore[attr-defined]


def kill9(document: Document) -> None:
    """Dies as if somebody else had killed it."""
    os.kill(os.getpid(), signal.SIGKILL)


def exit0(document: Document) -> NoReturn:
    """Leaves at once, with the code that means success."""
    os._exit(0)


def exit3(document: Document) -> NoReturn:
    """Leaves at once, with code 3."""
    os._exit(3)


# ── raises ───────────────────────────────────────────────────────────────────────────────────


class TwoArguments(Exception):
    """Cannot be made again from its own arguments: a pool that pickles it breaks."""

    def __init__(self, first: str, second: str) -> None:
        super().__init__(f"{first} and {second}")


class _Text(Exception):
    """Its text is whatever the given call returns, raises or never returns."""

    def __init__(self, text: Callable[[], str]) -> None:
        super().__init__()
        self._text = text

    def __str__(self) -> str:
        return self._text()


def raise_sysexit(document: Document) -> NoReturn:
    """sys.exit(0)"""
    sys.exit(0)


def raise_sysexit_message(document: Document) -> NoReturn:
    """sys.exit with a text"""
    sys.exit("cannot go on")


def raise_keyboard_interrupt(document: Document) -> NoReturn:
    """As if Ctrl-C had been pressed: the run itself must go on."""
    raise KeyboardInterrupt


def raise_generator_exit(document: Document) -> NoReturn:
    """GeneratorExit"""
    raise GeneratorExit


def raise_base_exception(document: Document) -> NoReturn:
    """A class that `except Exception` does not catch."""
    raise BaseException("from the very bottom")


def raise_error(document: Document) -> NoReturn:
    """An ordinary error."""
    raise ValueError("nothing in it")


def raise_two_args(document: Document) -> NoReturn:
    """An exception that cannot be rebuilt elsewhere."""
    raise TwoArguments("this", "that")


def str_raises(document: Document) -> NoReturn:
    """An exception that raises when it is asked for its text."""
    raise _Text(lambda: raise_error(document))


def str_exits(document: Document) -> NoReturn:
    """An exception that leaves when it is asked for its text."""
    raise _Text(lambda: sys.exit(0))


def str_huge(document: Document) -> NoReturn:
    """An exception whose text has 100 MB, or so many."""
    size = _amount(document, 100) * MB
    raise _Text(lambda: "x" * size)


def str_loops(document: Document) -> NoReturn:
    """An exception that never finishes its text."""
    raise _Text(lambda: spin(document))


# ── returns what is none ─────────────────────────────────────────────────────────────────────


def lambda_result(document: Document) -> object:
    """A function in a Record."""
    return {"pages": [{"text": "fine"}, {"text": lambda: "not fine"}]}


def cycle(document: Document) -> object:
    """A Record that holds itself."""
    record: dict[str, object] = {"text": "round"}
    record["self"] = record
    return record


def nan(document: Document) -> object:
    """A number that JSON does not have."""
    return {"scores": [1.0, math.nan]}


def surrogate(document: Document) -> object:
    """Half of a character, as a wrongly decoded file name has it."""
    return {"title": "caf\udce9"}


def set_result(document: Document) -> object:
    """A set, which has no order and is not JSON."""
    return {"tags": {"one"}}


def bytes_result(document: Document) -> object:
    """Bytes in place of a Record."""
    return b"text"


def int_result(document: Document) -> object:
    """A number in place of a Record."""
    return 42


def empty(document: Document) -> None:
    """No Record at all, which is fine."""


def many(document: Document) -> Iterator[object]:
    """1,000 small Records, or so many, one by one."""
    for number in range(_amount(document, 1000)):
        yield {"text": "x" * 100, "number": number}


def huge(document: Document) -> object:
    """One Record of 64 MB, or so many: fails only where --max-output is less."""
    return {"text": "x" * (_amount(document, 64) * MB)}


# ── takes too much memory ────────────────────────────────────────────────────────────────────

_kept: list[bytes | mmap.mmap] = []


def memory(document: Document) -> None:
    """Takes 4 GB, or so many MB, as fast as it can, and keeps them."""
    _kept.extend(b"\1" * (16 * MB) for _ in range(0, _amount(document, 4096), 16))
    time.sleep(3600)


def shm(document: Document) -> None:
    """As much in shared memory, which many tools do not count."""
    for _ in range(0, _amount(document, 4096), 16):
        shared = mmap.mmap(-1, 16 * MB)
        shared.write(b"\1" * len(shared))
        _kept.append(shared)
    time.sleep(3600)


def leak(document: Document) -> object:
    """Forgets to free 5 MB, or so many; says which process it was."""
    _kept.append(b"\1" * (_amount(document, 5) * MB))
    return {"pid": os.getpid()}


# ── speaks to the engine in the worker's place ───────────────────────────────────────────────


def frame_huge(document: Document) -> object:
    """Promises the engine a message of 4 GB."""
    os.write(SOCKET, HEADER.pack((1 << 32) - 1, (1 << 32) - 1))
    return harmless(document)


def frame_negative(document: Document) -> object:
    """Sends a result that is shorter than nothing."""
    os.write(SOCKET, _reply(length=-1))
    return harmless(document)


def frame_nan(document: Document) -> object:
    """Sends a result that took no number of nanoseconds."""
    os.write(SOCKET, _reply(taken=math.nan))
    return harmless(document)


def frame_garbage(document: Document) -> object:
    """Sends a message that is noise."""
    os.write(SOCKET, HEADER.pack(4, 0) + b"\xff\xfe{]")
    return harmless(document)


def frame_flood(document: Document) -> NoReturn:
    """Sends noise without end."""
    while True:
        os.write(SOCKET, b"\xff" * MB)


def frame_short(document: Document) -> object:
    """Promises a message that never comes whole, and so swallows the result."""
    os.write(SOCKET, HEADER.pack(MB, 0))
    return harmless(document)


def half_frame(document: Document) -> NoReturn:
    """Dies in the middle of a message."""
    reply = _reply()
    os.write(SOCKET, reply[: len(reply) // 2])
    os.abort()


def _reply(length: int = 0, taken: float = 0) -> bytes:
    """A well-formed answer to one task, but for what is passed."""
    lie = [taken, None, 0, length, 0, None]
    return frame(json.loads(json.dumps({"replies": [lie], "peak": 0, "held": 0, "tired": None})))


# ── the table ────────────────────────────────────────────────────────────────────────────────

#: first word of a file's name → what happens, and how the Document must end
FAULTS = {
    "sleep": Fault(sleep, Reason.TIMEOUT, "over its"),
    "spin": Fault(spin, Reason.TIMEOUT, "over its"),
    "spin_gil": Fault(spin_gil, Reason.TIMEOUT, "over its"),
    "ignore_sigterm": Fault(ignore_sigterm, Reason.TIMEOUT, "over its"),
    "stop": Fault(stop, Reason.TIMEOUT, "over its"),
    "print_flood": Fault(print_flood, Reason.TIMEOUT, "over its"),
    "segv": Fault(segv, Reason.CRASH, "killed by SIGSEGV"),
    "abort": Fault(abort, Reason.CRASH, "killed by SIGABRT"),
    "stack_overflow": Fault(stack_overflow, Reason.CRASH, "killed by SIGSEGV"),
    "kill9": Fault(kill9, Reason.CRASH, "killed by SIGKILL from outside"),
    "exit0": Fault(exit0, Reason.EXIT, "left with code 0 and without a result"),
    "exit3": Fault(exit3, Reason.EXIT, "left with code 3 and without a result"),
    "sysexit": Fault(raise_sysexit, Reason.ERROR, "SystemExit: 0"),
    "sysexit_message": Fault(raise_sysexit_message, Reason.ERROR, "SystemExit: cannot go on"),
    "keyboard_interrupt": Fault(raise_keyboard_interrupt, Reason.ERROR, "KeyboardInterrupt"),
    "generator_exit": Fault(raise_generator_exit, Reason.ERROR, "GeneratorExit"),
    "base_exception": Fault(raise_base_exception, Reason.ERROR, "BaseException: from the very"),
    "raise": Fault(raise_error, Reason.ERROR, "ValueError: nothing in it"),
    "raise_two_args": Fault(raise_two_args, Reason.ERROR, "TwoArguments: this and that"),
    "str_raises": Fault(str_raises, Reason.ERROR, "unprintable docherd.testing._Text"),
    "str_exits": Fault(str_exits, Reason.ERROR, "unprintable docherd.testing._Text"),
    "str_huge": Fault(str_huge, Reason.ERROR, "_Text: xxxx"),
    "str_loops": Fault(str_loops, Reason.TIMEOUT, "over its"),
    "lambda_result": Fault(lambda_result, Reason.RESULT_INVALID, "$.pages[1].text is function"),
    "cycle": Fault(cycle, Reason.RESULT_INVALID, "$.self.self.self"),
    "nan": Fault(nan, Reason.RESULT_INVALID, "$.scores[1] is nan"),
    "surrogate": Fault(surrogate, Reason.RESULT_INVALID, "$.title is text with a lone surrogate"),
    "set": Fault(set_result, Reason.RESULT_INVALID, "$.tags is set"),
    "bytes": Fault(bytes_result, Reason.RESULT_INVALID, "$ is bytes"),
    "int": Fault(int_result, Reason.RESULT_INVALID, "$ is int"),
    "empty": Fault(empty, None),
    "many": Fault(many, None),
    "huge": Fault(huge, Reason.OUTPUT_TOO_LARGE, "over --max-output"),
    "memory": Fault(memory, Reason.MEMORY, "limit"),
    "shm": Fault(shm, Reason.MEMORY, "limit"),
    "leak": Fault(leak, None),
    "frame_huge": Fault(frame_huge, Reason.CRASH, "broke the protocol"),
    "frame_negative": Fault(frame_negative, Reason.CRASH, "broke the protocol"),
    "frame_nan": Fault(frame_nan, Reason.CRASH, "broke the protocol"),
    "frame_garbage": Fault(frame_garbage, Reason.CRASH, "broke the protocol"),
    "frame_flood": Fault(frame_flood, Reason.CRASH, "broke the protocol"),
    "frame_short": Fault(frame_short, Reason.TIMEOUT, "over its"),
    "half_frame": Fault(half_frame, Reason.CRASH, "killed by SIGABRT"),
}
