"""What a file is, by content: each library's word for it."""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from magika import Magika


def filetype(path: os.PathLike[str]) -> str:
    import filetype

    found = filetype.guess(os.fspath(path))
    return found.extension if found else ""


def puremagic(path: os.PathLike[str]) -> str:
    import puremagic

    return puremagic.from_file(os.fspath(path)).lstrip(".")


def magika(path: os.PathLike[str]) -> str:
    return str(_magika().identify_path(os.fspath(path)).output.label)


@cache
def _magika() -> Magika:
    from magika import Magika

    return Magika()
