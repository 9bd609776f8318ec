"""A report of very many Documents: small, and made in flat memory."""

import json
import os
import subprocess
import sys

import pytest

REASONS = ("corrupt", "encrypted", "error", "timeout", "crash", "memory")
MEASURE = """
import sys
from pathlib import Path
from docherd import report
report.write(Path(sys.argv[1]))
# not ru_maxrss, which begins with what the parent once held
held = [line for line in open("/proc/self/status") if line.startswith("VmHWM")]
print(held[0].split()[1])
"""


def fill(fake, documents):
    """Forty kinds; each twentieth fails, for six reasons, with a detail of 1 kB."""
    fake.ledger.executemany(
        "insert into stratum (id, name) values (?, ?)", [(n, f"x{n}/12") for n in range(40)]
    )
    fake.ledger.executemany(
        "insert into document values (?, 0, ?, ?, 1, 1, ?, null)",
        ((n + 1, b"%d/%d.x%d" % (n // 1000, n, n % 40), n, n % 40) for n in range(documents)),
    )
    fake.ledger.executemany(
        """insert into outcome (document, attempt, status, reason, seconds, peak, at, message,
                                detail, kind) values (?, 1, ?, ?, ?, ?, 1, ?, ?, ?)""",
        (
            (n + 1, 1, None, n % 997 / 100, n % 991 * 10**6, None, None, f"x{n % 40}")
            if n % 20
            else (
                *(n + 1, 2, REASONS[n // 20 % 6], n % 997 / 100, n % 991 * 10**6),
                *(f"at {n}: no" + "!" * (n // 20 % 12), "line\n" * 200, None),
            )
            for n in range(documents)
        ),
    )
    fake.start()
    failed = len(range(0, documents, 20))
    fake.save()
    fake.ledger.execute("insert into tally values (1, '', ?)", (documents - failed,))
    fake.ledger.executemany(
        "insert into tally values (2, ?, ?)",
        [(r, len(range(20 * at, documents, 120))) for at, r in enumerate(REASONS)],
    )
    fake.ledger.commit()


@pytest.mark.parametrize("documents", [6_000, pytest.param(1_000_000, marks=pytest.mark.slow)])
def test_the_report_of_very_many_is_small_and_made_in_flat_memory(fake_run, tmp_path, documents):
    """No larger and no more memory for a million than for a thousand, 5 % of them failed."""
    fake = fake_run(tmp_path / "out")
    fill(fake, documents)
    ended = subprocess.run(
        [sys.executable, "-c", MEASURE, fake.folder], capture_output=True, text=True, check=True
    )
    kilobytes = int(ended.stdout)
    assert kilobytes < 60_000
    assert os.path.getsize(fake.folder / "report.html") < 250_000
    assert os.path.getsize(fake.folder / "report.json") < 250_000
    summary = json.loads((fake.folder / "report.json").read_bytes())
    assert summary["counts"]["discovered"] == documents
    assert sum(kind["documents"] for kind in summary["kinds"]) == documents
    with open(fake.folder / "failures.jsonl") as lines:
        assert sum(1 for _ in lines) == summary["counts"]["failed"] == documents // 20
