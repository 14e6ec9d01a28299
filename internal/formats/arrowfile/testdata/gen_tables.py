"""Writes Arrow files and streams, and each table as one uncompressed stream.

Run with pyarrow 26 and pandas 2.3 (tests/requirements.txt): python gen_tables.py
"""

import decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.feather as feather


def want(name, table):
    with pa.ipc.new_stream(f"{name}.want", table.schema) as out:
        out.write_table(table.combine_chunks().unify_dictionaries())


def save(name, table, rows=3, **options):
    for codec in [None, "lz4", "zstd"]:
        with pa.ipc.new_file(f"{name}-{codec or 'none'}.arrow", table.schema, options=pa.ipc.IpcWriteOptions(compression=codec, **options)) as out:
            out.write_table(table, max_chunksize=rows)
    with pa.ipc.new_stream(f"{name}-none.arrows", table.schema) as out:
        out.write_table(table, max_chunksize=rows)
    want(name, table)


kinds = pa.table(
    {
        "i8": pa.array([1, -2, 3, None, 5, 6, 7], pa.int8()),
        "u64": pa.array([1, 2, 3, 4, 5, 6, 2**64 - 1], pa.uint64()),
        "f16": pa.array(np.arange(7).astype("f2")),
        "f64": pa.array([1.5, None, 3, 4, 5, 6, 7], pa.float64()),
        "b": pa.array([True, False, None, True, True, False, True]),
        "s": ["a", "bb", None, "", "\u00e9\U0001f600", "f", "x" * 40],
        "ls": pa.array(["a", "bb", None, "", "e", "f", "g"], pa.large_string()),
        "bin": pa.array([b"a", b"\x00\xff", None, b"", b"e", b"f", b"g"]),
        "fsb": pa.array([b"ab", None, b"ab", b"cd", b"ef", b"gh", b"ij"], pa.binary(2)),
        "ts_s": pa.array([0, 1, 2, None, 4, 5, -6], pa.timestamp("s")),
        "ts_us": pa.array([0, 1, 2, None, 4, 5, 6], pa.timestamp("us", "Europe/Berlin")),
        "d64": pa.array([0, 86400000, 2 * 86400000, None, 0, 0, 0], pa.date64()),
        "t64": pa.array([0, 1, 2, None, 4, 5, 6], pa.time64("ns")),
        "dur": pa.array([0, 1, 2, None, 4, 5, 6], pa.duration("us")),
        "dec": pa.array([decimal.Decimal("1.50"), None, *[decimal.Decimal("-12345.67")] * 5], pa.decimal128(20, 2)),
        "nul": pa.nulls(7),
        "dic": pa.array(["a", "b", None, "a", "b", "a", "a"]).dictionary_encode(),
        "li": pa.array([[1, 2], [], None, [3, None], [4], [5], [6, 7, 8]], pa.list_(pa.int32())),
        "lli": pa.array([[[1], []], [], None, [None, [2, 3]], [[4]], [[5]], [[6]]]),
        "fsl": pa.array([[1, 2], [3, 4], None, [7, 8], [9, 10], [11, 12], [13, 14]], pa.list_(pa.float32(), 2)),
        "st": pa.array([{"x": 1, "y": {"z": "q"}}, {"x": None, "y": None}, None, *[{"x": 4, "y": {"z": None}}] * 4]),
        "map": pa.array([[("k", 1)], [], None, [("a", 2), ("b", None)], [], [], []], pa.map_(pa.string(), pa.int64())),
        "std": pa.array([{"d": "p"}, {"d": None}, None, *[{"d": "q"}] * 4], pa.struct([("d", pa.dictionary(pa.int8(), pa.string()))])),
        "view": pa.array(["a", None, "a text of more than twelve bytes", "", "b", "c", "d"], pa.string_view()),
        "last": pa.array(range(7)),
    }
)
save("kinds", kinds)
save("rows", pa.table({"i": np.arange(500), "x": np.arange(500) / 7, "s": [f"name {i % 50}" for i in range(500)]}), 120)
frame = pd.DataFrame({"a": [1, 2, 3], "b": ["x", "y", "z"]}, index=pd.Index([5, 6, 7], name="n"))
for name, options in {"lz4": {"compression": "lz4"}, "zstd": {"compression": "zstd"}, "none": {"compression": "uncompressed"}}.items():
    feather.write_feather(frame, f"frame-{name}.feather", **options)
want("frame", pa.Table.from_pandas(frame))
feather.write_feather(pd.DataFrame({"a": [1, 2]}), "old.feather1", version=1)
# Dictionaries that grow, in a file, and that are replaced, in a stream.
growing = [pa.DictionaryArray.from_arrays([0, 1, None], ["a", "b"]), pa.DictionaryArray.from_arrays([0, 2, 1], ["a", "b", "c"])]
schema = pa.schema([("n", pa.int64()), ("d", growing[0].type)])
batches = [pa.record_batch([pa.array([1, 2, 3]), d], schema) for d in growing]
with pa.ipc.new_file("delta-none.arrow", schema, options=pa.ipc.IpcWriteOptions(emit_dictionary_deltas=True)) as out:
    for b in batches:
        out.write_batch(b)
want("delta", pa.Table.from_batches(batches))
replaced = [pa.record_batch([pa.array([1, 2, 3]), pa.DictionaryArray.from_arrays([0, 1, 0], w)], schema) for w in (["a", "b"], ["x", "y"])]
with pa.ipc.new_stream("replaced-none.arrows", schema) as out:
    for b in replaced:
        out.write_batch(b)
want("replaced", pa.Table.from_batches(replaced))
with pa.ipc.new_file("empty-none.arrow", kinds.schema):
    pass
with pa.ipc.new_stream("empty-none.arrows", kinds.schema):
    pass
want("empty", kinds.slice(0, 0))
data = open("rows-none.arrows", "rb").read()
open("unended-none.arrows", "wb").write(data[:-8])
want("unended", pa.ipc.open_stream(data).read_all())
