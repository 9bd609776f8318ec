"""What the faults have in common: one row of the table, amounts, and the way back to harmless."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from docherd.document import Document
from docherd.model import Reason

MB = 1 << 20


@dataclass(frozen=True, slots=True)
class Fault:
    """One way to misbehave."""

    do: Callable[[Document], object]
    #: why the Document fails; None where it is done all the same
    reason: Reason | None
    #: part of the message that `docherd failures` shows
    message: str = ""


def harmless(document: Document) -> object:
    """The first 100 characters and the size."""
    content = document.read_bytes()
    return {"text": content.decode("utf-8", "replace")[:100], "size": len(content)}


def amount(document: Document, default: int) -> int:
    """The number that the file begins with."""
    return amounts(document, default)[0]


def amounts(document: Document, *defaults: int) -> tuple[int, ...]:
    """The numbers that the file begins with, as far as there are any."""
    found = re.match(rb"[\s\d]*", document.read_bytes())
    given = [int(each) for each in found[0].split()] if found else []
    return (*given[: len(defaults)], *defaults[len(given) :])


def word(document: Document, default: str) -> str:
    """The word that the file begins with."""
    return (document.read_bytes().decode("utf-8", "replace").split() or [default])[0]
