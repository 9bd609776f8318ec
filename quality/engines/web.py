"""HTML."""

from __future__ import annotations

import codecs
import os
import re
import subprocess
import tempfile
from html import unescape
from pathlib import Path

_UNSEEN = ("script", "style", "template", "noscript")


def selectolax(path: os.PathLike[str]) -> str:
    from selectolax.lexbor import LexborHTMLParser

    page = LexborHTMLParser(Path(path).read_bytes())
    page.strip_tags(list(_UNSEEN))
    return page.body.text(separator="\n") if page.body else ""


def lxml(path: os.PathLike[str]) -> str:
    from lxml import etree, html

    page = html.document_fromstring(Path(path).read_bytes())
    etree.strip_elements(page, *_UNSEEN, etree.Comment, with_tail=False)
    body = page.find("body")
    return "\n".join(body.itertext()) if body is not None else ""


def inscriptis(path: os.PathLike[str]) -> str:
    from inscriptis import get_text

    return get_text(_decoded(path))


def resiliparse(path: os.PathLike[str]) -> str:
    from resiliparse.extract.html2text import extract_plain_text

    return extract_plain_text(_decoded(path))


def resiliparse_main(path: os.PathLike[str]) -> str:
    """What it takes for the main content."""
    from resiliparse.extract.html2text import extract_plain_text

    return extract_plain_text(_decoded(path), main_content=True)


def trafilatura(path: os.PathLike[str]) -> str:
    """What it takes for the main content."""
    from trafilatura import extract

    return extract(Path(path).read_bytes()) or ""


def _decoded(path: os.PathLike[str]) -> str:
    """For those that take text: with resiliparse's own detection."""
    from resiliparse.parse.encoding import bytes_to_str, detect_encoding

    data = Path(path).read_bytes()
    return bytes_to_str(data, detect_encoding(data))


# ── as people see it ─────────────────────────────────────────────────────────────────────────


def chromium(path: os.PathLike[str]) -> str:
    """`innerText` of the page, written by a script at its end; raises OSError without Chromium."""
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "page.html"
        data = Path(path).read_bytes()
        page.write_bytes(data + _SCRIPT.encode(_wide(data)))
        command = [*_CHROMIUM, f"--user-data-dir={folder}", "--dump-dom", page.as_uri()]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
    seen = _SEEN.search(done.stdout)
    if seen is None:
        raise ValueError("the page ended before its script")
    return unescape(seen[1])


_SCRIPT = """
<script>addEventListener("load", () => {
  const seen = document.createElement("pre")
  seen.id = "docherd-seen"
  seen.textContent = document.body.innerText
  document.documentElement.replaceChildren(seen)
})</script>"""
_SEEN = re.compile(r'<pre id="docherd-seen">(.*)</pre>', re.S)
_CHROMIUM = (
    "chromium",
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--host-resolver-rules=MAP * ~NOTFOUND",
)


def _wide(data: bytes) -> str:
    if data.startswith(codecs.BOM_UTF16_LE):
        return "utf-16-le"
    return "utf-16-be" if data.startswith(codecs.BOM_UTF16_BE) else "ascii"
