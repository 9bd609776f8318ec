"""Ends a wait in ``select`` from any thread and from signal handlers."""

from __future__ import annotations

import os


class Bell:
    """A pipe to oneself; ``fd`` is readable once it was rung."""

    def __init__(self) -> None:
        self.fd, self._write = os.pipe()
        for end in (self.fd, self._write):
            os.set_blocking(end, False)

    def ring(self) -> None:
        """More than one ring is one ring."""
        if self._write >= 0:
            try:
                os.write(self._write, b"!")
            except OSError:
                pass  # full: it rings anyhow

    def still(self) -> None:
        """It was heard."""
        os.read(self.fd, 4096)

    def close(self) -> None:
        """Idempotent; ringing it later does nothing."""
        if self._write >= 0:
            write, self._write = self._write, -1
            os.close(write)
            os.close(self.fd)
