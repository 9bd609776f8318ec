"""report.html: one file without scripts that asks nothing of the network."""

from __future__ import annotations

import base64
import hashlib
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import resources

from jinja2 import Environment, StrictUndefined, Template
from markupsafe import Markup, escape

from docherd import advice, units, wording
from docherd.advice import Hint
from docherd.messages import Messages
from docherd.model import Reason, Status, printable, text_of
from docherd.quoting import shell_quoted
from docherd.remembered import Failure, Kind
from docherd.report import boxes, chart
from docherd.report.figures import Figures
from docherd.sizing import Idle, Use, telling
from docherd.view import View

#: rows: of kinds, of starts, messages of a reason, and skipped Documents of a reason
_KINDS, _STARTS, _MESSAGES, _SKIPPED = 20, 10, 6, 5
#: letters of a name or message, and of a command that is still copied; lines of a detail
_MOST_LETTERS, _MOST_COPIED, _LINES = 240, 360, 14


def render(view: View, figures: Figures, messages: Messages) -> str:
    """The page: below 1 MB, however much there was to tell of."""
    line = chart.timeline(view.throughput)
    style = _text("style.css")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    failed = [(reason, n) for reason, n in figures.reasons.items() if not reason.skips]
    skipped = [(reason, n) for reason, n in figures.reasons.items() if reason.skips]
    counts = figures.counts.as_json()
    return _template().render(
        it=figures,
        style=Markup(style),  # noqa: S704 - a file of ours
        policy=f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'",
        out=shell_quoted(os.fsencode(view.folder.absolute())),
        numbers=[(s.value, label, counts[s]) for s, label in _LABELS.items() if counts[s]],
        split=boxes.split([(s.value, counts[s]) for s in _LABELS], figures.headline),
        throughput=line and chart.throughput(line),
        memory=line and chart.memory(line, figures.budget),
        resumed=len(line.resumed) if line else 0,
        use=_use(figures.use) if figures.use and telling(figures.use) else [],
        kinds=_kinds(figures.kinds),
        spreads=_spreads(figures.kinds[:_KINDS]),
        failed=[_failed(view, messages, reason, number) for reason, number in failed],
        skipped=[
            (reason, number, wording.MEANING[reason], figures.examples[reason][:_SKIPPED])
            for reason, number in skipped
        ],
        starts=figures.starts[-_STARTS:][::-1],
        reading=advice.reading(view.folder) if figures.counts.done else [],
    )


_LABELS: Mapping[Status, str] = {
    Status.DONE: "done",
    Status.FAILED: "failed",
    Status.SKIPPED: "skipped",
    Status.PENDING: "still to do",
    Status.GONE: "no longer there",
}


# ── parts ────────────────────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Share:
    """A part of something, with its bar."""

    what: str
    percent: str
    bar: Markup


def _use(use: Use) -> list[tuple[str, list[Share]]]:
    """Where the workers' time went, and how much of the machine was used."""
    idle = sorted((why for why in Idle if use.lost(why) >= 0.005), key=use.lost, reverse=True)
    times = [_share("at work", use.busy / max(use.capacity, 1e-9))]
    times += [_share(_WAITING[why], use.lost(why), "idle") for why in idle]
    machine = [_share("cores in use", use.used)]
    if use.wanted - use.used >= 0.005:
        machine.append(_share("wanted, but taken by others", use.wanted - use.used, "idle"))
    if use.memory:
        machine.append(_share("memory, at its peak", use.peak / use.memory))
    return [("Time of the workers", times), ("The machine", machine)]


_WAITING = {
    Idle.SOURCE: "waiting for files to be found",
    Idle.MEMORY: "waiting for memory",
    Idle.DISK: "waiting for the disk",
    Idle.START: "starting",
    Idle.END: "nothing left to do",
}


def _share(what: str, share: float, name: str = "") -> Share:
    return Share(what, f"{100 * share:.0f} %", boxes.bar(share, 1.0, name))


@dataclass(frozen=True, slots=True)
class Row:
    """A kind in the table, or the rest of them together."""

    name: str
    kind: Kind | None
    documents: int
    size: int
    records: int
    seconds: float
    slowest: float
    peak: int
    time_bar: Markup
    memory_bar: Markup


def _kinds(kinds: Sequence[Kind]) -> list[Row]:
    """The kinds that took most time, the rest summed up, with bars relative to the longest."""
    groups = [(kind.name, [kind]) for kind in kinds[:_KINDS]]
    if rest := list(kinds[_KINDS:]):
        groups.append((f"{units.count(len(rest))} other{'s' if len(rest) > 1 else ''}", rest))
    longest = max((sum(kind.seconds for kind in group) for _, group in groups), default=0)
    highest = max((kind.peak_memory for kind in kinds), default=0)
    return [_row(name, group, longest, highest) for name, group in groups]


def _row(name: str, group: list[Kind], longest: float, highest: int) -> Row:
    seconds, peak = sum(k.seconds for k in group), max(k.peak_memory for k in group)
    return Row(
        name=name,
        kind=group[0] if len(group) == 1 else None,
        documents=sum(kind.documents for kind in group),
        size=sum(kind.size for kind in group),
        records=sum(kind.records for kind in group),
        seconds=seconds,
        slowest=max(kind.slowest for kind in group),
        peak=peak,
        time_bar=boxes.bar(seconds, longest),
        memory_bar=boxes.bar(peak, highest, "warm"),
    )


@dataclass(frozen=True, slots=True)
class Boxes:
    """Box plots of the kinds on one scale."""

    title: str
    name: str
    axis: Markup
    #: name of a kind, its box
    rows: list[tuple[str, Markup]]


def _spreads(kinds: Sequence[Kind]) -> list[Boxes]:
    figures = (
        ("Seconds of a document", "time", units.duration, _tick, [k.seconds_spread for k in kinds]),
        ("Memory of a document", "held", units.size, _size_tick, [k.memory_spread for k in kinds]),
    )
    drawn = []
    for title, name, say, tick, spreads in figures:
        if scale := boxes.scale(spreads):
            rows = [
                (kind.name, boxes.box(spread, scale, say))
                for kind, spread in zip(kinds, spreads, strict=True)
                if spread.most > 0
            ]
            drawn.append(Boxes(title, name, boxes.axis(scale, tick), rows))
    return drawn


def _tick(seconds: float) -> str:
    for unit, length in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= 0.999 * length:
            return f"{seconds / length:,g} {unit}"
    return f"{seconds * 1e6:g} µs"


def _size_tick(amount: float) -> str:
    for unit, length in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if amount >= 0.999 * length:
            return f"{amount / length:,g} {unit}"
    return f"{amount:g} B"


@dataclass(frozen=True, slots=True)
class Told:
    """One message, how many said it, and the first of them."""

    text: str
    number: int
    #: whether others say it with other numbers
    varies: bool
    examples: list[Failure]
    detail: list[str]


@dataclass(frozen=True, slots=True)
class Failed:
    """What failed for one reason."""

    reason: Reason
    number: int
    meaning: str
    remedy: Hint
    messages: list[Told]
    #: of other messages
    more: int

    @property
    def shown(self) -> int:
        return sum(len(told.examples) for told in self.messages)


def _failed(view: View, messages: Messages, reason: Reason, number: int) -> Failed:
    told = [
        Told(
            _cut(alike.examples[0].message),
            alike.number,
            len({each.message for each in alike.examples}) > 1,
            alike.examples,
            _excerpt(alike.examples[0].detail or "") if at < 3 else [],
        )
        for at, alike in enumerate(messages.of(reason, _MESSAGES))
    ]
    return Failed(
        reason,
        number,
        wording.MEANING[reason],
        advice.remedy(view.folder, reason),
        told,
        number - sum(each.number for each in told),
    )


# ── text ─────────────────────────────────────────────────────────────────────────────────────


def _cut(text: str, most: int = _MOST_LETTERS) -> str:
    """The page stays small however long names and messages are: cut in the middle."""
    # Escaped before it is cut: an escaped letter may be ten times as long.
    if len(text) <= most and len(shown := printable(text)) <= most:
        return shown
    half = most // 2
    return f"{printable(text[:half])[:half]} … {printable(text[-half:])[-half:]}"


def _excerpt(text: str) -> list[str]:
    """The end of a traceback or of what a worker printed, line by line."""
    lines = text.splitlines()
    return ["…"] * (len(lines) > _LINES) + [_cut(line, 120) for line in lines[-_LINES:]]


def _copied(failure: Failure, out: str) -> str:
    """The command that shows a Document again, by its 16 letters where its path is too long."""
    if len(failure.reproduce) <= _MOST_COPIED:
        return failure.reproduce
    return f"docherd show {out} {failure.document}"


def _sentence(text: str) -> str:
    """From words of ours that could go on a sentence."""
    return f"{text[:1].upper()}{text[1:]}."


def _flags(text: str) -> Markup:
    """Options of ours, kept from being broken after their dashes."""
    return Markup(_FLAG.sub(r'<span class="flag">\1</span>', str(escape(text))))  # noqa: S704


_FLAG = re.compile(r"(--[a-z-]+(?: [\d.]+[GM]B)?)")


def _local(moment: int) -> str:
    """Unix seconds in the time zone of the machine that writes the report."""
    try:
        return datetime.fromtimestamp(moment, UTC).astimezone().strftime("%Y-%m-%d %H:%M")
    except (OverflowError, ValueError, OSError):
        return "unknown"  # a clock that was far off


def _template() -> Template:
    environment = Environment(
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        # Whatever is put into the page goes through here, then through the escaping of HTML.
        finalize=_inert,
    )
    environment.filters.update(
        count=units.count,
        size=units.size,
        duration=units.duration,
        rate=units.rate,
        cut=_cut,
        sentence=_sentence,
        copied=_copied,
        flags=_flags,
        local=_local,
        printed=text_of,
    )
    return environment.from_string(_text("page.html.jinja"))


def _text(name: str) -> str:
    return resources.files("docherd.report").joinpath(name).read_text("utf-8")


def _inert(value: object) -> object:
    """Control characters and bidirectional overrides become visible escapes."""
    return printable(value) if type(value) is not Markup and isinstance(value, str) else value
