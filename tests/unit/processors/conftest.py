"""Documents made on the spot: every sample is built by the test run, none is stored."""

import io
import os
import zipfile

import pytest

from docherd.document import Document
from docherd.model import Root, Task
from docherd.processors.extract import Extract
from docherd.processors.kind import detect


@pytest.fixture
def document(tmp_path):
    """Make a Document of a name and its bytes; ``pages`` collects its heartbeats."""

    def make(name, data, pages=None):
        path = tmp_path / name
        path.write_bytes(data)
        folder = Root(b"in", os.fsencode(tmp_path))
        task = Task(1, folder, os.fsencode(name), len(data), path.suffix)
        beat = (lambda *_: None) if pages is None else (lambda page, of: pages.append(page))
        return Document(task, detect, beat)

    return make


@pytest.fixture
def extract(document):
    """The Record of a name and its bytes."""

    def run(name, data, passwords=()):
        return Extract(passwords)(document(name, data))

    return run


@pytest.fixture
def kind(document):
    """The kind of a name and its bytes."""

    def run(name, data):
        return detect(document(name, data))

    return run


# ── builders ─────────────────────────────────────────────────────────────────────────────────


def make_pdf(texts=("first page", "second page"), **encryption):
    from fpdf import FPDF

    pdf = FPDF()
    pdf.set_title("A title")
    pdf.set_author("An author")
    pdf.set_lang("de-CH")
    pdf.set_font("helvetica", size=12)
    if encryption:
        pdf.set_encryption(**encryption)
    for text in texts:
        pdf.add_page()
        pdf.cell(text=text)
    return bytes(pdf.output())


def make_docx(edit=None):
    import docx

    word = docx.Document()
    word.core_properties.title = "A title"
    word.core_properties.author = "An author"
    word.add_paragraph("before the table")
    table = word.add_table(2, 2)
    for number, cell in enumerate(table._cells):
        cell.text = f"cell {number}"
    word.add_paragraph("after the table")
    if edit:
        edit(word)
    return _saved(word)


def make_pptx():
    import pptx
    from pptx.util import Inches

    deck = pptx.Presentation()
    deck.core_properties.title = "A title"
    for number in (1, 2):
        slide = deck.slides.add_slide(deck.slide_layouts[5])
        slide.shapes.title.text = f"slide {number}"
    box = (Inches(1), Inches(2), Inches(4), Inches(1))
    table = slide.shapes.add_table(1, 2, *box).table
    table.cell(0, 0).text, table.cell(0, 1).text = "left", "right"
    slide.notes_slide.notes_text_frame.text = "a note"
    return _saved(deck)


def make_xlsx():
    import openpyxl

    book = openpyxl.Workbook()
    book.properties.title = "A title"
    book.properties.creator = "An author"
    book.active.title = "Numbers"
    book.active.append(["text", 3.0, 0.1, True])
    book.create_sheet("Empty")
    return _saved(book)


def make_ods():
    from odf.dc import Title
    from odf.opendocument import OpenDocumentSpreadsheet
    from odf.table import Table, TableCell, TableRow
    from odf.text import P

    book = OpenDocumentSpreadsheet()
    book.meta.addElement(Title(text="A title"))
    table, row = Table(name="Sheet"), TableRow()
    for text in ("left", "right"):
        cell = TableCell(valuetype="string")
        cell.addElement(P(text=text))
        row.addElement(cell)
    table.addElement(row)
    book.spreadsheet.addElement(table)
    return _saved(book)


def make_odt():
    from odf.dc import Creator, Language, Title
    from odf.meta import CreationDate
    from odf.opendocument import OpenDocumentText
    from odf.style import Footer, Header, MasterPage, PageLayout
    from odf.table import Table, TableCell, TableColumn, TableRow
    from odf.text import H, Note, NoteBody, NoteCitation, P, S, Span

    text = OpenDocumentText()
    for stated in (Title(text="A title"), Creator(text="An author"), Language(text="de-CH")):
        text.meta.addElement(stated)
    text.meta.addElement(CreationDate(text="2026-11-27T10:00:00"))
    text.text.addElement(H(outlinelevel=1, text="A heading"))
    paragraph = P(text="before")
    paragraph.addElement(S(c=2))
    paragraph.addElement(Span(text="the note"))
    note, body = Note(noteclass="footnote"), NoteBody()
    note.addElement(NoteCitation(text="1"))
    body.addElement(P(text="what the note says"))
    note.addElement(body)
    paragraph.addElement(note)
    text.text.addElement(paragraph)
    table, row = Table(name="Table"), TableRow()
    table.addElement(TableColumn(numbercolumnsrepeated=2))
    for words in (["left"], ["right", "below"]):
        cell = TableCell()
        for word in words:
            cell.addElement(P(text=word))
        row.addElement(cell)
    table.addElement(row)
    text.text.addElement(table)
    layout = PageLayout(name="pm")
    text.automaticstyles.addElement(layout)
    page = MasterPage(name="Standard", pagelayoutname=layout)
    for side, words in ((Header(), "the header"), (Footer(), "the footer")):
        side.addElement(P(text=words))
        page.addElement(side)
    text.masterstyles.addElement(page)
    return _saved(text)


def make_odp():
    from odf.draw import Frame, Page, TextBox
    from odf.opendocument import OpenDocumentPresentation
    from odf.presentation import Notes
    from odf.style import MasterPage, PageLayout
    from odf.text import P

    deck, layout = OpenDocumentPresentation(), PageLayout(name="pm")
    deck.automaticstyles.addElement(layout)
    master = MasterPage(name="Default", pagelayoutname=layout)
    deck.masterstyles.addElement(master)
    for number in (1, 2):
        page = Page(masterpagename=master)
        for parent, words in ((page, f"slide {number}"), (Notes(), f"note {number}")):
            frame, box = Frame(width="1cm", height="1cm"), TextBox()
            box.addElement(P(text=words))
            frame.addElement(box)
            parent.addElement(frame)
            if parent is not page:
                page.addElement(parent)
        deck.presentation.addElement(page)
    return _saved(deck)


def make_epub(metadata="<dc:title>A title</dc:title>", spine="two one", **members):
    refs = "".join(f'<itemref idref="{name}"/>' for name in spine.split())
    book = f"""<package xmlns="http://www.idpf.org/2007/opf" xmlns:dc="http://purl.org/dc/elements/1.1/"
    xmlns:opf="http://www.idpf.org/2007/opf"><metadata>{metadata}</metadata><manifest>
    <item id="one" href="text/one%20.xhtml"/><item id="two" href="text/two.xhtml#top"/>
    <item id="out" href="../../../../etc/passwd"/><item id="ncx" href="toc.ncx"
    media-type="application/x-dtbncx+xml"/></manifest><spine>{refs}</spine></package>"""
    container = (
        '<container><rootfiles><rootfile full-path="OEBPS/book.opf"/></rootfiles></container>'
    )
    page = '<?xml version="1.0" encoding="utf-8"?><html><head><title/></head><body>{}</body></html>'
    return make_zip(
        {
            "mimetype": "application/epub+zip",
            "META-INF/container.xml": container,
            "OEBPS/book.opf": book,
            "OEBPS/text/one .xhtml": page.format('<h1><a id="x"/>One</h1><p>Grüße</p>'),
            "OEBPS/text/two.xhtml": page.format("<p>Two</p>"),
        }
        | members
    )


FB2 = """<?xml version="1.0" encoding="windows-1251"?>
<FictionBook xmlns="http://www.gribuser.ru/xml/fictionbook/2.0"><description><title-info>
<author><first-name>Лев</first-name><last-name>Толстой</last-name></author>
<book-title>Война и мир</book-title><date value="1869-01-01">1869</date><lang>ru</lang>
</title-info></description><body><title><p>Том 1</p></title><section><p>Первый <b>абзац</b></p>
<poem><stanza><v>стих</v></stanza></poem><table><tr><td>a</td><td>b</td></tr></table></section>
</body><body name="notes"><p>сноска</p></body><binary id="x">AAAA</binary></FictionBook>
""".encode("cp1251")


def make_eml():
    from email.message import EmailMessage

    mail = EmailMessage()
    mail["From"] = "Jürgen Groß <juergen@example.org>"
    mail["To"] = "a@example.org, b@example.org"
    mail["Subject"] = "Grüße aus Zürich"
    mail["Date"] = "Fri, 27 Nov 2026 10:00:00 +0100"
    mail.set_content("Der Text.\n")
    mail.add_alternative("<p>Der <b>Text</b>.</p>", subtype="html")
    mail.add_attachment(make_pdf(), maintype="application", subtype="pdf", filename="Übersicht.pdf")
    mail["Content-Language"] = "de"
    return mail.as_bytes()


def make_zip(members, compression=zipfile.ZIP_DEFLATED):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


def edit_zip(data, edits):
    """The same ZIP with some members' content replaced by what a function makes of it."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    return make_zip(members | {name: edit(members[name]) for name, edit in edits.items()})


def _saved(thing):
    file = io.BytesIO()
    thing.save(file) if not hasattr(thing, "write") else thing.write(file)
    return file.getvalue()


@pytest.fixture(scope="session")
def build():
    """The builders, by name."""
    return {
        "pdf": make_pdf,
        "docx": make_docx,
        "pptx": make_pptx,
        "xlsx": make_xlsx,
        "ods": make_ods,
        "odt": make_odt,
        "odp": make_odp,
        "epub": make_epub,
        "eml": make_eml,
        "zip": make_zip,
        "edit_zip": edit_zip,
    }


@pytest.fixture(scope="session")
def samples():
    """One Document of every kind that extract reads and that can be built here."""
    return {
        "a.pdf": make_pdf(),
        "a.docx": make_docx(),
        "a.pptx": make_pptx(),
        "a.xlsx": make_xlsx(),
        "a.ods": make_ods(),
        "a.odt": make_odt(),
        "a.odp": make_odp(),
        "a.epub": make_epub(),
        "a.fb2": FB2,
        "a.rtf": b"{\\rtf1{\\info{\\title A title}}Text\\par}",
        "a.eml": make_eml(),
        "a.html": b"<!doctype html><html lang=en><title>T</title><p>Text</p></html>",
        "a.xml": b'<?xml version="1.0"?><a><b>Text</b></a>',
        "a.csv": b"a,b\n1,2\n",
        "a.tsv": b"a\tb\n1\t2\n",
        "a.txt": b"plain\n",
        "a.md": b"# Title\n",
        "a.svg": b"<svg xmlns='http://www.w3.org/2000/svg'><text>Text</text></svg>",
        "a.srt": b"1\n00:00:01,000 --> 00:00:02,000\nText\n",
        "a.ics": b"BEGIN:VCALENDAR\nBEGIN:VEVENT\nSUMMARY:Text\nEND:VEVENT\nEND:VCALENDAR\n",
        "a.vcf": b"BEGIN:VCARD\nFN:Text\nEND:VCARD\n",
        "a.ipynb": b'{"cells": [{"cell_type": "code", "source": "text"}], "nbformat": 4}',
        "a.tex": b"\\documentclass{article}\n\\title{T}\n",
        "a.zip": make_zip({"member": b"x"}),
        "a.json": b'{"a": 1}',
    }
