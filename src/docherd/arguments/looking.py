"""The commands that look: at a run, at its results, at the machine."""

from __future__ import annotations

import argparse

from docherd.arguments.grammar import Commands, Parser, add, add_json, reasons
from docherd.exports import FORMATS
from docherd.model import Status

#: what `cat` and `export` take where they are told to choose
_SELECTED = """
A document that is done stands for its Records; one of another status (--status, --reason) for one
line that says what became of it, as `failures --json` does."""


def add_all(commands: Commands) -> None:
    """All of them."""
    _add_readers(commands)
    _add_machine(commands)


def _add_readers(commands: Commands) -> None:
    status = add(commands, "status", "how far a run is")
    failures = add(commands, "failures", "what failed, why, and how to see it again")
    show = add(commands, "show", "everything known of one document, and its Records")
    cat = add(commands, "cat", "all Records as JSON lines, also while the run goes on", _SELECTED)
    export = add(
        commands,
        "export",
        "all Records as one file: CSV, XLSX, Parquet, JSON lines",
        "\nWritten beside and renamed when it is whole. Lists and objects become JSON text;\n"
        f"in CSV and XLSX a ' stands before what could be taken for a formula.{_SELECTED}",
    )
    report = add(commands, "report", "write report.html, report.json and failures.jsonl anew")
    verify = add(
        commands,
        "verify",
        "hold the results against the ledger, byte for byte; changes nothing",
        "Exit code 0: as it was left; 4: damaged, and each damage is named.",
    )
    for command in (status, failures, show, cat, export, report, verify):
        command.add_argument("out", metavar="OUT", help="the run folder")
    show.add_argument(
        "document", metavar="DOC", help="16-letter id, path as in the Records, part of it or a glob"
    )
    show.add_argument("--full", action="store_true", help="all Records, and all of their texts")
    _add_failures(failures)
    _add_export(export)
    for command in (cat, export):
        _add_selection(command)
    processors = add(commands, "processors", "the built-in processors")
    for command in (status, failures, show, report, verify, processors):
        add_json(command, "for machines")


def _add_failures(failures: Parser) -> None:
    _add_filters(failures, "only these, one by one")
    failures.add_argument("--all", action="store_true", help="what was skipped, too")
    files = failures.add_argument_group("their files")
    files.add_argument(
        "--to",
        metavar="FOLDER",
        help="copy them into FOLDER, with a table failures.csv; again, it takes only what is new",
    )
    how = files.add_mutually_exclusive_group()
    how.add_argument(
        "--copy", action="store_false", dest="link", default=False, help="copies (the default)"
    )
    how.add_argument(
        "--link", action="store_true", help="hard links: no space, and only on the same disk"
    )


def _add_export(export: Parser) -> None:
    export.add_argument(
        "--to",
        choices=FORMATS,
        help="what to make; not needed where FILE ends so. XLSX cuts texts at 32,767 characters",
    )
    export.add_argument(
        *("-f", "--output"),
        dest="file",
        metavar="FILE",
        help="default: OUT/export.csv ...; - is standard output, for csv and jsonl",
    )
    export.add_argument("--force", action="store_true", help="replace FILE where it exists")
    export.add_argument(
        "--bom", action="store_true", help="CSV with a byte order mark: Excel then reads UTF-8"
    )
    export.add_argument("-q", "--quiet", action="store_true", help="say nothing but errors")


def _add_selection(command: Parser) -> None:
    """Which Documents, and what of them."""
    which = command.add_argument_group("which of them")
    which.add_argument(
        "--status",
        action="append",
        choices=[str(status) for status in Status],
        metavar="STATUS",
        help=f"{', '.join(Status)}; may be repeated",
    )
    _add_filters(which, "failed or skipped for this reason")
    which.add_argument("--limit", type=_positive, metavar="N", help="at most N lines")
    which.add_argument(
        "--columns", action="append", metavar="A,B", help="only these keys, in this order"
    )


def _add_filters(which: argparse._ActionsContainer, reason: str) -> None:
    which.add_argument("--reason", choices=reasons(), metavar="REASON", help=reason)
    which.add_argument(
        "--kind",
        action="append",
        metavar="KIND",
        help="pdf, docx ...: by content where that is known, else by name; may be repeated",
    )
    which.add_argument(
        "--path",
        action="append",
        metavar="GLOB",
        help="as in the Records or below the input; without a slash the name; may be repeated",
    )


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of 1 or more")
    return int(text)


def _add_machine(commands: Commands) -> None:
    doctor = add(
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
    add_json(doctor, "for machines")
    completion = add(
        commands,
        "completion",
        "a script that completes commands and options",
        "Prints it; the examples say where it goes.",
    )
    completion.add_argument("shell", choices=("bash", "zsh", "fish", "tcsh"), metavar="SHELL")
