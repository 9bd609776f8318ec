"""Word and PowerPoint (docx, pptx): their packages through python-docx and python-pptx.

The text is taken from the XML of the parts rather than from the libraries' paragraphs, which leave
out content controls, inserted text and text boxes, and repeat a merged cell per column it spans.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from lxml import etree

from docherd.document import Document
from docherd.processors.readers import package
from docherd.processors.readers.markup import safe_parser
from docherd.processors.readers.parsing import corrupt_on
from docherd.processors.readers.properties import office_properties, office_properties_below

if TYPE_CHECKING:
    from docx.opc.part import Part
    from pptx.slide import Slide

#: what the libraries raise on a package that is not what it should be
_MALFORMED = (KeyError, ValueError, AttributeError, TypeError, IndexError, etree.XMLSyntaxError)


def read_docx(document: Document, *, light: bool = False) -> dict[str, object]:
    """Text in document order (cells tab by tab), then notes and comments, headers and footers.

    ``light``: pictures are not loaded, and no part is parsed twice.
    """
    from docx.opc.exceptions import OpcError
    from docx.opc.package import OpcPackage
    from docx.oxml.exceptions import XmlchemyError

    with document.open() as file, package.opened(file) as archive:
        record = office_properties(archive).stated()
        with corrupt_on(*_MALFORMED, OpcError, XmlchemyError):
            opened = OpcPackage.open(package.texts_of(archive) if light else file)
            parts = [opened.main_document_part, *_side_parts(opened.iter_parts())]
            roots = (_parsed(part) if light else _root(part) for part in parts)
            record["text"] = "\n".join(filter(None, map(_flow, roots)))
    return record


def read_xml_word(document: Document) -> dict[str, object]:
    """Word 2003's XML, which holds all in one file: as `read_docx`."""
    with corrupt_on(*_MALFORMED):
        root = etree.fromstring(document.read_bytes(), safe_parser())
        about = root.find("{*}DocumentProperties")
        stated = {} if about is None else office_properties_below(about).stated()
        return stated | {"text": _flow(root)}


def _side_parts(parts: Iterable[Part]) -> list[Part]:
    """Parts that hold text beside the main one, in a fixed order."""
    found = [(part.content_type.rpartition(".")[2], str(part.partname), part) for part in parts]
    named = [(kind.removesuffix("+xml"), name, part) for kind, name, part in found]
    ranked = [(_SIDES.index(kind), name, part) for kind, name, part in named if kind in _SIDES]
    return [part for _, _, part in sorted(ranked, key=lambda each: each[:2])]


_SIDES = ("footnotes", "endnotes", "comments", "header", "footer")


def _root(part: Part) -> etree._Element:
    return etree.fromstring(part.blob, safe_parser())


def _parsed(part: Part) -> etree._Element:
    """The tree that the library has made of a part, where it has made one."""
    root: etree._Element | None = getattr(part, "element", None)
    if root is None:
        return _root(part)
    etree.strip_tags(root, etree.Comment, etree.ProcessingInstruction)
    return root


def read_docx_light(document: Document) -> dict[str, object]:
    """As `read_docx`, in less memory."""
    return read_docx(document, light=True)


def read_pptx(document: Document, *, light: bool = False) -> dict[str, object]:
    """Text with a form feed between slides, each followed by its notes.

    ``light``: pictures are not loaded.
    """
    from pptx.exc import PythonPptxError
    from pptx.package import Package

    _know_macro_templates()
    with document.open() as file, package.opened(file) as archive:
        record = office_properties(archive).stated()
        with corrupt_on(*_MALFORMED, PythonPptxError):
            opened = Package.open(package.texts_of(archive) if light else file)
            slides = opened.presentation_part.presentation.slides
            texts = []
            for number, slide in enumerate(slides, 1):
                document.heartbeat(number, len(slides))
                texts.append("\n".join(_slide_texts(slide)))
    return {"slides": len(texts)} | record | {"text": "\f".join(texts)}


def read_pptx_light(document: Document) -> dict[str, object]:
    """As `read_pptx`, in less memory."""
    return read_pptx(document, light=True)


def _know_macro_templates() -> None:
    """Register the two presentation types that python-pptx leaves out (.potm, .ppsm)."""
    from pptx.opc.package import PartFactory
    from pptx.parts.presentation import PresentationPart

    for role in ("template", "slideshow"):
        content_type = f"application/vnd.ms-powerpoint.{role}.macroEnabled.main+xml"
        PartFactory.part_type_for.setdefault(content_type, PresentationPart)


def _slide_texts(slide: Slide) -> Iterator[str]:
    yield _flow(slide.element)
    if slide.has_notes_slide:
        notes = slide.notes_slide.notes_text_frame
        if notes is not None and notes.text:
            yield notes.text


# ── text that flows: WordprocessingML and DrawingML name its elements alike ──────────────────

_FALLBACK = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"


def _flow(root: etree._Element) -> str:
    """A line a paragraph, a tab between cells; what is there twice for old readers, once."""
    for double in list(root.iter(_FALLBACK)):
        parent = double.getparent()
        if parent is not None:
            parent.remove(double)
    text = "".join(_pieces(root))
    return "\n".join(line.strip(" ") for line in text.split("\n") if line.strip())


def _pieces(root: etree._Element) -> Iterator[str]:
    for element in root.iter("{*}t", "{*}p", "{*}tc", "{*}tab", "{*}br", "{*}cr"):
        match _name(element):
            case "t":
                yield element.text or ""
            case "p":
                yield "" if _begins_cell(element) else "\n"
            case "tc":
                yield "\t" if _name(element.getprevious()) == "tc" else "\n"
            case "tab":
                # In a run it is a character, elsewhere the place of a tab stop.
                yield "\t" if _name(element.getparent()) == "r" else ""
            case _:
                yield "\n"


def _begins_cell(paragraph: etree._Element) -> bool:
    """True for the first paragraph of a cell: the line of the row goes on."""
    parent = paragraph.getparent()
    if _name(parent) == "txBody" and parent is not None:  # PowerPoint puts it around paragraphs
        parent = parent.getparent()
    first = _name(paragraph.getprevious()) in ("", "tcPr", "bodyPr", "lstStyle")
    return first and _name(parent) == "tc"


def _name(element: etree._Element | None) -> str:
    return "" if element is None else etree.QName(element).localname
