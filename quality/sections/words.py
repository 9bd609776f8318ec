"""Is a document's text found, all of it and nothing else?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean

from benchmarks.figures import goals, table

from quality.answers import Answer, Inquiry
from quality.causes import VOTES, WORDS
from quality.corpus import Sample
from quality.engines import BROWSER, TEXTS, Engine
from quality.expected import expected
from quality.sections.kinds import truth
from quality.votes import Ballot, vote
from quality.words import Bag, f1, in_order, recall, words

#: pages above which a PDF takes the slow libraries too long
_MOST_PAGES = 60
#: below its best peer by more than this, a document is listed
_BEHIND = 0.02

_HEAD = f"""\
Texts are bags of words: letters and digits, without case, ligatures resolved; in Chinese and
Japanese a character is a word. What cannot be read counts as 0. Of the references:

* *expected*: F1 against the text that the corpus has beside the document; of HTML, against what a
  browser shows of it (`innerText` in Chromium, without a network).
* *tables*: where the corpus has only a PDF's tables, the share of their words that is found.
* *vote*: where nobody has written down what is right. Words that more than half of the readers
  have are to be found; words that none of them has are too many; what only some have (headers,
  notes, numbers of lists) may be left out or not. docherd has no vote, nor have libraries that
  share an engine with another or leave out text on purpose.
* *order*: of the words that are once in the expected text and once in the found one, the share that
  stands in the same order.

Seconds are CPU seconds in all documents that were read, without imports. PDFs of more than
{_MOST_PAGES} pages are left out, which the slow libraries would take too long.

Of HTML all visible text is measured. What surrounds the content is marked in the Record
(`boilerplate`) by elements and names alone, for which the corpus has no truth; *resiliparse, main*
and *trafilatura* leave it out.
"""


@dataclass(frozen=True, slots=True)
class Truth:
    """What is to be found in one document."""

    words: list[str]
    whole: bool


@dataclass(frozen=True, slots=True)
class Measured:
    """One engine over the documents of a kind: name → figure."""

    engine: Engine
    read: int
    seconds: float
    whole: dict[str, float]
    order: dict[str, float]
    tables: dict[str, float]
    voted: dict[str, float]


def lines(samples: Sequence[Sample], inquiry: Inquiry) -> list[str]:
    """A table a kind, what was reached, and the documents in which another is better."""
    every = [replace(sample, kind=truth(sample)) for sample in samples]
    kinds = sorted(TEXTS[0].kinds & {sample.kind for sample in every})
    found = {kind: _measured([s for s in every if s.kind == kind], kind, inquiry) for kind in kinds}
    pages = [line for kind in kinds for line in _table(kind, found[kind])]
    return [_HEAD, *_goals(found), *pages, *_behind(found)]


# ── measuring ────────────────────────────────────────────────────────────────────────────────


def _measured(samples: Sequence[Sample], kind: str, inquiry: Inquiry) -> list[Measured]:
    samples = [sample for sample in samples if sample.pages <= _MOST_PAGES]
    engines = [each for each in TEXTS if kind in each.kinds and inquiry.may_ask(each)]
    answers = {engine.name: inquiry.ask(engine, samples) for engine in engines}
    texts = {
        name: {
            path: words(each.value) for path, each in every.items() if isinstance(each.value, str)
        }
        for name, every in answers.items()
    }
    truths = _truths(samples, kind, inquiry)
    voters = [engine.name for engine in engines if engine.votes]
    ballots = _ballots(samples, [texts[name] for name in voters])
    return [
        _of_engine(engine, answers[engine.name], texts[engine.name], truths, ballots)
        for engine in engines
    ]


def _truths(samples: Sequence[Sample], kind: str, inquiry: Inquiry) -> dict[str, Truth]:
    found = {sample.name: expected(sample) for sample in samples if "scan-like" not in sample.note}
    truths = {name: Truth(words(each.text), each.whole) for name, each in found.items() if each}
    if kind in BROWSER.kinds and inquiry.peers:
        seen = inquiry.ask(BROWSER, samples)
        truths |= {
            name: Truth(words(each.value), True)
            for name, each in seen.items()
            if isinstance(each.value, str)
        }
    return truths


def _ballots(
    samples: Sequence[Sample], voters: Sequence[Mapping[str, list[str]]]
) -> dict[str, Ballot]:
    """Where at least two readers say anything."""
    ballots = {}
    for sample in samples:
        bags = [Counter(texts[sample.name]) for texts in voters if sample.name in texts]
        if len(bags) >= 2 and sample.name not in VOTES:
            ballot = vote(bags)
            if ballot.needed:
                ballots[sample.name] = ballot
    return ballots


def _of_engine(
    engine: Engine,
    answers: Mapping[str, Answer],
    texts: Mapping[str, list[str]],
    truths: Mapping[str, Truth],
    ballots: Mapping[str, Ballot],
) -> Measured:
    bags: dict[str, Bag] = {name: Counter(text) for name, text in texts.items()}
    nothing: Bag = Counter()
    wholes = {name: each for name, each in truths.items() if each.whole}
    tables = {name: each for name, each in truths.items() if not each.whole}
    return Measured(
        engine=engine,
        read=len(texts),
        seconds=sum(each.seconds for each in answers.values()),
        whole={n: f1(bags.get(n, nothing), Counter(t.words)) for n, t in wholes.items()},
        order={n: in_order(texts[n], t.words) for n, t in wholes.items() if n in texts},
        tables={n: recall(bags.get(n, nothing), Counter(t.words)) for n, t in tables.items()},
        voted={n: each.f1(bags.get(n, nothing)) for n, each in ballots.items()},
    )


# ── writing ──────────────────────────────────────────────────────────────────────────────────


def _mean(figures: Mapping[str, float]) -> str:
    return f"{fmean(figures.values()):.4f}" if figures else ""


def _table(kind: str, found: Sequence[Measured]) -> list[str]:
    ours = found[0]
    heads = (
        kind,
        "read",
        f"expected ({len(ours.whole)})",
        "order",
        f"tables ({len(ours.tables)})",
        f"vote ({len(ours.voted)})",
        "CPU s",
    )
    rows = [
        (
            f"{each.engine.name}{'' if each.engine.votes or each is ours else ' (no vote)'}",
            str(each.read),
            _mean(each.whole),
            _mean(each.order),
            _mean(each.tables),
            _mean(each.voted),
            f"{each.seconds:.2f}",
        )
        for each in found
    ]
    return table(heads, rows)


def _goals(found: Mapping[str, Sequence[Measured]]) -> list[str]:
    """F1 at least that of the best single library, a row for each kind and reference."""
    rows = []
    for kind, (ours, *others) in found.items():
        for field in ("whole", "tables", "voted"):
            mine: dict[str, float] = getattr(ours, field)
            means = [
                (fmean(getattr(each, field).values()), each.engine.name) for each in others if mine
            ]
            if means:
                best, name = max(means)
                reached = fmean(mine.values())
                row = (f"{kind}, {_FIELDS[field]}", f"{best:.4f} ({name})", f"{reached:.4f}")
                rows.append((*row, round(reached, 4) >= round(best, 4)))
    return goals(rows) if rows else []


_FIELDS = {"whole": "expected", "tables": "tables", "voted": "vote"}


def _behind(found: Mapping[str, Sequence[Measured]]) -> list[str]:
    """Documents in which the best peer is ahead."""
    rows = []
    for ours, *others in found.values():
        for field in ("whole", "tables", "voted"):
            for name, mine in getattr(ours, field).items():
                peers = [(getattr(each, field)[name], each.engine.name) for each in others]
                best, who = max(peers, default=(0.0, ""))
                if best - mine > _BEHIND:
                    cause = WORDS.get(name, "open")
                    rows.append(
                        (f"`{name}`, {_FIELDS[field]}", f"{mine:.3f}", f"{best:.3f} ({who})", cause)
                    )
    if not rows:
        return []
    return [
        f"Documents in which another library is ahead by more than {_BEHIND:g}:",
        "",
        *table(("", "docherd", "best", "cause"), rows, left=True),
    ]
