"""A value as a cell of a spreadsheet, in which nothing that a document says is ever executed."""

from __future__ import annotations

import json
import re

from docherd.model import printable

#: what a spreadsheet takes for the beginning of a formula, full-width forms included; OWASP,
#: ASVS 1.2.10
FORMULA = frozenset("=+-@\t\r\n＝＋－＠")

#: control characters and what is no character at all; XML cannot hold most of them
_CONTROL = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f]")
_BREAKS = re.compile("[\x0b\x0c\x85]")
_NONE = re.compile("[\ud800-\udfff\ufffe\uffff]")


def cell(name: str, value: object) -> str | int | float | None:
    """A value of the column ``name``: numbers as they are, anything else as harmless text.

    A path is shown as on the screen, on one line; lists and objects as JSON.
    """
    match value:
        case None | bool() | int() | float():
            return value
        case str():
            text = printable(value) if name == "path" else value
        case _:
            text = json.dumps(value, ensure_ascii=False)
    return harmless(text)


def harmless(text: str) -> str:
    """Without control characters, and with a ' in front where it could be taken for a formula."""
    if not text.isprintable():  # a newline and a tab are not either
        text = _NONE.sub("\ufffd", _BREAKS.sub("\n", _CONTROL.sub("", text)))
    return f"'{text}" if text[:1] in FORMULA and text else text
