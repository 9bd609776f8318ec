"""Faulty documents among innocent ones, and what the innocent ones give without them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import oracle
from docherd.testing import FAULTS

INNOCENTS = 60


@dataclass(frozen=True)
class Faulty:
    """A run over one document of each fault among the innocents, after its end."""

    out: Path
    ended: oracle.Ended
    faults: tuple[str, ...]
    rows: Mapping[str, dict[str, Any]]

    def row(self, fault: str) -> dict[str, Any]:
        """All that the run says of a fault's document."""
        return self.rows[f"in/{fault}-1.txt"]

    def verdict(self, fault: str) -> tuple[str, str]:
        """(reason, message)"""
        return self.row(fault)["reason"], self.row(fault)["message"]

    def expected(self) -> dict[str, str]:
        """path → reason, as the table in docherd.testing promises."""
        reasons = {fault: FAULTS[fault].reason for fault in self.faults}
        return {f"in/{fault}-1.txt": str(why) for fault, why in reasons.items() if why}

    def innocent_lines(self) -> list[bytes]:
        """The lines of the innocent documents, in order."""
        lines = oracle.sorted_lines(self.out)
        return [line for line in lines if json.loads(line)["path"].startswith("in/fine-")]


@pytest.fixture(scope="session")
def run_faulty() -> Callable[..., Faulty]:
    """Plants faults among the innocents in ``folder``/in and runs the real command over them."""

    def run(folder: Path, faults: Iterable[str], *options: str, **amounts: int) -> Faulty:
        faults = tuple(faults)
        plant(folder / "in", faults, amounts)
        out = folder / "out"
        arguments = ("-o", out, "-p", "docherd.testing:by_name", *options)
        ended = oracle.docherd("run", folder / "in", *arguments)
        return Faulty(out, ended, faults, oracle.failure_rows(out))

    return run


def plant(folder: Path, faults: Iterable[str], amounts: Mapping[str, int]) -> None:
    folder.mkdir()
    for number in range(INNOCENTS):
        (folder / f"fine-{number:02}.txt").write_text(f"document {number}\n")
    for fault in faults:
        (folder / f"{fault}-1.txt").write_text(f"{amounts.get(fault, '')}\n")


@pytest.fixture(scope="session")
def innocent_lines(run_faulty, tmp_path_factory) -> list[bytes]:
    """What the innocents give in a run without any fault (G8)."""
    clean = run_faulty(tmp_path_factory.mktemp("clean"), ())
    assert clean.ended.code == 0
    oracle.check(clean.out, failed={}, total=INNOCENTS)
    return clean.innocent_lines()
