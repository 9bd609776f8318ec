"""Throughput and memory over time, as SVG that needs nothing from outside.

Pure functions from samples to markup. Only numbers and our own words go in, never a name.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from docherd.remembered import Sample
from docherd.units import size

_WIDTH, _HEIGHT = 360, 180
_LEFT, _RIGHT, _TOP, _BOTTOM = 40, 8, 18, 24
_MOST_BINS = 48
#: starts whose beginnings are marked: more would be a fence
_MOST_MARKS = 24


# ── samples to a timeline ────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Timeline:
    """A run's starts laid end to end, cut into equal steps of time."""

    #: of a step
    seconds: float
    #: Documents a second, in each step
    rates: tuple[float, ...]
    #: most bytes in use, in each step
    memory: tuple[float, ...]
    #: seconds at which the second and later starts began
    resumed: tuple[float, ...]


def timeline(samples: Callable[[], Iterable[Sample]]) -> Timeline | None:
    """All samples, read twice and never kept; None where there are too few to draw."""
    lengths: dict[int, float] = {}
    number = 0
    for sample in samples():
        lengths[sample.epoch] = sample.seconds
        number += 1
    total = sum(lengths.values())
    if number < 2 or total <= 0:
        return None
    begins = dict(zip(lengths, _running_sum(lengths.values()), strict=True))
    bins = min(_MOST_BINS, number)
    finished, memory = [0.0] * bins, [0.0] * bins
    width = total / bins
    before = Sample(-1, 0, 0, 0, 0)
    for sample in samples():
        if sample.epoch != before.epoch:
            before = Sample(sample.epoch, 0, 0, 0, 0)
        start = (begins[sample.epoch] + before.seconds) / width
        end = (begins[sample.epoch] + sample.seconds) / width
        _spread(finished, start, end, max(0, sample.finished - before.finished))
        held = min(bins - 1, int(end))
        memory[held] = max(memory[held], sample.memory)
        before = sample
    return Timeline(
        width,
        tuple(number / width for number in finished),
        _filled(memory),
        tuple(begins.values())[1:],
    )


def _running_sum(values: Iterable[float]) -> list[float]:
    sums, total = [], 0.0
    for value in values:
        sums.append(total)
        total += value
    return sums


def _spread(bins: list[float], start: float, end: float, amount: float) -> None:
    """Share ``amount`` among the bins between two positions, by how much of each is covered."""
    last = len(bins) - 1
    if end <= start:
        bins[min(last, int(end))] += amount
        return
    for index in range(int(start), min(last, int(end)) + 1):
        covered = min(end, index + 1) - max(start, index)
        bins[index] += amount * max(0.0, covered) / (end - start)


def _filled(values: list[float]) -> tuple[float, ...]:
    """A step without a sample keeps what the one before it showed."""
    filled: list[float] = []
    shown = next((value for value in values if value), 0.0)
    for value in values:
        shown = value or shown
        filled.append(shown)
    return tuple(filled)


# ── a timeline to SVG ────────────────────────────────────────────────────────────────────────


def throughput(line: Timeline) -> Markup:
    """Documents a second (or minute, or hour, for slow processors) over time."""
    most = max(line.rates)
    unit, factor = next(
        (unit, factor) for unit, factor, least in _RATES if most >= least or factor == 3600
    )
    return _svg(line, [rate * factor for rate in line.rates], f"documents/{unit}", "rate")


_RATES = (("s", 1, 1), ("min", 60, 1 / 60), ("h", 3600, 0))


def memory(line: Timeline, budget: int) -> Markup:
    """Memory in use over time, under the budget."""
    unit = size(max(budget, *line.memory)).split()[-1]
    factor = _BYTES[unit]
    values = [held / factor for held in line.memory]
    return _svg(line, values, unit, "memory", budget / factor)


_BYTES = {unit: 1000**power for power, unit in enumerate(("B", "kB", "MB", "GB", "TB", "PB"))}


def _svg(
    line: Timeline, values: Sequence[float], unit: str, name: str, limit: float = 0.0
) -> Markup:
    total = line.seconds * len(values)
    top = max(*values, limit) * 1.05 or 1.0

    def across(seconds: float) -> float:
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * seconds / total

    def up(value: float) -> float:
        return _HEIGHT - _BOTTOM - (_HEIGHT - _BOTTOM - _TOP) * value / top

    points = [(across((n + 0.5) * line.seconds), up(value)) for n, value in enumerate(values)]
    points = [(across(0), points[0][1]), *points, (across(total), points[-1][1])]
    curve = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    area = f"{across(0):.1f},{up(0):.1f} {curve} {across(total):.1f},{up(0):.1f}"
    parts = [
        f'<svg class="chart {name}" viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" '
        f'aria-label="{unit} over time, at most {max(values):.3g}">',
        *_value_axis(up, top, unit),
        *_time_axis(across, total),
        *(_upright(across(at), "resumed") for at in _marked(line.resumed)),
        f'<polygon class="area" points="{area}"/>',
        f'<polyline class="curve" points="{curve}"/>',
    ]
    if limit:
        parts.append(
            f'<line class="limit" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" '
            f'y1="{up(limit):.1f}" y2="{up(limit):.1f}"/>'
            f'<text x="{_WIDTH - _RIGHT}" y="{up(limit) + 11:.1f}" class="end">'
            f"budget {limit:.3g} {unit}</text>"
        )
    # Safe: made of the numbers and words above, nothing from outside.
    return Markup("".join([*parts, "</svg>"]))  # noqa: S704


def _value_axis(up: Callable[[float], float], top: float, unit: str) -> list[str]:
    step = _round_step(top / 5)
    parts = [f'<text x="0" y="10" class="start">{unit}</text>']
    for index in range(int(top / step) + 1):
        value = index * step
        parts.append(
            f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" '
            f'y1="{up(value):.1f}" y2="{up(value):.1f}"/>'
            f'<text x="{_LEFT - 6}" y="{up(value) + 3.5:.1f}" class="end">{_tick(value)}</text>'
        )
    return parts


def _tick(value: float) -> str:
    if value >= 10_000:
        return f"{value / 1000:,.0f}k"
    return f"{value:,.0f}" if value >= 10 or value == int(value) else f"{value:.2g}"


def _round_step(rough: float) -> float:
    """The smallest of 1, 2, 5 times a power of ten that is no less."""
    power = 10.0 ** math.floor(math.log10(rough))
    return next(n * power for n in (1, 2, 5, 10) if n * power >= rough * 0.999)


def _time_axis(across: Callable[[float], float], total: float) -> list[str]:
    unit, length = next(
        (unit, length) for unit, length, most in _TIMES if total < most * length or not most
    )
    step = _time_step(total / length / 6, unit) * length
    parts = []
    for index in range(int(total / step) + 1):
        at = index * step
        label = f"{at / length:g}" + (f" {unit}" if index == int(total / step) else "")
        anchor = "end" if across(at) > _WIDTH - 24 else "middle"
        parts.append(
            f'<line class="tick" x1="{across(at):.1f}" x2="{across(at):.1f}" '
            f'y1="{_HEIGHT - _BOTTOM}" y2="{_HEIGHT - _BOTTOM + 4}"/>'
            f'<text x="{across(at):.1f}" y="{_HEIGHT - 7}" class="{anchor}">{label}</text>'
        )
    return parts


_TIMES = (("s", 1, 120), ("min", 60, 120), ("h", 3600, 48), ("d", 86400, 0))


def _time_step(rough: float, unit: str) -> float:
    """Steps as on a clock: 15 minutes, not 20; 6 hours, not 5."""
    steps = {"s": (1, 2, 5, 10, 15, 30), "min": (1, 2, 5, 10, 15, 30), "h": (1, 2, 3, 6, 12)}
    return next((n for n in steps.get(unit, ()) if n >= rough), _round_step(rough))


def _marked(resumed: Sequence[float]) -> Sequence[float]:
    return resumed if len(resumed) <= _MOST_MARKS else ()


def _upright(x: float, name: str) -> str:
    return f'<line class="{name}" x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP}" y2="{_HEIGHT - _BOTTOM}"/>'
