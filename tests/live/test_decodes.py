"""A live run: a writer in SWMR mode, and 20 viewers who follow it. Each frame is decoded
once, however many look at it, and no answer is of another frame or torn. With --long for
two minutes."""

import concurrent.futures
import http.client
import os
import re
import subprocess
import sys
import time

import numpy
import pytest
import servers

WRITER = """
import sys, time, h5py
with h5py.File(sys.argv[1], "w", libver="latest") as file:
    d = file.create_dataset("d", (0, 256, 256), maxshape=(None, 256, 256), chunks=(1, 256, 256), dtype="<i4", compression="gzip")
    file.swmr_mode = True
    for i in range(int(sys.argv[2])):
        d.resize(i + 1, 0)
        d[i] = i + 1
        d.flush()
        print(i + 1, flush=True)
        time.sleep(0.1)
"""
VIEWERS = 20


def get(server, path, **headers):
    connection = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=60)
    connection.request("GET", path, headers={"accept-encoding": "identity", **headers})
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    assert answer.status == 200, f"{path}: {answer.status} {body[:200]}"
    return body


def follow(server, writer, written):
    """Asks for the newest frame each time that there is one; returns how many it saw, and
    which of them were wrong."""
    seen, wrong, last = 0, [], 0
    while writer.poll() is None:
        newest = written[0]
        if newest == last:
            time.sleep(0.005)
            continue
        last = newest
        body = get(server, f"/api/v1/array/full/live/d?slice={newest - 1}", accept="application/octet-stream")
        pixels = numpy.frombuffer(body, "<i4")
        seen += 1
        if len(pixels) != 256 * 256 or not (pixels == newest).all():
            wrong.append((newest, pixels[:3]))
    return seen, wrong


def test_each_frame_is_decoded_once(tmp_path, pytestconfig):
    if not servers.TERRAZZO.with_name("terrazzo-host").exists():
        assert "native" not in os.environ.get("TEST_MUST_RUN", "").split(","), "no terrazzo-host: run make build"
        pytest.skip("no terrazzo-host")
    frames = 1200 if pytestconfig.getoption("--long") else 40
    flags = ["--response-cache", "0", "--data-cache", "64MiB", "--no-prefetch"]
    server = servers.terrazzo(tmp_path, *flags, name="terrazzo_decodes")
    command = [sys.executable, "-c", WRITER, str(tmp_path / "live.h5"), str(frames)]
    writer = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        written = [int(writer.stdout.readline())]
        with concurrent.futures.ThreadPoolExecutor(VIEWERS) as pool:
            viewers = [pool.submit(follow, server, writer, written) for _ in range(VIEWERS)]
            for line in writer.stdout:
                written[0] = int(line)
            results = [viewer.result() for viewer in viewers]
        metrics = get(server, "/api/v1/metrics", authorization=f"Apikey {servers.KEY}").decode()
    finally:
        writer.kill()
        writer.wait()
        server.stop()
    seen, wrong = sum(r[0] for r in results), [w for r in results for w in r[1]]
    decodes = float(re.search(r"^terrazzo_data_cache_misses_total (\S+)$", metrics, re.M)[1])
    assert not wrong
    assert seen > frames, "the viewers hardly saw anything"
    # A read that finds the file in another state than it began with is counted, and begun again.
    assert decodes <= 1.1 * frames, f"{decodes:.0f} decodes of {frames} frames for {seen} answers"
