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

#: narrower kinds: right where the MANIFEST says the wider one
NARROWER = {"avif": "heic", "jsonl": "text", "docx": "zip"}

#: texts on which no vote is taken: name → why
VOTES = {
    "tika/testEMLX.emlx": "only docherd knows Apple Mail's first line: to the others all headers"
    " are the body",
}

#: words that are more or fewer than the reference's
WORDS: dict[str, str] = {}

PAGES: dict[str, str] = {}

#: (workbook, reader) → why; of all its readers where the reader is ""
CELLS: dict[tuple[str, str], str] = {}
