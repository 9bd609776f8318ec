"""What is measured: a function a library, each as the documentation of the library shows it.

A function is given a docherd.Document, which is also a path.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Engine:
    """One library, asked for one thing."""

    #: as on the page
    name: str
    #: its distribution
    package: str
    #: module and function below quality.engines
    function: str
    #: of the MANIFEST; empty for all
    kinds: frozenset[str] = frozenset()
    #: counted where readers vote: not twice for two that share an engine, nor for those that
    #: leave text out on purpose; docherd has none
    votes: bool = False


def _of(kinds: str) -> frozenset[str]:
    return frozenset(kinds.split())


_WORDS = "pdf docx pptx xlsx xlsb xls ods html eml csv tsv xml odt odp rtf epub doc ppt msg"

TEXTS = (
    Engine("docherd", "docherd", "ours.text", _of(_WORDS)),
    Engine("pypdfium2", "pypdfium2", "pdf.pypdfium2", _of("pdf"), votes=True),
    Engine("pypdf", "pypdf", "pdf.pypdf", _of("pdf"), votes=True),
    Engine("pdfminer.six", "pdfminer.six", "pdf.pdfminer", _of("pdf"), votes=True),
    Engine("python-docx", "python-docx", "office.python_docx", _of("docx"), votes=True),
    Engine("docx2python", "docx2python", "office.docx2python", _of("docx"), votes=True),
    Engine("mammoth", "mammoth", "office.mammoth", _of("docx"), votes=True),
    Engine("docx2txt", "docx2txt", "office.docx2txt", _of("docx"), votes=True),
    Engine("python-pptx", "python-pptx", "office.python_pptx", _of("pptx"), votes=True),
    Engine("odfpy", "odfpy", "office.odfpy", _of("odt odp"), votes=True),
    Engine("striprtf", "striprtf", "office.striprtf", _of("rtf"), votes=True),
    Engine("selectolax", "selectolax", "web.selectolax", _of("html"), votes=True),
    Engine("lxml", "lxml", "web.lxml", _of("html"), votes=True),
    Engine("inscriptis", "inscriptis", "web.inscriptis", _of("html"), votes=True),
    Engine("resiliparse", "resiliparse", "web.resiliparse", _of("html"), votes=True),
    Engine("resiliparse, main", "resiliparse", "web.resiliparse_main", _of("html")),
    Engine("trafilatura", "trafilatura", "web.trafilatura", _of("html")),
    Engine("email", "docherd", "mail.standard", _of("eml"), votes=True),
    Engine("mail-parser", "mail-parser", "mail.mail_parser", _of("eml"), votes=True),
    Engine("extractous", "extractous", "allround.extractous", _of(_WORDS), votes=True),
    Engine("kreuzberg", "kreuzberg", "allround.kreuzberg", _of(_WORDS)),
    Engine("markitdown", "markitdown", "allround.markitdown", _of("docx pptx xlsx xls html epub")),
)

#: what a page shows, where Chromium is installed
BROWSER = Engine("Chromium", "docherd", "web.chromium", _of("html"))

SHEETS = (
    Engine("docherd", "docherd", "ours.cells", _of("xlsx xlsb xls ods")),
    Engine("docherd, light", "docherd", "ours.cells_light", _of("xlsx")),
    Engine("calamine", "python-calamine", "sheets.calamine", _of("xlsx xlsb xls ods"), votes=True),
    Engine("openpyxl", "openpyxl", "sheets.openpyxl", _of("xlsx"), votes=True),
    Engine("pylightxl", "pylightxl", "sheets.pylightxl", _of("xlsx"), votes=True),
    Engine("xlrd", "xlrd", "sheets.xlrd", _of("xls"), votes=True),
    Engine("pyxlsb", "pyxlsb", "sheets.pyxlsb", _of("xlsb"), votes=True),
    Engine("pandas, odfpy", "pandas", "sheets.pandas_ods", _of("ods"), votes=True),
)

KINDS = (
    Engine("docherd", "docherd", "ours.kind"),
    Engine("filetype", "filetype", "kinds.filetype"),
    Engine("puremagic", "puremagic", "kinds.puremagic"),
    Engine("magika", "magika", "kinds.magika"),
)

PAGES = (
    Engine("docherd", "docherd", "ours.pages", _of("pdf")),
    Engine("PDFium", "pypdfium2", "pdf.pdfium_pages", _of("pdf")),
    Engine("pypdf", "pypdf", "pdf.pypdf_pages", _of("pdf")),
)
