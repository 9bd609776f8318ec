"""run.log: what happened and when, one escaped line each."""

from __future__ import annotations

import faulthandler
import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import TextIO

from docherd.model import Outcome, printable


class Log:
    """Appends lines to a file; a full disk silences it and never ends a run."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def line(self, text: str) -> None:
        """One line with the time in UTC."""
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        self._append(f"{stamp} {printable(text)}\n")

    def outcome(self, outcome: Outcome, also: str = "") -> None:
        """An attempt that did not succeed."""
        message = outcome.message or ""
        tail = f" ({also})" if also else ""
        self.line(f"{outcome.reason}: {outcome.task.path}: {message}{tail}")

    def stacks(self) -> None:
        """Where every thread of this process stands."""
        self.line("stacks, asked for by SIGQUIT")
        with self._open() as file:
            faulthandler.dump_traceback(file, all_threads=True)

    def printed(self, workers: Iterable[tuple[int, str]]) -> None:
        """What workers have printed last, their stacks among it: (pid, text)."""
        for pid, text in workers:
            self.line(f"worker {pid}:")
            self._append("".join(f"    {printable(line)}\n" for line in text.splitlines()))

    def _append(self, text: str) -> None:
        try:
            with self._open() as file:
                file.write(text)
        except OSError:
            pass  # the ledger is what must not be lost

    def _open(self) -> TextIO:
        """Never through a link that somebody put there."""
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        return os.fdopen(os.open(self._path, flags, 0o644), "a", encoding="utf-8")
