"""PDF."""

from __future__ import annotations

import os


def pypdfium2(path: os.PathLike[str]) -> str:
    import pypdfium2

    with pypdfium2.PdfDocument(os.fspath(path)) as pdf:
        return "\n".join(page.get_textpage().get_text_range(errors="replace") for page in pdf)


def pypdf(path: os.PathLike[str]) -> str:
    from pypdf import PdfReader

    return "\n".join(page.extract_text() for page in PdfReader(os.fspath(path)).pages)


def pdfminer(path: os.PathLike[str]) -> str:
    from pdfminer.high_level import extract_text

    return extract_text(os.fspath(path))


def pdfium_pages(path: os.PathLike[str]) -> int:
    import pypdfium2

    with pypdfium2.PdfDocument(os.fspath(path)) as pdf:
        return len(pdf)


def pypdf_pages(path: os.PathLike[str]) -> int:
    from pypdf import PdfReader

    return len(PdfReader(os.fspath(path)).pages)
