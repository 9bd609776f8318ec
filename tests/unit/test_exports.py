"""Records as a table: what a cell may hold, which columns there are, what each format does."""

import csv
import io
import json
import zipfile

import openpyxl
import pyarrow.parquet
import pytest

from docherd.exceptions import UsageError
from docherd.exports import csv as csv_format
from docherd.exports import format_of, parquet, xlsx
from docherd.exports.cells import cell, harmless
from docherd.exports.shape import COLUMNS, Holds, Shape

FORMULAS = [
    *("=cmd|'calc'!A0", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1"),
    *("＝1", "＋1", "－1", "＠x"),
]


def shape_of(rows, only=()):
    shape = Shape(only)
    for row in rows:
        shape.add(row)
    return shape


# ── cells ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("text", FORMULAS)
def test_x03_no_text_is_a_formula(text):
    """X03: what a spreadsheet would calculate begins with a quote mark, in any form of it."""
    assert harmless(text) == f"'{text}"
    assert cell("any", [text]).startswith("[")


def test_a_formula_behind_a_control_character_is_one_too():
    """X03: what is taken out cannot hide what follows."""
    assert harmless("\0\x1b=1") == "'=1"


def test_numbers_stay_numbers_and_nothing_stays_nothing():
    """-5 is no formula."""
    assert [cell("n", value) for value in (-5, -0.5, True, None)] == [-5, -0.5, True, None]
    assert harmless("") == ""


def test_paths_are_shown_as_on_the_screen():
    """X02, X04, X06: one line, nothing that moves or reorders."""
    assert cell("path", "a\x1b[2J\n\u202e.pdf") == r"a\x1b[2J\n\u202e.pdf"


def test_texts_keep_their_lines_and_lose_control_characters():
    """Also what XML cannot hold."""
    assert cell("text", "a\nb\tc\x0cd\x00e\x9bf\ud800\uffff") == "a\nb\tc\nde" + "f\ufffd\ufffd"
    assert cell("text", {"é": ["x"]}) == '{"é": ["x"]}'


# ── columns ──────────────────────────────────────────────────────────────────────────────────


def test_columns_come_as_they_first_appear():
    """And say when a row brings more than was known."""
    shape = Shape()
    assert shape.add({"document": "x", "b": None})
    assert not shape.add({"b": None})
    assert shape.add({"b": 1})
    assert shape.add({"a": 1.5, "b": "x"})
    assert dict(shape.columns) == {
        "document": Holds.TEXT,
        "b": Holds.INT | Holds.TEXT,
        "a": Holds.FLOAT,
    }


def test_columns_that_are_named_are_the_only_ones():
    """In their order; one that no row has is refused with the one that was meant."""
    rows = [{"document": "x", "text": None, "title": "t"}]
    assert list(shape_of(rows, ("title", "text")).columns) == ["title", "text"]
    shape_of(rows, ("title", "text")).refuse_unknown()
    shape_of([], ("any",)).refuse_unknown()
    with pytest.raises(UsageError, match="no Record has a key titel; did you mean title"):
        shape_of(rows, ("titel",)).refuse_unknown()


def test_keys_without_end_are_refused():
    """Memory stays flat, whatever a processor calls its keys."""
    shape = Shape()
    shape.add({str(n): n for n in range(COLUMNS)})
    with pytest.raises(UsageError, match="--columns"):
        shape.add({"one more": 1})


def test_the_ending_says_the_format(tmp_path):
    """Unless it was named."""
    assert format_of(tmp_path / "x.XLSX", None) == "xlsx"
    assert format_of(tmp_path / "x.xlsx", "csv") == "csv"
    for file in (None, tmp_path / "x.doc"):
        with pytest.raises(UsageError, match="--to csv, jsonl, parquet or xlsx"):
            format_of(file, None)


# ── formats ──────────────────────────────────────────────────────────────────────────────────

ROWS = [
    {"path": "a", "n": 1, "text": 'say "x",\r\nthen\n', "some": ["x"], "flag": True, "mixed": 1},
    {"path": "b", "n": None, "text": "=1+1", "some": None, "flag": False, "mixed": "1"},
    {"path": "c", "n": 2.5, "text": "", "big": 2**63, "wide": 2**62, "mixed": {"k": None}},
]


def test_csv_is_rfc_4180():
    """CRLF, quotes doubled, line breaks in cells kept, every row as wide as the first."""
    file = io.BytesIO()
    csv_format.write(file, ROWS, shape_of(ROWS))
    text = file.getvalue().decode()
    assert text.startswith("path,n,text,some,flag,mixed,big,wide\r\n")
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert [len(row) for row in rows] == [8, 8, 8]
    assert list(rows[0].values()) == ["a", "1", ROWS[0]["text"], '["x"]', "true", "1", "", ""]
    assert rows[1]["text"] == "'=1+1"
    assert (rows[2]["n"], rows[2]["big"], rows[2]["text"]) == ("2.5", str(2**63), "")


def test_parquet_has_types_where_a_column_has_one():
    """Else each value is JSON; nothing is changed on the way."""
    file = io.BytesIO()
    parquet.write(file, ROWS, shape_of(ROWS))
    table = pyarrow.parquet.read_table(io.BytesIO(file.getvalue()))
    assert {field.name: str(field.type) for field in table.schema} == {
        **dict.fromkeys(("path", "text", "some", "mixed", "big"), "string"),
        **{"n": "double", "flag": "bool", "wide": "int64"},
    }
    assert table["text"].to_pylist() == [row["text"] for row in ROWS]
    assert table["n"].to_pylist() == [1.0, None, 2.5]
    assert [json.loads(each) for each in table["mixed"].to_pylist()] == [1, "1", {"k": None}]
    assert table["big"].to_pylist() == [None, None, str(2**63)]
    assert table["some"].to_pylist() == ['["x"]', None, None]


def test_parquet_is_written_in_groups(monkeypatch):
    """So that memory is flat; and an empty one has its columns."""
    monkeypatch.setattr(parquet, "ROWS", 2)
    for number in (0, 5):
        rows = [{"n": n} for n in range(number)]
        file = io.BytesIO()
        parquet.write(file, rows, shape_of([{"n": 1}]))
        assert pyarrow.parquet.read_table(io.BytesIO(file.getvalue()))["n"].to_pylist() == list(
            range(number)
        )


def written(tmp_path, rows):
    path = tmp_path / "x.xlsx"
    with path.open("w+b") as file:
        remarks = xlsx.write(file, rows, shape_of(rows))
    return path, remarks


def sheet_rows(path):
    book = openpyxl.load_workbook(path)
    return [list(sheet.iter_rows(values_only=True)) for sheet in book.worksheets]


def test_xlsx_holds_numbers_and_texts(tmp_path):
    """Types stay; what is not exact as a number is text."""
    path, remarks = written(tmp_path, ROWS)
    ((head, first, second, third),) = sheet_rows(path)
    assert remarks == []
    assert head == ("path", "n", "text", "some", "flag", "mixed", "big", "wide")
    assert first == ("a", 1, 'say "x",\nthen\n', '["x"]', True, 1, None, None)
    assert second == ("b", None, "'=1+1", None, False, "1", None, None)
    assert third == ("c", 2.5, "", None, None, '{"k": null}', str(2**63), str(2**62))
    assert list(tmp_path.iterdir()) == [path]


def test_xlsx_takes_nothing_for_markup_links_or_formulas(tmp_path):
    """X03, X01: also not what the library itself would put into the XML as it is."""
    runs = ["<r><t>x</t></r>", "<r></t></is></c>&</r>"]
    texts = [*FORMULAS, *runs, "https://example.org"]
    path, _ = written(tmp_path, [{"text": text} for text in texts])
    ((_, *rows),) = sheet_rows(path)
    *guarded, link = [text for (text,) in rows]
    assert link == texts[-1]
    assert guarded == [f"'{text}".replace("\r", "\n") for text in texts[:-1]]
    with zipfile.ZipFile(path) as archive:
        sheet = archive.read("xl/worksheets/sheet1.xml")
        assert b"<f>" not in sheet
        assert b"hyperlink" not in sheet
        assert not [name for name in archive.namelist() if "rels" in name and "sheet" in name]


@pytest.mark.parametrize("char", ["x", "\U0001f600"])
def test_xlsx_cuts_with_a_mark_and_says_so(tmp_path, char):
    """A cell holds 32,767 UTF-16 units."""
    path, remarks = written(tmp_path, [{"text": char * 40_000}, {"text": "x" * 32_767}])
    ((_, (cut,), (whole,)),) = sheet_rows(path)
    assert cut.startswith(char * 16_000)
    assert cut.endswith("… [cut: 40,000 characters]")
    assert len(cut.encode("utf-16-le")) // 2 in (32_766, 32_767)
    assert len(whole) == 32_767
    assert remarks[0].startswith("1 cell cut at 32,767 characters")


def test_xlsx_goes_on_in_a_further_sheet(tmp_path, monkeypatch):
    """Each with the headings; and it is said."""
    monkeypatch.setattr(xlsx, "ROWS", 3)
    path, remarks = written(tmp_path, [{"n": n} for n in range(5)])
    assert sheet_rows(path) == [[("n",), (0,), (1,)], [("n",), (2,), (3,)], [("n",), (4,)]]
    assert remarks == ["3 sheets: one holds 2 Records"]
