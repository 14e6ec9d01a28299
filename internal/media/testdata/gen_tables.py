"""Write tables.json: what Tiled 0.2.20 makes of tables. Run it from this
folder, with tiled[all] 0.2.20.

A case holds the table as an Arrow IPC stream (base64), and the text of each of
Tiled's encoders, or null where that fails.
"""

import base64
import datetime
import decimal
import io
import json
import warnings

import numpy
import pandas
import pyarrow

from tiled.media_type_registration import default_serialization_registry
from tiled.serialization import table as _  # registers the encoders

warnings.simplefilter("ignore")
FORMATS = ["text/csv", "text/csv;header=absent", "text/html", "application/json", "application/json-seq"]


def encode(frame, media_type):
    encoder = default_serialization_registry.dispatch("table", media_type.split(";")[0])
    try:
        body = encoder(media_type, frame, {})
        return bytes(body if isinstance(body, (bytes, memoryview)) else b"".join(body)).decode()
    except TypeError:
        return None


def case(name, table, skip=()):
    sink = io.BytesIO()
    with pyarrow.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    frame = table.to_pandas()
    texts = {media_type: None if media_type in skip else encode(frame, media_type) for media_type in FORMATS}
    return {"name": name, "arrow": base64.b64encode(sink.getvalue()).decode(), "texts": texts}


stamps = ["2020-01-01T00:00:00", "2020-01-02T03:04:05.5", None]
days = ["2020-01-01T00:00:00", "1960-01-02T00:00:00", None]


def times(values, unit, zone=None):
    array = pyarrow.array(numpy.array(values, dtype=f"M8[{unit}]"))
    return array.cast(pyarrow.timestamp(unit, zone)) if zone else array


# pandas rounds and aligns the floats of a column in HTML; ours are written in full.
NUMBERS = {"text/html"}
# An integer column with missing values is one of floats in pandas.
HOLES = {"text/html", "text/csv", "text/csv;header=absent", "application/json", "application/json-seq"}
cases = [
    case("ints", pyarrow.table({k: pyarrow.array([0, 1, 100], getattr(pyarrow, k)()) for k in "int8 int16 int32 int64 uint8 uint16 uint32 uint64".split()})),
    case("floats", pyarrow.table({"a": [1.5, None, float("inf"), 1e16, 1e-5], "b": pyarrow.array([0.1, float("nan"), 1e10, -0.0, 3], pyarrow.float32())}), NUMBERS),
    case("halves", pyarrow.table({"a": pyarrow.array(numpy.array([0.1, 1000, numpy.nan], "f2"))}), NUMBERS),
    case("one float", pyarrow.table({"a": [1.5, 2.5]})),
    case("bools", pyarrow.table({"a": [True, None, False], "b": [True, False, True]})),
    case("text", pyarrow.table({"a, b": ["x,y", 'q"\r\n', None, "", "é😀"], 'c"': ["<b>&", " ", "\\", "\u2028", "\x01"]})),
    case("alone", pyarrow.table({"a": ["x", None, ""]})),
    case("large text", pyarrow.table({"a": pyarrow.array(["x", None], pyarrow.large_string()), "b": pyarrow.array(["y", ""], pyarrow.string_view())})),
    case("bytes", pyarrow.table({"a": [b"\xff\xe9", b"ab", None], "b": [b"'\"\\\n", b"", b"'"]})),
    case("dates", pyarrow.table({"a": [datetime.date(2020, 1, 2), None], "b": pyarrow.array([datetime.date(1960, 1, 2), datetime.date(1, 1, 1)], pyarrow.date32())})),
    case("days", pyarrow.table({u: times(days, u) for u in ("s", "ms", "us", "ns")})),
    case("times", pyarrow.table({"s": times([v and v[:19] for v in stamps], "s"), **{u: times(stamps, u) for u in ("ms", "us", "ns")}, "n": times(["2020-01-01T00:00:00.000000001"] * 3, "ns")})),
    case("zones", pyarrow.table({"utc": times(stamps, "ns", "UTC"), "berlin": times(stamps, "us", "Europe/Berlin"), "fixed": times(stamps, "ms", "-03:30")})),
    case("clock", pyarrow.table({"a": [datetime.time(1, 2, 3), None, datetime.time(23, 59, 59, 500)]})),
    case("durations", pyarrow.table({"a": [datetime.timedelta(days=1, seconds=2), None, datetime.timedelta(seconds=-1)]}), ("application/json", "application/json-seq")),
    case("decimals", pyarrow.table({"a": [decimal.Decimal("1.50"), None, decimal.Decimal("-0.05")]}), ("application/json", "application/json-seq")),
    case("categories", pyarrow.table({"a": pyarrow.array(["x", "y", None, "x"]).dictionary_encode()})),
    case("nothing", pyarrow.table({"a": pyarrow.nulls(2), "b": pyarrow.array([1, 2])})),
    case("empty", pyarrow.table({"a": pyarrow.array([], pyarrow.int64()), "b": pyarrow.array([], pyarrow.string())})),
    case("holes", pyarrow.table({"a": pyarrow.array([1, None, 3])}), HOLES),
    case("nested", pyarrow.table({"a": [[1, None], None, []], "b": [{"x": 1, "y": "é"}, None, {"x": None, "y": None}]}), HOLES),
]
assert pandas.__version__
with open("tables.json", "w", encoding="ascii") as file:
    file.write("[\n" + ",\n".join(json.dumps(entry, separators=(",", ":")) for entry in cases) + "\n]\n")
