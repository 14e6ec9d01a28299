"""The other ways to answer are what they claim to be, and the proxy outlives the server behind it."""

import re

import httpx
import numpy
import pytest
import servers
import world
from compare import Request
from tiled.client import from_uri

KEY = {"authorization": f"Apikey {servers.KEY}"}


@pytest.fixture(autouse=True)
def terrazzo():
    if servers.self_test():
        pytest.skip("there is nothing of Terrazzo in this run")


def metrics(server):
    text = httpx.get(f"{server.api}/metrics", headers=KEY, timeout=30, trust_env=False).raise_for_status().text
    return {name: float(value) for name, value in re.findall(r"^(terrazzo_\w+) (\S+)$", text, re.MULTILINE)}


def test_caches_are_of_the_size_they_are_said_to_be():
    for server in (world.under_test(), world.without_cache(), world.small_cache()):
        for slice_ in (":", "::-1"):
            for path in ("arrays/large", "arrays/cube", "zarr/three_zstd", "images/color_full"):
                answer = Request(f"/api/v1/array/full/{path}", {"slice": slice_}).send(server)
                assert answer.status_code == 200, answer.text
    with_cache, small = metrics(world.under_test()), metrics(world.small_cache())
    assert with_cache["terrazzo_data_cache_hits_total"] > 0
    assert not any(name.startswith("terrazzo_data_cache_hits") for name in metrics(world.without_cache()))
    assert small["terrazzo_data_cache_stored_total"] > 0
    assert small["terrazzo_data_cache_bytes"] <= 2**20
    assert small["terrazzo_data_cache_evicted_total"] + sum(
        value for name, value in small.items() if "cache_refused" in name
    ), "it was never full"


REQUESTS = [
    Request("/api/v1/"),
    Request("/api/v1/metadata/position"),
    Request("/api/v1/metadata/beta/gamma/position", headers={"accept": "application/x-msgpack"}),
    Request("/api/v1/search/", {"page[limit]": 100}),
    Request("/api/v1/array/full/position"),
    Request("/api/v1/array/full/position", {"slice": "1:,::2", "format": "application/json"}),
    Request("/api/v1/array/block/beta/position", {"block": "0,0"}),
]
NEVER_ASKED = [
    Request("/api/v1/metadata/beta/gamma"),
    Request("/api/v1/array/full/position", {"slice": "0"}),
    Request("/api/v1/array/full/position", headers={"accept": "text/csv"}),
]


def walk(client):
    for key, node in client.items():
        if node.structure_family == "container":
            yield from walk(node)
        else:
            yield key, node.read(), node[..., 1:]


@pytest.mark.parametrize("public", [True, False], ids=["public", "private"])
def test_proxy_of_a_server_that_is_gone(public, tmp_path):
    """Cold, warm, while the server is down, and on a plane: what was held is as before, the rest is 504."""
    origin = servers.tiled(world.fixtures() / "shared" / "nested" / "alpha", public=public, name="tiled_behind")
    disk = ("--disk", tmp_path / "held", *(() if public else ("--authorize", "key")))
    proxy = servers.proxy(origin.url, *disk, "--stale-if-error", "1h", name="proxy_alone")
    headers = {} if public else KEY
    requests = [Request(r.path, r.params, {**r.headers, **headers}) for r in REQUESTS]
    direct = [request.send(origin) for request in requests]
    plain = {"api_key": None} if public else {"api_key": servers.KEY}
    seen = list(walk(from_uri(origin.url, **plain)))
    for _ in ("cold", "warm"):
        for request, want in zip(requests, direct, strict=True):
            same_bytes(request, want, request.send(proxy))
        same_walk(seen, walk(from_uri(proxy.url, **plain)))
    if not public:
        assert Request(REQUESTS[1].path).send(proxy).status_code == 401
    port = int(origin.url.rpartition(":")[2])
    origin.stop()
    for request, want in zip(requests, direct, strict=True):
        answer = request.send(proxy)
        if "must-revalidate" in want.headers.get("cache-control", ""):  # listings: RFC 9111 §4.2.4 forbids it
            assert answer.status_code == 502 and answer.json()["detail"], request.target
        else:
            same_bytes(request, want, answer)
    proxy.stop()
    with servers.trap(port) as came:
        offline = servers.proxy(
            origin.url, *disk, "--offline", name="proxy_plane", port=int(proxy.url.rpartition(":")[2])
        )
        for request, want in zip(requests, direct, strict=True):
            answer = request.send(offline)
            same_bytes(request, want, answer)
            assert "hit" in answer.headers["cache-status"], request.target
        same_walk(seen, walk(from_uri(offline.url, **plain)))
        for request in NEVER_ASKED:
            answer = Request(request.path, request.params, {**request.headers, **headers}).send(offline)
            assert (answer.status_code, bool(answer.json()["detail"])) == (504, True), request.target
        if not public:  # nobody gets what somebody else was given
            for other in ({}, {"authorization": "Apikey wrong"}):
                answer = Request(REQUESTS[1].path, headers=other).send(offline)
                assert answer.status_code in (401, 504), other
        assert not came, "the proxy asked a server on the plane"
        offline.stop()


def same_bytes(request, want, got):
    assert got.status_code == want.status_code, f"{request.target}: {got.status_code} {got.text[:300]}"
    assert got.content.replace(got.base.encode(), b"<base>") == want.content.replace(want.base.encode(), b"<base>")
    assert got.headers["content-type"] == want.headers["content-type"]


def same_walk(seen, now):
    for (key, whole, part), (other, whole_now, part_now) in zip(seen, now, strict=True):
        assert key == other
        numpy.testing.assert_array_equal(whole, whole_now)
        numpy.testing.assert_array_equal(part, part_now)
