"""Compares Terrazzo with Tiled 0.2.20 and nginx, side by side.

    python bench/run.py [--quick] [--rounds N] [--seconds S] [--only WORD]

Each case runs in interleaved rounds (every server in turn, several times), so
that a busy moment of the machine hits all alike; the table has the medians. All
of it takes seven minutes on a quiet machine with two cores.
Everything listens on loopback. The table goes to standard output and to
bench/out/table.md; docs/performance.md holds the one of the last release.
"""

import argparse
import asyncio
import dataclasses
import pathlib
import platform
import shutil
import statistics
import subprocess
import sys
import time

HERE = pathlib.Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "tests"))

import data  # noqa: E402
import httpx  # noqa: E402
import load  # noqa: E402
import servers  # noqa: E402

OUT = HERE / "out"
CLIENT = {"accept-encoding": "gzip, deflate, zstd, blosc2", "user-agent": "python-tiled/0.2.20"}
PLAIN = {"accept-encoding": "identity"}
MSGPACK = {**PLAIN, "accept": "application/x-msgpack"}
ARROW = {**PLAIN, "accept": "application/vnd.apache.arrow.file"}


@dataclasses.dataclass
class Case:
    title: str
    paths: list
    headers: dict
    static: list = None  # paths for nginx, where it can do the same
    revalidate: bool = False  # send the ETag that the first answer had
    slow: bool = False  # takes the real Tiled seconds: fewer connections, longer rounds


def slices(node):
    return [f"/api/v1/array/full/{node}?slice={i}" for i in range(data.FRAMES)]


STATIC = [f"/{i}.bin" for i in range(data.FRAMES)]
CASES = [
    Case("2 MB slice of NPY", slices("stack"), PLAIN, STATIC),
    Case("2 MB slice of NPY, codings of the client", slices("stack"), CLIENT),
    Case("512 KB of a frame of NPY", [f"{path},0:238" for path in slices("stack")], PLAIN),
    Case("2 MB slice of Zarr", slices("chunked"), PLAIN),
    Case("304 for a 2 MB slice", slices("stack")[:1], PLAIN, STATIC[:1], revalidate=True),
    Case("metadata of a node", ["/api/v1/metadata/stack"], MSGPACK, ["/node.json"]),
    Case("one of 20 columns of Parquet, 1e6 rows", ["/api/v1/table/full/table?column=column_07"], ARROW, slow=True),
]


def nginx(folder):
    port = servers.free_port()
    conf = OUT / "nginx.conf"
    conf.write_text(
        f"""user root; daemon off; worker_processes 1; pid {OUT}/nginx.pid; error_log stderr notice;
events {{ worker_connections 1024; }}
http {{
  access_log off; sendfile on; keepalive_requests 1000000;
  server {{ listen 127.0.0.1:{port}; root {folder}; }}
}}
"""
    )
    program = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/sbin")
    command = [program, "-p", OUT, "-c", conf, "-e", "stderr"]
    return servers.start("nginx", command, port, lambda log, port: b"start worker process " in log.read_bytes())


def etag(server, path, headers):
    answer = httpx.get(server.url + path, headers=headers, timeout=120, trust_env=False).raise_for_status()
    return answer.headers["etag"]


def compare(case, who, options):
    """Median rate, CPU and p99 of each server for one case."""
    rounds = {name: [] for name in who}
    for number in range(options.rounds + 1):
        for name, server in who.items():
            paths = case.static if name == "nginx" else case.paths
            if not paths:
                continue
            headers = dict(case.headers)
            if case.revalidate:
                headers["if-none-match"] = etag(server, paths[0], case.headers)
            result = load.drive(
                server,
                paths,
                headers,
                seconds=(1 if number == 0 else options.seconds) * (3 if case.slow else 1),
                connections=2 if case.slow else options.connections,
                out=OUT,
            )
            if number > 0:  # the first warms up
                rounds[name].append(result)
    return {name: middle(results) for name, results in rounds.items() if results}


def middle(results):
    return load.Round(
        *(statistics.median(getattr(result, field) for result in results) for field in ("rate", "cpu", "p99")),
        bad=sum(result.bad for result in results),
    )


def number(value):
    if value >= 1000:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def speed_rows(case, found):
    cells = []
    for name in ("tiled", "terrazzo", "nginx"):
        one = found.get(name)
        cells.append(
            f"{number(one.rate)} ({number(one.cpu)})" + (f", {one.bad} bad" if one.bad else "") if one else "–"
        )
    a, b = found.get("tiled"), found.get("terrazzo")
    ratio = f"{number(b.rate / a.rate)} × ({number(a.cpu / b.cpu)} ×)" if a and b and a.rate and b.cpu else "–"
    return f"| {case.title} | {' | '.join(cells)} | {ratio} |"


def speed(folder, options):
    who = {"tiled": servers.tiled(folder / "speed", name="tiled_bench")}
    who["terrazzo"] = servers.terrazzo(folder / "speed", name="terrazzo_bench")
    who["nginx"] = nginx(folder / "static")
    yield "| Requests a second (CPU ms of the server for each) | Tiled | Terrazzo | nginx, static | Terrazzo : Tiled |"
    yield "|---|---|---|---|---|"
    for case in CASES:
        if options.only in case.title:
            yield speed_rows(case, compare(case, who, options))
    for server in who.values():
        server.stop()


def listing(server, **params):
    """One page of 100 items, when it answers with all it has: seconds."""
    http = httpx.Client(timeout=600, trust_env=False)
    begun = time.monotonic()
    while True:
        answer = http.get(f"{server.api}/search/", params=params)
        if answer.status_code == 200:
            return time.monotonic() - begun, answer.json()["meta"]["count"]
        if answer.status_code != 503:
            answer.raise_for_status()
        time.sleep(min(float(answer.headers.get("retry-after", 1)), 0.05))


FILTER = {"filter[eq][condition][key]": "attributes.color", "filter[eq][condition][value]": '"red"'}


def folders(folder, counts, options):
    """Start-up and search over folders of many files."""
    yield "| Folder of files | Tiled | Terrazzo | Terrazzo : Tiled |"
    yield "|---|---|---|---|"
    for count in counts:
        measured = {}
        for name in ("tiled", "terrazzo"):
            if name == "tiled" and count > options.tiled_files:
                continue
            measured[name] = one_folder(name, folder / f"files_{count}", options)
        for title in measured["terrazzo"]:
            a, b = measured.get("tiled", {}).get(title), measured["terrazzo"][title]
            better = (b / a if "a second" in title else a / b) if a else 0
            cells = [number(a) if a else "not run", number(b), f"{number(better)} ×" if a else "–"]
            yield f"| {count:,} files: {title} | {' | '.join(cells)} |"


def one_folder(name, folder, options):
    """What one server does over one folder: seconds, or requests a second."""
    serve = servers.tiled if name == "tiled" else servers.terrazzo
    server = serve(folder, name=f"{name}_folder")
    first, _ = listing(server, fields="")
    result = {"start to the first complete listing, s": server.started + first}
    second, _ = listing(server, **FILTER)
    result["start to the first complete metadata search, s"] = server.started + first + second
    result["the same search again, s"], _ = listing(server, **FILTER)
    case = Case("", ["/api/v1/search/?page[limit]=100", "/api/v1/search/?page[offset]=500&page[limit]=100"], MSGPACK)
    paths = [path.replace("[", "%5B").replace("]", "%5D") for path in case.paths]
    rounds = [
        load.drive(server, paths, MSGPACK, seconds=options.seconds, connections=4, out=OUT)
        for _ in range(options.rounds)
    ]
    result["search pages of 100 items a second"] = middle(rounds).rate
    result["peak memory, MB"] = load.memory(server.process.pid) / 1e6
    server.stop()
    return result


async def many(server, paths):
    """Asks for all paths at once, and reads the answers slowly enough to see memory."""

    async def one(path):
        total = 0
        async with http.stream("GET", server.url + path, headers=PLAIN) as answer:
            async for part in answer.aiter_raw():
                total += len(part)
        return answer.status_code, total

    limits = httpx.Limits(max_connections=len(paths))
    async with httpx.AsyncClient(timeout=600, limits=limits, trust_env=False) as http:
        return await asyncio.gather(*map(one, paths), return_exceptions=True)


def memory(folder, options):
    yield "| 64 concurrent 64 MB slices | Tiled | Terrazzo | Terrazzo : Tiled |"
    yield "|---|---|---|---|"
    frames, height, width = data.LARGE
    paths = [f"/api/v1/array/full/big?slice={i % frames}" for i in range(64)]
    found = {}
    for name, serve in (("tiled", servers.tiled), ("terrazzo", servers.terrazzo)):
        server = serve(folder / "memory", name=f"{name}_memory")
        begun, idle = time.monotonic(), load.memory(server.process.pid, "VmRSS")
        answers = asyncio.run(many(server, paths))
        spent = time.monotonic() - begun
        good = sum(answer == (200, height * width * 2) for answer in answers)
        found[name] = (load.memory(server.process.pid) / 1e6, spent, good, idle / 1e6)
        server.stop()
    titles = ("peak memory, MB", "seconds for all", "complete answers", "memory before, MB")
    for title, a, b in zip(titles, found["tiled"], found["terrazzo"], strict=True):
        yield f"| {title} | {number(a)} | {number(b)} | {number(a / b) if b else '–'} × |"


def header(options):
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=HERE, capture_output=True, text=True, check=True
    ).stdout.strip()
    cpu = next(
        (line.split(":")[1].strip() for line in open("/proc/cpuinfo") if "model name" in line), platform.machine()
    )
    yield f"Commit {commit}, {time.strftime('%Y-%m-%d')}; {len(load.os.sched_getaffinity(0))} cores of {cpu};"
    yield f"medians of {options.rounds} interleaved rounds of {options.seconds} s, {options.connections} connections, wrk beside the server."
    yield ""


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="small folders and short rounds")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--seconds", type=int)
    parser.add_argument("--connections", type=int, default=16)
    parser.add_argument(
        "--only", default="", help="run the cases whose title has this word; 'folders' or 'memory' for those"
    )
    parser.add_argument("--tiled-files", type=int, help="the largest folder that Tiled is made to register")
    options = parser.parse_args()
    options.rounds = options.rounds or (2 if options.quick else 3)
    options.seconds = options.seconds or (1 if options.quick else 3)
    if options.tiled_files is None:
        options.tiled_files = 0 if options.quick else 1000
    return options


def main():
    options = arguments()
    counts = [1000] if options.quick else [1000, 10_000, 100_000]
    OUT.mkdir(exist_ok=True)
    data.make(OUT / "data", counts, large=True)
    parts = [header(options)]
    if options.only not in ("folders", "memory"):
        parts.append(speed(OUT / "data", options))
    if options.only in ("", "folders"):
        parts.append(folders(OUT / "data", counts, options))
    if options.only == "memory" or (not options.only and not options.quick):
        parts.append(memory(OUT / "data", options))
    with (OUT / "table.md").open("w") as file:
        for part in parts:
            for line in part:
                print(line, flush=True)
                print(line, file=file, flush=True)
            print("", file=file)
            print()


if __name__ == "__main__":
    main()
