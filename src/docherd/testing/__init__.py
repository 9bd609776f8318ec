"""A processor that misbehaves on purpose, to see what a run makes of it on your machine.

    echo hello > docs/fine.txt
    touch docs/segv-1.txt docs/sleep-1.txt
    docherd run docs -o out -p docherd.testing:by_name --timeout 5 --stall 2

The first word of a file's name, up to the first "-" or ".", chooses the fault; the table
``FAULTS`` says how such a Document must end. Every other name is harmless and gets one
Record, ``{"text", "size"}``. Where a fault has an amount, a number in the file sets it.

The table is also what docherd's own fault tests run over. Nothing here cleans up after itself:
that is the run's task.
"""

from __future__ import annotations

import re

from docherd.document import Document
from docherd.model import Reason
from docherd.testing import deaths, frames, hangs, raises, results, takes
from docherd.testing.fault import Fault, harmless

__all__ = ["FAULTS", "Fault", "by_name"]


def by_name(document: Document) -> object:
    """Misbehave as the first word of the file's name says, or return one small Record."""
    word = re.split(r"[-.]", document.path.name, maxsplit=1)[0]
    return FAULTS[word].do(document) if word in FAULTS else harmless(document)


#: first word of a file's name → what happens, and how the Document must end
FAULTS = {
    "sleep": Fault(hangs.sleep, Reason.TIMEOUT, "over its"),
    "heartbeat": Fault(hangs.heartbeat, Reason.TIMEOUT, "over its"),
    "stall": Fault(hangs.stall, Reason.STALLED, "no heartbeat for"),
    "slow": Fault(hangs.slow, None),
    "spin": Fault(hangs.spin, Reason.TIMEOUT, "over its"),
    "spin_gil": Fault(hangs.spin_gil, Reason.TIMEOUT, "over its"),
    "spin_native": Fault(hangs.spin_native, Reason.TIMEOUT, "over its"),
    "ignore_sigterm": Fault(hangs.ignore_sigterm, Reason.TIMEOUT, "over its"),
    "stop": Fault(hangs.stop, Reason.TIMEOUT, "over its"),
    "print_flood": Fault(hangs.print_flood, Reason.TIMEOUT, "over its"),
    "segv": Fault(deaths.segv, Reason.CRASH, "killed by SIGSEGV"),
    "abort": Fault(deaths.abort, Reason.CRASH, "killed by SIGABRT"),
    "stack_overflow": Fault(deaths.stack_overflow, Reason.CRASH, "killed by SIGSEGV"),
    "kill": Fault(deaths.kill, Reason.CRASH, "killed by SIGTERM"),
    "kill9": Fault(deaths.kill9, Reason.CRASH, "killed by SIGKILL from outside"),
    "exit": Fault(deaths.leave, Reason.EXIT, "left with code 1 and without a result"),
    "exit0": Fault(deaths.exit0, Reason.EXIT, "left with code 0 and without a result"),
    "exit3": Fault(deaths.exit3, Reason.EXIT, "left with code 3 and without a result"),
    "late_segv": Fault(deaths.late_segv, None),
    "sysexit": Fault(raises.sysexit, Reason.ERROR, "SystemExit: 0"),
    "sysexit_message": Fault(raises.sysexit_message, Reason.ERROR, "SystemExit: cannot go on"),
    "keyboard_interrupt": Fault(raises.keyboard_interrupt, Reason.ERROR, "KeyboardInterrupt"),
    "generator_exit": Fault(raises.generator_exit, Reason.ERROR, "GeneratorExit"),
    "base_exception": Fault(raises.base_exception, Reason.ERROR, "BaseException: from the very"),
    "raise": Fault(raises.error, Reason.ERROR, "ValueError: nothing in it"),
    "raise_two_args": Fault(raises.two_args, Reason.ERROR, "TwoArguments: this and that"),
    "memory_error": Fault(raises.memory_error, Reason.MEMORY, "MemoryError"),
    "str_raises": Fault(raises.str_raises, Reason.ERROR, "unprintable docherd.testing.raises.Text"),
    "str_exits": Fault(raises.str_exits, Reason.ERROR, "unprintable docherd.testing.raises.Text"),
    "str_huge": Fault(raises.str_huge, Reason.ERROR, "Text: xxxx"),
    "str_loops": Fault(raises.str_loops, Reason.TIMEOUT, "over its"),
    "lambda_result": Fault(
        results.lambda_result, Reason.RESULT_INVALID, "$.pages[1].text is function"
    ),
    "cycle": Fault(results.cycle, Reason.RESULT_INVALID, "$.self.self.self"),
    "nan": Fault(results.nan, Reason.RESULT_INVALID, "$.scores[1] is nan"),
    "surrogate": Fault(
        results.surrogate, Reason.RESULT_INVALID, "$.title is text with a lone surrogate"
    ),
    "set": Fault(results.set_result, Reason.RESULT_INVALID, "$.tags is set"),
    "bytes": Fault(results.bytes_result, Reason.RESULT_INVALID, "$ is bytes"),
    "int": Fault(results.int_result, Reason.RESULT_INVALID, "$ is int"),
    "empty": Fault(results.empty, None),
    "many": Fault(results.many, None),
    "huge": Fault(results.huge, Reason.OUTPUT_TOO_LARGE, "over --max-output"),
    "memory": Fault(takes.memory, Reason.MEMORY, "limit"),
    "shm": Fault(takes.shm, Reason.MEMORY, "limit"),
    "mmap": Fault(takes.private_map, Reason.MEMORY, "limit"),
    "memory_child": Fault(takes.memory_child, Reason.MEMORY, "limit"),
    "recursion": Fault(takes.recursion, Reason.MEMORY, "limit"),
    "leak": Fault(takes.leak, None),
    "leak_fd": Fault(takes.leak_fd, None),
    "write_scratch": Fault(takes.write_scratch, None),
    "threads": Fault(takes.threads, None),
    "fork_child": Fault(takes.fork_child, None),
    "fork_child_segv": Fault(takes.fork_child_segv, Reason.CRASH, "killed by SIGSEGV"),
    "fork_bomb": Fault(takes.fork_bomb, Reason.TIMEOUT, "over its"),
    "connect": Fault(takes.connect, None),
    "open": Fault(takes.open_other, None),
    "frame_huge": Fault(frames.huge, Reason.CRASH, "broke the protocol"),
    "frame_negative": Fault(frames.negative, Reason.CRASH, "broke the protocol"),
    "frame_nan": Fault(frames.nan, Reason.CRASH, "broke the protocol"),
    "frame_old": Fault(frames.old, Reason.CRASH, "broke the protocol"),
    "frame_garbage": Fault(frames.garbage, Reason.CRASH, "broke the protocol"),
    "frame_flood": Fault(frames.flood, Reason.CRASH, "broke the protocol"),
    "frame_short": Fault(frames.short, Reason.TIMEOUT, "over its"),
    "frame_slow": Fault(frames.slow, Reason.TIMEOUT, "over its"),
    "half_frame": Fault(frames.half, Reason.CRASH, "killed by SIGABRT"),
    "close_all": Fault(frames.close_all, Reason.CRASH, "broke the protocol"),
}
