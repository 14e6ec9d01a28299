"""Writes odd.h5 and filters.h5, what files of other programs have besides, and
golden_odd.json as gen.py does. Run: python gen_odd.py"""

import json
import os
import warnings

import h5py
import hdf5plugin
import numpy as np
from h5py import h5a, h5d, h5p, h5s, h5t, h5z
from says import walk

warnings.simplefilter("ignore")
os.chdir(os.path.dirname(os.path.abspath(__file__)))


def low(f, name, tid, shape, data, plist=None, mtype=None):  # noqa: PLR0917
    h5d.create(f.id, name, tid, h5s.create_simple(shape), plist).write(h5s.ALL, h5s.ALL, data, mtype=mtype or tid)


def texts(f):
    values = [b"ab", b"", b"abcdef", "é".encode(), b"a b "]
    for pad, kind in (("term", h5t.STR_NULLTERM), ("null", h5t.STR_NULLPAD), ("space", h5t.STR_SPACEPAD)):
        for cset, code in (("ascii", h5t.CSET_ASCII), ("utf8", h5t.CSET_UTF8)):
            t = h5t.C_S1.copy()
            t.set_size(6), t.set_strpad(kind), t.set_cset(code)
            a = np.array([v.ljust(6, b" " if pad == "space" else b"\0") for v in values], "S6")
            low(f, f"s_{pad}_{cset}".encode(), t, (5,), a)
            h5a.create(f.id, f"a_{pad}_{cset}".encode(), t, h5s.create(h5s.SCALAR)).write(a[3:4].reshape(()), mtype=t)
    for name, v in {
        "ascii": [b"abc", b"\xc3\xa9"],
        "latin": [b"abc", b"\xe9"],
        "two": [["a", "bb"], ["ccc", "d"]],
    }.items():
        f.create_dataset(f"v_{name}", data=v, dtype=h5py.string_dtype("ascii" if name != "two" else "utf-8"))
    f["v_empty"] = ""


def types(f):
    inner = np.dtype([("x", "u2"), ("y", ">f4"), ("t", "S3")])
    middle = np.dtype([("a", "i1"), ("in", inner, (2,)), ("z", "c8")])
    f["comp3"] = np.zeros((2,), np.dtype([("m", middle), ("n", middle, (2, 3)), ("b", "?")]))
    f["comp_vs"] = np.array([(1, "ab")], dtype=[("i", "i4"), ("s", h5py.string_dtype())])
    f["comp_ref"] = np.array([(1, f.ref)], dtype=[("i", "i4"), ("r", h5py.ref_dtype)])
    f.create_dataset("vlen", (2,), dtype=h5py.vlen_dtype("i4"))[0] = [1, 2]
    for base in ("i1", "u1", ">i4"):
        f["e_" + base] = np.array([1, 0], dtype=h5py.enum_dtype({"FALSE": 0, "TRUE": 1}, basetype=base))
    low(f, b"bits", h5t.STD_B8LE, (3,), np.arange(3, dtype="u1"))
    low(f, b"bits32", h5t.STD_B32BE, (3,), np.arange(3, dtype=">u4"))
    f.create_dataset("huge", (2**40, 2**10), chunks=(1, 1024), dtype="f4", maxshape=(None, None))
    f.create_dataset("never", (10, 10), chunks=(3, 3), dtype="i4", fillvalue=5)


def names(f):
    for name in [
        "a b",
        "é",
        "日本",
        "%41",
        "#x",
        "?q",
        "a.b",
        "x\n",
        "tab\t",
        " lead",
        "trail ",
        'q"',
        "<&>",
        "x" * 300,
        "a%2Fb",
        "...",
    ]:
        f[name] = np.arange(2)


def links(f):
    f["la"], f["lb"] = h5py.SoftLink("/lb"), h5py.SoftLink("/la")
    g = f.create_group("grp")
    g["self"], g["up"], g["x"] = g, f["/"], np.arange(4)
    g["rel"], g["dot"], g["round"] = (
        h5py.SoftLink("../grp/x"),
        h5py.SoftLink("./x"),
        h5py.SoftLink("self/up/grp/self/x"),
    )
    f["cycle"], f["own"] = h5py.ExternalLink("odd_links.h5", "/cycle"), h5py.ExternalLink("odd_links.h5", "/grp/x")
    f["folder"], f["file"] = h5py.ExternalLink(".", "/"), h5py.ExternalLink("gen_odd.py", "/")
    for i in range(60):
        f[f"chain/{i}"] = h5py.SoftLink(f"/chain/{i + 1}")
    f["chain/60"] = 1
    low(f, b"latin\xe9%", h5t.STD_I32LE, (2,), np.arange(2, dtype="i4"))


def attributes(o, f):
    o["big"], o["long"] = np.arange(9000), "x" * 70000
    o["ref"], o["region"] = f["grp"].ref, f["grp/x"].regionref[1:2]
    o.create(
        "vl", np.array([np.arange(2, dtype="i4"), np.arange(3, dtype="i4")], dtype=object), dtype=h5py.vlen_dtype("i4")
    )
    o["zero"], o["inf"], o["b"], o["c8"] = np.zeros((2, 0), "f4"), np.inf, np.array([True, False]), 1
    o.create("en", 1, dtype=h5py.enum_dtype({"A": 0, "B": 1}, basetype="i2"))
    o["min"], o["max"], o["f2"], o["f4"] = np.int64(-(2**63)), np.uint64(2**64 - 1), np.float16(0.1), np.float32(0.1)
    o["é name"], o["one"], o["nested"] = 1, np.array([5]), np.array([["x"]], dtype=object)
    for i in range(20):
        o[f"many{i}"] = i


def filters(f):
    data = np.arange(100 * 101).reshape(100, 101) % 97
    for t in ("u1", "<i2", ">f4", "<f8", "S3"):
        for name, kw in {
            "bslz4": hdf5plugin.Bitshuffle(cname="lz4"),
            "bszstd": hdf5plugin.Bitshuffle(cname="zstd", nelems=64),
            "blosc": hdf5plugin.Blosc(cname="lz4hc", shuffle=2),
            "lz4": hdf5plugin.LZ4(nbytes=1000),
            "zstd": dict(shuffle=True, **hdf5plugin.Zstd()),
            "bzip2": hdf5plugin.BZip2(),
            "lzf": dict(shuffle=True, compression="lzf"),
            "gzip": dict(fletcher32=True, compression="gzip"),
        }.items():
            f.create_dataset(f"{name}_{t}", data=data.astype(t), chunks=(50, 64), **kw)
    other = {"blosc2": hdf5plugin.Blosc2(), "zfp": hdf5plugin.Zfp(reversible=True), "sz": hdf5plugin.SZ(absolute=0.1)}
    other |= {"sz3": hdf5plugin.SZ3(absolute=0.1), "sperr": hdf5plugin.Sperr()}
    for name, kw in other.items():
        f.create_dataset("no_" + name, data=data.astype("f4"), chunks=(50, 64), **kw)
    for precision in (17, 32):
        t = h5t.STD_I32LE.copy()
        t.set_precision(precision), t.set_offset(4 if precision < 32 else 0)
        plist = h5p.create(h5p.DATASET_CREATE)
        plist.set_chunk((50, 64)), plist.set_filter(h5z.FILTER_NBIT, h5z.FLAG_OPTIONAL)
        low(f, b"nbit%d" % precision, t, (100, 101), data.astype("i4"), plist, h5t.NATIVE_INT32)
    d = f.create_dataset("mask", (4, 64, 64), chunks=(1, 64, 64), dtype="i4", compression="gzip", shuffle=True)
    for i in range(4):
        d.id.write_direct_chunk((i, 0, 0), np.full((64, 64), i, "i4").tobytes(), filter_mask=3)


def mosaic():
    """Virtual data sets of boxes: tiles, frames, parts of frames, turned axes,
    gaps, and sources behind links and in raw files. 12 KiB chunks and smaller."""
    for n in range(2):
        with h5py.File(f"mosaic{n}.h5", "w") as f:
            a = np.arange(3 * 50 * 64).reshape(3, 50, 64).astype("<i4") + 100_000 * n
            f.create_dataset("stack", data=a, chunks=(1, 50, 64), compression="gzip", shuffle=True)
            f.create_dataset("small", data=a, chunks=(1, 9, 16), compression="lzf")
            f["flat"], f["one"], f["column"] = a, a[0], a[:, :, :1]
            f["link"], f["far"] = h5py.SoftLink("/stack"), h5py.ExternalLink(f"mosaic{1 - n}.h5", "/stack")
            f["gone"] = h5py.ExternalLink("nowhere.h5", "/stack")
            f.create_dataset("raw", (3, 50, 64), dtype="<i4", external=[(f"mosaic{n}.bin", 0, h5py.h5f.UNLIMITED)])[
                :
            ] = a
    with h5py.File("mosaic.h5", "w", libver=("v110", "v110")) as f:
        for name in ("stack", "small", "flat", "link", "far", "raw", "gone"):
            v = h5py.VirtualLayout((8, 50, 64), "<i4")
            v[0:3] = h5py.VirtualSource("mosaic0.h5", name, (3, 50, 64))
            v[4:7] = h5py.VirtualSource("mosaic1.h5", name, (3, 50, 64))
            f.create_virtual_dataset(name, v, fillvalue=-7)
            v = h5py.VirtualLayout((100, 70), "<i4")
            v[0:50, 3:67] = h5py.VirtualSource("mosaic0.h5", name, (3, 50, 64))[1]
            v[60:90, 0:20] = h5py.VirtualSource("mosaic1.h5", name, (3, 50, 64))[2, 11:41, 7:27]
            f.create_virtual_dataset(name + "_parts", v)
        v = h5py.VirtualLayout((2, 50, 64), "<i4")
        for n in range(2):
            v[n] = h5py.VirtualSource(f"mosaic{n}.h5", "one", (50, 64))
        f.create_virtual_dataset("frames", v)
        v = h5py.VirtualLayout((3, 50), "<i4")
        v[:] = h5py.VirtualSource("mosaic1.h5", "column", (3, 50, 1))
        f.create_virtual_dataset("column", v)
        v = h5py.VirtualLayout((2, 50, 64), "<i4")
        v[0, ::2] = h5py.VirtualSource("mosaic0.h5", "one", (50, 64))[::2]
        f.create_virtual_dataset("no_boxes", v, fillvalue=1)
        v = h5py.VirtualLayout((3, 50, 64), "<f8")
        v[:] = h5py.VirtualSource("mosaic0.h5", "stack", (3, 50, 64))
        f.create_virtual_dataset("other_type", v)
        f["own"] = np.arange(10)
        v = h5py.VirtualLayout((2, 10), "<i8")
        v[1] = h5py.VirtualSource(f["own"])
        f.create_virtual_dataset("itself", v, fillvalue=3)


mosaic()
with h5py.File("odd.h5", "w", libver=("v110", "v110")) as f:
    texts(f), types(f), names(f.create_group("names"))
    f["grp/x"] = np.arange(4)
    attributes(f.create_dataset("attrs", data=1).attrs, f)
with h5py.File("odd_links.h5", "w") as f:
    links(f)
with h5py.File("filters.h5", "w", libver=("v110", "v110")) as f:
    filters(f)

cases = []
for name in ("odd.h5", "filters.h5", "mosaic.h5"):
    with h5py.File(name) as f:
        walk(name, f, [], cases)
with open("golden_odd.json", "w") as f:
    f.write("[\n" + ",\n".join(json.dumps(c, sort_keys=True) for c in cases) + "\n]\n")
print(len(cases), "cases;", [c["name"] for c in cases if "tiled" in c], "Tiled fails on")
