"""What a Document is, told by its content.

    head ──► signature ──► zip? look into its directory      (docx, xlsx, odt, epub, ...)
                      ├──► ole? look into its directory      (doc, xls, msg, ooxml-encrypted, ...)
                      ├──► text? its first lines             (html, xml, eml, json, ...)
                      └──► "binary"

The name is asked last, and only where content cannot tell: every CSV is also a text file.
"""

from __future__ import annotations

import re
import zipfile
import zlib
from typing import BinaryIO

from docherd.document import Document
from docherd.exceptions import CorruptError
from docherd.processors.readers.parsing import corrupt_on
from docherd.processors.textkind import CODE, among_texts, is_text, is_utf8

#: bytes that are read of every file; the deepest signature (tar) lies at 257
HEAD = 8192


def detect(document: Document) -> str:
    """The kind of ``document`` by content: ``pdf``, ``docx``, ``text``, ..., else ``binary``."""
    with document.open() as file:
        return kind_of(file, document.path.suffix)


def kind_of(file: BinaryIO, suffix: str) -> str:
    """The kind of what ``file`` holds from its current position, which is its beginning."""
    head = file.read(HEAD)
    if not head:
        return "empty"
    kind = _by_signature(head)
    if kind == "zip":
        return _inside_zip(file, head, suffix)
    if kind == "ole":
        return _inside_ole(file, head, suffix)
    if kind is None and is_text(head):
        return among_texts(head, claimed_by(suffix))
    return kind or "binary"


def claimed_by(suffix: str) -> str | None:
    """The kind that a file name's suffix promises, None where it promises nothing we know."""
    suffix = suffix.lower()
    if suffix in CODE:
        return "code"
    return _CLAIMS.get(suffix, suffix[1:] if suffix[1:] in _NAMED_AS_THEY_ARE else None)


_CLAIMS = {
    ".txt": "text",
    ".htm": "html",
    ".xhtml": "html",
    ".markdown": "md",
    ".tab": "tsv",
    ".ndjson": "jsonl",
    ".xsl": "xml",
    ".jpg": "jpeg",
    ".tif": "tiff",
    ".jpe": "jpeg",
    ".j2k": "jp2",
    ".dib": "bmp",
    ".heif": "heic",
    ".gz": "gzip",
    ".tgz": "gzip",
    ".svgz": "gzip",
    ".bz2": "bzip2",
    ".tbz2": "bzip2",
    ".txz": "xz",
    ".zst": "zstd",
    ".yml": "yaml",
    ".cfg": "ini",
    ".ssa": "ass",
    ".ltx": "tex",
    ".latex": "tex",
    ".sty": "tex",
    ".cls": "tex",
    ".asciidoc": "adoc",
    ".ical": "ics",
    ".vcard": "vcf",
    ".docm": "docx",
    ".dotx": "docx",
    ".dotm": "docx",
    ".pptm": "pptx",
    ".potx": "pptx",
    ".potm": "pptx",
    ".ppsx": "pptx",
    ".ppsm": "pptx",
    ".xlsm": "xlsx",
    ".xltx": "xlsx",
    ".xltm": "xlsx",
    ".xlt": "xls",
    ".dot": "doc",
    ".pps": "ppt",
    ".pot": "ppt",
    ".ott": "odt",
    ".ots": "ods",
    ".otp": "odp",
    ".otg": "odg",
    ".odm": "odt",
    **dict.fromkeys((".fodt", ".fods", ".fodp", ".fodg"), "fodf"),
    ".fbz": "fb2",
    **dict.fromkeys((".pages", ".numbers", ".key"), "iwork"),
    ".wp": "wpd",
    **dict.fromkeys((".vst", ".vss"), "vsd"),
    **dict.fromkeys((".vstx", ".vssx", ".vsdm", ".vstm", ".vssm"), "vsdx"),
    ".emlx": "eml",
    ".mht": "mhtml",
}
_NAMED_AS_THEY_ARE = frozenset(
    """
    pdf docx pptx xlsx xlsb xls ods odt odp odg html eml mbox mhtml csv tsv md rst org json jsonl
    xml doc ppt rtf wpd pub vsd vsdx msg png jpeg tiff gif bmp webp heic svg zip tar 7z rar epub
    fb2 mp3 mp4 avif jp2 psd xz ics vcf srt vtt ass tex ipynb yaml toml ini adoc
    """.split()  # noqa: SIM905 - one word a line would fill two screens
)

# ── signatures ───────────────────────────────────────────────────────────────────────────────


def _by_signature(head: bytes) -> str | None:
    for offset, magic, kind in _SIGNATURES:
        if head.startswith(magic, offset):
            return kind
    if head[4:8] == b"ftyp":
        return _FTYP_BRANDS.get(head[8:12], "mp4")
    if head[:4] == b"RIFF":
        return _RIFF_FORMS.get(head[8:12])
    # "BM" alone begins many a text: the four bytes reserved in every BMP settle it.
    if head[:2] == b"BM" and head[6:10] == bytes(4):
        return "bmp"
    # Readers accept a PDF behind junk (mail headers, a signature's envelope) of up to 1,024 bytes.
    if _PDF_LINE.search(head, 0, 1024) or (b"%PDF-" in head[:1024] and not is_utf8(head)):
        return "pdf"
    return None


# The second is one whose first line is broken.
_PDF_LINE = re.compile(rb"[\r\n]%PDF-[0-9]|\A%[^\r\n]{0,20}[\r\n]+[0-9]{1,9} [0-9]{1,9} obj\b")

_SIGNATURES = (
    (0, b"%PDF", "pdf"),
    (0, b"PK\x03\x04", "zip"),
    (0, b"PK\x05\x06", "zip"),
    (0, b"PK\x07\x08PK", "zip"),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "ole"),
    (0, b"{\\rtf", "rtf"),
    (0, b"\x89PNG\r\n\x1a\n", "png"),
    (0, b"\xff\xd8\xff", "jpeg"),
    (0, b"II*\0", "tiff"),
    (0, b"MM\0*", "tiff"),
    (0, b"II+\0", "tiff"),
    (0, b"MM\0+", "tiff"),
    (0, b"GIF87a", "gif"),
    (0, b"GIF89a", "gif"),
    (0, b"\0\0\0\x0cjP  ", "jp2"),
    (0, b"\xff\x4f\xff\x51", "jp2"),
    (0, b"8BPS", "psd"),
    (0, b"AT&TFORM", "djvu"),
    (0, b"%!PS", "ps"),
    (0, b"\xc5\xd0\xd3\xc6", "ps"),
    (0, b"ITSF", "chm"),
    (0, b"\xffWPC", "wpd"),
    (0, b"\x78\x9f\x3e\x22", "tnef"),
    (0, b"SQLite format 3\0", "sqlite"),
    (0, b"PAR1", "parquet"),
    (0, b"\x1f\x8b", "gzip"),
    (0, b"BZh", "bzip2"),
    (0, b"\xfd7zXZ\0", "xz"),
    (0, b"\x28\xb5\x2f\xfd", "zstd"),
    (0, b"7z\xbc\xaf\x27\x1c", "7z"),
    (0, b"Rar!\x1a\x07", "rar"),
    (257, b"ustar", "tar"),
    (0, b"ID3", "mp3"),
    (0, b"\xff\xfb", "mp3"),
    (0, b"fLaC", "flac"),
    (0, b"OggS", "ogg"),
    (0, b"\x7fELF", "elf"),
)
_FTYP_BRANDS = {
    brand: kind
    for kind, brands in {
        "heic": (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"),
        "avif": (b"avif", b"avis"),
        "mov": (b"qt  ",),
    }.items()
    for brand in brands
}
_RIFF_FORMS = {b"WEBP": "webp", b"WAVE": "wav", b"AVI ": "avi"}

# ── inside a ZIP ─────────────────────────────────────────────────────────────────────────────


def _inside_zip(file: BinaryIO, head: bytes, suffix: str) -> str:
    try:
        with corrupt_on(zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
            archive = zipfile.ZipFile(file)
    except CorruptError:
        # The directory lies at the end; a ZIP cut short still names its first members. Where those
        # say nothing, it is the broken half of what its name promises.
        kind = _by_folder(head.decode("latin-1"))
        claimed = claimed_by(suffix)
        return claimed if kind == "zip" and claimed in _ZIPPED else kind
    with archive:
        names = archive.namelist()
        if len(names) == 1 and names[0].lower().endswith(".fb2"):
            return "fb2"
        return (
            _MIMETYPES.get(_member(archive, "mimetype", 100).strip())
            or _by_main_part(_member(archive, "[Content_Types].xml", 1 << 20))
            or _by_folder("\n".join(names[:10_000]))
        )


_ZIPPED = ("docx", "pptx", "xlsx", "xlsb", "odt", "ods", "odp", "epub")


def _member(archive: zipfile.ZipFile, name: str, limit: int) -> bytes:
    """The first ``limit`` bytes of a member, none where it cannot be read."""
    errors = (LookupError, ValueError, RuntimeError, OSError, EOFError, zlib.error)
    try:
        with corrupt_on(*errors, zipfile.BadZipFile), archive.open(name) as member:
            return member.read(limit)
    except CorruptError:
        return b""  # absent, damaged, encrypted or of a method unknown here: it says nothing


_MIMETYPES = {
    b"application/epub+zip": "epub",
    b"application/vnd.oasis.opendocument.text": "odt",
    b"application/vnd.oasis.opendocument.text-template": "odt",
    b"application/vnd.oasis.opendocument.text-master": "odt",
    b"application/vnd.oasis.opendocument.spreadsheet": "ods",
    b"application/vnd.oasis.opendocument.spreadsheet-template": "ods",
    b"application/vnd.oasis.opendocument.presentation": "odp",
    b"application/vnd.oasis.opendocument.presentation-template": "odp",
    b"application/vnd.oasis.opendocument.graphics": "odg",
    b"application/vnd.oasis.opendocument.graphics-template": "odg",
}


def _by_main_part(content_types: bytes) -> str | None:
    """The kind that [Content_Types].xml states for the part the document starts with."""
    found = _MAIN_PART.search(content_types)
    if found is None:
        return None
    if b"binary" in found[0]:
        return "xlsb"
    return _FAMILIES[found[1]]


_MAIN_PART = re.compile(
    rb"(wordprocessingml|ms-word|spreadsheetml|ms-excel|presentationml|ms-powerpoint|ms-visio)"
    rb"\.[A-Za-z.]{1,60}\.main\b"
)
_FAMILIES = {
    b"wordprocessingml": "docx",
    b"ms-word": "docx",
    b"spreadsheetml": "xlsx",
    b"ms-excel": "xlsx",
    b"presentationml": "pptx",
    b"ms-powerpoint": "pptx",
    b"ms-visio": "vsdx",
}


def _by_folder(names: str) -> str:
    for trace, kind in _TRACES:
        if trace in names:
            return kind
    return "zip"


_TRACES = (
    ("word/document", "docx"),
    ("ppt/presentation", "pptx"),
    ("xl/workbook.bin", "xlsb"),
    ("xl/workbook", "xlsx"),
    (".fdseq", "xps"),
    ("Index/Document.iwa", "iwork"),
)

# ── inside an OLE compound file ──────────────────────────────────────────────────────────────


def _inside_ole(file: BinaryIO, head: bytes, suffix: str) -> str:
    import olefile

    claimed = claimed_by(suffix)  # where nothing in it tells, it is a broken one of those
    untold = claimed if claimed in ("doc", "xls", "ppt", "msg") else "ole"
    # olefile reads a sector of whatever size is stated, 2**65535 bytes too; only these exist.
    if head[30:34] not in (b"\x09\0\x06\0", b"\x0c\0\x06\0"):
        return untold
    errors = (OSError, ValueError, LookupError, TypeError, AttributeError, OverflowError)
    try:
        with corrupt_on(*errors):
            ole = olefile.OleFileIO(file)
    except CorruptError:
        return untold
    with ole:
        for stream, kind in _STREAMS:
            if ole.exists(stream):
                return kind
    return untold


#: streams at the root, the telling ones first: an encrypted workbook holds nothing else
_STREAMS = (
    ("EncryptedPackage", "ooxml-encrypted"),
    ("__properties_version1.0", "msg"),
    ("__nameid_version1.0", "msg"),
    ("WordDocument", "doc"),
    ("PowerPoint Document", "ppt"),
    ("Workbook", "xls"),
    ("Book", "xls"),
    ("VisioDocument", "vsd"),
    ("Quill", "pub"),
)
