"""RTF, one token after another: groups may be nested as deep as they like.

striprtf, the library for it, leaves out notes and headers, fails on East Asian text, and takes
minutes over 64 KB of hyperlinks that do not end.
"""

from __future__ import annotations

import codecs
import re
import sys
from dataclasses import dataclass, field, replace
from typing import Final

from docherd.document import Document
from docherd.exceptions import CorruptError
from docherd.processors.readers.properties import Properties, iso_8601, names


def read(document: Document) -> dict[str, object]:
    """Text in document order (cells tab by tab), then notes and comments, headers and footers.

    ``partial`` is there where the file ends before its first group does. Raises CorruptError
    where it ends before any text.
    """
    reading = _Reading(document)
    ended = reading.take(document.read_bytes())
    text = reading.text()
    if not ended and not text:
        raise CorruptError("the file ends before its text begins")
    cut: dict[str, object] = {} if ended else {"partial": True}
    return reading.properties().stated() | cut | {"text": text}


# ── tokens ───────────────────────────────────────────────────────────────────────────────────

#: a brace; a word with its number; a byte in hexadecimal; a symbol; text; each takes linear time
_TOKEN: Final = re.compile(
    rb"([{}])|\\([A-Za-z]{1,32})(-?[0-9]{1,10})? ?|\\'([0-9A-Fa-f]{2})|\\([^A-Za-z])"
    rb"|[\r\n\0]+|([^{}\\\r\n\0]+)|.",
    re.DOTALL,
)
#: bytes between two heartbeats
_BYTES_EACH = 1 << 20

#: what a word or symbol stands for
_CHARACTERS: Final = {
    b"par": "\n",
    b"sect": "\n",
    b"page": "\n",
    b"line": "\n",
    b"softline": "\n",
    b"row": "\n",
    b"nestrow": "\n",
    b"\n": "\n",
    b"\r": "\n",
    b"tab": "\t",
    b"cell": "\t",
    b"nestcell": "\t",
    b"emdash": "\u2014",
    b"endash": "\u2013",
    b"emspace": "\u2003",
    b"enspace": "\u2002",
    b"qmspace": "\u2005",
    b"bullet": "\u2022",
    b"lquote": "\u2018",
    b"rquote": "\u2019",
    b"ldblquote": "\u201c",
    b"rdblquote": "\u201d",
    b"~": "\xa0",
    b"-": "\xad",
    b"_": "\u2011",
    b"{": "{",
    b"}": "}",
    b"\\": "\\",
}
#: destinations that are read after the text they stand in
_LATER: Final = frozenset({b"footnote", b"annotation"})
_SIDES: Final = frozenset(
    {b"header", b"headerl", b"headerr", b"headerf", b"footer", b"footerl", b"footerr", b"footerf"}
)
#: destinations behind \* that hold text all the same
_STARRED: Final = frozenset({b"annotation", b"footnote", b"nesttableprops"})
#: destinations that hold text inside of ones that hold none: text boxes, what an object shows
_SHOWN: Final = frozenset({b"shptxt", b"result"})
#: destinations that hold none
_UNREAD: Final = frozenset(
    b"""
    colortbl stylesheet listtable listoverridetable revtbl rsidtbl filetbl generator pict object
    objdata fldinst datafield datastore themedata colorschememapping latentstyles xmlnstbl
    nonesttables nonshppict sp private pntxta pntxtb pnseclvl xe tc tcn txe rxe bkmkstart bkmkend
    atnid atnauthor atndate atnicn atnref atrfstart atrfend atntime ftnsep ftnsepc ftncn aftnsep
    aftnsepc aftncn template userprops docvar mmathPr fontemb fontfile panose falt background
    formfield ffname fchars lchars passwordhash wgrffmtfilter printim buptim revtim operator
    keywords comment doccomm subject category manager company hlinkbase shprslt
    """.split()
)
_INFORMATION: Final = frozenset({b"title", b"author"})
_DATES: Final = frozenset({b"creatim", b"revtim"})
_CODEPAGES: Final = {b"ansi": "cp1252", b"mac": "mac_roman", b"pc": "cp437", b"pca": "cp850"}
#: \fcharset → code page
_CHARSETS: Final = {
    **{
        77: "mac_roman",
        78: "cp932",
        79: "cp950",
        80: "cp949",
        81: "mac_arabic",
        84: "mac_cyrillic",
    },
    **{83: "mac_greek", 86: "mac_romanian", 88: "mac_latin2", 89: "mac_latin2", 85: "mac_turkish"},
    **{128: "cp932", 129: "cp949", 130: "johab", 134: "gb18030", 136: "cp950", 161: "cp1253"},
    **{162: "cp1254", 163: "cp1258", 177: "cp1255", 178: "cp1256", 186: "cp1257", 204: "cp1251"},
    **{222: "cp874", 238: "cp1250", 254: "cp437", 255: "cp850"},
}

# ── what is being read ───────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class _Group:
    """What holds up to the brace that closes it."""

    #: where text goes; None where it is not read
    pieces: list[str] | None
    font: int = -1
    #: characters that stand after each \\u for readers without Unicode
    skip: int = 1
    #: the font table or date that the words in it speak of
    table: bytes = b""
    #: the text was deleted, and the change is not accepted yet
    deleted: bool = False


@dataclass(slots=True)
class _Reading:
    """The state between two tokens."""

    document: Document
    body: list[str] = field(default_factory=list)
    later: list[str] = field(default_factory=list)
    sides: list[str] = field(default_factory=list)
    information: dict[bytes, list[str]] = field(default_factory=dict)
    dates: dict[bytes, dict[bytes, int]] = field(default_factory=dict)
    fonts: dict[int, str] = field(default_factory=dict)
    codepage: str = "cp1252"
    default_font: int = -1
    #: a font of the table, before its character set is said
    described: int = -1
    #: bytes of text, all in one encoding, that are decoded together
    waiting: bytearray = field(default_factory=bytearray)
    #: characters still to be left out after a \\u
    skipped: int = 0
    group: _Group = field(init=False)
    #: the groups around this one
    around: list[_Group] = field(default_factory=list)
    starred: bool = False

    def __post_init__(self) -> None:
        self.group = _Group(self.body)

    def take(self, data: bytes) -> bool:
        """Read it to the brace that closes the first group; False where none does."""
        place, beat = 0, _BYTES_EACH
        while found := _TOKEN.match(data, place):
            place = found.end()
            brace, word, number, code, symbol, text = found.groups()
            if text is not None:
                self._text(text)
            elif word is not None:
                if word == b"bin" and number:
                    place += max(0, int(number))  # no text, whatever bytes they are
                else:
                    self._word(word, int(number) if number else None)
            elif code is not None:
                self._text(bytes.fromhex(code.decode()))
            elif symbol is not None:
                self._symbol(symbol)
            elif brace == b"{":
                self._flush()
                self.around.append(self.group)
            elif brace == b"}" and self._closed():
                return True
            if place >= beat:
                beat = place + _BYTES_EACH
                self.document.heartbeat()
        self._flush()
        return False

    def _closed(self) -> bool:
        """One group less; True where it was the first."""
        self._flush()
        self.skipped, self.starred = 0, False
        if not self.around:
            return True
        self.group = self.around.pop()
        return not self.around

    # ── text ─────────────────────────────────────────────────────────────────────────────────

    def _text(self, text: bytes) -> None:
        if self.skipped:
            left = text[self.skipped :]
            self.skipped = max(0, self.skipped - len(text))
            text = left
        if self.group.pieces is not None and not self.group.deleted:
            self.waiting += text

    def _flush(self) -> None:
        """Decode what waits: of one character some bytes may come as text, some as hexadecimal."""
        if not self.waiting:
            return
        font = self.default_font if self.group.font < 0 else self.group.font
        text = self.waiting.decode(self.fonts.get(font) or self.codepage, "replace")
        self.waiting.clear()
        if self.group.pieces is not None:
            self.group.pieces.append(text)

    def _put(self, text: str) -> None:
        self._flush()
        if self.group.pieces is not None and not self.group.deleted:
            self.group.pieces.append(text)

    def _symbol(self, symbol: bytes) -> None:
        if symbol == b"*":
            self.starred = True
        elif symbol in _CHARACTERS:
            if self.skipped:
                self.skipped -= 1
            else:
                self._put(_CHARACTERS[symbol])

    # ── words ────────────────────────────────────────────────────────────────────────────────

    def _word(self, word: bytes, number: int | None) -> None:
        starred, self.starred = self.starred, False
        if word == b"u" and number is not None:
            # Signed 16 bits by the specification; some write what lies beyond as it is.
            self._put(chr(number if 0 <= number <= sys.maxunicode else number & 0xFFFF))
            self.skipped = self.group.skip
            return
        self.skipped = 0
        if word in _CHARACTERS:
            self._put(_CHARACTERS[word])
        elif (pieces := self._destination(word, starred)) is not _SAME:
            self._flush()
            self.group = replace(self.group, pieces=pieces, table=word)
        elif self.group.table == b"fonttbl":
            self._font_table(word, number)
        elif self.group.table in _DATES and number is not None:
            self.dates.setdefault(self.group.table, {})[word] = number
        else:
            self._setting(word, number)

    def _destination(self, word: bytes, starred: bool) -> list[str] | None:
        """Where the text of this group goes from now on; _SAME where it stays."""
        if word in _LATER or word in _SIDES:
            target = self.later if word in _LATER else self.sides
            target.append("\n")
            return None if self.group.pieces is None else target
        if word in _INFORMATION and self.group.table == b"info":
            return self.information.setdefault(word, [])
        if word in _SHOWN:
            return self.body
        if word in _UNREAD or word in _DATES or word in (b"fonttbl", b"info"):
            return None
        return None if starred and word not in _STARRED else _SAME

    def _font_table(self, word: bytes, number: int | None) -> None:
        if word == b"f" and number is not None:
            self.described = number
        elif word == b"fcharset" and number in _CHARSETS:
            self.fonts[self.described] = _CHARSETS[number]
        elif word == b"cpg":
            self.fonts[self.described] = _page(number)

    def _setting(self, word: bytes, number: int | None) -> None:
        match word:
            case b"f":
                self._flush()
                self.group = replace(self.group, font=-1 if number is None else number)
            case b"plain":
                self._flush()
                self.group = replace(self.group, font=-1, deleted=False)
            case b"deleted":
                self._flush()
                self.group = replace(self.group, deleted=number != 0)
            case b"uc":
                self.group = replace(self.group, skip=min(max(number or 0, 0), 1000))
            case b"deff":
                self.default_font = -1 if number is None else number
            case b"ansicpg":
                self.codepage = _page(number)
            case b"ansi" | b"mac" | b"pc" | b"pca":
                self.codepage = _CODEPAGES[word]

    # ── the end ──────────────────────────────────────────────────────────────────────────────

    def text(self) -> str:
        """A line each, without those that hold nothing."""
        pieces = "".join((*self.body, "\n", *self.later, "\n", *self.sides))
        # \\u takes 16 bits: what lies beyond comes as two halves, which belong together.
        whole = pieces.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
        lines = (line.strip(" ").rstrip("\t ") for line in whole.split("\n"))
        return "\n".join(line for line in lines if line.strip())

    def properties(self) -> Properties:
        def stated(word: bytes) -> str:
            return " ".join("".join(self.information.get(word, [])).split())

        return Properties(
            title=stated(b"title"),
            authors=names(stated(b"author")),
            created=_moment(self.dates.get(b"creatim", {})),
            modified=_moment(self.dates.get(b"revtim", {})),
        )


#: the group's text goes where it went
_SAME: Final[list[str]] = []


def _page(number: int | None) -> str:
    """The encoding of a code page, Windows' Latin-1 where there is none of that number."""
    name = {10000: "mac_roman", 936: "gb18030", 1361: "johab"}.get(number or 0, f"cp{number}")
    try:
        return codecs.lookup(name).name
    except LookupError:
        return "cp1252"


def _moment(parts: dict[bytes, int]) -> str | None:
    year, month, day, hour, minute = (parts.get(word, 0) for word in _PARTS)
    if year <= 1601:  # where Windows' time begins: nobody stated it
        return None
    return iso_8601(f"{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:00")


_PARTS = (b"yr", b"mo", b"dy", b"hr", b"min")
