"""Writes the example documents: the files of a small office that exists nowhere.

    python examples/make_documents.py            # writes examples/documents
    python examples/make_documents.py FOLDER     # writes them elsewhere
    python examples/make_documents.py --check    # exit 1 if a file on disk is not what is made here

It needs the `test` extra (`pip install 'docherd[test]'`): fpdf2, openpyxl, odfpy, python-docx,
python-pptx and, through them, Pillow.

Every run writes the same bytes, so that a test can count on them: dates, ids and the time stamps
inside ZIP files are fixed, and what varies (the handbook's text) follows from the page number.
Another version of a library, or of zlib, may write other bytes.

What each file is for, and what a run says of it: README.md beside this script.
"""

from __future__ import annotations

import argparse
import base64
import io
import json
import re
import struct
import sys
import textwrap
import zipfile
import zlib
from datetime import UTC, datetime
from pathlib import Path

import docx
import openpyxl
from fpdf import FPDF
from fpdf.enums import EncryptionMethod
from odf.opendocument import OpenDocumentSpreadsheet
from odf.table import Table, TableCell, TableRow
from odf.text import P
from PIL import Image, ImageDraw, ImageFont
from pptx import Presentation
from pptx.util import Cm

# The office, its mail domain, and the moment at which every document claims to have been made.
OFFICE = "Quillmarsh Paper Goods"
MADE = datetime(2025, 4, 1, 9, 0, tzinfo=UTC)
PASSWORD = "docherd"  # opens contracts/salary-review-2025.pdf

Row = tuple[str, ...]


def main(arguments: list[str] | None = None) -> int:
    """Writes or checks the documents; returns the exit code."""
    parser = argparse.ArgumentParser(
        description="Write docherd's example documents.",
        epilog="Needs the `test` extra.",
    )
    parser.add_argument(
        "folder",
        nargs="?",
        type=Path,
        default=Path(__file__).resolve().parent / "documents",
        help="where to write them (default: %(default)s)",
    )
    parser.add_argument(
        "--check",
        action="store_true",
        help="write nothing; compare byte for byte with what is in FOLDER and exit 1 on a "
        "difference. Holds for the library versions in constraints.txt and for standard zlib: "
        "others may write different bytes",
    )
    options = parser.parse_args(arguments)
    made = documents()
    if options.check:
        return check(options.folder, made)
    write(options.folder, made)
    print(f"{len(made)} documents, {sum(map(len, made.values())):,} bytes, in {options.folder}")
    return 0


def write(folder: Path, made: dict[str, bytes]) -> None:
    """Writes the documents; other files in the folder stay."""
    for name, content in made.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def check(folder: Path, made: dict[str, bytes]) -> int:
    """Names every file that is missing, different or not made here; 1 if there is one."""
    on_disk = {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }
    differences = 0
    for name in sorted(made.keys() | on_disk.keys()):
        if name not in on_disk:
            problem = "missing"
        elif name not in made:
            problem = "not made by this script"
        elif made[name] != on_disk[name]:
            problem = "different"
        else:
            continue
        print(f"{problem}: {name}", file=sys.stderr)
        differences += 1
    return 1 if differences else 0


def documents() -> dict[str, bytes]:
    """Every example document: its path inside the folder, and its bytes."""
    return {
        ".DS_Store": b"\x00\x00\x00\x01Bud1" + bytes(56),
        **contracts(),
        **handbook(),
        **invoices(),
        **letters(),
        **mail(),
        **minutes(),
        **reports(),
        **website(),
    }


# ── The folders, in the order of the alphabet ──────────────────────────────────────────────────


def contracts() -> dict[str, bytes]:
    """A lease with a table, a protected file, an old kind, and a name that lies."""
    return {
        "contracts/lease-agreement.docx": word(
            "Lease agreement, storage unit 14",
            LEASE,
            (
                ("Item", "Amount", "Due"),
                ("Monthly rent", "EUR 640.00", "first working day"),
                ("Deposit", "EUR 1,920.00", "before the keys are handed over"),
                ("Heating share", "EUR 55.00", "with the rent"),
            ),
        ),
        # A Word file under a PDF's name: what a file is must be told by its content.
        "contracts/maintenance-contract.pdf": word("Maintenance contract, lift", MAINTENANCE),
        "contracts/old-supplier-terms.rtf": rich_text("Supplier terms of 2009", OLD_TERMS),
        "contracts/salary-review-2025.pdf": pdf("Salary review 2025", SALARIES, password=PASSWORD),
    }


def handbook() -> dict[str, bytes]:
    """The 300 pages that show what one large document among small ones does to a run."""
    glossary = {
        "@title": "Glossary of the office",
        "updated": "2025-01-15",
        "terms": [{"term": term, "meaning": meaning} for term, meaning in GLOSSARY],
    }
    return {
        "handbook/employee-handbook.pdf": handbook_pdf(),
        "handbook/glossary.json": plain(json.dumps(glossary, indent=2)),
        "handbook/welcome.md": plain(WELCOME),
    }


def invoices() -> dict[str, bytes]:
    """A PDF of several pages, a copy, a broken download, a scan, and tables in plain text."""
    single = invoice("2025-0118", "Ottermere Clinic", articles=5)
    broken = invoice("2025-0119", "Brindlecombe School", articles=40)
    return {
        "invoices/e-invoice-2025-0121.xml": plain(E_INVOICE),
        "invoices/invoice-2025-0117.pdf": invoice("2025-0117", "Fennick & Daughters", articles=90),
        "invoices/invoice-2025-0118 (copy).pdf": single,
        "invoices/invoice-2025-0118.pdf": single,
        # Cut before the page tree: what is left cannot be put together again by any reader.
        "invoices/invoice-2025-0119.pdf": broken[: len(broken) // 3],
        # A PDF under a Word name.
        "invoices/invoice-2025-0120.docx": invoice("2025-0120", "Wetherlow Library", articles=8),
        "invoices/receipt-scan.pdf": scanned_page("Receipt", RECEIPT),
        "invoices/sales-2025-q1.csv": plain(separated(sales(), ",")),
    }


def letters() -> dict[str, bytes]:
    """The encodings that text comes in, and a file with nothing in it."""
    return {
        "letters/angebot-regale.txt": text(GERMAN_OFFER).encode("latin-1"),
        "letters/complaint-answer.txt": plain(COMPLAINT_ANSWER),
        "letters/untitled.txt": b"",
        "letters/ご挨拶.txt": plain(JAPANESE_GREETING),
    }


def mail() -> dict[str, bytes]:
    """A mail that carries a file, one that does not, and Word's lock beside a draft."""
    # What Word leaves beside an open file: the user's name, first in bytes, then in UTF-16.
    lock = b"\x09reception".ljust(54, b"\x20") + b"\x09\x00" + "reception".encode("utf-16-le")
    return {
        "mail/delivery-delay.eml": mail_with_attachment(),
        "mail/payment-reminder.eml": plain(REMINDER_MAIL),
        "mail/~$reply-draft.docx": lock.ljust(162, b"\x20"),
    }


def minutes() -> dict[str, bytes]:
    """The same kind of content in three formats, one under an awkward name."""
    return {
        "minutes/2025-02-11 staff meeting.docx": word(
            "Minutes of the staff meeting, 11 February 2025",
            MINUTES_FEBRUARY,
            (
                ("Task", "Who", "Until"),
                ("Ask three firms for shelving offers", "Warehouse", "4 March"),
                ("Replace the franking machine", "Reception", "31 March"),
                ("Draft the new returns form", "Sales", "18 March"),
            ),
        ),
        "minutes/2025-03-11 staff meeting.md": plain(MINUTES_MARCH),
        'minutes/the auditor\'s notes, "final" version.txt': plain(AUDIT_NOTES),
    }


def reports() -> dict[str, bytes]:
    """Spreadsheets, slides, and a name in three scripts, in nested folders."""
    forecast = workbook("Forecast 2025", {"Forecast": quarter_rows()})
    return {
        "reports/2024/closing-note.txt": plain(CLOSING_NOTE),
        "reports/2025/annual-plan.pptx": slides("Annual plan 2025", SLIDES),
        "reports/2025/budget.xlsx": workbook(
            "Budget 2025", {"Budget": budget_rows(), "By quarter": quarter_rows()}
        ),
        "reports/2025/cold-room.tsv": plain(separated(cold_room(), "\t")),
        # A ZIP without its directory, as a broken copy leaves it.
        "reports/2025/q1/forecast-draft.xlsx": forecast[: len(forecast) // 2],
        "reports/2025/q1/summary.html": plain(SUMMARY_PAGE),
        "reports/2025/stock-count.ods": open_spreadsheet("Stock count", stock_rows()),
        "reports/2025/Übersicht – 年次報告.pdf": pdf("Übersicht 2024", GERMAN_OVERVIEW),
    }


def website() -> dict[str, bytes]:
    """Pages in two languages, their data, and a picture."""
    products = {
        "currency": "EUR",
        "products": [
            {"article": f"QP-{100 + n}", "name": name, "price": cents / 100, "stock": 40 + 7 * n}
            for n, (name, cents) in enumerate(ARTICLES)
        ],
    }
    return {
        "website/about-ja.html": plain(JAPANESE_PAGE),
        "website/about.html": plain(ABOUT_PAGE),
        "website/logo.png": logo(),
        "website/products.json": plain(json.dumps(products, indent=2)),
    }


# ── Documents that are computed ────────────────────────────────────────────────────────────────


def invoice(number: str, customer: str, articles: int) -> bytes:
    """An invoice with so many lines; about 40 of them fill a page."""
    document = new_pdf(f"Invoice {number}")
    document.add_page()
    heading(document, f"Invoice {number}")
    paragraph(document, f"{OFFICE}, 3 Mill Lane, Quillmarsh. Mail: accounts@quillmarsh.example.com")
    paragraph(document, f"To: {customer}. Date: 14 March 2025. Payable within 30 days.")
    total = 0
    for line in range(1, articles + 1):
        # The number's own digits vary the lines from one invoice to the next.
        name, cents = ARTICLES[(line * 5 + int(number[-2:])) % len(ARTICLES)]
        quantity = (line * 7 + int(number[-2:])) % 24 + 1
        total += quantity * cents
        document.cell(12, 6, str(line))
        document.cell(88, 6, name)
        document.cell(25, 6, f"{quantity} x", align="R")
        document.cell(25, 6, f"{cents / 100:.2f}", align="R")
        document.cell(
            35, 6, f"{quantity * cents / 100:,.2f}", align="R", new_x="LMARGIN", new_y="NEXT"
        )
    paragraph(document, f"Total: EUR {total / 100:,.2f}, of which 19 % tax is included.")
    paragraph(document, "Goods remain ours until they are paid for. Thank you for your order.")
    return bytes(document.output())


def handbook_pdf() -> bytes:
    """300 pages: 30 chapters of ten sections, no two pages with the same text."""
    document = new_pdf("Employee handbook")
    for chapter, (title, thing, place, role) in enumerate(CHAPTERS, start=1):
        for section, (name, choices) in enumerate(SECTIONS, start=1):
            number = (chapter - 1) * len(SECTIONS) + section
            document.add_page()
            heading(document, f"{chapter}.{section} {title}: {name}")
            sentences = [
                pair[(chapter + slot * section) % 2].format(thing=thing, place=place, role=role)
                for slot, pair in enumerate(choices)
            ]
            # 11 and 17 have no factor in common with the number of remarks: neighbours differ.
            remarks = [REMARKS[(number * step) % len(REMARKS)] for step in (11, 17)]
            paragraph(document, " ".join(sentences))
            paragraph(document, " ".join(dict.fromkeys(remarks)))
            paragraph(
                document,
                f"Form HB-{number:03}, kept for {number % 7 + 2} years. "
                f"Last reviewed in week {number * 13 % 52 + 1}. Page {number} of 300.",
            )
    return bytes(document.output())


def sales() -> list[Row]:
    """One quarter's orders, some with the commas and quotes that a CSV reader must respect."""
    rows: list[Row] = [("date", "order", "customer", "article", "quantity", "amount")]
    for order in range(60):
        name, cents = ARTICLES[order * 3 % len(ARTICLES)]
        quantity = order * 5 % 18 + 1
        day = f"2025-{order // 20 + 1:02}-{order % 20 + 6:02}"
        customer = CUSTOMERS[order % len(CUSTOMERS)]
        amount = f"{quantity * cents / 100:.2f}"
        rows.append((day, f"A-{4100 + order}", customer, name, str(quantity), amount))
    return rows


def cold_room() -> list[Row]:
    """Two days of hourly readings from the room where glue is stored."""
    rows: list[Row] = [("time", "celsius", "humidity", "door")]
    for hour in range(48):
        celsius = 8 + (hour * 7 % 11) / 10
        door = "open" if hour % 24 in (8, 13, 17) else "closed"
        time = f"2025-03-{hour // 24 + 3:02}T{hour % 24:02}:00"
        rows.append((time, f"{celsius:.1f}", str(52 + hour * 3 % 9), door))
    return rows


def budget_rows() -> list[list[str | float]]:
    """The plan of the year, by kind of cost."""
    rows: list[list[str | float]] = [["Cost", "2024", "Plan 2025", "Remark"]]
    rows += [[name, spent, planned, remark] for name, spent, planned, remark in BUDGET]
    total_spent = sum(spent for _, spent, _, _ in BUDGET)
    return [*rows, ["Total", total_spent, sum(planned for _, _, planned, _ in BUDGET), ""]]


def quarter_rows() -> list[list[str | float]]:
    """The same plan, spread over the quarters."""
    rows: list[list[str | float]] = [["Cost", "Q1", "Q2", "Q3", "Q4"]]
    for name, _, planned, _ in BUDGET:
        quarters = [planned * share // 100 for share in (30, 25, 20)]
        rows.append([name, *quarters, planned - sum(quarters)])
    return rows


def stock_rows() -> list[list[str | float]]:
    """What was counted on the shelves."""
    rows: list[list[str | float]] = [["Article", "Name", "Shelf", "Counted", "Expected"]]
    for n, (name, _) in enumerate(ARTICLES):
        shelf = f"{'ABCD'[n % 4]}{n % 6 + 1}"
        rows.append([f"QP-{100 + n}", name, shelf, 38 + 7 * n, 40 + 7 * n])
    return rows


# ── Formats ────────────────────────────────────────────────────────────────────────────────────


def text(literal: str) -> str:
    """A literal of this file as it is meant: no indentation, one newline at its end."""
    return textwrap.dedent(literal).strip() + "\n"


def plain(literal: str) -> bytes:
    """A text file in UTF-8."""
    return text(literal).encode()


def separated(rows: list[Row], separator: str) -> str:
    """Rows as CSV or TSV; a cell that holds the separator or a quote is quoted."""

    def cell(value: str) -> str:
        if separator not in value and '"' not in value:
            return value
        return '"' + value.replace('"', '""') + '"'

    return "\n".join(separator.join(map(cell, row)) for row in rows)


def new_pdf(title: str) -> FPDF:
    """An empty PDF with fixed metadata and a font that needs no file."""
    document = FPDF()
    document.set_creation_date(MADE)
    document.set_producer("docherd examples")
    document.set_title(title)
    document.set_author(OFFICE)
    document.set_lang("en")
    document.set_font("Helvetica", size=11)
    return document


def heading(document: FPDF, title: str) -> None:
    """A line in bold."""
    document.set_font("Helvetica", "B", 15)
    document.multi_cell(0, 9, title, align="L", new_x="LMARGIN", new_y="NEXT")
    document.set_font("Helvetica", size=11)


def paragraph(document: FPDF, words: str) -> None:
    """A block of text, left-aligned: justified text is twice the bytes, as every gap is written."""
    document.multi_cell(0, 6, words, align="L", new_x="LMARGIN", new_y="NEXT")
    document.ln(3)


def pdf(title: str, body: str, password: str = "") -> bytes:
    """A PDF of running text; with a password it opens with that password only."""
    document = new_pdf(title)
    if password:
        # RC4 is weak, and that is all right here: AES would begin with random bytes.
        document.set_encryption(
            owner_password=password,
            user_password=password,
            encryption_method=EncryptionMethod.RC4,
        )
    document.add_page()
    heading(document, title)
    for words in paragraphs(body):
        paragraph(document, words)
    return bytes(document.output())


def paragraphs(body: str) -> list[str]:
    """The paragraphs of a literal, each on one line."""
    return [" ".join(block.split()) for block in text(body).split("\n\n")]


def scanned_page(title: str, body: str) -> bytes:
    """A PDF that holds nothing but the picture of a page, a little askew and with dust on it."""
    width, height = 1240, 1754  # A4 at 150 dots an inch
    page = Image.new("L", (width, height), 255)
    draw = ImageDraw.Draw(page)
    draw.text((140, 160), title, fill=0, font=ImageFont.load_default(52))
    draw.multiline_text((140, 280), text(body), fill=0, font=ImageFont.load_default(30), spacing=14)
    # Askew by moving strips: turning the picture would round differently on another processor.
    askew = Image.new("L", (width, height), 255)
    for strip in range(width // 40):
        left = strip * 40
        askew.paste(page.crop((left, 0, left + 40, height)), (left, strip // 2))
    dust = ImageDraw.Draw(askew)
    for speck in range(160):
        x, y = speck * 7919 % width, speck * 104729 % height
        dust.rectangle((x, y, x + speck % 2, y + speck % 3), fill=0)
    document = new_pdf(title)
    document.add_page()
    black_and_white = askew.point(lambda grey: 255 if grey > 140 else 0).convert("1")
    document.image(black_and_white, x=0, y=0, w=210, h=297)
    return bytes(document.output())


def word(title: str, body: str, table: tuple[Row, ...] = ()) -> bytes:
    """A DOCX with title and author, paragraphs, and perhaps a table after the first of them."""
    document = docx.Document()
    properties = document.core_properties
    properties.title, properties.author, properties.comments = title, OFFICE, ""
    properties.created = properties.modified = MADE
    document.add_heading(title, level=1)
    for position, words in enumerate(paragraphs(body)):
        document.add_paragraph(words)
        if position == 0 and table:
            grid = document.add_table(rows=0, cols=len(table[0]))
            grid.style = "Table Grid"
            for row in table:
                for cell, value in zip(grid.add_row().cells, row, strict=True):
                    cell.text = value
    written = io.BytesIO()
    document.save(written)
    return repacked(written.getvalue())


def slides(title: str, content: tuple[tuple[str, Row], ...]) -> bytes:
    """A PPTX: a title, one slide of points for each part, the first with speaker's notes."""
    presentation = Presentation()
    properties = presentation.core_properties
    properties.title, properties.author, properties.last_modified_by = title, OFFICE, OFFICE
    properties.created = properties.modified = MADE
    first = presentation.slides.add_slide(presentation.slide_layouts[0])
    first.shapes.title.text = title
    first.placeholders[1].text = OFFICE
    first.notes_slide.notes_text_frame.text = "Begin on time; the coffee comes after slide three."
    for name, points in content:
        slide = presentation.slides.add_slide(presentation.slide_layouts[1])
        slide.shapes.title.text = name
        slide.placeholders[1].text = "\n".join(points)
    last = presentation.slides.add_slide(presentation.slide_layouts[5])
    last.shapes.title.text = "Costs"
    grid = last.shapes.add_table(len(BUDGET), 2, Cm(2), Cm(5), Cm(20), Cm(10)).table
    for row, (cost, _, planned, _) in enumerate(BUDGET):
        grid.cell(row, 0).text = cost
        grid.cell(row, 1).text = f"EUR {planned:,}"
    written = io.BytesIO()
    presentation.save(written)
    return repacked(written.getvalue())


def workbook(title: str, sheets: dict[str, list[list[str | float]]]) -> bytes:
    """An XLSX with these sheets; values only, as a formula has none until a program opens it."""
    book = openpyxl.Workbook()
    book.remove(book.active)
    book.properties.title, book.properties.creator = title, OFFICE
    book.properties.created = MADE.replace(tzinfo=None)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    written = io.BytesIO()
    book.save(written)
    return repacked(written.getvalue())


def open_spreadsheet(name: str, rows: list[list[str | float]]) -> bytes:
    """An ODS with one sheet."""
    document = OpenDocumentSpreadsheet()
    sheet = Table(name=name)
    for values in rows:
        row = TableRow()
        for value in values:
            typed = (
                {"valuetype": "string"}
                if isinstance(value, str)
                else {"valuetype": "float", "value": value}
            )
            cell = TableCell(**typed)
            cell.addElement(P(text=str(value)))
            row.addElement(cell)
        sheet.addElement(row)
    document.spreadsheet.addElement(sheet)
    written = io.BytesIO()
    document.write(written)
    return repacked(written.getvalue())


def repacked(archive: bytes) -> bytes:
    """The same ZIP with one time stamp throughout, and openpyxl's time of saving replaced."""
    written = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as source, zipfile.ZipFile(written, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            if name == "docProps/core.xml":
                stamp = MADE.strftime("%Y-%m-%dT%H:%M:%SZ").encode()
                content = re.sub(rb"(<dcterms:modified[^>]*>)[^<]*", rb"\g<1>" + stamp, content)
            entry = zipfile.ZipInfo(name, MADE.timetuple()[:6])
            entry.external_attr = 0o644 << 16
            # OpenDocument wants its first entry readable without unpacking.
            entry.compress_type = zipfile.ZIP_STORED if name == "mimetype" else zipfile.ZIP_DEFLATED
            target.writestr(entry, content, compresslevel=9)
    return written.getvalue()


def rich_text(title: str, body: str) -> bytes:
    """An RTF file, a kind that `extract` does not read."""
    lines = r"\par\par ".join([rf"{{\b {title}}}", *paragraphs(body)])
    return (r"{\rtf1\ansi\deff0{\fonttbl{\f0 Times New Roman;}}\f0 " + lines + "}\n").encode(
        "ascii"
    )


def mail_with_attachment() -> bytes:
    """A mail written out by hand: the library folds headers differently from version to version."""
    table = separated(DELIVERIES, ",") + "\n"
    encoded = base64.encodebytes(table.encode()).decode()
    return (text(DELAY_MAIL).replace("ATTACHMENT\n", encoded)).encode()


def logo() -> bytes:
    """A PNG of 96 x 96 pixels: a sheet of paper on green.

    Written by hand, as Pillow's own zlib packs differently from processor to processor.
    """

    def chunk(kind: bytes, content: bytes) -> bytes:
        checksum = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checksum)

    def pixel(x: int, y: int) -> bytes:
        on_sheet = 26 <= x < 70 and 16 <= y < 80
        on_line = on_sheet and 34 <= x < 62 and y >= 28 and y % 10 < 3
        return b"\x2f\x6b\x4f" if on_line or not on_sheet else b"\xfb\xf9\xf0"

    size = 96
    rows = b"".join(b"\x00" + b"".join(pixel(x, y) for x in range(size)) for y in range(size))
    header = struct.pack(">IIBBBBB", size, size, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(rows, 9))
        + chunk(b"IEND", b"")
    )


# ── What the office writes ─────────────────────────────────────────────────────────────────────

CUSTOMERS = (
    "Ottermere Clinic",
    "Brindlecombe School",
    "Fennick & Daughters, bookbinders",
    'The "Blue Door" gallery',
    "Wetherlow Library",
)

# Name and price in cents.
ARTICLES = (
    ("Copy paper A4, 500 sheets", 489),
    ("Drawing card, cream, 50 sheets", 1275),
    ("Envelope C5, window, 100 pieces", 890),
    ("Lever arch file, grey", 315),
    ("Bookbinder's glue, 1 litre", 1640),
    ("Packing paper, roll of 50 m", 2210),
    ("Index cards A6, ruled", 265),
    ("Parcel tape, brown, 6 rolls", 1095),
    ("Fountain pen ink, blue-black", 730),
    ("Marbled endpaper, 10 sheets", 1890),
    ("Shipping box, medium, 20 pieces", 2450),
    ("Wall calendar, next year", 980),
    ("Label sheets, 24 to a page", 1120),
)

# Cost, spent in 2024, planned for 2025, remark.
BUDGET = (
    ("Salaries", 212400, 219800, "two part-time positions become one full-time"),
    ("Rent and heating", 31800, 33400, "storage unit 14 from April"),
    ("Goods", 148900, 151000, ""),
    ("Shipping", 22650, 24900, "carrier's prices rise by 6 %"),
    ("Machines", 3100, 9500, "franking machine, shelving"),
    ("Training", 1200, 2400, "first aid for three people"),
)

DELIVERIES: list[Row] = [
    ("order", "article", "promised", "new date"),
    ("A-4127", "Marbled endpaper, 10 sheets", "2025-03-05", "2025-03-19"),
    ("A-4131", "Bookbinder's glue, 1 litre", "2025-03-06", "2025-03-12"),
    ("A-4138", "Drawing card, cream, 50 sheets", "2025-03-10", "2025-03-19"),
]

LEASE = """
    Between the owner of the building at 9 Ropewalk, Quillmarsh, called the Landlord, and
    Quillmarsh Paper Goods, called the Tenant, the following is agreed for storage unit 14,
    82 square metres on the ground floor, from 1 April 2025 for three years.

    The unit is used for storing paper, card and packing material. Glue and other goods that burn
    easily stay in the cold room of the main building.

    The Tenant may put up shelves, provided that the floor carries no more than 500 kg per square
    metre. Holes in the walls are filled when the lease ends.

    Either side may end this agreement with three months' notice, in writing, to the end of a
    quarter. A mail to lease@ropewalk.example.org counts as writing once it has been answered.

    Signed in two copies, one for each side.
"""

MAINTENANCE = """
    The contractor looks after the goods lift in the main building: two visits a year, in May and
    in November, and a call within four working hours when the lift stands still.

    Each visit covers ropes, doors, emergency call and lighting. The visit book hangs beside the
    lift and is signed by both sides.

    The yearly price is EUR 1,180.00 and includes small parts up to EUR 60.00. Larger parts are
    offered in writing first. Mail: service@lifts.example.org.
"""

OLD_TERMS = """
    These terms were agreed with our card supplier in 2009 and ended in 2016. They are kept
    because two complaints of that time refer to them.

    Card is delivered on pallets of 400 kg. A pallet that arrives damp may be refused on the day.
"""

SALARIES = """
    Confidential. For the management only. The figures below take effect on 1 July 2025.

    Warehouse: plus 3.1 percent, in line with the regional agreement. Reception: plus 3.1 percent
    and one step, after five years in the position. Sales: plus 2.4 percent; the bonus of the
    autumn stays as it is.

    The trainee moves to the second year's rate. Talks with each person take place in May.
"""

WELCOME = f"""
    # Welcome to {OFFICE}

    Your first week, so that nothing is forgotten.

    | Day       | What                              | With whom |
    |-----------|-----------------------------------|-----------|
    | Monday    | Keys, desk, mail account          | Reception |
    | Tuesday   | A walk through the warehouse      | Warehouse |
    | Wednesday | How an order becomes an invoice   | Accounts  |
    | Thursday  | First orders, together            | Sales     |
    | Friday    | Questions, and cake               | Everybody |

    ## Three rules

    1. A customer who waits gets an answer the same day, even if it is *not yet*.
    2. Returned goods need form `QP-R2`; without it nobody can book them.
    3. The last one out checks the cold room.

    The [handbook](employee-handbook.pdf) has the rest. Ask before you read all 300 pages.
"""

GLOSSARY = (
    ("cold room", "The room at 8 degrees in which glue is stored."),
    ("pick list", "The paper that tells the warehouse what belongs to one order."),
    ("ream", "500 sheets of paper of one size."),
    ("remnant", "Less than a full package; sold on Fridays at half price."),
    ("return slip", "Form QP-R2, without which returned goods are not booked."),
)

E_INVOICE = """
    <?xml version="1.0" encoding="UTF-8"?>
    <invoice number="2025-0121" currency="EUR">
      <!-- Sent by the customer portal on the day of the order. -->
      <seller mail="accounts@quillmarsh.example.com">Quillmarsh Paper Goods</seller>
      <buyer mail="office@ottermere.example.org">Ottermere Clinic</buyer>
      <issued>2025-03-21</issued>
      <due>2025-04-20</due>
      <line article="QP-102" quantity="12" price="8.90">Envelope C5, window, 100 pieces</line>
      <line article="QP-112" quantity="4" price="11.20">Label sheets, 24 to a page</line>
      <total net="151.60" tax="28.80">180.40 &amp; nothing paid in advance</total>
      <note><![CDATA[Deliver to the back door; the front is being painted <until May>.]]></note>
    </invoice>
"""

RECEIPT = """
    Ropewalk Hardware
    9 Ropewalk, Quillmarsh
    12 March 2025, 14:32

    2  shelf brackets, steel       11.80
    1  box of screws, 5 x 60        6.45
    1  spirit level, 60 cm         18.90
    3  light bulbs, warm white     13.35

    Total EUR                      50.50
    Paid in cash                   60.00
    Change                          9.50

    Goods can be exchanged within
    14 days with this receipt.
    Thank you for your visit.
"""

GERMAN_OFFER = """
    Regalbau Moorhain
    Am alten Güterbahnhof 7
    Musterstadt

    Angebot Nr. 2025/318: Regale für Ihr neues Lager

    Sehr geehrte Damen und Herren,

    vielen Dank für Ihre Anfrage vom 24. Februar. Gern bieten wir Ihnen die gewünschten Regale
    für Ihr Lager in der Größe von 82 Quadratmetern an. Die Böden tragen je 250 Kilogramm, die
    Höhe lässt sich in Schritten von fünf Zentimetern ändern, und für schwere Rollen gibt es
    verstärkte Träger.

    Zwölf Regale, verzinkt, zwei Meter hoch              2.148,00 Euro
    Sechs verstärkte Träger für Papierrollen               354,00 Euro
    Aufbau durch zwei Monteure, ein Tag                    480,00 Euro

    Die Preise verstehen sich zuzüglich Mehrwertsteuer und gelten bis zum 30. April. Geliefert
    wird etwa drei Wochen nach der Bestellung. Für Rückfragen erreichen Sie uns jederzeit unter
    vertrieb@moorhain.example.org.

    Mit freundlichen Grüßen
    Ihr Regalbau Moorhain
"""

GERMAN_OVERVIEW = """
    Das Jahr 2024 war für unser Büro ein ruhiges Jahr. Der Umsatz stieg um vier Prozent, vor allem
    durch Bestellungen von Schulen und Büchereien. Größere Ausfälle gab es nicht.

    Die Zahl der Rücksendungen ging von 212 auf 164 zurück. Der Grund dafür ist die neue
    Verpackung: Rollen werden seit März in Kartons statt in Folie verschickt.

    Für 2025 planen wir ein zweites Lager, neue Regale und eine Schulung in Erster Hilfe. Der
    japanische Bericht für unseren Lieferanten folgt im Mai, übersetzt wird außer Haus.
"""

COMPLAINT_ANSWER = """
    Quillmarsh, 6 March 2025

    To the Brindlecombe School
    Your complaint about order A-4102

    Dear colleagues,

    thank you for the photographs. Eleven of the forty packages of drawing card were damp at the
    edges – you are right, and we are sorry. The pallet stood under the gutter of our carrier’s
    yard for one night. We send eleven new packages on Monday; keep the damp ones for papier-mâché
    if you can use them, and bill us nothing for “the smell of a wet dog”.

    The naïve question in your letter – why cardboard at all? – has a good answer: film keeps
    water out but also keeps it in, and paper that cannot breathe curls at 25 °C.

    With kind regards
    Sales, sales@quillmarsh.example.com
"""

JAPANESE_GREETING = """
    拝啓

    早春の候、貴社ますますご清栄のこととお喜び申し上げます。
    平素は格別のお引き立てを賜り、厚く御礼申し上げます。

    さて、ご注文いただきました和紙二百枚は、三月十九日に発送いたします。
    到着まで十日ほどかかる見込みです。湿気に弱いため、届きましたら
    すぐに箱を開け、乾いた棚に平らに置いてください。

    ご不明な点がございましたら、washi@kakuu.example.org までお問い合わせください。
    今後ともよろしくお願い申し上げます。

    敬具

    架空紙業
"""

DELAY_MAIL = """
    From: Carrier Desk <desk@carrier.example.org>
    To: warehouse@quillmarsh.example.com
    Cc: sales@quillmarsh.example.com
    Subject: =?utf-8?q?Delay_of_three_deliveries_=E2=80=93_new_dates?=
    Date: Tue, 04 Mar 2025 08:12:00 +0100
    Message-ID: <20250304-0812@carrier.example.org>
    MIME-Version: 1.0
    Content-Type: multipart/mixed; boundary="=-quillmarsh-1"

    --=-quillmarsh-1
    Content-Type: text/plain; charset="utf-8"
    Content-Transfer-Encoding: 8bit

    Good morning,

    the bridge at Wetherlow is closed until further notice, so three of your deliveries take
    the long way round. The new dates are in the attached table. The glue travels cooled, as
    agreed; it costs you nothing extra.

    Please tell your customers, and accept our apologies.
    The carrier’s desk

    --=-quillmarsh-1
    Content-Type: text/csv; charset="utf-8"; name="new-dates.csv"
    Content-Disposition: attachment; filename="new-dates.csv"
    Content-Transfer-Encoding: base64

    ATTACHMENT
    --=-quillmarsh-1--
"""

REMINDER_MAIL = """
    From: Accounts <accounts@quillmarsh.example.com>
    To: office@fennick.example.org
    Subject: Invoice 2024-0982: a friendly reminder
    Date: Mon, 17 Mar 2025 10:40:00 +0100
    Message-ID: <20250317-1040@quillmarsh.example.com>
    MIME-Version: 1.0
    Content-Type: text/plain; charset="us-ascii"

    Dear customer,

    our invoice 2024-0982 of 12 December over EUR 318.40 was due on 11 January. Perhaps it was
    lost over the holidays; a copy is on its way to you by post.

    If you have paid in the meantime, please forget this mail. If something was wrong with the
    goods, tell us, and we will find a way.

    Accounts
"""

MINUTES_FEBRUARY = """
    Present: management, reception, warehouse, sales, accounts. Absent: the trainee (school day).
    The minutes of January were accepted without changes. The tasks that came out of this meeting:

    Storage unit 14. The lease begins on 1 April. Before the first pallet goes in, shelves are
    needed; the warehouse asks for offers and measures the floor again.

    Returns. The old form asks for a fax number, which nobody has had for years. Sales drafts a
    new one with a field for the reason.

    Any other business: the coffee machine is descaled on the first Friday of the month. The next
    meeting takes place on 11 March at half past eight.
"""

MINUTES_MARCH = """
    # Staff meeting, 11 March 2025

    **Present:** management, reception, warehouse, sales, the trainee

    ## Decisions

    - The shelving offer from Moorhain is accepted if it arrives before Easter.
    - Remnants are sold on Fridays from two o'clock, no longer from noon.
    - ~~The calendar is printed in house.~~ Postponed to May.

    ## Open

    - [x] Franking machine replaced
    - [ ] Returns form: a second draft is with accounts
    - [ ] First-aid course: three names are still missing

    > "A box that says *fragile* is thrown more gently." The warehouse would like a source.
"""

AUDIT_NOTES = """
    Notes of the visit on 20 and 21 March

    1. Petty cash: counted, EUR 214.35, agrees with the book. One receipt is only a scan
       (hardware, 12 March). Acceptable, but keep the paper next time.
    2. Stock: thirteen articles counted, each two below the expected number. It is the same two
       everywhere: the samples in the shop window were never booked out.
    3. Invoice 2025-0118 exists twice on the server under different names. One is a copy; it was
       booked once. Delete nothing, note it.
    4. Invoice 2025-0119 does not open. Ask accounts to send it again.
    5. Salary review: password known to the management only. Good.
"""

CLOSING_NOTE = """
    Closing note for 2024

    All books are closed as of 31 December. Turnover rose by 4 %, returns fell from 212 to 164.
    Open at the end of the year: one invoice (2024-0982, EUR 318.40).

    The server's backup was restored once as a test, on 19 December. It took 3 hours and 40
    minutes and all files were there.
"""

SLIDES = (
    (
        "Where we stand",
        ("Turnover plus 4 percent", "Returns down from 212 to 164", "One full warehouse"),
    ),
    (
        "What we want",
        ("A second store from April", "Answers to customers on the same day", "No damp pallets"),
    ),
    (
        "Who does what",
        ("Warehouse: shelves before Easter", "Sales: new returns form", "Reception: first aid"),
    ),
)

SUMMARY_PAGE = """
    <!DOCTYPE html>
    <html lang="en">
    <head>
      <meta charset="utf-8">
      <title>First quarter 2025 in brief</title>
      <style>body { font-family: serif; } .never-shown { display: none }</style>
      <script>
        const notForReaders = "this script must not appear in the text";
        console.log(notForReaders);
      </script>
    </head>
    <body>
      <h1>First quarter 2025 in brief</h1>
      <p>Sixty orders, one complaint, and a new lease. The details are in the
         <a href="../budget.xlsx">budget</a> and in the sales table.</p>
      <table>
        <tr><th>Month</th><th>Orders</th><th>Returns</th></tr>
        <tr><td>January</td><td>20</td><td>14</td></tr>
        <tr><td>February</td><td>20</td><td>11</td></tr>
        <tr><td>March</td><td>20</td><td>9</td></tr>
      </table>
      <p>Fewer returns mean less work for the warehouse &mdash; &amp; happier customers.</p>
    </body>
    </html>
"""

ABOUT_PAGE = """
    <!DOCTYPE html>
    <html lang="en">
    <head>
      <meta charset="utf-8">
      <title>About Quillmarsh Paper Goods</title>
      <meta name="description" content="Paper, card and everything that holds them together.">
    </head>
    <body>
      <nav><a href="about.html">About</a> <a href="about-ja.html">日本語</a></nav>
      <main>
        <h1>Paper since 1987</h1>
        <p>We sell paper, card and everything that holds them together, to schools, clinics and
           bookbinders in the valley. Orders that reach us before noon leave the same day.</p>
        <ul><li>Shop: 3 Mill Lane</li><li>Mail: hello@quillmarsh.example.com</li></ul>
      </main>
    </body>
    </html>
"""

JAPANESE_PAGE = """
    <!DOCTYPE html>
    <html lang="ja">
    <head>
      <meta charset="utf-8">
      <title>会社案内</title>
    </head>
    <body>
      <h1>紙とともに、一九八七年から</h1>
      <p>私たちは、学校、診療所、製本所のお客様に、紙と文房具をお届けしている小さな会社です。
         正午までのご注文は、その日のうちに発送いたします。</p>
      <p>お問い合わせ：<a href="mailto:hello@quillmarsh.example.com">メール</a></p>
    </body>
    </html>
"""

# ── The handbook: 30 chapters (title, thing, place, role) times 10 sections ────────────────────

CHAPTERS = (
    ("Opening the office", "front door", "the entrance hall", "receptionist"),
    ("Answering the telephone", "call list", "the front desk", "receptionist"),
    ("Incoming post", "post tray", "the front desk", "receptionist"),
    ("Outgoing post", "franking machine", "the post corner", "receptionist"),
    ("Visitors", "visitor book", "the entrance hall", "receptionist"),
    ("Meeting rooms", "room calendar", "the first floor", "office manager"),
    ("Taking orders", "order form", "the sales room", "sales clerk"),
    ("Offers to customers", "offer folder", "the sales room", "sales clerk"),
    ("Complaints", "complaint sheet", "the sales room", "head of sales"),
    ("Returned goods", "return slip", "the returns table", "warehouse clerk"),
    ("Picking an order", "pick list", "the warehouse", "warehouse clerk"),
    ("Packing", "packing table", "the warehouse", "packer"),
    ("Shipping", "carrier's manifest", "the loading bay", "packer"),
    ("Receiving goods", "delivery note", "the loading bay", "warehouse clerk"),
    ("The goods lift", "goods lift", "the back stairs", "head of the warehouse"),
    ("The cold room", "temperature log", "the cold room", "head of the warehouse"),
    ("Stock counts", "count sheet", "the warehouse", "head of the warehouse"),
    ("Remnants", "remnant shelf", "the shop", "shop assistant"),
    ("The shop window", "window display", "the shop", "shop assistant"),
    ("The cash register", "cash register", "the shop", "shop assistant"),
    ("Petty cash", "cash book", "the accounts room", "bookkeeper"),
    ("Invoices", "invoice run", "the accounts room", "bookkeeper"),
    ("Reminders", "reminder list", "the accounts room", "bookkeeper"),
    ("Travel", "travel claim", "the accounts room", "office manager"),
    ("Holidays and absence", "holiday calendar", "the kitchen wall", "office manager"),
    ("Training", "training plan", "the library corner", "office manager"),
    ("Computers and passwords", "password safe", "the server cupboard", "system keeper"),
    ("Backups", "backup disk", "the server cupboard", "system keeper"),
    ("Fire and first aid", "first-aid box", "the corridor", "safety officer"),
    ("Closing the office", "closing checklist", "the entrance hall", "last person out"),
)

SECTIONS = (
    (
        "purpose",
        (
            (
                "This section explains what the {thing} is for and why it stays in {place}.",
                "Everybody in {place} meets the {thing} sooner or later, so it comes first.",
            ),
            (
                "It saves time only if all of us treat the {thing} in the same way.",
                "Most mistakes with the {thing} happen in the first month, and most are harmless.",
            ),
            (
                "The {role} decides in cases that are not described here.",
                "Where this page and the {role} disagree, the {role} is right until the review.",
            ),
        ),
    ),
    (
        "who is responsible",
        (
            (
                "The {role} looks after the {thing} and names a substitute for absences.",
                "Responsible for the {thing} is the {role}; on Saturdays it is whoever opens.",
            ),
            (
                "The substitute's name hangs in {place}, next to the clock.",
                "Who stands in is written on the board in {place} every Monday.",
            ),
            (
                "A responsibility can be handed over in person, never by a note on a desk.",
                "Nobody is responsible for the {thing} alone for more than three weeks.",
            ),
        ),
    ),
    (
        "before you start",
        (
            (
                "Look at the {thing} before you touch anything else in {place}.",
                "Make sure that {place} is lit and that nobody else is using the {thing}.",
            ),
            (
                "Have the order number at hand, or the date if there is no number.",
                "Two things are needed: a pen that works and five quiet minutes.",
            ),
            (
                "If something about the {thing} looks unusual, call the {role} first.",
                "Ask the {role} once too often rather than once too little.",
            ),
        ),
    ),
    (
        "step by step",
        (
            (
                "First, write today's date and your initials where the {thing} asks for them.",
                "First, check that the {thing} was left in order by the person before you.",
            ),
            (
                "Second, do the work in {place} from left to right, without skipping a position.",
                "Second, read the last entry aloud; it sounds silly and it catches errors.",
            ),
            (
                "Third, let the {role} see the result when it differs from yesterday's.",
                "Third, put everything back in {place} so that the next person finds it.",
            ),
        ),
    ),
    (
        "records to keep",
        (
            (
                "Whatever happens to the {thing} leaves a line in the book in {place}.",
                "A line in the book is enough; a story is not needed, but the time is.",
            ),
            (
                "Corrections are struck through once, so that the old entry can be read.",
                "Pages are numbered, and none is ever torn out, not even an empty one.",
            ),
            (
                "At the end of the month the {role} signs below the last line.",
                "The {role} collects the pages and files them under the {thing}.",
            ),
        ),
    ),
    (
        "common mistakes",
        (
            (
                "The commonest mistake is to trust that the {thing} was checked already.",
                "People in a hurry forget the {thing}; people with time forget the signature.",
            ),
            (
                "Last year {place} stood empty for an hour because two people each waited.",
                "A missing entry costs the {role} half a morning, as we know from the audit.",
            ),
            (
                "Say what went wrong; no one here has lost a position over an honest mistake.",
                "Write it down even if it was put right at once, for the sake of the next one.",
            ),
        ),
    ),
    (
        "safety",
        (
            (
                "Keep the way to {place} free, also for the short time of a delivery.",
                "Nothing heavier than fifteen kilograms is lifted alone in {place}.",
            ),
            (
                "Drinks do not belong beside the {thing}, with or without a lid.",
                "If the {thing} is damaged, a red tag goes on it before anything else is done.",
            ),
            (
                "The {role} knows where the main switch is, and so should you.",
                "Once a year the {role} walks through {place} with the safety officer.",
            ),
        ),
    ),
    (
        "when something goes wrong",
        (
            (
                "Stop, leave the {thing} as it is, and tell the {role}.",
                "Do not repair the {thing} yourself unless the {role} has shown you how.",
            ),
            (
                "Customers are told the truth: what happened, and by when it will be put right.",
                "If {place} has to be closed, a note on the door says until when.",
            ),
            (
                "Within two days the {role} writes five sentences about the cause.",
                "The {role} brings the case to the next staff meeting, without names.",
            ),
        ),
    ),
    (
        "questions we are asked",
        (
            (
                "May I take the {thing} home? No, not even for one night.",
                "Who ordered the {thing}? The {role} keeps the delivery note.",
            ),
            (
                "Is there a second one? Yes, in the cupboard opposite {place}.",
                "May trainees do this? From the second week on, with somebody beside them.",
            ),
            (
                "What if the {role} cannot be reached? Then it can wait until tomorrow.",
                "Does the {role} really read all of this? Yes, every entry.",
            ),
        ),
    ),
    (
        "review",
        (
            (
                "This chapter is read again each spring by the {role} and one newcomer.",
                "Newcomers find the gaps in this chapter best, so they review it first.",
            ),
            (
                "Suggestions about the {thing} go into the box in {place}, signed or not.",
                "What has changed in {place} since the last edition is printed in the margin.",
            ),
            (
                "A rule that nobody could explain at two reviews in a row is removed.",
                "The old edition is kept by the {role} for as long as a case is open.",
            ),
        ),
    ),
)

REMARKS = (
    "The telephone number of the carrier is on the yellow card.",
    "Before a long weekend, allow twice the time.",
    "In July and August two people share this work.",
    "Old forms are used up on the back as notepaper.",
    "A copy of this page hangs where the work is done.",
    "Please write figures so that a seven is not taken for a one.",
    "Mail about this goes to office@quillmarsh.example.com.",
    "The day's last entry is made before the coats are on.",
    "An exception that is made twice becomes a rule and is written down here.",
    "When the bell rings three times, leave everything and go to the yard.",
    "What is not needed for a year is given to the school in Brindlecombe.",
    "The colour of the folder is green for customers and blue for suppliers.",
    "Short questions are settled standing, long ones sitting.",
)


if __name__ == "__main__":
    sys.exit(main())
