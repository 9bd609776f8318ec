"""What detect answers: content first, the name only where content cannot tell."""

import pytest

from docherd.processors.kind import claimed_by


def test_every_sample_has_the_kind_of_its_extension(samples, kind):
    """A well-formed Document of each readable kind is recognised."""
    told = {name: kind(name, data) for name, data in samples.items()}
    assert told == {name: claimed_by("." + name.partition(".")[2]) for name in samples}


def test_binary_kinds_do_not_need_their_extension(samples, kind):
    """What has a signature is recognised under a name that promises something else."""
    for name in ("a.pdf", "a.docx", "a.pptx", "a.xlsx", "a.ods", "a.eml", "a.html", "a.xml"):
        assert kind("wrong.txt", samples[name]) == name.partition(".")[2]


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b"", "empty"),
        (b"\x89PNG\r\n\x1a\n", "png"),
        (b"\xff\xd8\xff\xe0", "jpeg"),
        (b"II*\0", "tiff"),
        (b"GIF89a", "gif"),
        (b"BM\x36\0\0\0\0\0\0\0", "bmp"),
        (b"BMW builds cars", "text"),
        (b"RIFF\0\0\0\0WEBPVP8 ", "webp"),
        (b"\0\0\0\x18ftypheic", "heic"),
        (b"\0\0\0\x18ftypavif", "avif"),
        (b"\0\0\0\x18ftypisom", "mp4"),
        (b"ID3\x04", "mp3"),
        (b"{\\rtf1\\ansi", "rtf"),
        (b"\x1f\x8b\x08", "gzip"),
        (b"7z\xbc\xaf\x27\x1c", "7z"),
        (b"Rar!\x1a\x07\x01", "rar"),
        (b"\0" * 257 + b"ustar\0", "tar"),
        (b"\x01\x02\x03\x04\x05\x06", "binary"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "ole"),
        (b'<svg xmlns="http://www.w3.org/2000/svg"/>', "svg"),
        (b'<?xml version="1.0"?>\n<!-- x -->\n<svg/>', "svg"),
        (b'<?xml version="1.0"?>\n<html/>', "html"),
        (b"<!-- a comment -->\n<!DOCTYPE HTML>\n<x>", "html"),
        (b'{"a": 1}', "json"),
        (b"[INFO] started", "text"),
        (b"junk\r\n%PDF-1.4\n", "pdf"),
        (b"%\xff\xff\n1 0 obj\n<<", "pdf"),
        (b"an essay about %PDF-1.4 headers", "text"),
        (b"HTTP/1.1 200 OK\r\nServer: x\r\nContent-Type: text/html\r\n\r\n<html>", "html"),
        (b"HTTP/1.1 was a draft\nfor years", "text"),
        (b"From a@b.c Mon Jun 01 10:00:00 2009\n\nText", "mbox"),
        (b"Received: from a\n\tby b\nSubject: x\nTo: y\n\nText", "eml"),
        (b"Note: this is a note\nand no mail", "text"),
        (b"BEGIN:VCALENDAR\r\nVERSION:2.0\r\n", "ics"),
        (b"BEGIN:VCARD\nFN:A\n", "vcf"),
        (b"WEBVTT\n\n00:01.000 --> 00:02.000\nHello\n", "vtt"),
        (b"\xef\xbb\xbf1\r\n00:00:01,000 --> 00:00:02,000\r\nHello\r\n", "srt"),
        (b"[Script Info]\nTitle: x\n", "ass"),
        (b"{0}{25}Hello\n", "sub"),
        (b"% a paper\n\n\\documentclass[11pt]{article}\n", "tex"),
        (b'.\\" a comment\n.TH LS 1\n', "man"),
        (b"#!/usr/bin/env python3\nprint()\n", "code"),
        (b'{\n "cells": [\n  {\n   "cell_type": "code",', "ipynb"),
        ("\ufeffText".encode("utf-16-le"), "text"),
        ("Wide text without a mark".encode("utf-16-be"), "text"),
        ("Grüße".encode("latin-1"), "text"),
    ],
)
def test_the_first_bytes_tell(kind, head, expected):
    """Without a telling name, the kind follows from the first bytes alone."""
    assert kind("file", head) == expected


def test_a_name_decides_where_content_says_nothing(kind, build):
    """Blanks, or a compound file without a stream that tells, are what they claim to be."""
    assert kind("a.eml", b" \n\n") == "eml"
    assert kind("a.docx", b" \n\n") == "text"
    compound = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(504)
    assert [kind(name, compound) for name in ("a.xls", "a.bin")] == ["xls", "ole"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        *(("a.csv", "csv"), ("a.TSV", "tsv"), ("a.md", "md"), ("a.log", "text")),
        *(("a.docx", "text"), ("a.py", "code"), ("a.yml", "yaml"), ("a.toml", "toml")),
        *(("a.cfg", "ini"), ("a.sty", "tex"), ("a.adoc", "adoc"), ("a.srt", "text")),
    ],
)
def test_the_name_breaks_ties_between_texts_only(kind, name, expected):
    """The same words are CSV, TSV, Markdown or text by name, but never a Word file."""
    assert kind(name, b"one, two\nthree, four\n") == expected


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        ({"a.txt": b"x"}, "zip"),
        ({"mimetype": b"application/epub+zip"}, "epub"),
        ({"mimetype": b"application/vnd.oasis.opendocument.text"}, "odt"),
        ({"mimetype": b"application/vnd.oasis.opendocument.presentation"}, "odp"),
        ({"Index/Document.iwa": b""}, "iwork"),
        (
            {"[Content_Types].xml": b"application/vnd.ms-word.document.macroEnabled.main+xml"},
            "docx",
        ),
        (
            {"[Content_Types].xml": b"application/vnd.ms-excel.sheet.binary.macroEnabled.main"},
            "xlsb",
        ),
        ({"[Content_Types].xml": b"?", "xl/workbook.xml": b""}, "xlsx"),
        (
            # A Word file embedded in a spreadsheet is declared without being the main part.
            {
                "[Content_Types].xml": b"application/vnd.openxmlformats-officedocument"
                b".wordprocessingml.document application/vnd.openxmlformats-officedocument"
                b".spreadsheetml.sheet.main+xml"
            },
            "xlsx",
        ),
    ],
)
def test_zips_are_told_by_what_is_inside(build, kind, members, expected):
    """ZIP-based kinds are told by their directory, their mimetype or their main part."""
    assert kind("file.zip", build["zip"](members)) == expected


def test_a_truncated_office_file_keeps_its_kind(build, kind):
    """A package whose directory is cut off is told by the members that are left."""
    data = build["zip"]({"word/document.xml": b"x" * 100, "z": b"y" * 100})
    assert kind("file", data[:-60]) == "docx"


def test_a_package_with_a_renamed_member_is_told_by_its_folders(build, kind):
    """Directory and member disagreeing about a name, in bytes that are no UTF-8, is no error."""
    data = build["zip"]({"[Content_Types].xml": b"x", "word/document.xml": b"y"})
    broken = data.replace(b"[Content_Types]", b"[Content_\xa6ypes]", 1)
    broken = broken[:6] + (0x800).to_bytes(2, "little") + broken[8:]
    assert kind("file", broken) == "docx"


def test_detection_leaves_the_rest_unread(document, monkeypatch):
    """Of a large text only the head is read."""
    from docherd.processors import kind as module

    doc = document("a.txt", b"x" * 100_000)
    with doc.open() as file:
        module.kind_of(file, ".txt")
        assert file.tell() == module.HEAD


def test_claims_of_extensions():
    """Variants of an extension claim the same kind, unknown ones claim nothing."""
    assert [claimed_by(s) for s in (".JPG", ".dotm", ".pdf", ".log", "")] == [
        "jpeg",
        "docx",
        "pdf",
        None,
        None,
    ]
