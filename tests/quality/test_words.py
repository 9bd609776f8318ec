"""Bags of words, and what readers vote for."""

from collections import Counter

import pytest
from quality.votes import agreed, vote
from quality.words import f1, in_order, recall, words


def test_words_are_letters_and_digits_without_case():
    """Punctuation, ligatures and case do not count; a Chinese character is a word."""
    assert words("The ﬁrst (1st) WORD_count: 3,5 中文字") == [
        *("the", "first", "1st", "word", "count", "3", "5"),
        *("中", "文", "字"),
    ]


@pytest.mark.parametrize(
    ("found", "expected", "score"),
    [
        ("a b", "a b", 1.0),
        ("", "", 1.0),
        ("", "a", 0.0),
        ("a a a", "a", 0.5),
        ("a b c d", "a b", 2 / 3),
    ],
)
def test_f1_counts_every_word_once(found, expected, score):
    """A word that is there too often is as wrong as one that is missing."""
    assert f1(Counter(words(found)), Counter(words(expected))) == pytest.approx(score)


def test_recall_minds_only_what_is_missing():
    """Of a table whose page is unknown, no word is too many."""
    assert recall(Counter("abcd"), Counter("ab")) == 1
    assert recall(Counter("a"), Counter("ab")) == 0.5
    assert recall(Counter("a"), Counter()) == 1


def test_order_is_the_longest_run_that_can_stay():
    """One column moved in front of another breaks the order of the shorter one."""
    assert in_order("abcdef", "abcdef") == 1
    assert in_order("efabcd", "abcdef") == pytest.approx(4 / 6)
    assert in_order("aab", "aab") == 1  # of words that are there twice none can tell


def test_what_most_have_is_needed_and_what_none_has_is_wrong():
    """A header that one of three readers has may be there or not."""
    ballot = vote([Counter(words(text)) for text in ("body", "body", "header body")])
    assert ballot.f1(Counter(["body"])) == ballot.f1(Counter(["header", "body"])) == 1
    assert ballot.f1(Counter(["header"])) == 0
    assert ballot.f1(Counter(["body", "noise"])) == pytest.approx(2 / 3)


def test_two_readers_must_agree():
    """Of two that differ, neither is believed; of three, two are."""
    assert agreed(["1", "1.0"]) is None
    assert agreed(["1", "", "1"]) == "1"
    assert agreed(["", "", "1"]) == ""
