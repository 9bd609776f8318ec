"""Formats of old that no library reads: LibreOffice makes OpenDocument of them, which we read.

Word files are read with catdoc where LibreOffice is not installed: body text alone. Nobody else
reads the others as well.
"""

from __future__ import annotations

import io
import shutil
import tempfile
from functools import cache, partial
from pathlib import Path
from typing import IO, Final

from docherd import scratch
from docherd.document import Document
from docherd.exceptions import CorruptError
from docherd.processors import programs
from docherd.processors.readers import opendocument, passwords, spreadsheet
from docherd.processors.readers.inside import Inside
from docherd.processors.readers.properties import ole_properties

_CHUNK = 1 << 20


def read_doc(document: Document) -> dict[str, object]:
    """A Word file of 1995 to 2003, with what `opendocument.read` reads."""
    with document.open() as file:
        if passwords.is_locked(file):
            raise passwords.needed()
    if _is_able(_WRITER):
        return _converted(document, "doc", "odt")
    if (catdoc := programs.found("catdoc")) is None:
        raise programs.missing("doc", _PACKAGES[_WRITER], "catdoc")
    with document.open() as file:
        stated = ole_properties(file).stated()
    with scratch.folder() as folder, _copy(document) as source:
        said = programs.said_by([catdoc, "-d", "utf-8", "-w"], folder, source)
    text = said.output.decode("utf-8", "replace")
    lines = (
        "\t".join(" ".join(cell.split()) for cell in line.split("\t")).rstrip()
        for line in text.split("\n")
    )
    return {"program": "catdoc"} | stated | {"text": "\n".join(filter(None, lines))}


def read_ppt(document: Document) -> dict[str, object]:
    """A PowerPoint file of 1997 to 2003: slides with a form feed between them, and their notes."""
    with document.open() as file:
        if passwords.is_locked(file):  # msoffcrypto makes of it what nobody can open
            raise passwords.untried("a .ppt", "save it as .pptx")
    return _converted(document, "ppt", "odp")


def read_wpd(document: Document) -> dict[str, object]:
    """A WordPerfect file."""
    return _converted(document, "wpd", "odt")


def read_pub(document: Document) -> dict[str, object]:
    """A Publisher file, page by page."""
    return _converted(document, "pub", "odg")


def read_vsd(document: Document) -> dict[str, object]:
    """A Visio drawing, page by page."""
    return _converted(document, "vsd", "odg")


def read_vsdx(document: Document) -> dict[str, object]:
    """A Visio drawing of 2013 and later, page by page."""
    return _converted(document, "vsdx", "odg")


def read_iwork(document: Document) -> dict[str, object]:
    """A Pages, Numbers or Keynote file: its name says which, for their contents are alike."""
    wanted = _IWORK.get(document.path.suffix.lower(), "odt")
    return _converted(document, "iwork", wanted)


_IWORK: Final = {".numbers": "ods", ".key": "odp"}


def _copy(document: Document) -> IO[bytes]:
    """The content in a file without a name, which is gone when nobody has it open any more."""
    copy = tempfile.TemporaryFile()  # noqa: SIM115 - closed by who asked for it
    with document.open() as file:
        shutil.copyfileobj(file, copy, _CHUNK)
    copy.seek(0)
    return copy


# ── LibreOffice ──────────────────────────────────────────────────────────────────────────────

_WRITER, _CALC, _IMPRESS = "sw", "sc", "sd"
#: what reads and writes an OpenDocument of that extension, and the Debian package it is in
_MODULES: Final = {"odt": _WRITER, "ods": _CALC, "odp": _IMPRESS, "odg": _IMPRESS}
_PACKAGES: Final = {
    _WRITER: "libreoffice-writer",
    _CALC: "libreoffice-calc",
    _IMPRESS: "libreoffice-impress",
}

#: macros never run, nothing outside the document is loaded, and the network is a closed port
_SETTINGS: Final = {
    "Office.Common/Security/Scripting": {
        "DisableMacrosExecution": "true",
        "MacroSecurityLevel": "3",
        "BlockUntrustedRefererLinks": "true",
        "DisableActiveContent": "true",
    },
    "Office.Writer/Content/Update": {"Link": "2"},
    "Inet/Settings": {
        "ooInetProxyType": "2",
        **dict.fromkeys(("ooInetHTTPProxyName", "ooInetHTTPSProxyName"), "127.0.0.1"),
        **dict.fromkeys(("ooInetHTTPProxyPort", "ooInetHTTPSProxyPort"), "9"),
    },
}


@cache
def _is_able(module: str) -> bool:
    """True where LibreOffice is here with that part of it, which Debian packages singly."""
    soffice = programs.found("soffice")
    return soffice is not None and any(soffice.parent.glob(f"lib{module}lo.*"))


def _converted(document: Document, kind: str, wanted: str) -> dict[str, object]:
    """What `opendocument.read` reads of what LibreOffice makes of it, or its like for sheets."""
    module = _MODULES[wanted]
    if not _is_able(module):
        raise programs.missing(kind, _PACKAGES[module])
    with scratch.folder() as folder:
        with document.open() as file, (folder / f"document.{kind}").open("wb") as copy:
            shutil.copyfileobj(file, copy, _CHUNK)
        made = _made(folder, kind, wanted)
    reader = spreadsheet.read_ods if wanted == "ods" else opendocument.read
    return {"program": "soffice"} | reader(
        Inside(document, f"document.{wanted}", partial(io.BytesIO, made))
    )


def _made(folder: Path, kind: str, wanted: str) -> bytes:
    soffice = programs.found("soffice")
    assert soffice is not None
    profile = folder / "profile"
    (profile / "user").mkdir(parents=True)
    (profile / "user" / "registrymodifications.xcu").write_text(_settings())
    command: list[str | Path] = [
        *(soffice, f"-env:UserInstallation={profile.as_uri()}", "--headless", "--norestore"),
        *("--nolockcheck", "--convert-to", wanted, "--outdir", folder, f"document.{kind}"),
    ]
    said = programs.said_by(command, folder)
    try:
        return (folder / f"document.{wanted}").read_bytes()
    except FileNotFoundError:
        raise CorruptError(f"LibreOffice: {_last(said.complaints)}") from None


def _last(complaints: str) -> str:
    """Without the warning that there is no Java, which comes before all else."""
    return complaints.rpartition("Error: ")[2] or "it cannot be read"


def _settings() -> str:
    """A profile's settings, as LibreOffice keeps them."""
    xml = io.StringIO()
    xml.write('<?xml version="1.0"?><oor:items xmlns:oor="http://openoffice.org/2001/registry">')
    for path, settings in _SETTINGS.items():
        xml.write(f'<item oor:path="/org.openoffice.{path}">')
        for name, value in settings.items():
            xml.write(f'<prop oor:name="{name}" oor:op="fuse"><value>{value}</value></prop>')
        xml.write("</item>")
    xml.write("</oor:items>")
    return xml.getvalue()
