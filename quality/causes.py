"""Differences that were looked into, with what was found; a difference that is not here is open.

Names are those of the MANIFEST.
"""

from __future__ import annotations

#: where the MANIFEST is mistaken: name → (what the document is, why)
KINDS = {
    "poi/clusterfuzz-testcase-minimized-POIHSSFFuzzer-5816431116615680.xls": (
        "xls",
        "Workbook stands at the root; WordDocument only inside an embedded object",
    ),
    "tika/file1.pdf": ("text", "the text of a licence, there is no PDF in it"),
    "tika/single_mail.mbox": ("mbox", "an mbox; HTML is the body of its mail"),
    "tika/testIndesign.idml": ("zip", "InDesign's; only the container is EPUB's"),
    "tika/testMSG_att_doc.msg": ("msg", "an Outlook mail; Word is in its attachment"),
    "unstructured/codeblock.md": ("md", "Markdown that quotes HTML in a code block"),
    "unstructured/factbook.xsl": ("xml", "XML: a stylesheet that writes HTML"),
}

#: what docherd does not tell: name → why
UNTOLD = {"tika/testFOXMAIL.box": "Foxmail's own box: control bytes stand before its first header"}

#: narrower kinds: right where the MANIFEST says the wider one
NARROWER = {"avif": "heic", "jsonl": "text", "docx": "zip"}

#: texts on which no vote is taken: name → why
VOTES = {
    "tika/testEMLX.emlx": "only docherd knows Apple Mail's first line: to the others all headers"
    " are the body",
}

_OWNER = "opens with an empty owner password, which PDFium does not try"

#: in which texts others are ahead
WORDS = {
    "extractous/simple.odt": "docherd has the page number in the footer, too",
    "pdfjs/bug1606566.pdf": "no %PDF in its first line: PDFium does not open it",
    "pdfjs/ThuluthFeatures.pdf": "a font without Unicode: all readers have numbers of glyphs",
    "pdfjs/XiaoBiaoSong.pdf": "the vote is wrong: only PDFium reads its Chinese as such",
    "pdfjs/bug894572.pdf": "a font without Unicode: each reader guesses other letters",
    "pdfjs/bug900822.pdf": "the vote is wrong: what is set four times over is once in PDFium",
    "pdfjs/issue12120_reduced.pdf": "PDFium takes another encoding of an embedded font: DurÈe",
    "pdfjs/issue15893_reduced.pdf": "opens without a password in pdfminer.six and Tika alone",
    "pdfjs/issue19800.pdf": "words set over themselves: no two readers count alike",
    "pdfjs/issue3566.pdf": "the vote is wrong: 'different', which the others spell diﬁerent",
    "pdfjs/issue5874.pdf": "a font without Unicode: all readers have numbers of glyphs",
    "pdfjs/issue7878.pdf": "PDFium leaves out a no-break space of no width",
    "pypdf/issue-301.pdf": "a scan's noise: letters in another order",
    "pypdf/r6-user-password.pdf": _OWNER,
    "tabula/S2MNCEbirdisland.pdf": "the vote is wrong: the others read the shadow of a text, too",
    "tabula/argentina_diputados_voting_record.pdf": "the vote is wrong: a line set four times over",
    "tika/testMasterFooter.odp": "the others have the text of the master slide",
    "tika/testODTEmbeddedImageLink.odt": "the title of a picture, which the page does not show",
    "tika/testWORD_numbered_list.docx": "docherd has the comments, too",
    "unstructured/mime-multipart-digest.eml": "docherd has the headers of its mails, too",
}

_COUNT = "claims more pages (/Count) than there are; PDFium believes it, failed_pages names them"
_BROKEN = "its table of contents is broken; PDFium builds a new one"
_EMPTY = "PDFium counts a page that it cannot load: docherd says corrupt"

PAGES = {
    "pdfium/bad_page_type.pdf": "its second page calls itself a /Template; PDFium takes it",
    "pdfium/bug_1327884.pdf": _BROKEN,
    "pdfium/bug_216.pdf": _EMPTY,
    "pdfium/bug_544880.pdf": f"{_EMPTY}; its tree of pages goes in circles",
    "pdfium/bug_782596.pdf": _BROKEN,
    "pdfium/bug_828049.pdf": _BROKEN,
    "pdfium/document_aactions.pdf": _COUNT,
    "pdfium/named_dests_old_style.pdf": _COUNT,
    "pdfium/unsupported_feature.pdf": _COUNT,
    "pdfjs/PDFBOX-3148-2-fuzzed.pdf": "fuzzed: pypdf stops at a stream that does not decode",
    "pdfjs/Pages-tree-refs.pdf": "its tree of pages goes in circles: pypdf stops, PDFium reads on",
    "pdfjs/auth-event-ef-open.pdf": "only its attachments are encrypted",
    "pdfjs/bug1606566.pdf": "no %PDF in its first line: PDFium does not open it",
    "pdfjs/bug1978317.pdf": "pypdf takes over 30 s",
    "pdfjs/encrypted-attachment.pdf": "only its attachments are encrypted",
    "pdfjs/issue19800.pdf": _BROKEN,
    "pdfjs/poppler-395-0-fuzzed.pdf": "fuzzed: PDFium does not open it",
    "pdfjs/poppler-85140-0.pdf": _BROKEN,
    "pdfjs/poppler-937-0-fuzzed.pdf": _EMPTY,
    "pdfjs/pr6531_2.pdf": _OWNER,
    "pypdf/r6-user-password.pdf": _OWNER,
    "tika/Test4.pdf.tsd": "a PDF in the envelope of a time stamp: its table of contents is shifted",
    "tika/testPDF_malformedXFA.pdf": _BROKEN,
}

#: (workbook, reader) → why; of all its readers where the reader is ""
CELLS = {
    ("poi/xlsx-corrupted.xlsx", "calamine"): "its relations are no XML; the others read what stands"
    " in the usual place",
    ("tika/testEXCEL_template.xltx", "pylightxl"): "it does not read templates",
    ("tika/test-columnar.ods", ""): "pandas cuts off the seconds of a time",
    ("tika/testEXCEL-charts.xls", ""): "a sheet that is a chart: calamine has the values it draws",
}
