"""What is injected, a kind of fault each: ``measure`` runs it, ``page`` says what was found.

``measure`` gets the Session and returns plain values, which are kept: ``{"tally": Tally.as_json(),
...}`` and whatever ``page`` needs, or ``{"missing": "why it cannot be run here"}``. ``page`` gets
them back, at any later time, and returns lines of Markdown.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from chaos.sections import broken, cuts, mixed, points, poison, soak
from chaos.session import Session


@dataclass(frozen=True, slots=True)
class Section:
    """One kind of fault."""

    name: str
    title: str
    measure: Callable[[Session], dict[str, Any]]
    page: Callable[[dict[str, Any]], list[str]]
    #: part of `make chaos`
    default: bool = True


SECTIONS = (
    Section("points", "Every point at which the engine can die", points.measure, points.page),
    Section("cuts", "Power cuts", cuts.measure, cuts.page),
    Section("mixed", "All faults at once", mixed.measure, mixed.page),
    Section("poison", "Documents that kill", poison.measure, poison.page),
    Section("soak", "For hours", soak.measure, soak.page, default=False),
    Section("broken", "Broken copies of docherd", broken.measure, broken.page),
)
