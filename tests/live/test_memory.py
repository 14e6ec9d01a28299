"""Memory is bounded: 64 clients who scan fifty times what the data cache may hold, and a
server in a container of 2 GiB. With --long over more data.

What is stated in docs/caching.md is asserted here: with as little --memory as a server
takes, that is the data cache's budget and HEADROOM, its peak stays below that.
"""

import concurrent.futures
import contextlib
import http.client
import os
import pathlib
import random
import re
import shutil
import time

import numpy
import servers

MIB = 2**20
HEADROOM = 288 * MIB  # 192 for the program and the garbage collector, 96 for answers in flight
CLIENTS = 64
GROUPS = pathlib.Path("/sys/fs/cgroup")


def peak(pid, field="VmHWM"):
    return int(re.search(rf"{field}:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text())[1]) * 1024


def stack(path, frames, height, width):
    """A stack of frames that takes no room on the disk."""
    header = numpy.lib.format.header_data_from_array_1_0(numpy.zeros((1, height, width), "<u2"))
    header["shape"] = (frames, height, width)
    with path.open("wb") as file:
        numpy.lib.format.write_array_header_1_0(file, header)
        file.truncate(file.tell() + frames * height * width * 2)


def trusted(server, path):
    """Waits until a file is old enough that what is read of it is kept."""
    connection = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=30)
    for _ in range(200):
        connection.request("GET", path)
        answer = connection.getresponse()
        answer.read()
        if answer.headers["ETag"]:
            return connection.close()
        time.sleep(0.05)
    raise AssertionError(f"{path} is never trusted")


def scan(server, paths, size):
    """All clients at once, each its share; returns how many answers had another size."""

    def client(mine):
        connection = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=120)
        wrong = 0
        for path in mine:
            connection.request("GET", path, headers={"accept-encoding": "identity"})
            answer = connection.getresponse()
            got = 0
            while part := answer.read(MIB):
                got += len(part)
            wrong += answer.status != 200 or got != size
        connection.close()
        return wrong

    with concurrent.futures.ThreadPoolExecutor(CLIENTS) as pool:
        return sum(pool.map(client, [paths[i::CLIENTS] for i in range(CLIENTS)]))


def counted(server, name):
    connection = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=30)
    connection.request("GET", "/api/v1/metrics", headers={"authorization": f"Apikey {servers.KEY}"})
    text = connection.getresponse().read().decode()
    connection.close()
    return float(re.search(rf"^{name} (\S+)$", text, re.M)[1])


def test_scan(tmp_path, pytestconfig):
    budget = (128 if pytestconfig.getoption("--long") else 32) * MIB
    height, width = 1024, 1024  # frames of 2 MiB
    frames = 50 * budget // (height * width * 2)
    stack(tmp_path / "s.npy", frames, height, width)
    memory = budget + HEADROOM
    flags = ["--memory", str(memory), "--data-cache", str(budget), "--response-cache", "0"]
    server = servers.terrazzo(tmp_path, *flags, name="terrazzo_scan")
    try:
        paths = [f"/api/v1/array/full/s?slice={i}" for i in range(frames)]
        random.Random(1).shuffle(paths)
        trusted(server, "/api/v1/metadata/s")
        assert scan(server, paths, height * width * 2) == 0
        most = peak(server.process.pid)
        gone = counted(server, "terrazzo_data_cache_evicted_total") + counted(
            server, "terrazzo_data_cache_refused_worthless_total"
        )
        held = counted(server, "terrazzo_data_cache_bytes")
    finally:
        server.stop()
    print(f"budget {budget // MIB} MiB, held {held / MIB:.1f}, peak {most / MIB:.0f} of {memory / MIB:.0f} MiB")
    assert held <= budget and gone > frames / 2, "the cache was not under pressure"
    assert most <= memory


@contextlib.contextmanager
def group(limit):
    """A control group with so much memory, by which a command's own shell can be told to
    join it; None where none can be made."""
    for mount, name in (("memory", "memory.limit_in_bytes"), ("", "memory.max")):
        folder = GROUPS / mount / f"terrazzo_test_{os.getpid()}"
        try:
            folder.mkdir()
        except OSError:
            continue
        try:
            (folder / name).write_text(str(limit))
            yield folder
            return
        except OSError:
            continue
        finally:
            with contextlib.suppress(OSError):
                folder.rmdir()
    yield None


def test_container(tmp_path, pytestconfig):
    """2 GiB and two processors: the split follows the limit, and 64 clients keep to it."""
    limit, height, width = 2048 * MIB, 2048, 4096  # frames of 16 MiB
    frames = 128 if pytestconfig.getoption("--long") else 32
    stack(tmp_path / "big.npy", frames, height, width)
    with group(limit) as folder:
        port = servers.free_port()
        command = [
            servers.TERRAZZO,
            "serve",
            "directory",
            tmp_path,
            "--port",
            port,
            "--api-key",
            servers.KEY,
            "--public",
        ]
        if folder:
            command = ["sh", "-c", f'echo $$ > {folder}/cgroup.procs && exec "$@"', "sh", *command]
        else:  # no group can be made here: the same by settings
            command += ["--memory", str(limit // 2), "--data-cache", str(int(0.15 * limit))]
        if processors := shutil.which("taskset"):
            command = [processors, "-c", ",".join(map(str, sorted(os.sched_getaffinity(0))[:2])), *command]
        server = servers.start("terrazzo_container", command, port, servers._healthy)
        try:
            said = re.search(r"DATA CACHE: Will use up to (\d+) bytes", server.log.read_text())
            assert abs(int(said[1]) - 0.15 * limit) < MIB, server.log.read_text()
            paths = [f"/api/v1/array/full/big?slice={i % frames}" for i in range(2 * max(frames, CLIENTS))]
            assert scan(server, paths, height * width * 2) == 0
            most = peak(server.process.pid)
        finally:
            server.stop()
    print(f"peak {most / MIB:.0f} MiB of a limit of {limit // MIB}, in a group: {folder is not None}")
    assert most <= limit / 2, "more than --memory, which is half of the container's"
