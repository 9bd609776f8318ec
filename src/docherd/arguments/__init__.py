"""The words of the command line: commands, their options, their help."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from docherd import guide
from docherd.arguments import looking, running
from docherd.arguments.grammar import EXITS, Commands, Parser
from docherd.exceptions import UsageError
from docherd.version import __version__


def parser() -> argparse.ArgumentParser:
    """The whole command line."""
    return build()[0]


def parse(words: Sequence[str]) -> argparse.Namespace:
    """What was typed; raises UsageError that says what to type instead."""
    top, commands = build()
    given, left = top.parse_known_args(words)
    if left:
        options = {name: each._option_string_actions for name, each in commands.choices.items()}
        what = guide.unknown(left, given.command, options)
        raise UsageError(f"{what}\nsee docherd {given.command} --help")
    return given


def completion(shell: str) -> str:
    """The script of `docherd completion SHELL`."""
    import shtab

    top, commands = build()
    commands.help = None  # hidden ones are not completed
    return str(shtab.complete(top, shell))


def build() -> tuple[Parser, Commands]:
    """The parser, and its commands with a parser each."""
    top = Parser(
        prog="docherd",
        usage="docherd COMMAND ... [--help]",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
        add_help=False,
    )
    commands = top.add_subparsers(
        dest="command",
        metavar="COMMAND",
        required=True,
        help=argparse.SUPPRESS,
        prog="docherd",
    )
    running.add_all(commands)
    looking.add_all(commands)
    top.description = _overview(commands)
    top.epilog = EXITS
    more = top.add_argument_group("also")
    more.add_argument("-h", "--help", action="help", help="this; COMMAND --help: its options")
    more.add_argument(
        "--version",
        action="version",
        version=f"docherd {__version__}",
        help="which docherd this is",
    )
    return top, commands


def _overview(commands: Commands) -> str:
    """Every command in one line, by what it is for."""
    what = {each.dest: each.help for each in commands._choices_actions}
    lines = ["Runs a document processor over millions of files and loses none of them."]
    for heading, names in guide.GROUPS.items():
        lines += ["", f"{heading}:"]
        lines += [f"  {name:<12}{what[name]}" for name in names if name in what]
    return "\n".join(lines)
