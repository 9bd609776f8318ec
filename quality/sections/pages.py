"""Are a PDF's pages counted?"""

from __future__ import annotations

from collections.abc import Sequence

from benchmarks.figures import table

from quality.answers import Answer, Inquiry
from quality.causes import PAGES as CAUSES
from quality.corpus import Sample
from quality.engines import PAGES

_HEAD = """\
Pages of each PDF by the Record, by PDFium and by pypdf. A document that cannot be opened without a
password, or at all, has none: docherd says why.
"""


def lines(samples: Sequence[Sample], inquiry: Inquiry) -> list[str]:
    """How many are the same, and every difference."""
    if not inquiry.peers:
        return ["Not compared: without other libraries there is nothing to compare with.", ""]
    pdfs = [sample for sample in samples if sample.kind == "pdf"]
    ours, *others = (inquiry.ask(engine, pdfs) for engine in PAGES)
    rows = [
        (
            engine.name,
            str(sum(1 for each in answers.values() if not each.error)),
            str(sum(_same(ours[s.name], answers[s.name]) for s in pdfs)),
            str(sum(_other(ours[s.name], answers[s.name]) for s in pdfs)),
        )
        for engine, answers in zip(PAGES[1:], others, strict=True)
    ]
    heads = ("", "opened by it", "same number as docherd", "another number")
    counted = sum(1 for each in ours.values() if not each.error)
    return [
        _HEAD,
        f"{len(pdfs)} PDFs, of which docherd counts {counted}.",
        "",
        *table(heads, rows),
        *_differences(pdfs, [ours, *others]),
    ]


def _same(one: Answer, other: Answer) -> bool:
    return not one.error and one.value == other.value


def _other(one: Answer, other: Answer) -> bool:
    return not one.error and not other.error and one.value != other.value


def _differences(pdfs: Sequence[Sample], answers: Sequence[dict[str, Answer]]) -> list[str]:
    """Where anybody counts otherwise, or opens what another does not."""
    rows = []
    for sample in pdfs:
        said = [_said(each[sample.name]) for each in answers]
        if len(set(said)) > 1:
            rows.append((f"`{sample.name}`", *said, CAUSES.get(sample.name, "open")))
    return table(("", *(engine.name for engine in PAGES), "cause"), rows, left=True)


def _said(answer: Answer) -> str:
    return "none" if answer.error else str(answer.value)
