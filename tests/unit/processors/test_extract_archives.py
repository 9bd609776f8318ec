"""Archives are listed, compressed files are read as what they hold; neither inflates for ever."""

import bz2
import gzip
import io
import lzma
import struct
import sys
import tarfile
import tracemalloc
import zlib

import pytest

from docherd.exceptions import CorruptError, EmptyError, UnsupportedError
from docherd.processors.extract import Extract
from docherd.processors.readers import archive, compressed


def make_tar(members, format=tarfile.PAX_FORMAT):
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w", format=format) as tar:
        folder = tarfile.TarInfo("folder")
        folder.type = tarfile.DIRTYPE
        tar.addfile(folder)
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size, info.mtime = len(data), 1_700_000_000
            tar.addfile(info, io.BytesIO(data))
    return file.getvalue()


@pytest.fixture
def unpacked(document):
    """The one Record of a compressed file."""

    def run(name, data, beats=None):
        (record,) = Extract()(document(name, data, pages=beats))
        return record

    return run


# ── archives ─────────────────────────────────────────────────────────────────────────────────


def test_a_zip_is_listed(build, extract):
    """Its files with their sizes and dates; their names are the text, so that a search finds it."""
    record = extract("a.zip", build["zip"]({"b/letter.txt": b"x" * 100, "b/": b"", "c": b""}))
    assert (record["files"], record["bytes"]) == (2, 100)
    assert record["members"][0]["name"] == "b/letter.txt"
    assert record["members"][0]["bytes"] == 100
    assert record["members"][0]["modified"].startswith("20")
    assert record["text"] == "b/letter.txt\nc"


@pytest.mark.parametrize("raw", ["Größe.txt".encode(), "Größe.txt".encode("cp437")])
def test_names_in_a_zip_are_utf8_or_of_dos(build, extract, raw):
    """Also where the writer of UTF-8 did not say so."""
    placeholder = b"x" * len(raw)
    data = build["zip"]({placeholder.decode(): b"y"}).replace(placeholder, raw)
    assert extract("a.zip", data)["text"] == "Größe.txt"


def test_encrypted_members_are_marked(build, extract):
    """They are listed like the others."""
    data = bytearray(build["zip"]({"a": b"x"}))
    data[data.index(b"PK\x01\x02") + 8] |= 1
    assert extract("a.zip", bytes(data))["members"][0]["encrypted"] is True


def test_a_zip_that_lies_about_sizes_is_not_inflated(build, extract):
    """What its directory says is listed; a date that is none is left out."""
    data = bytearray(build["zip"]({"a": bytes(1000)}))
    place = data.index(b"PK\x01\x02")
    data[place + 12 : place + 16] = b"\0\0\0\0"
    data[place + 24 : place + 28] = b"\xff\xff\xff\x7f"
    assert extract("a.zip", bytes(data))["members"] == [{"name": "a", "bytes": 2**31 - 1}]


@pytest.mark.parametrize("format", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_a_tar_is_listed(extract, format):
    """Long names and UTF-8, too."""
    members = {"Größe.txt": b"x" * 1000, "d/" * 50 + "e": b"", "f": b"y"}
    record = extract("a.tar", make_tar(members, format))
    assert record["members"][0] == {
        "name": "Größe.txt",
        "bytes": 1000,
        "modified": "2023-11-14T22:13:20+00:00",
    }
    assert (record["files"], record["bytes"]) == (3, 1001)
    assert record["text"].splitlines() == list(members)


def test_of_many_members_the_first_are_listed_and_all_counted(document, monkeypatch):
    """In bounded memory, with heartbeats; where even counting ends, the Record says so."""
    monkeypatch.setattr(archive, "LISTED", 3)
    monkeypatch.setattr(archive, "COUNTED", 2500)
    data = make_tar({f"{number}": b"x" for number in range(2000)})
    beats = []
    record = Extract()(document("a.tar", data, pages=beats))
    assert (record["files"], record["bytes"], len(record["members"])) == (2000, 2000, 3)
    assert beats == [1000, 2000]
    assert "partial" not in record
    monkeypatch.setattr(archive, "COUNTED", 1500)
    assert Extract()(document("a.tar", data))["partial"] is True


def test_a_header_of_megabytes_is_corrupt(extract):
    """A PAX header that says it is large is not loaded."""
    info = tarfile.TarInfo("x")
    info.type, info.size = tarfile.XHDTYPE, 2**32
    with pytest.raises(CorruptError, match="a header of"):
        extract("a.tar", info.tobuf(tarfile.USTAR_FORMAT) + bytes(10_000))


def test_a_header_that_goes_backwards_has_an_end(extract):
    """A size below zero once made tarfile read the same member for ever."""
    info = tarfile.TarInfo("x")
    block = bytearray(info.tobuf(tarfile.GNU_FORMAT))
    block[124:136] = b"\xff" * 10 + (-1024 + 2**16).to_bytes(2, "big")
    block[148:156] = b" " * 8
    block[148:156] = b"%06o\0 " % sum(block)
    try:
        assert extract("a.tar", bytes(block) + bytes(1024))["files"] <= 2
    except CorruptError:
        pass


def test_a_tar_cut_short_is_corrupt(extract):
    """A member that is not there whole is damage."""
    with pytest.raises(CorruptError):
        extract("a.tar", make_tar({"a": b"x" * 10_000, "b": b"y"})[:5000])


# ── compressed files ─────────────────────────────────────────────────────────────────────────

COMPRESS = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}
KINDS = {"gz": "gzip", "bz2": "bzip2", "xz": "xz"}


@pytest.mark.parametrize("suffix", COMPRESS)
def test_what_is_compressed_is_read_as_what_it_is(unpacked, samples, suffix):
    """Its kind is that of the content, told by content and by the name without .gz."""
    for name in ("a.csv", "a.docx", "a.eml", "a.txt"):
        record = unpacked(f"{name}.{suffix}", COMPRESS[suffix](samples[name]))
        assert (record["kind"], record["compressed"]) == (
            name[2:].replace("txt", "text"),
            KINDS[suffix],
        )
        assert record["text"]
        assert "extension" not in record


def test_an_archive_or_mbox_is_not_kept_anywhere(document, monkeypatch):
    """They are read while they are inflated, mail by mail."""

    def no_file(*_):
        raise AssertionError("kept")

    monkeypatch.setattr(compressed, "_kept", no_file)
    tar = gzip.compress(make_tar({"a": bytes(3_000_000), "b": b"x"}))
    (record,) = Extract()(document("a.tgz", tar))
    assert (record["kind"], record["bytes"]) == ("tar", 3_000_001)
    mails = b"From a@b Mon Jun 01 10:00:00 2009\nSubject: x\nFrom: y\n\nText\n\n" * 3
    records = Extract()(document("a.mbox.gz", gzip.compress(mails)))
    assert [(each["kind"], each["message"]) for each in records] == [
        ("mbox", number) for number in (1, 2, 3)
    ]


def test_what_is_large_is_kept_in_a_file(unpacked, samples, monkeypatch):
    """And can be read from anywhere in it."""
    monkeypatch.setattr(compressed, "_IN_MEMORY", 1000)
    record = unpacked("a.docx.gz", gzip.compress(samples["a.docx"]))
    assert "before the table" in record["text"]


@pytest.mark.parametrize("name", ["bomb.txt.gz", "bomb.txt.bz2", "bomb.txt.xz"])
def test_a_bomb_is_stopped(unpacked, monkeypatch, name):
    """In little memory, whatever inflates it."""
    monkeypatch.setattr(compressed, "RATIO_FROM", 1_000_000)
    monkeypatch.setattr(compressed, "_IN_MEMORY", 100_000)
    data = COMPRESS[name.rpartition(".")[2]](b"a line of text\n" * 150_000)
    tracemalloc.start()
    try:
        with pytest.raises(CorruptError, match="inflates beyond"):
            unpacked(name, data)
        assert tracemalloc.get_traced_memory()[1] < 16_000_000
    finally:
        tracemalloc.stop()


def test_an_archive_without_end_is_stopped(unpacked, monkeypatch):
    """Skipping a member inflates it."""
    monkeypatch.setattr(compressed, "FORWARD_LIMIT", 2_000_000)
    with pytest.raises(CorruptError, match="inflates beyond"):
        unpacked("a.tar.gz", gzip.compress(make_tar({"a": bytes(5_000_000)})))


def test_compressed_again_and_again_is_a_bomb(unpacked):
    """Three times are taken."""
    data = b"text\n"
    for _ in range(3):
        data = gzip.compress(data)
    assert unpacked("a.txt.gz.gz.gz", data)["text"] == "text\n"
    with pytest.raises(CorruptError, match="more than 3 times"):
        unpacked("a.txt.gz.gz.gz.gz", gzip.compress(data))


@pytest.mark.parametrize("damage", [slice(0, -9), slice(0, 15)])
def test_a_cut_or_changed_file_is_corrupt(unpacked, damage):
    """Also where its beginning can be read."""
    data = gzip.compress(bytes(range(32, 127)) * 1000)
    with pytest.raises(CorruptError):
        unpacked("a.txt.gz", data[damage])
    with pytest.raises(CorruptError):
        unpacked("a.txt.gz", data[:-8] + zlib.crc32(b"").to_bytes(4, "little") + data[-4:])


def test_what_cannot_be_read_has_its_reason(unpacked):
    """Nothing compressed is empty, noise is unsupported."""
    with pytest.raises(EmptyError):
        unpacked("a.gz", gzip.compress(b""))
    with pytest.raises(UnsupportedError, match="binary"):
        unpacked("a.gz", gzip.compress(bytes(100_000)))


def test_of_what_cannot_be_read_only_the_beginning_is_inflated(unpacked, monkeypatch):
    """Ten gigabytes of zeros are told by 8 KB of them."""
    monkeypatch.setattr(compressed, "KEPT_LIMIT", 50_000)
    beats = []
    with pytest.raises(UnsupportedError):
        unpacked("a.gz", gzip.compress(bytes(20_000_000)), beats)
    assert beats == []


def test_inflating_is_seen(unpacked, monkeypatch):
    """A heartbeat for every megabyte."""
    beats = []
    unpacked("a.txt.gz", gzip.compress(b"0123456789abcde\n" * 200_000), beats)
    assert len(beats) >= 3


# ── rar ──────────────────────────────────────────────────────────────────────────────────────


def rar_block(kind, flags, body, data=b""):
    """A block of the format before RAR 5."""
    head = struct.pack("<BHH", kind, flags, 7 + len(body)) + body
    return struct.pack("<H", zlib.crc32(head) & 0xFFFF) + head + data


def rar_file(name, data, flags=0, kind=0x74, method=0x30):
    # 2026-11-27 10:00:00 as MS-DOS packs it
    when = (46 << 25) | (11 << 21) | (27 << 16) | (10 << 11)
    sizes = (len(data), len(data), 0, zlib.crc32(data), when, 29, method, len(name), 32)
    return rar_block(kind, 0x8000 | flags, struct.pack("<LLBLLBBHL", *sizes) + name, data)


RAR = b"Rar!\x1a\x07\0" + rar_block(0x73, 0, bytes(6))


def test_a_rar_is_listed(extract):
    """With what is encrypted marked; no program is asked."""
    data = RAR + rar_file(b"a\\b.txt", b"text") + rar_file(b"locked", b"x" * 16, flags=4)
    record = extract("a.rar", data)
    assert record["members"] == [
        {"name": "a/b.txt", "bytes": 4, "modified": "2026-11-27T10:00:00"},
        {"name": "locked", "bytes": 16, "modified": "2026-11-27T10:00:00", "encrypted": True},
    ]
    assert (record["files"], record["text"]) == (2, "a/b.txt\nlocked")


def test_a_comment_in_a_rar_starts_no_program(extract, monkeypatch):
    """It may be compressed, for which there is unrar alone."""
    import rarfile

    def started(*_):
        raise AssertionError("a program")

    monkeypatch.setattr(rarfile, "custom_popen", started)
    comment = rar_file(b"CMT", b"packed", kind=0x7A, method=0x33)
    assert extract("a.rar", RAR + comment + rar_file(b"a", b""))["text"] == "a"


def test_a_rar_that_is_none_is_corrupt(extract):
    """Only its first bytes are those of one."""
    with pytest.raises(CorruptError):
        extract("a.rar", b"Rar!\x1a\x07\x01\0" + b"\xff" * 100)


def test_a_rar_without_its_library_says_what_to_install(extract, monkeypatch):
    """It is skipped."""
    monkeypatch.setitem(sys.modules, "rarfile", None)
    with pytest.raises(UnsupportedError, match=r"pip install 'docherd\[rar\]'"):
        extract("a.rar", RAR)
