"""What holds for Extract whatever the kind."""

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from docherd.document import Document
from docherd.exceptions import EmptyError, UnsupportedError
from docherd.processors.extract import Extract


class Handed(Document):
    """A Document that exists only as an open file, as in a sandbox."""

    __slots__ = ("_data",)

    def __init__(self, like, data):
        self._data = data
        super().__init__(like._task, like._detect)

    @property
    def path(self):
        return Path("/nonexistent") / super().path.name

    def open(self):
        return io.BufferedReader(io.BytesIO(self._data))

    def __fspath__(self):
        raise AssertionError("a built-in processor asked for the path")


def test_every_sample_is_read_through_open_alone(samples, document):
    """No reader touches the path: an open file is all it needs."""
    for name, data in samples.items():
        record = Extract()(Handed(document(name, data), data))
        assert record["text"], name


def test_the_same_file_gives_the_same_record(samples, extract):
    """Two extractions of one file are equal byte for byte."""
    for name, data in samples.items():
        once, again = (json.dumps(extract(name, data)) for _ in range(2))
        assert once == again


def test_records_are_json_and_state_no_nulls(samples, extract):
    """A key is left out where the file does not state it."""
    for name, data in samples.items():
        record = extract(name, data)
        assert None not in json.loads(json.dumps(record)).values()
        assert next(iter(record)) == "kind"


def test_a_wrong_extension_is_recorded_beside_the_kind(samples, extract):
    """Content decides, and the Record says what the name promised."""
    record = extract("report.PDF", samples["a.docx"])
    assert (record["kind"], record["extension"]) == ("docx", "pdf")
    assert "before the table" in record["text"]


def test_a_right_or_unknown_extension_is_not_recorded(samples, extract):
    """Nothing is noted where the name does not contradict the content."""
    for name in ("a.docx", "a.docm", "a.bak", "a"):
        assert "extension" not in extract(name, samples["a.docx"])


def test_no_bytes_raise_empty(extract):
    """A file of 0 bytes is empty, whatever its name."""
    with pytest.raises(EmptyError):
        extract("a.pdf", b"")


@pytest.mark.parametrize("head", [b"\0\0\0\x18ftypheic", b"\x01\x02\x03"])
def test_kinds_without_a_reader_raise_unsupported(extract, head):
    """What is not read yet is skipped with its kind in the message."""
    with pytest.raises(UnsupportedError, match=r"does not read (heic|binary)"):
        extract("a.bin", head)


@pytest.mark.parametrize(
    "text", ["", " a  b\n", "ab " * 50_000, "x" * 200_000, "a " * 32_768 + "b"]
)
def test_words_are_those_that_split_finds(extract, text):
    """Also where they are counted a piece at a time."""
    data = b"\xef\xbb\xbf" + text.encode()
    assert extract("a.txt", data)["words"] == len(text.split())


def test_the_kind_is_asked_from_the_document(samples, document):
    """The Document knows its kind afterwards, for the outcome to carry."""
    doc = document("a.pdf", samples["a.pdf"])
    Extract()(doc)
    assert doc.known_kind == "pdf"


def test_records_are_valid_unicode(extract):
    """NUL and lone surrogates become U+FFFD, at every depth of the Record."""
    assert extract("a.txt", b"a\0b" + b"x" * 500)["text"].startswith("a\ufffdb")
    mail = (
        b"Subject: a\0b\nTo: x\nMIME-Version: 1.0\nContent-Type: image/png; name=a\0b\n\n"
        + b"x" * 500
    )
    json.dumps(extract("a.eml", mail)).encode()
    assert extract("a.eml", mail)["attachments"][0]["name"] == "a\ufffdb"
    wide = "a\ud800b".encode("utf-16-le", "surrogatepass")
    assert "\ud800" not in extract("a.txt", b"\xff\xfe" + wide)["text"]


def test_importing_extract_loads_no_reader():
    """Libraries are imported with the first Document of their family, not before."""
    code = "import sys, docherd.processors.extract; print(*sys.modules)"
    out = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=os.environ
    )
    heavy = {"pypdfium2", "docx", "pptx", "lxml", "selectolax", "python_calamine", "olefile", "PIL"}
    assert not heavy & set(out.stdout.split())


def test_memory_errors_pass_through(samples, document, monkeypatch):
    """MemoryError is the engine's business and never dressed up as corrupt."""
    doc = document("a.docx", samples["a.docx"])
    import docx.opc.package

    def exhausted(file):
        raise MemoryError

    monkeypatch.setattr(docx.opc.package.OpcPackage, "open", exhausted)
    with pytest.raises(MemoryError):
        Extract()(doc)
