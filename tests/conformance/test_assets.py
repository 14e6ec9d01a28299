"""/asset/bytes and /asset/manifest: the files behind a node."""

import pytest
import servers
import world
from compare import Request, differ, explained, report

NODES = [
    "arrays/f8le",
    "sequences/frame",
    "tables/plain",
    "tables/pq_plain",
    "images/gray",
    "zarr/two_zstd",
    "zarr/tree_three",
]


def assets(server, path):
    answer = Request(f"/api/v1/metadata/{path}", {"include_data_sources": "true"}).send(server)
    assert answer.status_code == 200, answer.text
    return [asset for source in answer.json()["data"]["attributes"]["data_sources"] for asset in source["assets"]]


def same_asset(path, route, headers=None, **params):
    """Compares one request for the first asset; its id is each server's own."""
    answers = []
    for server in (world.tiled(), world.under_test()):
        request = Request(f"/api/v1/asset/{route}/{path}", {"id": assets(server, path)[0]["id"], **params}, headers)
        answers.append(request.send(server))
    findings = [f for f in differ(request, *answers, ordered=True) if not explained(f)]
    if findings:
        report(request, world.under_test(), findings)
    assert not findings, "; ".join(map(str, findings))
    return answers


@pytest.mark.parametrize("path", NODES)
def test_bytes(path):
    same_asset(path, "bytes")


@pytest.mark.parametrize("path", NODES)
def test_manifest(path):
    answers = []
    for server in (world.tiled(), world.under_test()):
        request = Request(f"/api/v1/asset/manifest/{path}", {"id": assets(server, path)[0]["id"]})
        answer = request.send(server)
        answers.append((answer.status_code, answer.json().get("manifest")))
    (status, absolute), (our_status, relative) = answers
    assert status == our_status
    if status == 200 and not servers.self_test():
        # The real one's paths are those on its own disk.
        folder = f"{world.fixtures()}/shared/{path}.zarr/"
        assert sorted(relative) == sorted(name.removeprefix(folder) for name in absolute)


RANGES = [
    "bytes=0-9",
    "bytes=10-19",
    "bytes=-10",
    "bytes=100-",
    "bytes=0-0,5-6",
    "bytes=999999-",
    "bytes=9-1",
    "items=0-1",
    "nonsense",
    "bytes=0-99999999",
]


@pytest.mark.parametrize("text", RANGES)
def test_range(text):
    tiled, ours = same_asset("arrays/f8le", "bytes", {"range": text})
    if ours.status_code == 206 and not ours.headers["content-type"].startswith("multipart/"):
        assert tiled.headers["content-range"] == ours.headers["content-range"]


def test_if_range():
    server = world.under_test()
    request = Request("/api/v1/asset/bytes/arrays/f8le", {"id": assets(server, "arrays/f8le")[0]["id"]})
    whole = request.send(server)
    for validator, status in [(whole.headers["etag"], 206), ('"other"', 200), (whole.headers["last-modified"], 206)]:
        request.headers = {"range": "bytes=0-9", "if-range": validator}
        assert request.send(server).status_code == status, validator


@pytest.mark.parametrize("inside", ["0.0", ".zarray", "nothing", "../../arrays/f8le.npy", "/etc/passwd", "", "."])
def test_relative_path(inside):
    if inside.startswith(("..", "/", ".")) and inside != ".zarray":
        server = world.under_test()
        params = {"id": assets(server, "zarr/two_zstd")[0]["id"], "relative_path": inside}
        answer = Request("/api/v1/asset/bytes/zarr/two_zstd", params).send(server)
        assert servers.self_test() or 400 <= answer.status_code < 500
    else:
        same_asset("zarr/two_zstd", "bytes", relative_path=inside)


@pytest.mark.parametrize("id_", ["", "x", "-1", "99999999999"])
@pytest.mark.parametrize("route", ["bytes", "manifest"])
def test_bad_ids(route, id_):
    answer = Request(f"/api/v1/asset/{route}/arrays/f8le", {"id": id_}).send(world.under_test())
    assert answer.status_code in (404, 422), answer.text
    assert Request(f"/api/v1/asset/{route}/nothing", {"id": 1}).send(world.under_test()).status_code == 404
