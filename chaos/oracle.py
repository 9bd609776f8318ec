"""What must hold of a run folder, whatever was done to the run.

``undisturbed`` is what a run that was left in peace has made of the same documents. A folder is
looked at twice: as the fault left it, and when the command has run again.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chaos import formats
from chaos.command import Ended, none_left
from chaos.tally import Tally

#: document and ordinal of a Record
Key = tuple[str, int]
#: what a finished run leaves, and nothing else
FILES = {
    *("run.json", "status.json", "run.log", "ledger.db", "lock", "pending", "data"),
    *("failures.jsonl", "report.html", "report.json"),
}
#: and this, where it lasted long enough to say what limited it
LONG = {"sizing.json"}
_DONE = 1


def lines(out: Path) -> list[bytes]:
    """Every line in data/."""
    data = out / "data"
    return [line for file in formats.files(data) for line in formats.lines(file, data)]


def keyed(found: list[bytes]) -> dict[Key, bytes]:
    """(document, ordinal) → line."""
    records = ((json.loads(line), line) for line in found)
    return {(record["document"], record["ordinal"]): line for record, line in records}


def acknowledged(said: str) -> dict[str, str]:
    """Document → path, of those that ``--progress json`` reported as done."""
    found = {}
    for line in said.splitlines():
        try:
            event = json.loads(line)
        except ValueError:
            continue  # cut off by the kill
        if event.get("event") == "document" and event["status"] == "done":
            found[event["document"]] = event["path"]
    return found


# ── as the fault left it ─────────────────────────────────────────────────────────────────────


@dataclass(frozen=True, slots=True)
class Known:
    """What Records there may be."""

    #: of a run that was left in peace
    undisturbed: Mapping[Key, bytes]
    #: those that were there before, and may still be
    before: frozenset[bytes] = frozenset()


def look_after_fault(out: Path, known: Known, said: Mapping[str, str]) -> Tally:
    """Only committed Records are to be seen, and what was acknowledged is there."""
    tally = Tally(acknowledged=len(said))
    try:
        with _ledger(out) as db:
            parts, done, listed = _parts(db), _done(db), _listed(db)
    except sqlite3.DatabaseError as error:
        parts, done, listed = {}, {}, set()
        tally.wrong("lost", f"the ledger: {error}")
    for file in formats.files(out / "data"):
        name = str(file.relative_to(out / "data"))
        part = parts.get(file.stem)
        if name not in listed and (part is None or not part["sealed"]):
            tally.wrong("uncommitted", f"data/{name} is not one that the ledger has sealed")
    _look_at_lines(out, known, done, tally)
    for document, path in said.items():
        expected = [line for key, line in known.undisturbed.items() if key[0] == document]
        row = done.get(path.partition("/")[2])
        if _bytes_of(out, parts, row, (document, path)) != b"".join(expected):
            tally.wrong("acknowledged_lost", f"{path} is not what was reported as done")
    return tally


def look_after_failed_sync(out: Path, name: str) -> Tally:
    """What could not be made durable must not have been committed: its pages may be gone."""
    tally = Tally()
    segment = out / "pending" / name
    with _ledger(out) as db:
        committed = _parts(db).get(Path(name).stem, {"size": 0})["size"]
    if segment.exists() and committed >= segment.stat().st_size:
        tally.wrong("uncommitted", f"{name} was committed, though its sync had failed")
    return tally


def _look_at_lines(
    out: Path, known: Known, done: Mapping[str, dict[str, Any]], tally: Tally
) -> None:
    allowed = known.before.union(known.undisturbed.values())
    seen = lines(out)
    if twice := [line for line, number in Counter(seen).items() if number > 1]:
        tally.wrong("duplicated", f"{twice[0][:80]!r} is there twice", len(twice))
    for line in seen:
        if line not in allowed:
            tally.wrong("duplicated", f"nobody wrote {line[:80]!r}")
        elif line not in known.before and json.loads(line)["path"].partition("/")[2] not in done:
            tally.wrong("uncommitted", f"{line[:80]!r} is not in the ledger")


@contextmanager
def _ledger(out: Path) -> Iterator[sqlite3.Connection | None]:
    """A copy of the ledger as a process that begins now would find it; None where there is none."""
    with tempfile.TemporaryDirectory(prefix="docherd-chaos-") as folder:
        for file in out.glob("ledger.db*"):
            if not file.name.endswith("-shm"):  # made anew
                shutil.copy(file, folder)
        path = Path(folder) / "ledger.db"
        if not path.exists():
            yield None
            return
        with closing(sqlite3.connect(path)) as db:
            db.row_factory = sqlite3.Row
            there = db.execute("select 1 from sqlite_schema where name = 'outcome'").fetchone()
            yield db if there else None


def _parts(db: sqlite3.Connection | None) -> dict[str, dict[str, Any]]:
    rows = db.execute("select * from part") if db else ()
    return {f"part-{row['number']:06d}": dict(row) for row in rows}


def _listed(db: sqlite3.Connection | None) -> set[str]:
    """Names of files in data/, where each Document has one."""
    return {row["name"] for row in db.execute("select name from file")} if db else set()


def _done(db: sqlite3.Connection | None) -> dict[str, dict[str, Any]]:
    """Path below the input → the outcome that counts, where it is "done"."""
    query = """
        select path, status, part, offset, length, document from outcome join document
        on document.id = outcome.document order by outcome.id
    """
    rows = [dict(row) for row in db.execute(query)] if db else []
    last = {os.fsdecode(row["path"]): row for row in rows}
    return {path: row for path, row in last.items() if row["status"] == _DONE}


def _bytes_of(
    out: Path,
    parts: Mapping[str, dict[str, Any]],
    row: Mapping[str, Any] | None,
    named: tuple[str, str],
) -> bytes | None:
    """The Records of an outcome, from where the ledger says they are."""
    if row is None or row["part"] is None:
        return None
    name = f"part-{row['part']:06d}.jsonl"
    part = parts[Path(name).stem]
    generation = f".g{part['generation']}" if part["generation"] > 1 else ""
    staged, published = out / "pending" / (name + generation), out / "data" / name
    holes = json.loads(part["holes"])
    offset = row["offset"] - sum(length for start, length in holes if start < row["offset"])
    file = staged if staged.exists() else published
    if not file.exists() or (part["sealed"] and file.parent.name == "pending" and _made(out)):
        return formats.of_document(out, part, row["document"], *named)
    with file.open("rb") as opened:
        opened.seek(offset)
        return opened.read(row["length"])


def _made(out: Path) -> bool:
    """Segments are made into something else."""
    pinned = json.loads((out / "run.json").read_bytes())["pinned"]
    return bool(pinned["format"] != "jsonl")


# ── when the command has run again ───────────────────────────────────────────────────────────


def look_when_finished(out: Path, ended: Ended, known: Known, mark: str) -> Tally:
    """Every Document once, byte by byte, nobody blamed, nothing left behind."""
    tally = Tally()
    if ended.code not in (0, 1):  # after 1, its list of failures says more
        tally.wrong(
            "refused", f"the next start ended with {ended.code}: {ended.err.strip()[-200:]}"
        )
        return tally
    found, expected = Counter(lines(out)), Counter(known.undisturbed.values())
    if lost := expected - found:
        tally.wrong("lost", f"without {next(iter(lost))[:80]!r}", lost.total())
    if more := found - expected:
        tally.wrong("duplicated", f"too much: {next(iter(more))[:80]!r}", more.total())
    _look_at_counts(out, tally)
    for name in sorted((set(os.listdir(out)) - LONG) ^ FILES):
        tally.wrong("left", f"{name} is {'missing' if name in FILES else 'left'}")
    for name in os.listdir(out / "pending"):
        tally.wrong("left", f"pending/{name} is left")
    for process in none_left(mark):
        tally.wrong("left", f"{process} is left")
    return tally


def _look_at_counts(out: Path, tally: Tally) -> None:
    counts = json.loads((out / "status.json").read_text())["counts"]
    ends = ("done", "failed", "skipped", "pending", "gone")
    if counts["discovered"] != sum(counts[name] for name in ends) or counts["pending"]:
        tally.wrong("lost", f"the accounting says {counts}")
    if counts["failed"]:  # nothing that these processors do can fail
        said = (out / "failures.jsonl").read_text()
        tally.wrong("blamed", f"failed: {said[:200]}", counts["failed"])
