"""File names as a shell reads them back, byte for byte."""

from __future__ import annotations

import shlex


def shell_quoted(name: bytes) -> str:
    """``name`` as one word of a bash command line, on one printable line.

    Names that are not UTF-8, or hold control characters or bidirectional overrides, are written
    as ``$'a\\x1b.pdf'``, so that the command can be read, copied and run as it stands.
    """
    text = name.decode("utf-8", "surrogateescape")
    if text.isprintable():
        return shlex.quote(text)
    return f"$'{''.join(_ansi_c(char) for char in text)}'"


def _ansi_c(char: str) -> str:
    if char in "'\\":
        return "\\" + char
    if char.isprintable():
        return char
    return "".join(f"\\x{byte:02x}" for byte in char.encode("utf-8", "surrogateescape"))
