"""What lies inside a Document, as a Document of its own that any reader takes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

from docherd.document import Document


class Inside(Document):
    """A content that is no file, under a name that may tell its kind; beats as the outer one."""

    __slots__ = ("_name", "_opened", "depth")

    def __init__(self, outer: Document, name: str, opened: Callable[[], BinaryIO]) -> None:
        super().__init__(outer._task, outer._detect, outer._beat)
        #: 1 where the outer one is a file
        self.depth: int = outer.depth + 1 if isinstance(outer, Inside) else 1
        self._name = name
        self._opened = opened

    @property
    def path(self) -> Path:
        """Beside the outer one; there is no such file."""
        return super().path.with_name(self._name)

    def open(self) -> BinaryIO:
        """The content from its beginning."""
        return self._opened()
