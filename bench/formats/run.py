"""Measures what it costs to read HDF5, Zarr and TIFF files through HTTP, beside
h5py, zarr and tifffile in this process and beside Tiled 0.2.20.

    python bench/formats/run.py [--quick] [--only WORD] [--no-tiled]

No cache helps: Terrazzo runs without its data cache and its response cache, and
before each round the files are dropped from the page cache (posix_fadvise),
which a virtual disk may keep anyway. Rounds are interleaved; the table has
medians and, in brackets, the spread. Everything listens on loopback; the table
goes to standard output and to bench/out/formats.md.
"""

import argparse
import concurrent.futures
import dataclasses
import http.client
import os
import pathlib
import statistics
import sys
import threading
import time

HERE = pathlib.Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent.parent / "tests")]

import data  # noqa: E402
import h5py  # noqa: E402
import httpx  # noqa: E402
import load  # noqa: E402
import numpy  # noqa: E402
import servers  # noqa: E402
import tifffile  # noqa: E402
import zarr  # noqa: E402

OUT = HERE.parent / "out"
STACK, SEQUENCE, CHUNKS, FILES = 60, 300, 100_000, 100
CONNECTIONS = 4  # of one client that reads a whole array, as Tiled's does
VIEWERS = 64
ROI = (slice(None), slice(300, 332), slice(500, 532))
PLAIN = {"accept-encoding": "identity"}


def make(folder):
    frames = data.frames()
    with h5py.File(folder / "stack.h5", "w") as file:
        file.create_dataset("d", data=frames[:STACK], chunks=(1, *data.FRAME), compression="gzip", shuffle=True)
    with h5py.File(folder / "roi.h5", "w") as file:
        cut = numpy.concatenate([frames] * 4)[:200, :512, :550]
        file.create_dataset("d", data=cut, chunks=(1, 512, 550), compression="gzip", shuffle=True)
    with h5py.File(folder / "chunks.h5", "w", libver=("v110", "v110")) as file:
        rows = numpy.arange(CHUNKS * 256, dtype="<i4").reshape(CHUNKS, 256)
        file.create_dataset("d", data=rows, chunks=(1, 256), compression="gzip")
    z = zarr.create_array(
        store=str(folder / "blosc.zarr"),
        shape=(STACK, *data.FRAME),
        dtype="<u2",
        chunks=(1, *data.FRAME),
        zarr_format=2,
        compressors=[blosc()],
    )
    z[...] = frames[:STACK]
    (folder / "tiff").mkdir()
    for i in range(SEQUENCE):
        tifffile.imwrite(folder / "tiff" / f"frame_{i:04d}.tif", frames[i % len(frames)])
    os.sync()  # only what is on the disk can be dropped from memory


def blosc():
    from numcodecs import Blosc

    return Blosc("lz4", clevel=5, shuffle=Blosc.SHUFFLE)


def make_files(folder):
    for i in range(FILES):
        with h5py.File(folder / f"one{chr(97 + i // 26)}{chr(97 + i % 26)}.h5", "w") as file:
            file.create_dataset("d", data=numpy.arange(100) + i)
            file["d"].attrs["number"] = i
    os.sync()


@dataclasses.dataclass
class Case:
    title: str
    unit: str
    paths: list  # of requests, one for each unit unless count says otherwise
    files: list  # behind them
    local: tuple  # name of the library, and what it does in this process
    count: int = 0  # units in all
    size: int = 0  # bytes of each body; 0: not checked
    connections: int = CONNECTIONS
    tiled: int = 0  # requests that Tiled is given, which is slow; 0: all


def cases(folder, sequence):
    frame = data.FRAME[0] * data.FRAME[1] * 2
    pictures = sorted((folder / "tiff").iterdir())
    zarrs = [path for path in (folder / "blosc.zarr").rglob("*") if path.is_file()]
    whole = "/api/v1/array/full/"
    yield Case(
        f"whole HDF5 stack, gzip and shuffle, {STACK} frames of 2.25 MB", "frame",
        [f"{whole}stack/d?slice={i}" for i in range(STACK)], [folder / "stack.h5"],
        ("h5py", lambda: each(folder / "stack.h5", range(STACK))), size=frame, tiled=20,
    )  # fmt: skip
    yield Case(
        f"whole Zarr array, blosc, {STACK} frames", "frame",
        [f"{whole}blosc?slice={i}" for i in range(STACK)], zarrs,
        ("zarr", lambda: zarr.open_array(str(folder / "blosc.zarr"), mode="r")[...]), size=frame, tiled=20,
    )  # fmt: skip
    yield Case(
        f"sequence of {SEQUENCE} TIFF files", "frame",
        [f"{whole}{sequence}?slice={i}" for i in range(SEQUENCE)], pictures,
        ("tifffile", lambda: [tifffile.imread(path) for path in pictures]), size=frame, tiled=20,
    )  # fmt: skip
    yield Case(
        "32² pixels of 200 frames: 200 chunks of HDF5", "selection",
        [f"{whole}roi/d?slice=:,300:332,500:532"] * 4, [folder / "roi.h5"],
        ("h5py", lambda: [each(folder / "roi.h5", [ROI]) for _ in range(4)]), size=200 * 32 * 32 * 2, connections=1,
    )  # fmt: skip
    yield Case(
        f"every 500th of {CHUNKS:,} chunks of HDF5", "selection",
        [f"{whole}chunks/d?slice=::500"] * 4, [folder / "chunks.h5"],
        ("h5py", lambda: [each(folder / "chunks.h5", [slice(None, None, 500)]) for _ in range(4)]),
        size=CHUNKS // 500 * 1024, connections=1,
    )  # fmt: skip
    yield Case(
        f"all of {CHUNKS:,} chunks of HDF5, in ten requests", "array",
        [f"{whole}chunks/d?slice={i}:{i + CHUNKS // 10}" for i in range(0, CHUNKS, CHUNKS // 10)], [folder / "chunks.h5"],
        ("h5py", lambda: each(folder / "chunks.h5", [...])), count=1, size=CHUNKS // 10 * 1024, tiled=1,
    )  # fmt: skip


def opening(folder):
    files = sorted(folder.glob("*.h5"))
    return Case(
        f"first read of a small HDF5 file, {len(files)} of them", "file",
        [f"/api/v1/array/full/{path.stem}/d" for path in files], files,
        ("h5py", lambda: [each(path, [...]) for path in files]), size=800, connections=1, tiled=30,
    )  # fmt: skip


def each(path, parts):
    with h5py.File(path) as file:
        for part in parts:
            file["d"][part]


def forget(files):
    """Drops files from the page cache, as far as the machine does that."""
    for path in files:
        descriptor = os.open(path, os.O_RDONLY)
        os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        os.close(descriptor)


class Asker:
    """Asks a server through a few connections, one for each thread."""

    def __init__(self, server):
        self.host, self.own = server.url.removeprefix("http://"), threading.local()

    def __call__(self, path):
        if not hasattr(self.own, "connection"):
            self.own.connection = http.client.HTTPConnection(self.host, timeout=300)
        self.own.connection.request("GET", path, headers=PLAIN)
        answer = self.own.connection.getresponse()
        body = answer.read()
        if answer.status != 200:
            raise RuntimeError(f"{path}: {answer.status} {body[:300]}")
        return len(body)


def through(server, case, paths):
    """Reads all paths: seconds, and CPU seconds of the server and its hosts."""
    cpu, begun = load.cpu_seconds(server.process.pid), time.monotonic()
    with concurrent.futures.ThreadPoolExecutor(case.connections) as pool:
        sizes = set(pool.map(Asker(server), paths))
    spent = time.monotonic() - begun
    if case.size and sizes != {case.size}:
        raise RuntimeError(f"{server.name}: {case.title}: bodies of {sizes} bytes, expected {case.size}")
    return spent, load.cpu_seconds(server.process.pid) - cpu


def here(case):
    cpu, begun = time.process_time(), time.monotonic()
    case.local[1]()
    return time.monotonic() - begun, time.process_time() - cpu


def compare(case, who, rounds):
    """Of each: (milliseconds, CPU milliseconds) a unit, one pair for each round."""
    found, spent = {}, 0
    units = case.count or len(case.paths)
    for number in range(rounds):
        for name, server in who.items():
            begun = time.monotonic()
            if name == "Tiled" and number > 0 and spent > 10:
                continue  # one round tells enough
            forget(case.files)
            paths = case.paths[: case.tiled or None] if name == "Tiled" else case.paths
            share = units * len(paths) / len(case.paths)
            try:
                result = through(server, case, paths) if server else here(case)
            except (RuntimeError, OSError, http.client.HTTPException) as error:
                found[name] = str(error)[:80]
                continue
            if isinstance(found.get(name, []), list):
                found.setdefault(name, []).append([1e3 * seconds / share for seconds in result])
            if name == "Tiled":
                spent += time.monotonic() - begun
    return found


def number(value):
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def cell(results):
    if not isinstance(results, list):
        return results or "–"
    wall, cpu = ([result[i] for result in results] for i in (0, 1))
    return f"{number(statistics.median(wall))} [{number(min(wall))}–{number(max(wall))}], CPU {number(statistics.median(cpu))}"


def ratio(a, b, which):
    if not (isinstance(a, list) and isinstance(b, list)):
        return "–"
    one, two = (statistics.median(result[which] for result in results) for results in (a, b))
    return f"{number(one / max(two, 1e-9))} ×"


def row(case, found):
    ours, tiled, local = found.get("Terrazzo"), found.get("Tiled"), found.get("here")
    cells = [f"{case.title}: ms for each {case.unit}", cell(ours), f"{case.local[0]}: {cell(local)}", cell(tiled)]
    cells += [ratio(local, ours, 0), ratio(tiled, ours, 0), ratio(tiled, ours, 1)]
    return "| " + " | ".join(cells) + " |"


HEAD = [
    "| Milliseconds [spread], CPU ms of the server with its hosts | Terrazzo | in this process | Tiled | speed : library | speed : Tiled | CPU : Tiled |",
    "|---|---|---|---|---|---|---|",
]


def start(folder, options):
    """Terrazzo without caches and, if wanted, Tiled, both over a folder."""
    who = {"Terrazzo": servers.terrazzo(folder, "--data-cache", "0", "--response-cache", "0", name="terrazzo_formats")}
    if not options.no_tiled:
        who["Tiled"] = servers.tiled(folder, name="tiled_formats")
    time.sleep(2.1)  # until the files are trusted
    return who


def stop(who):
    for server in who.values():
        server.stop()


def sequence_key(server):
    answer = httpx.get(f"{server.api}/search/tiff", params={"fields": ""}, timeout=60, trust_env=False)
    return "tiff/" + answer.raise_for_status().json()["data"][0]["id"]


def viewers(who, key, options):
    """64 viewers that scroll ten frames from where it is popular (Zipf)."""
    yield ""
    yield f"| Frames a second of {VIEWERS} viewers that scroll, no cache (CPU ms a frame; p99) | Terrazzo | Tiled | rate : Tiled |"
    yield "|---|---|---|---|"
    rng = numpy.random.default_rng(2)
    starts = rng.zipf(1.5, VIEWERS)
    for title, node, frames in (("HDF5, gzip and shuffle", "stack/d", STACK), ("TIFF sequence", key, SEQUENCE)):
        walks = [int(start + i) % frames for i in range(10) for start in starts]
        paths = [f"/api/v1/array/full/{node}?slice={frame}" for frame in walks]
        found = {name: [] for name in who}
        for number_ in range(options.rounds + 1):
            for name, server in who.items():
                if name == "Tiled" and number_ > 1:
                    continue  # the first warms up, the second counts
                seconds = options.seconds * (2 if name == "Tiled" else 1)
                one = load.drive(server, paths, PLAIN, seconds=seconds, connections=VIEWERS, out=OUT)
                if number_ > 0:
                    found[name].append(one)
        rates = {name: statistics.median(one.rate for one in rounds) for name, rounds in found.items()}
        cells = [viewed(found[name]) if name in found else "–" for name in ("Terrazzo", "Tiled")]
        better = number(rates["Terrazzo"] / rates["Tiled"]) + " ×" if rates.get("Tiled") else "–"
        yield f"| {title} | {cells[0]} | {cells[1]} | {better} |"


def viewed(rounds):
    rate, cpu, p99 = (statistics.median(getattr(one, field) for one in rounds) for field in ("rate", "cpu", "p99"))
    bad = sum(one.bad for one in rounds)
    spread = f" [{number(min(one.rate for one in rounds))}–{number(max(one.rate for one in rounds))}]"
    return f"{number(rate)}{spread} ({number(cpu)}; {number(p99)} ms)" + (f", {bad} bad" if bad else "")


def measure(options):
    folder = OUT / "data"
    who = start(folder / "formats", options)
    key = sequence_key(who["Terrazzo"])
    yield from HEAD
    for case in cases(folder / "formats", key):
        if options.only in case.title:
            yield row(case, compare(case, {**who, "here": None}, options.rounds))
    rows = list(viewers(who, key, options)) if options.only in "viewers" else []
    stop(who)
    case = opening(folder / "formats_open")
    if options.only in case.title:
        found = {}
        for _ in range(2 if options.quick else options.rounds):  # a new server each time: nothing is open yet
            who = start(folder / "formats_open", options if not found else argparse.Namespace(no_tiled=True))
            for name, results in compare(case, {**who, "here": None}, 1).items():
                found[name] = found.get(name, []) + results if isinstance(results, list) else results
            stop(who)
        yield row(case, found)
    yield from rows


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="fewer and shorter rounds")
    parser.add_argument("--only", default="", help="run the cases whose title has this word, or 'viewers'")
    parser.add_argument("--no-tiled", action="store_true")
    options = parser.parse_args()
    options.rounds = 1 if options.quick else 5
    options.seconds = 2 if options.quick else 5
    return options


def main():
    options = arguments()
    OUT.mkdir(exist_ok=True)
    data.once(OUT / "data" / "formats", make)
    data.once(OUT / "data" / "formats_open", make_files)
    with (OUT / "formats.md").open("w") as file:
        for line in measure(options):
            print(line, flush=True)
            print(line, file=file, flush=True)


if __name__ == "__main__":
    main()
