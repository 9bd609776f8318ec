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
from dataclasses import dataclass, field, replace
from pathlib import Path

from docherd.audit import Audit, Damage, file_of, written_in
from docherd.exceptions import DamageError
from docherd.folder import Folder
from docherd.identity import JSONL, About
from docherd.ledger import Ledger
from docherd.placements import identified, known_parts
from docherd.readonly import ReadOnly
from docherd.rebuild import rebuild
from docherd.rows import Part, Written
from docherd.segment import Segment
from docherd.sinks import files, jsonl
from docherd.sinks.formats import sink_of
from docherd.sinks.jsonl import Range
from docherd.sinks.lines import write_again
from docherd.sinks.parquet import Parquet
from docherd.sinks.parts import Parts


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
    about = folder.read_about()
    _undo_half_a_commit(folder)
    damages = _damages(folder, about, told)
    mended = Mended()
    if any(each.what == "ledger" for each in damages):
        rebuild(folder)
        mended.rebuilt = True
        damages = _damages(folder, about, told)
    _mend_parts(folder, about, damages, mended)
    return mended


def _undo_half_a_commit(folder: Folder) -> None:
    """What a kill has left of one is undone by whoever may write, and looks like damage before."""
    with suppress(DamageError):
        Ledger(folder.ledger, create=False).close()


def _damages(folder: Folder, about: About, told: Callable[[int, int], None]) -> list[Damage]:
    """What is wrong, a part's once however many Documents it concerns."""
    seen: dict[tuple[str, int | None], Damage] = {}
    for each in Audit(folder.path, about, told).damages():
        _refuse(each)
        seen.setdefault((each.what, each.part), each)
    return list(seen.values())


def _refuse(damage: Damage) -> None:
    if damage.detail in (
        "is not a part of this run",
        "is not of this run",
        "was written by a newer docherd",
    ):
        advice = "upgrade" if damage.what == "ledger" else "move it elsewhere, then repair again"
        raise DamageError(f"{damage.file} {damage.detail}: {advice}; nothing was changed")


def _mend_parts(folder: Folder, about: About, damages: Sequence[Damage], mended: Mended) -> None:
    damaged = sorted({each.part for each in damages if each.part is not None})
    mended.recounted = any(each.what == "accounting" and each.part is None for each in damages)
    if not damaged and not mended.recounted:
        return
    with closing(Ledger(folder.ledger, create=False)) as ledger:
        ledger.write_ahead()
        segment = Segment(folder.path, ledger, sink_of(about.format, folder.path, ledger))
        for number in damaged:
            again, lost = segment.mend(*_salvage(folder.path, about, number))
            mended.parts.append(number)
            mended.again += again
            mended.lost += lost
        if mended.recounted:
            ledger.recount()


# ── one part ─────────────────────────────────────────────────────────────────────────────────


def _salvage(folder: Path, about: About, number: int) -> tuple[Part, list[Written]]:
    """What is intact in a part, durable in pending/; and what is lost."""
    with closing(ReadOnly(folder / "ledger.db", ("document", "outcome", "part", "stale"))) as db:
        part = next(each for each in known_parts(db) if each.number == number)
        live = list(_live(db, part))
        stale = db.rows("select offset, length from stale where part = ?", number)
        gone = replace(part, holes=_united(part.holes, list(stale)))
        names = {w.document: identified(db, about.inputs, w.document) for w in live}
    if about.format == JSONL or not part.sealed:
        target, intact = _intact_lines(folder, gone, live, names)
        target = replace(target, sealed=about.format == JSONL)
    elif about.format == "parquet":
        target, intact = Parquet(folder).salvage(part, replace(gone, generation=_next(part)))
    else:
        target, sound = gone, files.sound(folder, part)
        intact = {each.offset for each in live if each.document in sound}
    lost = [each for each in live if each.offset not in intact]
    holes = _united(target.holes, [(each.offset, each.length) for each in lost])
    return replace(target, holes=holes), lost


def _next(part: Part) -> int:
    return part.generation + 1


def _united(holes: Sequence[Range], further: Sequence[Range]) -> tuple[Range, ...]:
    return tuple(sorted({*holes, *further}))


def _intact_lines(
    folder: Path, part: Part, live: Sequence[Written], names: dict[int, str]
) -> tuple[Part, set[int]]:
    """The next generation of a file of lines, and the offsets of what is in it."""
    source = file_of(folder, part)
    if not source.exists():
        source = Path(os.devnull)
    kept: list[Range] = []
    intact: set[int] = set()
    for each, where in _intact(source, live, names):
        kept.append(where)
        intact.add(each.offset)
    size = source.stat().st_size if source != Path(os.devnull) else 0
    target = replace(part, generation=_next(part))
    staged = Parts(folder, "jsonl").staged(target)
    return write_again(target, source, staged, _between(kept, size)), intact


def _live(db: ReadOnly, part: Part) -> Iterator[Written]:
    """The Records that count in a part."""
    query = "select offset from stale where part = ?"
    dead = {offset for (offset,) in db.rows(query, part.number)}
    for each, _ in jsonl.placed(written_in(db, part.number), part.holes):
        if each.offset not in dead:
            yield each


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
