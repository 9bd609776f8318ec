"""What an engine says of documents: in worker processes with limits, remembered between runs.

The processes, their limits and who is blamed are `docherd.process`: a library that crashes, hangs
or eats memory loses that document, and the others go on.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import docherd
from quality.corpus import Sample
from quality.engines import Engine

ROOT = Path(__file__).parents[1]
SECONDS, MEMORY = 30, "6GB"


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of one document."""

    #: what the engine's function returned; None where it failed
    value: object
    #: of all cores
    seconds: float
    #: why it failed, else empty
    error: str


class Timed:
    """An engine's function, and the seconds its cores worked."""

    def __init__(self, function: str) -> None:
        self._function = function
        self._warm = False

    def __call__(self, document: docherd.Document) -> dict[str, object]:
        module, _, name = self._function.partition(".")
        function = getattr(import_module(f"quality.engines.{module}"), name)
        if not self._warm:  # imports and models are not the document's
            self._warm = True
            function(document)
        begin = time.process_time()
        value = function(document)
        return {"value": value, "seconds": time.process_time() - begin}


@dataclass(frozen=True, slots=True)
class Inquiry:
    """Asks engines, and remembers in a folder what they said."""

    folder: Path
    #: False: docherd alone is asked
    peers: bool

    def may_ask(self, engine: Engine) -> bool:
        """True where the engine is wanted and its library is here."""
        return engine.package == "docherd" or (self.peers and _installed(engine))

    def ask(self, engine: Engine, samples: Iterable[Sample]) -> dict[str, Answer]:
        """Name → answer for those of the samples whose kind the engine reads."""
        wanted = {str(s.path): s for s in samples if not engine.kinds or s.kind in engine.kinds}
        known = _Remembered(engine, self.folder)
        asked = [path for path, sample in wanted.items() if known.get(sample) is None]
        if asked:
            stream = docherd.process(
                asked, Timed(engine.function), workers=2, timeout=SECONDS, memory=MEMORY, retries=0
            )
            for result in stream:
                known.put(wanted[os.fspath(result.path)], _answer(result))
            known.write()
        answers = ((sample.name, known.get(sample)) for sample in wanted.values())
        return {name: answer for name, answer in answers if answer is not None}


def _answer(result: docherd.Result) -> Answer:
    if not result.ok:
        return Answer(None, 0.0, f"{result.reason}: {result.error}")
    record = result.value
    assert isinstance(record, dict)
    seconds = record["seconds"]
    assert isinstance(seconds, float)
    return Answer(record["value"], seconds, "")


def _installed(engine: Engine) -> bool:
    try:
        return bool(version(engine.package))
    except PackageNotFoundError:
        return False


class _Remembered:
    """The answers of an engine of one version, in a file."""

    def __init__(self, engine: Engine, folder: Path) -> None:
        self._path = folder / f"{engine.function}.json"
        self._version = _version(engine)
        try:
            stored = json.loads(self._path.read_text())
        except (OSError, ValueError):
            stored = {}
        same = stored.get("version") == self._version
        self._answers: dict[str, dict[str, object]] = stored["answers"] if same else {}

    def get(self, sample: Sample) -> Answer | None:
        found = self._answers.get(_key(sample))
        return Answer(**found) if found else None  # type: ignore[arg-type]  # written below

    def put(self, sample: Sample, answer: Answer) -> None:
        self._answers[_key(sample)] = asdict(answer)

    def write(self) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        stored = {"version": self._version, "answers": self._answers}
        self._path.write_text(json.dumps(stored))


def _key(sample: Sample) -> str:
    state = sample.path.stat()
    return f"{sample.path} {state.st_size} {state.st_mtime_ns}"


@cache
def _version(engine: Engine) -> str:
    """Of the library, and of our code that calls it; of docherd, what all of its readers say."""
    module = engine.function.partition(".")[0]
    files = [ROOT / "quality" / "engines" / f"{module}.py"]
    if module in ("ours", "sheets"):
        files.append(ROOT / "quality" / "cells.py")
    if engine.package == "docherd":
        files += sorted((ROOT / "src" / "docherd" / "processors").rglob("*.py"))
    code = hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
    return f"{engine.package} {version(engine.package)} {code}"
