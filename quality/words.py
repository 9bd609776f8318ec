"""Texts as bags of words, and how alike two are."""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_left
from collections import Counter
from collections.abc import Sequence
from typing import TypeAlias

Bag: TypeAlias = "Counter[str]"

#: a word; in Chinese and Japanese, which put no spaces between them, a character
_WORD = re.compile(r"[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]|[^\W_]+")


def words(text: str) -> list[str]:
    """In order, without punctuation; ligatures and letter case do not count."""
    found: list[str] = _WORD.findall(unicodedata.normalize("NFKC", text).casefold())
    return found


def f1(found: Bag, expected: Bag) -> float:
    """Of how many words are in both, of all that are in either; 1 where both are empty."""
    both = found.total() + expected.total()
    return 2 * (found & expected).total() / both if both else 1.0


def recall(found: Bag, expected: Bag) -> float:
    """How many of the expected words were found; 1 where none is expected."""
    return (found & expected).total() / expected.total() if expected else 1.0


def in_order(found: Sequence[str], expected: Sequence[str]) -> float:
    """Of the words that are once in either text, the share that can stay where it is.

    That is their longest run in ascending order, which may leave others out.
    """
    once = _once(found) & _once(expected)
    places = {word: place for place, word in enumerate(expected) if word in once}
    order = [places[word] for word in found if word in once]
    return _longest_ascent(order) / len(order) if order else 1.0


def _once(text: Sequence[str]) -> set[str]:
    return {word for word, count in Counter(text).items() if count == 1}


def _longest_ascent(order: Sequence[int]) -> int:
    """Length of the longest ascending subsequence."""
    ends: list[int] = []
    for place in order:
        at = bisect_left(ends, place)
        ends[at : at + 1] = [place]
    return len(ends)
