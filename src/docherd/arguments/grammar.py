"""What all commands are built of: errors that say what to do, examples, exit codes."""

from __future__ import annotations

import argparse
from typing import TypeAlias

from docherd import guide
from docherd.exceptions import UsageError
from docherd.model import Reason

EXITS = """\
exit codes: 0 every document done or skipped, 1 some failed, 2 wrong usage, 3 the machine said no
(disk full, unreadable), 4 damaged or foreign data, 5 no documents, 6 another run holds the folder,
7 stopped by a rule, 70 a bug, 129/130/143 stopped by a signal. All but 2 and 4 can be resumed by
the same command."""


class Parser(argparse.ArgumentParser):
    """argparse whose errors are one line that says what to do."""

    def error(self, message: str) -> None:  # type: ignore[override]
        raise UsageError(f"{guide.mended(message)}\nsee {self.prog} --help")


Commands: TypeAlias = "argparse._SubParsersAction[Parser]"


def add(commands: Commands, name: str, what: str, more: str = "") -> Parser:
    """One command more."""
    examples = guide.examples(name)
    ends = [f"examples:\n{examples}"] if examples else []
    if name in ("run", "resume", "retry", "repair"):
        ends.append(EXITS)
    return commands.add_parser(
        name,
        help=what,
        description=f"{what[0].upper()}{what[1:]}." + (f" {more}" if more else ""),
        epilog="\n".join(ends),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )


def reasons(*, skips: bool = True) -> list[str]:
    """Those that a Document fails for; with ``skips`` those it is skipped for, too."""
    return [str(reason) for reason in Reason if skips or not reason.skips]


def add_json(command: Parser, what: str) -> None:
    """`--json`."""
    command.add_argument("--json", action="store_true", help=what)
