"""Sixty frames read again, by clients with different caches: bench/out/client.md.

    python bench/client/run.py [--quick] [--rounds N] [--far-rounds N] [--no-tiled]

Tiled's Python client with no cache, with its own Cache(), with hishel, and through
`terrazzo proxy --private`; the Go client without and with its cache. Each reads all once,
which is not measured, then again with 0, 20 and 100 ms of round trip added. The farthest
sessions run side by side, since they wait nearly all of the time.
"""

import argparse
import collections
import concurrent.futures
import pathlib
import shutil
import statistics
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent.parent / "tests")]

import data  # noqa: E402
import numpy  # noqa: E402
import peers  # noqa: E402
import servers  # noqa: E402
import session  # noqa: E402

OUT = peers.OUT
FRAMES, SIDE = 60, 256
TRIPS = (0, 20, 100)
FRESH = ["--fresh", "array/**=1h", "--fresh", "metadata/**=1h", "--fresh", "search/**=1h"]
PYTHON = {
    "no cache": {},
    "Tiled's Cache()": {"cache": "tiled"},
    "hishel, RFC 9111": {"cache": "hishel-rfc"},
    "hishel as it comes (never asks again)": {"cache": "hishel"},
    "ours, memory": {"private": "256MiB"},
    "ours, disk": {"private": "1MiB"},
}
GO = {"Go, no cache": "none", "Go, ours, memory": "memory", "Go, ours, disk": "disk"}
TILED = ("no cache", "Tiled's Cache()", "hishel, RFC 9111", "ours, memory", "ours, disk")
ASKED, REAL, DECLARED = "Terrazzo", "Tiled 0.2.20", "Tiled 0.2.20 behind `terrazzo proxy --fresh`"


def make(folder):
    rng = numpy.random.default_rng(5)
    numpy.save(folder / "scan.npy", rng.poisson(6, (FRAMES, SIDE, SIDE)).astype("<u2"))


class Python:
    """Tiled's client in a process of its own, behind a way and perhaps layer 1."""

    def __init__(self, origin, name, place, frames):
        self.failed, self.frames = "", list(range(frames))
        how = dict(PYTHON[name])
        memory = how.pop("private", None)
        place.mkdir(parents=True)
        self.delay = peers.Delay(origin, 0)
        flags = ["--memory", memory, "--disk", str(place / "private")] if memory else []
        self.private = peers.private_proxy(self.delay.url, *flags) if memory else None
        self.user = session.User(place)
        self.how = {
            "url": (self.private or self.delay).url,
            "key": servers.KEY,
            "store": str(place / "cache.db"),
            **how,
        }

    def read(self):
        return self.user.ask(do="visit", path=["scan"], reads=self.frames, table=False, **self.how)["seconds"]

    def stop(self):
        self.user.stop()
        if self.private:
            self.private.stop()
        self.delay.stop()


class Go:
    """The Go client in a process of its own."""

    failed = ""

    def __init__(self, origin, name, place, frames):
        place.mkdir(parents=True)
        self.delay = peers.Delay(origin, 0)
        command = [OUT / "goclient", self.delay.url, servers.KEY, "scan", GO[name], place / "cache", frames]
        self.process = subprocess.Popen(
            list(map(str, command)), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )

    def read(self):
        self.process.stdin.write("\n")
        return float(self.process.stdout.readline())

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.delay.stop()


def again(client, trip, into):
    """One more reading, and what crossed."""
    if client.failed:  # once is enough: it takes the client a minute to give up
        return
    client.delay.set(trip)
    client.delay.counts()
    try:
        seconds = client.read()
    except RuntimeError as error:
        client.failed = str(error).split(":")[0]
        into["failed"].append(client.failed)
        return
    requests, crossed, connections = client.delay.counts()
    for measure, value in (("seconds", seconds), ("requests", requests), ("bytes", crossed), ("opened", connections)):
        into[measure].append(value)


def measure(options, clients, found):
    """Rounds of all clients, near ones in turn, far ones at the same time."""
    for number in range(options.rounds):
        for trip in options.trips:
            far = trip >= 100
            if far and number >= options.far_rounds:
                continue
            group = [
                (key, client) for key, client in clients.items() if key[0] != REAL or number < options.tiled_rounds
            ]
            together = [(key, client) for key, client in group if far and key[0] != REAL]
            with concurrent.futures.ThreadPoolExecutor(max(1, len(together))) as pool:
                for each in [pool.submit(again, client, trip, found[(*key, trip)]) for key, client in together]:
                    each.result()
            for key, client in group:
                if (key, client) not in together:
                    again(client, trip, found[(*key, trip)])
        print(f"round {number + 1} of {options.rounds} done", file=sys.stderr, flush=True)


def start(options, folder, caches):
    """Servers, and clients that have read everything once."""
    origins = {ASKED: servers.terrazzo(folder, public=False, name="terrazzo_client").url}
    if not options.no_tiled:
        origins[REAL] = servers.tiled(folder, public=False, name="tiled_client").url
        origins[DECLARED] = peers.proxy(origins[REAL], *FRESH).url
    clients = {}
    for origin, url in origins.items():
        names = TILED if origin == REAL else [*PYTHON, *GO]
        for number, name in enumerate(names):
            kind = Go if name in GO else Python
            client = kind(url, name, caches / f"{list(origins).index(origin)}-{number}", options.frames)
            client.read()
            clients[origin, name] = client
    return clients


def cell(values, unit, digits):
    if not values:
        return "–"
    low, middle, high = min(values) / unit, statistics.median(values) / unit, max(values) / unit
    if f"{low:.{digits}f}" == f"{high:.{digits}f}":
        return f"{middle:.{digits}f}"
    return f"{middle:.{digits}f} ({low:.{digits}f}–{high:.{digits}f})"


def report(options, found, spent):
    yield peers.about()
    yield ""
    yield (
        f"{options.frames} frames of {SIDE} × {SIDE} uint16 ({options.frames * SIDE * SIDE * 2 / 1e6:.1f} MB) read again after a first time that is not "
        f"measured, one after the other, by a client that connects anew; medians of {options.rounds} rounds ({options.far_rounds} at "
        f"100 ms, where the sessions run side by side; {options.tiled_rounds} with Tiled), in brackets the least and the most. Bytes and "
        f"requests on the wire. It took {spent / 60:.1f} minutes."
    )
    names = {}
    for origin, name, _ in found:
        names.setdefault(origin, {})[name] = None
    for origin, clients in names.items():
        yield ""
        yield f"**From {origin}**"
        yield ""
        trips = " | ".join(f"{trip} ms away, s" for trip in options.trips)
        yield f"| | {trips} | requests | connections | kB | bytes: no cache | {options.trips[-1]} ms: Cache() |"
        yield "|---" * (len(options.trips) + 6) + "|"
        for name in clients:
            yield row(options, found, origin, name)
    yield ""


def row(options, found, origin, name):
    def middle(who, trip, measure):
        values = found[origin, who, trip][measure]
        return statistics.median(values) if values else 0

    near, far = options.trips[0], options.trips[-1]
    cells = []
    for trip in options.trips:
        one = found[origin, name, trip]
        cells.append(f"fails: {one['failed'][0]}" if one["failed"] else cell(one["seconds"], 1, 2))
    cells += [
        cell(found[origin, name, near][what], unit, 0)
        for what, unit in (("requests", 1), ("opened", 1), ("bytes", 1e3))
    ]
    plain = "Go, no cache" if name in GO else "no cache"
    crossed, seconds = middle(name, near, "bytes"), middle(name, far, "seconds")
    none = "no bytes" if found[origin, name, near]["bytes"] else "–"
    cells.append(f"{middle(plain, near, 'bytes') / crossed:.1f}× fewer" if crossed else none)
    theirs = middle("Tiled's Cache()", far, "seconds")
    cells.append(f"{theirs / seconds:.1f}× faster" if seconds and theirs else "–")
    return f"| {name} | {' | '.join(cells)} |"


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one round, 0 and 20 ms")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--far-rounds", type=int)
    parser.add_argument("--no-tiled", action="store_true")
    parser.add_argument("--frames", type=int, default=FRAMES)
    options = parser.parse_args()
    options.rounds = options.rounds or (1 if options.quick else 5)
    options.far_rounds = options.far_rounds or min(options.rounds, 3)
    options.tiled_rounds = min(options.rounds, 2)
    options.trips = TRIPS[:2] if options.quick else TRIPS
    return options


def main():
    options = arguments()
    OUT.mkdir(exist_ok=True)
    folder = OUT / "data" / "client"
    data.once(folder, make)
    caches = OUT / "caches"
    shutil.rmtree(caches, ignore_errors=True)
    subprocess.run(["go", "build", "-o", str(OUT / "goclient"), "./bench/client"], cwd=peers.ROOT, check=True)
    begun = time.monotonic()
    found = collections.defaultdict(lambda: collections.defaultdict(list))
    clients = start(options, folder, caches)
    try:
        measure(options, clients, found)
    finally:
        for client in clients.values():
            client.stop()
        shutil.rmtree(caches, ignore_errors=True)
    text = "\n".join(report(options, found, time.monotonic() - begun))
    (OUT / "client.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
