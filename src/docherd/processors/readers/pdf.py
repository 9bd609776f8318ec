"""PDF, with PDFium: one page in memory at a time, and a bad page does not cost the others."""

from __future__ import annotations

import ctypes
from typing import BinaryIO

import pypdfium2
import pypdfium2.raw as pdfium

from docherd.document import Document
from docherd.exceptions import CorruptError, EncryptedError
from docherd.processors.readers.parsing import one_line
from docherd.processors.readers.passwords import needed
from docherd.processors.readers.properties import Properties, iso_8601, names


def read(document: Document, passwords: tuple[str, ...]) -> dict[str, object]:
    """Text with a form feed between pages, the number of pages, and the document information.

    Pages that cannot be loaded are named in ``failed_pages``. Raises EncryptedError where none of
    ``passwords`` (nor the empty one) opens it, CorruptError where no page can be read.
    """
    with document.open() as file, _opened(file, passwords) as pdf:
        record: dict[str, object] = {"pages": len(pdf)} | _properties(pdf).stated()
        texts, failed = _pages(pdf, document)
    if failed and not texts:
        raise CorruptError(f"PDFium: none of {len(failed)} pages can be loaded")
    if failed:
        record["failed_pages"] = failed
    return record | {"text": "\f".join(texts)}


def _opened(file: BinaryIO, passwords: tuple[str, ...]) -> pypdfium2.PdfDocument:
    for password in (None, *passwords):
        _forget_last_error()
        try:
            return pypdfium2.PdfDocument(file, password)
        except pypdfium2.PdfiumError as error:
            if error.err_code == pdfium.FPDF_ERR_SECURITY:
                raise EncryptedError("PDFium does not know this encryption") from error
            if error.err_code != pdfium.FPDF_ERR_PASSWORD:
                raise CorruptError(one_line(error)) from error
    raise needed(len(passwords))


def _forget_last_error() -> None:
    """Make PDFium's last error "not a PDF": some failures set none, and an older one would speak.

    A broken file would then be called encrypted for coming after an encrypted one.
    """
    pdfium.FPDF_LoadMemDocument(b"", 0, None)


def _pages(pdf: pypdfium2.PdfDocument, document: Document) -> tuple[list[str], list[int]]:
    """The texts of the pages that can be read, and the numbers of those that cannot."""
    texts: list[str] = []
    failed: list[int] = []
    pages = len(pdf)
    for number in range(1, pages + 1):
        document.heartbeat(number, pages)
        try:
            texts.append(_page_text(pdf, number - 1))
        except _PAGE_ERRORS:
            failed.append(number)
    return texts, failed


# get_text_range recurses over characters that PDFium leaves out, and asserts what PDFium counts.
_PAGE_ERRORS = (pypdfium2.PdfiumError, RecursionError, AssertionError)


def _page_text(pdf: pypdfium2.PdfDocument, index: int) -> str:
    page = pdf.get_page(index)
    try:
        text = page.get_textpage()
        try:
            found: str = text.get_text_range(errors="replace")
        finally:
            text.close()
    finally:
        page.close()
    # U+FFFE is how PDFium writes the hyphen of a word that goes on in the next line.
    return found.replace("\r\n", "\n").replace("\ufffe", "-")


def _properties(pdf: pypdfium2.PdfDocument) -> Properties:
    return Properties(
        title=_information(pdf, b"Title"),
        authors=names(_information(pdf, b"Author")),
        created=iso_8601(_information(pdf, b"CreationDate")),
        modified=iso_8601(_information(pdf, b"ModDate")),
        language=_language(pdf),
    )


# pypdfium2's own get_metadata_value decodes strictly, and a hostile title need not be UTF-16.
def _information(pdf: pypdfium2.PdfDocument, key: bytes) -> str:
    size = pdfium.FPDF_GetMetaText(pdf, key, None, 0)
    buffer = ctypes.create_string_buffer(size)
    pdfium.FPDF_GetMetaText(pdf, key, buffer, size)
    return _utf16(buffer.raw)


def _language(pdf: pypdfium2.PdfDocument) -> str:
    size = pdfium.FPDFCatalog_GetLanguage(pdf, None, 0)
    buffer = (ctypes.c_ushort * (size // 2))()
    pdfium.FPDFCatalog_GetLanguage(pdf, buffer, size)
    return _utf16(bytes(buffer))


def _utf16(data: bytes) -> str:
    return data.decode("utf-16-le", "replace").rstrip("\0").strip()
