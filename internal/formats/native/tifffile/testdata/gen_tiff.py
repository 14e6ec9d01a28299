"""Write the TIFF files of this folder and golden.json, which says what tifffile and Tiled 0.2.20 make of them.

Run with a Python that has numpy, tifffile, imagecodecs, pillow and tiled: python gen_tiff.py
"""

import base64
import dataclasses
import enum
import hashlib
import json
import pathlib

import numpy
import tifffile
from PIL import Image
from tiled.adapters.tiff import TiffAdapter
from tiled.structures.array import BuiltinDtype

here = pathlib.Path(__file__).parent
goldens = []
random = numpy.random.default_rng(4)


def plain(value):
    if isinstance(value, dict):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, numpy.ndarray):
        return value.tolist()
    if isinstance(value, (list, tuple)):
        return [plain(v) for v in value]
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, bytes):
        return "data:application/octet-stream;base64," + base64.b64encode(value).decode()
    return value


def golden(name, metadata=True):
    adapter = TiffAdapter(f"file://localhost{here / name}")
    structure = adapter.structure()
    array = adapter.read()
    with tifffile.TiffFile(here / name) as f:
        series = f.series[0]
        kind, axes = series.kind, series.axes
    doc = dataclasses.asdict(
        dataclasses.replace(structure, data_type=BuiltinDtype.from_numpy_dtype(array.dtype.newbyteorder("<")))
    )
    if kind in ("ome", "imagej", "shaped") and len(axes) == array.ndim and len(set(axes)) == len(axes):
        if kind != "shaped" or '"axes"' in f.pages[0].description:
            doc["dims"] = list(axes)
    data = array.astype(array.dtype.newbyteorder("<")).tobytes("C")
    g = {"names": [name], "structure": doc, "sha256": hashlib.sha256(data).hexdigest(), "head": data[:64].hex()}
    if metadata:
        g["metadata"] = plain(adapter.metadata())
    goldens.append(g)


def write(name, data, **options):
    options = {"metadata": None, "software": "gen_tiff.py"} | options
    tifffile.imwrite(here / f"{name}.tif", data, **options)
    golden(f"{name}.tif")


ramp = (numpy.arange(37 * 45) * 7).reshape(37, 45)
for kind in "u1,u2,u4,u8,i1,i2,i4,i8,f2,f4,f8,c8,c16,?".split(","):
    data = (ramp % 2).astype("?") if kind == "?" else (ramp - (300 if kind[0] in "if" else 0)).astype(kind)
    if kind[0] == "c":
        data = (data + 1j * ramp).astype(kind)
    write("type_" + kind.replace("?", "b1"), data)
    if kind not in ("u1", "i1", "?"):
        write(f"big_{kind}", data, byteorder=">")
        write(f"big_{kind}_deflate", data, byteorder=">", compression="zlib")
write("bigtiff", ramp.astype("u2"), bigtiff=True)
write("bigtiff_big", ramp.astype("u2"), bigtiff=True, byteorder=">", tile=(16, 16))
write("strips", ramp.astype("u2"), rowsperstrip=10)
write("tiles", ramp.astype("u2"), tile=(16, 32))
rgb = random.integers(0, 255, (40, 50, 3), "u1")
smooth = numpy.add.outer(numpy.arange(40) * 3, numpy.arange(50) * 2)[..., None] + numpy.array([0, 20, 40])
smooth = smooth.astype("u1")
write("rgb", rgb, photometric="rgb")
write("rgb_planar", rgb.transpose(2, 0, 1).copy(), photometric="rgb", planarconfig="separate")
write(
    "rgb_planar_strips",
    rgb.transpose(2, 0, 1).copy(),
    photometric="rgb",
    planarconfig="separate",
    rowsperstrip=7,
    compression="zlib",
)
write("rgba16", random.integers(0, 65535, (20, 30, 4), "u2"), photometric="rgb", extrasamples=["unassalpha"])
write(
    "planar_tiles",
    random.integers(0, 65535, (5, 33, 20), "u2"),
    photometric="minisblack",
    planarconfig="separate",
    tile=(16, 16),
)
for codec in ("lzw", "zlib", "packbits", "zstd", "lzma", "adobe_deflate"):
    write(f"codec_{codec}", ramp.astype("u2"), compression=codec, rowsperstrip=8)
    write(f"codec_{codec}_tiles", ramp.astype(">i4"), compression=codec, tile=(16, 16), byteorder=">")
for kind in ("u1", "u2", "i4", "u8"):
    write(f"predictor_{kind}", ramp.astype(kind), compression="zlib", predictor=2, rowsperstrip=9)
for kind in ("f2", "f4", "f8"):
    write(f"predictor_{kind}", (ramp / 7 - 3).astype(kind), compression="zlib", predictor=3, rowsperstrip=9)
write("predictor_f4_big", (ramp / 7).astype("f4"), compression="lzw", predictor=3, byteorder=">", tile=(16, 16))
write("predictor_packbits", ramp.astype("i4"), compression="packbits", predictor=2, byteorder=">", rowsperstrip=9)
write("predictor_packbits_f4", (ramp / 7).astype("f4"), compression="packbits", predictor=3, byteorder=">")
write("predictor_packbits_rgb", rgb.astype("u2"), photometric="rgb", compression="packbits", predictor=2)
write("predictor_rgb", rgb, photometric="rgb", compression="lzw", predictor=2)
write("jpeg_grey", smooth[..., 0].copy(), compression="jpeg", rowsperstrip=16)
write("jpeg_ycbcr", smooth, compression="jpeg", photometric="ycbcr", subsampling=(1, 1))
write(
    "jpeg_ycbcr_22", smooth[:32, :48].copy(), compression="jpeg", photometric="ycbcr", tile=(16, 16), subsampling=(2, 2)
)
write("jpeg_rgb", smooth, compression="jpeg", photometric="rgb")

for bits in (2, 4, 6, 10, 12, 14):
    data = (ramp % (1 << bits)).astype("u1" if bits < 8 else "u2")
    write(f"bits_{bits}", data, bitspersample=bits)
    write(f"bits_{bits}_rgb", numpy.stack([data] * 3, -1), bitspersample=bits, photometric="rgb", rowsperstrip=8)

# The lowest bit first: files whose tag 262, which need not be there, became tag 266.
for source in ("type_b1", "type_u2", "bits_6"):
    data = bytearray((here / f"{source}.tif").read_bytes())
    at = int.from_bytes(data[4:8], "little")
    for entry in range(at + 2, at + 2 + 12 * int.from_bytes(data[at : at + 2], "little"), 12):
        if int.from_bytes(data[entry : entry + 2], "little") == 262:
            data[entry : entry + 2] = (266).to_bytes(2, "little")
            data[entry + 8 : entry + 10] = (2).to_bytes(2, "little")
    (here / f"fill_{source}.tif").write_bytes(data)
    golden(f"fill_{source}.tif")

stack = random.integers(0, 65535, (4, 11, 13), "u2")
with tifffile.TiffWriter(here / "pages.tif") as f:
    for page in stack:
        f.write(
            page,
            metadata=None,
            contiguous=False,
            software="gen_tiff.py",
            extratags=[(65000, "d", 2, [1.5, 2.5], True), (65001, "B", 3, b"abc", True)],
        )
golden("pages.tif")
with tifffile.TiffWriter(here / "pages_lzw.tif", byteorder=">") as f:
    for page in stack:
        f.write(page, metadata=None, contiguous=False, compression="lzw", description="ünï".encode())
golden("pages_lzw.tif")
with tifffile.TiffWriter(here / "pages_many.tif") as f:
    for i in range(12):
        f.write(numpy.full((3, 5), i, "u1"), metadata=None, contiguous=False)
golden("pages_many.tif")
with tifffile.TiffWriter(here / "pages_mixed.tif") as f:
    for shape in ((8, 9), (8, 9), (4, 5), (8, 9)):
        f.write(numpy.full(shape, shape[0], "u2"), metadata=None, contiguous=False)
golden("pages_mixed.tif")
with tifffile.TiffWriter(here / "pyramid.tif") as f:
    f.write(ramp.astype("u2"), metadata=None, subifds=1, tile=(16, 16))
    f.write(ramp[::2, ::2].astype("u2"), metadata=None, subfiletype=1, tile=(16, 16))
golden("pyramid.tif", metadata=False)

cube = numpy.arange(2 * 3 * 6 * 7, dtype="u2").reshape(2, 3, 6, 7)
write("shaped", cube, metadata={})
write("shaped_axes", cube, metadata={"axes": "TZYX"}, photometric="minisblack")
write("shaped_ones", cube[:1, :, None], metadata={"axes": "QTZYX"}, photometric="minisblack")
write("shaped_truncated", cube, metadata={"truncate": True}, photometric="minisblack")
write("shaped_lzw", cube, metadata={"axes": "CTYX"}, compression="lzw", photometric="minisblack")
write("shaped_rgb", numpy.stack([rgb, rgb + 1]), metadata={"axes": "ZYXS"}, photometric="rgb")
tifffile.imwrite(
    here / "shaped_old.tif", cube[0], description="shape=(3, 6, 7)", metadata=None, photometric="minisblack"
)
golden("shaped_old.tif")
write("imagej", cube, metadata={"axes": "ZCYX"}, imagej=True)
write("imagej_tz", numpy.stack([cube, cube + 9]), metadata={"axes": "TZCYX"}, imagej=True)
write("imagej_rgb", numpy.stack([rgb, rgb + 1]), metadata={"axes": "TYXS"}, imagej=True)
write("imagej_one", cube[0, 0], imagej=True)
write("imagej_lzw", cube, metadata={"axes": "TZYX"}, imagej=True, compression="zlib")


def ome(name, data, axes, **options):
    options = {"photometric": "minisblack"} | options
    tifffile.imwrite(here / name, data, ome=True, metadata={"axes": axes, "UUID": "urn:uuid:0"}, **options)
    golden(name, metadata=False)


ome("ome.ome.tif", cube, "ZCYX")
ome("ome_tczyx.tif", numpy.stack([cube, cube + 9]), "TCZYX", compression="zlib")
ome("ome_rgb.tif", numpy.stack([rgb, rgb + 1]), "ZYXS", photometric="rgb")

Image.fromarray((ramp % 2).astype("u1") * 255).convert("1").save(here / "pillow_1.tif")
golden("pillow_1.tif")
Image.fromarray((ramp % 2).astype("u1") * 255).convert("1").save(here / "pillow_1_packbits.tif", compression="packbits")
golden("pillow_1_packbits.tif")
Image.fromarray(smooth).quantize(16).save(here / "pillow_palette.tif")
golden("pillow_palette.tif")

# Pages that are cut into blocks: rows whose samples are their own number.
rows = numpy.arange(2048, dtype="u2")[:, None].repeat(2048, 1)
for name, options in {
    "large_strips": {"compression": "zlib", "rowsperstrip": 64},
    "large_tiles": {"compression": "zlib", "tile": (256, 256)},
}.items():
    tifffile.imwrite(here / f"{name}.tif", rows, metadata=None, **options)
planar = numpy.arange(3 * 1024, dtype="u2").reshape(3, 1024, 1).repeat(1024, 2)
tifffile.imwrite(
    here / "large_planar.tif", planar, metadata=None, planarconfig="separate", photometric="rgb", compression="zlib"
)


def broken(name, data, error="unprocessable"):
    (here / name).write_bytes(data)
    goldens.append({"names": [name], "error": error})


def claim(name, code, value, error="unprocessable", source="type_u2.tif"):
    """Copy a file with another value in its first directory."""
    data = bytearray((here / source).read_bytes())
    at = int.from_bytes(data[4:8], "little")
    for i in range(int.from_bytes(data[at : at + 2], "little")):
        entry = at + 2 + 12 * i
        if int.from_bytes(data[entry : entry + 2], "little") == code:
            data[entry + 8 : entry + 12] = value.to_bytes(4, "little")
    broken(name, bytes(data), error)


good = (here / "type_u2.tif").read_bytes()
broken("bad_nothing.tif", b"")
broken("bad_magic.tif", b"II\x2b\x01" + good[4:])
broken("bad_first.tif", good[:4] + b"\xff\xff\xff\x7f" + good[8:])
broken("bad_no_pages.tif", good[:4] + bytes(4) + good[8:])
claim("bad_width.tif", 256, 0)
claim("bad_format.tif", 258, 24, "unsupported")
loop = bytearray((here / "pages.tif").read_bytes())
first = int.from_bytes(loop[4:8], "little")
end = first + 2 + 12 * int.from_bytes(loop[first : first + 2], "little")
loop[end : end + 4] = loop[4:8]
broken("bad_loop.tif", bytes(loop))
broken("bad_claim.tif", (here / "shaped.tif").read_bytes().replace(b"[2, 3, 6, 7]", b"[9, 9, 6, 7]"))

(here / "golden.json").write_text(json.dumps(goldens, indent=1, ensure_ascii=False) + "\n")
