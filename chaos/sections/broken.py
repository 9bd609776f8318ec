"""Do the other sections find anything? Each breakage of docherd must be noticed by one of them."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from benchmarks.figures import table

from chaos import calls, disk
from chaos.broken import BREAKAGES, Breakage, copy
from chaos.command import unique
from chaos.scenario import SCENARIOS, Scenario
from chaos.sections import cuts, points
from chaos.session import Session
from chaos.tally import Tally

#: power cuts after which a breakage has gone unnoticed
PATIENCE = 12
#: deaths of the engine that a document may be in hand at, and those after which it is endless
DEATHS, ENDLESS = 4, 6

POISON = """
import os, signal, time

def read(path):
    if path.stem == "3":
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(600)
    return path.read_text()
"""


def measure(session: Session) -> dict[str, Any]:
    """Every breakage, until somebody notices."""
    if why := calls.missing() or disk.missing():
        return {"missing": why}
    total, rows = Tally(), []
    for breakage in BREAKAGES:
        suite, found = hunt(session, breakage)
        total.injected += 1
        rows.append({"title": breakage.title, "suite": suite, "found": found})
        session.say(f"  {breakage.name}: {suite or 'NOT NOTICED'}, {found}")
        if not suite:
            total.wrong("refused", f"{breakage.name} went unnoticed")
    return {"tally": total.as_json(), "rows": rows}


def hunt(session: Session, breakage: Breakage) -> tuple[str, str]:
    """Which suite noticed it, and what it said; both empty where none did."""
    folder = session.fresh(f"broken-{breakage.name}")
    (folder / "product").mkdir()
    product = copy(breakage, folder / "product")
    own = replace(session, work=folder, product=product)
    for name in breakage.suites:
        tally = SUITES[name](own)
        if tally.bad:
            return name, tally.problems[0]
    return "", ""


def _scenario(name: str) -> Scenario:
    return next(each for each in SCENARIOS if each.name == name)


def _kills(session: Session, name: str) -> Tally:
    # Every third call: what lies between two commits is more than three calls.
    prepared = points.ready(session, _scenario(name))
    return points.sweep(session, prepared, every=3, faults=("kill",), until_bad=True).tally


def _failed_syncs(session: Session) -> Tally:
    prepared, kinds = points.ready(session, _scenario("run")), ("fdatasync",)
    return points.sweep(session, prepared, faults=("EIO",), kinds=kinds, until_bad=True).tally


def _cuts(session: Session) -> Tally:
    chance = random.Random(session.seed)
    folder = session.fresh("cuts")
    trees = {"medium": cuts.tree(folder / "medium", cuts.SIZES["medium"])}
    for each in cuts.cuts(session, trees, chance, PATIENCE, cuts.DISKS["20 ms a sync"]):
        if each.bad:
            return each
    return Tally()


def _deadly(session: Session) -> Tally:
    """A document kills the engine at every start: it has failed before the sixth."""
    tally, folder, mark = Tally(), session.fresh("deadly"), unique()
    (folder / "in").mkdir()
    for number in range(8):
        (folder / "in" / f"{number}.txt").write_text(f"document {number}\n")
    (folder / "read.py").write_text(POISON)
    words = ["run", "in", "-o", "out", "-p", "read.py:read", "-w", "2", "-q"]
    deaths = 0
    while (ended := session.product.run(words, folder, mark=mark)).code < 0 and deaths < ENDLESS:
        deaths += 1
    if ended.code < 0:
        tally.wrong("refused", f"a document has killed {deaths} starts and is tried again")
    elif (deaths, ended.code) != (DEATHS, 1):
        tally.wrong("blamed", f"{deaths} deaths, then {ended.code}: {ended.err}")
    return tally


SUITES: dict[str, Callable[[Session], Tally]] = {
    "kills of a run": lambda session: _kills(session, "run"),
    "kills of a resume": lambda session: _kills(session, "resume"),
    "failed syncs of a run": _failed_syncs,
    "cuts": _cuts,
    "a deadly document": _deadly,
}


def page(data: dict[str, Any]) -> list[str]:
    """A line a breakage."""
    rows = [[row["title"], row["suite"] or "**nobody**", row["found"]] for row in data["rows"]]
    return [
        "A test that cannot fail shows nothing. So one place in a copy of docherd is broken, and"
        " the sections above are run against the copy until one of them notices.",
        "",
        *table(("broken", "noticed by", "its first words"), rows),
    ]
