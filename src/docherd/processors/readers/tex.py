"""LaTeX: its source is its text; title and authors where they are simply stated."""

from __future__ import annotations

import re

from docherd.document import Document
from docherd.processors.readers import text


def read(document: Document) -> dict[str, object]:
    """The source as it stands, with what \\title and \\author say."""
    record = text.read(document)
    head = str(record["text"])[:_HEAD]
    title, author = (_argument(pattern, head) for pattern in (_TITLE, _AUTHOR))
    authors = [_plain(name) for name in _AND.split(author)]
    stated: dict[str, object] = {"title": _plain(title), "authors": list(filter(None, authors))}
    return {key: value for key, value in stated.items() if value} | record


#: characters in which they are looked for
_HEAD = 200_000


def _argument(pattern: re.Pattern[str], source: str) -> str:
    found = pattern.search(source)
    return found[1] if found else ""


#: an argument in braces, with braces in it up to two deep
_BRACES = r"\{((?:[^{}]|\{(?:[^{}]|\{[^{}]{0,500}\}){0,500}+\}){0,2000}+)\}"
_TITLE = re.compile(rf"^[^%\n]{{0,80}}\\title\s{{0,9}}(?:\[[^\]]{{0,500}}\])?{_BRACES}", re.M)
_AUTHOR = re.compile(rf"^[^%\n]{{0,80}}\\author\s{{0,9}}(?:\[[^\]]{{0,500}}\])?{_BRACES}", re.M)
_AND = re.compile(r"\\and\b|\\And\b|\\AND\b")


def _plain(source: str) -> str:
    """Without notes, commands, braces and comments, on one line."""
    source = _NOTE.sub("", _COMMENT.sub("", source))
    source = source.partition("\\\\")[0] if source.count("\\\\") > 1 else source
    return " ".join(_COMMAND.sub(" ", source).replace("~", " ").split())


_COMMENT = re.compile(r"(?<!\\)%[^\n]*")
_NOTE = re.compile(
    r"\\(?:thanks|footnote|email|inst|orcidID)\s{0,9}\{[^{}]*(?:\{[^{}]*\}[^{}]*){0,20}\}"
)
_COMMAND = re.compile(r"\\[A-Za-z@]+\*?|\\\\(?:\[[^\]]{0,20}\])?|[{}]|\\(?=[&%_#$ ])")
