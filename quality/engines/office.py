"""Word, PowerPoint, OpenDocument and RTF."""

from __future__ import annotations

import os
from pathlib import Path


def python_docx(path: os.PathLike[str]) -> str:
    import docx

    pieces: list[str] = []
    for block in docx.Document(os.fspath(path)).iter_inner_content():
        if isinstance(block, docx.text.paragraph.Paragraph):
            pieces.append(block.text)
        else:
            pieces += ["\t".join(cell.text for cell in row.cells) for row in block.rows]
    return "\n".join(pieces)


def docx2python(path: os.PathLike[str]) -> str:
    from docx2python import docx2python

    with docx2python(path) as content:
        return str(content.text)


def mammoth(path: os.PathLike[str]) -> str:
    import mammoth

    with Path(path).open("rb") as file:
        return str(mammoth.extract_raw_text(file).value)


def docx2txt(path: os.PathLike[str]) -> str:
    import docx2txt

    return str(docx2txt.process(os.fspath(path)))


def python_pptx(path: os.PathLike[str]) -> str:
    from pptx import Presentation

    pieces: list[str] = []
    for slide in Presentation(os.fspath(path)).slides:
        for shape in slide.shapes:
            if shape.has_text_frame:
                pieces.append(shape.text_frame.text)
            if shape.has_table:
                pieces += ["\t".join(cell.text for cell in row.cells) for row in shape.table.rows]
        if slide.has_notes_slide and slide.notes_slide.notes_text_frame:
            pieces.append(slide.notes_slide.notes_text_frame.text)
    return "\n".join(pieces)


def odfpy(path: os.PathLike[str]) -> str:
    from odf import teletype, text
    from odf.opendocument import load

    document = load(os.fspath(path))
    paragraphs = [
        *document.getElementsByType(text.H),
        *document.getElementsByType(text.P),
    ]
    return "\n".join(teletype.extractText(paragraph) for paragraph in paragraphs)


def striprtf(path: os.PathLike[str]) -> str:
    from striprtf.striprtf import rtf_to_text

    return str(rtf_to_text(Path(path).read_text("latin-1"), errors="replace"))
