"""What each cache layer saves, to Tiled's own Python client: bench/out/layers.md.

    python bench/layers/run.py [--quick] [--rounds N] [--tiled-rounds N] [--formats WORDS] [--far MS ...]

Tiled 0.2.20 (`serve directory`; and as deployed: a catalog in PostgreSQL, a uvicorn worker
a core, asked with an API key and with a token) beside Terrazzo without a cache, with each
layer alone, and with all; over four formats, near and far. docs/performance.md says what
the sessions are. Terrazzo and its proxy are started anew for each visit and each round.
"""

import argparse
import collections
import functools
import pathlib
import shutil
import statistics
import sys
import time

HERE = pathlib.Path(__file__).parent
sys.path[:0] = [str(HERE.parent), str(HERE.parent.parent / "tests")]

import data  # noqa: E402
import h5py  # noqa: E402
import load  # noqa: E402
import numpy  # noqa: E402
import pandas  # noqa: E402
import peers  # noqa: E402
import servers  # noqa: E402
import session  # noqa: E402
import tifffile  # noqa: E402
import zarr  # noqa: E402

OUT = peers.OUT
FRAMES, SIDE, ROWS = 16, 512, 10_000
VISIT = list(range(6))
SCROLL = [6, 7, 8, 9, 10, 11, 10, 9, 8, 7, 6, 5]
SHARED = [12, 13, 14]  # what the sixteen read: nobody has read it before
USERS, PROCESSES = 16, 2
LIVE = 4
FORMATS = {"TIFF sequence": ["frame"], "gzip HDF5": ["gz", "data"], "CSV": ["table"], "Zarr": ["cube"]}
SCENARIOS = ["first visit, cold pages", "first visit", "scrolling", "reload", "16 users", "live file"]
LAYERS = {
    "no cache": ("0", "0", False),
    "layer 1": ("0", "0", True),
    "layer 2": (None, "0", False),
    "layer 3": ("0", None, False),
    "all": (None, None, True),
}
TILED = ["Tiled directory", "Tiled, API key", "Tiled, token"]


# The data: a node of each format, and one more of each that is written while it is read.


def frames():
    rng = numpy.random.default_rng(3)
    return rng.poisson(6, (FRAMES, SIDE, SIDE)).astype("<u2")


@functools.cache
def columns():
    rng = numpy.random.default_rng(4)
    return pandas.DataFrame({f"c{i:02d}": rng.normal(size=ROWS).round(6) for i in range(FRAMES)})


def make(folder):
    for place in (folder, folder / "live"):
        place.mkdir(exist_ok=True)
        stack = frames()
        (place / "frame").mkdir(exist_ok=True)
        for i, frame in enumerate(stack):
            tifffile.imwrite(place / "frame" / f"frame{i:05d}.tif", frame)
        with h5py.File(place / "gz.h5", "w") as file:
            file.create_dataset("data", data=stack, chunks=(1, SIDE, SIDE), compression="gzip", compression_opts=4)
        columns().to_csv(place / "table.csv", index=False)
        cube = zarr.create_array(
            store=str(place / "cube.zarr"), shape=stack.shape, dtype=stack.dtype, chunks=(1, SIDE, SIDE), zarr_format=2
        )
        cube[...] = stack


def rewrite(folder, kind, which, value):
    """Writes one frame, or column, of a live node anew."""
    place = folder / "live"
    frame = numpy.full((SIDE, SIDE), value, dtype="<u2")
    if kind == "TIFF sequence":
        tifffile.imwrite(place / "frame" / f"frame{which:05d}.tif", frame)
    elif kind == "gzip HDF5":
        with h5py.File(place / "gz.h5", "r+", locking=False) as file:
            file["data"][which] = frame
    elif kind == "CSV":
        table = columns().copy()
        table[f"c{which:02d}"] = float(value)
        table.to_csv(place / "table.csv", index=False)
    else:
        zarr.open_array(str(place / "cube.zarr"), mode="r+")[which] = frame


def path_of(kind, live=False):
    path = FORMATS[kind]
    path = [*path, *path] if kind == "TIFF sequence" else path  # a folder with one sequence in it
    return ["live", *path] if live else path


# One column of the table: a server, whoever is before it, and how to ask it.


class Place:
    """Something to ask, over a way that is as long as it is to be."""

    def __init__(self, server, milliseconds, pids, how, private=False):
        self.server, self.pids, self.how = server, pids, how
        self.delay = peers.Delay(server.url, milliseconds)
        self.private = peers.private_proxy(self.delay.url, "--disk", str(OUT / "private")) if private else None
        self.url = self.private.url if private else self.delay.url

    def peak(self):
        """Peak memory of the server, and of layer 1 beside the client."""
        ours = sum(load.memory(pid) for pid in self.pids)
        return ours, load.memory(self.private.process.pid) if self.private else 0

    def stop(self):
        if self.private:
            self.private.stop()
            shutil.rmtree(OUT / "private", ignore_errors=True)
        self.delay.stop()


def terrazzo(folder, name, milliseconds):
    responses, blocks, private = LAYERS[name]
    flags = ["--response-cache", responses] if responses else []
    flags += ["--data-cache", blocks] if blocks else []
    server = servers.terrazzo(folder, *flags, public=False, name="terrazzo_layers")
    return Place(server, milliseconds, [server.process.pid], {"key": servers.KEY}, private)


class Meter:
    """Figures by (scenario, format, distance, column): one list for each measure."""

    def __init__(self):
        self.found = collections.defaultdict(lambda: collections.defaultdict(list))

    def take(self, where, place, work):
        """Does work, which returns the client's seconds and more figures, and notes what it cost."""
        place.delay.counts()
        cpu = peers.cpu_seconds(*place.pids)
        seconds, more = work()
        cpu = peers.cpu_seconds(*place.pids) - cpu
        requests, crossed, _ = place.delay.counts()
        figures = {"seconds": seconds, "cpu": cpu, "bytes": crossed, "requests": requests, **more}
        for measure, value in figures.items():
            self.found[where][measure].append(value)


def sessions(meter, place, users, folder, where):
    """All sessions of one column but for the cold visit, one after the other."""
    kind = where[0]
    table = kind == "CSV"
    one = users[0]
    visit = {"do": "visit", "path": path_of(kind), "reads": VISIT, "table": table, "url": place.url, **place.how}

    def at(scenario, work):
        meter.take((scenario, *where), place, work)

    at("first visit", lambda: (one.ask(**visit)["seconds"], {}))
    at("scrolling", lambda: (one.ask(do="read", reads=SCROLL)["seconds"], {}))
    at("reload", lambda: (one.ask(**visit)["seconds"], {}))

    def many():
        for user in users:
            user.begin(**{**visit, "do": "users", "reads": SHARED, "count": USERS // len(users)})
        return max(user.end()["seconds"] for user in users), {}

    at("16 users", many)
    one.ask(**{**visit, "path": path_of(kind, live=True), "reads": [0]})

    def live():
        spent, stale = 0, 0
        for turn in range(LIVE):
            value = 1 + (time.time_ns() + turn) % 60_000
            rewrite(folder, kind, turn + 1, value)
            answer = one.ask(do="read", reads=[turn, turn + 1])
            spent += answer["seconds"]
            stale += answer["value"] != value
        return spent, {"stale": stale}

    at("live file", live)
    server, client = place.peak()
    meter.found[("peak memory", *where)]["server"].append(server)
    meter.found[("peak memory", *where)]["client"].append(client)


def cold(meter, place, users, folder, where):
    kind = where[0]
    dropped = peers.drop_pages(folder)
    ask = {"do": "visit", "path": path_of(kind), "reads": VISIT, "table": kind == "CSV", "url": place.url, **place.how}
    meter.take(("first visit, cold pages", *where), place, lambda: (users[0].ask(**ask)["seconds"], {}))
    return dropped


def tiled_places(options, folder):
    """Starts the Tileds and returns, for each distance, the columns that they are."""
    directory = servers.tiled(folder, public=False, name="tiled_layers")
    deployed = peers.tiled_deployed(folder)
    places = {}
    for far in options.far:
        places[far] = {
            TILED[0]: Place(directory, far, [directory.process.pid], {"key": servers.KEY}),
            TILED[1]: Place(deployed.server, far, deployed.pids(), {"key": deployed.key}),
            TILED[2]: Place(deployed.server, far, deployed.pids(), {"tokens": deployed.tokens}),
        }
        if options.quick:
            del places[far][TILED[2]]
    return places


def measure(options, folder, meter):
    users = [session.User(OUT / "users" / str(i)) for i in range(PROCESSES)]
    tiled = {} if options.no_tiled else tiled_places(options, folder)
    dropped = ""
    for number in range(options.rounds):
        for kind in options.formats:
            for far in options.far:
                for name in LAYERS:
                    for what in (cold, sessions):
                        place = terrazzo(folder, name, far)
                        dropped = what(meter, place, users, folder, (kind, far, name)) or dropped
                        place.stop()
                        place.server.stop()
                for name, place in tiled.get(far, {}).items():
                    if number < (1 if name == TILED[2] else options.tiled_rounds):
                        cold(meter, place, users, folder, (kind, far, name))
                        sessions(meter, place, users, folder, (kind, far, name))
        print(f"round {number + 1} of {options.rounds} done", file=sys.stderr, flush=True)
    for user in users:
        user.stop()
    return dropped


# The tables.

MEASURES = {
    "seconds": ("Seconds at the client", 1, 3),
    "cpu": ("CPU seconds of the server", 1, 3),
    "bytes": ("MB to the client over the wire", 1e6, 2),
    "requests": ("Requests over the wire", 1, 0),
}


def cell(values, unit, digits):
    if not values:
        return "–"
    low, middle, high = min(values) / unit, statistics.median(values) / unit, max(values) / unit
    if digits == 0 or f"{low:.{digits}f}" == f"{high:.{digits}f}":
        return f"{middle:.{digits}f}"
    return f"{middle:.{digits}f} ({low:.{digits}f}–{high:.{digits}f})"


def middle(meter, where, measure):
    values = meter.found.get(where, {}).get(measure)
    return statistics.median(values) if values else None


def ratio(a, b):
    return f"{a / b:.1f}×" if a and b else "–"


def table(options, meter, measure, far):
    title, unit, digits = MEASURES[measure]
    names = [name for name in [*TILED, *LAYERS] if any(where[-1] == name for where in meter.found)]
    yield f"**{title}, {far} ms away**"
    yield ""
    yield f"| | {' | '.join(names)} | no cache : all | Tiled, API key : all |"
    yield "|---" * (len(names) + 3) + "|"
    for kind in options.formats:
        for scenario in SCENARIOS:
            found = {name: meter.found.get((scenario, kind, far, name), {}).get(measure) for name in names}
            cells = [cell(values, unit, digits) for values in found.values()]
            mid = {name: middle(meter, (scenario, kind, far, name), measure) for name in names}
            ratios = [ratio(mid["no cache"], mid["all"]), ratio(mid.get(TILED[1]), mid["all"])]
            yield f"| {kind}: {scenario} | {' | '.join([*cells, *ratios])} |"
    yield ""


def losses(options, meter):
    """Rows in which a cache costs the client more than 5 % against none, or Tiled is faster."""
    yield "**Where a cache loses** (seconds at the client, medians)"
    yield ""
    found = False
    for far in options.far:
        for kind in options.formats:
            for scenario in SCENARIOS:
                for name in list(LAYERS)[1:]:
                    none = middle(meter, (scenario, kind, far, "no cache"), "seconds")
                    ours = middle(meter, (scenario, kind, far, name), "seconds")
                    if ours > none * 1.05:
                        found = True
                        yield f"- {kind}, {scenario}, {far} ms: {name} {ours:.3f}, no cache {none:.3f} ({ours / none:.2f}×)"
                for name in TILED:
                    theirs = middle(meter, (scenario, kind, far, name), "seconds")
                    ours = middle(meter, (scenario, kind, far, "all"), "seconds")
                    if theirs and theirs < ours:
                        found = True
                        yield f"- {kind}, {scenario}, {far} ms: all {ours:.3f}, {name} {theirs:.3f}"
    if not found:
        yield "- nowhere by more than 5 %"
    yield ""


def memory(options, meter):
    names = [name for name in [*TILED, *LAYERS] if any(where[-1] == name for where in meter.found)]
    yield "**Peak memory of the server, MB** (in brackets layer 1, beside the client)"
    yield ""
    yield f"| | {' | '.join(names)} |"
    yield "|---" * (len(names) + 1) + "|"
    for kind in options.formats:
        cells = []
        for name in names:
            where = ("peak memory", kind, options.far[0], name)
            server, client = middle(meter, where, "server"), middle(meter, where, "client")
            cells.append((f"{server / 1e6:.0f}" if server else "–") + (f" ({client / 1e6:.0f})" if client else ""))
        yield f"| {kind} | {' | '.join(cells)} |"
    yield ""
    yield f"**Live file: answers of {LIVE} that were not what had been written last** (sum of the rounds)"
    yield ""
    yield f"| | {' | '.join(names)} |"
    yield "|---" * (len(names) + 1) + "|"
    for kind in options.formats:
        cells = []
        for name in names:
            found = [meter.found.get(("live file", kind, far, name), {}).get("stale", []) for far in options.far]
            values = [value for values in found for value in values]
            cells.append(f"{sum(values)} of {LIVE * len(values)}" if values else "–")
        yield f"| {kind} | {' | '.join(cells)} |"
    yield ""


def report(options, meter, dropped, spent):
    yield peers.about()
    yield ""
    yield (
        f"Medians of {options.rounds} interleaved rounds ({options.tiled_rounds} of Tiled, one with the token), in brackets the least and the most; "
        f"{FRAMES} frames of {SIDE} × {SIDE} uint16 and {ROWS:,} rows × {FRAMES} columns; a visit reads {len(VISIT)}, scrolling "
        f"{len(SCROLL)}, each of {USERS} users {len(SHARED)}, a live file is written {LIVE} times. Cold pages: dropped by {dropped}. "
        f"Layer 1 of the sixteen users is one that all share, as on one machine. It took {spent / 60:.0f} minutes."
    )
    yield ""
    for far in options.far:
        for name in MEASURES:
            yield from table(options, meter, name, far)
    yield from memory(options, meter)
    yield from losses(options, meter)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="one round, near only, without the token")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--tiled-rounds", type=int)
    parser.add_argument("--no-tiled", action="store_true")
    parser.add_argument("--formats", nargs="+", choices=list(FORMATS), default=list(FORMATS))
    parser.add_argument("--far", type=int, nargs="+", metavar="MS", help="round trips to add (default 0 20)")
    options = parser.parse_args()
    options.rounds = options.rounds or (1 if options.quick else 5)
    options.tiled_rounds = min(options.rounds, options.tiled_rounds or 2)
    options.far = options.far or ([0] if options.quick else [0, 20])
    return options


def main():
    options = arguments()
    OUT.mkdir(exist_ok=True)
    folder = OUT / "data" / "layers"
    data.once(folder, make)
    begun, meter = time.monotonic(), Meter()
    dropped = measure(options, folder, meter)
    text = "\n".join(report(options, meter, dropped, time.monotonic() - begun))
    (OUT / "layers.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
