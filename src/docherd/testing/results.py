"""Faults of what is returned: no Record, many, a huge one, or what cannot be one."""

from __future__ import annotations

import math
from collections.abc import Iterator

from docherd.document import Document
from docherd.testing.fault import MB, amount


def lambda_result(document: Document) -> object:
    """A function in a Record."""
    return {"pages": [{"text": "fine"}, {"text": lambda: "not fine"}]}


def cycle(document: Document) -> object:
    """A Record that holds itself."""
    record: dict[str, object] = {"text": "round"}
    record["self"] = record
    return record


def nan(document: Document) -> object:
    """A number that JSON does not have."""
    return {"scores": [1.0, math.nan]}


def surrogate(document: Document) -> object:
    """Half of a character, as a wrongly decoded file name has it."""
    return {"title": "caf\udce9"}


def set_result(document: Document) -> object:
    """A set, which has no order and is not JSON."""
    return {"tags": {"one"}}


def bytes_result(document: Document) -> object:
    """Bytes in place of a Record."""
    return b"text"


def int_result(document: Document) -> object:
    """A number in place of a Record."""
    return 42


def empty(document: Document) -> None:
    """No Record at all, which is fine."""


def many(document: Document) -> Iterator[object]:
    """1,000 small Records, or so many, one by one."""
    for number in range(amount(document, 1000)):
        yield {"text": "x" * 100, "number": number}


def huge(document: Document) -> object:
    """One Record of 64 MB, or so many: fails only where --max-output is less."""
    return {"text": "x" * (amount(document, 64) * MB)}
