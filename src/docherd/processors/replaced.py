"""A Document whose content was made into something else first: decrypted, converted."""

from __future__ import annotations

import io
from typing import BinaryIO

from docherd.document import Document


class Replaced(Document):
    """``document`` with other bytes in it; its heartbeats are those of the first."""

    __slots__ = ("_content",)

    def __init__(self, document: Document, content: bytes) -> None:
        super().__init__(document._task, document._detect, document._beat)
        self._content = content
        self.size = len(content)

    def open(self) -> BinaryIO:
        """The new content."""
        return io.BytesIO(self._content)
