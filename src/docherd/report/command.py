"""The command that a run was last started with, as run.json remembers it. Pure."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from dataclasses import fields
from pathlib import Path

from docherd.config import Flag, Options, flags
from docherd.quoting import shell_quoted

#: inputs that are written out
_MOST = 5


def of(about: Mapping[str, object], folder: Path) -> str:
    """``docherd run docs -o out --memory 512MB``; "" where a program gave an object of its own.

    Passwords are not in it: they were never written down.
    """
    processor = about.get("processor")
    if not isinstance(processor, Mapping) or not processor.get("importable", True):
        return ""
    words = ["docherd run", *_inputs(about), "-o", shell_quoted(os.fsencode(folder.absolute()))]
    if (name := str(processor.get("name"))) != "extract":
        words += ["-p", shell_quoted(os.fsencode(name))]
    return " ".join([*words, *_options(about.get("options"))])


def _inputs(about: Mapping[str, object]) -> Iterator[str]:
    listed = about.get("files_from")
    if isinstance(listed, str):
        yield f"--files-from {shell_quoted(os.fsencode(listed))}"
        if about.get("null"):
            yield "--null"
        return
    roots = about.get("inputs")
    roots = roots if isinstance(roots, list) else []
    named = [name for root in roots if isinstance(root, Mapping) for name in _names(root)]
    yield from (shell_quoted(os.fsencode(name)) for name in named[:_MOST])
    if len(named) > _MOST:
        yield "..."


def _names(root: Mapping[str, object]) -> list[str]:
    """What was typed for one input: a folder, files in it, or a glob."""
    folder, names, pattern = str(root["folder"]), root.get("names"), root.get("pattern")
    if isinstance(names, list):
        return [f"{folder.rstrip('/')}/{name}" for name in names]
    return [f"{folder.rstrip('/')}/{pattern}" if pattern else folder]


def _options(given: object) -> Iterator[str]:
    if not isinstance(given, Mapping):
        return
    usual = {field.name: field.default for field in fields(Options)}
    for name, flag in flags():
        value = given.get(name)
        value = tuple(value) if isinstance(value, list) else value
        if value is None or value == usual[name] or flag.secret or name == "processor":
            continue
        dashed = f"--{name.replace('_', '-')}"
        if flag.parse is None:
            yield dashed
        for each in value if isinstance(value, tuple) else (value,):
            if flag.parse is not None:
                yield f"{dashed} {shell_quoted(os.fsencode(_text(flag, each)))}"


def _text(flag: Flag, value: object) -> str:
    if isinstance(value, int | float) and flag.unit == "B":
        return _size(int(value))
    if isinstance(value, int | float) and flag.unit == "s":
        return f"{value:.12g}s"
    return str(value)


def _size(amount: int) -> str:
    """To the byte: ``512MB``, ``2GiB``, ``1234567B``."""
    for unit, length in _UNITS:
        if amount and amount % length == 0:
            return f"{amount // length}{unit}"
    return f"{amount}B"


_UNITS = (("GiB", 2**30), ("GB", 10**9), ("MiB", 2**20), ("MB", 10**6))
