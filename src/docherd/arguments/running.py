"""The commands that run a processor: run, plan, resume, retry, repair, try."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from docherd.arguments.grammar import Commands, Parser, add, add_json, reasons
from docherd.config import Flag, flags
from docherd.patterns import FROM_FILES
from docherd.units import parse_duration

#: headings of the option groups, in the order of the help
_GROUPS = {
    "work": "what to do",
    "inputs": "which documents",
    "limits": "how much of the machine",
    "failures": "when documents fail",
    "display": "what to show",
}

#: seconds that a plan may take for its sample
PLAN_SECONDS = 30.0


def add_all(commands: Commands) -> None:
    """All of them."""
    _add_run(commands)
    _add_plan(commands)
    _add_again(commands)
    _add_try(commands)


def _add_run(commands: Commands) -> None:
    run = add(
        commands,
        "run",
        "process every document of some inputs into a run folder",
        "The same command again goes on where it was,\n"
        "and takes only new, changed and interrupted documents.",
    )
    run.add_argument("-o", "--out", required=True, metavar="OUT", help="the run folder")
    which = _add_inputs(run, "inputs and run folder")
    which.add_argument("--add", action="store_true", help="take further inputs into this run")
    which.add_argument(
        "--fresh", action="store_true", help="throw the run in OUT away and begin again"
    )
    which.add_argument(
        "--dry-run", action="store_true", help="say what would be done, touch nothing"
    )
    _add_options(run)


def _add_plan(commands: Commands) -> None:
    plan = add(
        commands,
        "plan",
        "how long a run would take, how many workers are best, how much comes of it",
        "Processes a sample and writes nothing: neither a run folder nor anything else is left.",
    )
    _add_inputs(plan, "inputs")
    plan.add_argument(
        "--seconds",
        type=_seconds,
        default=PLAN_SECONDS,
        metavar="TIME",
        help="most time for the sample, after the walk, as 90, 5m or 1h (default: 30s)",
    )
    add_json(plan, "for machines")
    _add_options(
        plan, ("work", "inputs", "limits"), without=("checksum", "dedup", "prune", "force")
    )
    plan.add_argument("-q", "--quiet", action="store_true", help="do not say how far it is")


def _seconds(text: str) -> float:
    try:
        value = parse_duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    if value < 1:
        raise argparse.ArgumentTypeError("must be 1s or more")
    return value


def _add_inputs(command: Parser, heading: str) -> argparse._ArgumentGroup:
    command.add_argument("inputs", nargs="*", metavar="INPUT", help="folder, file or quoted glob")
    which = command.add_argument_group(heading)
    which.add_argument(
        "--files-from",
        metavar="FILE",
        help="names of documents, one a line; - reads them from a pipe",
    )
    which.add_argument(
        "-0", "--null", action="store_true", help="names in --files-from end with NUL"
    )
    return which


def _add_again(commands: Commands) -> None:
    resume = add(commands, "resume", "go on with a run, as it was started")
    resume.add_argument("out", metavar="OUT", help="the run folder")
    _add_options(resume)
    retry = add(
        commands,
        "retry",
        "process failed documents again",
        "A processor that has been changed since is taken as it is now.",
    )
    retry.add_argument("out", metavar="OUT", help="the run folder")
    retry.add_argument(
        "--reason",
        choices=reasons(skips=False),
        metavar="REASON",
        help="only those that failed so",
    )
    _add_options(retry)
    repair = add(
        commands,
        "repair",
        "mend a damaged run folder, then do again what was lost",
        "What `docherd verify` names is mended: intact Records stay, a lost ledger is made anew\n"
        "from them, and the documents of the others are processed again, as by `resume`.\n"
        "Where nothing is damaged it does nothing.",
    )
    repair.add_argument("out", metavar="OUT", help="the run folder")
    _add_options(repair)


def _add_try(commands: Commands) -> None:
    attempt = add(commands, "try", "process one document now and show its Records; nothing is kept")
    attempt.add_argument("file", metavar="FILE", help="the document")
    add_json(attempt, "print Records as JSON lines")
    _add_options(attempt, ("work", "limits"))


def _add_options(
    command: Parser, groups: Sequence[str] = tuple(_GROUPS), without: Sequence[str] = ()
) -> None:
    """The options of config.py; only those that are given end up in the namespace."""
    for group in groups:
        section = command.add_argument_group(_GROUPS[group])
        for name, flag in flags():
            if flag.group == group and name not in without:
                _add_flag(section, name, flag)
        if group == "inputs":
            _add_pattern_files(section)
        if group == "work":
            section.add_argument(
                "--password-file", metavar="FILE", help="passwords to try, one a line"
            )
        if group == "display":
            section.add_argument(
                "-q", "--quiet", action="store_true", help="show nothing but errors"
            )
    command.add_argument_group("options from a file").add_argument(
        "--config", metavar="FILE", help="TOML with these options by name (workers = 4)"
    )


def _add_pattern_files(section: argparse._ArgumentGroup) -> None:
    for option, globs in FROM_FILES.items():
        section.add_argument(
            f"--{option.replace('_', '-')}",
            action="append",
            default=argparse.SUPPRESS,
            metavar="FILE",
            help=f"globs for --{globs}, one a line; lines that begin with # are comments",
        )


def _add_flag(section: argparse._ArgumentGroup, name: str, flag: Flag) -> None:
    names = [*flag.short]
    if name != "passwords":
        names.append(f"--{name.replace('_', '-')}")
    if flag.parse is None:
        section.add_argument(
            *names, dest=name, action="store_true", default=argparse.SUPPRESS, help=flag.help
        )
        return
    section.add_argument(
        *names,
        dest=name,
        action="append" if flag.many else "store",
        default=argparse.SUPPRESS,
        metavar=flag.metavar,
        help=flag.help,
    )
