"""How many pages a Document has, counted without processing it: a probe for the forecast."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable

from docherd.document import Document

#: by extension; each raises whatever its library raises for what is none
_COUNT: dict[str, Callable[[Document], int]]

#: bytes of a table of contents above which a zip is no presentation
_LARGEST_INDEX = 100_000


def pages(document: Document) -> int:
    """Pages or slides; 0 where they cannot be told. Never raises an Exception."""
    extension = os.fspath(document).rpartition(".")[2].lower()
    try:
        return min(_COUNT[extension](document), 1 << 30)
    except Exception:  # of a damaged file or a missing library
        return 0


def _pdf(document: Document) -> int:
    import pypdfium2

    with document.open() as file:
        pdf = pypdfium2.PdfDocument(file)
        try:
            return len(pdf)
        finally:
            pdf.close()


def _slides(document: Document) -> int:
    with document.open() as file, zipfile.ZipFile(file) as archive:
        names = archive.namelist()
    slides = (n for n in names if n.startswith("ppt/slides/slide") and n.endswith(".xml"))
    return sum(1 for _ in slides)


_COUNT = {"pdf": _pdf, "pptx": _slides}
COUNTED = frozenset(_COUNT)
