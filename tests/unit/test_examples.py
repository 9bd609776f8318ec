"""The example documents are what examples/README.md says they are."""

from __future__ import annotations

import email
import email.policy
import importlib.metadata
import re
import runpy
import shutil
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import pypdfium2
import pytest

ROOT = Path(__file__).resolve().parents[2]
EXAMPLES = ROOT / "examples"
DOCUMENTS = EXAMPLES / "documents"
SCRIPT = EXAMPLES / "make_documents.py"

# What the usual zlib makes of the sample in `other_bytes_expected`, as a checksum.
PACKED_BY_ZLIB = 4009357043


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, by its path inside it."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def run_script(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """The script as a person runs it."""
    command = [sys.executable, str(SCRIPT), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def other_bytes_expected() -> str:
    """Why the script may write other bytes here than those in git; empty if it may not."""
    constraints = ROOT / "constraints.txt"
    locked = dict(
        re.findall(r"(?m)^([\w.-]+)==([\w.+-]+)", constraints.read_text().lower())
        if constraints.exists()
        else []
    )
    for name in ("fpdf2", "lxml", "odfpy", "openpyxl", "pillow", "python-docx", "python-pptx"):
        installed = importlib.metadata.version(name)
        if locked.get(name, installed) != installed:
            return f"{name} is {installed}, constraints.txt says {locked[name]}"
    # Replacements of zlib, as some Pythons are built with, pack the same data into other bytes.
    packed = zlib.compress(b"".join(b"%d sheets, " % (n * n) for n in range(2000)), 9)
    return "" if zlib.crc32(packed) == PACKED_BY_ZLIB else "this Python's zlib is not the usual one"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder freshly written by the script."""
    folder = tmp_path_factory.mktemp("examples") / "documents"
    result = run_script(folder)
    assert result.returncode == 0, result.stderr
    return folder


def pdf(name: str, password: str | None = None) -> pypdfium2.PdfDocument:
    """One of the PDFs, opened."""
    return pypdfium2.PdfDocument((DOCUMENTS / name).read_bytes(), password=password)


def page_texts(name: str, password: str | None = None) -> list[str]:
    """The text of each page of one of the PDFs."""
    return [page.get_textpage().get_text_range() for page in pdf(name, password)]


def test_the_folder_is_small() -> None:
    """There are between 25 and 40 documents, together below 1.5 MB, the handbook below 300 KB."""
    files = contents(DOCUMENTS)
    assert 25 <= len(files) <= 40
    assert sum(map(len, files.values())) < 1_500_000
    assert len(files["handbook/employee-handbook.pdf"]) < 300_000


def test_the_readme_lists_every_document() -> None:
    """The table names exactly the files that are there, and counts their outcomes rightly."""
    readme = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"(?m)^\| `(.+?)` \| .+ \| (\w+).*? \|$", readme)
    assert sorted(name for name, _ in rows) == sorted(contents(DOCUMENTS))
    outcomes = [outcome for _, outcome in rows]
    counts = {word: outcomes.count(word) for word in ("done", "failed", "skipped")}
    assert (
        f"That makes {len(rows)}: {counts['done']} done, {counts['failed']} failed, "
        f"{counts['skipped']} skipped" in readme
    )


@pytest.mark.skipif(bool(other_bytes_expected()), reason=other_bytes_expected())
def test_the_script_reproduces_the_documents(made: Path) -> None:
    """The script writes the documents in git byte for byte."""
    written, stored = contents(made), contents(DOCUMENTS)
    assert sorted(written) == sorted(stored)
    assert [name for name in stored if written[name] != stored[name]] == []


def test_check_finds_each_kind_of_difference(made: Path, tmp_path: Path) -> None:
    """--check exits 1 and names a changed, a missing and an additional file, and no other."""
    folder = tmp_path / "documents"
    shutil.copytree(made, folder)
    (folder / "handbook/welcome.md").write_text("changed")
    (folder / "letters/untitled.txt").unlink()
    (folder / "more.txt").write_text("more")
    result = run_script(folder, "--check")
    assert result.returncode == 1
    assert result.stderr.splitlines() == [
        "different: handbook/welcome.md",
        "missing: letters/untitled.txt",
        "not made by this script: more.txt",
    ]


def test_check_accepts_what_was_just_made(made: Path) -> None:
    """--check exits 0 on a folder written a moment ago: two runs write the same bytes."""
    result = run_script("--check", made)
    assert (result.returncode, result.stderr) == (0, "")


def test_the_handbook_has_300_different_pages() -> None:
    """No two of the handbook's 300 pages have the same text."""
    pages = page_texts("handbook/employee-handbook.pdf")
    assert len(pages) == len(set(pages)) == 300
    assert all(f"Page {number} of 300" in page for number, page in enumerate(pages, start=1))


def test_an_invoice_has_several_pages() -> None:
    """Invoice 2025-0117 has three pages with text on each."""
    pages = page_texts("invoices/invoice-2025-0117.pdf")
    assert len(pages) == 3
    assert all(page.strip() for page in pages)


def test_the_encrypted_pdf_opens_with_its_password_only() -> None:
    """The salary review is refused without the password and read with it."""
    name = "contracts/salary-review-2025.pdf"
    with pytest.raises(pypdfium2.PdfiumError, match="password"):
        pdf(name)
    assert "Confidential" in page_texts(name, "docherd")[0]


def test_the_truncated_pdf_cannot_be_opened() -> None:
    """Invoice 2025-0119 begins as a PDF, lacks its end, and is refused."""
    content = (DOCUMENTS / "invoices/invoice-2025-0119.pdf").read_bytes()
    assert content.startswith(b"%PDF-")
    assert b"%%EOF" not in content
    with pytest.raises(pypdfium2.PdfiumError):
        pdf("invoices/invoice-2025-0119.pdf")


def test_the_truncated_workbook_cannot_be_opened() -> None:
    """The forecast's draft begins as a ZIP and has no directory."""
    path = DOCUMENTS / "reports/2025/q1/forecast-draft.xlsx"
    assert path.read_bytes().startswith(b"PK\x03\x04")
    assert not zipfile.is_zipfile(path)


def test_the_scan_holds_a_picture_and_no_text() -> None:
    """The receipt is one page with an image and without a character of text."""
    (page,) = list(pdf("invoices/receipt-scan.pdf"))
    kinds = [item.type for item in page.get_objects()]
    assert kinds == [pypdfium2.raw.FPDF_PAGEOBJ_IMAGE]
    assert page.get_textpage().get_text_range() == ""


def test_exactly_two_documents_have_the_same_bytes() -> None:
    """The copy of invoice 2025-0118 equals it, and no other two documents are equal."""
    files = contents(DOCUMENTS)
    copy = files["invoices/invoice-2025-0118 (copy).pdf"]
    assert copy == files["invoices/invoice-2025-0118.pdf"]
    assert len(set(files.values())) == len(files) - 1


def is_word(content: bytes) -> bool:
    """Tells a Word file by what only a Word file has in it."""
    return content.startswith(b"PK\x03\x04") and b"word/document.xml" in content


def is_latin_1_only(content: bytes) -> bool:
    """Tells text that is Latin-1 and can't be UTF-8."""
    try:
        content.decode()
    except UnicodeDecodeError:
        return "für" in content.decode("latin-1")
    return False


@pytest.mark.parametrize(
    ("name", "holds"),
    [
        ("contracts/lease-agreement.docx", is_word),
        ("contracts/maintenance-contract.pdf", is_word),
        ("contracts/old-supplier-terms.rtf", lambda content: content.startswith(b"{\\rtf1")),
        ("invoices/invoice-2025-0120.docx", lambda content: content.startswith(b"%PDF-")),
        ("letters/angebot-regale.txt", is_latin_1_only),
        ("letters/untitled.txt", lambda content: content == b""),
        ("letters/ご挨拶.txt", lambda content: "拝啓" in content.decode()),
        ("mail/~$reply-draft.docx", lambda content: len(content) == 162),
        (".DS_Store", lambda content: content.startswith(b"\x00\x00\x00\x01Bud1")),
        ("reports/2025/q1/summary.html", lambda content: b"must not appear" in content),
        ("reports/2025/Übersicht – 年次報告.pdf", lambda content: content.startswith(b"%PDF-")),
        ("website/about-ja.html", lambda content: b'lang="ja"' in content),
        ("website/logo.png", lambda content: content.startswith(b"\x89PNG\r\n\x1a\n")),
        ('minutes/the auditor\'s notes, "final" version.txt', bytes.isascii),
    ],
)
def test_a_special_case_is_what_it_claims(name: str, holds: Callable[[bytes], bool]) -> None:
    """A document whose point is its content really has that content."""
    assert holds((DOCUMENTS / name).read_bytes())


def test_the_mail_carries_its_attachment() -> None:
    """The delayed delivery's mail has one attachment, a table, and a subject beyond ASCII."""
    content = (DOCUMENTS / "mail/delivery-delay.eml").read_bytes()
    message = email.message_from_bytes(content, policy=email.policy.default)
    (attachment,) = message.iter_attachments()
    assert attachment.get_filename() == "new-dates.csv"
    assert attachment.get_content().startswith("order,article")
    assert "–" in message["subject"]


def test_addresses_belong_to_nobody() -> None:
    """Every mail address in the documents' text lies in example.com or example.org."""
    # Message-IDs count too; packed formats hold no addresses that are not in the script itself.
    source = SCRIPT.read_text(encoding="utf-8")
    addresses = re.findall(r"[\w.-]+@([\w-]+(?:\.[\w-]+)+)", source)
    assert addresses
    assert {".".join(address.split(".")[-2:]) for address in addresses} <= {
        "example.com",
        "example.org",
    }


def test_word_count_takes_text_and_leaves_the_rest() -> None:
    """The sample processor counts a text file's words and returns None for a PDF."""
    process_single = runpy.run_path(str(EXAMPLES / "word_count.py"))["process_single"]
    note = DOCUMENTS / "reports/2024/closing-note.txt"
    assert process_single(str(note)) == {
        "words": len(note.read_text().split()),
        "lines": note.read_text().count("\n"),
    }
    assert process_single(str(DOCUMENTS / "invoices/receipt-scan.pdf")) is None
