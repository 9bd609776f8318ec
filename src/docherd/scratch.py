"""A folder for files that programs started by a worker read and write; its name says whose it is.

The worker removes it. Where the worker was killed, whoever outlives it does: its pool, and at the
end of the run the sentinel.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from docherd import host

_PREFIX = "docherd-scratch-"


@contextmanager
def folder() -> Iterator[Path]:
    """An empty one, private to this user, among the system's temporary files."""
    mark = os.environ.get(host.MARK, "")
    made = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{mark}-"))
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)


def remove(mark: str) -> None:
    """Those of the processes whose mark begins so, which have ended."""
    place = tempfile.gettempdir()
    try:
        names = os.listdir(place)
    except OSError:  # what cannot be read holds nothing of ours
        return
    for name in names:
        if name.startswith(_PREFIX + mark):
            shutil.rmtree(os.path.join(place, name), ignore_errors=True)  # noqa: PTH118
