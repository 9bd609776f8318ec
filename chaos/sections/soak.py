"""For an hour: one run after another, each of them killed, stopped, asked to stop, and ended.

Each run is over the same Documents, one of twenty faulty. Workers are killed throughout; the
engine is killed, is stopped for longer than any Document may take, and gets SIGTERM and SIGINT
under load. After each the same command goes on, and after the last nothing may be lost, doubled,
wrongly blamed or left behind. What an engine holds (memory, open files) must not grow from run to
run. Only with SOAK=1; SOAK_MINUTES says how long.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.figures import megabytes, table

from chaos.command import none_left, unique
from chaos.mixed_killer import WorkerKiller
from chaos.mixed_tree import Tree, plan, plant
from chaos.mixed_verdict import Expected, judge
from chaos.sections.mixed import PATIENCE, Load, command, innocent_lines, shared_memory
from chaos.session import Session
from chaos.tally import Tally
from docherd.host import status_fields

DOCUMENTS, MINUTES = 5_000, 60.0
#: what is done to the engine, each once a run and kills twice, in an order by chance
EVENTS = ("SIGKILL", "SIGKILL", "SIGTERM", "SIGINT", "SIGSTOP")
#: seconds from a start to what is done to it
MOMENT = (0.3, 4.0)
#: seconds that an engine stands still: longer than the 5 s from which on docherd knows it did
STILL = (5.5, 8.0)
#: an engine that holds so many times what those of the first run held leaks
GROWTH = 1.5
#: seconds between looks at the engine
LOOK = 0.25


@dataclass(slots=True)
class Ran:
    """One run, over all its starts."""

    minute: float
    events: dict[str, int] = field(default_factory=dict)
    worker_kills: int = 0
    #: most that any of its engines held
    memory: int = 0
    files: int = 0


def measure(session: Session) -> dict[str, Any]:
    """Runs until the time is over."""
    if not session.soak:
        return {"missing": "only with SOAK=1"}
    seconds = 60 * float(os.environ.get("SOAK_MINUTES", MINUTES))
    return soak(session, seconds, max(200, int(DOCUMENTS * session.scale)))


def soak(session: Session, seconds: float, documents: int) -> dict[str, Any]:
    """One run after another, for so long."""
    chance = random.Random(session.seed)
    folder = session.fresh("soak")
    (folder / "tmp").mkdir()
    words, load = plan(documents, chance), Load(documents, 0)
    plant(folder, words, faulty=False)
    innocent = innocent_lines(session, folder, load)
    tree = plant(folder, words, faulty=True)
    expected = Expected(innocent, tree.failed, documents)
    shared, tally, runs = shared_memory(), Tally(), list[Ran]()
    begin = time.monotonic()
    while time.monotonic() - begin < seconds:
        run = Run(session, tree, load, chance, Ran((time.monotonic() - begin) / 60))
        tally.add(run.to_the_end(expected))
        runs.append(run.ran)
        session.say(f"  {run.ran}, {tally.bad} bad")
    for name in sorted(shared_memory() - shared) + os.listdir(folder / "tmp"):
        tally.wrong("left", f"temporary: {name}")
    _growth(runs, tally)
    rows = [asdict(ran) for ran in runs]
    return {"tally": tally.as_json(), "documents": documents, "runs": rows}


def _growth(runs: list[Ran], tally: Tally) -> None:
    first, last = runs[0], runs[-1]
    for name in ("memory", "files"):
        if getattr(last, name) > GROWTH * getattr(first, name):
            tally.wrong("left", f"{name} of an engine grew: {runs}")


class Run:
    """One run, from its first start to its end."""

    def __init__(
        self, session: Session, tree: Tree, load: Load, chance: random.Random, ran: Ran
    ) -> None:
        self.ran = ran
        self._session = session
        self._folder = tree.folder
        self._load = load
        self._chance = chance
        self._mark = unique()
        self._tally = Tally(injected=len(tree.failed))
        self._spared: set[int] = set()
        #: stderr of the last start
        self._said = ""

    def to_the_end(self, expected: Expected) -> Tally:
        """Everything once, then in peace, then the verdict."""
        out = self._session.fresh(f"{self._folder.name}/out")
        out.rmdir()
        code = 0
        for event in self._chance.sample(EVENTS, len(EVENTS)):
            code = self._start(partial(self._meet, event))
            wanted = {"SIGSTOP": (0, 1)}.get(event, (-getattr(signal, event), 0, 1))
            if code not in wanted:
                self._tally.wrong("refused", f"{event}: ended with {code}: {self._said[-300:]}")
            for process in none_left(self._mark):
                self._tally.wrong("left", f"{process} outlived its engine")
        if code != 1:
            code = self._start(lambda process: None)
        if code == 1:
            self._tally.add(judge(out, expected, self._mark))
        else:
            self._tally.wrong("refused", f"the last start ended with {code}: {self._said[-300:]}")
        return self._tally

    def _start(self, meet: Callable[[subprocess.Popen[str]], None]) -> int:
        """One start, to which ``meet`` does something; its exit code."""
        process = self._session.product.start(
            command("out", self._load),
            self._folder,
            before=("env", f"TMPDIR={self._folder / 'tmp'}"),
            mark=self._mark,
        )
        chance = random.Random(self._chance.random())
        killer = WorkerKiller(process.pid, self._folder / "out", chance, self._spared)
        killer.start()
        try:
            meet(process)
            self._wait(process, PATIENCE)
            _, self._said = process.communicate()
        finally:
            killer.stop()
        self.ran.worker_kills += killer.kills
        self._tally.injected += killer.kills
        return process.returncode

    def _meet(self, event: str, process: subprocess.Popen[str]) -> None:
        """Wait for a moment of chance, and do this to the engine, unless it has ended by then."""
        if self._wait(process, self._chance.uniform(*MOMENT)):
            return
        process.send_signal(getattr(signal, event))
        self.ran.events[event] = self.ran.events.get(event, 0) + 1
        self._tally.injected += 1
        if event == "SIGSTOP":
            self._wait(process, self._chance.uniform(*STILL))
            process.send_signal(signal.SIGCONT)

    def _wait(self, process: subprocess.Popen[str], seconds: float) -> bool:
        """Look at the engine for so long; True once it has ended."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            try:
                process.wait(min(LOOK, left))
                return True
            except subprocess.TimeoutExpired:
                self._look_at(process.pid)
        return False

    def _look_at(self, pid: int) -> None:
        memory = status_fields(f"/proc/{pid}/status").get("RssAnon", 0)
        try:
            files = len(os.listdir(Path(f"/proc/{pid}/fd")))
        except OSError:
            return  # it has just ended
        self.ran.memory = max(self.ran.memory, memory)
        self.ran.files = max(self.ran.files, files)


def page(data: dict[str, Any]) -> list[str]:
    """How often, and what engines held over time."""
    runs = data["runs"]
    events: Counter[str] = Counter()
    for run in runs:
        events.update(run["events"])
    shown = sorted({0, len(runs) // 4, len(runs) // 2, len(runs) * 3 // 4, len(runs) - 1})
    rows = [
        [f"{runs[at]['minute']:.0f}", megabytes(runs[at]["memory"]), str(runs[at]["files"])]
        for at in shown
    ]
    done = ", ".join(f"{name} {count:,} times" for name, count in sorted(events.items()))
    return [
        f"{len(runs):,} runs of {data['documents']:,} documents, one of twenty faulty, the"
        f" last begun after {runs[-1]['minute']:.0f} minutes. The engine got {done}"
        " (SIGSTOP for 5.5 to 8 s, then SIGCONT);"
        f" {sum(run['worker_kills'] for run in runs):,} times a worker was killed.",
        "",
        *table(("minute", "most memory of an engine", "most open files"), rows),
    ]
