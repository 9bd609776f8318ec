"""Is every cell of a spreadsheet there, in its place, with its value?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from benchmarks.figures import goals, table

from quality.answers import Answer, Inquiry
from quality.causes import CELLS as CAUSES
from quality.cells import Score, Sheet, agreed, compact, compare, placed
from quality.corpus import Sample
from quality.engines import SHEETS
from quality.sections.kinds import truth

_HEAD = """\
What is right is what most independent readers say of a cell: its place and its value, as text
(numbers with 15 digits, dates as ISO 8601, TRUE and FALSE, errors as #DIV/0!). Where they are two
and differ, nothing is right, and the cell is not counted; it is listed below. docherd has no vote.
Rows are laid beside rows, so that one too many costs itself and not all that follow. F1 is over all
cells of a kind; a workbook that a reader cannot open costs it all of its cells. Percentages and
currencies are numbers, as they are stored. The corpus has no cell with an error; docherd keeps them
in XLSX, XLS and ODS, of which its tests have samples, and not yet in XLSB.
"""


@dataclass(slots=True)
class _Tally:
    """Of one reader over the workbooks of a kind."""

    score: Score = field(default_factory=Score)
    opened: int = 0
    seconds: float = 0.0


@dataclass(slots=True)
class _Findings:
    """What was seen."""

    #: by kind and reader
    tallies: dict[tuple[str, str], _Tally] = field(default_factory=dict)
    #: a row for each workbook and sheet
    unsettled: list[tuple[str, ...]] = field(default_factory=list)
    differing: list[tuple[str, ...]] = field(default_factory=list)


def lines(samples: Sequence[Sample], inquiry: Inquiry) -> list[str]:
    """A table, what was reached, and every difference."""
    if not inquiry.peers:
        return ["Not compared: without other readers there is nothing to compare with.", ""]
    books = [sample for sample in samples if truth(sample) in SHEETS[0].kinds]
    answers = {each.name: inquiry.ask(each, books) for each in SHEETS if inquiry.may_ask(each)}
    findings = _Findings()
    for book in books:
        said = {name: each[book.name] for name, each in answers.items() if book.name in each}
        _compare(book, said, findings)
    return [_HEAD, *_goals(findings), *_table(findings), *_differences(findings)]


def _compare(book: Sample, said: Mapping[str, Answer], findings: _Findings) -> None:
    read = {name: _sheets(answer) for name, answer in said.items() if not answer.error}
    voting = [engine.name for engine in SHEETS if engine.votes and engine.name in read]
    if len(voting) < 2:
        return
    for engine, answer in said.items():
        tally = findings.tallies.setdefault((book.kind, engine), _Tally())
        tally.opened += engine in read
        tally.seconds += answer.seconds
    for name in dict.fromkeys(sheet for each in voting for sheet in read[each]):
        right, unsettled = agreed([read[each].get(name, {}) for each in voting])
        for engine in said:
            score = compare(compact(read.get(engine, {}).get(name, {})), compact(right))
            findings.tallies[book.kind, engine].score += score
            if score.right < max(score.found, score.expected):
                findings.differing.append((book.name, name, engine, *_figures(score)))
        if unsettled:
            values = f"{' / '.join(voting)}: {next(iter(unsettled.values()))}"
            findings.unsettled.append((book.name, name, str(len(unsettled)), values))


def _sheets(answer: Answer) -> dict[str, Sheet]:
    assert isinstance(answer.value, dict)
    return {name: placed(rows) for name, rows in answer.value.items()}


def _figures(score: Score) -> tuple[str, str, str]:
    return str(score.right), str(score.found), str(score.expected)


def _goals(findings: _Findings) -> list[str]:
    """F1 at least that of the best single reader, for each kind."""
    rows = []
    for kind in dict.fromkeys(kind for kind, _ in findings.tallies):
        by = {name: each.score.f1 for (of, name), each in findings.tallies.items() if of == kind}
        ours = min(by.pop(name) for name in list(by) if name.startswith("docherd"))
        best, name = max((value, name) for name, value in by.items())
        row = (kind, f"{best:.4f} ({name})", f"{ours:.4f}")
        rows.append((*row, round(ours, 4) >= round(best, 4)))
    return goals(rows)


def _table(findings: _Findings) -> list[str]:
    heads = ("", "opened", "right", "found", "expected", "F1", "CPU s")
    rows = [
        (
            f"{kind}, {name}",
            str(each.opened),
            *_figures(each.score),
            f"{each.score.f1:.4f}",
            f"{each.seconds:.3f}",
        )
        for (kind, name), each in sorted(findings.tallies.items())
    ]
    return table(heads, rows)


def _differences(findings: _Findings) -> list[str]:
    """Of cells, then of cells on which two readers differ, so that nothing is right."""
    differing = [(f"`{b}`, {s}", *rest, _cause(b, rest[0])) for b, s, *rest in findings.differing]
    unsettled = [(f"`{b}`, {s}", *rest, _cause(b, "")) for b, s, *rest in findings.unsettled]
    return [
        "Every reader that differs in a sheet:",
        "",
        *table(("", "reader", "right", "found", "expected", "cause"), differing, left=True),
        "Cells on which readers differ so that nothing is right, and the first of them:",
        "",
        *table(("", "cells", "what they say", "cause"), unsettled, left=True),
    ]


def _cause(book: str, reader: str) -> str:
    return CAUSES.get((book, reader), CAUSES.get((book, ""), "open"))
