"""Files that grow, break and whose readers are killed, through HTTP.

Short here; with --long for minutes, more viewers and a thousand files.
"""

import concurrent.futures
import contextlib
import os
import pathlib
import random
import signal
import subprocess
import sys
import threading
import time

import h5py
import httpx
import numpy
import pytest
import servers
import tifffile

NATIVE = servers.ROOT / "internal" / "formats" / "native"
# Says of each frame, when it is flushed, how many there are.
WRITER = """
import sys, time, h5py, numpy
path, frames, pause = sys.argv[1], int(sys.argv[2]), float(sys.argv[3])
with h5py.File(path, "w", libver="latest") as file:
    d = file.create_dataset("d", (0, 128, 128), maxshape=(None, 128, 128), chunks=(1, 128, 128), dtype="<i4", compression="gzip")
    file.swmr_mode = True
    print(0, flush=True)
    for i in range(frames):
        d.resize(i + 1, 0)
        d[i] = i
        d.flush()
        print(i + 1, flush=True)
        time.sleep(pause)
"""


@pytest.fixture(scope="module", autouse=True)
def host():
    """These files are read by terrazzo-host; without it there is nothing to test."""
    if not servers.TERRAZZO.with_name("terrazzo-host").exists():
        assert "native" not in os.environ.get("TEST_MUST_RUN", "").split(","), "no terrazzo-host: run make build"
        pytest.skip("no terrazzo-host")


@contextlib.contextmanager
def serving(folder, *flags, name):
    server = servers.terrazzo(folder, "--log-level", "error", *flags, name=name)
    try:
        yield server
        assert server.process.poll() is None, "the server ended"
    finally:
        server.stop()


def client(server):
    return httpx.Client(base_url=server.api, timeout=200, trust_env=False, headers={"accept-encoding": "identity"})


def told_to_come_again(answer):
    """Whether this is the clear refusal of what cannot be read just now."""
    if answer.status_code != 503:
        return False
    assert answer.headers["retry-after"] and answer.json()["detail"], answer.text
    return True


class Run:
    """A writer, and how many frames it has flushed so far."""

    def __init__(self, path, frames, pause):
        command = [sys.executable, "-c", WRITER, path, frames, pause]
        self.process = subprocess.Popen([*map(str, command)], stdout=subprocess.PIPE, text=True)
        self.flushed = int(self.process.stdout.readline())
        self.thread = threading.Thread(target=self.listen)
        self.thread.start()

    def listen(self):
        for line in self.process.stdout:
            self.flushed = int(line)

    def over(self):
        return not self.thread.is_alive()


def view(server, run, seed):
    """Looks at the run until it is over; returns (answers, refusals)."""
    rng = random.Random(seed)
    seen = refused = 0
    with client(server) as http:
        while not run.over():
            before = run.flushed
            shape = http.get("/metadata/live/d", params={"fields": "structure"})
            if told_to_come_again(shape):
                refused += 1
                continue
            count = shape.json()["data"]["attributes"]["structure"]["shape"][0]
            assert before <= count <= run.flushed + 1, f"{count} frames, {before} were there before it was asked"
            if count == 0:
                continue
            for i in (count - 1, rng.randrange(count)):
                frame = http.get("/array/full/live/d", params={"slice": str(i)})
                if told_to_come_again(frame):
                    refused += 1
                    continue
                assert frame.status_code == 200, frame.text
                values = numpy.frombuffer(frame.content, "<i4")
                assert values.shape == (128 * 128,) and (values == i).all(), f"frame {i} is {values[:4]}"
                seen += 1
    return seen, refused


def test_viewers_of_a_live_run(tmp_path, request):
    """A SWMR writer and its viewers: no answer is older than its question."""
    long = request.config.getoption("--long")
    frames, pause, viewers = (1800, 0.1, 20) if long else (40, 0.05, 4)
    run = Run(tmp_path / "live.h5", frames, pause)
    with serving(tmp_path, name="live") as server, concurrent.futures.ThreadPoolExecutor(viewers) as pool:
        results = list(pool.map(lambda seed: view(server, run, seed), range(viewers)))
        assert run.process.wait(60) == 0 and run.flushed == frames
        with client(server) as http:
            shape = http.get("/metadata/live/d").json()["data"]["attributes"]["structure"]["shape"]
    seen, refused = map(sum, zip(*results, strict=True))
    print(f"\n{frames} frames, {seen} looked at, {refused} refused")
    assert shape == [frames, 128, 128]
    assert seen >= 2 * viewers and refused <= seen // 10, (seen, refused)


def stack(folder):
    frames = numpy.random.default_rng(0).integers(0, 9, (8, 64, 64)).astype("<u2")
    frames[:, 0, 0] = range(8)
    with h5py.File(folder / "stack.h5", "w") as file:
        file.create_dataset("d", data=frames, chunks=(1, 64, 64), compression="gzip", shuffle=True)
    tifffile.imwrite(folder / "pages.tif", frames, compression="zlib", photometric="minisblack")
    return frames


def hosts(server):
    found = []
    for task in pathlib.Path(f"/proc/{server.process.pid}/task").iterdir():
        with contextlib.suppress(OSError):
            found += [int(pid) for pid in (task / "children").read_text().split()]
    return found


def harm(server, rounds, stop, long):
    """Kills hosts and stops them in turn; what is stopped goes on later, or never with --long."""
    stopped = []
    try:
        for i in range(rounds):
            time.sleep(0.1)
            for pid in stopped if not long else []:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGCONT)
            pids = hosts(server)
            if pids:
                pid = pids[i % len(pids)]
                how = signal.SIGSTOP if i % 3 == 2 else signal.SIGKILL
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, how)
                    stopped += [pid] if how == signal.SIGSTOP else []
    finally:
        for pid in stopped if not long else []:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)
        stop.set()


def test_hosts_are_killed_under_readers(tmp_path, request):
    """Of 64 readers none loses a request: each is right, or clearly refused."""
    long = request.config.getoption("--long")
    frames = stack(tmp_path)
    stop = threading.Event()

    def read(server, reader):
        right = refused = 0
        with client(server) as http:
            i = reader
            while not stop.is_set() or right == 0:
                node = ("stack/d", "pages")[i % 2]
                answer = http.get(f"/array/full/{node}", params={"slice": str(i // 2 % 8)})
                if told_to_come_again(answer):
                    refused += 1
                else:
                    assert answer.status_code == 200, f"{node}: {answer.status_code} {answer.text[:300]}"
                    assert answer.content == frames[i // 2 % 8].tobytes(), node
                    right += 1
                i += 1
        return right, refused

    flags = ("--data-cache", "0", "--response-cache", "0")
    with serving(tmp_path, *flags, name="chaos") as server, concurrent.futures.ThreadPoolExecutor(65) as pool:
        harmed = pool.submit(harm, server, 300 if long else 15, stop, long)
        results = list(pool.map(lambda reader: read(server, reader), range(64)))
        harmed.result()
        right, refused = map(sum, zip(*results, strict=True))
        left = len(hosts(server))
    print(f"\n{right} right, {refused} refused")
    assert right >= 64 and refused <= right
    assert left <= 2 * (os.cpu_count() or 1), f"{left} hosts are left"


def damaged(content, rng):
    """Some bytes changed, mostly near the beginning, or the end cut off."""
    content = bytearray(content)
    if rng.random() < 1 / 8:
        del content[rng.randrange(len(content)) :]
    for _ in range(rng.randint(1, 12)):
        if content:
            at = rng.randrange(len(content)) if rng.random() < 0.5 else rng.randrange(min(len(content), 4000))
            content[at] = rng.randrange(256)
    return bytes(content)


def descriptors(server):
    return len(os.listdir(f"/proc/{server.process.pid}/fd"))


# Damage among which nothing makes the HDF5 library compute without an end: that
# costs two deadlines of a minute, and is met with --long.
SEED = 4
ORIGINALS = {
    "h5": ["hdf5file/testdata/user.h5", "hdf5file/testdata/xarray.nc", "hdf5file/testdata/plain.nc"],
    "tif": [
        f"tifffile/testdata/{name}.tif" for name in ("big_f4_deflate", "bits_12_rgb", "codec_lzw_tiles", "bigtiff")
    ],
}


@pytest.mark.parametrize("kind", ORIGINALS)
def test_damaged_files(kind, tmp_path, request):
    """Each is right or a clear error, within the time; the others are served."""
    long = request.config.getoption("--long")
    count = 1000 if long else 40
    frames = stack(tmp_path)
    originals = [(NATIVE / name).read_bytes() for name in ORIGINALS[kind]]
    seed = time.time_ns() if long else SEED
    outcomes = {}
    print(f"\nseed {seed}")

    def visit(http, path, depth=0):
        answer = http.get(f"/metadata/{path}", params={"max_depth": 0})
        yield answer
        if answer.status_code != 200:
            return
        family = answer.json()["data"]["attributes"]["structure_family"]
        if family == "array":
            yield http.get(f"/array/full/{path}", params={"format": "application/octet-stream"})
        elif family == "container" and depth < 3:
            listing = http.get(f"/search/{path}", params={"fields": "", "page[limit]": 20})
            yield listing
            for item in listing.json()["data"] if listing.status_code == 200 else []:
                yield from visit(http, f"{path}/{item['id']}", depth + 1)

    names = [f"f{''.join('abcdefghij'[int(digit)] for digit in str(n))}x" for n in range(count)]
    for n, name in enumerate(names):
        content = damaged(originals[n % len(originals)], random.Random(f"{seed} {n}"))
        (tmp_path / f"{name}.{kind}").write_bytes(content)
    time.sleep(2.1)  # what has just been written is not judged
    with serving(tmp_path, name=f"damaged_{kind}") as server, client(server) as http:
        for n, name in enumerate(names):
            begun = time.monotonic()
            for answer in visit(http, name):
                outcomes[answer.status_code] = outcomes.get(answer.status_code, 0) + 1
                assert answer.status_code < 500 or told_to_come_again(answer), f"file {n}: {answer.text[:300]}"
                assert answer.status_code == 200 or answer.json()["detail"]
            assert time.monotonic() - begun < 130, f"file {n}"
            if n == count // 4:
                open_then = descriptors(server)
        for i in range(8):
            for node in ("stack/d", "pages"):
                answer = http.get(f"/array/full/{node}", params={"slice": str(i)})
                assert answer.content == frames[i].tobytes(), f"{node}: {answer.status_code}"
        assert descriptors(server) <= open_then + 100
        assert len(hosts(server)) <= 2 * (os.cpu_count() or 1)
    print(outcomes)
    refused = sum(number for status, number in outcomes.items() if status >= 400)
    assert outcomes[200] >= count // 4 and refused >= count // 8, outcomes
