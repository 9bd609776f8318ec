"""Names in data/ under --format files: one each, on every disk, inside."""

from __future__ import annotations

import itertools
import os
import sqlite3
import unicodedata
from pathlib import PurePosixPath, PureWindowsPath

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from docherd.listing import Listing
from docherd.model import document_id, text_of
from docherd.rows import MadeFile
from docherd.schema import SCHEMA
from docherd.sinks.names import COMPONENT, SUFFIXES, WHOLE, candidates, folded, own

fixed = settings(derandomize=True, deadline=None, max_examples=150)
#: what makes names collide, or escape, somewhere
PIECES = [
    *("a", "A", "ä", "a\u0308", "ß", "SS", "ſ", "ﬁ", "K", "İ", "i", "x" * 90, "語" * 80),
    *(".", "..", " ", "~", "-", "_", ".txt", ".TXT", ".md", ".json", "con", "NUL", "com1", "lpt¹"),
    *(":", "?", "\\", "\n", "\x1b[0m", "\u202e", "\u200b", "\x7f", "\xff", "'", '"', "$(x)", "<b>"),
]
component = st.lists(st.sampled_from(PIECES), min_size=1, max_size=4).map("".join)
paths = st.lists(component, min_size=1, max_size=4).map(lambda each: "/".join(["in", *each]))


def named(paths, suffixes):
    """The names that Documents of these paths get, one after another."""
    db = sqlite3.connect(":memory:")
    db.executescript(SCHEMA)
    listing = Listing(db)
    for number, (path, suffix) in enumerate(zip(paths, suffixes, strict=True), 1):
        made = MadeFile(number, identity(path), path, suffix, 1, 1, (1,))
        listing.add(1, [made], lambda name: False)
    return {row.document: row.name for row in listing.of(1)}


def identity(path):
    return document_id(b"in", path.encode("utf-8", "surrogateescape"))


@fixed
@given(st.lists(paths, unique=True, max_size=12), st.data())
@example(["in/A", "in/a", "in/a.txt/b", "in/A.TXT", "in/a:b", "in/a?b", "in/a_b"], None)
def test_no_two_documents_share_a_name_on_any_disk(found, data):
    """X07: neither by case nor by Unicode, and no file has the name of a folder."""
    suffixes = [data.draw(st.sampled_from(SUFFIXES)) if data else ".txt" for _ in found]
    names = list(named(found, suffixes).values())
    files = [folded(name) for name in names]
    assert len(set(files)) == len(found)
    folders = {folded(str(above)) for name in names for above in PurePosixPath(name).parents}
    assert not folders & set(files)
    for name in names:
        for form in ("NFC", "NFD"):
            assert folded(unicodedata.normalize(form, name)) == folded(name)
        assert folded(name.lower()) == folded(name.upper()) == folded(name)


@fixed
@given(paths, st.sampled_from(SUFFIXES))
@example("in/" + "/".join(["x" * 300] * 20), ".md")
@example("in/" + "é" * 400 + "/" + "n" * 255, ".txt")
def test_a_name_is_one_that_every_system_takes(path, suffix):
    """X01 to X07: inside data/, no control or bidirectional characters, nothing too long."""
    first, second = itertools.islice(candidates(path, identity(path), suffix), 2)
    for name in (first, second):
        assert not name.startswith("/")
        assert len(name.encode()) <= WHOLE
        assert name.endswith(suffix)
        for part in name.split("/"):
            assert part not in ("", ".", "..")
            assert 0 < len(part.encode()) <= COMPONENT
            assert not set(part) & set('<>:"|?*\\')
            assert not part.endswith((".", " "))
            assert all(unicodedata.category(char)[0] != "C" for char in part)
            assert not PureWindowsPath(part).is_reserved()
            text_of(part.encode())


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("letters/a.pdf", "letters/a.pdf.txt"),
        ("letters/Über – 語.pdf", "letters/Über – 語.pdf.txt"),
        ("letters/.hidden", "letters/.hidden.txt"),
        ("letters/-rf.pdf", "letters/-rf.pdf.txt"),
        ("letters/=cmd|x.csv", "letters/=cmd_x.csv~ID.txt"),
        ("letters/a:b", "letters/a_b~ID.txt"),
        ("letters/CON", "letters/_CON~ID.txt"),
        ("letters/nul.tar.gz", "letters/_nul.tar.gz~ID.txt"),
        ("letters/a.", "letters/a._~ID.txt".replace("a._", "a_")),
        ("letters/a.txt/b", "letters/a.txt_/b~ID.txt"),
        ("letters/../../etc/passwd", "letters/._/._/etc/passwd~ID.txt"),
        ("//mnt/a.pdf", "mnt/a.pdf.txt"),
    ],
)
def test_names_are_those_of_the_inputs_as_far_as_can_be(path, name):
    """What had to be changed bears the id of its Document, so that nobody else comes to it."""
    assert next(candidates(path, "ID", ".txt")) == name


def test_a_document_keeps_its_name(tmp_path):
    """Processed again it replaces its own file; where that ends otherwise, the old one goes."""
    db = sqlite3.connect(":memory:")
    db.executescript(SCHEMA)
    listing = Listing(db)

    def add(document, path, suffix):
        listing.add(1, [MadeFile(document, f"id{document}", path, suffix, 1, 1, None)], taken)
        (row,) = (row for row in listing.of(1) if row.document == document)
        return row.name

    def taken(name):
        return name == "in/mine.txt"

    assert add(1, "in/a", ".txt") == "in/a.txt"
    assert add(2, "in/A", ".txt") == "in/A~id2.txt"
    listing.lose(1, [1])
    assert add(2, "in/A", ".txt") == "in/A~id2.txt"
    assert listing.doomed() == ["in/a.txt"]
    assert add(3, "in/A", ".txt") == "in/A~id3.txt"  # until it has been deleted
    listing.forget(listing.doomed())
    assert add(4, "in/A", ".txt") == "in/A.txt"
    assert add(4, "in/A", ".json") == "in/A.json"
    assert listing.doomed() == ["in/A.txt"]
    assert add(5, "in/mine", ".txt") == "in/mine~id5.txt"


@fixed
@given(st.lists(paths, unique=True, max_size=8))
def test_whose_a_name_is_can_be_told_without_the_ledger(found):
    """A ledger that was lost is made again from the names."""
    exact = [path for path in found if len({path, *map(os.path.normpath, [path])}) == 1]
    names = named(exact, [".txt"] * len(exact))
    for number, path in enumerate(exact, 1):
        mine = set(own(path, identity(path)))
        assert names[number] in mine
        assert not mine & {name for other, name in names.items() if other != number}
