"""What is measured, a question each: ``measure`` runs it, ``page`` says what was found.

``measure`` gets the Session and returns plain values, which are kept; ``page`` gets them back, at
any later time, with a function that names a figure's file.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from benchmarks.figures import Figures
from benchmarks.sections import (
    admission,
    auto,
    eta,
    memory,
    noop,
    pdf,
    plan,
    resume,
    start,
    tail,
    ten_million,
    text,
    threads,
    watch,
)
from benchmarks.session import Session


@dataclass(frozen=True, slots=True)
class Section:
    """One question."""

    name: str
    title: str
    measure: Callable[[Session], dict[str, Any]]
    page: Callable[[dict[str, Any], Figures], list[str]]
    #: part of `make bench`
    default: bool = True


SECTIONS = (
    Section("noop", "The cost of the engine", noop.measure, noop.page),
    Section("text", "Large results", text.measure, text.page),
    Section("pdf", "Real documents", pdf.measure, pdf.page),
    Section("memory", "Memory of the parent", memory.measure, memory.page),
    Section("resume", "A finished run, run again", resume.measure, resume.page),
    Section("start", "Time to start", start.measure, start.page),
    Section("threads", "Threads", threads.measure, threads.page),
    Section("watch", "Watching, crashing, waiting for the disk", watch.measure, watch.page),
    Section("eta", "The predicted end", eta.measure, eta.page),
    Section("plan", "The planned end", plan.measure, plan.page),
    Section("admission", "Memory within a budget", admission.measure, admission.page),
    Section("tail", "The last documents", tail.measure, tail.page),
    Section("auto", "The number of workers", auto.measure, auto.page),
    Section("ten-million", "Ten million", ten_million.measure, ten_million.page, default=False),
)
