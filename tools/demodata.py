"""Writes the folder of files that `make demo` serves.

    python demodata.py DIR

A small beamline's day: a stack of frames, the same as a run of TIFF files and
as a NeXus file, a table of spectra in CSV and Parquet, an image, a Zarr array.
All values are computed, so that two runs write the same data.
"""

import pathlib
import sys

import h5py
import numpy
import pandas
import PIL.Image
import tifffile
import zarr


def frames(count, size):
    """Rings that move outwards: count frames of size by size counts."""
    y, x = numpy.mgrid[0:size, 0:size] - size / 2
    radius = numpy.hypot(x, y)
    phase = numpy.arange(count)[:, None, None] / 4
    rings = 1 + numpy.cos(radius / (size / 57) - phase)
    return (2000 * numpy.exp(-((radius / size) ** 2) * 4) * rings).astype("u2")


def spectra(rows):
    energy = 8000 + numpy.arange(rows) / 4
    edge = 1 / (1 + numpy.exp(-(energy - 8333) / 3))
    return pandas.DataFrame(
        {
            "energy": energy,
            "counts": (1e5 * (0.2 + edge)).astype("i8"),
            "edge": numpy.where(energy < 8333, "below", "above"),
        }
    )


def nexus(path, stack):
    with h5py.File(path, "w") as file:
        file.attrs["default"] = "entry"
        entry = file.create_group("entry")
        entry.attrs["NX_class"] = "NXentry"
        entry["title"] = "nickel at 295 K"
        data = entry.create_group("data")
        data.attrs.update({"NX_class": "NXdata", "signal": "counts"})
        data.create_dataset(
            "counts", data=stack, chunks=(1, *stack.shape[1:]), compression="gzip", compression_opts=1, shuffle=True
        )
        data.create_dataset("time", data=numpy.arange(len(stack)) / 10)
        data["time"].attrs["units"] = "s"


def main(root):
    stack = frames(30, 512)
    scan = root / "scan"
    scan.mkdir(parents=True, exist_ok=True)
    numpy.save(scan / "detector.npy", stack)
    nexus(scan / "run.nxs", stack)
    (scan / "tiffs").mkdir(exist_ok=True)
    for i, frame in enumerate(stack[:12]):
        tifffile.imwrite(scan / "tiffs" / f"frame{i:04d}.tif", frame)
    table = spectra(3000)
    (root / "tables").mkdir(exist_ok=True)
    table.to_csv(root / "tables" / "spectra.csv", index=False)
    table.to_parquet(root / "tables" / "absorption.parquet", row_group_size=1000)
    gray = (frames(1, 256)[0] / 16).clip(0, 255).astype("u1")
    PIL.Image.fromarray(numpy.dstack([gray, gray // 2, 255 - gray])).save(root / "picture.png")
    array = zarr.create_array(
        root / "volume.zarr", shape=(40, 128, 128), chunks=(10, 64, 64), dtype="f4", overwrite=True
    )
    array[:] = frames(40, 128)
    array.attrs["sample"] = "nickel"
    (root / "notes.txt").write_text("Any other file is served as it is.\n")


if __name__ == "__main__":
    main(pathlib.Path(sys.argv[1]))
