"""Old Word, PowerPoint and others, with the programs that read them where these are installed."""

import shutil
import socket

import pytest

from compound import compound, word
from docherd import scratch
from docherd.exceptions import CorruptError, EncryptedError, UnsupportedError
from docherd.processors import programs
from docherd.processors.extract import Extract
from docherd.processors.readers import legacy

needs_catdoc = pytest.mark.skipif(not shutil.which("catdoc"), reason="no catdoc: make apt")
needs_soffice = pytest.mark.skipif(
    not (shutil.which("soffice") and legacy._is_able("sw") and legacy._is_able("sd")),
    reason="no LibreOffice: apt-get install libreoffice-writer libreoffice-impress",
)


@pytest.fixture
def nothing_installed(monkeypatch):
    monkeypatch.setattr(programs, "found", lambda name: None)
    legacy._is_able.cache_clear()
    yield
    legacy._is_able.cache_clear()


@pytest.fixture
def only_catdoc(monkeypatch):
    found = programs.found
    monkeypatch.setattr(programs, "found", lambda name: found(name) if name == "catdoc" else None)
    legacy._is_able.cache_clear()
    yield
    legacy._is_able.cache_clear()


@pytest.mark.parametrize(
    ("name", "data", "packages"),
    [
        ("a.doc", word(), "libreoffice-writer or catdoc"),
        ("a.ppt", compound("PowerPoint Document", b"x"), "libreoffice-impress"),
        ("a.vsd", compound("VisioDocument", b"x"), "libreoffice-impress"),
        ("a.wpd", b"\xffWPC\x10\0\0\0", "libreoffice-writer"),
    ],
)
def test_what_is_missing_is_named(nothing_installed, extract, name, data, packages):
    """Skipped as unsupported, with what to install."""
    with pytest.raises(UnsupportedError, match=f"apt-get install {packages}$"):
        extract(name, data)


def test_encrypted_ones_are_encrypted(nothing_installed, document, extract):
    """Told by their own headers, before any program is asked; this one cannot be decrypted."""
    with pytest.raises(EncryptedError, match="--password-file"):
        extract("a.doc", word(0x100))
    shown = document("a.ppt", compound("Current User", bytes(12) + b"\xdf\xc4\xd1\xf3"))
    shown._kind = "ppt"
    with pytest.raises(EncryptedError, match=r"\.pptx"):
        Extract(("given",))(shown)


@needs_catdoc
def test_catdoc_reads_word_where_libreoffice_is_not_installed(only_catdoc, extract):
    """Paragraph by paragraph, in the right encoding, and it says who read it."""
    record = extract("a.doc", word())
    assert record["program"] == "catdoc"
    assert record["text"] == "A paragraph of Word 6\nGrüße\nwith more text"


@pytest.fixture(scope="session")
def made(samples, tmp_path_factory):
    """A .doc and a .ppt that LibreOffice made of our OpenDocument samples, and one with links."""
    made = {}
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        url = f"http://127.0.0.1:{server.getsockname()[1]}/x"
        secret = tmp_path_factory.mktemp("secret") / "secret.txt"
        secret.write_text("SECRET")
        sources = {
            ("a", "odt", "doc"): samples["a.odt"],
            ("a", "odp", "ppt"): samples["a.odp"],
            ("linked", "fodt", "doc"): LINKED.format(url, secret.as_uri(), url).encode(),
        }
        for (name, kind, wanted), data in sources.items():
            with scratch.folder() as folder:
                (folder / f"document.{kind}").write_bytes(data)
                made[f"{name}.{wanted}"] = legacy._made(folder, kind, wanted)
        yield made, server


LINKED = """<office:document xmlns:office="urn:oasis:names:tc:opendocument:xmlns:office:1.0"
xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0" xmlns:xlink="http://www.w3.org/1999/xlink"
xmlns:draw="urn:oasis:names:tc:opendocument:xmlns:drawing:1.0" office:version="1.3"
xmlns:svg="urn:oasis:names:tc:opendocument:xmlns:svg-compatible:1.0"
office:mimetype="application/vnd.oasis.opendocument.text"><office:body><office:text><text:p>Start
<draw:frame svg:width="3cm" svg:height="3cm" text:anchor-type="as-char"><draw:image
xlink:href="{}"/></draw:frame></text:p><text:section text:name="A"><text:section-source
xlink:href="{}"/><text:p>old</text:p></text:section><text:section text:name="B">
<text:section-source xlink:href="{}"/><text:p>older</text:p></text:section></office:text>
</office:body></office:document>"""


@needs_soffice
def test_libreoffice_reads_word_and_powerpoint(made, document):
    """With notes, headers and tables, and the properties; slide by slide."""
    record = Extract()(document("a.doc", made[0]["a.doc"]))
    assert (record["program"], record["title"]) == ("soffice", "A title")
    lines = record["text"].split("\n")
    assert lines[0] == "A heading"
    assert {"left\tright", "what the note says", "the header", "the footer"} < set(lines)
    record = Extract()(document("a.ppt", made[0]["a.ppt"]))
    assert (record["slides"], record["program"]) == (2, "soffice")
    assert record["text"].startswith("slide 1")


@needs_soffice
def test_libreoffice_loads_nothing_from_outside(made, extract):
    """Neither pictures nor sections that a document says are elsewhere."""
    data, server = made
    text = extract("a.doc", data["linked.doc"])["text"]
    assert "Start" in text
    assert "SECRET" not in text
    with pytest.raises(BlockingIOError):
        server.accept()


@needs_soffice
def test_what_libreoffice_cannot_read_is_corrupt(extract):
    """Its complaint is told."""
    with pytest.raises(CorruptError, match="LibreOffice"):
        extract("a.ppt", compound("PowerPoint Document", b"no records"))
