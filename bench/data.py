"""Makes the folders that the benchmarks serve, once: bench/out/data."""

import pathlib

import numpy
import pandas
import zarr

FRAME = (1024, 1100)  # of 2-byte pixels: 2.25 MB
FRAMES = 64
LARGE = (16, 4096, 8192)  # of 2-byte pixels: 64 MB a frame, 1 GB in all
ROWS = 1_000_000


def make(root, counts, large):
    """Folders under root; counts are the sizes of the folders of small files."""
    once(root / "speed", speed)
    once(root / "static", static)
    if large:
        once(root / "memory", memory)
    for count in counts:
        once(root / f"files_{count}", lambda folder, count=count: files(folder, count))


def once(folder, write):
    stamp = folder.with_suffix(".done")
    if not stamp.exists():
        folder.mkdir(parents=True, exist_ok=True)
        write(folder)
        stamp.touch()


def frames():
    """Counts of a detector: mostly small numbers, so that they compress."""
    rng = numpy.random.default_rng(1)
    return rng.poisson(6, (FRAMES, *FRAME)).astype("<u2")


def speed(folder):
    stack = frames()
    numpy.save(folder / "stack.npy", stack)
    z = zarr.create_array(
        store=str(folder / "chunked.zarr"), shape=stack.shape, dtype=stack.dtype, chunks=(1, 512, 550), zarr_format=2
    )
    z[...] = stack
    rng = numpy.random.default_rng(2)
    columns = {f"column_{i:02d}": rng.normal(size=ROWS) for i in range(20)}
    pandas.DataFrame(columns).to_parquet(folder / "table.parquet", index=False, row_group_size=ROWS // 4)


def static(folder):
    for i, frame in enumerate(frames()):
        (folder / f"{i}.bin").write_bytes(frame.tobytes())
    (folder / "node.json").write_text('{"data": "' + "x" * 1200 + '"}')


def memory(folder):
    big = numpy.lib.format.open_memmap(folder / "big.npy", mode="w+", dtype="<u2", shape=LARGE)
    for i in range(LARGE[0]):
        big[i] = numpy.arange(LARGE[1] * LARGE[2], dtype="u4").reshape(LARGE[1:]) % 50_000 + i
    big.flush()


def files(folder, count):
    """Small arrays, and one Zarr group in a hundred, which has metadata."""
    body = pathlib.Path(folder / "one.npy")
    numpy.save(body, numpy.arange(10))
    content = body.read_bytes()
    body.unlink()
    for i in range(count):
        if i % 100 == 99:
            group = zarr.open_group(str(folder / f"g{i:06d}.zarr"), mode="w", zarr_format=2)
            group.attrs.update({"number": i, "color": ["red", "green"][i // 100 % 2]})
        else:
            (folder / f"f{i:06d}x.npy").write_bytes(content)
