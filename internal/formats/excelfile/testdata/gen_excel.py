"""Write the workbooks of this folder and golden.json, which says what pandas and Tiled 0.2.20 make of them.

Run with a Python that has openpyxl, pandas, pyarrow and tiled: python gen_excel.py
"""

import datetime as dt
import json
import pathlib
import re
import warnings
import zipfile

import openpyxl
import pandas
import pyarrow
from tiled.adapters.excel import ExcelAdapter

warnings.simplefilter("ignore")
here = pathlib.Path(__file__).parent
goldens = []


def text(value):
    if value is None or value is pandas.NaT or value is pandas.NA or isinstance(value, float) and value != value:
        return None
    if isinstance(value, (pandas.Timestamp, pandas.Timedelta)):
        return str(value.value)
    return repr(value) if isinstance(value, float) else str(value)


def golden(name):
    book = pandas.ExcelFile(here / name)
    goldens.append({"names": [name], "keys": book.sheet_names, "metadata": {}})
    adapter = ExcelAdapter.from_file(book)
    for sheet in book.sheet_names:
        schema = adapter[sheet].structure().arrow_schema_decoded
        frame = adapter[sheet].read()
        columns = [
            {"name": f.name, "type": str(f.type), "values": [text(v) for v in frame.iloc[:, i].tolist()]}
            for i, f in enumerate(schema)
        ]
        goldens.append({"names": [name], "inside": [sheet], "columns": columns})


book = openpyxl.Workbook()
sheet = book.active
sheet.title = "types"
day, noon = dt.datetime(2020, 1, 1), dt.datetime(2020, 1, 1, 12, 30, 15, 500000)
columns = {
    "int": [1, 2, 3.0],
    "float": [1.5, 2.0, None],
    "numbers": [1, 2.5, -3e20],
    "large": [2**63 - 1, 2**53 + 1, 0],
    "larger": [2**64 - 1, 1, 0],
    "text": ["a", "NULL", "ü€𝄞 <&>"],
    "bool": [True, False, True],
    "bool missing": [True, None, False],
    "bool int": [True, 1, 0],
    "bool float": [True, 1.5, False],
    "date": [day, dt.date(2021, 5, 6), dt.datetime(1900, 1, 1)],
    "date missing": [noon, None, dt.datetime(1900, 2, 28)],
    "far date": [dt.datetime(9999, 12, 31), None, noon],
    "time": [dt.time(12, 30), None, dt.time(0, 0, 1, 250000)],
    "span": [dt.timedelta(hours=30), None, dt.timedelta(1, 0, 123456)],
    "date span": [day, dt.timedelta(1), dt.timedelta(0, 5)],
    "number text": ["001", "2.5", " 7 "],
    "int text": ["001", "-2", 7],
    "odd text": ["1e3", "inf", "+5"],
    "mixed": [1, "x", True],
    "mixed too": [True, "x", 1],
    "mixed float": [0.1, "x", 1e-7],
    "truth": ["True", "FALSE", "true"],
    "truth missing": ["TRUE", None, "false"],
    "truth mixed": [True, "false", "x"],
    "error": ["#N/A", "#DIV/0!", 5],
    "nothing": [None, None, None],
    7: [1, 1, 1],
    None: [2, 2, 2],
    2.5: [1, 2, 3],
    True: [1, 2, 3],
    day: [1, 2, 3],
    "words": ["NA", "b", None],
    "date text": [day, "x", 5],
}
for at, (name, values) in enumerate(columns.items(), 1):
    for row, value in enumerate([name, *values], 1):
        sheet.cell(row, at, value)
sheet.cell(1, at + 1, "int")
sheet.cell(2, at + 1, 1)
sheet.cell(1, at + 2, "int.1")
sheet.cell(3, at + 3, "beyond the header")
sheet = book.create_sheet("merged")
for at, value in {"A1": "a", "B1": "b", "A2": 1, "B2": "m", "B3": "n", "D5": 3, "E7": " "}.items():
    sheet[at] = value
sheet.merge_cells("A2:A3")
book.create_sheet("empty")
book.create_sheet("header only").append(["a", "b"])
sheet = book.create_sheet("offset")
for at, value in {"C3": "h", "C4": 1, "C6": 2, "C9": ""}.items():
    sheet[at] = value
sheet = book.create_sheet("formats")
formats = [
    "General", "0.00", "yyyy", '"day" 0', "[Red]0", "[h]:mm", "[Red]yyyy-mm-dd", "mm:ss.0", "\\d0", "_d0", "0;yyyy", "[$-409]d", "[ss]",
    "#,##0.00 [$€-407]", "@", "AM/PM", "General;General;h",
]  # fmt: skip
sheet.append([f"as {code}" for code in formats])
for value in (43831.75, 59, 60, 61, 1.5, 0.25):
    sheet.append([value] * len(formats))
for row in sheet.iter_rows(min_row=2):
    for cell, code in zip(row, formats):
        cell.number_format = code
book.create_chartsheet("chart")
sheet = book.create_sheet("ünï & <x>")
sheet.append(["a"])
sheet.append([1])
book.save(here / "types.xlsx")
book.remove(book["chart"])
book.save(here / "types.xlsx")
golden("types.xlsx")

book = openpyxl.Workbook()
book.epoch = openpyxl.utils.datetime.CALENDAR_MAC_1904
book.active.append(["date", "time"])
book.active.append([day, dt.time(6)])
book.save(here / "mac.xlsx")
golden("mac.xlsx")

frame = pandas.DataFrame(
    {
        "i": range(50),
        "f": [i / 7 for i in range(50)],
        "s": [f"text {i % 5}" for i in range(50)],
        "d": pandas.date_range("2024-02-27", periods=50, freq="7h"),
    }
)
with pandas.ExcelWriter(here / "pandas.xlsx", engine="openpyxl") as writer:
    frame.to_excel(writer, sheet_name="frame", index=False)
    frame.to_excel(writer, sheet_name="with index")
golden("pandas.xlsx")


def rewrite(name, change, source="pandas.xlsx"):
    """Copy a workbook with other XML in its first sheet."""
    with zipfile.ZipFile(here / source) as old, zipfile.ZipFile(here / name, "w", zipfile.ZIP_DEFLATED) as new:
        for item in old.namelist():
            data = old.read(item)
            if item == "xl/worksheets/sheet1.xml":
                data = change(data.decode()).encode()
            new.writestr(item, data)


def sheet_data(rows):
    return lambda old: re.sub("<sheetData>.*</sheetData>", f"<sheetData>{rows}</sheetData>", old, flags=re.S)


# What openpyxl does not write: text in place, cells and rows that do not say where they are, rows and cells twice or too
# late, dates written out, formulas.
rewrite(
    "hand.xlsx",
    sheet_data(
        """
        <row><c t="inlineStr"><is><r><t>ri</t></r><r><t>ch</t></r><rPh sb="0" eb="1"><t>no</t></rPh></is></c><c t="str"><v>str</v></c><c r="D1" t="inlineStr"><is><t>d</t></is></c></row>
        <row r="3"><c r="B3"><f>1+1</f><v>2</v></c><c r="D3" t="d"><v>2024-05-06T07:08:09</v></c></row>
        <row r="2"><c r="A2"><v>9</v></c></row>
        <row r="4"><c><v>1.50E1</v></c><c t="b"><v>1</v></c><c t="e"><v>#REF!</v></c><c t="d"><v>2024-05-07</v></c><c><f>1</f></c></row>
        <row r="5"/>
        <row r="6"><c r="A6" t="str"><v></v></c><c r="B6"/></row>
        """
    ),
)
golden("hand.xlsx")


def broken(name, error="unprocessable", inside=("frame",)):
    goldens.append({"names": [name], "inside": list(inside), "error": error})


good = (here / "pandas.xlsx").read_bytes()
(here / "bad_nothing.xlsx").write_bytes(b"")
broken("bad_nothing.xlsx")
(here / "bad_short.xlsx").write_bytes(good[:3000])
broken("bad_short.xlsx")
(here / "bad_old.xlsx").write_bytes(bytes.fromhex("d0cf11e0a1b11ae1") + bytes(600))
broken("bad_old.xlsx", "unsupported")
with zipfile.ZipFile(here / "bad_zip.xlsx", "w") as new:
    new.writestr("hello.txt", "this is no workbook")
broken("bad_zip.xlsx")
for name, rows in {
    "row": '<row r="0"><c><v>1</v></c></row>',
    "row_far": '<row r="1048577"><c><v>1</v></c></row>',
    "column": '<row r="1"><c r="XFE1"><v>1</v></c></row>',
    "shared": '<row r="1"><c t="s"><v>999</v></c></row>',
    "number": '<row r="1"><c><v>one</v></c></row>',
    "type": '<row r="1"><c t="q"><v>1</v></c></row>',
    "xml": '<row r="1"><c t="q"><v>1',
}.items():
    rewrite(f"bad_{name}.xlsx", sheet_data(rows))
    broken(f"bad_{name}.xlsx")
broken("pandas.xlsx", "not found", ["no such sheet"])

# A sheet that reaches to the last corner, with two cells.
rewrite(
    "sparse.xlsx",
    sheet_data('<row r="1"><c r="A1"><v>1</v></c></row><row r="1048576"><c r="XFD1048576"><v>2</v></c></row>'),
)

(here / "golden.json").write_text(json.dumps(goldens, indent=1, ensure_ascii=False) + "\n")
