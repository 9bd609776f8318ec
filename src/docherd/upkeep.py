"""The commands that look after a run folder: verify, repair."""

from __future__ import annotations

import os
import sys
import time
from argparse import Namespace
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from docherd import queries, units, wording
from docherd.audit import Audit, Damage
from docherd.exceptions import DamageError, EnvironmentFault, UsageError
from docherd.folder import Folder
from docherd.model import printable, text_of
from docherd.repair import Mended, mend

#: damages shown one by one; `--json` shows all
SHOWN = 20
#: seconds between updates of the percentage
SHOW_SECONDS = 0.5


def verify(given: Namespace) -> int:
    """`docherd verify OUT`: names all damage, changes nothing; 4 where there is any."""
    folder = _existing(given.out)
    folder.hold_still()
    try:
        audit = Audit(folder.path, folder.read_about(), _percent("verifying"))
        found = 0
        for damage in audit.damages():
            found += 1
            if given.json:
                queries.print_json({"event": "damage", **asdict(damage)})
            elif found <= SHOWN:
                print(_line(damage))
    finally:
        folder.release()
    if given.json:
        figures = {"parts": audit.parts, "documents": audit.known, "bytes": audit.bytes}
        queries.print_json({"event": "verified", "damages": found, **figures})
    else:
        _say_verified(folder, audit, found)
    return DamageError.exit_code if found else 0


def repair(folder: Folder, *, as_json: bool, quiet: bool) -> Mended:
    """The first half of `docherd repair OUT`; the second is a resumed run."""
    folder.hold()
    try:
        mended = mend(folder, _percent("looking for damage"))
    except OSError as error:
        where = f"{text_of(os.fsencode(error.filename))}: " if error.filename else ""
        raise EnvironmentFault(
            f"{where}{error.strerror}; repair again when this is mended"
        ) from error
    finally:
        folder.release()
    if as_json:
        queries.print_json({"event": "repaired", **asdict(mended)})
    elif not quiet:
        _say_mended(mended)
    return mended


def _existing(out: str) -> Folder:
    folder = Folder(Path(out))
    if not folder.exists and not (folder.ledger.exists() or folder.data.exists()):
        raise UsageError(f"no run in {printable(out)}; start one: docherd run INPUT... -o OUT")
    return folder


def _line(damage: Damage) -> str:
    whose = f"{printable(damage.path)}: " if damage.path else ""
    return f"{damage.file}: {whose}{printable(damage.detail)}"


def _say_verified(folder: Folder, audit: Audit, found: int) -> None:
    if found > SHOWN:
        print(f"and {units.count(found - SHOWN)} more: docherd verify --json shows all")
    print(f"{wording.documents(audit.known)} known")
    parts = "1 part" if audit.parts == 1 else f"{units.count(audit.parts)} parts"
    whose = wording.documents(audit.documents)
    print(f"{units.size(audit.bytes)} of Records in {parts}, from {whose}")
    if not found:
        print("no damage")
        return
    print(f"{units.count(found)} damages")
    print(f"mend it: docherd repair {printable(str(folder.path))}")


def _say_mended(mended: Mended) -> None:
    if not mended.anything:
        print("nothing to repair")
        return
    if mended.rebuilt:
        print("the ledger was made anew from the parts; the old one is ledger.db.damaged")
    for number in mended.parts:
        print(f"part {number} was cut back to what is intact in it")
    if mended.recounted:
        print("the accounting was made anew from the outcomes")
    if mended.again:
        print(f"{wording.documents(mended.again)} will be processed again")
    if mended.lost:
        print(f"the Records of {wording.documents(mended.lost)} whose files are gone are lost")


def _percent(what: str) -> Callable[[int, int], None]:
    """Shows how far it is, on a terminal, where it takes longer than a moment."""
    last = time.monotonic()

    def told(done: int, total: int) -> None:
        nonlocal last
        if sys.stderr.isatty() and time.monotonic() - last > SHOW_SECONDS:
            last = time.monotonic()
            percent = f"{what}: {100 * done / max(total, 1):.0f} % of {units.size(total)}"
            print(f"\r{percent}\x1b[K", end="\n" if done == total else "\r", file=sys.stderr)

    return told
