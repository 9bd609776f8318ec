"""Word, PowerPoint and spreadsheets."""

import errno
import io
import struct
import zipfile
from datetime import date, datetime, time, timedelta

import pytest
import python_calamine

from compound import compound
from docherd.exceptions import CorruptError, EncryptedError
from docherd.processors.extract import Extract
from docherd.processors.readers.cell import shown


def test_word_text_is_in_document_order(samples, extract):
    """Paragraphs and tables come as they stand, a tab between cells."""
    record = extract("a.docx", samples["a.docx"])
    assert record["text"].split("\n") == [
        "before the table",
        "cell 0\tcell 1",
        "cell 2\tcell 3",
        "after the table",
    ]
    assert (record["title"], record["authors"]) == ("A title", ["An author"])
    assert record["created"].startswith("2013-12-23T23:15:00")  # python-docx's own template


def test_word_headers_and_footers_come_last(build, extract):
    """What is printed on every page is there once, after the body."""

    def add(word):
        word.sections[0].header.paragraphs[0].text = "the header"
        word.sections[0].footer.paragraphs[0].text = "the footer"

    lines = extract("a.docx", build["docx"](add))["text"].split("\n")
    assert lines[0] == "before the table"
    assert lines[-2:] == ["the header", "the footer"]


def test_word_text_that_paragraphs_leave_out(build, extract):
    """Inserted text, content controls and breaks are text; deleted text and fallbacks are not."""
    word = b"""<w:p><w:ins><w:r><w:t>inserted</w:t></w:r></w:ins><w:r><w:br/><w:t>broken</w:t></w:r>
    <w:del><w:r><w:delText>deleted</w:delText></w:r></w:del></w:p>
    <w:sdt><w:sdtContent><w:p><w:pPr><w:tabs><w:tab w:val="left"/></w:tabs></w:pPr>
    <w:r><w:t>con</w:t><w:tab/><w:t>trol</w:t></w:r></w:p></w:sdtContent></w:sdt>
    <mc:AlternateContent xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006">
    <mc:Fallback><w:p><w:r><w:t>twice</w:t></w:r></w:p></mc:Fallback></mc:AlternateContent>"""
    data = build["edit_zip"](
        build["docx"](),
        {"word/document.xml": lambda xml: xml.replace(b"<w:body>", b"<w:body>" + word)},
    )
    lines = extract("a.docx", data)["text"].split("\n")
    assert lines[:4] == ["inserted", "broken", "con\ttrol", "before the table"]


def test_macro_documents_and_templates_are_read(build, extract):
    """A .docm, whose main part has another type, is read like a .docx."""
    main = b"vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"
    macro = b"vnd.ms-word.document.macroEnabled.main+xml"
    data = build["edit_zip"](
        build["docx"](), {"[Content_Types].xml": lambda xml: xml.replace(main, macro)}
    )
    assert "before the table" in extract("a.docm", data)["text"]


def test_comments_are_read_with_the_notes(build, extract):
    """What reviewers wrote is text as well."""

    def comment(word):
        word.add_comment(word.paragraphs[0].runs, text="a comment", author="Who")

    assert "a comment" in extract("a.docx", build["docx"](comment))["text"].split("\n")


def test_word_of_2003_kept_all_in_one_xml(extract):
    """Text as in a .docx, and its own names for the properties."""
    record = extract(
        "a.xml",
        b"""<?xml version="1.0"?><?mso-application progid="Word.Document"?>
        <w:wordDocument xmlns:w="w" xmlns:o="o"><o:DocumentProperties><o:Title>A title</o:Title>
        <o:Author>An author</o:Author><o:Created>2006-05-18T12:19:00Z</o:Created>
        </o:DocumentProperties><w:body><w:p><w:r><w:t>One</w:t></w:r></w:p><w:tbl><w:tr><w:tc><w:p>
        <w:r><w:t>left</w:t></w:r></w:p></w:tc><w:tc><w:p><w:r><w:t>right</w:t></w:r></w:p></w:tc>
        </w:tr></w:tbl></w:body></w:wordDocument>""",
    )
    assert (record["kind"], record["text"]) == ("xml-word", "One\nleft\tright")
    assert (record["title"], record["authors"]) == ("A title", ["An author"])
    assert record["created"] == "2006-05-18T12:19:00+00:00"


def test_slides_with_tables_and_notes(samples, document):
    """Slides are counted, are joined by a form feed and end with their notes."""
    pages = []
    record = Extract()(document("a.pptx", samples["a.pptx"], pages))
    assert record["text"] == "slide 1\fslide 2\nleft\tright\na note"
    assert (record["slides"], record["title"]) == (2, "A title")
    assert pages == [1, 2]


@pytest.mark.parametrize("role", ["template", "slideshow", "presentation"])
def test_macro_presentations_are_read(build, extract, role):
    """Templates and shows with macros, which python-pptx refuses, are read too."""
    main = b"vnd.openxmlformats-officedocument.presentationml.presentation.main+xml"
    macro = f"vnd.ms-powerpoint.{role}.macroEnabled.main+xml".encode()
    data = build["edit_zip"](
        build["pptx"](), {"[Content_Types].xml": lambda xml: xml.replace(main, macro)}
    )
    assert extract("a.pptm", data)["slides"] == 2


def test_sheets_and_their_rows(samples, document):
    """Every sheet is named and counted; whole numbers have no decimals."""
    pages = []
    record = Extract()(document("a.xlsx", samples["a.xlsx"], pages))
    assert record["text"] == "Numbers\ntext\t3\t0.1\tTRUE\fEmpty"
    assert (record["sheets"], record["title"], record["authors"]) == (2, "A title", ["An author"])
    assert pages == [1, 2]


def test_cells_stay_on_their_line(extract):
    """Line breaks inside a cell become spaces, dates become ISO 8601."""
    import openpyxl

    book = openpyxl.Workbook()
    moment = datetime(2026, 11, 27, 10, 30)
    book.active.append(["two\nlines", moment, date(2026, 11, 27), time(10, 30), 1e300, None])
    file = io.BytesIO()
    book.save(file)
    text = extract("a.xlsx", file.getvalue())["text"]
    assert text == "Sheet\ntwo lines\t2026-11-27 10:30:00\t2026-11-27\t10:30:00\t1e+300"


def test_what_calamine_cannot_read_is_read_row_by_row(build, samples, extract):
    """A package whose relations are broken, where every program puts its workbook anyhow."""
    data = build["edit_zip"](samples["a.xlsx"], {"_rels/.rels": lambda _: b"<?xml version='1.0'?>"})
    assert extract("a.xlsx", data)["text"] == extract("a.xlsx", samples["a.xlsx"])["text"]


def test_error_values_are_kept_in_xlsx(extract):
    """#DIV/0! is what people see, and what they look for."""
    import openpyxl

    book = openpyxl.Workbook()
    book.active.append(["a", "#DIV/0!", "#N/A", None, 1])
    file = io.BytesIO()
    book.save(file)
    assert extract("a.xlsx", file.getvalue())["text"] == "Sheet\na\t#DIV/0!\t#N/A\t\t1"


def test_error_values_are_kept_in_xls(extract):
    """As a value and as the result of a formula, in the second of two sheets."""
    result = b"\x02\0\x2a\0\0\0\xff\xff"  # #N/A
    cells = [
        (0x0203, struct.pack("<HHHd", 4, 2, 0, 1.5)),
        (0x0205, struct.pack("<HHHBB", 4, 3, 0, 7, 1)),
        (0x0205, struct.pack("<HHHBB", 4, 4, 0, 1, 0)),
        (0x0006, struct.pack("<HHH8sHIH", 5, 2, 0, result, 0, 0, 0)),
    ]
    book = workbook_of({"one": [], "two": cells})
    assert extract("a.xls", book)["text"] == "one\ftwo\n1.5\t#DIV/0!\tTRUE\n#N/A"


def workbook_of(sheets):
    """As little of an Excel 97 workbook as is one."""

    def record(kind, data):
        return struct.pack("<HH", kind, len(data)) + data

    def begin(what):
        return record(0x0809, struct.pack("<HHHHII", 0x0600, what, 0, 0, 0, 6))

    end = record(0x0A, b"")
    parts = [
        begin(0x10) + b"".join(record(*each) for each in cells) + end for cells in sheets.values()
    ]
    names = [struct.pack("<HBB", 0, len(name), 0) + name.encode() for name in sheets]
    at = len(begin(5) + end) + sum(len(record(0x85, bytes(4) + name)) for name in names)
    globals_ = begin(5)
    for name, part in zip(names, parts, strict=True):
        globals_ += record(0x85, struct.pack("<I", at) + name)
        at += len(part)
    return compound("Workbook", globals_ + end + b"".join(parts))


def test_error_values_are_kept_in_ods(samples, build, extract):
    """LibreOffice writes an empty text, or 0, and beside it what it shows."""

    def with_errors(content):
        cell = b'<table:table-cell office:value-type=%s calcext:value-type="error"><text:p>%s'
        cells = cell % (
            b'"string" office:string-value=""',
            b"#DIV/0!</text:p></table:table-cell>",
        ) + cell % (b'"float" office:value="0"', b"#N/A</text:p></table:table-cell>")
        return content.replace(b"</table:table-row>", cells + b"</table:table-row>").replace(
            b"<office:document-content", b'<office:document-content xmlns:calcext="urn:calcext"'
        )

    data = build["edit_zip"](samples["a.ods"], {"content.xml": with_errors})
    assert extract("a.ods", data)["text"] == "Sheet\nleft\tright\t#DIV/0!\t#N/A"


def test_cells_far_apart_do_not_end_the_worker(samples, build, extract):
    """As a rectangle, A1 and XFD1048576 are 400 GB of empty cells: calamine aborts."""

    def far(sheet):
        cell = b'<row r="1048576"><c r="XFD1048576"><v>2</v></c></row></sheetData>'
        return sheet.replace(b"</sheetData>", cell)

    data = build["edit_zip"](samples["a.xlsx"], {"xl/worksheets/sheet1.xml": far})
    assert extract("a.xlsx", data)["text"].startswith("Numbers\ntext\t3\t0.1\tTRUE\n\t\t\t")


def test_open_document_cells_far_apart_are_read(samples, build, extract):
    """A million rows and 16,384 columns with something in two corners are no rectangle."""

    def far(content):
        gap = (
            b'<table:table-row table:number-rows-repeated="1048574"><table:table-cell/>'
            b"</table:table-row><table:table-row><table:table-cell"
            b' table:number-columns-repeated="16383"/><table:table-cell'
            b' office:value-type="string"><text:p>corner</text:p></table:table-cell>'
            b"</table:table-row></table:table>"
        )
        return content.replace(b"</table:table>", gap)

    data = build["edit_zip"](samples["a.ods"], {"content.xml": far})
    text = extract("a.ods", data)["text"]
    assert text.startswith("Sheet\nleft\tright\n")
    assert text.endswith("corner")


@pytest.mark.parametrize("rows", [1, 1_000_000])
def test_a_million_columns_are_not_held(samples, build, extract, rows):
    """Said to be repeated, a million times a million: read as far as a sheet may be, or refused."""

    def wide(content):
        row = b'<table:table-row table:number-rows-repeated="%d"><table:table-cell' % rows
        row += b' table:number-columns-repeated="1000000" office:value-type="float"'
        row += b' office:value="1"><text:p>1</text:p></table:table-cell></table:table-row>'
        return content.replace(b"</table:table>", row + b"</table:table>")

    data = build["edit_zip"](samples["a.ods"], {"content.xml": wide})
    try:
        assert len(extract("a.ods", data)["text"]) < 100_000_000
    except CorruptError:
        assert rows > 1


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        (datetime(2026, 11, 24), "2026-11-24"),
        (datetime(2026, 11, 24, 9, 30), "2026-11-24 09:30:00"),
        (datetime(2026, 11, 24, 9, 30, 0, 703_000), "2026-11-24 09:30:00.703"),
        (time(0), "00:00:00"),
        (time(9, 30, 0, 1), "09:30:00"),
        (timedelta(hours=26, minutes=3, milliseconds=4500), "26:03:04.500"),
        (-timedelta(minutes=90), "-1:30:00"),
        (0.1 + 0.2, "0.3"),
        (True, "TRUE"),
    ],
)
def test_cells_are_shown_as_people_see_them(cell, text):
    """Days without a clock, spans in hours, no more digits than a spreadsheet keeps."""
    assert shown(cell) == text


def test_open_document_spreadsheets(samples, extract):
    """ODS is read with the properties of its meta.xml."""
    record = extract("a.ods", samples["a.ods"])
    assert record["text"] == "Sheet\nleft\tright"
    assert (record["sheets"], record["title"]) == (1, "A title")


def test_encrypted_open_document_raises_encrypted(build, extract):
    """ODS whose manifest tells how to decrypt it needs a password."""
    manifest = {"META-INF/manifest.xml": lambda xml: xml + b"<!-- encryption-data -->"}
    with pytest.raises(EncryptedError):
        extract("a.ods", build["edit_zip"](build["ods"](), manifest))


def test_encrypted_members_raise_encrypted(samples, extract):
    """A package whose members carry the encryption flag needs a password."""
    data = bytearray(samples["a.xlsx"])
    for signature, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = data.find(signature)
        while at >= 0:
            if b"[Content_Types]" not in data[at : at + 80]:
                data[at + offset] |= 1
            at = data.find(signature, at + 4)
    with pytest.raises(EncryptedError):
        extract("a.xlsx", bytes(data))


@pytest.mark.parametrize(
    "name", ["a.docx", "a.pptx", "a.xlsx", "a.ods", "a.odt", "a.odp", "a.epub"]
)
@pytest.mark.parametrize("part", [0.3, 0.7, 0.98])
def test_truncated_packages_raise_corrupt(samples, document, name, part):
    """Office files cut short are corrupt, wherever the cut is."""
    data = samples[name]
    doc = document(name, data[: int(len(data) * part)])
    doc._kind = name[2:]  # too little may be left to tell the kind: the reader is what is tested
    with pytest.raises(CorruptError):
        Extract()(doc)


def panic(message):
    """An exception like the one a Rust panic becomes: no Exception, and of no importable type."""
    return type("PanicException", (BaseException,), {})(message)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (lambda: python_calamine.PasswordError("locked"), EncryptedError),
        (lambda: python_calamine.CalamineError("bad"), CorruptError),
        (lambda: OSError("failed to fill whole buffer"), CorruptError),
        (lambda: panic("index out of range"), CorruptError),
        (lambda: OSError(errno.EIO, "disk"), OSError),
        (KeyboardInterrupt, KeyboardInterrupt),
    ],
)
def test_what_calamine_raises_becomes_a_reason(extract, monkeypatch, error, reason):
    """Passwords, damage and panics have their reasons; a failing disk and a stop pass through."""

    class Raising:
        @staticmethod
        def from_filelike(file):
            raise error()

    monkeypatch.setattr(python_calamine, "CalamineWorkbook", Raising)
    with pytest.raises(reason):
        extract("a.xls", workbook_of({"one": []}))


@pytest.mark.parametrize("missing", ["_rels/.rels", "word/document.xml", "[Content_Types].xml"])
def test_packages_without_a_vital_part_raise_corrupt(samples, extract, missing):
    """A Word file without its main part or the way to it is corrupt."""
    file = io.BytesIO()
    with (
        zipfile.ZipFile(io.BytesIO(samples["a.docx"])) as old,
        zipfile.ZipFile(file, "w") as new,
    ):
        for name in old.namelist():
            if name != missing:
                new.writestr(name, old.read(name))
    with pytest.raises(CorruptError):
        extract("a.docx", file.getvalue())


def test_broken_properties_do_not_cost_the_text(samples, build, extract):
    """Where docProps/core.xml is not XML, its keys are left out and the text is kept."""
    data = build["edit_zip"](samples["a.xlsx"], {"docProps/core.xml": lambda xml: b"<broken"})
    record = extract("a.xlsx", data)
    assert "title" not in record
    assert record["sheets"] == 2
