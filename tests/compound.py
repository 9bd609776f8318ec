"""OLE compound files made on the spot: enough of one to be told as a Word file, and read as one."""

import struct

WORDS = b"A paragraph of Word 6\rGr\xfc\xdfe\rwith more text\r"


def compound(name, content):
    """An OLE compound file with one stream, which is at least as long as one must be."""
    content = content.ljust(max(4096, -(-len(content) // 512) * 512), b"\0")
    sectors = len(content) // 512
    chain = [*range(3, sectors + 2), 0xFFFFFFFE]
    fat = [0xFFFFFFFD, 0xFFFFFFFE, *chain]
    header = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(16)
    header += struct.pack(
        "<HHHHH6xIIIIIIIII", 62, 3, 0xFFFE, 9, 6, 0, 1, 1, 0, 4096, 0xFFFFFFFE, 0, 0xFFFFFFFE, 0
    )
    header += struct.pack("<109I", 0, *[0xFFFFFFFF] * 108)
    root = _entry("Root Entry", 5, 1, 0xFFFFFFFE, 0)
    directory = root + _entry(name, 2, 0xFFFFFFFF, 2, len(content)) + bytes(256)
    table = struct.pack(f"<{len(fat)}I", *fat).ljust(512, b"\xff")
    assert len(header) == len(table) == len(directory) == 512
    return header + table + directory + content


def _entry(name, kind, child, start, size):
    text = (name + "\0").encode("utf-16-le")
    return (
        text.ljust(64, b"\0")
        + struct.pack("<HBBIII", len(text), kind, 1, 0xFFFFFFFF, 0xFFFFFFFF, child)
        + bytes(36)
        + struct.pack("<IQ", start, size)
    )


def word(flags=0):
    """What is needed of a Word 6 file to be one: its header and its text."""
    header = struct.pack("<HHHHH", 0xA5DC, 104, 0, 1033, 0) + struct.pack("<H12x", flags)
    header += struct.pack("<II", 768, 768 + len(WORDS))
    return compound("WordDocument", header.ljust(768, b"\0") + WORDS)
