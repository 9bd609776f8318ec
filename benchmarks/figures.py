"""Numbers, tables and pictures as the page shows them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Figures:
    """Where the pictures of a page lie: in a folder of its name beside it."""

    page: Path

    def path(self, name: str) -> Path:
        """The file to draw to."""
        return self.page.with_suffix("") / f"{name}.svg"

    def shown(self, name: str, alt: str) -> str:
        """Markdown that shows it."""
        return f"![{alt}]({self.page.stem}/{name}.svg)"


def number(value: float) -> str:
    """Three digits that mean something, thousands apart."""
    if value == 0:
        return "0"
    if abs(value) >= 100:
        return f"{value:,.0f}"
    if abs(value) >= 10:
        return f"{value:.1f}"
    return f"{value:.2f}" if abs(value) >= 0.095 else f"{value:.2g}"


def times(value: float) -> str:
    """A ratio."""
    return f"{number(value)} ×"


def megabytes(size: float) -> str:
    """Bytes as MB, 1,000,000 of them."""
    return f"{number(size / 1e6)} MB"


def percent(share: float) -> str:
    """A share of one."""
    value = round(100 * share, 9)
    return f"{value:,.0f} %" if value.is_integer() else f"{number(value)} %"


def goals(rows: Sequence[tuple[str, str, str, bool]]) -> list[str]:
    """What was wanted and what was reached: (what, target, reached, whether that is enough)."""
    heads = ("", "target", "reached", "")
    return table(heads, [(*row[:3], "met" if row[3] else "**missed**") for row in rows])


def table(heads: Sequence[str], rows: Sequence[Sequence[str]], *, left: bool = False) -> list[str]:
    """Markdown; all columns but the first are set to the right, for figures, or to the ``left``."""
    other = "---|" if left else "---:|"
    lines = [f"| {' | '.join(heads)} |", f"|---|{other * (len(heads) - 1)}"]
    lines += [f"| {' | '.join(cell.replace('|', '/') for cell in row)} |" for row in rows]
    return [*lines, ""]
