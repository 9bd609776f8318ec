"""Spreadsheets: every sheet's rows from its first row and column on, as far as a library tells."""

from __future__ import annotations

import os
import warnings

from quality.cells import sheet

#: name of a sheet → its rows
Workbook = dict[str, list[list[str]]]


def calamine(path: os.PathLike[str]) -> Workbook:
    from python_calamine import CalamineWorkbook

    book = CalamineWorkbook.from_path(os.fspath(path))
    sheets = (book.get_sheet_by_name(name) for name in book.sheet_names)
    return {each.name: sheet(each.to_python(skip_empty_area=False)) for each in sheets}


def openpyxl(path: os.PathLike[str]) -> Workbook:
    from openpyxl import load_workbook

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        book = load_workbook(os.fspath(path), data_only=True)
    return {each.title: sheet(list(each.values)) for each in book.worksheets}


def pylightxl(path: os.PathLike[str]) -> Workbook:
    import pylightxl

    book = pylightxl.readxl(os.fspath(path))
    return {name: sheet(list(book.ws(ws=name).rows)) for name in book.ws_names}


def xlrd(path: os.PathLike[str]) -> Workbook:
    import xlrd

    book = xlrd.open_workbook(os.fspath(path))

    def value(cell: xlrd.sheet.Cell) -> object:
        match cell.ctype:
            case xlrd.XL_CELL_DATE if cell.value >= 1:
                return xlrd.xldate_as_datetime(cell.value, book.datemode)
            case xlrd.XL_CELL_DATE:
                return xlrd.xldate_as_datetime(cell.value, book.datemode).time()
            case xlrd.XL_CELL_BOOLEAN:
                return bool(cell.value)
            case xlrd.XL_CELL_ERROR:
                return xlrd.error_text_from_code.get(cell.value, cell.value)
            case _:
                return cell.value

    return {
        each.name: sheet([[value(cell) for cell in row] for row in each.get_rows()])
        for each in book.sheets()
    }


def pyxlsb(path: os.PathLike[str]) -> Workbook:
    """Numbers as they are stored: it does not tell dates from them."""
    from pyxlsb import open_workbook

    with open_workbook(os.fspath(path)) as book:
        sheets = ((name, book.get_sheet(name)) for name in book.sheets)
        return {
            name: sheet([[cell.v for cell in row] for row in each.rows()]) for name, each in sheets
        }


def pandas_ods(path: os.PathLike[str]) -> Workbook:
    import pandas

    frames = pandas.read_excel(os.fspath(path), sheet_name=None, header=None, engine="odf")
    return {
        name: sheet(frame.astype(object).where(frame.notna(), None).to_numpy().tolist())
        for name, frame in frames.items()
    }
