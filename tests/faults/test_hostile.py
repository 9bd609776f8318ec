"""Hostile documents through the real command and the built-in processor (P of the catalogue)."""

from __future__ import annotations

import json
import os
import re
import socket
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow.parquet
import pytest

import hostile
import oracle

#: what one of the files says that documents ask for; nobody else says it
CANARY = "canary-5d1f0c"
MEMORY = 512_000_000
#: a worker is stopped once it was seen above its limit, at most half a second after it went there
#: at 1 GB a second; and there are two
OVERSHOT = 1_000_000_000
STATUSES = ("pending", "done", "failed", "skipped", "gone")


@dataclass(frozen=True)
class Met:
    """The folder of attacks and innocents, what may become of each, and the run over it."""

    folder: Path
    attacks: tuple[hostile.Attack, ...]
    ended: oracle.Ended

    @property
    def out(self) -> Path:
        return self.folder / "out"


@pytest.fixture(scope="module")
def server() -> Iterator[socket.socket]:
    """A listening socket whose backlog shows whether anybody called."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.setblocking(False)
        yield listening


@pytest.fixture(scope="module")
def met(server: socket.socket, tmp_path_factory) -> Met:
    """One run over all of them, with two workers and little memory."""
    folder = tmp_path_factory.mktemp("hostile")
    secret = folder / "secret.txt"
    secret.write_text(CANARY)
    url = f"http://127.0.0.1:{server.getsockname()[1]}/x"
    attacks = tuple(hostile.attacks(url, secret.as_uri()))
    for name, documents in {
        "attacks": {each.name: each.data for each in attacks},
        "innocents": hostile.honest(),
    }.items():
        (folder / "in" / name).mkdir(parents=True)
        for document, data in documents.items():
            (folder / "in" / name / document).write_bytes(data)
    command = ("run", "in", "-o", "out", "--memory", "512MB", "-w", "2", "-v")
    return Met(folder, attacks, oracle.docherd(*command, "--exit-zero", cwd=folder, timeout=300))


def endings(out: Path) -> dict[str, tuple[str, int]]:
    """path → "done" or the reason, and the peak of its memory; from the ledger."""
    query = "select path, status, reason, peak from document join outcome on outcome.document"
    query += " = document.id where not exists (select 1 from outcome later where later.previous"
    with sqlite3.connect(f"file:{out / 'ledger.db'}?mode=ro", uri=True) as ledger:
        rows = ledger.execute(f"{query} = outcome.id)").fetchall()
    return {
        os.fsdecode(path): ("done" if STATUSES[status] == "done" else reason, peak or 0)
        for path, status, reason, peak in rows
    }


def test_each_ends_as_is_right_for_it(met):
    """P01-P08, P10-P15: done, or a reason that fits; no error, crash, exit or timeout."""
    assert met.ended.code == 0, met.ended.err
    oracle.check(met.out, total=len(met.attacks) + len(hostile.honest()))
    found = {path: ending for path, (ending, _) in endings(met.out).items()}
    wrong = {
        each.name: (found.get(f"attacks/{each.name}"), sorted(each.endings))
        for each in met.attacks
        if found.get(f"attacks/{each.name}") not in each.endings
    }
    assert wrong == {}
    innocent = {f"innocents/{name}": "done" for name in hostile.honest()}
    assert {path: found.get(path) for path in innocent} == innocent


def test_innocents_beside_them_give_the_same_bytes(met):
    """P14, G8: as in a run over them alone."""
    command = ("run", "in", "-o", "alone", "--include", "innocents/*", "-w", "2", "-q")
    assert oracle.docherd(*command, cwd=met.folder).code == 0
    alone = oracle.sorted_lines(met.folder / "alone")
    assert len(alone) == len(hostile.honest())
    beside = [line for line in oracle.sorted_lines(met.out) if b'"in/innocents/' in line]
    assert beside == alone


def test_memory_is_kept(met):
    """P01, P03, P05: what was seen above its limit was stopped, and nothing else came near it."""
    assert json.loads((met.out / "report.json").read_text())["memory"]["peak"] < MEMORY + OVERSHOT
    above = {path for path, (ending, peak) in endings(met.out).items() if peak > MEMORY + OVERSHOT}
    stopped = {path for path, (ending, _) in endings(met.out).items() if ending == "memory"}
    assert above <= stopped


def test_nothing_is_fetched_or_told(met, server):
    """P04, P06, P08, P11: no server is called, no other file is read, none is written."""
    parquet = ("run", "in", "-o", "parquet", "--format", "parquet", "-q", "-w", "2")
    files = ("run", "in", "-o", "files", "--format", "files", "-q", "-w", "2")
    chosen = [f"--include=attacks/{trick}.*" for trick in ("external", "include", "links", "path")]
    for command in (parquet, files):
        ended = oracle.docherd(*command, *chosen, "--exit-zero", cwd=met.folder)
        assert ended.code == 0, ended.err
    with pytest.raises(BlockingIOError):
        server.accept()
    secrets = (CANARY.encode(), b"root:x:0:0")
    kept = [path for path in met.folder.rglob("*") if path.is_file() and path.suffix != ".parquet"]
    outputs = [path for path in kept if path.is_relative_to(met.out) or "files" in path.parts]
    assert len(outputs) > 40  # the ledger, the logs, the report, every text
    for path in outputs:
        data = path.read_bytes()
        assert not [secret for secret in secrets if secret in data], path
    (part,) = (met.folder / "parquet" / "data").iterdir()
    rows = str(pyarrow.parquet.read_table(part).to_pylist())
    assert "innocent" in rows
    assert CANARY not in rows
    assert "root:x:0:0" not in rows
    names = {path.name for path in met.folder.iterdir()}
    assert names - {"alone"} == {"in", "out", "parquet", "files", "secret.txt"}
    assert not Path("/tmp/escaped").exists()


def test_the_texts_of_documents_forge_nothing(met):
    """P15: what a document says is data; in results it is valid, on screens and pages escaped."""
    said = met.ended.err + (met.out / "run.log").read_text() + (met.out / "report.html").read_text()
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", said)
    assert "<script>alert" not in said
    (codes,) = (row for row in oracle.records(met.out) if row["path"] == "in/attacks/codes.txt")
    assert "\0" not in str(codes["text"])
    assert "\x1b]0;pwn\x07" in str(codes["text"])
