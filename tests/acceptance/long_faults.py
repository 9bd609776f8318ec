"""Which document misbehaves, by its number: read by the test and by the processor it runs."""

from __future__ import annotations


def fault_of(name: str) -> str | None:
    """The reason a document called ``000123-...`` must fail with; None for an innocent one."""
    number = int(name[:6])
    if number % 20 != 7:
        return None
    chosen = number // 20
    if chosen // 62 < 40 and chosen % 62 in (5, 9):
        return "memory" if chosen % 62 == 5 else "timeout"
    return ("crash", "exit", "error")[chosen % 3]
