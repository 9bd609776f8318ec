"""What a run would do, without doing any of it: `docherd run --dry-run`."""

from __future__ import annotations

import itertools
from collections import Counter
from pathlib import Path
from typing import TextIO

from docherd import source, units, wording
from docherd.discovery import stratum_of
from docherd.folder import Folder
from docherd.job import Job, filters_of
from docherd.model import Found
from docherd.readonly import ReadOnly
from docherd.walk import Walk, once
from docherd.walk import found as entries


def dry_run(job: Job, stream: TextIO) -> int:
    """Walk the inputs, compare with an earlier run in the folder, and say what would be done."""
    source.refuse_missing(job.roots)
    source.refuse_output_inside(job.roots, job.out)
    kinds: Counter[str] = Counter()
    sizes: Counter[str] = Counter()
    skipped: Counter[str] = Counter()
    known = _Known(job.out)
    walk = Walk(job.roots, filters_of(job.options), job.files_from, job.null)
    for found in itertools.islice(once(entries(walk)), walk.filters.limit):
        if found.reason:
            skipped[found.reason] += 1
        elif known.same(found):
            skipped["unchanged"] += 1
        else:
            kind = stratum_of(found.path, found.size).rpartition("/")[0] or "(no extension)"
            kinds[kind] += 1
            sizes[kind] += found.size
    known.close()
    total = units.size(sum(sizes.values()))
    stream.write(f"would process {wording.documents(kinds.total())}, {total}\n")
    for kind, number in kinds.most_common():
        stream.write(f"  {units.count(number):>10}  {kind:<16} {units.size(sizes[kind]):>10}\n")
    for reason, number in skipped.most_common():
        stream.write(f"  {units.count(number):>10}  left alone: {reason}\n")
    stream.write("nothing was touched\n")
    return 0


class _Known:
    """What an earlier run in the folder has finished, looked up file by file."""

    def __init__(self, out: Path) -> None:
        folder = Folder(out)
        tables = ("document", "outcome")
        self._ledger = ReadOnly(folder.ledger, tables) if folder.exists else None

    def same(self, found: Found) -> bool:
        """True where the file is finished and has not changed since."""
        if self._ledger is None:
            return False
        rows = self._ledger.rows(
            "select (select status from outcome o where o.document = d.id"
            " and not exists (select 1 from outcome n where n.previous = o.id)) from document d"
            " where root = ? and path = ? and size = ? and mtime_ns = ? and inode = ?",
            *(found.root, found.path, found.size, found.mtime_ns, found.inode),
        )
        return any(status not in (None, 0, 4) for (status,) in rows)

    def close(self) -> None:
        if self._ledger:
            self._ledger.close()
