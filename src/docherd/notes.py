"""One line that says how far a long command is."""

from __future__ import annotations

import time
from typing import TextIO

#: seconds before anything is said, between updates of the line, and between lines of a log
PATIENCE, EVERY, EVERY_LINE = 2.0, 0.2, 5.0


class Notes:
    """One line that says how far it is, where that takes long; silent on a stream that fails."""

    def __init__(self, stream: TextIO, quiet: bool) -> None:
        self._stream = stream
        self._due = float("inf") if quiet else time.monotonic() + PATIENCE
        self._drawn = False
        try:
            self._terminal = stream.isatty()
        except ValueError:  # closed
            self._terminal = False

    def say(self, text: str) -> None:
        """Show it, where the last one was shown long enough ago."""
        if time.monotonic() < self._due:
            return
        self._due = time.monotonic() + (EVERY if self._terminal else EVERY_LINE)
        self._drawn = True
        self._write(f"\r{text}\x1b[K" if self._terminal else f"{text}\n")

    def close(self) -> None:
        """Leave nothing on the terminal."""
        if self._drawn and self._terminal:
            self._write("\r\x1b[K")

    def _write(self, text: str) -> None:
        try:
            self._stream.write(text)
            self._stream.flush()
        except (OSError, ValueError):
            self._due = float("inf")
