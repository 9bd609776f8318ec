"""Texts, tables in text, JSON and XML: encodings above all."""

import pytest

from docherd.exceptions import CorruptError

GERMAN = "Größe und Gewicht für Jürgen, im Straßenverkäufer geprüft.\n"
FRENCH = "Le café était fermé à Noël, c’est « dommage ».\n"
RUSSIAN = "Все люди рождаются свободными и равными в своем достоинстве и правах.\n"
JAPANESE = "これは日本語のテキストです。漢字も含みます。\n"


@pytest.mark.parametrize(
    ("text", "written", "found"),
    [
        ("plain ASCII\n", "ascii", "utf-8"),
        (GERMAN, "utf-8", "utf-8"),
        (GERMAN, "utf-8-sig", "utf-8"),
        (GERMAN, "latin-1", "cp1252"),
        (FRENCH, "cp1252", "cp1252"),
        (RUSSIAN, "cp1251", "cp1251"),
        (RUSSIAN, "koi8-r", "koi8-r"),
        (JAPANESE, "shift_jis", "cp932"),
        (JAPANESE, "euc_jp", "euc_jp"),
        (GERMAN, "utf-16-le", "utf-16-le"),
        (GERMAN, "utf-16-be", "utf-16-be"),
    ],
)
def test_encodings_are_found(extract, text, written, found):
    """The text comes back whatever it was written in, and the encoding is named."""
    record = extract("a.txt", text.encode(written))
    assert (record["text"], record["encoding"]) == (text, found)


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
def test_marks_are_believed_and_removed(extract, encoding):
    """A byte order mark settles the encoding and is no part of the text."""
    record = extract("a.txt", ("\ufeff" + JAPANESE).encode(encoding))
    assert (record["text"], record["encoding"]) == (JAPANESE, encoding)


def test_a_log_cut_in_mid_character_stays_utf8(extract):
    """A few broken places do not turn a UTF-8 text into another encoding."""
    record = extract("a.log", ((GERMAN * 20).encode() + "ü".encode()[:1]))
    assert record["encoding"] == "utf-8"
    assert record["text"].endswith("\ufffd")


def test_a_long_text_is_guessed_from_a_sample(extract):
    """Beyond 64 KB only a sample is looked at, and it is not cut within a character."""
    record = extract("a.txt", (JAPANESE * 2000).encode("euc_jp"))
    assert record["text"] == JAPANESE * 2000


@pytest.mark.parametrize("claim", ["utf-8", "no-such-code", "base64", "idna", "punycode", "a\0b"])
def test_hostile_declarations_are_ignored(claim):
    """An encoding that Python knows but no file is in is not believed."""
    from docherd.processors.readers.encoding import decode

    assert decode(GERMAN.encode("latin-1"), claim).text == GERMAN


@pytest.mark.parametrize(
    ("name", "content", "rows", "columns"),
    [
        ("a.csv", "a,b,c\n1,2,3\n", 2, 3),
        ("a.csv", "a;b\n1;2\n\n3;4;5\n", 3, 3),
        ("a.csv", "a|b\r\n1|2\r\n", 2, 2),
        ("a.csv", '"x\ny",2\n', 1, 2),
        ("a.csv", "alone\n", 1, 1),
        ("a.csv", "a," + "x" * 200_000 + "\n", 1, 2),
        ("a.tsv", "a\tb,c\n1\t2\n", 2, 2),
    ],
)
def test_tables_are_counted(extract, name, content, rows, columns):
    """Rows that hold anything and the widest row are counted; the text is as in the file."""
    record = extract(name, content.encode())
    assert (record["rows"], record["columns"], record["text"]) == (rows, columns, content)


def test_markdown_and_json_are_kept_as_they_are(extract):
    """Their source is their text."""
    assert extract("a.md", b"# Title\n\n* a\n")["text"] == "# Title\n\n* a\n"
    assert extract("a.json", b'{"a": [1, 2]}') == {
        "kind": "json",
        "encoding": "utf-8",
        "words": 3,
        "text": '{"a": [1, 2]}',
    }


def test_xml_gives_its_character_data(extract):
    """Elements, comments and processing instructions are left out, the language is kept."""
    record = extract(
        "a.xml",
        b'<?xml version="1.0" encoding="iso-8859-1"?><?pi x?><a xml:lang="fr"><!-- no -->'
        b"<b>caf\xe9</b> <c> two\nlines </c></a>",
    )
    assert record["text"] == "café\ntwo lines"
    assert (record["language"], record["encoding"]) == ("fr", "iso8859-1")


def test_malformed_xml_raises_corrupt(extract):
    """XML that does not parse is corrupt, with the parser's message on one line."""
    with pytest.raises(CorruptError, match="line 1"):
        extract("a.xml", b'<?xml version="1.0"?><a><b></a>')
