"""PDF: text, properties, passwords, and pages that fail."""

import pytest

from docherd.exceptions import CorruptError, EncryptedError
from docherd.processors.extract import Extract


def test_pages_text_and_properties(samples, extract):
    """Pages are joined by a form feed; title, authors, date and language are as stated."""
    record = extract("a.pdf", samples["a.pdf"])
    assert record["text"] == "first page\fsecond page"
    assert (record["pages"], record["title"], record["authors"]) == (2, "A title", ["An author"])
    assert record["language"] == "de-CH"
    assert record["created"][:2] == "20"
    assert "T" in record["created"]


def test_every_page_is_a_heartbeat(samples, document):
    """The engine hears of each page by its number, from 1."""
    pages = []
    Extract()(document("a.pdf", samples["a.pdf"], pages))
    assert pages == [1, 2]


@pytest.mark.parametrize("passwords", [(), ("wrong",), ("wrong", "worse")])
def test_a_missing_password_raises_encrypted(build, extract, passwords):
    """An encrypted PDF without its password is failed as encrypted, not as corrupt."""
    data = build["pdf"](owner_password="owner", user_password="secret")
    with pytest.raises(EncryptedError, match="password"):
        extract("a.pdf", data, passwords)


def test_a_given_password_opens(build, extract):
    """The passwords are tried in turn."""
    data = build["pdf"](owner_password="owner", user_password="secret")
    assert extract("a.pdf", data, ("wrong", "secret"))["pages"] == 2


def test_an_empty_user_password_opens_by_itself(build, extract):
    """A PDF that only restricts printing is read without being asked."""
    data = build["pdf"](owner_password="owner", user_password="")
    assert extract("a.pdf", data)["text"].startswith("first page")


@pytest.mark.parametrize("length", [9, 40, 120])
def test_a_truncated_pdf_raises_corrupt(samples, extract, length):
    """A PDF without its objects is failed as corrupt, with one line of explanation."""
    with pytest.raises(CorruptError) as caught:
        extract("a.pdf", samples["a.pdf"][:length])
    assert "\n" not in str(caught.value)


def test_a_corrupt_pdf_stays_corrupt_after_an_encrypted_one(build, extract):
    """PDFium's stale last error does not make the next broken file encrypted."""
    with pytest.raises(EncryptedError):
        extract("a.pdf", build["pdf"](owner_password="owner", user_password="secret"))
    with pytest.raises(CorruptError):
        extract("b.pdf", b"%PDF-1.7\n1 0 obj\n<</Names 1 0 R>>\nendobj\n")


def without_page(data, number):
    """The same PDF with one page object renamed: PDFium cannot load that page any more."""
    parts = data.split(b"/Type /Page\n")
    assert len(parts) > number
    kinds = [b"/Type /Page\n"] * (len(parts) - 1)
    kinds[number - 1] = b"/Type /Pagx\n"
    return b"".join(part + kind for part, kind in zip(parts, [*kinds, b""], strict=True))


def test_a_bad_page_does_not_cost_the_others(build, extract):
    """The pages that work are kept, and those that fail are named."""
    data = without_page(build["pdf"](("one", "two", "three")), 2)
    record = extract("a.pdf", data)
    assert (record["pages"], record["failed_pages"]) == (3, [2])
    assert record["text"] == "one\fthree"


def test_no_page_at_all_raises_corrupt(build, extract):
    """A PDF of which no page can be loaded has no text to keep."""
    with pytest.raises(CorruptError, match="none of 1 pages"):
        extract("a.pdf", without_page(build["pdf"](("one",)), 1))


def test_at_most_one_page_is_open(build, extract, monkeypatch):
    """Each page is closed before the next is loaded: memory does not grow with the pages."""
    import pypdfium2

    seen, load = [], pypdfium2.PdfDocument.get_page

    def watched(pdf, index):
        assert not any(page.raw for page in seen)
        seen.append(load(pdf, index))
        return seen[-1]

    monkeypatch.setattr(pypdfium2.PdfDocument, "get_page", watched)
    assert extract("a.pdf", build["pdf"](map(str, range(50))))["pages"] == 50
    assert len(seen) == 50


@pytest.mark.parametrize(
    ("stated", "iso"),
    [
        ("D:20201231235959+01'30'", "2020-12-31T23:59:59+01:30"),
        ("D:20201231235959Z", "2020-12-31T23:59:59+00:00"),
        ("D:2020", "2020-01-01T00:00:00"),
        ("2020-12-31T23:59:59.1234567Z", "2020-12-31T23:59:59.123456+00:00"),
        ("D:20209999", None),
        ("yesterday", None),
        ("", None),
        (None, None),
    ],
)
def test_dates_become_iso_8601(stated, iso):
    """Dates keep their time zone; what is no date is left out."""
    from docherd.processors.readers.properties import iso_8601

    assert iso_8601(stated) == iso
