"""Every point at which the engine can die, or its disk say no: enumerated, not drawn.

A run is watched for the system calls with which its engine changes the disk. Then, for each of
them, the same run is killed there, or gets an error there; and is run again.
"""

from __future__ import annotations

import os
import random
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from queue import SimpleQueue
from typing import Any

from benchmarks.figures import table

from chaos import calls, oracle, results
from chaos.calls import Point
from chaos.command import HUNG, Ended, unique
from chaos.scenario import CONSTANTS, DOCUMENTS, PEACE, SCENARIOS, Prepared, Scenario, prepare
from chaos.session import Session
from chaos.tally import Tally

#: points between two lines of progress
PROGRESS = 100
#: the sync of a segment, in a trace
_SEGMENT = re.compile(r"fdatasync\(.*/pending/(part-\d+\.jsonl)>")
FAULTS = ("kill", *calls.ERRORS)


@dataclass(slots=True)
class Swept:
    """What became of the points of one scenario."""

    scenario: str
    title: str
    tally: Tally
    #: "kill write" → points that were met
    met: Counter[str] = field(default_factory=Counter)
    #: "EIO 3": how often an error ended the command with 3
    ends: Counter[str] = field(default_factory=Counter)
    #: points that a run did not come to: no two runs are quite the same
    missed: int = 0

    def as_json(self) -> dict[str, Any]:
        return {
            "scenario": self.scenario,
            "title": self.title,
            "met": dict(self.met),
            "ends": dict(self.ends),
            "missed": self.missed,
            "tally": self.tally.as_json(),
        }


def measure(session: Session) -> dict[str, Any]:
    """All scenarios, or those that were asked for beside what is known of the others."""
    if why := calls.missing():
        return {"missing": why}
    swept = {each["scenario"]: each for each in _known(session)}
    for scenario in SCENARIOS:
        if scenario.name in session.scenarios or not session.scenarios:
            found = sweep(session, ready(session, scenario), every=session.every)
            swept[scenario.name] = found.as_json()
    total = Tally()
    for each in swept.values():
        total.add(Tally.from_json(each["tally"]))
    return {"tally": total.as_json(), "documents": DOCUMENTS, "swept": list(swept.values())}


def _known(session: Session) -> list[dict[str, Any]]:
    """What was found before, where only some scenarios are asked for."""
    before = results.read("points", session.scale) if session.scenarios else None
    return before.data["swept"] if before else []


def ready(session: Session, scenario: Scenario) -> Prepared:
    """A scenario, in a folder of its own."""
    product = replace(session.product, constants={**CONSTANTS, **session.product.constants})
    return prepare(scenario, session.fresh(f"points-{scenario.name}"), product)


def sweep(
    session: Session,
    prepared: Prepared,
    *,
    every: int = 1,
    faults: Sequence[str] = FAULTS,
    kinds: Sequence[str] = (*calls.DURABLE, calls.OPEN),
    until_bad: bool = False,
) -> Swept:
    """A scenario, disturbed at each ``every``-th point, on as many cores as there are.

    ``until_bad``: in any order, and no further than the first point that went wrong.
    """
    scenario = prepared.scenario
    points = [
        each
        for each in calls.points(prepared.calls, every)
        if each.fault in faults and each.call.kind in kinds
    ]
    if until_bad:
        random.Random(session.seed).shuffle(points)
    session.say(f"  {scenario.name}: {len(points):,} points, {scenario.title}")
    swept = Swept(scenario.name, scenario.title, _peace(prepared))
    if until_bad and swept.tally.bad:
        return swept
    for number, (point, tally, ended) in enumerate(_disturbed(prepared, points), 1):
        _note(swept, point, tally, ended)
        if until_bad and tally.bad:
            break
        if number % PROGRESS == 0:
            session.say(f"    {number:,} of {len(points):,}, {swept.tally.bad} bad")
    return swept


def _peace(prepared: Prepared) -> Tally:
    """Without any fault the scenario ends as a run that was left in peace."""
    out = prepared.stage.folder / PEACE
    tally = oracle.look_when_finished(out, prepared.ended, prepared.known, unique())
    tally.problems = [f"{problem} [without any fault]" for problem in tally.problems]
    return tally


def _note(swept: Swept, point: Point, tally: Tally, ended: Ended | None) -> None:
    swept.tally.add(tally)
    if ended is None:
        swept.missed += 1
        return
    swept.met[f"{point.fault} {point.call.kind}"] += 1
    if point.fault != "kill":
        swept.ends[f"{point.fault} {ended.code}"] += 1


def _disturbed(
    prepared: Prepared, points: Sequence[Point]
) -> Iterator[tuple[Point, Tally, Ended | None]]:
    """Each point with what was found; two at a time would share a folder, so each takes one."""
    cores = len(os.sched_getaffinity(0))
    free: SimpleQueue[str] = SimpleQueue()
    for number in range(cores):
        free.put(f"out-{number}")

    def one(point: Point) -> tuple[Point, Tally, Ended | None]:
        name = free.get()
        try:
            return (point, *disturb(prepared, point, name))
        finally:
            free.put(name)

    pool = ThreadPoolExecutor(cores)
    try:
        yield from pool.map(one, points)
    finally:
        pool.shutdown(cancel_futures=True)


def disturb(prepared: Prepared, point: Point, name: str) -> tuple[Tally, Ended | None]:
    """One fault and the start after it; None where the run did not come to it."""
    out, stage, mark = prepared.stage.copy("template", name), prepared.stage, unique()
    log = stage.folder / f"{name}.log"
    log.unlink(missing_ok=True)
    ended = stage.product.run(
        prepared.scenario.words(stage, name),
        stage.folder,
        before=calls.at(point, log, prepared.padding),
        pad=f"{point.call.thread}:{point.call.kind}:{prepared.padding}",
        mark=mark,
    )
    injected = calls.met(log)
    met = ended.code == -9 if point.fault == "kill" else _in_folder(injected, name)
    tally = Tally(injected=int(met), documents=DOCUMENTS)
    if met or ended.code:
        _look_at_end(point, ended, tally)
    if point.fault != "kill" and (segment := _SEGMENT.search(injected)):
        tally.add(oracle.look_after_failed_sync(out, segment[1]))
    said = oracle.acknowledged(ended.out)
    tally.add(oracle.look_after_fault(out, prepared.known, said))
    for mend in prepared.scenario.mend:
        again = stage.product.run(mend(stage, name), stage.folder, mark=mark)
    tally.add(oracle.look_when_finished(out, again, prepared.known, mark))
    where = f"{prepared.scenario.name}, {point.name}"
    tally.problems = [f"{problem} [{where}]" for problem in tally.problems]
    return tally, ended if met else None


def _in_folder(line: str, name: str) -> bool:
    """True for a call that was disturbed on a file of the run, not at a pipe."""
    return f"/{name}" in line or f'"{name}' in line


def _look_at_end(point: Point, ended: Ended, tally: Tally) -> None:
    """An error stops the command with 3 and one clear line, or does not matter."""
    if ended.code == HUNG:
        tally.wrong("refused", ended.err)
    if point.fault == "kill":
        return
    if ended.code not in (0, 3):
        tally.wrong("refused", f"it ended with {ended.code}: {ended.err.strip()[-300:]}")
    elif ended.code and (ended.err.count("\n") != 1 or not ended.err.startswith("docherd: ")):
        tally.wrong("refused", f"not one clear line: {ended.err.strip()[-300:]}")


def page(data: dict[str, Any]) -> list[str]:
    """A line a scenario, and which calls they were."""
    kinds = sorted({kind.partition(" ")[2] for each in data["swept"] for kind in each["met"]})
    rows = [
        [
            each["title"],
            *(f"{_sum(each['met'], fault + ' '):,}" for fault in FAULTS),
            f"{each['tally']['acknowledged']:,}",
            f"{Tally.from_json(each['tally']).bad:,}",
        ]
        for each in data["swept"]
    ]
    by_kind = [
        [f"`{kind}`", *(_of(data["swept"], f"{fault} {kind}") for fault in FAULTS)]
        for kind in kinds
    ]
    ended = Counter[str]()
    for each in data["swept"]:
        ended.update(each["ends"])
    missed = sum(each["missed"] for each in data["swept"])
    return [
        f"`docherd run` over {data['documents']} documents, two workers; a commit comes every"
        " eight documents and a part every few commits. strace counts the system calls with which"
        " the engine changes files of the run folder. Then the same run is killed with SIGKILL at"
        " the first of them, at the second, and so on to the last; and at each write and each sync"
        " it gets an I/O error, and a full disk. Then the same command runs again.",
        "",
        *table(("", "kills", *calls.ERRORS, "acknowledged", "bad"), rows),
        *table(("system call", "kills", *calls.ERRORS), by_kind),
        f"After an error the command ended with {_ends(ended)}: 3 and one line on stderr, or 0"
        f" where the call did not matter. {missed:,} further points were not met, as no two runs"
        " make quite the same calls.",
        "",
    ]


def _sum(met: dict[str, int], prefix: str) -> int:
    return sum(number for name, number in met.items() if name.startswith(prefix))


def _of(swept: Sequence[dict[str, Any]], name: str) -> str:
    number = sum(each["met"].get(name, 0) for each in swept)
    return f"{number:,}" if number else ""


def _ends(ended: Counter[str]) -> str:
    codes = Counter[str]()
    for name, number in ended.items():
        codes[name.rpartition(" ")[2]] += number
    return ", ".join(f"{code} {number:,} times" for code, number in codes.most_common())
