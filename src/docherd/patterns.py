"""Lists of globs in files, as `--exclude-from` and `--include-from` take them."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from docherd.exceptions import EnvironmentFault, UsageError
from docherd.model import printable

#: the option that names files ─► the one that their globs belong to
FROM_FILES = {"include_from": "include", "exclude_from": "exclude"}


def read(option: str, file: str) -> tuple[str, ...]:
    """The globs in a file, one a line; empty lines and those that begin with ``#`` are none.

    Raises UsageError where it is no such file, EnvironmentFault where it cannot be read.
    """
    flag = f"--{option.replace('_', '-')}"
    if file == "-":
        raise UsageError(f"{flag} - : globs are not read from a pipe; put them into a file")
    try:
        text = Path(file).read_bytes().decode("utf-8-sig")
    except OSError as error:
        raise EnvironmentFault(f"{flag} {printable(file)}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UsageError(
            f"{flag} {printable(file)}: is not UTF-8 text; it holds one glob a line"
        ) from None
    except ValueError as error:  # a NUL in the name
        raise UsageError(f"{flag} {printable(file)}: {error}") from None
    globs = [line.strip() for line in text.splitlines()]
    return tuple(glob for glob in globs if glob and not glob.startswith("#"))


def joined(values: Mapping[str, object]) -> dict[str, object]:
    """Options with the globs that files hold in the place of the files' names.

    So it is their content that a run is known by, and `resume` needs no file.
    """
    taken = {name: value for name, value in values.items() if name not in FROM_FILES}
    for option, globs in FROM_FILES.items():
        if (files := values.get(option)) is None:
            continue
        read_now = [glob for file in _names(option, files) for glob in read(option, file)]
        own = taken.get(globs) or ()
        several = (own,) if isinstance(own, str) else own
        if not isinstance(several, list | tuple):
            raise UsageError(f"{globs}: a list of texts, not {own!r}")
        taken[globs] = [*several, *read_now]
    return taken


def _names(option: str, files: object) -> list[str]:
    """One file or several, as Python and TOML give them."""
    several = files if isinstance(files, list | tuple) else [files]
    names = [os.fsdecode(each) for each in several if isinstance(each, str | os.PathLike)]
    if len(names) < len(several):
        raise UsageError(f"{option}: a file's name, or a list of such, not {files!r}")
    return names
