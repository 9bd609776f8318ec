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


def pdf_of(*objects):
    """A PDF of some objects, the first of them its catalog."""
    data, places = b"%PDF-1.7\n", []
    for number, content in enumerate(objects, 1):
        places.append(len(data))
        data += b"%d 0 obj\n%s\nendobj\n" % (number, content)
    table = b"".join(b"%010d 00000 n \n" % place for place in places)
    end = b"trailer\n<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n"
    size = len(objects) + 1
    return data + b"xref\n0 %d\n%010d 65535 f \n" % (size, 0) + table + end % (size, len(data))


CATALOG = b"<</Type/Catalog/Pages 2 0 R>>"
PAGE = b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 9 9]>>"


@pytest.mark.parametrize(("count", "pages"), [(10_000_000, 1), (-5, 1), (1 << 70, 1), (3, 3)])
def test_claimed_pages_are_not_all_believed(extract, count, pages):
    """As many as PDFium counts; those that are not there are named, and cost no time."""
    tree = b"<</Type/Pages/Count %d/Kids[3 0 R]>>" % count
    record = extract("a.pdf", pdf_of(CATALOG, tree, PAGE))
    assert record["pages"] == pages
    assert record.get("failed_pages", []) == [*range(2, pages + 1)]


def test_a_tree_of_pages_in_circles_ends(extract):
    """Nodes that hold each other."""
    root = b"<</Type/Pages/Count 4/Kids[3 0 R 2 0 R]>>"
    node = b"<</Type/Pages/Parent 2 0 R/Count 3/Kids[2 0 R 3 0 R]>>"
    with pytest.raises(CorruptError, match="can be loaded"):
        extract("a.pdf", pdf_of(CATALOG, root, node))


def test_a_page_as_large_as_the_universe_is_text_like_any_other(extract):
    """Nothing is drawn, so its size does not matter."""
    page = (
        b"<</Type/Page/Parent 2 0 R/MediaBox[-1e30 -1e30 1e30 1e30]/UserUnit 1e30/Contents 4 0 R"
        b"/Resources<</Font<</F<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>>>>>>>"
    )
    drawn = b"BT /F 12 Tf 10 10 Td (hello there) Tj ET"
    stream = b"<</Length %d>>stream\n%s\nendstream" % (len(drawn), drawn)
    tree = b"<</Type/Pages/Count 1/Kids[3 0 R]>>"
    assert extract("a.pdf", pdf_of(CATALOG, tree, page, stream))["text"] == "hello there"


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
