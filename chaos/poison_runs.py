"""Runs over Documents that kill, started again until they end, and what each start did.

The processor does what the last word of a name says, one of `docherd.testing`, and keeps a
journal: a file that is appended to when a Document is begun, which outlives whatever that does.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chaos.command import unique
from chaos.container import Container, Policy
from chaos.mixed_verdict import Expected, judge
from chaos.oracle import lines
from chaos.session import Session
from chaos.tally import Tally
from docherd.testing import FAULTS

#: numbers come first in a name, so that they alone order the walk
PROCESSOR = """
import os, time
from docherd import Document
from docherd.testing import FAULTS, harmless

JOURNAL = {journal!r}

def noted(document: Document):
    journal = os.open(JOURNAL, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.write(journal, document.path.name.encode() + b"\\n")
    os.close(journal)
    word = document.path.stem.rpartition("-")[2]
    if word in FAULTS:
        return FAULTS[word].do(document)
    time.sleep({pause})
    return harmless(document)
"""
#: seconds a harmless one takes beside a poisonous one: the others are not over when it strikes
PAUSE = 0.005
#: restarts that one such Document may cost at most
MOST = 4
#: more than any machine has: docherd's own watch over memory then never acts
ALL = "1000GB"


@dataclass(frozen=True, slots=True)
class Starts:
    """A run that was started until it ended."""

    policy: Policy
    #: starts that ended otherwise than by themselves
    deaths: int
    #: the last start ended by itself
    ended: bool
    #: processes that the kernel killed for their memory
    oom_kills: int
    #: how the poisonous Document ended
    outcome: str
    tally: Tally

    def as_json(self) -> dict[str, Any]:
        """For the page."""
        return {
            "policy": self.policy.value,
            "deaths": self.deaths,
            "ended": self.ended,
            "oom_kills": self.oom_kills,
            "outcome": self.outcome,
        }


def restarted(
    session: Session,
    policy: Policy,
    documents: int,
    limit: int,
    *,
    most: int = MOST,
    interruptions: int = 3,
) -> Starts:
    """Run a poisonous Document among others in a container, again until it ends."""
    folder = session.fresh("poison")
    innocent = _undisturbed(session, folder, documents)
    poison = f"{documents // 2:06d}-memory.txt"
    (folder / "in" / poison).write_text("4096\n")
    tally = Tally(injected=1)
    mark = unique()
    words = _words("out", "--memory", ALL, "--max-interruptions", str(interruptions))
    deaths, ended, begun = 0, False, list[str]()
    with Container.made(limit) as container:
        while not ended and deaths <= most:
            end = container.run(session.product, words, folder, policy, mark)
            ended = end.code in (0, 1)
            deaths += not ended
            begun.append((folder / "journal").read_text() if not ended else "")
            (folder / "journal").unlink(missing_ok=True)
        kills = container.kills()
    if ended:
        reason = "crash" if policy is Policy.TOGETHER else "memory"
        expected = Expected(innocent, {f"in/{poison}": reason}, documents + 1)
        tally.add(judge(folder / "out", expected, mark))
        _last_and_alone(poison, begun, deaths, tally)
    elif interruptions:
        tally.wrong("refused", f"{policy.value}: not at its end after {deaths} deaths")
    outcome = _outcome(folder / "out") if ended else "pending"
    return Starts(policy, deaths, ended, kills, outcome, tally)


def _last_and_alone(poison: str, begun: list[str], deaths: int, tally: Tally) -> None:
    """At the last death, whatever else was still to be done had been begun before."""
    if deaths == MOST and not begun[deaths - 1].endswith(f"{poison}\n"):
        tally.wrong("refused", "the poisonous document did not run last at its last chance")


def _outcome(out: Path) -> str:
    row = _failures(out)[0]
    return f"`{row['reason']}`: {row['message']}"


def _failures(out: Path) -> list[dict[str, Any]]:
    rows = (out / "failures.jsonl").read_text().splitlines()
    return [json.loads(row) for row in rows]


def _undisturbed(session: Session, folder: Path, documents: int) -> frozenset[bytes]:
    """The lines of the harmless ones, run alone."""
    _sow(folder, documents, 0, PAUSE)
    ended = session.product.run(_words("undisturbed"), folder)
    if ended.code:
        raise RuntimeError(f"the undisturbed run ended with {ended.code}: {ended.err}")
    (folder / "journal").unlink()
    return frozenset(lines(folder / "undisturbed"))


def _words(out: str, *options: str) -> list[str]:
    return [
        "run",
        "in",
        "-o",
        out,
        "-p",
        "noted.py:noted",
        "-w",
        "2",
        "--progress",
        "none",
        *options,
    ]


# ── crash storms ─────────────────────────────────────────────────────────────────────────────

#: Documents of a batch that another worker has still in hand when the first retry begins
IN_HAND = 100


@dataclass(frozen=True, slots=True)
class Storm:
    """A run in which many Documents kill their worker."""

    documents: int
    crashing: int
    code: int
    #: Documents begun at least once, and begun at all
    begun: int
    attempts: int
    pending: int
    seconds: float
    tally: Tally

    def as_json(self) -> dict[str, Any]:
        """For the page."""
        names = ("documents", "crashing", "code", "begun", "attempts", "pending", "seconds")
        return {name: getattr(self, name) for name in names}


def storm(session: Session, documents: int, percent: int) -> Storm:
    """Of each hundred Documents so many crash, spread evenly."""
    folder = session.fresh("storm")
    crashing = _sow(folder, documents, percent)
    started = time.monotonic()
    mark = unique()
    process = session.product.start(_words("out"), folder, mark=mark)
    said, _ = process.communicate(timeout=3600)
    seconds = time.monotonic() - started
    begun = (folder / "journal").read_text().split()
    counts = json.loads((folder / "out" / "status.json").read_text())["counts"]
    tally = Tally(injected=crashing, documents=documents)
    if percent == 100:
        _stopped(process.returncode, counts, documents, said, tally)
    else:
        _went_on(folder, process.returncode, crashing, begun, tally)
    attempts = sum(name.endswith("-segv.txt") for name in begun)
    return Storm(
        documents=documents,
        crashing=crashing,
        code=process.returncode,
        begun=len(set(begun)),
        attempts=attempts,
        pending=counts["pending"],
        seconds=seconds,
        tally=tally,
    )


def _sow(folder: Path, documents: int, percent: int, pause: float = 0) -> int:
    """Files, and the processor for them; how many will crash, evenly spread."""
    processor = PROCESSOR.format(journal=str(folder / "journal"), pause=pause)
    (folder / "noted.py").write_text(processor)
    (folder / "in").mkdir()
    crashing = 0
    for each in range(documents):
        crashes = each * percent // 100 != (each + 1) * percent // 100
        name = f"{each:06d}-segv.txt" if crashes else f"{each:06d}.txt"
        (folder / "in" / name).write_text(f"{each}\n")
        crashing += crashes
    return crashing


def _stopped(code: int, counts: dict[str, int], documents: int, said: str, tally: Tally) -> None:
    """Exit 7, nobody blamed, what was not begun is pending."""
    if code != 7 or "killed their worker" not in said:
        tally.wrong("refused", f"all crash, and it ended with {code}: {said[-200:]}")
    if counts["failed"]:
        tally.wrong("blamed", f"all crash, and {counts['failed']} have failed", counts["failed"])
    if counts["pending"] != documents:
        tally.wrong("lost", f"all crash, and not all are pending: {counts}")


def _went_on(folder: Path, code: int, crashing: int, begun: list[str], tally: Tally) -> None:
    """Each crashing one failed after two attempts, and those of all came last."""
    if code != 1:
        tally.wrong("refused", f"some crash, and it ended with {code}")
    rows = _failures(folder / "out")
    reason = str(FAULTS["segv"].reason)
    wrong = sum(row["reason"] != reason or "segv" not in row["path"] for row in rows)
    if wrong or len(rows) != crashing:
        tally.wrong("blamed", f"{len(rows)} failed, {wrong} of them wrongly; {crashing} crash")
    if (early := _early(begun)) > IN_HAND:
        tally.wrong("refused", f"{early} documents waited while others were tried again")


def _early(begun: list[str]) -> int:
    """Documents that were begun for the first time after another had been tried again."""
    seen: set[str] = set()
    early, again = 0, False
    for name in begun:
        again = again or (name in seen and name.endswith("-segv.txt"))
        early += again and name not in seen
        seen.add(name)
    return early
