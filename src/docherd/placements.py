"""Where the Records of each Document lie in a part, as the ledger says.

What is in a line of a segment came from a worker; whose it is says the ledger.
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from docherd.exceptions import mendable
from docherd.model import Root, document_id, text_of
from docherd.readonly import ReadOnly
from docherd.rows import Part
from docherd.sinks import jsonl
from docherd.sinks.jsonl import Range


class Placement(NamedTuple):
    """The Records of one Document in a part; ``offset`` in its first form."""

    offset: int
    length: int
    crc: int
    records: int
    document: int
    #: as in the Records
    id: str
    path: str


class Line(NamedTuple):
    """One Record of a segment, and whose it is."""

    placement: Placement
    ordinal: int
    line: bytes


def placements(db: ReadOnly, roots: Sequence[Root], part: int) -> Iterator[Placement]:
    """Everything that was ever put into a part, in the order of its bytes."""
    return _found(db, roots, _PLACED, part)


def superseded(db: ReadOnly, roots: Sequence[Root], part: int) -> list[Placement]:
    """What of that a later outcome has replaced."""
    return list(_found(db, roots, _SUPERSEDED, part))


def _found(db: ReadOnly, roots: Sequence[Root], query: str, part: int) -> Iterator[Placement]:
    for offset, length, crc, records, document, root, path in db.rows(query, part):
        yield Placement(offset, length, crc, records, document, *named(roots, root, path))


def identified(db: ReadOnly, roots: Sequence[Root], document: int) -> str:
    """The id of a Document, by its row; empty where there is none."""
    for root, path in db.rows("select root, path from document where id = ?", document):
        return named(roots, root, path)[0]
    return ""


def known_parts(db: ReadOnly) -> list[Part]:
    """Every part, as the ledger says."""
    rows = db.rows("select number, generation, sealed, size, crc, holes from part order by number")
    return [
        Part(n, generation, bool(sealed), size, crc, tuple((o, w) for o, w in json.loads(holes)))
        for n, generation, sealed, size, crc, holes in rows
    ]


def named(roots: Sequence[Root], root: int, path: bytes) -> tuple[str, str]:
    """Id and path of a Document, as in its Records."""
    label = roots[root].label
    return document_id(label, path), text_of(label + b"/" + path)


#: outcomes are appended as their lines are: in the order of the offsets
_PLACED = """select offset, length, crc, records, document, root, path
    from outcome join document on document.id = outcome.document
    where part = ? and length > 0 order by outcome.id"""
#: few are stale, and no index leads from a part to its outcomes
_SUPERSEDED = """select o.offset, o.length, o.crc, o.records, o.document, d.root, d.path
    from outcome o
    cross join stale s on s.part = o.part and s.offset = o.offset
    join document d on d.id = o.document where o.part = ? order by o.id"""


def read(
    segment: Path, part: Part, placed: Iterator[Placement], gone: Sequence[Range]
) -> Iterator[Line]:
    """The Records in a segment, but for those in ranges that are ``gone``.

    Raises DamageError where they are not what was committed.
    """
    covered, without = 0, dict(gone)
    with segment.open("rb") as file:
        for each, at in jsonl.placed(placed, part.holes):
            covered += each.length
            if without.pop(each.offset, 0):
                continue
            file.seek(at)
            crc, ordinal, left = 0, 0, each.length
            while left > 0 and (line := file.readline(left)):
                crc, left = zlib.crc32(line, crc), left - len(line)
                yield Line(each, ordinal, line)
                ordinal += 1
            if left or crc != each.crc:
                why = f"{segment}: the Records of {each.path} are not what was written"
                raise mendable(why, segment.parent.parent)
    covered += sum(without.values())  # of an earlier ledger
    if covered != part.size:
        why = f"{segment}: {part.size - covered:,} bytes belong to no document"
        raise mendable(why, segment.parent.parent)
