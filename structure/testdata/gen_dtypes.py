"""Write dtypes.json: what numpy makes of the string forms and descriptions of
data types. Run with numpy 2: python gen_dtypes.py"""

import json
import pathlib
import sys

import numpy

ORDER = {"<": "little", ">": "big", "|": "not_applicable", "=": sys.byteorder}


def simple(text):
    try:
        t = numpy.dtype(text)
    except (TypeError, ValueError, SyntaxError, DeprecationWarning):
        return None
    if t.kind == "O" or t.fields is not None:
        return None
    order = ORDER[t.str[0]]
    units = t.str[t.str.index("[") :] if "[" in t.str else ""
    return {"str": t.str, "kind": t.kind, "itemsize": t.itemsize, "endianness": order, "units": units}


def member(descr):
    """A description as JSON has it: tuples are lists."""
    return json.loads(json.dumps(numpy.lib.format.dtype_to_descr(descr)))


def fields(t):
    """Members, paddings left out, in order: name, offset, size, shape."""
    return [[n, t.fields[n][1], t.fields[n][0].itemsize, list(t.fields[n][0].shape)] for n in t.names]


UNITS = ["Y", "M", "W", "D", "h", "m", "s", "ms", "us", "ns", "ps", "fs", "as", "generic"]
texts = [o + k + str(n) for o in ("", "<", ">", "|", "=") for k in "biufcSUV" for n in (0, 1, 2, 3, 4, 5, 8, 12, 16, 32, 64, 100)]
texts += [o + k + "8" + u for o in "<>" for k in "mM" for u in ["", *(f"[{u}]" for u in UNITS), "[25s]", "[10ms]", "[0s]", "[-1s]", "[x]", "[]", "[s", "s]"]]
texts += ["M4[s]", "m16", "f8[s]", "x4", "<", "", "<f-8", "<f8x", "<f999999999999999999999", "<<f8", "O8", "|O"]
structs = [
    [("a", "<i4"), ("b", ">f8")],
    [("x", "<f4", (2, 3)), ("name", "U7"), ("flag", "?")],
    [("in", [("p", "<u2"), ("q", "<M8[ns]", 2)]), ("last", "S3")],
    [(("title", "short"), "<i8")],
]
padded = numpy.dtype({"names": ["a", "b"], "formats": ["u1", "<f8"], "offsets": [0, 8], "itemsize": 24})
types = [numpy.dtype(s) for s in structs] + [padded, numpy.dtype([("u", "u1"), ("f", "f8")], align=True)]
pathlib.Path(__file__).with_name("dtypes.json").write_text(
    "{\n"
    + '"simple": {\n'
    + ",\n".join(f"{json.dumps(t)}: {json.dumps(simple(t))}" for t in texts)
    + '\n},\n"structured": [\n'
    + ",\n".join(json.dumps({"descr": member(t), "itemsize": t.itemsize, "fields": fields(t)}) for t in types)
    + "\n]\n}\n"
)
