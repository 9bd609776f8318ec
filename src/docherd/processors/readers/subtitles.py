"""Subtitles (srt, vtt, ass, MicroDVD's sub): what is said, without when."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

from docherd.document import Document
from docherd.processors.readers.encoding import decode


def read(document: Document) -> dict[str, object]:
    """The spoken text, a line as it was shown, with ``cues`` and the ``duration`` in seconds."""
    decoded = decode(document.read_bytes())
    text = decoded.text.replace("\r\n", "\n").replace("\r", "\n")
    match document.kind:
        case "ass":
            cues = [_plain(_OVERRIDE.sub("", cue)) for cue in _dialogue(text)]
        case "sub":
            cues = [_OVERRIDE.sub("", found[1]).replace("|", "\n") for found in _FRAMES(text)]
        case kind:
            cues = [_said(cue, entities=kind == "vtt") for cue in _blocks(text)]
    record: dict[str, object] = {"encoding": decoded.encoding, "cues": len(cues)}
    if title := _TITLE.search(text) if document.kind == "ass" else None:
        record["title"] = title[1].strip()
    if ends := [_seconds(found) for found in _END.finditer(text)]:
        record["duration"] = max(ends)
    return record | {"text": "\n".join(filter(None, map(str.strip, cues)))}


def _blocks(text: str) -> Iterator[str]:
    """What stands below the times, up to the next blank line."""
    for block in _BLANK.split(text):
        head, arrow, rest = block.partition("-->")
        if arrow and "\n" in rest and head.count("\n") < 2:
            yield rest.partition("\n")[2]


_BLANK = re.compile(r"\n[ \t]*\n")


def _said(cue: str, *, entities: bool) -> str:
    cue = _TAG.sub("", _OVERRIDE.sub("", cue))
    return html.unescape(cue) if entities else cue


_TAG = re.compile(r"</?[A-Za-z0-9][^<>\n]{0,200}>")
#: styles of ass, which stand in other kinds, too: {\an8}, {y:i}
_OVERRIDE = re.compile(r"\{[\\A-Za-z][^{}\n]{0,1000}\}")


def _dialogue(text: str) -> Iterator[str]:
    """The tenth field of each line of dialogue."""
    for found in _DIALOGUE.finditer(text):
        fields = found[1].split(",", 9)
        if len(fields) == 10:
            yield fields[9]


def _plain(cue: str) -> str:
    return cue.replace("\\N", "\n").replace("\\n", "\n").replace("\\h", " ")


_DIALOGUE = re.compile(r"^Dialogue:([^\n]*)", re.M)
_FRAMES = re.compile(r"^\{[0-9]{1,9}\}\{[0-9]{0,9}\}([^\n]*)", re.M).finditer
_TITLE = re.compile(r"^Title:([^\n]+)", re.M)

#: where a cue ends: 00:01:02,500 behind an arrow, or the second time of a dialogue
_END = re.compile(
    r"(?:--> *|^Dialogue:[^,\n]{0,20},[^,\n]{0,20}, *)"
    r"(?:([0-9]{1,3}):)?([0-9]{1,2}):([0-9]{1,2})[.,]([0-9]{1,3})",
    re.M,
)


def _seconds(found: re.Match[str]) -> float:
    hours, minutes, seconds, part = found.groups()
    return int(hours or 0) * 3600 + int(minutes) * 60 + int(seconds) + float(f"0.{part}")
