"""Write the Zarr hierarchies of this folder and golden.json, which says what zarr-python and Tiled 0.2.20 make of them.

Run with a Python that has zarr 3 and tiled: python gen_zarr.py
"""

import dataclasses
import hashlib
import json
import math
import pathlib
import shutil
import warnings

import numcodecs
import numpy
import zarr
from tiled.adapters.zarr import dims_from_zarr_array
from tiled.structures.array import ArrayStructure
from zarr.codecs import BloscCodec, BytesCodec, Crc32cCodec, GzipCodec, ShardingCodec, TransposeCodec, ZstdCodec
from zarr.codecs import numcodecs as shared

warnings.simplefilter("ignore")
here = pathlib.Path(__file__).parent
goldens = []
for old in here.glob("*.zarr"):
    shutil.rmtree(old)


def plain(v):
    """Numbers that JSON lacks as the suite names them."""
    if isinstance(v, float) and not math.isfinite(v):
        return {"nan": "NaN", "inf": "+Inf", "-inf": "-Inf"}[str(v)]
    if isinstance(v, dict):
        return {k: plain(e) for k, e in v.items()}
    return [plain(e) for e in v] if isinstance(v, list) else v


def array(store, *inside):
    a = zarr.open(here / store, mode="r")
    for name in inside:
        a = a[name]
    data = numpy.asarray(a[...]).tobytes()
    attributes = a.attrs.asdict()
    goldens.append(
        {
            "dir": store,
            "inside": list(inside),
            "structure": dataclasses.asdict(ArrayStructure.from_array(a, dims=dims_from_zarr_array(a))),
            "metadata": plain({"attributes": attributes} if attributes else {}),
            "sha256": hashlib.sha256(data).hexdigest(),
            "head": data[:64].hex(),
        }
    )


def group(store, *inside):
    g = zarr.open_group(here / store, mode="r", path="/".join(inside))
    metadata = plain(g.metadata.to_dict())
    metadata.pop("consolidated_metadata", None)
    goldens.append({"dir": store, "inside": list(inside), "keys": sorted(g), "metadata": metadata})


def write(store, name, data, chunks, version, **options):
    fill_only = options.pop("fill_only", False)
    data = numpy.asarray(data)
    a = zarr.create_array(
        here / store, name=name, shape=data.shape, dtype=data.dtype, chunks=chunks, zarr_format=version, **options
    )
    if not fill_only:
        a[...] = data
    array(store, name)
    return a


ramp = (numpy.arange(50 * 6).reshape(50, 6) // 3).astype("<i4")

# Codecs: chunks of 40 x 6 elements, the last one with a margin.
for version, store in ((2, "codecs2.zarr"), (3, "codecs3.zarr")):
    zarr.open_group(here / store, mode="w", zarr_format=version)
    codecs = {"plain": None}
    for name in ("blosclz", "lz4", "lz4hc", "zlib", "zstd"):
        for word, number in (("noshuffle", 0), ("shuffle", 1), ("bitshuffle", 2)):
            made = numcodecs.Blosc(name, 5, number) if version == 2 else BloscCodec(cname=name, clevel=5, shuffle=word)
            codecs[f"blosc_{name}_{word}"] = made
    if version == 2:
        codecs |= {"zlib": numcodecs.Zlib(3), "gzip": numcodecs.GZip(3), "bz2": numcodecs.BZ2(3)}
        codecs |= {"lz4": numcodecs.LZ4(), "zstd": numcodecs.Zstd(3), "zstd_sum": numcodecs.Zstd(3, checksum=True)}
    else:
        codecs |= {"gzip": GzipCodec(level=4), "zstd": ZstdCodec(level=3), "zstd_sum": ZstdCodec(level=3, checksum=True)}
        codecs |= {"crc": [Crc32cCodec()], "zstd_crc": [ZstdCodec(level=1), Crc32cCodec()], "twice": [ZstdCodec(), GzipCodec()]}
        codecs |= {"nc_lz4": shared.LZ4(), "nc_zlib": shared.Zlib(), "nc_bz2": shared.BZ2(), "nc_crc32": [shared.CRC32()]}
        codecs |= {"nc_adler": [ZstdCodec(), shared.Adler32()], "nc_shuffle": [shared.Shuffle(elementsize=4), shared.Zstd()]}
    for name, codec in codecs.items():
        write(store, name, ramp, (40, 6), version, compressors=codec)

filters = {
    "delta": numcodecs.Delta("<i4"),
    "delta_narrow": numcodecs.Delta("<i4", "<i2"),
    "shuffle": numcodecs.Shuffle(4),
    "crc32": numcodecs.CRC32(),
    "adler32": numcodecs.Adler32(),
}
for name, f in filters.items():
    write("codecs2.zarr", "filter_" + name, ramp, (40, 6), 2, filters=[f], compressors=numcodecs.Zlib(1))
for name, kind, f in (
    ("delta_float", "<f4", numcodecs.Delta("<f4")),
    ("scale", "<f8", numcodecs.FixedScaleOffset(100, 10, "<f8", "<i2")),
    ("scale_single", "<f4", numcodecs.FixedScaleOffset(scale=10, offset=0.5, dtype="<f4", astype="<u2")),
    ("bitround", "<f4", numcodecs.BitRound(5)),
    ("quantize", "<f8", numcodecs.Quantize(2, "<f8")),
):
    write("codecs2.zarr", "filter_" + name, ramp.astype(kind) / 7, (40, 6), 2, filters=[f], compressors=None)
write("codecs3.zarr", "nc_delta", ramp, (40, 6), 3, filters=[shared.Delta(dtype="<i4")], compressors=[shared.Zlib()])
for store in ("codecs2.zarr", "codecs3.zarr"):
    group(store)

# Types, fill values, and chunks that are missing: of each array only the first chunk is written.
types = ["b1", "i1", "<u2", "<i8", "<u8", "<f2", "<f4", "<f8", "<c8", "<c16", "<M8[ns]", "<M8[25s]", "<m8[ms]", "S3", "<U3", "V5"]
fills = {
    "b1": True, "i1": -3, "<u2": 65535, "<i8": -(2**63), "<u8": 2**64 - 1, "<f2": 1.5, "<f4": math.nan, "<f8": -math.inf,
    "<c8": complex(1, math.nan), "<c16": complex(math.inf, -2), "S3": b"xy", "<U3": "ß𝄞", "V5": b"abcde",
    "<M8[ns]": numpy.datetime64("NaT", "ns"), "<M8[25s]": numpy.datetime64(7, "25s"), "<m8[ms]": numpy.timedelta64(-5, "ms"),
}
for version, store in ((2, "types2.zarr"), (3, "types3.zarr")):
    zarr.open_group(here / store, mode="w", zarr_format=version)
    for kind in types + ([">i2", ">f8", ">c8", ">U2", ">M8[s]"] if version == 2 else []):
        name = kind.replace("<", "").replace(">", "big_").replace("[", "_").replace("]", "")
        fill = fills.get(kind)
        if fill is None:
            fill = numpy.ones(1, kind)[0]
        a = zarr.create_array(here / store, name=name, shape=(5,), chunks=(2,), dtype=kind, zarr_format=version, fill_value=fill)
        a[:2] = numpy.frombuffer(bytes(range(65, 65 + 2 * a.dtype.itemsize)), a.dtype) if a.dtype.kind not in "bUS" else a[2:4]
        array(store, name)
record = numpy.dtype([("id", "<u4"), ("x", "<f8"), ("s", "S3")])
for version, store in ((2, "types2.zarr"), (3, "types3.zarr")):
    rows = numpy.frombuffer(bytes(range(5 * record.itemsize)), record)
    write(store, "record", rows, (2,), version, compressors=None)
# zarr-python writes nested types in version 2 and cannot read them: numpy is the oracle.
nested = numpy.dtype([("id", "<u4"), ("in", [("a", "i1"), ("s", "S3")])])
rows = numpy.frombuffer(bytes(range(4 * nested.itemsize)), nested)
zarr.create_array(here / "types2.zarr", name="nested", shape=(4,), chunks=(2,), dtype=nested, zarr_format=2)[:] = rows
kind = dataclasses.asdict(ArrayStructure.from_array(rows, chunks=(2,)))
goldens.append(
    {"dir": "types2.zarr", "inside": ["nested"], "structure": kind, "sha256": hashlib.sha256(rows.tobytes()).hexdigest()}
)
big = numpy.dtype([("id", ">u4"), ("x", "<f8")])
zarr.create_array(here / "types2.zarr", name="record_big", shape=(3,), chunks=(2,), dtype=big, zarr_format=2)[:2] = numpy.ones(2, big)
array("types2.zarr", "record_big")

# Shapes, orders, keys.
cube = numpy.arange(5 * 4 * 6, dtype="<i2").reshape(5, 4, 6)
for version, store in ((2, "layout2.zarr"), (3, "layout3.zarr")):
    zarr.open_group(here / store, mode="w", zarr_format=version).attrs.update({"π": [1, 2.5, None, {"deep": math.nan}], "big": 2**60})
    write(store, "cube", cube, (2, 3, 4), version, attributes={"units": "m", "n": 1})
    write(store, "scalar", numpy.float32(2.5), (), version)
    write(store, "empty", numpy.zeros((0, 5), "i2"), (2, 2), version)
    write(store, "wide_chunk", numpy.arange(10), (30,), version)
    write(store, "nothing", cube, (2, 3, 4), version, fill_value=7, fill_only=True)
    for name, sep in (("dots", "."), ("slashes", "/")):
        key = {"name": "v2" if version == 2 else "default", "separator": sep}
        write(store, name, cube, (2, 3, 4), version, chunk_key_encoding=key)
    zarr.open_group(here / store, path="sub/deep", mode="a", zarr_format=version).attrs["k"] = 1
    zarr.create_array(here / store, name="sub/deep/leaf", shape=(3,), chunks=(3,), dtype="u1", zarr_format=version)[:] = [1, 2, 3]
write("layout2.zarr", "fortran", cube, (2, 3, 4), 2, order="F")
write("layout2.zarr", "fortran_delta", cube, (2, 3, 4), 2, order="F", filters=[numcodecs.Delta("<i2")])
write("layout2.zarr", "xarray", cube, (5, 4, 6), 2, attributes={"_ARRAY_DIMENSIONS": ["t", "y", "x"]})
write("layout3.zarr", "named", cube, (5, 4, 6), 3, dimension_names=["t", "y", "x"])
write("layout3.zarr", "half_named", cube, (5, 4, 6), 3, dimension_names=["t", None, "x"])
write("layout3.zarr", "like_v2", cube, (2, 3, 4), 3, chunk_key_encoding={"name": "v2", "separator": "."})
write("layout3.zarr", "turned", cube, (2, 3, 4), 3, filters=[TransposeCodec(order=(2, 0, 1))])
write("layout3.zarr", "turned_twice", cube, (2, 3, 4), 3, filters=[TransposeCodec(order=(2, 0, 1)), TransposeCodec(order=(1, 0, 2))])
write("layout3.zarr", "big", cube, (2, 3, 4), 3, serializer=BytesCodec(endian="big"))
write("layout3.zarr", "big_complex", cube.astype("c8"), (2, 3, 4), 3, serializer=BytesCodec(endian="big"))
for version in (2, 3):
    store = f"layout{version}.zarr"
    group(store)
    group(store, "sub")
    group(store, "sub", "deep")
    array(store, "sub", "deep", "leaf")
    zarr.create_array(here / f"array{version}.zarr", shape=(4,), chunks=(3,), dtype="i4", zarr_format=version)[:] = [1, 2, 3, 4]
    array(f"array{version}.zarr")

# Shards.
zarr.open_group(here / "shards.zarr", mode="w", zarr_format=3)
write("shards.zarr", "zstd", cube, (1, 2, 3), 3, shards=(2, 4, 6))
write("shards.zarr", "plain", cube, (1, 2, 3), 3, shards=(2, 4, 6), compressors=None)
for name, location, index in (
    ("start", "start", [BytesCodec(), Crc32cCodec()]),
    ("no_sum", "end", [BytesCodec()]),
    ("big_index", "end", [BytesCodec(endian="big"), Crc32cCodec()]),
):
    inner = [TransposeCodec(order=(1, 2, 0)), BytesCodec(endian="big"), GzipCodec(), Crc32cCodec()]
    sharding = ShardingCodec(chunk_shape=(1, 2, 3), codecs=inner, index_codecs=index, index_location=location)
    write("shards.zarr", name, cube, (2, 4, 6), 3, serializer=sharding, compressors=None)
a = zarr.create_array(here / "shards.zarr", name="holes", shape=(9, 4), chunks=(1, 2), shards=(3, 4), dtype="f4", fill_value=math.nan)
a[1, :2], a[8, 3] = 1, 2
array("shards.zarr", "holes")

# What is consolidated; and stores that lack what they have there.
for version in (2, 3):
    store = f"consolidated{version}.zarr"
    shutil.copytree(here / f"layout{version}.zarr", here / store)
    for name in ("dots", "slashes", "empty", "scalar", "nothing", "wide_chunk"):
        shutil.rmtree(here / store / name)
    zarr.consolidate_metadata(here / store, zarr_format=version)
    group(store)
    array(store, "sub", "deep", "leaf")
    cut = {"dir": store, "inside": ["sub", "deep", "leaf"], "sha256": goldens[-1]["sha256"], "name": f"bare{version}"}
    for file in (".zarray", ".zgroup", "zarr.json"):
        (here / store / "sub" / "deep" / "leaf" / file).unlink(missing_ok=True)
    goldens.append(cut)


def broken(name, meta, error="unprocessable", **changes):
    path = here / "broken.zarr" / name
    path.mkdir(parents=True)
    if isinstance(meta, str):
        (path / "zarr.json").write_text(meta)
    else:
        file = "zarr.json" if meta.get("zarr_format") == 3 else ".zarray"
        (path / file).write_text(json.dumps({**meta, **changes}))
    goldens.append({"dir": "broken.zarr", "inside": [name], "error": error})


zarr.open_group(here / "broken.zarr", mode="w", zarr_format=3)
two = json.loads((here / "array2.zarr/.zarray").read_text())
three = json.loads((here / "array3.zarr/zarr.json").read_text())
sharded = json.loads((here / "shards.zarr/zstd/zarr.json").read_text())
broken("deep", "[" * 100000)
broken("no_json", "zarr")
broken("many_axes", two, shape=[1] * 65, chunks=[1] * 65)
broken("axes", two, chunks=[1, 2])
broken("negative", three, shape=[-4])
broken("zero_chunk", two, chunks=[0])
broken("float_shape", three, shape=[4.5])
broken("huge_chunk", two, "unsupported", shape=[2**60], chunks=[2**60])
broken("overflow", two, "unsupported", shape=[2**40] * 3, chunks=[2**40] * 3)
broken("lzma", two, "unsupported", compressor={"id": "lzma"})
broken("codec", three, "unsupported", codecs=[{"name": "bytes"}, {"name": "numcodecs.zfpy"}])
broken("objects", two, "unsupported", dtype="|O", filters=[{"id": "vlen-utf8"}])
broken("strings", three, "unsupported", data_type="string")
broken("type", three, "unsupported", data_type="bfloat16")
broken("no_bytes", three, codecs=[{"name": "zstd"}])
broken("fill", three, fill_value="NaN")
broken("fill_range", two, fill_value=2**31)
broken("order", two, order="K")
broken("extension", three, "unsupported", surprise={"name": "x"})
broken("grid", three, "unsupported", chunk_grid={"name": "rectilinear"})
broken("keys", three, "unsupported", chunk_key_encoding={"name": "x"})
broken("separator", two, dimension_separator="x")
broken("transpose", three, codecs=[{"name": "transpose", "configuration": {"order": [1]}}, {"name": "bytes"}])
broken("many_codecs", two, filters=[{"id": "zlib"}] * 17)
broken("format", three, zarr_format=4)
uneven = json.loads(json.dumps(sharded))
uneven["codecs"][0]["configuration"]["chunk_shape"] = [1, 3, 3]
broken("uneven", uneven)
zipped = json.loads(json.dumps(sharded))
zipped["codecs"][0]["configuration"]["index_codecs"] = [{"name": "bytes", "configuration": {"endian": "little"}}, {"name": "gzip"}]
broken("zipped_index", zipped)
many = json.loads(json.dumps(sharded))
many["chunk_grid"]["configuration"]["chunk_shape"] = [2**40, 2**20, 3]
broken("many_inner", many)
goldens.append({"dir": "broken.zarr", "inside": ["absent"], "error": "not found"})
goldens.append({"dir": "broken.zarr", "inside": [".."], "error": "not found"})
(here / "golden.json").write_text(json.dumps(goldens, indent=1, ensure_ascii=False) + "\n")
