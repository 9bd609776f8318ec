"""What a processor is handed: one Document of its run."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

from docherd.model import Task


@lru_cache(maxsize=64)
def _folder(path: str) -> Path:
    """Kept for the next Document beside it, so that the path is not taken apart again."""
    return Path(path)


class Document(os.PathLike[str]):
    """The input file in a processor's hand.

    Annotate the processor's parameter with this class to receive it; without the annotation the
    processor receives the path. Usable wherever a path is (``open(document)``).
    """

    __slots__ = ("_beat", "_detect", "_kind", "_task", "attempt", "previous_reason", "size")

    def __init__(
        self,
        task: Task,
        detect: Callable[[Document], str],
        beat: Callable[[int | None, int | None], None] = lambda page, pages: None,
    ) -> None:
        self._task = task
        #: bytes, when it was opened
        self.size = task.size
        #: 0 at first; higher where an earlier attempt crashed or ran out of memory
        self.attempt = task.attempt
        #: why the earlier attempt ended: a processor may take a lighter way now
        self.previous_reason = task.previous_reason
        self._detect = detect
        self._beat = beat
        self._kind: str | None = None

    @property
    def id(self) -> str:
        """16 letters, the same in every run of the same tree."""
        return self._task.id

    @property
    def path(self) -> Path:
        """Absolute."""
        folder, _, name = os.fsdecode(self._task.file).rpartition("/")
        return _folder(folder or "/") / name

    def __fspath__(self) -> str:
        return os.fsdecode(self._task.file)

    def __repr__(self) -> str:
        return f"Document({str(self.path)!r})"

    def open(self) -> BinaryIO:
        """The content, for reading in binary. Raises OSError where it cannot be read."""
        return open(self, "rb")  # noqa: PTH123 - a path object would be made for nothing

    def read_bytes(self) -> bytes:
        """The whole content. Raises OSError where it cannot be read."""
        with self.open() as file:
            return file.read()

    @property
    def kind(self) -> str:
        """What the content is ("pdf", "docx", "text", ...), whatever the name says."""
        if self._kind is None:
            self._kind = self._detect(self)
        return self._kind

    @property
    def known_kind(self) -> str | None:
        """The kind if anybody asked for it, else None: never reads the file."""
        return self._kind

    def heartbeat(self, page: int | None = None, pages: int | None = None) -> None:
        """Tell the engine that work goes on, at which page, counted from 1, and of how many: shown,
        kept with a failure, and what is left of them says when the run ends.

        From the first one on, a pause longer than --stall (2 minutes), and than ten times the
        longest pause before it, ends the Document as ``stalled``: give one a page, sheet or
        message. Costs a microsecond. It does not extend the timeout.
        """
        self._beat(page, pages)
