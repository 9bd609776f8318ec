"""Programs that readers start where no library reads a kind: found, bounded, and asked nothing.

They run in the worker's process group and carry its mark, so that what ends the worker (its
timeout, its memory, the end of the run) ends them too. They are never told a user's file name.
"""

from __future__ import annotations

import os
import selectors
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import IO, NamedTuple

from docherd import host
from docherd.exceptions import CorruptError, UnsupportedError

#: most bytes that a program may say, or write into one file
OUTPUT_LIMIT = 1 << 30
#: bytes of its complaints that are kept
_TAIL = 300
_CHUNK = 1 << 16


@cache
def found(name: str) -> Path | None:
    """Where a program is; None where it is not installed."""
    place = shutil.which(name)
    return None if place is None else Path(place).resolve()


def missing(kind: str, *packages: str) -> UnsupportedError:
    """What is said of a kind that needs a program which is not here."""
    return UnsupportedError(f"{kind} is read with: apt-get install {' or '.join(packages)}")


class Said(NamedTuple):
    """What a program wrote on its standard output, and the end of its complaints."""

    output: bytes
    complaints: str


def said_by(command: Sequence[str | Path], folder: Path, source: IO[bytes] | None = None) -> Said:
    """What a program says, working in ``folder``.

    ``source`` is a true file, which it finds as its standard input. Raises CorruptError where the
    program fails or says too much.
    """
    # A limit of the shell's: nothing of Python may run between fork and exec beside threads.
    limited = ["sh", "-c", f'ulimit -f {OUTPUT_LIMIT // 512}; exec "$@"', "sh", *command]
    with subprocess.Popen(
        limited,
        stdin=subprocess.DEVNULL if source is None else source,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=folder,
        env=_environment(folder),
    ) as process:
        try:
            said = _heard(process)
        except BaseException:
            process.kill()
            raise
    if process.returncode:
        how = _how(process.returncode)
        raise CorruptError(f"{Path(command[0]).name} {how}: {said.complaints}".rstrip(": "))
    return said


def _environment(folder: Path) -> Mapping[str, str]:
    """The worker's mark and a home without anything in it; nothing else of the user's."""
    ours = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C.UTF-8"}
    places = dict.fromkeys(("HOME", "TMPDIR", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"), str(folder))
    mark = os.environ.get(host.MARK)
    return ours | places | ({} if mark is None else {host.MARK: mark})


def _heard(process: subprocess.Popen[bytes]) -> Said:
    said, complained = bytearray(), bytearray()
    with selectors.DefaultSelector() as selector:
        for stream, kept in ((process.stdout, said), (process.stderr, complained)):
            assert stream is not None
            selector.register(stream, selectors.EVENT_READ, kept)
        while selector.get_map():
            for key, _ in selector.select():
                if chunk := os.read(key.fd, _CHUNK):
                    key.data.extend(chunk)
                else:
                    selector.unregister(key.fileobj)
            del complained[:-_TAIL]
            if len(said) > OUTPUT_LIMIT:
                raise CorruptError(f"makes a program say more than {OUTPUT_LIMIT:,} bytes")
    return Said(bytes(said), " ".join(complained.decode("utf-8", "replace").split()))


def _how(code: int) -> str:
    return f"was killed by signal {-code}" if code < 0 else f"ended with exit code {code}"
