"""Outlook's .msg, made here of streams and storages."""

import json
import struct

import pytest

from docherd.exceptions import CorruptError, DocumentError
from docherd.processors.readers.lzfu import decompressed

FREE, END, FAT = 0xFFFFFFFF, 0xFFFFFFFE, 0xFFFFFFFD


def make_ole(streams):
    """An OLE compound file of paths and contents below 4 KB, which all lie in its mini stream."""
    root = ["Root Entry", 5, [], b""]
    entries, folders = [root], {"": root}
    for path, data in streams.items():
        folder, _, name = path.rpartition("/")
        if folder not in folders:
            folders[folder] = [folder, 1, [], b""]
            entries.append(folders[folder])
            root[2].append(folders[folder])
        entries.append([name, 2, [], data])
        folders[folder][2].append(entries[-1])
    mini, mini_fat, starts = chained([entry[3] for entry in entries], 64)
    root[3] = mini
    directory = b"".join(described(*each, entries) for each in zip(entries, starts, strict=True))
    parts = [mini, directory, struct.pack(f"<{len(mini_fat)}I", *mini_fat)]
    # The root is the first entry, and its content the first sectors.
    parts[1] = directory[:116] + struct.pack("<I", 0) + directory[120:]
    sectors, fat, (_, at_directory, at_mini_fat) = chained(parts, 512)
    tables = -(-(len(fat) + 8) // 128)
    at = [len(fat) + number for number in range(tables)]
    fat = (fat + [FAT] * tables + [FREE] * 128 * tables)[: 128 * tables]
    return (
        b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
        + bytes(16)
        + struct.pack("<HHHHH6xIII", 62, 3, 0xFFFE, 9, 6, 0, tables, at_directory)
        + struct.pack("<IIIIII", 0, 4096, at_mini_fat, -(-len(parts[2]) // 512), END, 0)
        + struct.pack("<109I", *at, *[FREE] * (109 - tables))
        + sectors
        + struct.pack(f"<{len(fat)}I", *fat)
    )


def chained(parts, size):
    """Parts in sectors of a size, the table that chains them, and where each begins."""
    whole, table, starts = b"", [], []
    for part in parts:
        count = -(-len(part) // size)
        starts.append(len(table) if count else END)
        table += [*range(len(table) + 1, len(table) + count), *([END] if count else [])]
        whole += part.ljust(count * size, b"\0")
    return whole, table, starts


def described(entry, start, entries):
    name, kind, children, data = entry
    wide = (name + "\0").encode("utf-16-le")
    numbers = {id(each): number for number, each in enumerate(entries)}
    parent = next((each for each in entries if any(child is entry for child in each[2])), None)
    after = FREE
    if parent:
        later = parent[2][[child is entry for child in parent[2]].index(True) + 1 :]
        after = numbers[id(later[0])] if later else FREE
    child = numbers[id(children[0])] if children else FREE
    return (
        wide.ljust(64, b"\0")
        + struct.pack("<HBBIII", len(wide), kind, 1, FREE, after, child)
        + bytes(36)
        + struct.pack("<IQ", start, len(data))
    )


def fixed(header, **numbers):
    """The stream of the properties that have a fixed size."""
    rows = (
        struct.pack("<HHIQ", 0x40 if value > 2**32 else 3, int(number[1:], 16), 6, value)
        for number, value in numbers.items()
    )
    return bytes(header) + b"".join(rows)


def wide(text):
    return text.encode("utf-16-le")


PLACE = "__substg1.0_"
MAIL = {
    # 2026-11-27T09:00:00 UTC, and a code page for texts that are not Unicode
    "__properties_version1.0": fixed(32, x0039=134_402_436_000_000_000, x3FFD=1252),
    f"{PLACE}0037001F": wide("Grüße"),
    f"{PLACE}0C1A001E": "Jürgen".encode("cp1252"),
    f"{PLACE}5D01001F": wide("juergen@example.org"),
    f"{PLACE}0C1F001F": wide("/O=EXCHANGE/CN=JUERGEN"),
    f"{PLACE}1000001F": wide("The text.\r\nMore."),
    "__recip_version1.0_#00000000/__properties_version1.0": fixed(8, x0C15=1),
    f"__recip_version1.0_#00000000/{PLACE}3001001F": wide("To One"),
    f"__recip_version1.0_#00000000/{PLACE}39FE001F": wide("to@example.org"),
    "__recip_version1.0_#00000001/__properties_version1.0": fixed(8, x0C15=2),
    f"__recip_version1.0_#00000001/{PLACE}3001001F": wide("cc@example.org"),
    f"__attach_version1.0_#00000000/{PLACE}3707001F": wide("letter.pdf"),
    f"__attach_version1.0_#00000000/{PLACE}370E001F": wide("application/pdf"),
    f"__attach_version1.0_#00000000/{PLACE}37010102": b"%PDF-1.4 and so on",
}


def packed(source):
    """RTF that is compressed, of bytes that stand for themselves."""
    pieces = [source[n : n + 8] for n in range(0, len(source), 8)]
    data = b"".join(b"\0" + piece for piece in pieces)
    return struct.pack("<II4sI", len(data) + 12, len(source), b"LZFu", 0) + data


def test_a_mail_of_outlook_is_read(extract):
    """As an eml would be."""
    assert extract("a.msg", make_ole(MAIL)) == {
        "kind": "msg",
        "from": "Jürgen <juergen@example.org>",
        "to": "To One <to@example.org>",
        "cc": "cc@example.org",
        "subject": "Grüße",
        "title": "Grüße",
        "authors": ["Jürgen <juergen@example.org>"],
        "date": "2026-11-27T09:00:00+00:00",
        "created": "2026-11-27T09:00:00+00:00",
        "attachments": [
            {"name": "letter.pdf", "type": "application/pdf", "kind": "pdf", "bytes": 18}
        ],
        "words": 3,
        "text": "The text.\nMore.",
    }


@pytest.mark.parametrize(
    ("number", "data", "text"),
    [
        ("1013001F", wide("<p>wide</p>"), "wide"),
        ("10130102", "<p>Größe</p>".encode(), "Größe"),
        ("10090102", packed(rb"{\rtf1\ansi formatted\par text}"), "formatted\ntext"),
        ("10090102", b"MELA", ""),
    ],
)
def test_without_a_plain_body_there_are_others(extract, number, data, text):
    """HTML as text or bytes, and RTF that is compressed."""
    streams = MAIL | {f"{PLACE}{number}": data}
    del streams[f"{PLACE}1000001F"]
    assert extract("a.msg", make_ole(streams))["text"] == text


def test_an_attached_message_is_named(extract):
    """It is a folder in the folder; what is only linked to has a name and no size."""
    streams = MAIL | {f"__attach_version1.0_#00000001/{PLACE}3001001F": wide("a message")}
    listed = extract("a.msg", make_ole(streams))["attachments"]
    assert listed[1] == {"name": "a message"}


def test_the_headers_of_the_internet_are_believed_where_outlook_is_silent(extract):
    """Their date has a time zone."""
    headers = (
        "From: A <a@example.org>\r\nTo: b@example.org\r\nDate: Fri, 27 Nov 2026 10:00:00 +0100"
    )
    streams = {
        "__properties_version1.0": bytes(32),
        f"{PLACE}007D001F": wide(headers + "\r\n"),
        f"{PLACE}0037001F": wide("x"),
    }
    record = extract("a.msg", make_ole(streams))
    assert (record["from"], record["to"]) == ("A <a@example.org>", "b@example.org")
    assert record["created"] == "2026-11-27T10:00:00+01:00"


def test_noise_in_a_message_ends_in_a_reason(extract):
    """Bytes flipped all over, and the end cut off."""
    import random

    chance = random.Random(7)
    whole = make_ole(MAIL | {f"{PLACE}10090102": packed(b"{\\rtf1 x}")})
    for number in range(150):
        noisy = bytearray(whole if number % 3 else whole[: chance.randrange(600, len(whole))])
        for _ in range(chance.randint(1, 30)):
            noisy[chance.randrange(512, len(noisy))] = chance.randrange(256)
        try:
            json.dumps(extract("a.msg", bytes(noisy)))
        except DocumentError:
            pass


# ── compressed RTF ───────────────────────────────────────────────────────────────────────────

#: the two examples in [MS-OXRTFCP]
HELLO = bytes.fromhex(
    "2d0000002b0000004c5a4675f1c5c7a703000a007263706731323542320af3206865"
    "6c090020627705b06c647d0a800fa0"
)
CROSSING = bytes.fromhex("1a0000001c0000004c5a4675e2d44b51410004205758595a0d6e7d010eb0")


def test_compressed_rtf_is_that_of_the_specification():
    """A text, and one whose references reach into what they are writing."""
    assert decompressed(HELLO) == b"{\\rtf1\\ansi\\ansicpg1252\\pard hello world}\r\n"
    assert decompressed(CROSSING) == b"{\\rtf1 WXYZWXYZWXYZWXYZWXYZ}"


def test_compressed_rtf_may_lie_about_its_size():
    """What is stated is a limit, and never reserved."""
    lying = HELLO[:4] + b"\xff\xff\xff\xff" + HELLO[8:]
    assert decompressed(lying) == decompressed(HELLO)
    for end in range(17, len(HELLO)):
        assert decompressed(HELLO).startswith(decompressed(HELLO[:end]))
    with pytest.raises(CorruptError):
        decompressed(b"x" * 20)
