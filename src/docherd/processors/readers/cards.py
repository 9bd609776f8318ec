"""Calendars (ics) and address cards (vcf): what people would read in them.

Both are made of content lines, ``NAME;PARAMETER=x:value``, folded at 75 bytes.
"""

from __future__ import annotations

import quopri
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from docherd.document import Document
from docherd.processors.readers.encoding import decode


def read_calendar(document: Document) -> dict[str, object]:
    """Each event, task and note as a few lines; how many ``events``, and from when until when."""
    lines, encoding = _source(document)
    title, events = "", list[_Component]()
    for component in _components(lines, document):
        if component.name == "VCALENDAR":
            title = component.first("X-WR-CALNAME", "NAME")
        elif component.name in ("VEVENT", "VTODO", "VJOURNAL"):
            events.append(component)
    alone = events[0] if len(events) == 1 else _Component("")
    days = sorted(filter(None, (_date(event.first("DTSTART")) for event in events)))
    ends = sorted(filter(None, (_date(event.first("DTEND", "DUE")) for event in events)))
    stated: dict[str, object] = {
        "title": title or alone.first("SUMMARY"),
        "authors": list(filter(None, [alone.person("ORGANIZER")])),
        "created": _date(alone.first("CREATED", "DTSTAMP")),
        "modified": _date(alone.first("LAST-MODIFIED")),
        "starts": next(iter(days), ""),
        "ends": max([*days[-1:], *ends[-1:]], default=""),
        "encoding": encoding,
    }
    text = "\n\n".join(filter(None, map(_event, events)))
    return _stated(stated) | {"events": len(events), "text": text}


def read_contacts(document: Document) -> dict[str, object]:
    """Each contact as a few lines, and how many ``contacts`` there are."""
    lines, encoding = _source(document)
    cards = [each for each in _components(lines, document) if each.name == "VCARD"]
    alone = cards[0] if len(cards) == 1 else _Component("")
    stated: dict[str, object] = {
        "title": alone.first("FN"),
        "modified": _date(alone.first("REV")),
        "encoding": encoding,
    }
    text = "\n\n".join(filter(None, map(_contact, cards)))
    return _stated(stated) | {"contacts": len(cards), "text": text}


def _stated(stated: dict[str, object]) -> dict[str, object]:
    return {key: value for key, value in stated.items() if value}


def _event(event: _Component) -> str:
    start, end = _date(event.first("DTSTART")), _date(event.first("DTEND", "DUE"))
    people = [event.person("ORGANIZER"), *event.people("ATTENDEE")]
    return _paragraph(
        event.first("SUMMARY"),
        " - ".join(filter(None, (start, end))),
        event.first("LOCATION"),
        ", ".join(dict.fromkeys(filter(None, people))),
        event.first("DESCRIPTION"),
        event.first("URL"),
    )


def _contact(card: _Component) -> str:
    structured = " ".join(reversed(_parts(card.first("N"))[:2]))
    return _paragraph(
        card.first("FN") or structured,
        *(card.first(name) for name in ("NICKNAME", "TITLE", "ROLE")),
        ", ".join(_parts(card.first("ORG"))),
        *(value for name in ("EMAIL", "TEL") for value in card.values(name)),
        *(", ".join(_parts(value)) for value in card.values("ADR")),
        *(card.first(name) for name in ("URL", "BDAY", "NOTE")),
    )


def _paragraph(*lines: str) -> str:
    return "\n".join(line.strip() for line in lines if line.strip())


def _parts(value: str) -> list[str]:
    """The parts of a structured value that hold anything."""
    return [part.strip() for part in value.split(";") if part.strip()]


# ── content lines ────────────────────────────────────────────────────────────────────────────


@dataclass(slots=True)
class _Component:
    """What stands between BEGIN and END: name → (parameters, value), in their order."""

    name: str
    properties: dict[str, list[tuple[str, str]]] = field(default_factory=dict)

    def values(self, name: str) -> list[str]:
        return [_unescaped(value, given) for given, value in self.properties.get(name, [])]

    def first(self, *names: str) -> str:
        """The first value of the first of the names that is there."""
        return next((value for name in names for value in self.values(name) if value), "")

    def people(self, name: str) -> list[str]:
        """Their names where they are stated, else their addresses."""
        found = self.properties.get(name, [])
        return [_common_name(given) or _MAILTO.sub("", value) for given, value in found]

    def person(self, name: str) -> str:
        return next(iter(self.people(name)), "")


_MAILTO = re.compile("^mailto:", re.I)
_BEAT = 10_000


def _source(document: Document) -> tuple[Iterator[str], str]:
    decoded = decode(document.read_bytes())
    return _unfolded(decoded.text), decoded.encoding


def _unfolded(text: str) -> Iterator[str]:
    """Content lines: what begins with a blank goes on, and so does quoted-printable after ``=``."""
    pieces: list[str] = []
    soft = False
    for line in _LINES(text):
        if pieces and line[0][:1] in (" ", "\t"):
            pieces.append(line[0][1:])
        elif pieces and soft:
            pieces[-1] = pieces[-1][:-1]
            pieces.append(line[0])
        else:
            yield "".join(pieces)
            pieces = [line[0]]
        quoted = soft or "QUOTED-PRINTABLE" in pieces[0][:200].upper()
        soft = quoted and line[0].endswith("=")
    yield "".join(pieces)


_LINES = re.compile(r"[^\r\n]+").finditer


def _components(lines: Iterator[str], document: Document) -> Iterator[_Component]:
    """Each as it ends; what is in one that never ends is left out with it."""
    inside = [_Component("")]
    for number, line in enumerate(lines, 1):
        if number % _BEAT == 0:
            document.heartbeat()
        found = _LINE(line)
        if not found:
            continue
        name, given, value = found.groups()
        name = name.rpartition(".")[2].upper()  # item1.EMAIL
        if name == "BEGIN":
            inside.append(_Component(value.strip().upper()))
        elif name == "END" and len(inside) > 1:
            yield inside.pop()
        elif name in _READ:
            inside[-1].properties.setdefault(name, []).append((given, value))


_LINE = re.compile(r"""([A-Za-z0-9.-]{1,80})((?:[^":]|"[^"]*")*+):(.*)""", re.S).match
_READ = frozenset(
    """
    X-WR-CALNAME NAME SUMMARY ORGANIZER ATTENDEE CREATED DTSTAMP LAST-MODIFIED DTSTART DTEND DUE
    LOCATION DESCRIPTION URL FN N NICKNAME TITLE ROLE ORG EMAIL TEL ADR BDAY NOTE REV
    """.split()  # noqa: SIM905 - one word a line would fill a screen
)


def _common_name(given: str) -> str:
    found = _CN.search(given)
    return (found[1] or found[2]).strip() if found else ""


_CN = re.compile(r""";CN=(?:"([^"]*)"|([^;:"]*))""", re.I)


def _unescaped(value: str, given: str) -> str:
    if "QUOTED-PRINTABLE" in given.upper():
        charset = _CHARSET.search(given)
        value = decode(quopri.decodestring(value.encode()), charset[1] if charset else None).text
    return _ESCAPED.sub(lambda found: "\n" if found[1] in "nN" else found[1], value)


_CHARSET = re.compile(r";CHARSET=([A-Za-z0-9_-]{1,40})", re.I)
_ESCAPED = re.compile(r"\\([\\;,nN:])")


def _date(value: str) -> str:
    """20261127T100000Z as ISO 8601; empty where it is none."""
    value = value.strip()
    try:
        if len(value) == 8:
            return datetime.strptime(value, "%Y%m%d").date().isoformat()
        return datetime.fromisoformat(value).isoformat()
    except ValueError:
        return ""
