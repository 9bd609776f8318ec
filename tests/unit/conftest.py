"""A run folder made by hand: a real ledger, without an engine."""

import json
import os
import sqlite3
from collections import Counter

import pytest

from docherd.schema import SCHEMA

PENDING, DONE, FAILED, SKIPPED, GONE = range(5)


class FakeRun:
    """A run folder whose ledger is filled by hand, as the engine would fill it."""

    def __init__(self, folder, processor="extract", roots=((b"docs", b"/in/docs"),)):
        self.folder = folder
        self.roots = roots
        folder.mkdir(parents=True, exist_ok=True)
        about = {
            "docherd": "0.1.0",
            "run": "7f3a9c",
            "created": "2026-11-24T05:00:00+00:00",
            "inputs": [
                {"label": os.fsdecode(label), "folder": os.fsdecode(root)} for label, root in roots
            ],
            "processor": {"name": processor, "fingerprint": "extract 1"},
        }
        (folder / "run.json").write_text(json.dumps(about))
        self.ledger = sqlite3.connect(folder / "ledger.db")
        self.ledger.executescript(SCHEMA)
        self.last = {}  # document → (row of its last outcome, attempts)
        self.standing = {}  # document → (status, reason)

    def document(self, path, size=1000, root=0):
        """A Document that the walk found; returns its row."""
        name, _, ending = path.rpartition(b"/")[2].rpartition(b".")
        kind = ending.decode("ascii", "replace").lower() if name else ""
        stratum = f"{kind}/{size.bit_length()}"
        self.ledger.execute("insert or ignore into stratum (name) values (?)", (stratum,))
        row = self.ledger.execute(
            """insert into document (root, path, size, mtime_ns, inode, stratum)
               select ?, ?, ?, 1, 1, id from stratum where name = ?""",
            (root, path, size, stratum),
        ).lastrowid
        self.standing[row] = (PENDING, "")
        return row

    def outcome(self, document, status=DONE, reason=None, seconds=0.5, peak=10**7, **more):
        """One more outcome of a Document: the one that counts from now on."""
        previous, attempt = self.last.get(document, (None, 0))
        values = {
            "document": document,
            "previous": previous,
            "attempt": attempt + 1,
            "status": status,
            "reason": reason,
            "seconds": seconds,
            "peak": peak,
            "at": 1_795_000_000,
            **more,
        }
        names = ", ".join(f'"{name}"' for name in values)
        marks = ", ".join("?" * len(values))
        row = self.ledger.execute(
            f"insert into outcome ({names}) values ({marks})", tuple(values.values())
        ).lastrowid
        self.last[document] = (row, attempt + 1)
        self.standing[document] = (status, reason or "")
        return row

    def start(self, seconds=252.0, state="finished", samples=40):
        """A start that finished its Documents at an even pace."""
        epoch = self.ledger.execute(
            """insert into start (began, ended, state, workers, memory, peak, seconds, limited)
               values (1795000000, 1795000252, ?, 4, 8000000000, 4100000000, ?, 0)""",
            (state, seconds),
        ).lastrowid
        self.ledger.executemany(
            "insert into sample values (?, ?, ?, ?, ?)",
            [
                (epoch, seconds * n / samples, 20 * n, 10**6 * n, 10**9 + 10**7 * n)
                for n in range(1, samples + 1)
            ],
        )

    def save(self):
        """Write the accounting, and let others read."""
        self.ledger.execute("delete from tally")
        self.ledger.executemany(
            "insert into tally values (?, ?, ?)",
            [(*standing, n) for standing, n in Counter(self.standing.values()).items()],
        )
        self.ledger.commit()
        return self.folder


@pytest.fixture
def fake_run():
    """Makes FakeRuns, and lets go of their ledgers after the test."""
    made = []

    def make(folder, **options):
        made.append(FakeRun(folder, **options))
        return made[-1]

    yield make
    for one in made:
        one.ledger.close()
