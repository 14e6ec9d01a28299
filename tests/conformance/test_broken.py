"""Broken files answer with a clear error about themselves, and harm no other."""

import resource  # noqa: F401  (the suite runs where /proc is)

import httpx
import pytest
import world

BROKEN = [
    "cut",
    "cutheader",
    "zero",
    "notnpy",
    "lying",
    "overflow",
    "object",
    "cut.npy",
    "cut.parquet",
    "nonsense",
    "zero.csv",
    "openquote",
    "cut.arrow",
    "cut.jpg",
    "cut.png",
    "headonly",
    "headonly.jpg",
    "headonly.png",
    "nometa",
    "cut.zarr",
]


def get(path, **params):
    return httpx.get(f"{world.broken().api}/{path}", params=params, timeout=30, trust_env=False)


def keys():
    return [item["id"] for item in get("search/", **{"page[limit]": 300, "fields": ""}).json()["data"]]


def test_the_rest_is_served():
    assert get("array/full/good", format="json").json()[0] == [0, -1, -2, -3, -4]
    assert get("array/full/special/fine", format="json").json() == [0, -1, -2]
    assert get("table/full/rows", format="json").status_code == 200


def test_the_listing_answers():
    answer = get("search/", **{"page[limit]": 300})
    assert answer.status_code == 200, answer.text
    assert {"good", "whole"} <= {item["id"] for item in answer.json()["data"]} or "good" in keys()


def test_every_listed_node_answers():
    """Never a 5xx, and never a body that ends early."""
    for key in keys():
        answer = get(f"metadata/{key}")
        assert answer.status_code < 500, f"{key}: {answer.text}"
        if answer.is_error:
            assert answer.json()["detail"]
            continue
        family = answer.json()["data"]["attributes"]["structure_family"]
        route = {"array": "array/full", "table": "table/full", "container": "search", "bytes": "metadata"}[family]
        data = get(f"{route}/{key}")
        assert data.status_code < 500, f"{key}: {data.text}"


@pytest.mark.parametrize("key", BROKEN)
@pytest.mark.parametrize("route", ["metadata", "array/full", "table/full", "search"])
def test_broken(key, route):
    answer = get(f"{route}/{key}")
    assert answer.status_code < 500, answer.text
    if answer.is_error:
        assert answer.headers["content-type"] == "application/json"
        assert answer.json()["detail"]


@pytest.mark.parametrize("key", ["lying", "overflow"])
def test_a_lying_header_costs_no_memory(key):
    def peak():
        status = open(f"/proc/{world.broken().process.pid}/status").read()
        return int(status.split("VmHWM:")[1].split()[0])

    before = peak()
    for route in ("metadata", "array/full", "array/block"):
        assert get(f"{route}/{key}", block="0").status_code in (400, 404, 409, 415, 422)
    assert peak() - before < 50_000


@pytest.mark.parametrize("key", ["pipe", "socket", "dangling", "outside", "secret", "loop/loop/loop/loop", "loop"])
def test_special_files(key):
    for route in ("metadata/special/", "array/full/special/", "asset/bytes/special/"):
        answer = get(route + key, **({"id": 1} if "asset" in route else {}))
        assert answer.status_code < 500, answer.text
        assert b"root:" not in answer.content


OUTSIDE = [
    "metadata/../../../etc/passwd",
    "metadata/%2e%2e/%2e%2e/etc/passwd",
    "metadata/..%2f..%2fetc%2fpasswd",
    "array/full/special/outside",
    "metadata/special/outside/passwd",
    "table/full/special/outside/passwd",
    "asset/bytes/good?id=1&relative_path=../../../../etc/passwd",
    "asset/bytes/special/outside?id=1",
    "asset/bytes/cut.zarr?id=1&relative_path=../good.npy",
    "asset/bytes/nometa?id=1&relative_path=%2fetc%2fpasswd",
]
PAGES = [
    "/ui/../../../../etc/passwd",
    "/ui/%2e%2e/%2e%2e/etc/passwd",
    "/ui/..%2f..%2f..%2f..%2fetc%2fpasswd",
    "/zarr/v2/../../etc/passwd",
    "/zarr/v3/special/outside/passwd",
]


@pytest.mark.parametrize("target", [f"/api/v1/{path}" for path in OUTSIDE] + PAGES)
def test_nothing_outside_the_folder(target):
    """Sent as raw bytes: clients would clean the path."""
    import socket

    host, port = world.broken().url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), 10) as connection:
        connection.sendall(f"GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
        answer = b""
        while part := connection.recv(65536):
            answer += part
    assert b"root:" not in answer
    assert b" 5" not in answer.split(b"\r\n")[0][8:10]
