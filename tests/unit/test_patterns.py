"""Globs out of files: what counts, what is refused, and where they end up."""

import pytest

from docherd.config import Options
from docherd.exceptions import EnvironmentFault, UsageError
from docherd.patterns import joined, read

LIST = "\ufeff# what nobody reads\n\n*.tmp\n  build/  \r\n\t# old\nümlaut?.txt\n[#]1.txt\n"
GLOBS = ("*.tmp", "build/", "ümlaut?.txt", "[#]1.txt")


def test_a_line_is_a_glob_but_for_comments_and_empty_ones(tmp_path):
    """As rsync and tar have it, with either kind of line end and a byte order mark."""
    (tmp_path / "list").write_text(LIST, newline="", encoding="utf-8")
    assert read("exclude_from", str(tmp_path / "list")) == GLOBS


@pytest.mark.parametrize(
    ("content", "error", "words"),
    [
        (None, EnvironmentFault, "No such file"),
        (b"caf\xe9*", UsageError, "is not UTF-8 text"),
        ("-", UsageError, "globs are not read from a pipe"),
        ("a\0b", UsageError, "null"),
        (".", EnvironmentFault, "Is a directory"),
    ],
)
def test_what_is_no_list_is_refused_by_its_flag(tmp_path, monkeypatch, content, error, words):
    """Missing, unreadable, no text, a pipe: the message names the flag, and the file."""
    monkeypatch.chdir(tmp_path)
    if isinstance(content, bytes):
        (tmp_path / "list").write_bytes(content)
    with pytest.raises(error, match=f"^--exclude-from .*{words}"):
        read("exclude_from", content if isinstance(content, str) else "list")


def test_they_join_those_that_are_given(tmp_path):
    """In Python and TOML: a name or several, beside globs of their own; what is kept are globs."""
    (tmp_path / "a").write_text("*.a\n")
    (tmp_path / "b").write_text("*.b\n")
    both = [tmp_path / "a", str(tmp_path / "b")]
    options = Options.of({"exclude": "*.x", "exclude_from": both, "include_from": tmp_path / "a"})
    assert (options.exclude, options.include) == (("*.x", "*.a", "*.b"), ("*.a",))
    assert Options.of(options.remembered()) == options
    assert Options.of({"exclude_from": None}) == Options()


@pytest.mark.parametrize("given", [7, [7], b"list", {"a": 1}])
def test_what_names_no_file_is_refused(given):
    """By the name of the option, as all others are."""
    with pytest.raises(UsageError, match=r"^exclude_from: a file's name"):
        joined({"exclude_from": given})
