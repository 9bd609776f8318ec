"""The last one out: ends what a run left behind, however the engine ended.

Workers die with the engine (PR_SET_PDEATHSIG), but that signal is not inherited by what they
started themselves (soffice, tesseract), and a child in a session of its own escapes killpg. So
one small process waits for the end of the engine's pipe and then kills whatever carries the
run's mark in its environment, then removes the run's temporary folders, theirs among them.
``python -P -m docherd.sentinel PARENT TOKEN FOLDER...`` with the pipe as stdin.
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from docherd import host, scratch, spawn
from docherd.exceptions import EnvironmentFault

#: looks in a row that must find nothing, and seconds after which what is left cannot be killed
_LOOKS, _PATIENCE = 3, 5.0


class Sentinel:
    """The process, as the engine sees it."""

    def __init__(self, token: str, folders: Sequence[Path] = ()) -> None:
        """``folders`` are removed with everything in them."""
        read, self._pipe = os.pipe()
        files = {0: read, 1: spawn.NOTHING, 2: spawn.NOTHING}
        try:
            self._pid = spawn.python("docherd.sentinel", (token, *map(str, folders)), files)
        except OSError as error:
            raise EnvironmentFault(f"cannot start a process: {error.strerror}") from error
        finally:
            os.close(read)

    def close(self) -> None:
        """Let it sweep, and wait until it has; idempotent."""
        if self._pipe >= 0:
            os.close(self._pipe)
            self._pipe = -1
            spawn.wait(self._pid)


def main() -> None:
    token, folders = sys.argv[2], sys.argv[3:]
    for name in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT):
        signal.signal(name, signal.SIG_IGN)
    while os.read(0, 4096):
        pass
    host.sweep(f"{token}.", _LOOKS, _PATIENCE)
    scratch.remove(f"{token}.")
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
