"""Which paths include, exclude and an input's own pattern let through."""

from __future__ import annotations

import fnmatch

import pytest
from hypothesis import given
from hypothesis import strategies as some

from docherd.globs import Wanted


@pytest.mark.parametrize(
    ("glob", "taken", "left"),
    [
        ("*.pdf", ["a.pdf", "x/y/b.pdf"], ["a.pdf.txt", "a.PDF"]),
        ("mail/*.eml", ["mail/a.eml"], ["a.eml", "mail/old/a.eml"]),
        ("mail/**/*.eml", ["mail/a.eml", "mail/old/older/a.eml"], ["a.eml"]),
        ("**/drafts/**", ["drafts/a", "x/drafts/y/a"], ["drafts", "x/draft/a"]),
        ("/top.txt", ["top.txt"], ["x/top.txt"]),
        ("?.txt", ["a.txt", "x/b.txt"], ["ab.txt", ".txt"]),
        ("[a-c]*.txt", ["b1.txt"], ["d1.txt"]),
        ("[!a]/x", ["b/x"], ["a/x", "//x"]),
        ("[c-a].txt", [], ["b.txt", "c.txt"]),
        ("[?--]x", [], ["?x", "-x"]),
        ("[]", ["[]"], ["a"]),
        ("a[", ["a["], ["a"]),
        ("a+(b).txt", ["a+(b).txt"], ["aab.txt"]),
    ],
)
def test_globs_mean_what_a_shell_means(glob: str, taken: list[str], left: list[str]) -> None:
    """Stars stay within a name, two stars are folders, no slash means anywhere."""
    wanted = Wanted((glob,), ())
    assert [path for path in (*taken, *left) if wanted.passes(path.encode())] == taken


def test_exclude_wins() -> None:
    """A file that both match is left out."""
    wanted = Wanted(("*.txt",), ("b*",))
    assert [n for n in ("a.txt", "b.txt", "c.pdf") if wanted.passes(n.encode())] == ["a.txt"]


def test_a_pattern_of_the_input_stays_in_its_folders() -> None:
    """A quoted 'docs/*.pdf' takes no PDF of a sub-folder."""
    wanted = Wanted((), (), "*.pdf")
    assert wanted.passes(b"a.pdf")
    assert not wanted.passes(b"old/a.pdf")


def test_names_that_are_not_utf8_are_matched() -> None:
    """Bytes that are no letters match a star, as any letter would."""
    assert Wanted(("*.pdf",), ()).passes(b"bad\xff.pdf")


@given(some.text("ab*?[]!-.^", max_size=8), some.text("ab.[]!-^", max_size=8))
def test_within_one_name_it_agrees_with_fnmatch(glob: str, name: str) -> None:
    """The standard library is the judge for a single name (`**` and `[^` are ours)."""
    if "**" not in glob and "[^" not in glob and "[]" not in glob and "[!]" not in glob:
        assert Wanted((glob,), ()).passes(name.encode()) == fnmatch.fnmatchcase(name, glob)
