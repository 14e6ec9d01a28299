"""Write *.jpg and golden.txt: small pictures of every kind that is decoded.

    python gen_jpegs.py     # needs numpy, pillow, simplejpeg

golden.txt has a line for each: name, width, height, components, SHA-256 of
numpy.asarray(Image.open(name)), which is libjpeg-turbo's work.
"""

import hashlib
import io
import pathlib

import numpy
import simplejpeg
from PIL import Image, ImageFilter

here = pathlib.Path(__file__).parent
rng = numpy.random.default_rng(7)


def picture(width: int, height: int, channels: int) -> numpy.ndarray:
    """Smooth ground, sharp edges, noise, and corners that leave the gamut."""
    y, x = numpy.mgrid[:height, :width]
    planes = []
    for c in range(channels):
        p = 128 + 100 * numpy.sin(x / (5 + c)) * numpy.cos(y / (7 - c))
        p[(x // 9 + y // 7 + c) % 3 == 0] = 255 * (c % 2)
        p += rng.normal(0, 12, p.shape)
        planes.append(p.clip(0, 255))
    out = numpy.stack(planes, -1).astype("u1")
    return out[..., 0] if channels == 1 else out


def pil(width: int, height: int, channels: int, **options) -> bytes:
    mode = {1: "L", 3: "RGB", 4: "CMYK"}[channels]
    out = io.BytesIO()
    Image.fromarray(picture(width, height, channels), mode).save(out, "JPEG", **options)
    return out.getvalue()


def patched(data: bytes, transform: int) -> bytes:
    """Say something else in the Adobe segment."""
    i = data.index(b"Adobe")
    return data[: i + 11] + bytes([transform]) + data[i + 12 :]


def without(data: bytes, marker: int) -> bytes:
    """Leave the first segment of that kind out."""
    i = data.index(bytes([0xFF, marker]))
    n = int.from_bytes(data[i + 2 : i + 4], "big")
    return data[:i] + data[i + 2 + n :]


files = {}
for quality in [5, 75, 100]:
    files[f"gray_q{quality}"] = pil(37, 29, 1, quality=quality)
for name, sub in [("444", 0), ("422", 1), ("420", 2)]:
    for width, height in [(37, 29), (64, 48), (33, 17), (3, 3), (4, 4), (5, 2), (1, 1)]:
        files[f"rgb{name}_{width}x{height}"] = pil(width, height, 3, subsampling=sub, quality=90)
    files[f"rgb{name}_q100"] = pil(41, 35, 3, subsampling=sub, quality=100)
    files[f"rgb{name}_q10"] = pil(41, 35, 3, subsampling=sub, quality=10)
    files[f"rgb{name}_progressive"] = pil(75, 43, 3, subsampling=sub, quality=85, progressive=True)
    files[f"rgb{name}_restart"] = pil(75, 43, 3, subsampling=sub, quality=60, restart_marker_blocks=3)
for name in ["440", "411"]:
    for width, height in [(37, 29), (64, 48), (5, 9), (1, 2)]:
        files[f"rgb{name}_{width}x{height}"] = simplejpeg.encode_jpeg(
            numpy.ascontiguousarray(picture(width, height, 3)), quality=88, colorsubsampling=name
        )
files["gray_progressive"] = pil(75, 43, 1, progressive=True)
files["gray_progressive_restart"] = pil(75, 43, 1, progressive=True, restart_marker_rows=1)
files["gray_optimised"] = pil(75, 43, 1, optimize=True, restart_marker_rows=2)
files["rgb_kept"] = pil(37, 29, 3, keep_rgb=True)
files["rgb_by_ids"] = without(files["rgb_kept"], 0xEE)
files["rgb_kept_progressive"] = pil(37, 29, 3, keep_rgb=True, progressive=True)
files["rgb_no_jfif"] = without(pil(37, 29, 3, quality=90), 0xE0)
files["cmyk"] = pil(37, 29, 4, quality=90)
files["cmyk_no_adobe"] = without(files["cmyk"], 0xEE)
files["cmyk_progressive"] = pil(37, 29, 4, quality=90, progressive=True)
files["ycck"] = patched(files["cmyk"], 2)
files["cmyk_420"] = pil(37, 29, 4, quality=90, subsampling=2)
files["ycck_420"] = patched(files["cmyk_420"], 2)
files["exif"] = pil(37, 29, 3, exif=b"Exif\0\0MM\0*\0\0\0\x08\0\0" + bytes(9000), quality=20)

lines = []
for name, data in sorted(files.items()):
    (here / f"{name}.jpg").write_bytes(data)
    array = numpy.asarray(Image.open(here / f"{name}.jpg"))
    height, width, *rest = array.shape
    lines.append(f"{name} {width} {height} {rest[0] if rest else 1} {hashlib.sha256(array.tobytes()).hexdigest()}\n")
(here / "golden.txt").write_text("".join(lines))
print(len(files), "files,", sum(map(len, files.values())), "bytes")
