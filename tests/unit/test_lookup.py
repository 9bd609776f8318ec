"""The Document that a person means by what was typed."""

import pytest

from docherd.view import View

NAMES = [b"mail/letter.eml", b"mail/letter-2.eml", b"scans/letter.pdf", b"scans/Old.PDF", b"notes"]


@pytest.fixture
def view(fake_run, tmp_path):
    """Five Documents, in one input."""
    fake = fake_run(tmp_path / "out")
    for name in NAMES:
        fake.document(name)
    with View.open(fake.save()) as view:
        yield view


@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("letter.eml", ["mail/letter.eml"]),  # its name, though another one's holds it
        ("letter", ["mail/letter.eml", "scans/letter.pdf"]),  # its name without the ending
        ("mail/letter.eml", ["mail/letter.eml"]),
        ("letter-", ["mail/letter-2.eml"]),
        ("old", ["scans/Old.PDF"]),
        ("*.eml", ["mail/letter.eml", "mail/letter-2.eml"]),
        ("mail/*", ["mail/letter.eml", "mail/letter-2.eml"]),
        ("docs/**/*.pdf", ["scans/letter.pdf"]),
        ("[l]etter.pdf", ["scans/letter.pdf"]),
        ("/notes/", ["notes"]),
        ("nothing of the kind", []),
    ],
)
def test_part_of_a_name_is_enough(view, typed, meant):
    """Whole names first, then what holds it; globs on the name, or below the input, or whole."""
    likely = view.like(typed, 20)
    assert likely.paths == [f"docs/{path}" for path in meant]
    assert likely.number == len(meant)


def test_only_the_first_are_named_and_all_are_counted(view):
    """However many they are."""
    likely = view.like("*", 2)
    assert (len(likely.paths), likely.number, likely.near) == (2, 5, [])


def test_slips_of_the_fingers_are_understood(view):
    """By the name, or by the path where one was typed."""
    assert view.like("lettre.pdf", 20).near[0] == "docs/scans/letter.pdf"
    assert view.like("docs/mial/letter.eml", 20).near[0] == "docs/mail/letter.eml"
    assert view.like("zzzzzz", 20).near == []
