"""OpenDocument texts, presentations and flat XML."""

import pytest

from docherd.exceptions import CorruptError, EncryptedError
from docherd.processors.extract import Extract
from docherd.processors.readers import opendocument

FLAT = """<?xml version="1.0"?><office:document xmlns:office="o" xmlns:text="t" xmlns:table="a"
 xmlns:draw="d" xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:meta="m"
 xmlns:presentation="p"><office:meta><dc:title>A title</dc:title>
 <meta:initial-creator>An author</meta:initial-creator></office:meta>
 <office:body>{}</office:body></office:document>"""


def flat(body):
    return FLAT.format(body).encode()


def test_text_is_in_document_order_and_notes_come_after(samples, extract):
    """Headings, paragraphs and cells as they stand; then notes; then headers and footers."""
    record = extract("a.odt", samples["a.odt"])
    assert record["text"].split("\n") == [
        "A heading",
        "before  the note",
        "left\tright",
        "below",
        "what the note says",
        "the header",
        "the footer",
    ]
    assert (record["title"], record["authors"]) == ("A title", ["An author"])
    assert (record["created"], record["language"]) == ("2026-11-27T10:00:00", "de-CH")


def test_slides_are_counted_and_end_with_their_notes(samples, document):
    """A form feed between slides, a heartbeat for each."""
    pages = []
    record = Extract()(document("a.odp", samples["a.odp"], pages))
    assert record["text"] == "slide 1\nnote 1\fslide 2\nnote 2"
    assert (record["slides"], pages) == (2, [1, 2])


def test_a_slide_says_the_footer_it_uses(extract):
    """The footer is declared once and named by each slide that shows it."""
    record = extract(
        "a.fodp",
        flat(
            '<office:presentation><presentation:footer-decl presentation:name="f">Page foot'
            '</presentation:footer-decl><draw:page presentation:use-footer-name="f"><text:p>One'
            "</text:p></draw:page><draw:page><text:p>Two</text:p></draw:page></office:presentation>"
        ),
    )
    assert record["text"] == "One\nPage foot\fTwo"


def test_flat_text_has_the_same_properties(extract):
    """How the XML is laid out is no text; deleted text and who commented are not read."""
    record = extract(
        "a.fodt",
        flat(
            "<office:text>\n  <text:tracked-changes><text:p>gone</text:p></text:tracked-changes>"
            "\n  <text:p>one\n   two<text:tab/><text:line-break/>three<office:annotation>"
            "<dc:creator>Who</dc:creator><text:p>a comment</text:p></office:annotation>!</text:p>"
            "</office:text>"
        ),
    )
    assert record["text"].split("\n") == ["one two", "three!", "a comment"]
    assert (record["kind"], record["title"]) == ("fodf", "A title")
    assert record["authors"] == ["An author"]


def test_flat_sheets_repeat_their_cells(extract):
    """Cells and rows that stand for several are there as often; empty ones only keep columns."""
    sheet = (
        '<office:spreadsheet><table:table table:name="S"><table:table-row'
        ' table:number-rows-repeated="2"><table:table-cell table:number-columns-repeated="2"/>'
        '<table:table-cell table:number-columns-repeated="2"><text:p>x</text:p></table:table-cell>'
        '<table:table-cell table:number-columns-repeated="16000"/></table:table-row>'
        '<table:table-row table:number-rows-repeated="1000000"><table:table-cell/>'
        "</table:table-row></table:table></office:spreadsheet>"
    )
    record = extract("a.fods", flat(sheet))
    assert (record["text"], record["sheets"]) == ("S\n\t\tx\tx\n\t\tx\tx", 1)


def test_repeats_without_end_are_corrupt(extract, monkeypatch):
    """A cell that says it stands for millions is a bomb like any other."""
    monkeypatch.setattr(opendocument, "REPEATED_LIMIT", 100_000)
    sheet = (
        '<office:spreadsheet><table:table><table:table-row table:number-rows-repeated="1000000">'
        '<table:table-cell table:number-columns-repeated="16000"><text:p>x</text:p>'
        "</table:table-cell></table:table-row></table:table></office:spreadsheet>"
    )
    with pytest.raises(CorruptError, match="repeats"):
        extract("a.fods", flat(sheet))


def test_spaces_without_end_are_cut(extract):
    """A billion spaces in one element are not written out."""
    body = '<office:text><text:p>a<text:s text:c="999999999"/>b</text:p></office:text>'
    assert len(extract("a.fodt", flat(body))["text"]) == 1002


@pytest.mark.parametrize("body", ["", "<office:text/>"])
def test_a_document_without_a_body_is_corrupt_one_without_text_is_not(extract, body):
    """Nothing in a document is not the same as no document."""
    if body:
        assert extract("a.fodt", flat(body))["text"] == ""
    else:
        with pytest.raises(CorruptError):
            extract("a.fodt", flat(body))


def test_missing_styles_and_properties_do_not_cost_the_text(samples, build, extract):
    """What stands beside content.xml may be broken."""
    broken = {"styles.xml": lambda xml: b"<x", "meta.xml": lambda xml: b""}
    record = extract("a.odt", build["edit_zip"](samples["a.odt"], broken))
    assert record["text"].startswith("A heading\n")
    assert "title" not in record


def test_a_missing_content_is_corrupt(build, extract):
    """Without content.xml there is nothing to read."""
    data = build["zip"]({"mimetype": "application/vnd.oasis.opendocument.text"})
    with pytest.raises(CorruptError):
        extract("a.odt", data)


def test_an_encrypted_text_needs_a_password(samples, build, extract):
    """Its manifest tells how to decrypt it."""
    manifest = {"META-INF/manifest.xml": lambda xml: xml + b"<!-- encryption-data -->"}
    with pytest.raises(EncryptedError):
        extract("a.odt", build["edit_zip"](samples["a.odt"], manifest))
