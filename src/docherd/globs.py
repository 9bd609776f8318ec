"""Which paths are wanted, by globs as a shell with globstar means them.

``*`` and ``?`` stay within one name, ``**`` is any number of folders, also none. A glob without a
slash is matched against the bare name, anywhere; with one, against the path below the input. What
is excluded may also be a folder, with all that is in it; a slash at the end means folders only.
"""

from __future__ import annotations

import fnmatch
import os
import re
from collections.abc import Sequence

_PIECE = re.compile(r"\*\*/|\*\*|\*|\?|\[[!^]?\]?[^\]/]*\]|.", re.DOTALL)


class Wanted:
    """Include, exclude, and the pattern of an input that is a glob itself."""

    def __init__(
        self, include: Sequence[str], exclude: Sequence[str], pattern: str | None = None
    ) -> None:
        self._include = [_Glob(glob) for glob in include]
        self._exclude = [_Glob(glob) for glob in exclude]
        self._pattern = _compiled(pattern) if pattern else None
        self._all = not (include or exclude or pattern)

    def enters(self, folder: bytes) -> bool:
        """True where something below this folder may be taken; those above it are not looked at."""
        if not self._exclude:
            return True
        text = os.fsdecode(folder)
        return not any(glob.matches(text, folder=True) for glob in self._exclude)

    def reaches(self, path: bytes) -> bool:
        """As `passes`, for a file that no walk came to: no folder above it may be excluded."""
        slashes = (at for at, byte in enumerate(path) if byte == 0x2F) if self._exclude else ()
        return all(self.enters(path[:at]) for at in slashes) and self.passes(path)

    def passes(self, path: bytes) -> bool:
        """True where the file at ``path``, below its input, is to be taken."""
        if self._all:
            return True
        text = os.fsdecode(path)
        if self._pattern and not self._pattern.fullmatch(text):
            return False
        if any(glob.matches(text) for glob in self._exclude):
            return False
        return not self._include or any(glob.matches(text) for glob in self._include)


class _Glob:
    def __init__(self, glob: str) -> None:
        self._folders_only = glob.endswith("/")
        glob = glob.rstrip("/")
        self._by_name = "/" not in glob
        self._expression = _compiled(glob.lstrip("/"))

    def matches(self, path: str, *, folder: bool = False) -> bool:
        if self._folders_only and not folder:
            return False
        text = path.rpartition("/")[2] if self._by_name else path
        return self._expression.fullmatch(text) is not None


def _compiled(glob: str) -> re.Pattern[str]:
    return re.compile("".join(map(_translated, _PIECE.findall(glob))), re.DOTALL)


def _translated(piece: str) -> str:
    match piece:
        case "**/":
            return "(?:[^/]+/)*"
        case "**":
            return ".*"
        case "*":
            return "[^/]*"
        case "?":
            return "[^/]"
        case _ if len(piece) > 2:
            # Ranges that run backwards, "--" and the like are the standard library's to know.
            negated = piece[1] in "!^"
            members = fnmatch.translate(f"[{'!' if negated else ''}{piece[1 + negated :]}")
            return f"(?!/){members.removeprefix('(?s:').rpartition(')')[0]}"
        case _:
            return re.escape(piece)
