"""Write the NPY files of this folder and golden.json, which says what numpy and Tiled 0.2.20 make of them.

Run with a Python that has numpy and tiled: python gen_npy.py
"""

import dataclasses
import hashlib
import json
import pathlib

import numpy
from numpy.lib import format as npy
from tiled.structures.array import ArrayStructure, BuiltinDtype, StructDtype

here = pathlib.Path(__file__).parent
goldens = []


def fields(dtype):
    """The structured type as Tiled writes it, and, unlike Tiled, with padding as fields without a name."""
    out = []
    for name, kind, *shape in dtype.descr:
        kind = numpy.dtype(kind)
        doc = fields(kind) if kind.fields else dataclasses.asdict(BuiltinDtype.from_numpy_dtype(kind))
        out.append({"name": name, "dtype": doc, "shape": list(shape[0]) if shape else None})
    return {"itemsize": dtype.itemsize, "fields": out}


def structure(a):
    kind = fields(a.dtype) if a.dtype.fields else BuiltinDtype.from_numpy_dtype(a.dtype)
    chunks = tuple((n,) for n in a.shape)
    doc = dataclasses.asdict(ArrayStructure(data_type=kind, chunks=chunks, shape=a.shape))
    if a.dtype.fields and "" not in [f[0] for f in a.dtype.descr]:
        assert json.dumps(dataclasses.asdict(StructDtype.from_numpy_dtype(a.dtype))) == json.dumps(doc["data_type"])
    return doc


def save(name, a, version=None):
    a = numpy.asanyarray(a)
    with open(here / f"{name}.npy", "wb") as f:
        npy.write_array(f, a, version)
    data = numpy.load(here / f"{name}.npy", max_header_size=1 << 20).tobytes("C")
    goldens.append(
        {
            "names": [f"{name}.npy"],
            "structure": structure(a),
            "metadata": {},
            "sha256": hashlib.sha256(data).hexdigest(),
            "head": data[:64].hex(),
        }
    )


count = numpy.arange(24).reshape(2, 3, 4)
for kind in "?,i1,u1,<i2,>i2,<u4,>u8,<f2,>f4,<f8,<g,<c8,>c16,<G".split(","):
    name = "plain_" + kind.strip("<>").replace("?", "b1") + ("_big" if kind[0] == ">" else "")
    save(name, count.astype(kind))
for order, n in (("<", ""), (">", "_big")):
    save("text" + n, numpy.array([["ab", "ü€𝄞"], ["", "x"]], dtype=f"{order}U3"))
    save("time" + n, numpy.array(["2020-01-01", "NaT"], dtype=f"{order}M8[ns]"))
    save("steps" + n, numpy.array([[1, -3]], dtype=f"{order}m8[25s]"))
save("bytes", numpy.array([b"ab", b"", b"abc"]))
save("void", numpy.frombuffer(bytes(range(20)), "V5"))
save("generic", numpy.array([1, 2], dtype="m8"))
save("scalar", numpy.float32(1.5))
save("scalar_text", numpy.array("naïve"))
save("empty", numpy.zeros((0, 3)))
save("empty_inner", numpy.zeros((3, 0, 2), ">i4"))
save("one", numpy.ones((1, 1, 1), "i2"))
save("fortran", numpy.asfortranarray(count.astype("<i4")))
save("fortran_wide", numpy.asfortranarray(numpy.arange(70 * 45, dtype=">u2").reshape(70, 45)))
save("fortran_five", numpy.asfortranarray(numpy.arange(2 * 3 * 1 * 4 * 5, dtype="u1").reshape(2, 3, 1, 4, 5)))
save("fortran_text", numpy.asfortranarray(numpy.array([["a", "bb", "ccc"], ["d", "ee", "fff"]])))
nested = numpy.dtype([("id", "<u4"), ("pos", ">f8", (2, 3)), ("in", [("a", "S3"), ("b", "<M8[s]", 2)]), ("ünï", "?")])
save("record", numpy.frombuffer(bytes(i % 251 for i in range(3 * nested.itemsize)), nested))
aligned = numpy.dtype([("a", "u1"), ("b", "<f8"), ("c", "<i2")], align=True)
rows = numpy.zeros((2, 2), aligned)
rows["a"], rows["b"], rows["c"] = 1, 2.5, -1
save("padded", rows)
save("fortran_record", numpy.asfortranarray(rows[["a", "c"]]))
save("version2", numpy.arange(3), (2, 0))
save("version3", numpy.zeros(2, [("ø", "f4")]), (3, 0))
save("many_fields", numpy.zeros(2, [(f"a_rather_long_name_of_a_field_{i}", "u1") for i in range(300)]))


def broken(name, data, error="unprocessable"):
    (here / f"{name}.npy").write_bytes(data)
    goldens.append({"names": [f"{name}.npy"], "error": error})


def claim(text, data=b""):
    text = text.encode()
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + data


with open(here / "objects.npy", "wb") as f:
    npy.write_array(f, numpy.array([None, {}], dtype=object))
goldens.append({"names": ["objects.npy"], "error": "unsupported"})
good = "{'descr': '<f8', 'fortran_order': False, 'shape': (2,), }"
broken("bad_claim", claim(good.replace("(2,)", "(4611686018427387904,)"), bytes(40)))
broken("bad_overflow", claim(good.replace("(2,)", "(4294967296, 4294967296, 4294967296)"), bytes(40)))
broken("bad_short", claim(good, bytes(15)))
broken("bad_negative", claim(good.replace("(2,)", "(-1,)"), bytes(40)))
broken("bad_call", claim("__import__('os')"))
broken("bad_key", claim(good.replace("descr", "dtype"), bytes(40)))
broken("bad_type", claim(good.replace("<f8", "<q9"), bytes(40)))
broken("bad_nothing", b"")
broken("bad_magic", b"PK\x03\x04" + bytes(200))
broken("bad_version", b"\x93NUMPY\x09\x00" + bytes(200))
broken("bad_long_header", b"\x93NUMPY\x02\x00\xff\xff\xff\xff" + bytes(200))

(here / "golden.json").write_text(json.dumps(goldens, indent=1, ensure_ascii=False) + "\n")
