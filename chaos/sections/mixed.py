"""Tens of thousands of Documents, one of twenty faulty, while engine and workers are killed.

Faulty ones are `docherd.testing:by_name`: they crash, leave, hang, lie to the engine, eat memory,
return what is no Record. The engine is killed at random moments and the same command goes on; in
the end exactly the faulty have failed, each with its own reason, and all other Records are those
of a run over the harmless ones alone, byte for byte.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.figures import number, table

from chaos.command import none_left, unique
from chaos.mixed_killer import WorkerKiller
from chaos.mixed_tree import LIMITS, Tree, plan, plant
from chaos.mixed_verdict import Expected, judge
from chaos.oracle import lines
from chaos.session import Session
from chaos.tally import Tally

#: seconds that the last start, which nobody kills, may take
PATIENCE = 3600.0


@dataclass(frozen=True, slots=True)
class Load:
    """How much, and how often it is disturbed."""

    documents: int
    #: of the engine
    kills: int
    #: seconds that a start lives: at least, at most
    life: tuple[float, float] = (0.3, 24.0)
    workers: int = 8


def measure(session: Session) -> dict[str, Any]:
    """50,000 Documents, 20 kills of the engine and some hundred of workers."""
    return drive(session, Load(session.count(50_000, 2_000), session.count(20, 3)))


def drive(session: Session, load: Load) -> dict[str, Any]:
    """One run from its first start to its end, and what became of it."""
    chance = random.Random(session.seed)
    folder = session.fresh("mixed")
    words = plan(load.documents, chance)
    session.say(f"  {load.documents:,} documents, a run over the harmless ones alone")
    plant(folder, words, faulty=False)
    started = time.monotonic()
    innocent = innocent_lines(session, folder, load)
    undisturbed = time.monotonic() - started
    tree = plant(folder, words, faulty=True)
    disturbed = Disturbed(session, tree, load, chance)
    started = time.monotonic()
    code = disturbed.to_the_end()
    tally = disturbed.tally
    if code == 1:
        expected = Expected(innocent, tree.failed, load.documents)
        tally.add(judge(folder / "out", expected, disturbed.mark))
    else:
        tally.wrong("refused", f"the last start ended with {code}: {disturbed.said[-300:]}")
    return {
        "tally": tally.as_json(),
        "documents": load.documents,
        "faulty": dict(Counter(tree.failed.values())),
        "engine_kills": disturbed.engine_kills,
        "worker_kills": disturbed.worker_kills,
        "hits": disturbed.hits,
        "batched": disturbed.batched,
        "undisturbed_seconds": undisturbed,
        "seconds": time.monotonic() - started,
    }


def innocent_lines(session: Session, folder: Path, load: Load) -> frozenset[bytes]:
    """The lines of those that are done, from a run in which nobody does any harm."""
    process = session.product.start(command("undisturbed", load), folder)
    _, said = process.communicate(timeout=PATIENCE)
    if process.returncode:
        raise RuntimeError(f"the undisturbed run ended with {process.returncode}: {said}")
    return frozenset(lines(folder / "undisturbed"))


def command(out: str, load: Load) -> list[str]:
    """Of docherd, with limits under which each fault ends as its table says."""
    words = ["run", "in", "-o", out, "-p", "docherd.testing:by_name", "-q", *LIMITS]
    # Kills that have nothing to do with any Document would make suspects of dozens.
    return [*words, "-w", str(load.workers), "--max-interruptions", "0"]


class Disturbed:
    """One run, started again and again."""

    def __init__(self, session: Session, tree: Tree, load: Load, chance: random.Random) -> None:
        self.mark = unique()
        self.tally = Tally(injected=len(tree.failed))
        self.engine_kills = self.worker_kills = self.hits = self.batched = 0
        #: stderr of the last start
        self.said = ""
        self._session = session
        self._folder = tree.folder
        self._load = load
        self._chance = chance
        self._spared: set[int] = set()
        self._temporary = tree.folder / "tmp"
        self._temporary.mkdir()
        self._shared = shared_memory()

    def to_the_end(self) -> int:
        """Kill the engine as often as wanted, then let it finish; its exit code."""
        for _ in range(self._load.kills):
            code = self._start(self._chance.uniform(*self._load.life))
            if code != -signal.SIGKILL:
                return self._over(code)  # it was faster
            self.engine_kills += 1
            self.tally.injected += 1
            for process in none_left(self.mark):
                self.tally.wrong("left", f"{process} outlived its engine")
            self._session.say(
                f"  {self.engine_kills} kills of the engine, {self.worker_kills}"
                f" of workers, {_finished(self._folder / 'out'):,} ended"
            )
        return self._over(self._start(PATIENCE))

    def _start(self, seconds: float) -> int:
        """One start that lives so long at most; its exit code."""
        process = self._session.product.start(
            command("out", self._load),
            self._folder,
            before=("env", f"TMPDIR={self._temporary}"),
            mark=self.mark,
        )
        killer = WorkerKiller(
            process.pid, self._folder / "out", random.Random(self._chance.random()), self._spared
        )
        killer.start()
        try:
            _, self.said = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
        finally:
            killer.stop()
        self.worker_kills += killer.kills
        self.tally.injected += killer.kills
        self.hits += killer.hits
        self.batched += killer.batched
        return process.returncode

    def _over(self, code: int) -> int:
        """After the last start: what it left where temporary things are."""
        left = os.listdir(self._temporary) + sorted(shared_memory() - self._shared)
        for name in left:
            self.tally.wrong("left", f"temporary: {name}")
        return code


def shared_memory() -> set[str]:
    """Names in /dev/shm."""
    folder = Path("/dev/shm")
    return set(os.listdir(folder)) if folder.is_dir() else set()


def _finished(out: Path) -> int:
    """Roughly: lines that are published or in pending/."""
    files = [file for name in ("data", "pending") for file in (out / name).glob("part-*")]
    return sum(file.read_bytes().count(b"\n") for file in files)


def page(data: dict[str, Any]) -> list[str]:
    """What there was, and how long it took."""
    faulty = data["faulty"]
    rows = [[f"`{reason}`", f"{count:,}"] for reason, count in sorted(faulty.items())]
    return [
        f"{data['documents']:,} small files, 8 workers. {sum(faulty.values()):,} of them misbehave"
        " in every way that `docherd.testing` knows, alone inside a batch of harmless ones or ten"
        f" side by side. Meanwhile the engine was killed {data['engine_kills']} times (SIGKILL, at"
        " random moments) and the same command went on each time, and"
        f" {data['worker_kills']:,} times a worker was killed from outside,"
        f" {data['hits']:,} of them with a document in hand, {data['batched']:,} with several.",
        "",
        *table(("must fail with", "documents"), rows),
        "Exactly these may fail, so named; every other Record is compared, byte by byte, with a"
        f" run over the harmless documents alone ({number(data['undisturbed_seconds'])} s; this"
        f" one {number(data['seconds'])} s). Nothing may be left in the temporary folder, in"
        " `/dev/shm`, in `pending/` or among the processes.",
        "",
    ]
