"""Every option, once: its type, default, unit and help. Flags and the config file derive from it.

``Options`` is what a run is told. An option's flag is its name with dashes; a TOML file given by
``--config`` holds the same names. Nothing is ever picked up from the working folder: a file found
there could have been planted among the documents.
"""

from __future__ import annotations

import dataclasses
import difflib
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Self

from docherd import patterns
from docherd.exceptions import UsageError
from docherd.units import parse_duration, parse_size

FORMATS = ("jsonl", "parquet", "files")
PROGRESS = ("auto", "live", "plain", "json", "none")


@dataclass(frozen=True, slots=True)
class Flag:
    """How an option looks on the command line."""

    help: str
    #: text → value; raises ValueError with one line
    parse: Callable[[str], object] | None
    short: tuple[str, ...] = ()
    metavar: str | None = None
    choices: tuple[str, ...] = ()
    #: what a bare number from Python or TOML counts
    unit: str = ""
    #: may be given several times
    many: bool = False
    #: part of a run's identity: the results depend on it
    pinned: bool = False
    #: never written down anywhere
    secret: bool = False
    group: str = "run"


def _option(default: object, flag: Flag) -> Any:  # noqa: ANN401 - dataclasses.field is typed so
    return field(default=default, metadata={"flag": flag})


def _count(text: str) -> int:
    if not text.strip().isdigit():
        raise ValueError(f"{text!r} is not a whole number")
    return int(text)


def _positive(text: str) -> int:
    if (value := _count(text)) < 1:
        raise ValueError("must be 1 or more")
    return value


def _workers(text: str) -> int | str:
    if text.strip() == "auto":
        return "auto"
    if (value := _positive(text)) > 1000:
        raise ValueError("must be 1000 or less: more processes than that help no machine")
    return value


def _memory(text: str) -> int:
    if (value := parse_size(text)) < 64_000_000:
        raise ValueError("must be 64MB or more: a worker needs that before it reads anything")
    return value


def _seconds(text: str) -> float:
    if (value := parse_duration(text)) <= 0:
        raise ValueError("must be more than 0")
    return value


def _nice(text: str) -> int:
    if (value := _count(text)) > 19:
        raise ValueError("must be 0 to 19")
    return value


@dataclass(frozen=True, slots=True)
class Options:
    """What a run is told. Sizes are bytes, times are seconds."""

    processor: str = _option(
        "extract",
        Flag(
            "what to do with each document: a built-in one (docherd processors), file.py:name"
            " or package.module:name",
            str,
            ("-p",),
            "NAME",
            group="work",
        ),
    )
    workers: int | Literal["auto"] | None = _option(
        None,
        Flag(
            "documents in work at the same time (default: the cores this process may use; auto:"
            " from there to as many as are faster, at most 32 a core and 256)",
            _workers,
            ("-w", "-j", "--jobs"),
            "N",
            group="limits",
        ),
    )
    memory: int | None = _option(
        None,
        Flag(
            "memory of all workers together, as 8GB, 8GiB or 500MB (default: 80 %% of what the"
            " machine or its cgroup has); what does not fit beside others is stopped and tried"
            " again, at last alone",
            _memory,
            (),
            "SIZE",
            unit="B",
            group="limits",
        ),
    )
    timeout: float | None = _option(
        None,
        Flag(
            "time one document may take, as 90, 5m or 1h (default: 5m and 10s more for each MB;"
            " once the run knows what documents like it take, by that)",
            _seconds,
            (),
            "TIME",
            unit="s",
            group="limits",
        ),
    )
    stall: float = _option(
        120.0,
        Flag(
            "time without a heartbeat after which a document that gave some counts as hung, as 90,"
            " 2m or 1h (default: 2m; always ten times its longest pause so far)",
            _seconds,
            (),
            "TIME",
            unit="s",
            group="limits",
        ),
    )
    format: str = _option(
        "jsonl",
        Flag(
            "what results are kept as (default: jsonl): jsonl, parquet (needs pyarrow), or files,"
            " a text or Markdown file for each document in folders like those of the inputs",
            str,
            (),
            "KIND",
            FORMATS,
            pinned=True,
            group="work",
        ),
    )
    max_output: int = _option(
        1_000_000_000,
        Flag(
            "most bytes of Records from one document (default: 1GB)",
            parse_size,
            (),
            "SIZE",
            unit="B",
            pinned=True,
            group="limits",
        ),
    )
    max_input: int = _option(
        2_000_000_000,
        Flag(
            "larger files are skipped unread by the built-in processors (default: 2GB)",
            parse_size,
            (),
            "SIZE",
            unit="B",
            pinned=True,
            group="limits",
        ),
    )
    force: bool = _option(
        False,
        Flag(
            "go on although the disk will not hold the Records that are expected (default: stop"
            " with exit code 3 before it is full)",
            None,
            group="limits",
        ),
    )
    retries: int = _option(
        0,
        Flag(
            "further attempts after an error of the processor (default: 0; after a crash or too"
            " much memory there is always one)",
            _count,
            (),
            "N",
            group="failures",
        ),
    )
    max_failures: int | None = _option(
        None,
        Flag(
            "stop with exit code 7 when more than N documents have failed (default: never)",
            _count,
            (),
            "N",
            group="failures",
        ),
    )
    max_interruptions: int = _option(
        3,
        Flag(
            "deaths of the whole run that a document may be in hand at before it fails"
            " (default: 3; 0: any number)",
            _count,
            (),
            "N",
            group="failures",
        ),
    )
    exit_zero: bool = _option(
        False,
        Flag("exit with 0 although documents failed (for cron)", None, group="failures"),
    )
    include: tuple[str, ...] = _option(
        (),
        Flag(
            "only files that match, by name or path below the input, e.g. '*.pdf' or 'a/**/*.eml'"
            " (may be given again)",
            str,
            (),
            "GLOB",
            many=True,
            pinned=True,
            group="inputs",
        ),
    )
    exclude: tuple[str, ...] = _option(
        (),
        Flag(
            "no files that match, and nothing below folders that do (may be given again)",
            str,
            (),
            "GLOB",
            many=True,
            pinned=True,
            group="inputs",
        ),
    )
    hidden: bool = _option(
        False,
        Flag(
            "also take hidden files and folders (.git, ~$lock.docx, __MACOSX, Thumbs.db)",
            None,
            pinned=True,
            group="inputs",
        ),
    )
    limit: int | None = _option(
        None,
        Flag("only the first N documents", _positive, (), "N", group="inputs"),
    )
    checksum: bool = _option(
        False,
        Flag(
            "tell a changed file by its content, not by size, time and inode (reads every file)",
            None,
            group="inputs",
        ),
    )
    dedup: bool = _option(
        False,
        Flag(
            "process identical files once: the Records of the others are made from those, with a"
            " key duplicate_of (reads files that have the same size)",
            None,
            pinned=True,
            group="inputs",
        ),
    )
    prune: bool = _option(
        False,
        Flag("take the Records of files that are gone out of the data", None, group="inputs"),
    )
    nice: int = _option(
        0,
        Flag("lower the priority by N, 0 to 19 (default: 0)", _nice, (), "N", group="limits"),
    )
    passwords: tuple[str, ...] = _option(
        (),
        Flag(
            "password to try on encrypted documents (may be given again; never written down;"
            " others can see it in the process list: prefer --password-file)",
            str,
            ("--password",),
            "TEXT",
            many=True,
            secret=True,
            group="work",
        ),
    )
    progress: str = _option(
        "auto",
        Flag(
            "how to show progress: auto (live on a terminal, else plain), live, plain, json, none",
            str,
            (),
            "KIND",
            PROGRESS,
            group="display",
        ),
    )
    verbose: bool = _option(
        False, Flag("show each document that fails as it happens", None, ("-v",), group="display")
    )

    @classmethod
    def of(cls, values: Mapping[str, object]) -> Self:
        """Options from Python values or TOML, with sizes and times also as text ("8GB", "5m").

        Raises UsageError for an unknown name or a value that makes no sense.
        """
        known = dict(flags())
        taken: dict[str, object] = {}
        for name, value in patterns.joined(values).items():
            if name not in known:
                near = difflib.get_close_matches(name, [*known, *patterns.FROM_FILES], 1)
                hint = f"; did you mean {near[0]}?" if near else ""
                raise UsageError(f"no option {name!r}{hint}")
            if value is not None:  # None is what Python callers pass for the default
                taken[name] = _checked(name, known[name], value)
        return cls(**taken)  # type: ignore[arg-type]

    def pinned(self) -> dict[str, object]:
        """The options that results depend on, as JSON types, for run.json."""
        return {name: _plain(getattr(self, name)) for name, flag in flags() if flag.pinned}

    def remembered(self) -> dict[str, object]:
        """The options that `resume` starts with: all that may be written down."""
        shown = ("progress", "verbose", "processor", "force")
        return {
            name: _plain(getattr(self, name))
            for name, flag in flags()
            if not flag.secret and name not in shown
        }


def flags() -> Iterator[tuple[str, Flag]]:
    """Every option's name and flag, in order."""
    for each in dataclasses.fields(Options):
        yield each.name, each.metadata["flag"]


def _plain(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value


def _checked(name: str, flag: Flag, value: object) -> object:
    """A value given in Python or TOML, as the option's own type; raises UsageError."""
    if flag.many:
        several = [value] if isinstance(value, str) else value
        if not isinstance(several, list | tuple) or not all(isinstance(s, str) for s in several):
            raise UsageError(f"{name}: a list of texts, not {value!r}")
        return tuple(several)
    if flag.parse is None:
        if not isinstance(value, bool):
            raise UsageError(f"{name}: true or false, not {value!r}")
        return value
    try:
        parsed = flag.parse(_as_text(value, flag.unit))
    except ValueError as error:
        raise UsageError(f"{name}: {error}") from None
    if flag.choices and parsed not in flag.choices:
        raise UsageError(f"{name}: one of {', '.join(flag.choices)}, not {parsed!r}")
    return parsed


def _as_text(value: object, unit: str) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise ValueError(f"{value!r} makes no sense here")
    return value if isinstance(value, str) else f"{value}{unit}"


def read_file(path: Path) -> dict[str, object]:
    """The options in a TOML file, unchecked. Raises UsageError where it is none."""
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"--config {path}: {error.strerror}") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"--config {path}: {error}") from None
