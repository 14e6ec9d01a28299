"""Measures the data cache through HTTP: off, LRU and ours, beside Tiled 0.2.20
and zarr in this process.

    python bench/datacache/run.py [--quick] [--only WORD] [--no-tiled]

The response cache is off, so that nothing but the data cache helps. Everything
listens on loopback; the table goes to standard output and bench/out/datacache.md.
"""

import argparse
import collections
import http.client
import pathlib
import sys
import time

HERE = pathlib.Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent.parent / "tests")]

import data  # noqa: E402
import load  # noqa: E402
import numpy  # noqa: E402
import servers  # noqa: E402
import zarr  # noqa: E402

OUT = HERE.parent / "out"
HEIGHT, WIDTH = data.FRAME
WINDOW = 512
PLAIN = {"accept-encoding": "identity"}
FORMATS = ("application/octet-stream", "text/csv", "image/png")
CACHES = {
    "off": ["--data-cache", "0"],
    "LRU": ["--cache-policy", "lru", "--no-prefetch"],
    "ours": ["--no-prefetch"],
    "ours, reading ahead": [],
}


def make(folder):
    """A stack of frames in gzip, one chunk a frame, and one in slabs of 256 rows."""
    stack = data.frames()
    for name, chunks in (("frames", (1, HEIGHT, WIDTH)), ("slabs", (1, 256, WIDTH))):
        z = zarr.create_array(
            store=str(folder / f"{name}.zarr"),
            shape=stack.shape,
            dtype=stack.dtype,
            chunks=chunks,
            zarr_format=2,
            compressors=[numcodecs_gzip()],
        )
        z[...] = stack


def numcodecs_gzip():
    from numcodecs import GZip

    return GZip(level=4)


def windows(quick):
    """Overlapping windows over a few frames, each asked for in three formats."""
    rng = numpy.random.default_rng(1)
    for _ in range(60 if quick else 300):
        frame, y, x = rng.integers(8), rng.integers(HEIGHT - WINDOW), rng.integers(WIDTH - WINDOW)
        yield int(frame), (int(y), int(y) + WINDOW), (int(x), int(x) + WINDOW)


def slabs(quick):
    """Frames from top to bottom, six rows at a time (zarr-python#4306)."""
    for frame in range(1 if quick else 4):
        for y in range(0, HEIGHT, 6):
            yield frame, (y, min(y + 6, HEIGHT)), (0, WIDTH)


def scroll():
    """64 viewers that scroll ten frames from where it is popular, interleaved."""
    rng = numpy.random.default_rng(2)
    walks = [(int(rng.zipf(1.5)) + i) % data.FRAMES for _ in range(64) for i in range(10)]
    turns = collections.defaultdict(list)
    for i, frame in enumerate(walks):
        turns[i % 10].append(frame)
    return [f"/api/v1/array/full/frames?slice={frame}" for turn in turns.values() for frame in turn]


def ask(server, requests):
    """Asks one after the other; returns seconds and CPU seconds of the server."""
    host = server.url.removeprefix("http://")
    connection = http.client.HTTPConnection(host, timeout=300)
    cpu, begun = load.cpu_seconds(server.process.pid), time.monotonic()
    for path, accept in requests:
        connection.request("GET", path, headers={**PLAIN, "accept": accept})
        answer = connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{server.name}: {path}: {answer.status} {body[:300]}")
    return time.monotonic() - begun, load.cpu_seconds(server.process.pid) - cpu


def paths(node, boxes, formats):
    for frame, (y, yy), (x, xx) in boxes:
        for accept in formats:
            yield f"/api/v1/array/full/{node}?slice={frame},{y}:{yy},{x}:{xx}", accept


def local(folder, node, boxes, repeats, keep):
    """The same reads by zarr in this process, decoding each time or keeping chunks."""
    z = zarr.open_array(str(folder / f"{node}.zarr"), mode="r")
    kept, begun = {}, time.monotonic()
    for frame, (y, yy), (x, xx) in boxes:
        for _ in range(repeats):
            if keep:
                if frame not in kept:
                    kept[frame] = z[frame]
                kept[frame][y:yy, x:xx].tobytes()
            else:
                z[frame, y:yy, x:xx].tobytes()
    return time.monotonic() - begun


def measure(server, options):
    """All cases on one server: title → cell."""
    found = {}
    for title, node, boxes, formats in (
        ("overlapping windows in three formats", "frames", windows, FORMATS),
        ("slabs of 6 rows through chunks of 256", "slabs", slabs, FORMATS[:1]),
    ):
        if options.only in title:
            requests = list(paths(node, boxes(options.quick), formats))
            seconds, cpu = ask(server, requests)
            found[title] = f"{seconds:.2f} s ({1e3 * cpu / len(requests):.2f} ms)"
    title = "64 viewers that scroll"
    if options.only in title:
        rounds = [
            load.drive(server, scroll(), PLAIN, seconds=2 if options.quick else 8, connections=64, out=OUT)
            for _ in range(2)
        ]
        found[title] = f"{rounds[-1].rate:.0f} frames/s ({rounds[-1].cpu:.2f} ms)"
    found["peak memory"] = f"{load.memory(server.process.pid) / 2**20:.0f} MiB"
    return found


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", default="")
    parser.add_argument("--no-tiled", action="store_true")
    return parser.parse_args()


def main():
    options = arguments()
    OUT.mkdir(exist_ok=True)
    folder = OUT / "data" / "datacache"
    data.once(folder, make)
    columns = {}
    for name, flags in CACHES.items():
        server = servers.terrazzo(folder, "--response-cache", "0", *flags, name="terrazzo_datacache")
        time.sleep(3)  # until the files are trusted
        columns[name] = measure(server, options)
        server.stop()
    if not options.no_tiled:
        server = servers.tiled(folder, name="tiled_datacache")
        columns["Tiled 0.2.20"] = measure(server, options)
        server.stop()
    for name, keep in (("zarr, decoding", False), ("zarr, keeping chunks", True)):
        columns[name] = {
            "overlapping windows in three formats": f"{local(folder, 'frames', windows(options.quick), 3, keep):.2f} s",
            "slabs of 6 rows through chunks of 256": f"{local(folder, 'slabs', slabs(options.quick), 1, keep):.2f} s",
        }
    lines = ["| Seconds or rate (CPU ms of the server a request) | " + " | ".join(columns) + " |"]
    lines.append("|---" * (len(columns) + 1) + "|")
    for title in columns["ours"]:
        lines.append(f"| {title} | " + " | ".join(cells.get(title, "–") for cells in columns.values()) + " |")
    text = "\n".join(lines) + "\n"
    (OUT / "datacache.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
