"""Many small Documents, and faulty ones among them by name, for ``docherd.testing:by_name``.

A share of the faulty stands alone among quick harmless Documents, so that it travels inside a
batch; the others stand in bands of ten, so that several workers meet one at the same time.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from docherd.testing import FAULTS

#: files of a folder; they are links to one, and a file system allows 65,000 of those
EACH = 1_000
#: of a hundred Documents, so many are faulty; of a hundred of those, so many stand in bands
FAULTY, BANDED, BAND = 5, 40, 10
#: what a faulty Document has to say: its amount
AMOUNTS = {"str_huge": 1, "huge": 4, "many": 50}
#: options under which each of FAULTS ends as its table says
LIMITS = ("--memory", "512MB", "--timeout", "10", "--stall", "2", "--max-output", "2MB")

#: takes the machine from all others, who are then late through no fault of their own
_TOO_BAD = "fork_bomb"
_FAILING = {name: fault.reason for name, fault in FAULTS.items() if fault.reason}
_FAILING.pop(_TOO_BAD, None)
#: each of them takes seconds, so that there are fewer of them: one of twelve faulty ones
SLOW = tuple(name for name, why in _FAILING.items() if why in ("timeout", "stalled", "memory"))
_QUICK = tuple(name for name in _FAILING if name not in SLOW)
#: done, and with the same Records each time
_DONE = ("many", "empty")


@dataclass(frozen=True, slots=True)
class Tree:
    """A folder ``in`` of Documents."""

    folder: Path
    documents: int
    #: path, as in Records → the reason it must fail with
    failed: Mapping[str, str]


def plan(documents: int, chance: random.Random) -> list[str]:
    """The first word of each Document's name, in the order of the walk."""
    words = ["fine"] * documents
    slow, quick, done = (_round(names, chance) for names in (SLOW, _QUICK, _DONE))
    for place in _places(documents, chance):
        dice = chance.randrange(100)
        words[place] = next(slow if dice < 8 else done if dice < 14 else quick)
    return words


def _places(documents: int, chance: random.Random) -> list[int]:
    """Where faulty ones stand: some alone, some in bands."""
    wanted = documents * FAULTY // 100
    bands = wanted * BANDED // 100 // BAND
    starts = chance.sample(range(documents // BAND), bands)
    found = {start * BAND + each for start in starts for each in range(BAND)}
    while len(found) < wanted:
        found.add(chance.randrange(documents))
    return sorted(found)


def _round(names: tuple[str, ...], chance: random.Random) -> Iterator[str]:
    """All of them in one order by chance, then in another."""
    while True:
        yield from chance.sample(names, len(names))


def plant(folder: Path, words: list[str], *, faulty: bool) -> Tree:
    """Make those that are done, or (``faulty``) those that fail, below ``folder``/in."""
    failed = {}
    originals = folder / "originals"
    originals.mkdir(exist_ok=True)
    for number, word in enumerate(words):
        reason = FAULTS[word].reason if word in FAULTS else None
        part, name = f"{number // EACH:04d}", f"{word}-{number:06d}.txt"
        if reason:
            failed[f"in/{part}/{name}"] = str(reason)
        if bool(reason) is faulty:
            _link(originals, word, folder / "in" / part, name)
    return Tree(folder, len(words), failed)


def _link(originals: Path, word: str, folder: Path, name: str) -> None:
    """One more name of the file that says ``word``, one file for each folder."""
    original = originals / f"{word}-{folder.name}"
    if not original.exists():
        folder.mkdir(parents=True, exist_ok=True)
        original.write_text(f"{AMOUNTS.get(word, f'a line of {word}')}\n")
    os.link(original, folder / name)
