"""Writes latest.h5, what HDF5 2.0 writes with libver="latest", and
golden_latest.json as gen.py does. Run: python gen_latest.py (h5py 3.16)"""

import json
import os

import h5py
import numpy as np
from says import walk

os.chdir(os.path.dirname(os.path.abspath(__file__)))
KIND = np.dtype([("a", "i4"), ("n", [("b", "f4", (2,)), ("c", "?")]), ("z", "c8")])


def indexes(f):
    """Each kind of chunk index, with filters and without."""

    def one(name, shape, chunks, maxshape=None, **k):
        k.setdefault("compression", "gzip")
        f.create_dataset(name, data=np.arange(np.prod(shape), dtype="i2").reshape(shape), chunks=chunks, maxshape=maxshape, **k)

    one("single", (10, 3), (10, 3))
    one("fixed", (30, 7), (4, 3), shuffle=True)
    one("fixed_lzf", (30, 7), (4, 3), compression="lzf", fletcher32=True)
    one("pages", (3000,), (2,), compression="lzf")
    one("grows", (20, 6), (3, 6), maxshape=(None, 6))
    one("grows_second", (4, 40, 3), (3, 2, 3), maxshape=(4, None, 3))
    one("grows_far", (3000,), (2,), maxshape=(None,), compression="lzf")
    one("both", (20, 20), (3, 4), maxshape=(None, None))
    one("tree", (120, 50), (2, 2), maxshape=(None, None), compression="lzf")
    one("plain", (20, 6), (3, 6), maxshape=(None, None), compression=None)
    d = f.create_dataset("sparse", (5000,), chunks=(10,), maxshape=(None,), dtype="f4", fillvalue=7, compression="gzip")
    d[4000:4005] = 1
    f.create_dataset("never", (50,), chunks=(5,), dtype="i4", fillvalue=3, compression="gzip")


def types(f):
    a = np.zeros(6, KIND)
    a["a"], a["z"] = np.arange(6), 1j
    a["n"]["c"] = [0, 1, 0, 1, 0, 1]
    f["compound"] = a
    f.create_dataset("compound_gzip", data=a, chunks=(4,), compression="gzip")
    f["bool"] = np.array([True, False, True])
    f.create_dataset("bool_gzip", data=np.arange(60) % 3 == 0, chunks=(7,), compression="gzip")
    f.create_dataset("enum", data=np.array([1, 2, 1], "u1"), dtype=h5py.enum_dtype({"R": 1, "G": 2}, basetype="u1"))
    f["complex"] = np.arange(5) * 1j
    f["texts"] = ["a", "bcd"]
    f.create_dataset("texts_gzip", data=[f"text {i}" for i in range(300)], chunks=(300,), compression="gzip")
    f["array"] = np.zeros((2,), np.dtype((KIND, (3,))))


def attributes(f):
    """Few lie in the header, many in a heap; long headers are read in parts."""
    few, many, long = f.create_group("few"), f.create_group("many"), f.create_group("long", track_order=True)
    for i in range(3):
        few.attrs[f"b{i}"], few.attrs[f"c{i}"] = bool(i % 2), np.complex64(i * 1j)
    for i in range(30):
        many.attrs[f"b{i}"], many.attrs[f"n{i}"] = bool(i % 2), np.arange(i)
        many.attrs["a rather long name " * 3 + str(i)] = np.array([True, i % 2 == 0])
    for i in range(7):
        long.attrs[f"a name that is quite as long as that of an attribute should never be {i}"] = i % 2 == 0
    d = many.create_dataset("set", data=np.arange(100), chunks=(10,), compression="gzip")
    for i in range(12):
        d.attrs[f"b{i}"] = bool(i % 2)


def virtual(f):
    rows = 4
    layout = h5py.VirtualLayout((rows, 6), dtype="i8")
    for i in range(rows - 1):
        layout[i] = h5py.VirtualSource("latest.h5", "row", (6,))
    layout[rows - 1, ::2] = h5py.VirtualSource(".", "row", (6,))[1:4]
    f["row"] = np.arange(6)
    f.create_virtual_dataset("virtual", layout, fillvalue=-1)
    own = h5py.VirtualLayout((3, 6), dtype="i8")
    for i in range(3):
        own[i] = h5py.VirtualSource(".", "row", (6,))
    f.create_virtual_dataset("virtual_own", own)
    plist = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    space = h5py.h5s.create_simple((4, 6))
    space.select_hyperslab((0, 0), (1, 3))
    space.select_hyperslab((2, 3), (1, 3), op=h5py.h5s.SELECT_OR)
    plist.set_virtual(space, b".", b"row", h5py.h5s.create_simple((6,)))
    h5py.h5d.create(f.id, b"virtual_parts", h5py.h5t.STD_I64LE, space, plist)


with h5py.File("latest.h5", "w", libver="latest", userblock_size=512) as f:
    for part in (indexes, types, attributes, virtual):
        part(f)
cases = []
with h5py.File("latest.h5") as f:
    walk("latest.h5", f, [], cases)
with open("golden_latest.json", "w") as out:
    out.write("[\n" + ",\n".join(json.dumps(c, sort_keys=True) for c in cases) + "\n]\n")
