"""Write arrays.json and images.json: what Tiled 0.2.20 makes of arrays. Run it
from this folder, with tiled[all] 0.2.20.

A case holds the data (base64, C order), and as "json", "csv" the text of
Tiled's encoders. Where those fail on a type, the text is that of the same
values in a type that they know, or of numpy's tolist, as said below. In
images "pixels" are those of Tiled's PNG, as Pillow reads them.
"""

import base64
import io
import json
import warnings

import numpy
import PIL.Image

from tiled.serialization.array import save_to_buffer_PIL, serialize_csv
from tiled.utils import safe_json_dump

warnings.simplefilter("ignore")
rng = numpy.random.default_rng(20)


def b64(data):
    return base64.b64encode(bytes(data)).decode()


def attempt(encode, array):
    try:
        return bytes(encode(array)).decode()
    except (TypeError, ValueError):
        return None


def descr(dtype):
    return dtype.descr if dtype.names else dtype.str


def case(name, array, like=None, text=None):
    """like: the same values in a type that orjson knows; text: JSON of our own rules."""
    return {
        "name": name,
        "descr": json.loads(json.dumps(descr(array.dtype))),
        "shape": array.shape,
        "data": b64(numpy.ascontiguousarray(array).tobytes()),
        "json": text or attempt(safe_json_dump, array if like is None else like),
        "csv": attempt(lambda a: serialize_csv("text/csv", a, {}), array) if array.ndim in (1, 2) else None,
    }


FLOATS = [0.0, -0.0, 1.0, -1.5, 0.1, 1e-4, 9.999e-5, 1e-5, 9.9e-6, 1e-6, 1e-7, 999.0, 1000.0, 65504.0, 999999.0]
FLOATS += [1e6, 16777216.0, 123456789.0, 1e12, 1e13, 1e15, 9999999999999998.0, 1e16, 123456789012345678.0, 3e38]
FLOATS += [5e-324, 1.7976931348623157e308, 2.5e-45, 6e-8, 1e-40, numpy.nan, numpy.inf, -numpy.inf, 1 / 3]
cases = []
for kind in "f2 f4 f8".split():
    values = numpy.array(FLOATS, dtype="<" + kind)
    noise = numpy.frombuffer(rng.bytes(values.itemsize * 200), dtype="<" + kind)
    cases.append(case("floats " + kind, values))
    cases.append(case("noise " + kind, noise))
    cases.append(case("big " + kind, values.astype(">" + kind), like=values))
for kind in "i1 i2 i4 i8 u1 u2 u4 u8".split():
    info = numpy.iinfo(kind)
    values = numpy.array([info.min, 0, 1, info.max // 2, info.max], dtype=kind)
    cases.append(case("ints " + kind, values))
    cases.append(case("big " + kind, values.astype(">" + kind), like=values))
for shape in [(), (1,), (0,), (3, 0), (0, 3), (2, 3), (2, 1, 3), (2, 0, 3), (1, 2, 2, 2)]:
    cases.append(case(f"shape {shape}", numpy.arange(numpy.prod(shape), dtype="i2").reshape(shape)))
cases.append(case("bool", numpy.array([[True, False], [False, True]])))
for kind in "c8 c16".split():
    values = numpy.array([1 + 2j, 0.1 - 1e7j, -0.0, complex(0, -0.0), numpy.nan, complex(numpy.inf, -numpy.inf)], dtype=kind)
    pairs = values.view("f" + str(values.itemsize // 2)).reshape(-1, 2)
    cases.append(case("complex " + kind, values, like=pairs))
    cases.append(case("big complex " + kind, values.astype(values.dtype.newbyteorder(">")), like=pairs))
    cases.append(case("complex 2-d " + kind, values.reshape(2, 3), like=pairs.reshape(2, 3, 2)))
EXACT = [1.5, -2.0, 0.0, 1024.0, numpy.nan, numpy.inf, -numpy.inf]
for order in "<>":
    cases.append(case(order + "f16", numpy.array(EXACT, dtype=order + "f16"), like=numpy.array(EXACT)))
    pairs = numpy.array(EXACT[:6]).reshape(-1, 2)
    cases.append(case(order + "c32", pairs.astype("f16").view("c32")[:, 0].astype(order + "c32"), like=pairs))
STAMPS = ["1970-01-01", "2021-03-04T05:06:07.123456789", "2021-03-04T05:06:07", "1960-03-04T05:06:07.5", "2100-12-31T23:59:59.999999"]
for unit in "Y M W D h m s ms us ns".split():
    values = numpy.array(STAMPS, dtype="M8[ns]").astype(f"<M8[{unit}]")
    # orjson cuts nanoseconds off, and fails on NaT and on months before 1970.
    like = values.astype("M8[us]") if unit in ("M", "ns") else values
    # Our own rule: no digit is lost.
    text = bytes(safe_json_dump(like)).decode().replace("07.123456", "07.123456789") if unit == "ns" else None
    cases.append(case("dates " + unit, values, like=like, text=text))
    with_nat = numpy.append(values[:1], numpy.datetime64("NaT"))
    cases.append(case("NaT " + unit, with_nat, text=bytes(safe_json_dump(like[:1])).decode()[:-1] + ",null]"))
for unit in "5Y 2M 25s 10ms 3D 12h 7us".split():
    values = numpy.array([0, 1, -1, 12345], dtype=f"<M8[{unit}]")
    cases.append(case("dates " + unit, values, like=values.astype("M8[us]")))
    cases.append(case("big dates " + unit, values.astype(f">M8[{unit}]"), like=values.astype("M8[us]")))
for year in ["0001-01-01", "0000-01-01", "9998-12-31"]:
    cases.append(case("year " + year, numpy.array([year], dtype="<M8[s]")))
for year in ["-0005-01-01", "12345-01-01", "9999-12-31"]:
    values = numpy.array([year], dtype="<M8[s]")
    cases.append(case("year " + year, values, text=f'["{values[0]}"]'))
for unit in "generic Y M W D h m s ms us ns 25s 10ms".split():
    values = numpy.array([0, 1, -3, 86400], dtype=f"<m8[{unit}]" if unit != "generic" else "<m8")
    values = numpy.append(values, numpy.timedelta64("NaT"))
    counts = values.view("i8").tolist()
    cases.append(case("spans " + unit, values, text=json.dumps(counts[:-1] + [None]).replace(" ", "")))
cases.append(case("picoseconds", numpy.array([1, -1], dtype="<M8[ps]"), text='["1970-01-01T00:00:00.000000000001","1969-12-31T23:59:59.999999999999"]'))
cases.append(case("S", numpy.array([b"ab\0c", b"\xff'", b"", b"a\n\t\\\""])))
cases.append(case("S scalar", numpy.array(b"x")))
cases.append(case("U", numpy.array(["a\u00e9\U0001f600", "", "q\"\\\n\x01\u2028<&>"])))
cases.append(case("U 2-d", numpy.array([["a", "bc"], ["d", ""]])))
cases.append(case("U big", numpy.array(["a\u00e9\U0001f600", ""], dtype=">U3"), like=numpy.array(["a\u00e9\U0001f600", ""])))
cases.append(case("V", numpy.array([b"abc", b"\0\xff\n"], dtype="V3")))
record = numpy.array([("a", 1.5, (1, 2)), ("\u00e9", numpy.nan, (3, 4))], dtype=[("x", "<U1"), ("y", "<f4"), ("z", "<i2", (2,))])
cases.append(case("record", record, text='[["a",1.5,[1,2]],["\u00e9",null,[3,4]]]'))
cases.append(case("record 2-d", record.reshape(1, 2), text='[[["a",1.5,[1,2]],["\u00e9",null,[3,4]]]]'))
nested = numpy.array([(1, (2, b"c"))], dtype=[("a", "<i4"), ("b", [("c", ">u2"), ("d", "S1")])])
cases.append(case("nested", nested, text='[[1,[2,"data:application/octet-stream;base64,Yw=="]]]'))

images = []
SHAPES = [(), (1,), (7,), (5, 4), (16, 16), (9, 7, 2), (9, 7, 3), (9, 7, 4), (3, 3, 1), (3, 3, 5), (2, 2, 2, 2), (0, 4), (24, 50)]
for kind in "|b1 |u1 <u2 >u2 <u4 <i1 <i2 >i4 <i8 <f2 <f4 >f4 <f8 <c8".split():
    for shape in SHAPES if kind in ("|u1", "<f4") else [(24, 50)]:
        values = (rng.random(shape) ** 3 * 200 - (0 if kind[1] in "bu" else 60)).astype(kind)
        images.append((f"{kind} {shape}", values))
images.append(("constant", numpy.full((4, 4), 7, "f4")))
spike = numpy.zeros((20, 20), "u2")
spike[3, 4] = 9
images.append(("spike", spike))
infinite = rng.random((20, 20))
infinite[0, :3] = numpy.inf, -numpy.inf, numpy.inf
images.append(("infinite", infinite))


def picture(name, values):
    entry = {"name": name, "descr": values.dtype.str, "shape": values.shape, "data": b64(values.tobytes()), "pixels": None}
    try:
        png = save_to_buffer_PIL("image/png", values, "png")
    except Exception:
        return entry
    image = PIL.Image.open(io.BytesIO(png))
    return entry | {"mode": image.mode, "size": image.size, "pixels": b64(image.tobytes())}


def write(name, entries):
    with open(name, "w", encoding="ascii") as file:
        file.write("[\n" + ",\n".join(json.dumps(entry, separators=(",", ":")) for entry in entries) + "\n]\n")


write("arrays.json", cases)
write("images.json", [picture(*image) for image in images])
