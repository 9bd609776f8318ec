"""Libraries for many kinds."""

from __future__ import annotations

import os
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from extractous import Extractor
    from markitdown import MarkItDown


def extractous(path: os.PathLike[str]) -> str:
    """Apache Tika, compiled."""
    text, _ = _extractous().extract_file_to_string(os.fspath(path))
    return text


@cache
def _extractous() -> Extractor:
    from extractous import Extractor, PdfOcrStrategy, PdfParserConfig

    config = PdfParserConfig().set_ocr_strategy(PdfOcrStrategy.NO_OCR)
    return Extractor().set_extract_string_max_length(50_000_000).set_pdf_config(config)


def kreuzberg(path: os.PathLike[str]) -> str:
    from kreuzberg import extract_file_sync

    return extract_file_sync(os.fspath(path)).content


def markitdown(path: os.PathLike[str]) -> str:
    return _markitdown().convert_local(os.fspath(path)).text_content


@cache
def _markitdown() -> MarkItDown:
    from markitdown import MarkItDown

    return MarkItDown(enable_plugins=False)
