"""Is a document's kind told from its content?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from benchmarks.figures import percent, table

from quality.answers import Answer, Inquiry
from quality.causes import KINDS as MISTAKES
from quality.causes import NARROWER, UNTOLD
from quality.corpus import Sample
from quality.engines import KINDS

_HEAD = """\
The MANIFEST says a kind of each document; {mistakes} of its kinds are mistaken (below). A narrower
kind than the MANIFEST's is right: {narrower}. Libraries are asked without a list of what there may
be, and their own words for a kind are translated.
"""

#: the MANIFEST's word for what libraries call otherwise
_SYNONYMS = {
    "jpg": "jpeg",
    "tif": "tiff",
    "heif": "heic",
    "gz": "gzip",
    "jpx": "jp2",
    "dotm": "docx",
    "potm": "pptx",
    "xlsm": "xlsx",
    "xltx": "xlsx",
    "txt": "text",
    "markdown": "md",
    "mht": "mhtml",
    "outlook": "msg",
    "sevenzip": "7z",
    "postscript": "ps",
    "eps": "ps",
    "db": "sqlite",
    "wp": "wpd",
    "unknown": "binary",
    "dat": "tnef",
}


def lines(samples: Sequence[Sample], inquiry: Inquiry) -> list[str]:
    """The shares that are right, and every difference of ours."""
    answers = {
        engine.name: inquiry.ask(engine, samples) for engine in KINDS if inquiry.may_ask(engine)
    }
    rows = [(name, *_shares(samples, each), _seconds(each)) for name, each in answers.items()]
    best = _right(samples, answers["docherd"], corrected=False)
    narrower = ", ".join(f"{one} for {other}" for one, other in sorted(NARROWER.items()))
    return [
        _HEAD.format(mistakes=len(MISTAKES), narrower=narrower),
        *table(("", "by the MANIFEST", "its mistakes corrected", "CPU ms a document"), rows),
        f"The target is 99 % by the MANIFEST: {'met' if best >= 0.99 else '**missed**'}.",
        "",
        *_differences(samples, answers["docherd"]),
    ]


def _shares(samples: Sequence[Sample], answers: Mapping[str, Answer]) -> tuple[str, str]:
    one, other = (_right(samples, answers, corrected=corrected) for corrected in (False, True))
    return percent(round(one, 4)), percent(round(other, 4))


def _right(samples: Sequence[Sample], answers: Mapping[str, Answer], *, corrected: bool) -> float:
    right = sum(
        _is_right(told(answers[s.name]), truth(s) if corrected else s.kind) for s in samples
    )
    return right / len(samples)


def truth(sample: Sample) -> str:
    """The kind by the MANIFEST, or what it really is."""
    return MISTAKES[sample.name][0] if sample.name in MISTAKES else sample.kind


def told(answer: Answer) -> str:
    """In the words of the MANIFEST."""
    word = str(answer.value or "binary")
    return _SYNONYMS.get(word, word)


def _is_right(kind: str, expected: str) -> bool:
    return expected in (kind, NARROWER.get(kind))


def _seconds(answers: Mapping[str, Answer]) -> str:
    return f"{1000 * sum(each.seconds for each in answers.values()) / len(answers):.2f}"


def _differences(samples: Sequence[Sample], answers: Mapping[str, Answer]) -> list[str]:
    rows = [
        (f"`{s.name}`", s.kind, kind, _cause(s, kind))
        for s in samples
        if (kind := told(answers[s.name])) != s.kind
    ]
    return table(("", "MANIFEST", "docherd", "cause"), rows, left=True)


def _cause(sample: Sample, kind: str) -> str:
    if sample.name in MISTAKES and MISTAKES[sample.name][0] == kind:
        return f"the MANIFEST is mistaken: {MISTAKES[sample.name][1]}"
    narrower = NARROWER.get(kind) == sample.kind
    return "narrower" if narrower else UNTOLD.get(sample.name, "open")
