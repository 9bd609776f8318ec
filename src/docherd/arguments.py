"""The words of the command line: commands, their options, their help."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from docherd import guide
from docherd.config import Flag, flags
from docherd.exceptions import UsageError
from docherd.model import Reason
from docherd.patterns import FROM_FILES
from docherd.units import parse_duration
from docherd.version import __version__

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

_EXITS = """\
exit codes: 0 every document done or skipped, 1 some failed, 2 wrong usage, 3 the machine said no
(disk full, unreadable), 4 damaged or foreign data, 5 no documents, 6 another run holds the folder,
7 stopped by a rule, 70 a bug, 129/130/143 stopped by a signal. All but 2 and 4 can be resumed by
the same command."""


class _Parser(argparse.ArgumentParser):
    """argparse whose errors are one line that says what to do."""

    def error(self, message: str) -> None:  # type: ignore[override]
        raise UsageError(f"{guide.mended(message)}\nsee {self.prog} --help")


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


def build() -> tuple[_Parser, _Commands[_Parser]]:
    """The parser, and its commands with a parser each."""
    top = _Parser(
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
    _add_run(commands)
    _add_plan(commands)
    _add_again(commands)
    _add_try(commands)
    _add_readers(commands)
    _add_machine(commands)
    top.description = _overview(commands)
    top.epilog = _EXITS
    more = top.add_argument_group("also")
    more.add_argument("-h", "--help", action="help", help="this; COMMAND --help: its options")
    more.add_argument(
        "--version",
        action="version",
        version=f"docherd {__version__}",
        help="which docherd this is",
    )
    return top, commands


def _overview(commands: _Commands[_Parser]) -> str:
    """Every command in one line, by what it is for."""
    what = {each.dest: each.help for each in commands._choices_actions}
    lines = ["Runs a document processor over millions of files and loses none of them."]
    for heading, names in guide.GROUPS.items():
        lines += ["", f"{heading}:"]
        lines += [f"  {name:<12}{what[name]}" for name in names if name in what]
    return "\n".join(lines)


_Commands = argparse._SubParsersAction


def _command(commands: _Commands[_Parser], name: str, what: str, more: str = "") -> _Parser:
    examples = guide.examples(name)
    ends = [f"examples:\n{examples}"] if examples else []
    if name in ("run", "resume", "retry", "repair"):
        ends.append(_EXITS)
    return commands.add_parser(
        name,
        help=what,
        description=f"{what[0].upper()}{what[1:]}." + (f" {more}" if more else ""),
        epilog="\n".join(ends),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )


def _add_run(commands: _Commands[_Parser]) -> None:
    run = _command(
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


def _add_plan(commands: _Commands[_Parser]) -> None:
    plan = _command(
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
    _add_json(plan, "for machines")
    _add_options(plan, ("work", "inputs", "limits"), without=("checksum", "prune", "force"))
    plan.add_argument("-q", "--quiet", action="store_true", help="do not say how far it is")


def _seconds(text: str) -> float:
    try:
        value = parse_duration(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    if value < 1:
        raise argparse.ArgumentTypeError("must be 1s or more")
    return value


def _add_inputs(command: _Parser, heading: str) -> argparse._ArgumentGroup:
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


def _add_again(commands: _Commands[_Parser]) -> None:
    resume = _command(commands, "resume", "go on with a run, as it was started")
    resume.add_argument("out", metavar="OUT", help="the run folder")
    _add_options(resume)
    retry = _command(
        commands,
        "retry",
        "process failed documents again",
        "A processor that has been changed since is taken as it is now.",
    )
    retry.add_argument("out", metavar="OUT", help="the run folder")
    retry.add_argument(
        "--reason",
        choices=_reasons(skips=False),
        metavar="REASON",
        help="only those that failed so",
    )
    _add_options(retry)
    repair = _command(
        commands,
        "repair",
        "mend a damaged run folder, then do again what was lost",
        "What `docherd verify` names is mended: intact Records stay, a lost ledger is made anew\n"
        "from them, and the documents of the others are processed again, as by `resume`.\n"
        "Where nothing is damaged it does nothing.",
    )
    repair.add_argument("out", metavar="OUT", help="the run folder")
    _add_options(repair)


def _add_try(commands: _Commands[_Parser]) -> None:
    attempt = _command(
        commands, "try", "process one document now and show its Records; nothing is kept"
    )
    attempt.add_argument("file", metavar="FILE", help="the document")
    _add_json(attempt, "print Records as JSON lines")
    _add_options(attempt, ("work", "limits"))


def _add_readers(commands: _Commands[_Parser]) -> None:
    status = _command(commands, "status", "how far a run is")
    failures = _command(commands, "failures", "what failed, why, and how to see it again")
    show = _command(commands, "show", "everything known of one document, and its Records")
    cat = _command(commands, "cat", "all Records as JSON lines, also while the run goes on")
    report = _command(commands, "report", "write report.html, report.json and failures.jsonl anew")
    verify = _command(
        commands,
        "verify",
        "hold the results against the ledger, byte for byte; changes nothing",
        "Exit code 0: as it was left; 4: damaged, and each damage is named.",
    )
    for command in (status, failures, show, cat, report, verify):
        command.add_argument("out", metavar="OUT", help="the run folder")
    show.add_argument("document", metavar="DOC", help="16-letter id, or path as in the Records")
    failures.add_argument("--reason", choices=_reasons(), metavar="REASON", help="only these")
    failures.add_argument("--all", action="store_true", help="what was skipped, too")
    processors = _command(commands, "processors", "the built-in processors")
    for command in (status, failures, show, report, verify, processors):
        _add_json(command, "for machines")


def _add_machine(commands: _Commands[_Parser]) -> None:
    doctor = _command(
        commands,
        "doctor",
        "is this machine fit for it, and what could be installed",
        "Looks at Python, SQLite, cores, memory and its limits, the disk, optional programs and\n"
        "libraries, starts a worker, and says of each what it means. Exit code 3: not fit.",
    )
    doctor.add_argument(
        "folder",
        nargs="?",
        default=".",
        metavar="FOLDER",
        help="where results would go: its disk is looked at (default: the working folder)",
    )
    _add_json(doctor, "for machines")
    completion = _command(
        commands,
        "completion",
        "a script that completes commands and options",
        "Prints it; the examples say where it goes.",
    )
    completion.add_argument("shell", choices=("bash", "zsh", "fish", "tcsh"), metavar="SHELL")


def _reasons(*, skips: bool = True) -> list[str]:
    return [str(reason) for reason in Reason if skips or not reason.skips]


def _add_json(command: _Parser, what: str) -> None:
    command.add_argument("--json", action="store_true", help=what)


def _add_options(
    command: _Parser, groups: Sequence[str] = tuple(_GROUPS), without: Sequence[str] = ()
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
