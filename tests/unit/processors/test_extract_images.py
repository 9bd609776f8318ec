"""Images: what their headers say, whatever else they hold."""

import io
import struct
import tracemalloc
import zlib

import pytest
from PIL import Image, PngImagePlugin

from docherd.exceptions import CorruptError, UnsupportedError
from docherd.processors.readers import image as reader


def saved(format, size=(40, 30), **more):
    file = io.BytesIO()
    Image.new("RGB", size, "red").save(file, format, **more)
    return file.getvalue()


def with_exif():
    exif = Image.Exif()
    exif[270], exif[315], exif[271], exif[272] = "A title", "An author", "Canon", "Canon EOS 40D"
    exif[274] = 6
    exif.get_ifd(0x8769).update({0x9003: "2026:11:27 10:00:00", 0x9011: "+01:00"})
    exif.get_ifd(0x8825).update({1: "S", 2: (8.0, 30.0, 0.0), 3: "E", 4: (47.0, 15.0, 0.0)})
    return exif


@pytest.mark.parametrize(
    ("name", "format"),
    [
        *(("a.png", "PNG"), ("a.jpg", "JPEG"), ("a.tif", "TIFF"), ("a.gif", "GIF")),
        *(("a.bmp", "BMP"), ("a.webp", "WEBP"), ("a.avif", "AVIF"), ("a.jp2", "JPEG2000")),
    ],
)
def test_every_kind_states_its_size(extract, name, format):
    """And has no text."""
    record = extract(name, saved(format))
    assert (record["width"], record["height"], record["text"]) == (40, 30, "")
    assert record["mode"]
    assert "extension" not in record


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP"])
def test_what_the_camera_wrote_is_read(extract, format):
    """Title, author, date with its zone, camera, orientation, and the place as numbers."""
    record = extract("a", saved(format, exif=with_exif()))
    assert (
        record
        | {
            "title": "A title",
            "authors": ["An author"],
            "created": "2026-11-27T10:00:00+01:00",
            "camera": "Canon EOS 40D",
            "orientation": 6,
            "gps": {"latitude": -8.5, "longitude": 47.25},
        }
        == record
    )


def test_the_texts_of_a_png_are_read(extract):
    """They have the names that the PNG specification gives them."""
    texts = PngImagePlugin.PngInfo()
    for key, value in (("Title", "T"), ("Author", "A"), ("Description", "D")):
        texts.add_text(key, value)
    record = extract("a.png", saved("PNG", pnginfo=texts))
    assert (record["title"], record["authors"], record["description"]) == ("T", ["A"], "D")


def test_pages_and_frames_are_counted(extract, document):
    """A TIFF has pages, what moves has frames."""
    more = [Image.new("RGB", (4, 3), colour) for colour in ("green", "blue")]
    for format, key in (
        ("TIFF", "pages"),
        ("GIF", "frames"),
        ("PNG", "frames"),
        ("WEBP", "frames"),
    ):
        record = extract("a", saved(format, (4, 3), save_all=True, append_images=more))
        assert record[key] == 3, format
    assert extract("a.tif", saved("TIFF"))["pages"] == 1


def chunk(name, data):
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(width, height, *more):
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    rest = chunk(b"IDAT", zlib.compress(b"\0" * 1000)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(more) + rest


def test_a_picture_without_end_is_not_decoded(extract):
    """100,000 by 100,000 points are two numbers."""
    tracemalloc.start()
    try:
        record = extract("a.png", png(100_000, 100_000))
        assert tracemalloc.get_traced_memory()[1] < 4_000_000
    finally:
        tracemalloc.stop()
    assert (record["width"], record["height"]) == (100_000, 100_000)
    assert Image.MAX_IMAGE_PIXELS is not None


def test_a_text_in_a_png_that_inflates_without_end_is_corrupt(extract):
    """Pillow refuses it, before memory is full."""
    bomb = chunk(b"zTXt", b"Title\0\0" + zlib.compress(bytes(50_000_000)))
    with pytest.raises(CorruptError):
        extract("a.png", png(1, 1, bomb))


def tiff(*directories):
    """A TIFF whose directories are (entries, place of the next)."""
    data = b"II*\0" + struct.pack("<I", 8)
    for entries, following in directories:
        packed = b"".join(struct.pack("<HHII", *entry) for entry in entries)
        data += struct.pack("<H", len(entries)) + packed + struct.pack("<I", following)
    return data


SIZE = (
    *((256, 4, 1, 5), (257, 4, 1, 5), (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1)),
    *((273, 4, 1, 8), (278, 4, 1, 5), (279, 4, 1, 25)),
)


def test_directories_in_a_circle_have_an_end(extract):
    """The next page of the only one is itself."""
    assert extract("a.tif", tiff((SIZE, 8)))["pages"] == 1


def test_pages_that_all_point_at_the_whole_file_are_not_all_read(extract, monkeypatch):
    """A hundred directories, each with a text as long as the file, are stopped on the way."""
    monkeypatch.setattr(reader, "_READ_BESIDE", 0)
    entries = (*SIZE, (40_000, 7, 90_000, 8))
    step = 2 + 12 * len(entries) + 4
    pages = [(entries, 8 + step * number) for number in range(1, 100)]
    with pytest.raises(CorruptError, match="in circles"):
        extract("a.tif", tiff(*pages, (entries, 0)) + bytes(100_000))


@pytest.mark.parametrize("garbage", [b"Exif\0\0" + b"\xff" * 300, b"Exif\0\0II*\0\xff\xff\xff\x7f"])
def test_garbage_for_exif_costs_only_that(extract, garbage):
    """The size is read all the same."""
    record = extract("a.jpg", saved("JPEG", exif=garbage))
    assert (record["width"], "created" in record) == (40, False)


@pytest.mark.parametrize("place", [(200.0, 0.0, 0.0), (1.0,)])
def test_a_place_that_is_none_is_left_out(extract, place):
    """Latitudes end at 90 degrees."""
    exif = with_exif()
    exif.get_ifd(0x8825)[2] = place
    assert "latitude" not in extract("a.jpg", saved("JPEG", exif=exif)).get("gps", {})


def test_what_only_begins_like_an_image_is_corrupt(extract):
    """The message does not name an object of ours."""
    with pytest.raises(CorruptError, match="begins like png, but"):
        extract("a.png", b"\x89PNG\r\n\x1a\n" + bytes(100))
    with pytest.raises(UnsupportedError, match="heic"):
        extract("a.heic", b"\0\0\0\x18ftypheic" + b"x" * 100)
