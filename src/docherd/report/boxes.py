"""Bars and box plots as SVG in percent of the width there is: sharp and readable at any width.

Pure functions from numbers to markup. Only numbers and our own words go in, never a name.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from docherd.remembered import Spread

#: percent of the width that anything takes, so that it is seen
_LEAST = 0.6
#: factor from the left to the right of a scale, at the least, and marks along it, at the most
_NARROWEST, _MARKS = 3.0, 5
_HEIGHT = 20


# ── bars ─────────────────────────────────────────────────────────────────────────────────────


def bar(part: float, whole: float, name: str = "") -> Markup:
    """One bar, as long as its part of the whole."""
    share = 100 * min(1.0, max(0.0, part / whole)) if whole > 0 else 0.0
    width = max(share, _LEAST) if part > 0 else 0
    inside = f'<rect class="{name}" width="{width:.1f}%" height="100%"/>' if width else ""
    return Markup(f'<svg class="bar" aria-hidden="true">{inside}</svg>')  # noqa: S704 - numbers


def split(parts: Sequence[tuple[str, float]], label: str) -> Markup:
    """Parts of a whole in a row, each (class, number); ``label`` is one of our own sentences."""
    present = [(name, number) for name, number in parts if number > 0]
    whole = sum(number for _, number in present)
    shares = [max(_LEAST, 100 * number / whole) for _, number in present]
    factor, at, drawn = 100 / sum(shares) if shares else 1.0, 0.0, []
    for (name, _), share in zip(present, shares, strict=True):
        width = share * factor
        drawn.append(f'<rect class="{name}" x="{at:.2f}%" width="{width:.2f}%" height="100%"/>')
        if at:
            drawn.append(f'<rect class="gap" x="{at:.2f}%" width="2" height="100%"/>')
        at += width
    inside = "".join(drawn)
    return Markup(f'<svg class="split" role="img" aria-label="{label}">{inside}</svg>')  # noqa: S704


# ── box plots ────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Scale:
    """A logarithmic scale from one value to another, in percent."""

    low: float
    high: float

    def at(self, value: float) -> float:
        """Where a value is; what is beyond the scale is at its edge."""
        clamped = min(self.high, max(self.low, value))
        return 100 * math.log(clamped / self.low) / math.log(self.high / self.low)

    def marks(self) -> list[float]:
        """A few round values, evenly spaced as far as that goes."""
        first = math.floor(math.log10(self.low))
        decades = range(first, math.ceil(math.log10(self.high)) + 1)
        found: list[float] = []
        for steps, every in _ROUND:
            found = [
                step * 10.0**decade
                for decade in decades
                if decade % every == 0
                for step in steps
                if self.low <= step * 10.0**decade <= self.high
            ]
            if len(found) <= _MARKS:
                break
        return found


#: steps within a decade, and every how many decades: from fine to coarse
_ROUND = (
    ((1, 1.5, 2, 3, 4, 5, 6, 8), 1),
    ((1, 2, 5), 1),
    ((1, 3), 1),
    ((1,), 1),
    ((1,), 2),
    ((1,), 3),
    ((1,), 4),
)


def scale(spreads: Iterable[Spread]) -> Scale | None:
    """One that holds all boxes, whiskers and dots; None where nothing was measured."""
    measured = [spread for spread in spreads if spread.most > 0]
    if not measured:
        return None
    high = max(spread.most for spread in measured)
    low = min(
        next(v for v in (each.low, each.lower, each.median, each.most) if v > 0)
        for each in measured
    )
    low, high = low / 1.15, high * 1.15
    missing = math.sqrt(max(1.0, _NARROWEST / (high / low)))
    return Scale(low / missing, high * missing)


def box(spread: Spread, on: Scale, say: Callable[[float], str]) -> Markup:
    """The middle half as a box, its median as a line, 5 to 95 of 100 as whiskers, a dot: the most.

    ``say`` puts a value into words, for those who cannot see it.
    """
    low, lower, median, upper, high, most = (
        on.at(value)
        for value in (
            spread.low, spread.lower, spread.median, spread.upper, spread.high, spread.most,
        )
    )  # fmt: skip
    middle = _HEIGHT / 2
    label = f"median {say(spread.median)}, 90 of 100 from {say(spread.low)} to {say(spread.high)}"
    parts = [
        f'<svg class="box" role="img" aria-label="{label}, at most {say(spread.most)}">',
        *(_upright("grid", on.at(mark), 0, _HEIGHT) for mark in on.marks()),
        f'<line class="whisker" x1="{low:.1f}%" x2="{high:.1f}%" y1="{middle}" y2="{middle}"/>',
        _upright("whisker", low, middle - 3, middle + 3),
        _upright("whisker", high, middle - 3, middle + 3),
        f'<rect x="{lower:.1f}%" width="{max(upper - lower, 0.8):.1f}%" y="4" height="12" rx="2"/>',
        _upright("median", median, 3, 17),
        f'<circle cx="{most:.1f}%" cy="{middle}" r="2.5"/>',
        "</svg>",
    ]
    return Markup("".join(parts))  # noqa: S704 - made of numbers and of words of ours


def axis(on: Scale, say: Callable[[float], str]) -> Markup:
    """The values along a scale."""
    parts = ['<svg class="axis" aria-hidden="true">']
    for mark in on.marks():
        at = on.at(mark)
        anchor = "start" if at < 7 else "end" if at > 93 else "middle"
        parts.append(f'<text class="{anchor}" x="{at:.1f}%" y="12">{say(mark)}</text>')
    return Markup("".join([*parts, "</svg>"]))  # noqa: S704


def _upright(name: str, at: float, top: float, bottom: float) -> str:
    return f'<line class="{name}" x1="{at:.1f}%" x2="{at:.1f}%" y1="{top:g}" y2="{bottom:g}"/>'
