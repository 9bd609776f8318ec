"""What is asked, a question each: ``lines`` gets the samples and returns Markdown."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from quality.answers import Inquiry
from quality.corpus import Sample
from quality.sections import cells, kinds, pages, words


@dataclass(frozen=True, slots=True)
class Section:
    """One question."""

    name: str
    title: str
    lines: Callable[[Sequence[Sample], Inquiry], list[str]]


SECTIONS = (
    Section("words", "Words", words.lines),
    Section("kinds", "Kinds", kinds.lines),
    Section("pages", "Pages", pages.lines),
    Section("cells", "Cells", cells.lines),
)
