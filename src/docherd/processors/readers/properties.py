"""What a file states about itself: title, authors, dates, language."""

from __future__ import annotations

import re
import struct
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, BinaryIO

from docherd.exceptions import CorruptError
from docherd.processors.readers.encoding import decode
from docherd.processors.readers.parsing import corrupt_on

if TYPE_CHECKING:
    import zipfile

    from lxml import etree


@dataclass(frozen=True, slots=True)
class Properties:
    """The properties every family of kinds may state; None where this file does not."""

    title: str | None = None
    authors: list[str] | None = None
    created: str | None = None
    modified: str | None = None
    language: str | None = None

    def stated(self) -> dict[str, object]:
        """Only what is there."""
        return {name: value for name, value in asdict(self).items() if value}


def names(*stated: str | None) -> list[str]:
    """Each author once: several stand in one field with semicolons between them."""
    each = (name.strip() for field in stated if field for name in field.split(";"))
    return list(dict.fromkeys(filter(None, each)))


def iso_8601(stated: str | None) -> str | None:
    """A date as ISO 8601, in the time zone it was stated in; None where it is none."""
    if not stated:
        return None
    pdf = _PDF_DATE.match(stated.strip())
    text = _from_pdf(pdf) if pdf else stated.strip()
    try:
        return datetime.fromisoformat(text).isoformat()
    except ValueError:
        return None


#: D:YYYYMMDDHHmmSSOHH'mm', where everything after the year may be missing
_PDF_DATE = re.compile(
    r"D:\s?([0-9]{4})([0-9]{2})?([0-9]{2})?([0-9]{2})?([0-9]{2})?([0-9]{2})?"
    r"(?:(Z)|([+-][0-9]{2})'?([0-9]{2})?)?"
)


def _from_pdf(found: re.Match[str]) -> str:
    year, month, day, hour, minute, second, _, zone_hours, zone_minutes = found.groups()
    zone = f"{zone_hours}:{zone_minutes or '00'}" if zone_hours else "+00:00" if found[7] else ""
    date = f"{year}-{month or '01'}-{day or '01'}"
    return f"{date}T{hour or '00'}:{minute or '00'}:{second or '00'}{zone}"


# ── properties in XML: docProps/core.xml of Office, meta.xml of OpenDocument ─────────────────


def office_properties(archive: zipfile.ZipFile) -> Properties:
    """From docProps/core.xml; silent where it is missing or broken, for the text matters more."""
    return _from_xml(archive, "docProps/core.xml", created="created", modified="modified")


def open_document_properties(archive: zipfile.ZipFile) -> Properties:
    """From meta.xml; silent where it is missing or broken."""
    return _from_xml(archive, "meta.xml", created="creation-date", modified="date")


def properties_below(meta: etree._Element) -> Properties:
    """From the element of a flat OpenDocument that stands for meta.xml."""
    return _named(_leaves(meta), created="creation-date", modified="date")


def office_properties_below(about: etree._Element) -> Properties:
    """From the element of Word 2003's XML that stands for docProps/core.xml."""
    stated = {name.lower(): value for name, value in _leaves(about).items()}
    return _named(
        stated | {"creator": stated.get("author", "")}, created="created", modified="lastsaved"
    )


def _from_xml(archive: zipfile.ZipFile, member: str, created: str, modified: str) -> Properties:
    from lxml import etree

    from docherd.processors.readers.markup import safe_parser

    try:
        root = etree.fromstring(archive.read(member), safe_parser())
    except (KeyError, etree.XMLSyntaxError):
        return Properties()
    return _named(_leaves(root), created, modified)


def _named(stated: dict[str, str], created: str, modified: str) -> Properties:
    return Properties(
        title=stated.get("title"),
        authors=names(stated.get("initial-creator") or stated.get("creator")),
        created=iso_8601(stated.get(created)),
        modified=iso_8601(stated.get(modified)),
        language=stated.get("language"),
    )


def _leaves(root: etree._Element) -> dict[str, str]:
    """Local name → text of the elements of a small XML; the first of a name counts."""
    stated: dict[str, str] = {}
    for element in root.iter("{*}*"):
        if element.text and element.text.strip():
            name = str(element.tag).rpartition("}")[2]
            stated.setdefault(name, element.text.strip())
    return stated


# ── properties in OLE: the SummaryInformation of Office 97 ───────────────────────────────────

#: numbers of the properties in [MS-OLEPS]
_CODEPAGE, _TITLE, _AUTHOR, _CREATED, _SAVED = 1, 2, 4, 12, 13


def ole_properties(file: BinaryIO) -> Properties:
    """From the SummaryInformation stream; silent where it is missing or broken."""
    stated = _summary(file)
    codepage = stated.get(_CODEPAGE)
    return Properties(
        title=_ole_text(stated.get(_TITLE), codepage),
        authors=names(_ole_text(stated.get(_AUTHOR), codepage)),
        created=_ole_date(stated.get(_CREATED)),
        modified=_ole_date(stated.get(_SAVED)),
    )


def _summary(file: BinaryIO) -> dict[int, object]:
    import olefile

    errors = (OSError, ValueError, LookupError, TypeError, AttributeError, OverflowError)
    try:
        with corrupt_on(*errors, struct.error), olefile.OleFileIO(file) as ole:
            # Not get_metadata: it also reads a second stream, whose lists it trusts in length.
            return dict(ole.getproperties(_SUMMARY, convert_time=True))
    except CorruptError:
        return {}


_SUMMARY = "\x05SummaryInformation"


def _ole_text(value: object, codepage: object) -> str | None:
    if isinstance(value, str):
        return value.strip("\0 ")
    if not isinstance(value, bytes):
        return None
    # Stored as a signed 16-bit number: 65001 (UTF-8) is -535.
    page = f"cp{codepage % 65536}" if isinstance(codepage, int) else None
    return decode(value.rstrip(b"\0"), page).text.strip()


def _ole_date(value: object) -> str | None:
    # A FILETIME counts in UTC from 1601, and zero means that nobody stated it.
    if not isinstance(value, datetime) or value.year <= 1601:
        return None
    return value.replace(tzinfo=UTC).isoformat()
