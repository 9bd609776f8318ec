"""Large results, large inputs, many Records: they work, and the engine's memory does not follow."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import oracle

#: megabytes that the engine may hold more for a large Document than for a small one: a slice of
#: the copying, a frame, and what the allocator keeps of them
MORE = 40

PROCESSORS = """
import json

def own(path):
    match path.name:
        case "small":
            return {"n": 1}
        case "text":
            return {"text": "0123456789" * 20_000_000}
        case "pages":
            return ({"n": n, "text": "x" * 1000} for n in range(100_000))
        case "many":
            return ({"n": n} for n in range(400_000))
        case "input":
            read = 0
            with path.open("rb") as file:
                while chunk := file.read(1 << 20):
                    read += len(chunk)
            return {"read": read}
"""

RUN = """
import docherd, sys
docherd.run(f"in-{sys.argv[1]}", f"out-{sys.argv[1]}", "own.py:own", workers=1, progress="none")
"""

STREAM = """
import docherd, sys
[result] = docherd.process([f"in-{sys.argv[1]}/{sys.argv[1]}"], "own.py:own", workers=1)
assert result.ok, result
count = sum(1 for _ in result.records) if sys.argv[1] != "text" else len(result.records)
print(count)
"""

PEAK = """
fields = dict(line.split(":") for line in open("/proc/self/status") if ":" in line)
print(int(fields["VmHWM"].split()[0]) // 1024)
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """One document a folder, and the programs."""
    folder = tmp_path_factory.mktemp("large")
    (folder / "own.py").write_text(PROCESSORS)
    (folder / "run.py").write_text(RUN + PEAK)
    (folder / "stream.py").write_text(STREAM + PEAK)
    for name in ("small", "text", "pages", "many", "input"):
        (folder / f"in-{name}").mkdir()
        (folder / f"in-{name}" / name).write_text("x")
    with (folder / "in-input" / "input").open("wb") as file:
        file.truncate(2 << 30)
    return folder


def peak(folder: Path, program: str, name: str) -> list[int]:
    """What it printed; last the most megabytes that the program itself held."""
    command = [sys.executable, program, name]
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=110, check=False
    )
    assert done.returncode == 0, done.stderr
    assert oracle.leftovers() == []
    return [int(line) for line in done.stdout.split()]


def test_a_result_of_200_megabytes(folder):
    """One Record, through the spool, whole and once."""
    [small], [large] = peak(folder, "run.py", "small"), peak(folder, "run.py", "text")
    assert large < small + MORE
    [part] = (folder / "out-text" / "data").iterdir()
    assert part.stat().st_size > 200_000_000
    assert json.loads(part.read_bytes())["text"] == "0123456789" * 20_000_000
    part.unlink()


@pytest.mark.parametrize(("name", "records"), [("pages", 100_000), ("many", 400_000)])
def test_many_records_of_one_document(folder, name, records):
    """I08: encoded as they are yielded: neither worker nor engine holds them all."""
    [small], [large] = peak(folder, "run.py", "small"), peak(folder, "run.py", name)
    assert large < small + MORE
    out = folder / f"out-{name}"
    [part] = (out / "data").iterdir()
    with part.open("rb") as file:
        ordinals = [json.loads(line)["ordinal"] for line in file]
    assert ordinals == list(range(records))
    report = json.loads((out / "report.json").read_bytes())
    assert report["memory"]["peak"] < 100_000_000
    part.unlink()


def test_an_input_of_2_gigabytes(folder):
    """It is the processor's to read; docherd itself never does."""
    [large] = peak(folder, "run.py", "input")
    assert large < 100
    [record] = oracle.records(folder / "out-input")
    assert record["read"] == 2 << 30


@pytest.mark.parametrize("name", ["pages", "many"])
def test_a_stream_reads_a_large_result_piece_by_piece(folder, name):
    """The program that iterates over the Records holds one piece of them."""
    (_, small), (count, large) = (peak(folder, "stream.py", each) for each in ("small", name))
    assert count == {"pages": 100_000, "many": 400_000}[name]
    assert large < small + MORE


def test_a_pdf_of_10_000_pages(folder):
    """The built-in processor, with a heartbeat a page."""
    import pypdfium2

    document = pypdfium2.PdfDocument.new()
    for _ in range(10_000):
        document.new_page(200, 200)
    (folder / "in-pdf").mkdir()
    document.save(folder / "in-pdf" / "long.pdf")
    document.close()
    done = oracle.docherd("run", "in-pdf", "-o", "out-pdf", cwd=folder)
    assert done.code == 0, done.err
    [record] = oracle.records(folder / "out-pdf")
    assert record["pages"] == 10_000
