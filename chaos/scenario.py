"""What the command is doing when a fault hits it: a first run, a rewriting of parts, a resume.

A scenario prepares a run folder, of which each point gets a copy, and says which command is
disturbed. Afterwards what ``mend`` says (the same command, as a rule) must bring about what a run
brought about that was left in peace.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from chaos import calls, formats, oracle
from chaos.calls import Call, Point
from chaos.command import Ended, Product
from chaos.oracle import Known

DOCUMENTS = 60
#: the run folder of a command that was only watched
PEACE = "peace"
#: characters of the one result that travels through a spool
LARGE = 1_100_000
#: a commit every few documents, a part every few commits
CONSTANTS = {"engine.COMMIT_DOCUMENTS": "8", "segment.SEAL_BYTES": "10_000"}

READ = f"""
def read(path):
    text = path.read_text()
    return {{"text": text * ({LARGE} // len(text)) if path.stem == "30" else text * 3}}
"""


@dataclass(frozen=True, slots=True)
class Stage:
    """A folder with documents and a processor, and the docherd that is run over them."""

    folder: Path
    product: Product
    #: what results are kept as
    format: str = "jsonl"

    def set(self) -> None:
        """Make the documents, and the processor."""
        (self.folder / "in").mkdir()
        for number in range(DOCUMENTS):
            self.write(number, f"document {number:02}, line\n" * (number % 7 + 10))
        (self.folder / "read.py").write_text(READ)

    def write(self, number: int, text: str) -> None:
        (self.folder / "in" / f"{number:02}.txt").write_text(text)

    def words(self, out: str) -> list[str]:
        """The command that everybody would type."""
        words = ["run", "in", "-o", out, "-p", "read.py:read", "-w", "2", "--progress", "json"]
        return [*words, "--format", self.format]

    def run(self, words: list[str], before: tuple[str, ...] = (), pad: str = "") -> Ended:
        return self.product.run(words, self.folder, before=before, pad=pad)

    def finish(self, out: str) -> None:
        """Run to the end what has to be finished before anything else."""
        ended = self.run(self.words(out))
        if ended.code:
            raise RuntimeError(f"without any fault: {ended.code}, {ended.err}")

    def die(self, words: list[str], call: Call) -> None:
        """Kill a command at a call."""
        padding = 500
        before = calls.at(Point(call, "kill"), self.folder / "log", padding)
        if self.run(words, tuple(before), f"{call.thread}:{call.kind}:{padding}").code != -9:
            raise RuntimeError(f"it did not come to {call}")

    def copy(self, template: str, out: str) -> Path:
        """A run folder, if there is one, under a new name."""
        source, folder = self.folder / template, self.folder / out
        if folder.exists():
            shutil.rmtree(folder)
        if source.exists():
            shutil.copytree(source, folder)
        return folder


Prepare = Callable[[Stage, str], None]
Words = Callable[[Stage, str], list[str]]


@dataclass(frozen=True, slots=True)
class Scenario:
    """``prepare`` makes a run folder of this name, or none; ``words`` is what is disturbed."""

    name: str
    title: str
    prepare: Prepare
    words: Words = Stage.words
    #: what must put everything right afterwards: commands, one after the other
    mend: tuple[Words, ...] = (Stage.words,)
    format: str = "jsonl"


@dataclass(frozen=True, slots=True)
class Prepared:
    """A scenario on its stage, ready to be disturbed as often as one likes."""

    scenario: Scenario
    stage: Stage
    known: Known
    #: how the command ended that was only watched
    ended: Ended
    calls: tuple[Call, ...]
    padding: int


def prepare(scenario: Scenario, folder: Path, product: Product) -> Prepared:
    """Set the stage, run what comes before, and once, watched, what will be disturbed."""
    stage = Stage(folder, product, scenario.format)
    stage.set()
    scenario.prepare(stage, "template")
    stage.finish("undisturbed")
    out, log = stage.copy("template", PEACE), folder / "log"
    before = frozenset(oracle.lines(out))
    ended = stage.run(scenario.words(stage, PEACE), tuple(calls.watching(log)), "main:write:0")
    seen = calls.counted(log, out)
    known = Known(oracle.keyed(oracle.lines(folder / "undisturbed")), before)
    return Prepared(scenario, stage, known, ended, tuple(seen), calls.padding(seen))


# ── scenarios ────────────────────────────────────────────────────────────────────────────────


def _nothing(stage: Stage, out: str) -> None:
    """A first run begins without a folder."""


def _changed(stage: Stage, out: str) -> None:
    """Finished; then six documents changed, four gone: two parts have to be rewritten."""
    stage.finish(out)
    for number in (1, 2, 17, 18, 40, 59):
        stage.write(number, f"changed {number:02}, a line\n" * 12)
    for number in (5, 6, 41, 42):
        (stage.folder / "in" / f"{number:02}.txt").unlink()


def _prune(stage: Stage, out: str) -> list[str]:
    return [*stage.words(out), "--prune"]


def _torn(stage: Stage, out: str) -> None:
    """Killed with a part published and another begun, at whose end are lines never committed."""
    folder = stage.folder / out
    for number in range(8, 20):  # of two runs, one may commit more often
        stage.die(stage.words(out), Call("docherd-commit", "fdatasync", number, "any"))
        begun = sorted((folder / "pending").glob("part-*.jsonl"))
        if begun and any((folder / "data").iterdir()):
            with begun[-1].open("ab") as segment:
                segment.write(b'{"document": "half a li')
            return
        shutil.rmtree(folder)
    raise RuntimeError("no moment between two parts was found")


def _unpublished(stage: Stage, out: str) -> None:
    """Killed between the commit of a rewritten part and its publication."""
    _changed(stage, out)
    kind = "renameat" if stage.format == "files" else "rename"
    stage.die(_prune(stage, out), Call("docherd-commit", kind, 1, "a part"))


def _damaged(stage: Stage, out: str) -> None:
    """Finished; then one part lost its end, and another some bytes in its middle."""
    stage.finish(out)
    first, second, *_ = formats.files(stage.folder / out / "data")
    os.truncate(first, first.stat().st_size // 2)
    with second.open("r+b") as part:
        part.seek(300)
        part.write(b"?????")


def _repair(stage: Stage, out: str) -> list[str]:
    return ["repair", out, "-w", "2", "--progress", "json"]


_LINES = (
    Scenario("run", "a first run: commits, parts, the end", _nothing),
    Scenario("rewrite", "changed and pruned: parts are rewritten", _changed, _prune, (_prune,)),
    Scenario("resume", "resumed after a death within a commit", _torn),
    Scenario("again", "resumed after a death within a rewriting", _unpublished, _prune, (_prune,)),
    Scenario("repair", "`docherd repair` of two parts", _damaged, _repair, (_repair, Stage.words)),
)


def _of(scenario: Scenario, format: str) -> Scenario:
    name, title = f"{scenario.name}-{format}", f"{scenario.title} (`--format {format}`)"
    return replace(scenario, name=name, title=title, format=format)


SCENARIOS = (
    *_LINES,
    *(_of(scenario, format) for format in formats.FORMATS[1:] for scenario in _LINES),
)
