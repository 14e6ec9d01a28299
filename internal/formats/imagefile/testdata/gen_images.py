"""Write the pictures of this folder and golden.json, which says what Pillow and Tiled 0.2.20 make of them.

    python gen_images.py     # needs numpy, pillow, tiled

Pillow writes no PNG of some kinds that it reads: write_png below does.
The kinds of JPEG are tested in ../jpeg; here are a few, through the format.
"""

import dataclasses
import hashlib
import json
import pathlib
import struct
import zlib

import numpy
from PIL import Image
from tiled.structures.array import ArrayStructure, BuiltinDtype

here = pathlib.Path(__file__).parent
rng = numpy.random.default_rng(11)
goldens = []


def golden(name: str) -> None:
    a = numpy.asarray(Image.open(here / name))
    structure = ArrayStructure(
        shape=a.shape, chunks=tuple((n,) for n in a.shape), data_type=BuiltinDtype.from_numpy_dtype(a.dtype)
    )
    if a.dtype == bool:  # Pillow's True is the byte 255 here, numpy's own is 1
        a = numpy.where(a, True, False)
    data = a.tobytes()
    goldens.append(
        {
            "name": name,
            "names": [name],
            "structure": dataclasses.asdict(structure),
            "metadata": {},
            "sha256": hashlib.sha256(data).hexdigest(),
            "head": data[:64].hex(),
        }
    )


def bad(name: str, data: bytes, error: str = "unprocessable") -> None:
    (here / name).write_bytes(data)
    goldens.append({"name": name, "names": [name], "error": error})


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def header(width: int, height: int, depth: int, colour: int, interlace: int = 0) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, interlace))


SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
ADAM7 = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]


def filtered(kind: int, row: bytes, above: bytes, step: int) -> bytes:
    out = bytearray([kind])
    for i, v in enumerate(row):
        a = row[i - step] if i >= step else 0
        b = above[i]
        c = above[i - step] if i >= step else 0
        p = a + b - c
        paeth = min((abs(p - a), 0, a), (abs(p - b), 1, b), (abs(p - c), 2, c))[2]
        out.append((v - [0, a, b, (a + b) // 2, paeth][kind]) & 0xFF)
    return bytes(out)


def write_png(name: str, values: numpy.ndarray, depth: int, colour: int, interlace: int = 0, extra: bytes = b"") -> None:
    """Write an array of height, width, samples; rows have all five filters in turn."""
    height, width, _ = values.shape
    step = max(1, SAMPLES[colour] * depth // 8)
    raw = bytearray()
    for x0, y0, dx, dy in ADAM7 if interlace else [(0, 0, 1, 1)]:
        part = values[y0::dy, x0::dx]
        above = None
        for i, row in enumerate(part if part.size else []):
            if depth == 16:
                data = row.astype(">u2").tobytes()
            else:
                bits = (row.reshape(-1, 1) >> numpy.arange(depth - 1, -1, -1)) & 1
                data = numpy.packbits(bits.reshape(-1).astype("u1")).tobytes()
            raw += filtered(i % 5, data, above or bytes(len(data)), step)
            above = data
    packed = zlib.compress(bytes(raw))
    half = len(packed) // 2  # two chunks, and an empty one between
    body = chunk(b"IDAT", packed[:half]) + chunk(b"IDAT", b"") + chunk(b"IDAT", packed[half:])
    (here / name).write_bytes(header(width, height, depth, colour, interlace) + extra + body + chunk(b"IEND", b""))
    golden(name)


palette = chunk(b"PLTE", bytes(range(48)))
for colour, depths in {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}.items():
    for depth in depths:
        high = 16 if colour == 3 else 1 << depth
        for interlace, (height, width) in [(0, (11, 13)), (1, (11, 13))]:
            values = rng.integers(0, min(high, 1 << depth), (height, width, SAMPLES[colour]))
            values[: height // 2] = numpy.arange(width)[:, None] % min(high, 1 << depth)
            name = f"png_{colour}_{depth}{'_adam7' if interlace else ''}.png"
            write_png(name, values, depth, colour, interlace, palette if colour == 3 else b"")
for height, width in [(1, 1), (3, 2), (5, 1), (1, 9)]:
    write_png(f"png_small_{height}x{width}_adam7.png", rng.integers(0, 256, (height, width, 3)), 8, 2, 1)
write_png("png_grey_key.png", rng.integers(0, 4, (5, 5, 1)), 8, 0, 0, chunk(b"tRNS", b"\0\2"))
write_png("png_rgb_key.png", rng.integers(0, 4, (5, 5, 3)), 8, 2, 0, chunk(b"tRNS", b"\0\1\0\2\0\3"))
write_png("png_palette_alpha.png", rng.integers(0, 4, (5, 5, 1)), 8, 3, 0, palette + chunk(b"tRNS", b"\0\x80\xff"))
write_png("png_no_palette.png", rng.integers(0, 256, (5, 5, 1)), 8, 3)

y, x = numpy.mgrid[:40, :50]
smooth = (y * 3 + x * 2 + rng.integers(0, 3, y.shape)).astype("u1")
for mode, array in {
    "1": smooth > 100, "L": smooth, "I;16": smooth.astype("u2") * 251, "RGB": numpy.stack([smooth, 255 - smooth, y.astype("u1")], -1)
}.items():
    name = f"pillow_{mode.replace(';', '')}.png"
    Image.fromarray(array).save(here / name)
    golden(name)
Image.fromarray(smooth).convert("RGB").quantize(8).save(here / "pillow_P.png")
golden("pillow_P.png")
Image.fromarray(smooth).convert("LA").save(here / "pillow_LA.png")
golden("pillow_LA.png")

colours = numpy.stack([smooth, 255 - smooth, numpy.roll(smooth, 9, 1)], -1)
Image.fromarray(smooth).save(here / "grey.jpg")
Image.fromarray(colours).save(here / "colour.jpeg", quality=85)
Image.fromarray(colours).save(here / "progressive.jpg", progressive=True)
Image.fromarray(colours).convert("CMYK").save(here / "cmyk.jpe", "JPEG")
turned = Image.Exif()
turned[0x0112] = 6
Image.fromarray(colours).save(here / "turned.jpg", exif=turned)  # orientation is not applied
for name in ["grey.jpg", "colour.jpeg", "progressive.jpg", "cmyk.jpe", "turned.jpg"]:
    golden(name)

tail = chunk(b"IDAT", zlib.compress(bytes(100))) + chunk(b"IEND", b"")
bad("bad_claim.png", header(10000, 10000, 8, 6) + tail)
bad("bad_large.png", header(2**31 - 1, 2**31 - 1, 8, 6) + tail, "unsupported")
bad("bad_larger.png", header(2**31, 1, 8, 6) + tail)
bad("bad_zero.png", header(0, 5, 8, 0) + tail)
bad("bad_depth.png", header(5, 5, 4, 2) + tail)
bad("bad_colour.png", header(5, 5, 8, 5) + tail)
bad("bad_interlace.png", header(5, 5, 8, 0, 2) + tail)
bad("bad_checksum.png", header(5, 5, 8, 0)[:-1] + b"x" + tail)
bad("bad_signature.png", b"GIF89a" + bytes(60))
bad("bad_nothing.png", b"")
bad("bad_signature.jpg", b"\x89PNG\r\n\x1a\n")
bad("bad_nothing.jpg", b"")
bad("bad_end.jpg", b"\xff\xd8\xff\xd9")

pngs = [g for g in goldens if g["name"].endswith(".png")]
jpegs = [g for g in goldens if not g["name"].endswith(".png")]
for name, list_ in [("png", pngs), ("jpeg", jpegs)]:
    (here / f"golden_{name}.json").write_text(json.dumps(list_, indent=1) + "\n")
print(len(pngs), len(jpegs))
