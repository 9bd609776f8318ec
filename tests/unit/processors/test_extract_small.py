"""Small kinds that are texts: drawings, subtitles, calendars, contacts, notebooks, sources."""

import gzip
import json

import pytest

from docherd.exceptions import CorruptError
from docherd.processors.extract import Extract

# ── subtitles ────────────────────────────────────────────────────────────────────────────────

SRT = """\
1
00:00:01,000 --> 00:00:02,500
<i>Good evening,</i>
{\\an8}Mr. Bond.

2
00:01:00,000 --> 00:01:02,250 X1:0 X2:10
3 < 4
"""
VTT = """\
WEBVTT

NOTE a comment

STYLE
::cue { color: red }

first
00:01.000 --> 00:02.500 align:left
<v Bond>Good evening,</v>
<00:01.200>Fish &amp; chips.

01:00:00.000 --> 01:00:02.250
3 &lt; 4
"""
ASS = """\
[Script Info]
Title: A title

[Events]
Format: Layer, Start, End, Style, Name, MarginL, MarginR, MarginV, Effect, Text
Comment: 0,0:00:00.00,0:00:01.00,Default,,0,0,0,,unseen
Dialogue: 0,0:00:01.00,0:01:02.25,Default,,0,0,0,,{\\b1}Good{\\b0}, evening\\NMr. Bond.
"""


@pytest.mark.parametrize(
    ("name", "source", "cues", "duration", "text"),
    [
        ("a.srt", SRT, 2, 62.25, "Good evening,\nMr. Bond.\n3 < 4"),
        ("a.vtt", VTT, 2, 3602.25, "Good evening,\nFish & chips.\n3 < 4"),
        ("a.ass", ASS, 1, 62.25, "Good, evening\nMr. Bond."),
        (
            "a.sub",
            "{0}{2}{y:i}Good evening|Mr. Bond.\n{3}{}x\n",
            2,
            None,
            "Good evening\nMr. Bond.\nx",
        ),
    ],
)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_subtitles_give_what_is_said(extract, name, source, cues, duration, text, end):
    """Without times, numbers, styles and comments."""
    record = extract(name, source.replace("\n", end).encode())
    assert (record["kind"], record["cues"], record["text"]) == (name[2:], cues, text)
    assert record.get("duration") == duration
    assert record.get("title") == ("A title" if name == "a.ass" else None)


# ── calendars and contacts ───────────────────────────────────────────────────────────────────

EVENT = """\
BEGIN:VCALENDAR
VERSION:2.0
X-WR-CALNAME:Work
BEGIN:VEVENT
SUMMARY:A long meeting about
  nothing\\, really
DTSTART;TZID=Europe/Zurich:20261127T100000
DTEND:20261127T110000Z
ORGANIZER;CN="Doe, Jane";ROLE=CHAIR:mailto:jane@example.org
ATTENDEE:MAILTO:joe@example.org
LOCATION:Room 1
DESCRIPTION:One\\nTwo
BEGIN:VALARM
DESCRIPTION:Reminder
END:VALARM
END:VEVENT
BEGIN:VTODO
SUMMARY:Buy milk
DUE;VALUE=DATE:20261201
END:VTODO
END:VCALENDAR
"""


def test_a_calendar_gives_its_events(extract):
    """A paragraph each; alarms are left out."""
    record = extract("a.ics", EVENT.replace("\n", "\r\n").encode())
    assert record == {
        "kind": "ics",
        "title": "Work",
        "starts": "2026-11-27T10:00:00",
        "ends": "2026-12-01",
        "encoding": "utf-8",
        "events": 2,
        "words": 19,
        "text": "A long meeting about nothing, really\n"
        "2026-11-27T10:00:00 - 2026-11-27T11:00:00+00:00\nRoom 1\nDoe, Jane, joe@example.org\n"
        "One\nTwo\n\nBuy milk\n2026-12-01",
    }


def test_one_event_is_what_the_calendar_is_about(extract):
    """Its summary is the title, who invites the author."""
    source = EVENT.replace("X-WR-CALNAME:Work\n", "").partition("BEGIN:VTODO")[0]
    record = extract("a.ics", source.encode())
    assert record["title"] == "A long meeting about nothing, really"
    assert record["authors"] == ["Doe, Jane"]


def test_contacts_are_read(extract):
    """Of version 3 and of 2.1, which quotes what is not ASCII; pictures are left out."""
    record = extract(
        "a.vcf",
        b"BEGIN:VCARD\nVERSION:3.0\nFN:Jane Doe\nN:Doe;Jane;;;\nORG:Acme;Sales\n"
        b"item1.EMAIL;type=WORK:jane@example.org\nTEL:+41 1\nADR:;;Street 1;Bern;;3000;CH\n"
        b"PHOTO;ENCODING=b:AAAA\n AAAA\nNOTE:a\\;b\nEND:VCARD\n"
        b"BEGIN:VCARD\nVERSION:2.1\nN;CHARSET=UTF-8;ENCODING=QUOTED-PRINTABLE:Gro=C3=\n=9F;J=C3=BCrgen\n"
        b"END:VCARD\n",
    )
    assert record["contacts"] == 2
    assert record["text"] == (
        "Jane Doe\nAcme, Sales\njane@example.org\n+41 1\nStreet 1, Bern, 3000, CH\na;b\n\n"
        "Jürgen Groß"
    )


def test_a_calendar_of_many_lines_is_seen_to_go_on(document):
    """With heartbeats; what never ends, or ends twice, does no harm."""
    beats = []
    source = b"BEGIN:VCALENDAR\n" + b"END:VEVENT\nBEGIN:VEVENT\nSUMMARY:x\n" * 10_000
    record = Extract()(document("a.ics", source, pages=beats))
    assert record["events"] == 9_999
    assert len(beats) == 3


# ── drawings ─────────────────────────────────────────────────────────────────────────────────

SVG = """<?xml version="1.0"?>
<svg xmlns="http://www.w3.org/2000/svg" xml:lang="de"><title>A title</title><desc>What it
shows</desc><style>text { fill: red }</style><script>alert(1)</script>
<g><text x="1">Gr<tspan font-weight="bold">üß</tspan>e<tspan x="1" dy="1em">second</tspan></text>
</g><foreignObject><div xmlns="http://www.w3.org/1999/xhtml">a<p>b</p></div></foreignObject></svg>
""".encode()


@pytest.mark.parametrize("name", ["a.svg", "a.svgz"])
def test_the_words_of_a_drawing_are_read(document, name):
    """Title, description and texts; a part with a place of its own is a line."""
    found = Extract()(document(name, gzip.compress(SVG) if name == "a.svgz" else SVG))
    record = found if isinstance(found, dict) else next(found)
    assert record["text"] == "A title\nWhat it shows\nGrüße\nsecond\na\nb"
    assert (record["kind"], record["title"], record["language"]) == ("svg", "A title", "de")
    assert record["description"] == "What it shows"
    assert "extension" not in record


def test_a_drawing_reads_no_other_file(extract, tmp_path):
    """Entities are not expanded, and what it refers to is left where it is."""
    (tmp_path / "secret").write_text("SECRET")
    place = (tmp_path / "secret").as_uri().encode()
    data = (
        b'<!DOCTYPE svg [<!ENTITY e SYSTEM "%s">]><svg xmlns="http://www.w3.org/2000/svg">'
        b'<text>a &e; b</text><image href="%s"/><use href="%s"/></svg>' % (place, place, place)
    )
    assert "SECRET" not in extract("a.svg", data)["text"]


def test_a_broken_drawing_is_corrupt(extract):
    """As any XML is."""
    with pytest.raises(CorruptError):
        extract("a.svg", SVG[:-10])


# ── notebooks ────────────────────────────────────────────────────────────────────────────────


def notebook(**more):
    cells = [
        {"cell_type": "markdown", "source": ["# A title\n", "and text"]},
        {
            "cell_type": "code",
            "source": "print(1)",
            "outputs": [
                {"output_type": "stream", "text": ["1\n"]},
                {"output_type": "execute_result", "data": {"text/plain": "2", "image/png": "AA"}},
                {"output_type": "error", "traceback": ["\x1b[0;31mKeyError\x1b[0m: x"]},
                None,
            ],
        },
        "no cell",
    ]
    about = {"language_info": {"name": "python"}, "title": "T", "authors": [{"name": "A"}, 1]}
    return {"cells": cells, "metadata": about, "nbformat": 4} | more


def test_a_notebook_gives_its_cells_and_what_came_out(extract):
    """Sources, texts and errors; pictures are left out."""
    record = extract("a.ipynb", json.dumps(notebook()).encode())
    assert record["text"] == "# A title\nand text\nprint(1)\n1\n2\nKeyError: x"
    assert (record["kind"], record["cells"], record["code"]) == ("ipynb", 2, "python")
    assert (record["title"], record["authors"]) == ("T", ["A"])


def test_a_notebook_of_format_3_is_read(extract):
    """Its cells are in worksheets, and their source is called input."""
    old = {"nbformat": 3, "worksheets": [{"cells": [{"cell_type": "code", "input": ["x = 1"]}]}]}
    assert extract("a.ipynb", json.dumps(old).encode())["text"] == "x = 1"


@pytest.mark.parametrize(
    "data",
    [
        b'{"cells": ' + b"[" * 10_000 + b"]" * 10_000 + b"}",
        b"[1]",
        b'{"cells": [}',
        b'{"cells": "\xff"}',
    ],
)
def test_what_is_no_notebook_is_corrupt(extract, data):
    """Nested without end, no object, no JSON, no Unicode."""
    with pytest.raises(CorruptError):
        extract("a.ipynb", data)


@pytest.mark.parametrize("odd", [{"cells": {}}, {"cells": [[]]}, {"metadata": []}, {"cells": 1}])
def test_odd_notebooks_are_read_as_far_as_they_go(extract, odd):
    """Whatever stands where something else should."""
    assert extract("a.ipynb", json.dumps(notebook(**odd)).encode())["kind"] == "ipynb"


# ── sources ──────────────────────────────────────────────────────────────────────────────────

TEX = r"""% \title{Not this}
\documentclass{article}
\title[Short]{On \emph{nested {braces}}\thanks{For money}\\ and lines}
\author{Jane~Doe \and Jos\'e  Roe\thanks{X}}
\begin{document}
"""


def test_latex_states_its_title_and_authors(extract):
    """The source is the text."""
    record = extract("a.tex", TEX.encode())
    assert (record["kind"], record["text"]) == ("tex", TEX)
    assert record["title"] == "On nested braces and lines"
    assert record["authors"][0] == "Jane Doe"
    assert len(record["authors"]) == 2


@pytest.mark.parametrize(
    "head", [rb"\title{" * 20_000, rb"\title{" + b"{" * 100_000, rb"\author{x\thanks{" * 9000]
)
def test_braces_without_end_are_no_title(extract, head):
    """They are told in time."""
    assert "title" not in extract("a.tex", rb"\documentclass{a}" + b"\n" + head)


@pytest.mark.parametrize(
    ("name", "data", "kind", "code"),
    [
        ("a.py", b"import os\n", "code", "python"),
        ("a.ts", b"let x = 1\n", "code", "typescript"),
        ("script", b"#!/bin/sh\nls\n", "code", None),
        ("a.php", b"<?php echo 1; ?>\n", "code", "php"),
        ("a.yaml", b"a: 1\n", "yaml", None),
        ("a.ini", b"[a]\nb = 1\n", "ini", None),
        ("ls.1", b".TH LS 1\n.SH NAME\nls\n", "man", None),
        ("a.adoc", b"= Title\n", "adoc", None),
    ],
)
def test_sources_are_texts_of_their_kind(extract, name, data, kind, code):
    """With the language that they are written in, where their name tells."""
    record = extract(name, data)
    assert (record["kind"], record.get("code"), record["text"]) == (kind, code, data.decode())
    assert "extension" not in record


def test_lines_of_json_are_counted(extract):
    """Those that hold anything."""
    record = extract("a.jsonl", b'{"a": 1}\n\n{"a": 2}')
    assert (record["kind"], record["lines"]) == ("jsonl", 2)
