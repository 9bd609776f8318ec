"""E-books: EPUB and FictionBook."""

import pytest

from docherd.exceptions import CorruptError, EncryptedError
from docherd.processors.extract import Extract

LOCKED = (
    '<encryption><EncryptedData xmlns="e"><CipherData><CipherReference URI="{}"/></CipherData>'
    "</EncryptedData></encryption>"
)


def test_chapters_come_in_the_order_of_the_spine(samples, document):
    """Not in that of the ZIP; each is a heartbeat, and a form feed stands between them."""
    pages = []
    record = Extract()(document("a.epub", samples["a.epub"], pages))
    assert record["text"] == "Two\fOne\nGrüße"
    assert (record["chapters"], record["title"], pages) == (2, "A title", [1, 2])


def test_metadata_of_both_versions(build, extract):
    """EPUB 2 says of which event a date is, EPUB 3 with which property."""
    record = extract(
        "a.epub",
        build["epub"](
            "<dc:title>T</dc:title><dc:creator>A</dc:creator><dc:creator>B</dc:creator>"
            '<dc:language>de</dc:language><dc:date opf:event="publication">2009-10-07</dc:date>'
            '<meta property="dcterms:modified">2023-10-03T21:39:12Z</meta>'
        ),
    )
    assert (record["title"], record["authors"], record["language"]) == ("T", ["A", "B"], "de")
    assert record["created"] == "2009-10-07T00:00:00"
    assert record["modified"] == "2023-10-03T21:39:12+00:00"


def test_the_title_may_stand_in_the_contents(build, extract):
    """An NCX whose points go in a circle is asked for its title and nothing else."""
    ncx = (
        '<ncx xmlns="n"><docTitle><text>From the NCX</text></docTitle><navMap><navPoint id="a">'
        '<content src="toc.ncx#a"/></navPoint></navMap></ncx>'
    )
    data = build["epub"]("", **{"OEBPS/toc.ncx": ncx})
    assert extract("a.epub", data)["title"] == "From the NCX"


def test_chapters_that_are_not_there_are_named(build, extract):
    """A spine that names what is missing, unknown or outside costs those chapters only."""
    record = extract("a.epub", build["epub"](spine="one out nothing two one"))
    assert (record["failed_chapters"], record["chapters"]) == ([2, 3], 4)
    assert record["text"] == "One\nGrüße\fTwo"


@pytest.mark.parametrize("spine", ["", "out", "nothing"])
def test_no_chapter_at_all_is_corrupt(build, extract, spine):
    """There is no text to keep."""
    with pytest.raises(CorruptError, match="none can be read"):
        extract("a.epub", build["epub"](spine=spine))


def test_chapters_under_drm_are_encrypted_and_obscured_fonts_are_not(build, extract):
    """Shops encrypt chapters; publishers obscure fonts, which are not read."""
    name = "META-INF/encryption.xml"
    font = build["epub"](**{name: LOCKED.format("OEBPS/fonts/a.otf")})
    assert extract("a.epub", font)["chapters"] == 2
    with pytest.raises(EncryptedError, match="DRM"):
        extract("a.epub", build["epub"](**{name: LOCKED.format("OEBPS/text/one%20.xhtml")}))


@pytest.mark.parametrize("name", ["META-INF/container.xml", "OEBPS/book.opf"])
@pytest.mark.parametrize("content", ["", "<a/>", "<broken"])
def test_a_book_without_its_vital_parts_is_corrupt(build, extract, name, content):
    """The way to the chapters is missing."""
    with pytest.raises(CorruptError):
        extract("a.epub", build["epub"](**{name: content}))


def test_fictionbook(samples, build, extract):
    """Every paragraph, verse and row in its encoding; zipped it is the same."""
    record = extract("a.fb2", samples["a.fb2"])
    assert record["text"].split("\n") == ["Том 1", "Первый абзац", "стих", "a\tb", "сноска"]
    assert (record["title"], record["authors"]) == ("Война и мир", ["Лев Толстой"])
    assert (record["language"], record["created"]) == ("ru", "1869-01-01T00:00:00")
    zipped = extract("a.fb2.zip", build["zip"]({"a.fb2": samples["a.fb2"]}))
    assert (zipped["kind"], zipped["text"]) == ("fb2", record["text"])


@pytest.mark.parametrize("part", [0.4, 0.9])
def test_a_truncated_fictionbook_is_corrupt(samples, document, part):
    """XML that does not end is none."""
    data = samples["a.fb2"]
    with pytest.raises(CorruptError):
        Extract()(document("a.fb2", data[: int(len(data) * part)]))
