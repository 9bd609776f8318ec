"""The live display on a terminal: a few lines, redrawn in place by Rich.

Everything that comes from documents is put into Text objects after ``printable``, so that no
name can move the cursor or be taken for markup.
"""

from __future__ import annotations

import os
import time
from typing import IO

from rich.cells import cell_len, set_cell_size
from rich.console import Console, Group, RenderableType
from rich.control import Control
from rich.live import Live as Screen
from rich.progress_bar import ProgressBar
from rich.segment import ControlType, Segment
from rich.table import Table
from rich.text import Text

from docherd import wording
from docherd.model import Busy, Outcome, Snapshot, Status, printable
from docherd.plan import Foretold
from docherd.units import count, duration, size
from docherd.wording import ending, failures, finished, pace, progress, verdict, workers

_MOST_WORKERS = 16
#: part of a core that drawing may take
_SHARE = 0.01
#: lines around the workers
_OTHER_LINES = 9


class Live:
    """Bar, rate, ETA with its range, failures, memory, and what each worker is on."""

    def __init__(self, stream: IO[str], verbose: bool = False) -> None:
        self._verbose = verbose
        self._console = Console(
            file=stream, force_terminal=True, markup=False, emoji=False, highlight=False
        )
        # Drawn when the engine says so, in one write: no second thread, no flicker.
        self._screen = Screen(
            console=self._console,
            auto_refresh=False,
            transient=True,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        self._rests = 0.0
        self._drawn: Drawn | None = None

    def update(self, snapshot: Snapshot) -> None:
        """Draw, unless that would take more than a hundredth of a core."""
        began, now = time.thread_time(), time.monotonic()
        if now < self._rests:
            return
        if not self._screen.is_started:
            self._screen.start()
        width = self._console.width
        if self._drawn is not None and width < self._drawn.width and _wraps_anew():
            self._console.control(*_taken_back(self._drawn.rows_at(width)))
        shown = picture(snapshot, width, self._console.height)
        self._screen.update(shown, refresh=True)
        self._drawn = Drawn(self._console, shown, width)
        self._rests = now + (time.thread_time() - began) / _SHARE

    def document(self, outcome: Outcome) -> None:
        if self._verbose and outcome.status is not Status.DONE:
            self.message(ending(outcome))

    def message(self, text: str) -> None:
        self._console.print(Text(printable(text)))

    def foretell(self, foretold: Foretold) -> None:
        self.message(wording.foretold(foretold))

    def close(self, snapshot: Snapshot) -> None:
        self._screen.stop()
        self._console.print(
            Text(verdict(snapshot.state, snapshot.counts, snapshot.seconds), _style(snapshot))
        )


class Drawn:
    """What is on the terminal now."""

    def __init__(self, console: Console, shown: RenderableType, width: int) -> None:
        self._console = console
        self._shown = shown
        self.width = width

    def rows_at(self, width: int) -> int:
        """Rows more than before, once a narrower terminal has wrapped its lines."""
        options = self._console.options.update(width=self.width)
        lines = self._console.render_lines(self._shown, options, pad=False)
        return sum(max(0, Segment.get_line_length(line) - 1) // width for line in lines)


def _wraps_anew() -> bool:
    """Most terminals wrap what is on them when they become narrower; these cut it off."""
    return "XTERM_VERSION" not in os.environ and os.environ.get("TERM", "") not in (
        "linux",
        "screen",
    )


def _taken_back(rows: int) -> list[Control]:
    """Erase rows above the cursor: those that Rich does not know of."""
    up = (ControlType.CURSOR_UP, 1), (ControlType.ERASE_IN_LINE, 2)
    return [Control(*up)] * rows


def _style(snapshot: Snapshot) -> str:
    if snapshot.state != "finished":
        return "bold yellow"
    return "bold red" if snapshot.counts.failed else "bold green"


def picture(snapshot: Snapshot, width: int, height: int) -> RenderableType:
    """The whole display, no wider and no higher than the terminal."""
    lines: list[RenderableType] = [
        _bar(snapshot, width),
        *_headline(snapshot, width),
        _line(_aside(snapshot), width, "red" if snapshot.counts.failed else "dim"),
        _memory(snapshot, width),
        *_workers(snapshot, width, height - _OTHER_LINES),
    ]
    if snapshot.notice:
        lines.append(_line(snapshot.notice, width, "bold yellow"))
    lines.append(Text())  # where the cursor waits: on a line that nothing can wrap
    return Group(*lines)


def _line(text: str, width: int, style: str = "") -> Text:
    return Text(shortened(printable(text), width - 1), style, no_wrap=True)


def _bar(snapshot: Snapshot, width: int) -> RenderableType:
    bar = ProgressBar(
        total=max(1, snapshot.counts.discovered),
        completed=finished(snapshot.counts),
        width=max(10, width - 1),
    )
    return _row(bar)


def _row(*cells: RenderableType) -> Table:
    grid = Table.grid(padding=(0, 1))
    grid.add_row(*cells)
    return grid


def _headline(snapshot: Snapshot, width: int) -> list[RenderableType]:
    """Documents, rate and ETA: on one line where they fit, else on two."""
    parts = [progress(snapshot), *pace(snapshot)]
    whole = " · ".join(parts)
    if len(whole) < width:
        return [_line(whole, width, "bold")]
    return [_line(parts[0], width, "bold"), _line(" · ".join(parts[1:]), width, "bold")]


def _aside(snapshot: Snapshot) -> str:
    counts = snapshot.counts
    return " · ".join(
        part
        for part in (
            f"elapsed {duration(snapshot.seconds)}",
            failures(counts, snapshot.reasons) or "none failed",
            f"{count(counts.skipped)} skipped" if counts.skipped else "",
            workers(snapshot),
        )
        if part
    )


def _memory(snapshot: Snapshot, width: int) -> RenderableType:
    budget = snapshot.memory_budget
    words = f"{size(snapshot.memory)} of {size(budget)}"
    if width >= 50:
        words += f", peak {size(snapshot.memory_peak)}"
    bar = ProgressBar(
        total=max(1, budget),
        completed=min(snapshot.memory, budget),
        width=max(4, min(20, width - len(words) - 10)),
        complete_style="cyan",
        finished_style="red",
    )
    return _row("memory", bar, Text(shortened(words, max(8, width - 13)), no_wrap=True))


def _workers(snapshot: Snapshot, width: int, room: int) -> list[RenderableType]:
    """One line a worker, the longest at work first, as many as there is room for."""
    busy = sorted(snapshot.busy, key=lambda one: -one.seconds)
    shown = busy[: max(0, min(_MOST_WORKERS, room))]
    lines: list[RenderableType] = [worker_line(one, width) for one in shown]
    if len(busy) > len(shown):
        lines.append(Text(f"  +{count(len(busy) - len(shown))} more", "dim"))
    return lines


def worker_line(busy: Busy, width: int) -> Text:
    """``  folder/…/name.pdf     page 12   4.2 s  310 MB``, exactly fitting the width."""
    figures = f"  {duration(busy.seconds):>11}"
    if width >= 60:
        figures += f"  {size(busy.memory):>7}"
        of = "" if busy.pages is None else f"/{count(busy.pages)}"
        page = "" if busy.page is None else f"page {count(busy.page)}{of}"
        figures = f"  {page:>10}{figures}"
    path = shortened(printable(busy.path), max(4, width - len(figures) - 3))
    text = Text("  ", no_wrap=True)
    text.append(set_cell_size(path, max(4, width - len(figures) - 3)))
    text.append(figures, "dim")
    return text


def shortened(text: str, width: int) -> str:
    """``text`` in at most ``width`` cells, cut in the middle: ends tell files apart."""
    if cell_len(text) <= width:
        return text
    if width < 2:
        return set_cell_size(text, max(0, width))
    tail_cells = width // 2
    start = len(text)
    while start and cell_len(text[start - 1 :]) <= tail_cells:
        start -= 1
    tail = text[start:]
    # A wide letter cut in half leaves a blank: nothing is misaligned by it.
    return set_cell_size(text, width - 1 - cell_len(tail)).rstrip() + "…" + tail
