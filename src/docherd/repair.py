"""Mending a damaged run folder until the run can go on; nothing is processed here.

    ledger missing or damaged ─► made anew from the parts (rebuild)
    a part missing, cut or changed ─► what is intact in it is its next generation, the rest pending
    accounting wrong ─► counted again

Each part is mended by the commit path that rewriting takes (segment), so a repair that is killed
leaves the damage, or the damage mended, and can be repeated.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path

from docherd.audit import Audit, Damage, file_of, known_parts, written_in
from docherd.exceptions import DamageError
from docherd.folder import Folder
from docherd.ledger import Ledger
from docherd.model import Root, document_id
from docherd.readonly import ReadOnly
from docherd.rebuild import rebuild
from docherd.rows import Part, Written
from docherd.segment import Segment
from docherd.sinks import jsonl
from docherd.sinks.jsonl import Range


@dataclass(slots=True)
class Mended:
    """What was done, and what the next start will do again."""

    #: True where the ledger was made anew
    rebuilt: bool = False
    #: numbers of the parts that were mended
    parts: list[int] = field(default_factory=list)
    recounted: bool = False
    #: Documents whose Records were lost: pending again, and those whose file is gone
    again: int = 0
    lost: int = 0

    @property
    def anything(self) -> bool:
        return self.rebuilt or bool(self.parts) or self.recounted


def mend(folder: Folder, told: Callable[[int, int], None]) -> Mended:
    """Mend all that can be; ``told`` is called with bytes examined and bytes in all.

    The caller holds the folder. Raises DamageError, with nothing changed, for what cannot be
    mended: no run.json, a part of another run, a ledger of a newer version.
    """
    roots = folder.read_about().inputs
    _undo_half_a_commit(folder)
    damages = _damages(folder, roots, told)
    mended = Mended()
    if any(each.what == "ledger" for each in damages):
        rebuild(folder)
        mended.rebuilt = True
        damages = _damages(folder, roots, told)
    _mend_parts(folder, roots, damages, mended)
    return mended


def _undo_half_a_commit(folder: Folder) -> None:
    """What a kill has left of one is undone by whoever may write, and looks like damage before."""
    with suppress(DamageError):
        Ledger(folder.ledger, create=False).close()


def _damages(
    folder: Folder, roots: tuple[Root, ...], told: Callable[[int, int], None]
) -> list[Damage]:
    """What is wrong, a part's once however many Documents it concerns."""
    seen: dict[tuple[str, int | None], Damage] = {}
    for each in Audit(folder.path, roots, told).damages():
        _refuse(each)
        seen.setdefault((each.what, each.part), each)
    return list(seen.values())


def _refuse(damage: Damage) -> None:
    if damage.detail in ("is not a part of this run", "was written by a newer docherd"):
        advice = "upgrade" if damage.what == "ledger" else "move it elsewhere, then repair again"
        raise DamageError(f"{damage.file} {damage.detail}: {advice}; nothing was changed")


def _mend_parts(
    folder: Folder, roots: tuple[Root, ...], damages: Sequence[Damage], mended: Mended
) -> None:
    damaged = sorted({each.part for each in damages if each.part is not None})
    mended.recounted = any(each.what == "accounting" and each.part is None for each in damages)
    if not damaged and not mended.recounted:
        return
    with closing(Ledger(folder.ledger, create=False)) as ledger:
        ledger.write_ahead()
        segment = Segment(folder.path, ledger)
        for number in damaged:
            again, lost = _salvage(folder.path, roots, segment, number)
            mended.parts.append(number)
            mended.again += again
            mended.lost += lost
        if mended.recounted:
            ledger.recount()


# ── one part ─────────────────────────────────────────────────────────────────────────────────


def _salvage(
    folder: Path, roots: tuple[Root, ...], segment: Segment, number: int
) -> tuple[int, int]:
    """Publish what is intact in a part; how many Documents are pending again, and how many lost."""
    with closing(ReadOnly(folder / "ledger.db", ("document", "outcome", "part", "stale"))) as db:
        part = next(each for each in known_parts(db) if each.number == number)
        live = list(_live(db, part))
        names = {document: _id(db, roots, document) for document in {w.document for w in live}}
    source = file_of(folder, part)
    if not source.exists():
        source = Path(os.devnull)
    kept: list[Range] = []
    intact: set[int] = set()
    for each, where in _intact(source, live, names):
        kept.append(where)
        intact.add(each.outcome)
    lost = [each for each in live if each.outcome not in intact]
    size = source.stat().st_size if source != Path(os.devnull) else 0
    return segment.salvage(part, source, _between(kept, size), lost)


def _live(db: ReadOnly, part: Part) -> Iterator[Written]:
    """The Records that count in a part."""
    query = "select offset from stale where part = ?"
    dead = {offset for (offset,) in db.rows(query, part.number)}
    for each, _ in jsonl.placed(written_in(db, part.number), part.holes):
        if each.offset not in dead:
            yield each


def _id(db: ReadOnly, roots: tuple[Root, ...], document: int) -> str:
    for root, path in db.rows("select root, path from document where id = ?", document):
        return document_id(roots[root].label, path)
    return ""


def _intact(
    source: Path, live: Sequence[Written], names: dict[int, str]
) -> Iterator[tuple[Written, Range]]:
    """Records that are as they were written, wherever in the file they are now, in order."""
    wanted = {(names[each.document], each.length, each.crc): each for each in live}
    last = -1
    with source.open("rb") as file:
        for group in jsonl.groups(file):
            each = wanted.get((group.document, group.length, group.crc))
            # What somebody moved before another is not where the ledger will look for it.
            if each is not None and each.offset > last:
                last = each.offset
                yield each, (group.offset, group.length)


def _between(kept: Sequence[Range], size: int) -> list[Range]:
    """The ranges of a file that are not kept."""
    cut, at = list[Range](), 0
    for offset, length in [*kept, (size, 0)]:
        if offset > at:
            cut.append((at, offset - at))
        at = offset + length
    return cut
