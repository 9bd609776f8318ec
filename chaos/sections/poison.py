"""Documents that take down everything: their worker, the machine's memory, the whole container.

In a memory cgroup of its own, so that the kernel's OOM killer is the real one, and started again
as an orchestrator would until it ends. Then the breaker: an installation in which everything
crashes stops at once, one in which much crashes goes on.
"""

from __future__ import annotations

from typing import Any

from benchmarks.figures import number, table

from chaos import container
from chaos.container import Policy
from chaos.poison_runs import Starts, Storm, restarted, storm
from chaos.session import Session
from chaos.tally import Tally

#: bytes of a container: room for the engine and its workers, and for little else
LIMIT = 200 << 20
#: starts after which a run that is told to be patient for ever has proven that it would be
FOR_EVER = 8


def measure(session: Session) -> dict[str, Any]:
    """Every policy of containers, the run that never ends, and the storms."""
    tally = Tally()
    data: dict[str, Any] = {"documents": session.count(400, 60)}
    if why := container.why_not():
        data["no_container"] = why
    else:
        data["cgroup"] = container.version()
        data["starts"] = [
            _row(session, policy, data["documents"], tally).as_json() for policy in Policy
        ]
        never = restarted(session, Policy.TOGETHER, 60, LIMIT, most=FOR_EVER, interruptions=0)
        data["never"] = never.as_json()
        if never.ended:
            tally.wrong("refused", "--max-interruptions 0 ended: this proves nothing")
    data["storms"] = [
        each.as_json()
        for each in (
            _storm(session, session.count(2_000, 200), 100, tally),
            _storm(session, session.count(1_000, 100), 40, tally),
        )
    ]
    return {"tally": tally.as_json(), **data}


def _row(session: Session, policy: Policy, documents: int, tally: Tally) -> Starts:
    session.say(f"  out of memory: {policy.value}")
    starts = restarted(session, policy, documents, LIMIT)
    tally.add(starts.tally)
    return starts


def _storm(session: Session, documents: int, percent: int, tally: Tally) -> Storm:
    session.say(f"  {percent} % of {documents:,} documents crash")
    found = storm(session, documents, percent)
    tally.add(found.tally)
    return found


def page(data: dict[str, Any]) -> list[str]:
    """What it took to end."""
    lines = _containers(data) if "starts" in data else [f"Without: {data['no_container']}.", ""]
    return [*lines, *_storms(data["storms"])]


def _containers(data: dict[str, Any]) -> list[str]:
    rows = [
        [each["policy"], str(each["deaths"]), str(each["oom_kills"]), each["outcome"]]
        for each in data["starts"]
    ]
    never = data["never"]
    return [
        f"{data['documents']:,} documents in a container of {LIMIT >> 20} MB (cgroup"
        f" v{data['cgroup']}), one of which takes 4 GB as fast as it can, under a `--memory` so"
        " high that docherd does not see it coming. The kernel's OOM killer takes a worker"
        " (docherd asks it to); what follows differs, and the same command starts again:",
        "",
        *table(("then it ends", "restarts", "kernel's kills", "the document"), rows),
        "All other documents are done, once. With `--max-interruptions 0` the run had died"
        f" {never['deaths']} times when we gave up.",
        "",
    ]


def _storms(storms: list[dict[str, Any]]) -> list[str]:
    whole, part = storms
    share = part["crashing"] * 100 // part["documents"]
    return [
        f"All of {whole['documents']:,} documents crash: exit code {whole['code']} after"
        f" {whole['begun']} of them, {whole['pending']:,} stay pending and none has failed"
        f" ({number(whole['seconds'])} s).",
        "",
        f"{part['crashing']:,} of {part['documents']:,} crash, {share} of each hundred, and that"
        " goes on: all harmless ones are done before the first crash is tried again,"
        f" {part['attempts'] / part['crashing']:g} attempts each ({number(part['seconds'])} s).",
        "",
    ]
