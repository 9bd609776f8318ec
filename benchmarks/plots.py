"""Figures as SVG: few lines, text that stays text, the same bytes for the same numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

#: docherd, its second curve, and whatever it is compared with
COLORS = ("#0b6e99", "#d97706", "#64748b", "#7c3aed")
GREY = "#94a3b8"


@dataclass(frozen=True, slots=True)
class Curve:
    """One line of a figure."""

    name: str
    points: Sequence[tuple[float, float]]
    #: (across, from, to): what is shaded around it
    band: Sequence[tuple[float, float, float]] = ()
    #: a limit or a truth, not something measured
    limit: bool = False


@dataclass(frozen=True, slots=True)
class Axes:
    """What a figure asks, and its units."""

    title: str
    across: str
    up: str
    #: where the upward axis ends; None for as far as the lines go
    top: float | None = None


def curves(path: Path, axes: Axes, lines: Sequence[Curve]) -> None:
    """Lines over a common axis, from zero."""
    figure, plot = _figure(axes, 3.2)
    colors = iter(COLORS)
    for line in lines:
        color, dashes = (GREY, "--") if line.limit else (next(colors), "-")
        if line.band:
            plot.fill_between(*zip(*line.band, strict=True), color=color, alpha=0.14, linewidth=0)
        if line.points:
            across, up = zip(*line.points, strict=True)
            plot.plot(across, up, dashes, color=color, linewidth=1.6, label=line.name)
    plot.set_ylim(bottom=0, top=axes.top)
    plot.set_xlim(left=0)
    plot.grid(axis="y", color="#e5e7eb", linewidth=0.8)
    plot.legend(frameon=False, loc="upper left", bbox_to_anchor=(0, -0.16), ncols=2)
    _save(figure, path)


def bars(path: Path, axes: Axes, values: Sequence[tuple[str, float]]) -> None:
    """A bar for each name, the shortest on top; docherd's stand out."""
    ordered = sorted(values, key=lambda each: -each[1])
    figure, plot = _figure(axes, 0.9 + 0.28 * len(ordered))
    names = [name for name, _ in ordered]
    colors = [COLORS[0] if name.startswith("docherd") else GREY for name in names]
    drawn = plot.barh(names, [value for _, value in ordered], color=colors, height=0.7)
    plot.bar_label(drawn, fmt="{:,.0f}" if ordered[0][1] >= 100 else "{:,.1f}", padding=3)
    plot.margins(x=0.12)
    _save(figure, path)


def _figure(axes: Axes, height: float) -> tuple[Any, Any]:
    import matplotlib as mpl

    mpl.use("svg")
    mpl.rcParams.update(
        {"svg.fonttype": "none", "svg.hashsalt": "docherd", "font.size": 9, "font.family": "sans"}
    )
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.2, height), facecolor="white", layout="constrained")
    plot = figure.add_subplot()
    plot.set_title(axes.title, loc="left", fontsize=10)
    plot.set_xlabel(axes.across)
    plot.set_ylabel(axes.up)
    plot.spines[["top", "right"]].set_visible(False)
    return figure, plot


def _save(figure: Any, path: Path) -> None:  # noqa: ANN401 - matplotlib is loaded late
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, format="svg", metadata={"Date": None})
