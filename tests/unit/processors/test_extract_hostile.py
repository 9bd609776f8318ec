"""Documents that want to harm: nothing is expanded, fetched or believed."""

import io
import socket
import struct
import tracemalloc
import zipfile

import pytest

from docherd.exceptions import CorruptError, DocumentError
from docherd.processors.readers import package

LAUGHS = b"".join(
    b'<!ENTITY l%d "%s">' % (n, b"&l%d;" % (n - 1) * 10 if n else b"lol" * 10) for n in range(10)
)


def test_billion_laughs_are_not_expanded(extract):
    """Entities stay references: ten levels of them give a short text or none."""
    data = b'<?xml version="1.0"?><!DOCTYPE a [' + LAUGHS + b"]><a>x &l9; y</a>"
    try:
        assert len(extract("a.xml", data)["text"]) < 100
    except CorruptError:
        pass  # a parser that refuses is as good


@pytest.mark.parametrize(
    ("name", "root"),
    [("a.svg", b"<svg><text>%s</text></svg>"), ("a.html", b"<html><p>%s</p></html>")],
)
def test_billion_laughs_on_a_page_are_not_expanded(extract, name, root):
    """Nor in a picture, nor in HTML, which has no entities of its own."""
    data = b"<!DOCTYPE x [" + LAUGHS + b"]>" + root % b"x &l9; y"
    try:
        assert len(extract(name, data)["text"]) < 2000
    except CorruptError:
        pass


def test_billion_laughs_in_excel_are_not_expanded(samples, build, extract):
    """The same bomb as a sheet."""

    def laugh(xml):
        inline = b'<c r="A2" t="inlineStr"><is><t>&l9;</t></is></c></row></sheetData>'
        bomb = b'<?xml version="1.0"?><!DOCTYPE d [' + LAUGHS + b"]>"
        return bomb + (xml.partition(b"?>")[2] or xml).replace(b"</row></sheetData>", inline)

    data = build["edit_zip"](samples["a.xlsx"], {"xl/worksheets/sheet1.xml": laugh})
    try:
        assert len(extract("a.xlsx", data)["text"]) < 200
    except CorruptError:
        pass


def test_billion_laughs_in_word_are_not_expanded(samples, build, extract):
    """The same bomb as the main part of a Word file expands to nothing either."""

    def laugh(xml):
        head, _, rest = xml.partition(b"?>")
        body = rest.replace(b"before", b"&l9;")
        return head + b"?><!DOCTYPE d [" + LAUGHS + b"]>" + body

    data = build["edit_zip"](samples["a.docx"], {"word/document.xml": laugh})
    try:
        assert len(extract("a.docx", data)["text"]) < 200
    except CorruptError:
        pass


@pytest.fixture
def server():
    """A listening socket whose backlog shows whether anybody called."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setblocking(False)
        yield listening


def test_nothing_is_fetched(server, samples, build, extract, tmp_path):
    """DTDs, entities, images, frames and attached templates are left where they are."""
    url = f"http://127.0.0.1:{server.getsockname()[1]}/x".encode()
    secret = tmp_path / "secret"
    secret.write_bytes(b"SECRET")
    local = secret.as_uri().encode()
    relation = (
        b'<Relationship Id="rId99" Type="http://schemas.openxmlformats.org/officeDocument/2006/'
        b'relationships/attachedTemplate" Target="' + url + b'" TargetMode="External"/>'
    )
    hostile = {
        "a.xml": b'<?xml version="1.0"?><!DOCTYPE a SYSTEM "%s" [<!ENTITY e SYSTEM "%s">'
        b"<!ENTITY f SYSTEM '%s'>]><a>&e;&f;</a>" % (url, url, local),
        "a.html": b"<html><link href='%s' rel=stylesheet><img src='%s'><iframe src='%s'></iframe>"
        b"<object data='%s'></object></html>" % (url, url, local, url),
        "a.docx": build["edit_zip"](
            samples["a.docx"],
            {
                "word/_rels/document.xml.rels": lambda xml: xml.replace(
                    b"</Relationships>", relation + b"</Relationships>"
                )
            },
        ),
        "a.eml": b"From: a\nSubject: b\nContent-Type: message/external-body; access-type=URL;"
        b' URL="%s"\n\nContent-Type: text/plain\n\n' % url,
    }
    for name, data in hostile.items():
        try:
            assert "SECRET" not in str(extract(name, data))
        except DocumentError:
            pass
    with pytest.raises(BlockingIOError):
        server.accept()


def word_with(member_size):
    """A minimal package of kind docx with one member of zeros."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("word/document.xml", bytes(member_size))
    return file.getvalue()


def test_a_zip_bomb_is_stopped_at_the_member_limit(extract, monkeypatch):
    """What inflates beyond the limit of a member is corrupt, and memory stays small."""
    monkeypatch.setattr(package, "MEMBER_LIMIT", 8_000_000)
    data = word_with(100_000_000)
    tracemalloc.start()
    try:
        with pytest.raises(CorruptError, match="inflates beyond 8,000,000 bytes"):
            extract("a.docx", data)
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
    finally:
        tracemalloc.stop()


def test_a_zip_bomb_is_stopped_at_the_total_limit(build, extract, monkeypatch):
    """Many members that are small alone are counted together."""
    monkeypatch.setattr(package, "TOTAL_LIMIT", 8_000_000)
    members = {f"word/document{n}.xml": bytes(1_000_000) for n in range(20)}
    with pytest.raises(CorruptError, match="inflates beyond"):
        extract("a.docx", build["zip"](members))


def test_bombs_in_texts_and_books_are_stopped_too(samples, build, extract, monkeypatch):
    """Whether the member that inflates is the text, a chapter or one that nobody reads."""
    monkeypatch.setattr(package, "MEMBER_LIMIT", 1_000_000)
    for name, member in (
        ("a.odt", "content.xml"),
        ("a.odp", "Pictures/x.png"),
        ("a.epub", "OEBPS/text/two.xhtml"),
    ):
        with zipfile.ZipFile(io.BytesIO(samples[name])) as archive:
            members = {each: archive.read(each) for each in archive.namelist()}
        with pytest.raises(CorruptError, match="inflates beyond"):
            extract(name, build["zip"](members | {member: bytes(5_000_000)}))
    with pytest.raises(CorruptError, match="inflates beyond"):
        extract("a.fb2.zip", build["zip"]({"a.fb2": bytes(5_000_000)}))


def test_entities_in_texts_and_books_stay_what_they_are(server, samples, build, extract, tmp_path):
    """Neither expanded nor fetched, from files or from the network."""
    secret = tmp_path / "secret"
    secret.write_bytes(b"SECRET")
    url = f"http://127.0.0.1:{server.getsockname()[1]}/x".encode()
    dtd = b'<!DOCTYPE d [<!ENTITY f SYSTEM "%s"><!ENTITY u SYSTEM "%s">%s]>' % (
        *(secret.as_uri().encode(), url, LAUGHS),
    )
    uses = b"&f;&u;&l9;"

    def poisoned(xml, after):
        head, _, rest = xml.partition(b"?>") if xml.startswith(b"<?xml") else (b"", b"", xml)
        declaration = head + b"?>" if head else b""
        return declaration + dtd + rest.replace(after, after + uses, 1)

    hostile = {
        "a.odt": build["edit_zip"](
            samples["a.odt"],
            {
                "content.xml": lambda xml: poisoned(xml, b"before"),
                "meta.xml": lambda xml: poisoned(xml, b"A title"),
            },
        ),
        "a.epub": build["edit_zip"](
            samples["a.epub"],
            {
                "OEBPS/book.opf": lambda xml: poisoned(xml, b"A title"),
                "OEBPS/text/two.xhtml": lambda xml: poisoned(xml, b"Two"),
            },
        ),
        "a.fb2": poisoned(samples["a.fb2"], b"</b>"),
    }
    for name, data in hostile.items():
        try:
            found = str(extract(name, data))
        except CorruptError:
            continue
        assert "SECRET" not in found
        assert len(found) < 1000, name
    with pytest.raises(BlockingIOError):
        server.accept()


def test_a_lying_directory_is_not_believed(extract):
    """A bomb that states a small size is found out by what it inflates to."""
    honest, lying = struct.pack("<I", 100_000_000), struct.pack("<I", 1000)
    data = word_with(100_000_000).replace(honest, lying)
    tracemalloc.start()
    try:
        with pytest.raises(CorruptError):
            extract("a.docx", data)
        assert tracemalloc.get_traced_memory()[1] < 10_000_000
    finally:
        tracemalloc.stop()


def test_member_names_are_no_paths(samples, extract, tmp_path):
    """Members named like paths write nothing anywhere."""
    file = io.BytesIO(samples["a.docx"])
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr("../escaped", "x")
        archive.writestr("/tmp/escaped", "x")
    assert "before the table" in extract("a.docx", file.getvalue())["text"]
    assert [path.name for path in tmp_path.iterdir()] == ["a.docx"]


def test_deeply_nested_mail_is_corrupt_or_read(extract):
    """Parts nested by the thousand end in a reason, not in a RecursionError."""
    depth = 2000
    nested = b"".join(
        b'Content-Type: multipart/mixed; boundary="b%d"\n\n--b%d\n' % (n, n) for n in range(depth)
    )
    data = b"From: a\nSubject: b\nMIME-Version: 1.0\n" + nested + b"Content-Type: text/plain\n\nx"
    try:
        extract("a.eml", data)
    except CorruptError:
        pass


@pytest.mark.parametrize("depth", [300, 100_000])
def test_deeply_nested_xml_ends_in_a_reason(extract, depth):
    """XML nested beyond the parser's limit is corrupt."""
    data = b'<?xml version="1.0"?>' + b"<a>" * depth + b"</a>" * depth
    with pytest.raises(CorruptError):
        extract("a.xml", data)


@pytest.mark.parametrize(
    "head",
    [
        b"<!--" * 20_000,
        b"<?xml" + b"?" * 80_000,
        b"<!DOCTYPE a [" * 6000,
        b"a: b\n" * 16_000,
        b"From " * 16_000,
        b"{" + b" " * 80_000,
        b"<meta charset=" * 6000,
    ],
)
def test_patterns_take_linear_time(kind, head):
    """Heads made to make patterns backtrack are told in a few milliseconds."""
    from time import perf_counter

    start = perf_counter()
    kind("file", head)
    assert perf_counter() - start < 0.5


def test_noise_ends_in_a_reason(samples, extract):
    """A Document with bytes flipped all over is read or has a reason, never a plain error."""
    import random

    chance = random.Random(7)
    for name, data in samples.items():
        for _ in range(15):
            noisy = bytearray(data)
            for _ in range(chance.randint(1, 20)):
                noisy[chance.randrange(len(noisy))] = chance.randrange(256)
            try:
                extract(name, bytes(noisy))
            except DocumentError:
                pass
