"""A sealed segment being made into something else, in a process of its own, as its parent sees it.

A process, because making Parquet of 128 MB takes seconds of a core, and memory that is given back
only so. What it is asked and what it answers travel as JSON through nameless files. It dies with
the thread that started it; whatever it has written by then is swept by the next start.
"""

from __future__ import annotations

import json
import os
import signal
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any, Self, TypeAlias, cast

from docherd import spawn
from docherd.exceptions import DamageError, EnvironmentFault
from docherd.model import printable
from docherd.rows import Part

Json: TypeAlias = "str | int | float | bool | list[Json] | dict[str, Json] | None"
Answer: TypeAlias = dict[str, Json]

#: seconds between looks whether it has ended
_LOOK = 0.01
#: bytes of what it printed that are shown, where it died without an answer
_TAIL = 300


@dataclass(frozen=True, slots=True)
class Asked:
    """What is to be made."""

    #: the run folder
    out: Path
    #: of what
    part: Part
    #: as it will be known; size and CRC-32 are what is found out
    target: Part
    #: where it is written
    file: Path

    def as_json(self) -> Json:
        return {
            "out": os.fspath(self.out),
            "part": part_as_json(self.part),
            "target": part_as_json(self.target),
            "file": os.fspath(self.file),
        }

    @classmethod
    def from_json(cls, raw: Answer) -> Self:
        part, target = part_from_json(raw["part"]), part_from_json(raw["target"])
        return cls(Path(str(raw["out"])), part, target, Path(str(raw["file"])))


def part_as_json(part: Part) -> Json:
    return cast("Json", asdict(part))


def part_from_json(raw: Json) -> Part:
    known = cast("dict[str, Any]", raw)
    return Part(**{**known, "holes": tuple((at, length) for at, length in known["holes"])})


class GivenUp(Exception):
    """The run has no time for it: the next start begins it again."""


def _file() -> IO[bytes]:
    return tempfile.TemporaryFile()


class Conversion:
    """One process of ``docherd.converter``."""

    def __init__(self, task: str, asked: Asked) -> None:
        """Begin; ``task`` names what is to be done. Raises OSError."""
        self._task = task
        self._status: int | None = None
        self._closing = ExitStack()
        self._answer, self._printed = map(self._closing.enter_context, (_file(), _file()))
        with _file() as request:
            request.write(json.dumps(asked.as_json()).encode())
            request.seek(0)
            files = dict(
                enumerate(each.fileno() for each in (request, self._answer, self._printed))
            )
            self._pid = spawn.python("docherd.converter", (task,), files)

    @property
    def done(self) -> bool:
        """It has ended, well or not."""
        if self._status is None:
            try:
                pid, status = os.waitpid(self._pid, os.WNOHANG)
            except ChildProcessError:  # somebody else in this process has reaped it
                pid, status = self._pid, 0
            if pid:
                self._status = os.waitstatus_to_exitcode(status)
        return self._status is not None

    def wait(self, hurry: Callable[[], bool]) -> Answer:
        """What it answered. Raises GivenUp as soon as ``hurry()`` says so; DamageError and OSError
        as in the process; EnvironmentFault where that died.
        """
        while not self.done:
            if hurry():
                self.close()
                raise GivenUp
            time.sleep(_LOOK)
        try:
            self._answer.seek(0)
            answer: Answer = json.loads(self._answer.read())
        except ValueError:
            raise EnvironmentFault(self._death()) from None
        finally:
            self.close()
        if "errno" in answer:
            raise OSError(answer["errno"], answer["error"])
        if "damage" in answer:
            raise DamageError(str(answer["damage"]))
        return answer

    def _death(self) -> str:
        self._printed.seek(0)
        said = self._printed.read()[-_TAIL:].decode(errors="replace").strip()
        why = said.rpartition("\n")[2] or "no reason given"
        if self._status is not None and self._status < 0:
            why = f"killed by {signal.Signals(-self._status).name}"
        return (
            f"the results cannot be made into {self._task} ({printable(why)}); nothing is lost,"
            " resume the run when this is mended"
        )

    def close(self) -> None:
        """End it, if it still runs; idempotent."""
        if not self.done:
            os.kill(self._pid, signal.SIGKILL)
            spawn.wait(self._pid)
            self._status = -signal.SIGKILL
        self._closing.close()
