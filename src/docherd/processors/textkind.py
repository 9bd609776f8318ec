"""What a text is, told by its first lines; by its name where several kinds look alike."""

from __future__ import annotations

import re

from docherd.processors.readers.encoding import wide_encoding


def is_text(head: bytes) -> bool:
    if wide_encoding(head):
        return True
    # Stray control characters happen in texts; one in two hundred does not.
    controls = len(head) - len(head.translate(None, _CONTROLS))
    return controls * 200 <= len(head)


_CONTROLS = bytes(set(range(32)) - set(b"\t\n\r\f\v\b\x1b")) + b"\x7f"


def is_utf8(head: bytes) -> bool:
    try:
        head[:-3].decode()
    except UnicodeDecodeError as error:
        return error.reason == "unexpected end of data"
    return True


def among_texts(head: bytes, tie: str | None) -> str:
    """The kind of a text that begins with ``head``; its name promises ``tie``."""
    text = head.decode(wide_encoding(head) or "latin-1", "ignore")
    text = text.removeprefix("\ufeff").removeprefix("ï»¿").lstrip()
    if not text:
        return tie if tie in _MAY_BE_BLANK else "text"
    if response := _RESPONSE.match(text):
        text = text[response.end() :]
    if text.startswith("<"):
        return _among_markup(text, tie)
    if _JSON.match(text) or (tie in _IN_JSON and text.startswith(("[", "{"))):
        return _among_json(text, tie)
    if tie not in _TIES:
        for opening, kind in _OPENINGS:
            if opening.match(text):
                return kind
    if _MAIL.match(text) or _ENVELOPE.match(text) or (tie in _MAILS and _ANY_HEADER.match(text)):
        return _among_mails(text, tie)
    return tie if tie in _TIES else "text"


#: kinds that are texts like any other: only the name tells them apart
_TIES = frozenset({"csv", "tsv", "md", "rst", "org", "adoc", "yaml", "toml", "ini", "tex", "code"})
_MAILS = frozenset({"eml", "mhtml"})
_MAY_BE_BLANK = _TIES | _MAILS | {"html", "jsonl"}
#: a page that was kept with the headers of the server
_RESPONSE = re.compile(r"HTTP/[0-9.]{1,4} [0-9]{3}[^\n]{0,200}\n(?:[^\n]+\n){0,100}?\s*(?=<)")
_IN_JSON = frozenset({"json", "ipynb"})
_JSON = re.compile(r'\{\s*(?:"|\})|\[\s*[\[{"]')

#: how kinds begin that nothing else begins like
_OPENINGS = (
    (re.compile(r"BEGIN:VCALENDAR\s", re.I), "ics"),
    (re.compile(r"BEGIN:VCARD\s", re.I), "vcf"),
    (re.compile(r"WEBVTT(?:\s|$)"), "vtt"),
    (re.compile(r"[0-9]{1,6}\s{1,9}[0-9]{1,3}:[0-9]{2}:[0-9]{2}[,.][0-9]{1,3} *-->"), "srt"),
    (re.compile(r"\[Script Info\]", re.I), "ass"),
    (re.compile(r"\{[0-9]{1,9}\}\{[0-9]{0,9}\}"), "sub"),
    (re.compile(r"(?:%[^\n]*\n|\s+)*+\\document(?:class|style)\b"), "tex"),
    (re.compile(r"""(?:[.']\\"[^\n]*\n|\s+)*+\.(?:TH|Dd)[ \t]"""), "man"),
    (
        re.compile(r"#![^\n]{0,80}\b(?:python|perl|ruby|node|php|lua|Rscript|(?:ba|z|k|da)?sh)"),
        "code",
    ),
)


def _among_json(text: str, tie: str | None) -> str:
    if tie == "ipynb" or (_NOTEBOOK.match(text) and '"cell_type"' in text):
        return "ipynb"
    return "jsonl" if tie == "jsonl" else "json"


_NOTEBOOK = re.compile(r'\{\s*"cells"\s*:\s*\[')

#: suffix of source code → the language it is written in
CODE = {
    f".{suffix}": language
    for language, suffixes in {
        "ada": "adb ads",
        "assembly": "asm s",
        "c": "c h",
        "c#": "cs",
        "c++": "cc cpp cxx hh hpp hxx",
        "clojure": "clj cljs",
        "cobol": "cbl cob",
        "css": "css scss sass less",
        "d": "d",
        "dart": "dart",
        "elixir": "ex exs",
        "erlang": "erl hrl",
        "f#": "fs fsx",
        "fortran": "f f77 f90 f95 f03 for",
        "go": "go",
        "groovy": "groovy gradle",
        "haskell": "hs lhs",
        "java": "java",
        "javascript": "js mjs cjs jsx",
        "julia": "jl",
        "kotlin": "kt kts",
        "lisp": "el lisp lsp scm rkt",
        "lua": "lua",
        "nim": "nim",
        "objective-c": "m mm",
        "ocaml": "ml mli",
        "pascal": "pas pp dpr",
        "perl": "pl pm",
        "php": "php",
        "powershell": "ps1 psm1",
        "python": "py pyi pyw",
        "r": "r",
        "ruby": "rb",
        "rust": "rs",
        "scala": "scala sbt",
        "shell": "sh bash zsh ksh fish",
        "sql": "sql",
        "swift": "swift",
        "tcl": "tcl",
        "typescript": "ts tsx",
        "vb": "vb bas vbs",
        "vue": "vue",
        "zig": "zig",
    }.items()
    for suffix in suffixes.split()
}


def _among_markup(text: str, tie: str | None) -> str:
    prolog = _PROLOG.match(text)
    assert prolog is not None
    root = _TAG.match(text, prolog.end())
    name = root[1].lower() if root else ""
    if name in _ROOTS:
        return _ROOTS[name]
    if "<!doctype html" in prolog[0].lower():
        return "html"
    if text.startswith("<?xml") or (root and tie == "xml"):
        return "xml"
    if name in _HTML_TAGS:
        return "html"
    if root and "xmlns" in text:
        return "xml"
    return tie if tie in _TIES else "text"


#: what may stand before the root element; each alternative ends at its first terminator
_PROLOG = re.compile(
    r"(?:\s+|<\?xml(?:[^?]|\?(?!>))*\?>|<\?mso(?:[^?]|\?(?!>))*\?>|<!--(?:[^-]|-(?!->))*-->"
    r"|<![Dd][Oo][Cc][Tt][Yy][Pp][Ee][^>\[]*(?:\[[^\]]*\]\s*)?>)*+"
)
_TAG = re.compile(r"<([A-Za-z_][\w.:-]*)[\s>/]")
_ROOTS = {
    "html": "html",
    "svg": "svg",
    "fictionbook": "fb2",
    "office:document": "fodf",
    "w:worddocument": "xml-word",
}
_HTML_TAGS = frozenset(
    """
    head body title meta link base script style noscript div p span a img br hr table tr td
    tbody h1 h2 h3 h4 h5 h6 ul ol li center font b i em strong form pre article section main
    header footer nav frameset iframe
    """.split()  # noqa: SIM905 - one word a line would fill two screens
)


def _among_mails(text: str, tie: str | None) -> str:
    lowered = text.lower()
    if text.startswith("From "):
        # One mail kept with its envelope, or the first of many: the head cannot tell.
        return "eml" if tie == "eml" else "mbox"
    if tie == "mhtml" or "<saved by" in lowered or "snapshot-content-location:" in lowered:
        return "mhtml"
    return "eml"


#: the line that begins each mail of an mbox
_ENVELOPE = re.compile(r"From \S+ [^\n]{0,60}[0-9]{2}:[0-9]{2}[^\n]{0,40}\n")
# A mail begins with header lines, one of them known; mbox puts its "From " line before them, and
# Apple Mail's .emlx the length. Two lines are asked for: "Subject: x" alone may be a note.
_HEADER = r"[!-9;-~]{1,60}:[^\n]*\n(?:[ \t][^\n]*\n)*"
_ANY_HEADER = re.compile(_HEADER)
_KNOWN = (
    r"(?i:from|to|cc|subject|date|received|return-path|delivered-to|message-id|mime-version"
    r"|reply-to|sender|content-[a-z-]{1,60}|x-[a-z-]{1,60})"
)
_MAIL = re.compile(
    rf"(?:From [^\n]*\n|[0-9]{{1,9}}\s*\n)?+(?:{_HEADER}){{0,3}}?{_KNOWN}:[^\n]*\n"
    rf"(?:[ \t][^\n]*\n)*+{_KNOWN}:"
)
