"""Writes Parquet files, and what pyarrow reads of each as an Arrow stream.

Run with pyarrow 26 and pandas 2.3 (tests/requirements.txt): python gen_tables.py
"""

import datetime
import decimal

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq


def save(name, table, want=None, **options):
    pq.write_table(table, f"{name}.parquet", **options)
    read = pq.read_table(f"{name}.parquet")
    with pa.ipc.new_stream(f"{want or name}.want", read.schema) as out:
        out.write_table(read.combine_chunks())


n = 7
kinds = pa.table(
    {
        "i8": pa.array([1, -2, 3, None, 5, 6, 7], pa.int8()),
        "u8": pa.array([1, 2, 3, 4, 5, 6, 255], pa.uint8()),
        "i16": pa.array([1, -2, 3, None, 5, 6, 7], pa.int16()),
        "u32": pa.array([1, 2, 3, None, 5, 6, 2**32 - 1], pa.uint32()),
        "i64": pa.array([1, -(2**63), 3, None, 5, 6, 2**63 - 1], pa.int64()),
        "u64": pa.array([1, 2, 3, 4, 5, 6, 2**64 - 1], pa.uint64()),
        "f16": pa.array(np.arange(n).astype("f2")),
        "f32": pa.array([1.5, None, 2.5, float("inf"), 0, -0.0, 7], pa.float32()),
        "f64": pa.array([1.5, None, 3, 4, 5, 6, 7], pa.float64()),
        "b": pa.array([True, False, None, True, True, False, True]),
        "s": ["a", "bb", None, "", "\u00e9\U0001f600", "f", "x" * 40],
        "ls": pa.array(["a", "bb", None, "", "e", "f", "g"], pa.large_string()),
        "bin": pa.array([b"a", b"\x00\xff", None, b"", b"e", b"f", b"g"]),
        "fsb": pa.array([b"ab", None, b"ab", b"cd", b"ef", b"gh", b"ij"], pa.binary(2)),
        "ts_ms": pa.array([0, 1, 2, None, 4, 5, -6], pa.timestamp("ms")),
        "ts_us": pa.array([0, 1, 2, None, 4, 5, 6], pa.timestamp("us", "Europe/Berlin")),
        "ts_ns": pa.array([0, 1, 2, None, 4, 5, 6], pa.timestamp("ns")),
        "d32": pa.array([0, 1, 2, None, 4, 5, 6], pa.date32()),
        "t32": pa.array([0, 1, 2, None, 4, 5, 6], pa.time32("ms")),
        "t64": pa.array([0, 1, 2, None, 4, 5, 6], pa.time64("ns")),
        "dur": pa.array([0, 1, 2, None, 4, 5, 6], pa.duration("us")),
        "dec": pa.array([decimal.Decimal("1.50"), None, *[decimal.Decimal("-12345.67")] * 5], pa.decimal128(20, 2)),
        "nul": pa.nulls(n),
        "dic": pa.array(["a", "b", None, "a", "b", "a", "a"]).dictionary_encode(),
        "li": pa.array([[1, 2], [], None, [3, None], [4], [5], [6, 7, 8]], pa.list_(pa.int32())),
        "lli": pa.array([[[1], []], [], None, [None, [2, 3]], [[4]], [[5]], [[6]]]),
        "fsl": pa.array([[1, 2], [3, 4], [5, 6], [7, 8], [9, 10], [11, 12], [13, 14]], pa.list_(pa.float32(), 2)),
        "st": pa.array([{"x": 1, "y": {"z": "q"}}, {"x": None, "y": None}, None, *[{"x": 4, "y": {"z": None}}] * 4]),
        "map": pa.array([[("k", 1)], [], None, [("a", 2), ("b", None)], [], [], []], pa.map_(pa.string(), pa.int64())),
    }
)
save("kinds", kinds)
save("groups", kinds, row_group_size=3, compression="zstd")
save("nan", pa.table({"x": pa.array([float("nan"), None, 1.0])}))
save("required", pa.table([pa.array([1, 2, 3])], pa.schema([pa.field("a", pa.int64(), nullable=False)])))
many = pa.table(
    {
        "i": np.arange(300) % 100,
        "x": np.arange(300) / 7,
        "s": [f"name {i % 50}" for i in range(300)],
        "n": pa.array([None if i % 3 else i for i in range(300)]),
    }
)
for codec in ["snappy", "gzip", "brotli", "zstd", "lz4", "none"]:
    for version in ["1.0", "2.0"]:
        save(
            f"many-{codec}-{version[0]}", many, "many", compression=codec, data_page_version=version, data_page_size=300, write_batch_size=20,
            row_group_size=130,
        )
save("many-plain", many, "many", use_dictionary=False, compression="none")
save("many-delta", many, "many", use_dictionary=False, column_encoding={"i": "DELTA_BINARY_PACKED", "x": "BYTE_STREAM_SPLIT", "s": "DELTA_BYTE_ARRAY"})
save("bare", kinds.select(["i64", "s", "ts_us", "li"]), store_schema=False)
save("int96", kinds.select(["ts_ns"]), use_deprecated_int96_timestamps=True)
frame = pd.DataFrame({"a": [1, 2, 3], "b": ["x", "y", "z"]})
save("frame", pa.Table.from_pandas(frame))
save("frame-named-index", pa.Table.from_pandas(frame.set_index("b")))
save("frame-index", pa.Table.from_pandas(frame.set_index(pd.Index([5, 6, 7]))))
save("frame-category", pa.Table.from_pandas(pd.DataFrame({"c": pd.Categorical(["a", "b", "a"], ordered=True)})))
save("no-rows", kinds.slice(0, 0))
save("no-columns", pa.table({}))
pq.ParquetWriter("no-groups.parquet", kinds.schema).close()
with pa.ipc.new_stream("no-groups.want", pq.read_schema("no-groups.parquet")) as out:
    pass
