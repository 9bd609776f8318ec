"""The command line: words in, an exit code out.

Which words there are is in arguments.py.
"""

from __future__ import annotations

import signal
import sys
from argparse import Namespace
from collections.abc import Callable, Sequence
from importlib import import_module
from typing import cast

from docherd import arguments, guide
from docherd.exceptions import FINISHED, INTERNAL, DocherdError, EnvironmentFault, UsageError
from docherd.model import printable
from docherd.version import __version__


def main() -> None:
    """The console script."""
    sys.exit(execute(sys.argv[1:]))


def execute(words: Sequence[str]) -> int:
    """Run one command; its exit code. A run that a signal ended dies of that signal."""
    try:
        return _carried_out(words)
    except DocherdError as error:
        print(f"docherd: {_lines(str(error))}", file=sys.stderr)
        return error.exit_code
    except BrokenPipeError:  # `docherd cat | head`
        from docherd.stop import silence

        silence()
        return 0
    except KeyboardInterrupt:
        from docherd.stop import die_of

        die_of(signal.SIGINT)
    except OSError as error:  # a disk, or a terminal that went away
        where = f"{error.filename}: " if error.filename else ""
        print(f"docherd: {_lines(f'{where}{error.strerror or error}')}", file=sys.stderr)
        from docherd.stop import silence

        silence()  # what is still to be written there cannot be
        return EnvironmentFault.exit_code
    except Exception as error:
        return _bug(error)


def _carried_out(words: Sequence[str]) -> int:
    if not words:
        print(guide.FIRST)
        return UsageError.exit_code
    given = arguments.parse(words)
    if given.command == "completion":
        print(arguments.completion(given.shell))
        return FINISHED
    from docherd import host

    if not host.supported():
        raise UsageError("docherd runs on Linux (and macOS); on Windows use it inside WSL2")
    code = _action(given.command)(given)
    sys.stdout.flush()
    return code


#: command → what carries it out; one that only looks at a run loads nothing of what runs
_ACTIONS = {
    "run": "commands.run",
    "plan": "commands.plan",
    "resume": "commands.resume",
    "retry": "commands.retry",
    "repair": "commands.repair",
    "try": "commands.try_",
    "status": "queries.status",
    "failures": "queries.failures",
    "show": "queries.show",
    "cat": "queries.cat",
    "export": "queries.export",
    "report": "queries.report_",
    "processors": "queries.processors",
    "verify": "upkeep.verify",
    "doctor": "doctor.doctor",
}


def _action(command: str) -> Callable[[Namespace], int]:
    module, _, name = _ACTIONS[command].partition(".")
    found = getattr(import_module(f"docherd.{module}"), name)
    return cast("Callable[[Namespace], int]", found)


def _lines(message: str) -> str:
    return "\n".join(map(printable, message.splitlines()))


def _bug(error: Exception) -> int:
    import tempfile
    import traceback

    with tempfile.NamedTemporaryFile(
        "w", prefix="docherd-bug-", suffix=".txt", delete=False
    ) as file:
        file.write(f"docherd {__version__}, python {sys.version}, {sys.argv!r}\n\n")
        file.writelines(traceback.format_exception(error))
    print(
        f"docherd: a bug of ours: {_lines(f'{type(error).__name__}: {error}')}\n"
        f"Everything committed is safe. Please report it with {file.name}",
        file=sys.stderr,
    )
    return INTERNAL
