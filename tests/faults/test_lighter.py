"""A Document that is over its memory at first and is done by the lighter way (M05)."""

from __future__ import annotations

import openpyxl

import oracle


def test_what_was_killed_for_memory_is_done_in_the_lighter_way(tmp_path):
    """M05: the real command, its real limit; what lies far apart needs no second time."""
    (tmp_path / "in").mkdir()
    book = openpyxl.Workbook()
    book.active["A1"] = "left"
    book.active.cell(300_000, 60).value = "right"  # calamine holds all that lie between them
    book.save(tmp_path / "in" / "far.xlsx")
    (tmp_path / "in" / "flat.xml").write_text(
        f"<?xml version='1.0'?><r>{'<a>x</a>' * 2_000_000}</r>"
    )
    (tmp_path / "in" / "letter.txt").write_text("near")
    ended = oracle.docherd("run", "in", "-o", "out", "-w", "1", "--memory", "250MB", cwd=tmp_path)
    assert ended.code == 0, ended.out + ended.err
    oracle.check(tmp_path / "out", failed={}, total=3)
    found = {str(row["path"]): row for row in oracle.records(tmp_path / "out")}
    assert found["in/flat.xml"]["light"] is True
    assert "light" not in found["in/far.xlsx"]  # its rows are read one by one at once
    assert found["in/far.xlsx"]["text"] == "Sheet\nleft\n" + "\t" * 59 + "right"
    assert found["in/flat.xml"]["text"] == "\n".join("x" * 2_000_000)
    assert "light" not in found["in/letter.txt"]
    log = (tmp_path / "out" / "run.log").read_text().splitlines()
    tried = [line for line in log if "limit 250 MB" in line and line.endswith("tried again)")]
    assert len(tried) == 1, log
