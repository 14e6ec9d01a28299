"""Measures the data cache through HTTP: off, LRU and ours, beside Tiled 0.2.20, xpublish
with cachey, and h5py and zarr in this process.

    python bench/datacache/run.py [--quick] [--only WORD] [--rounds N]

The response cache is off, so that nothing but the data cache helps. Every round starts
each server anew, one after the other. Everything listens on loopback; the tables go to
standard output and bench/out/datacache.md.
"""

import argparse
import concurrent.futures
import http.client
import pathlib
import re
import statistics
import subprocess
import sys
import time
import urllib.request

HERE = pathlib.Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent), str(HERE.parent.parent / "tests")]

import data  # noqa: E402
import files  # noqa: E402
import load  # noqa: E402
import numpy  # noqa: E402
import peers  # noqa: E402
import servers  # noqa: E402

OUT = HERE.parent / "out"
HEIGHT, WIDTH = data.FRAME
WINDOW = 512
PLAIN = {"accept-encoding": "identity"}
FORMATS = ("application/octet-stream", "image/tiff", "image/png")
CACHES = {
    "off": ["--data-cache", "0"],
    "LRU": ["--cache-policy", "lru", "--no-prefetch"],
    "ours, not reading ahead": ["--no-prefetch"],
    "ours": [],
}
PATIENCE = 4  # seconds for one walk; what was not asked for by then is estimated from what was


def windows(count):
    """Overlapping windows over a few frames."""
    rng = numpy.random.default_rng(1)
    for _ in range(count):
        frame, y, x = rng.integers(8), rng.integers(HEIGHT - WINDOW), rng.integers(WIDTH - WINDOW)
        yield int(frame), (int(y), int(y) + WINDOW), (int(x), int(x) + WINDOW)


def slabs(count):
    """Frames from top to bottom, six rows at a time (zarr-python#4306)."""
    for i in range(count):
        frame, y = divmod(6 * i, HEIGHT - HEIGHT % 6)
        yield frame, (y, y + 6), (0, WIDTH)


def popular(count, seed=2):
    """Frames that viewers who scroll ten frames from where it is popular ask for, 64 in turns."""
    rng = numpy.random.default_rng(seed)
    starts = rng.zipf(1.5, 64)
    return [int(starts[i % 64] + i // 64) % data.FRAMES for i in range(count)]


class Asker:
    """One connection to a server."""

    def __init__(self, server):
        self.server = server
        self.connection = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=300)

    def __call__(self, path, accept="application/octet-stream"):
        self.connection.request("GET", path, headers={**PLAIN, "accept": accept})
        answer = self.connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{self.server.name}: {path}: {answer.status} {body[:300]}")
        return body


def full(node, box):
    frame, (y, yy), (x, xx) = box
    return f"/api/v1/array/full/{node}?slice={frame},{y}:{yy},{x}:{xx}"


def decodes(server):
    """Blocks that Terrazzo has read and decoded so far; None for others."""
    if server.name != "terrazzo_datacache":
        return None
    ask = urllib.request.Request(f"{server.url}/api/v1/metrics", headers={"authorization": f"Apikey {servers.KEY}"})
    text = urllib.request.urlopen(ask).read().decode()
    found = dict(re.findall(r"^(terrazzo_data_\w+_total) ([\d.e+]+)$", text, re.M))
    cache = "terrazzo_data_cache_"
    if f"{cache}misses_total" in found:
        return sum(float(found[f"{cache}{what}_total"]) for what in ("misses", "prefetch_begun"))
    return float(found["terrazzo_data_blocks_total"])


class Cell:
    """What one case cost on one server: a cell of the table, of several rounds."""

    def __init__(self, form):
        self.form, self.values = form, []

    def add(self, **values):
        self.values.append(values)

    def __str__(self):
        names = self.values[0]
        middle = {n: statistics.median(v[n] for v in self.values) for n in names if self.values[0][n] is not None}
        return self.form(middle)


def walk(middle):
    text = f"{middle['seconds']:.2f} s"
    if "cpu" in middle:
        text += f", {middle['cpu']:.2f} ms"
    if "decodes" in middle:
        text += f", {middle['decodes']:.0f} blocks"
    return text


def rate(middle):
    failed = f", {middle['failed']:.0f} failed" if middle["failed"] else ""
    return f"{middle['rate']:.0f}/s, {middle['cpu']:.2f} ms{failed}"


def size(middle):
    return f"{middle['bytes'] / 2**20:.0f} MiB"


def run_walk(server, node, boxes, formats):
    """Asks for boxes in each of the formats, one after the other."""
    ask, asked = Asker(server), 0
    requests = [(full(node, box), accept) for box in boxes for accept in formats]
    before, cpu, begun = decodes(server), load.cpu_seconds(server.process.pid), time.monotonic()
    for path, accept in requests:
        ask(path, accept)
        asked += 1
        if time.monotonic() - begun > PATIENCE:
            break
    seconds = (time.monotonic() - begun) * len(requests) / asked
    cpu = (load.cpu_seconds(server.process.pid) - cpu) / asked * 1e3
    return {"seconds": seconds, "cpu": cpu, "decodes": None if before is None else decodes(server) - before}


def run_rate(server, paths, connections, seconds):
    """Asks with wrk, after every path was asked for once, or as many as patience allows."""
    ask, begun = Asker(server), time.monotonic()
    for path in dict.fromkeys(paths):
        if time.monotonic() - begun < PATIENCE:
            ask(path)
    got = load.drive(server, paths, PLAIN, seconds=seconds, connections=connections, out=OUT)
    if got.bad and server.name.startswith("terrazzo"):
        raise RuntimeError(f"{server.name}: {got.bad} bad answers")
    return {"rate": got.rate, "cpu": got.cpu, "failed": got.bad}


def cases(server, options):
    """All cases that a server can do: title, form of its cell, how to measure it."""
    count = 60 if options.quick else 300
    seconds = 2 if options.quick else 3
    if server.name.startswith("xpublish"):
        paths = [f"/datasets/frames/zarr/frames/{frame}.0.0" for frame in popular(640)]
        yield "hot frames, 1 client", rate, lambda: run_rate(server, paths[:8], 1, seconds)
        yield "hot frames, 64 clients", rate, lambda: run_rate(server, paths[:8], 64, seconds)
        yield "64 viewers, gzip HDF5", rate, lambda: run_rate(server, paths, 64, seconds)
        return
    for title, node in (("gzip HDF5 frames", "frames/d"), ("lzf HDF5 tiles", "tiles/d"), ("TIFF", "stack")):
        yield (
            f"{count} windows in three formats, {title}",
            walk,
            lambda node=node: run_walk(server, node, windows(count), FORMATS),
        )
        yield (
            f"{count} windows, {title}",
            walk,
            lambda node=node: run_walk(server, node, windows(count), FORMATS[:1]),
        )
    yield (
        "slabs of 6 rows through chunks of 256",
        walk,
        lambda: run_walk(server, "slabs", slabs(2 * count), FORMATS[:1]),
    )
    hot = [f"/api/v1/array/full/frames/d?slice={frame}" for frame in range(8)]
    yield "hot frames, 1 client", rate, lambda: run_rate(server, hot, 1, seconds)
    yield "hot frames, 64 clients", rate, lambda: run_rate(server, hot, 64, seconds)
    for title, node in (("gzip HDF5", "frames/d"), ("TIFF", "stack")):
        paths = [f"/api/v1/array/full/{node}?slice={frame}" for frame in popular(640)]
        yield f"64 viewers, {title}", rate, lambda paths=paths: run_rate(server, paths, 64, seconds)


def measure(server, options, column):
    for title, form, run in cases(server, options):
        if options.only in title:
            column.setdefault(title, Cell(form)).add(**run())
    column.setdefault("peak memory", Cell(size)).add(bytes=load.memory(server.process.pid))


def local(folder, options, column, keep):
    """The walks by h5py and zarr in this process, which decode each time or keep chunks."""
    count = 60 if options.quick else 300
    for title, name in (("gzip HDF5 frames", "frames"), ("lzf HDF5 tiles", "tiles")):
        for repeats, row in ((3, f"{count} windows in three formats, {title}"), (1, f"{count} windows, {title}")):
            if options.only in row:
                seconds = files.read_windows(folder / f"{name}.h5", list(windows(count)), repeats, keep, PATIENCE)
                column.setdefault(row, Cell(walk)).add(seconds=seconds)
    row = "slabs of 6 rows through chunks of 256"
    if options.only in row:
        seconds = files.read_slabs(folder / "slabs.zarr", slabs(count * 2), keep)
        column.setdefault(row, Cell(walk)).add(seconds=seconds)


def live(folder, options):
    """A writer of ten frames a second in SWMR mode, and 20 viewers who follow it."""
    seconds, pause = (6, 0.1) if options.quick else (40, 0.1)
    file = folder / "live.h5"
    file.unlink(missing_ok=True)
    server = servers.terrazzo(folder, "--response-cache", "0", name="terrazzo_datacache")
    command = [sys.executable, HERE / "files.py", file, str(int(seconds / pause)), str(pause)]
    writer = subprocess.Popen(list(map(str, command)), stdout=subprocess.PIPE, text=True)
    writer.stdout.readline()
    written, before = [0], decodes(server)

    def follow(number):
        ask, seen, stale, asked = Asker(server), 0, 0, 0
        while writer.poll() is None:
            want = written[0] - 1
            if want < 0 or want == seen:
                time.sleep(0.01)
                continue
            seen = want
            asked += 1
            body = numpy.frombuffer(ask(f"/api/v1/array/full/live/d?slice={want}"), "<u2")
            stale += not (body == want + 1).all()
        return asked, stale

    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        viewers = [pool.submit(follow, number) for number in range(20)]
        for line in writer.stdout:
            written[0] = int(line)
        results = [v.result() for v in viewers]
    asked, stale = (sum(column) for column in zip(*results, strict=True))
    once = (decodes(server) - before) / max(1, written[0])
    server.stop()
    file.unlink()
    return (
        f"A live run: {written[0]} frames at {1 / pause:.0f} a second in SWMR mode, 20 viewers who asked for "
        f"{asked} frames: {once:.2f} decodes a frame, {stale} stale or torn answers.\n"
    )


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", default="", help="only cases with this in their title")
    parser.add_argument("--rounds", type=int, default=0, help="of all servers; 2 unless --quick")
    return parser.parse_args()


def contenders(folder):
    for name, flags in CACHES.items():
        yield (
            name,
            lambda flags=flags: servers.terrazzo(folder, "--response-cache", "0", *flags, name="terrazzo_datacache"),
        )
    yield "Tiled 0.2.20", lambda: servers.tiled(folder, name="tiled_datacache")
    if files.has_xpublish():
        yield "xpublish 0.5.2, cachey", lambda: files.xpublish(folder)


def table(columns):
    rows = dict.fromkeys(title for cells in columns.values() for title in cells)
    lines = ["| | " + " | ".join(columns) + " |", "|---" * (len(columns) + 1) + "|"]
    for title in rows:
        lines.append(f"| {title} | " + " | ".join(str(cells.get(title, "–")) for cells in columns.values()) + " |")
    return "\n".join(lines) + "\n"


def main():
    options = arguments()
    OUT.mkdir(exist_ok=True)
    folder = OUT / "data" / "blocks"
    data.once(folder, files.make)
    time.sleep(3)  # until all files are trusted
    columns = {}
    rounds = options.rounds or (1 if options.quick else 2)
    for _ in range(rounds):
        for name, start in contenders(folder):
            server = start()
            measure(server, options, columns.setdefault(name, {}))
            server.stop()
        for name, keep in (("h5py and zarr, decoding", False), ("h5py and zarr, keeping chunks", True)):
            local(folder, options, columns.setdefault(name, {}), keep)
    text = (
        f"{peers.about()} Medians of {rounds} rounds. Walks: seconds in all, CPU milliseconds of the server a request, blocks "
        f"decoded; after {PATIENCE} s a walk is cut short and the rest estimated. Rates: frames of 2.25 MB a second, CPU "
        f"milliseconds of the server a frame; wrk takes its share of the same cores.\n\n" + table(columns)
    )
    if options.only in "live":
        live_folder = OUT / "data" / "live"
        live_folder.mkdir(parents=True, exist_ok=True)
        text += "\n" + live(live_folder, options)
    (OUT / "datacache.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
