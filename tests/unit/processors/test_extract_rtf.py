"""RTF: encodings, what is text and what is not, and files made to harm."""

import pytest

from docherd.exceptions import CorruptError
from docherd.processors.extract import Extract


@pytest.fixture
def text(extract):
    """The text of what stands in an RTF's one group."""

    def run(inside):
        return extract("a.rtf", b"{\\rtf1\\ansi " + inside + b"}")["text"]

    return run


@pytest.mark.parametrize(
    ("inside", "expected"),
    [
        (rb"\'dcbersicht", "Übersicht"),
        (rb"\mac \'8arger", "ärger"),
        (rb"\ansicpg1250 \'b9\'ea", "ąę"),
        (rb"{\fonttbl{\f1\fcharset204 Arial;}}\f1 \'cc\'e8\'f0 {\f0 \'e9}\'e8", "Мир éи"),
        # A byte of a Japanese character may stand there as the letter that it also is.
        (rb"{\fonttbl{\f0\fcharset128 x;}}\f0 \'83A\'83\'5c", "アソ"),
        (rb"{\fonttbl{\f0\fcharset134 x;}}\deff0 \'c4\'ea", "年"),
        (rb"\u24180?\uc2\u24565??\uc0\u24565 x", "年念念x"),
        (rb"\u-10179?\u-8704? \u128512?", "😀 😀"),
        (rb"\uc1\u8704\'3f\u8704\{x", "∀∀x"),
        (rb"a\~b\_c\-d\emdash e\{\}\\", "a\xa0b‑c\xadd—e{}\\"),
        (rb"\ansicpg99999 \'e9", "é"),
    ],
)
def test_characters(text, inside, expected):
    """Code pages, fonts' character sets, Unicode with its stand-ins, symbols."""
    assert text(inside) == expected


def test_text_is_in_document_order_and_notes_come_after(text):
    """Rows on a line, a tab between cells; notes, then what stands on every page."""
    inside = (
        rb"{\header the head\par}One{\footnote \chftn a note}\par\trowd a\cell b\cell\row"
        rb"{\field{\*\fldinst HYPERLINK 'x'}{\fldrslt shown}}\line{\*\annotation a comment}"
        rb"{\shp{\*\shpinst{\sp{\sn x}{\sv 1}}{\shptxt boxed\par}}{\shprslt twice}}"
        rb"{\object{\*\objdata 0102}{\result object}}{\footer the foot}"
    )
    assert text(inside).split("\n") == [
        *("One", "a\tb", "shown", "boxed", "object"),
        *("a note", "a comment", "the head", "the foot"),
    ]


def test_what_is_no_text(text):
    """Tables of fonts and styles, pictures, unknown destinations, bytes and deleted words."""
    inside = (
        rb"{\fonttbl{\f0 Arial;}}{\colortbl;\red0;}{\stylesheet{Normal;}}{\*\unknown x}"
        rb"{\pict 0102ff}{\pict\bin4 }{\\x}{\deleted gone}kept{\info{\comment x}}"
    )
    assert text(inside) == "kept"


def test_properties(extract):
    """Title, author and dates; a year of 1601 is how writers say that they do not know."""
    record = extract(
        "a.rtf",
        rb"{\rtf1{\info{\title A \'fctitle}{\author An author}{\creatim\yr2004\mo9\dy20\hr19\min36}"
        rb"{\revtim\yr1601\mo1\dy1}}Text}after it",
    )
    assert (record["title"], record["authors"]) == ("A ütitle", ["An author"])
    assert record["created"] == "2004-09-20T19:36:00"
    assert "modified" not in record
    assert record["text"] == "Text"


def test_a_file_that_ends_early_says_so(extract):
    """Text that is there is kept; where it had not begun, the file is corrupt."""
    assert extract("a.rtf", rb"{\rtf1 some te") == {
        **{"kind": "rtf", "partial": True},
        **{"words": 2, "text": "some te"},
    }
    with pytest.raises(CorruptError):
        extract("a.rtf", rb"{\rtf1{\fonttbl{\f0 Ari")


@pytest.mark.parametrize(
    "inside",
    [
        b"{" * 100_000 + b"x" + b"}" * 100_000,
        b"{\\footnote " * 20_000,
        b"}" * 100_000,
        b"{\\field{\\*\\fldinst{HYPERLINK " * 20_000,
        b"{\\fonttbl" + b"\\f1 " * 100_000,
        b"\\bin999999999 x",
        b"\\bin-5 x",
        b"\\u99999999999 \\uc9999999999 x\\'",
        b"\\" * 100_000,
        b"\\'" * 100_000,
        b"\\uc1000000000\\u1 " * 10_000,
    ],
)
def test_hostile_groups_and_numbers_end(document, inside):
    """Nesting takes no stack, patterns take linear time, and numbers are not believed."""
    data = b"{\\rtf1 start " + inside
    assert Extract()(document("a.rtf", data))["text"].startswith("start")


def test_a_long_text_gives_heartbeats(document):
    """One a megabyte."""
    beats = []
    Extract()(document("a.rtf", b"{\\rtf1 " + (b"words " * 200 + b"\\par ") * 2700 + b"}", beats))
    assert len(beats) == 3
