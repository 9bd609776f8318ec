"""The options as keyword arguments of the Python calls, for type checkers and editors.

What each means, its default and its unit: ``docherd.config`` and ``docherd run --help``. Sizes
are bytes or text ("8GB", "500MiB"), times are seconds or text ("5m", "1h"); None is the default.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Literal, TypeAlias, TypedDict

#: a file, or several
FileNames: TypeAlias = "str | os.PathLike[str] | Sequence[str | os.PathLike[str]]"


class WorkOptions(TypedDict, total=False):
    """Of ``process`` and ``run``: how the work is done."""

    workers: int | Literal["auto"] | None
    memory: int | str | None
    timeout: float | str | None
    stall: float | str | None
    max_output: int | str | None
    max_input: int | str | None
    retries: int | None
    nice: int | None
    passwords: Sequence[str] | None


class RunOptions(WorkOptions, total=False):
    """Of ``run`` alone: which files, and what is remembered and shown."""

    format: Literal["jsonl", "parquet", "files"] | None
    include: Sequence[str] | None
    include_from: FileNames | None
    exclude: Sequence[str] | None
    exclude_from: FileNames | None
    hidden: bool | None
    limit: int | None
    checksum: bool | None
    dedup: bool | None
    prune: bool | None
    force: bool | None
    max_failures: int | None
    max_interruptions: int | None
    exit_zero: bool | None
    progress: Literal["auto", "live", "plain", "json", "none"] | None
    verbose: bool | None
