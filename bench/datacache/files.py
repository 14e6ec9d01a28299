"""The files that the benchmark of the data cache reads, who else reads them, and who
writes while they are read:

    python bench/datacache/files.py FILE FRAMES PAUSE
"""

import importlib.util
import os
import pathlib
import sys
import time

HERE = pathlib.Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent.parent / "tests")]

import data  # noqa: E402
import h5py  # noqa: E402
import servers  # noqa: E402
import tifffile  # noqa: E402
import zarr  # noqa: E402

EXTRA = HERE.parent.parent / ".tmp" / "bench"  # tools/setup bench
# xpublish keeps what its routes give to the cachey cache; the route of Zarr chunks that it
# once had is made here again.
XPUBLISH = """
import sys, time, fastapi, h5py, xarray, xpublish
file = h5py.File(sys.argv[1], "r")

class Chunks(xpublish.Plugin):
    name: str = "zarr"

    @xpublish.hookimpl
    def dataset_router(self, deps: xpublish.Dependencies):
        router = fastapi.APIRouter(prefix="/zarr")

        @router.get("/{name}/{chunk}")
        def chunk(name: str, chunk: str, dataset=fastapi.Depends(deps.dataset), cache=fastapi.Depends(deps.cache)):
            key = name + "/" + chunk
            body = cache.get(key)
            if body is None:
                begun = time.perf_counter()
                body = file["d"][int(chunk.partition(".")[0])].tobytes()
                cache.put(key, body, time.perf_counter() - begun, len(body))
            return fastapi.Response(body, media_type="application/octet-stream")

        return router

rest = xpublish.Rest({"frames": xarray.Dataset()}, cache_kws={"available_bytes": 1e9}, plugins={"zarr": Chunks()})
rest.serve(host="127.0.0.1", port=int(sys.argv[2]), log_level="error")
"""


def make(folder):
    """One stack of frames: in gzip and a chunk a frame, in lzf and tiles of a quarter, as a
    TIFF of deflated pages, and in slabs of 256 rows."""
    stack = data.frames()
    height, width = data.FRAME
    with h5py.File(folder / "frames.h5", "w") as file:
        file.create_dataset("d", data=stack, chunks=(1, height, width), compression="gzip", compression_opts=4)
    with h5py.File(folder / "tiles.h5", "w") as file:
        file.create_dataset("d", data=stack, chunks=(1, height // 2, width // 2), compression="lzf")
    tifffile.imwrite(folder / "stack.tiff", stack, compression="zlib", photometric="minisblack")
    z = zarr.create_array(
        store=str(folder / "slabs.zarr"), shape=stack.shape, dtype=stack.dtype, chunks=(1, 256, width), zarr_format=2
    )
    z[...] = stack


def read_windows(path, boxes, repeats, keep, patience):
    """Seconds for windows, each as often, from a file whose library keeps no chunk, or which
    are cut from chunks that this program keeps; after that many, the rest is estimated."""
    kept, begun, asked = {}, time.monotonic(), 0
    with h5py.File(path, "r", rdcc_nbytes=0) as file:
        d = file["d"]
        for frame, (y, yy), (x, xx) in boxes:
            if time.monotonic() - begun > patience:
                break
            asked += 1
            for _ in range(repeats):
                if not keep:
                    d[frame, y:yy, x:xx].tobytes()
                    continue
                if frame not in kept:
                    kept[frame] = d[frame]
                kept[frame][y:yy, x:xx].tobytes()
    return (time.monotonic() - begun) * len(boxes) / asked


def read_slabs(path, boxes, keep):
    z = zarr.open_array(str(path), mode="r")
    kept, begun = {}, time.monotonic()
    for frame, (y, yy), _ in boxes:
        if not keep:
            z[frame, y:yy].tobytes()
            continue
        for chunk in range(y // 256, (yy - 1) // 256 + 1):
            if (frame, chunk) not in kept:
                kept[frame, chunk] = z[frame, 256 * chunk : 256 * (chunk + 1)]
            part = kept[frame, chunk]
            part[max(0, y - 256 * chunk) : yy - 256 * chunk].tobytes()
    return time.monotonic() - begun


def has_xpublish():
    return (EXTRA / "xpublish").exists() or importlib.util.find_spec("xpublish") is not None


def xpublish(folder):
    """The frames through xpublish, which keeps encoded chunks with cachey."""
    port = servers.free_port()
    command = [sys.executable, "-c", XPUBLISH, folder / "frames.h5", port]
    path = os.pathsep.join([str(EXTRA), os.environ.get("PYTHONPATH", "")])
    return servers.start("xpublish", command, port, _listens, {"PYTHONPATH": path})


def _listens(log, port):
    import peers

    return peers.listens(log, port)


def write(path, frames, pause):
    """Frame i is all of the number i + 1; says after each how many there are."""
    with h5py.File(path, "w", libver=("v110", "v110")) as file:
        shape = data.FRAME
        d = file.create_dataset(
            "d", (0, *shape), maxshape=(None, *shape), chunks=(1, *shape), dtype="<u2", compression="gzip"
        )
        file.swmr_mode = True
        print(0, flush=True)
        begun = time.monotonic()
        for i in range(frames):
            d.resize(i + 1, 0)
            d[i] = i + 1
            d.flush()
            print(i + 1, flush=True)
            time.sleep(max(0, begun + (i + 1) * pause - time.monotonic()))


if __name__ == "__main__":
    write(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]))
