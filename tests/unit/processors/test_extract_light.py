"""After an attempt that was over its memory, extract takes less: the text is the same."""

from __future__ import annotations

import csv
import datetime as dt
import io
import os
import tracemalloc
import zipfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from docherd.exceptions import CorruptError, DocumentError
from docherd.model import Reason
from docherd.processors.extract import Extract
from docherd.processors.readers import text, xlsx

LIGHT = ("a.docx", "a.pptx", "a.xlsx", "a.xml")


@pytest.fixture
def lighter(document):
    """The Record of a name and its bytes, after an earlier attempt that was over its memory."""

    def run(name, data, pages=None, reason=Reason.MEMORY):
        made = document(name, data, pages)
        made.attempt, made.previous_reason = 1, reason
        return Extract()(made)

    return run


@pytest.mark.parametrize("name", LIGHT)
def test_the_lighter_way_says_so_and_gives_the_same(samples, extract, lighter, name):
    """Only the encoding of an XML is left out; the Record says that it was the lighter way."""
    first = extract(name, samples[name])
    second = lighter(name, samples[name])
    first.pop("encoding", None)
    assert second == first | {"light": True}


def test_where_there_is_no_lighter_way_it_is_the_same(samples, extract, lighter):
    """All other kinds are read as before, and so is everything after another end."""
    for name, data in samples.items():
        reason = Reason.CRASH if name in LIGHT else Reason.MEMORY
        assert lighter(name, data, reason=reason) == extract(name, data)


def workbook(fill):
    import openpyxl

    book = openpyxl.Workbook()
    fill(book)
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


FORMATS = (
    *((45000.5, code) for code in ("General", "d.m.yyyy", '0 "days"', "[$-409]d-mmm-yy;@", "@")),
    *((value, "yyyy-mm-dd hh:mm:ss.000") for value in (45000.123456789, 45000, 0, 60, -5, 1e9)),
    *((value, "[h]:mm") for value in (1.5, -1.5, 0)),
    *((0.3, code) for code in ("[$-F400]h:mm:ss AM/PM", "0.00E+00", "h:mm", "[Red]0.00")),
)


def every_kind(book):
    """Beginning in C4, with gaps: dates, times, spans, formulas, several lines."""
    sheet = book.active
    sheet["C4"], sheet["D4"] = dt.datetime(2024, 5, 6, 7, 8, 9), dt.date(2024, 1, 2)
    sheet["E4"], sheet["G4"] = dt.time(3, 4, 5), dt.timedelta(hours=30, minutes=2)
    sheet["C6"], sheet["D6"], sheet["E6"], sheet["F6"] = 0.1, True, "=1/0", "two\nlines\ttab"
    sheet["G6"], sheet["H6"] = 12345678901234567890, "  padded "
    for column, (value, code) in enumerate(FORMATS, 5):
        cell = sheet.cell(8, column, value)
        cell.number_format = code
    book.create_sheet("Second")["B2"] = "x"
    book.create_sheet("Empty")
    book.create_chartsheet("Chart")


def counted_from_1904(book):
    import openpyxl

    every_kind(book)
    book.epoch = openpyxl.utils.datetime.CALENDAR_MAC_1904


@pytest.mark.parametrize("fill", [every_kind, counted_from_1904])
def test_every_kind_of_cell_is_shown_alike(extract, lighter, fill):
    """As calamine has it, whose rules for dates there are to be followed."""
    data = workbook(fill)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        assert not xlsx.is_for_rows(archive)  # else both would be read the same way
    assert lighter("a.xlsx", data)["text"] == extract("a.xlsx", data)["text"]


def test_cells_far_apart_cost_nothing(lighter):
    """What lies between two is not held: in the other way a third of a gigabyte."""

    def far(book):
        book.active["A1"] = "left"
        book.active.cell(1_000_000, 10).value = "right"

    data = workbook(far)
    tracemalloc.start()
    try:
        assert lighter("a.xlsx", data)["text"] == "Sheet\nleft\n" + "\t" * 9 + "right"
        assert tracemalloc.get_traced_memory()[1] < 20_000_000
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    "cell", ['<c r="ZZZZ1"><v>1</v></c>', '<c t="s"><v>7</v></c>', "<c><v>x</v></c>", '<c r="-1"/>']
)
def test_cells_that_cannot_be_are_corrupt(samples, build, lighter, cell):
    """Outside of a sheet, a string that is not there, a number that is none; never ours."""

    def broken(_):
        return f'<worksheet xmlns="x"><sheetData><row>{cell}</row></sheetData></worksheet>'

    data = build["edit_zip"](samples["a.xlsx"], {"xl/worksheets/sheet1.xml": broken})
    with pytest.raises(CorruptError):
        lighter("a.xlsx", data)


@pytest.mark.parametrize("name", LIGHT[:3])
def test_a_package_without_one_of_its_members_ends_in_a_reason(samples, build, lighter, name):
    """Whichever it is, the Document is read without it or is corrupt."""
    with zipfile.ZipFile(io.BytesIO(samples[name])) as archive:
        members = {each: archive.read(each) for each in archive.namelist()}
    for missing in members:
        rest = {each: content for each, content in members.items() if each != missing}
        try:
            lighter(name, build["zip"](rest))
        except DocumentError as error:
            assert str(error)


def test_pictures_are_not_held(build, lighter):
    """Not even those that cannot be compressed: 20 MB of them, less than a MB on the way."""
    data = build["edit_zip"](build["docx"](), {})
    with zipfile.ZipFile(file := io.BytesIO(data), "a") as archive:
        archive.writestr("word/media/a.png", os.urandom(20_000_000))
    tracemalloc.start()
    try:
        assert lighter("a.docx", file.getvalue())["text"].startswith("before the table")
        # The bytes of the file above count too.
        assert tracemalloc.get_traced_memory()[1] < 20_500_000 + 10_000_000
    finally:
        tracemalloc.stop()


# ── tables in plain text hold their text once, in the first attempt too ──────────────────────


@settings(derandomize=True, deadline=None, max_examples=300)
@given(st.text(alphabet='ab,"\r\n\x0b\u2028'))
def test_lines_of_a_table_are_those_of_the_standard_library(content):
    """Whatever ends them, also where the ends are mixed."""
    assert list(text._lines(content)) == list(io.StringIO(content, newline=""))


def test_a_large_table_is_held_once():
    """Counting its rows takes next to no memory."""
    content = "1,2,3\r\n" * 1_000_000
    tracemalloc.start()
    try:
        assert text._counted(content, ",") == (1_000_000, 3)
        assert tracemalloc.get_traced_memory()[1] < 100_000
    finally:
        tracemalloc.stop()
        csv.field_size_limit(131_072)


# ── heartbeats ───────────────────────────────────────────────────────────────────────────────


def long_sheet(book):
    for number in range(10_001):
        book.active.append([number])
    book.create_sheet("Second")


def test_long_sheets_and_parts_of_mails_are_heartbeats(document, samples, lighter):
    """Ten thousand rows each, in both ways; a part of a mail each."""
    data = workbook(long_sheet)
    Extract()(document("a.xlsx", data, pages := []))
    assert pages == [1, 1, 2]
    lighter("a.xlsx", data, pages := [])
    assert pages == [1, 1, 2]
    Extract()(document("a.eml", samples["a.eml"], pages := []))
    assert pages == [1, 2, 3]
