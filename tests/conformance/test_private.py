"""What needs the key, and how it may be given."""

import httpx
import pytest
import servers
import world
from compare import same

SHUT = [
    "/api/v1/metadata/",
    "/api/v1/search/",
    "/api/v1/search-deep/",
    "/api/v1/distinct/",
    "/api/v1/array/full/position",
    "/api/v1/array/block/position?block=0,0",
    "/api/v1/asset/bytes/position?id=1",
    "/api/v1/metadata/nothing",
]
OPEN = ["/api/v1/", "/healthz", "/tiled-ui-settings", "/openapi.json", "/docs"]


def split(url):
    path, _, query = url.partition("?")
    return path, dict(pair.split("=") for pair in query.split("&")) if query else {}


@pytest.mark.parametrize("url", SHUT)
def test_shut(url):
    path, params = split(url)
    same(path, params, pair=world.private())


@pytest.mark.parametrize("url", ["/zarr/v2/position/.zarray", "/zarr/v3/position/zarr.json", "/api/v1/metrics"])
def test_shut_by_us(url):
    server = world.private()[1]
    assert httpx.get(server.url + url, trust_env=False).status_code == 401
    answer = httpx.get(server.url + url, headers={"authorization": f"Apikey {servers.KEY}"}, trust_env=False)
    assert answer.status_code == 200


@pytest.mark.parametrize("url", OPEN)
def test_open(url):
    assert httpx.get(world.private()[1].url + url, trust_env=False).status_code == 200


@pytest.mark.parametrize("url", SHUT)
@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": f"Apikey {servers.KEY}"},
        {"authorization": f"apikey {servers.KEY}"},
        {"authorization": "Apikey wrong"},
        {"authorization": "Apikey"},
        {"authorization": f"Bearer {servers.KEY}"},
        {"authorization": "Basic c2VjcmV0Og=="},
        {"authorization": servers.KEY},
        {"cookie": f"tiled_api_key={servers.KEY}"},
        {"cookie": "tiled_api_key=wrong"},
        {"cookie": f"tiled_api_key={servers.KEY}", "authorization": "Apikey wrong"},
    ],
    ids=str,
)
def test_key(url, headers):
    path, params = split(url)
    same(path, params, headers, pair=world.private(), ordered=False)


@pytest.mark.parametrize("key", [servers.KEY, "wrong", ""])
def test_key_in_the_query(key):
    same("/api/v1/metadata/position", {"api_key": key}, pair=world.private())


def test_wrong_key_on_a_public_server():
    same("/api/v1/metadata/", headers={"authorization": "Apikey wrong"})


def test_printed_url_sets_the_cookie():
    server = world.private()[1]
    answer = httpx.get(f"{server.url}/?api_key={servers.KEY}", trust_env=False)
    assert answer.status_code in (302, 303, 307)
    assert servers.KEY not in answer.headers["location"]
    cookie = answer.headers["set-cookie"].lower()
    assert "tiled_api_key=" in cookie and "httponly" in cookie and "samesite" in cookie


def test_key_is_not_in_the_log():
    server = world.private()[1]
    for url in ("/api/v1/metadata/", "/", "/api/v1/nothing", "/healthz"):
        httpx.get(f"{server.url}{url}?api_key={servers.KEY}", trust_env=False)
    lines = [line for line in server.log.read_text().splitlines() if "api_key" in line or "GET" in line]
    assert not any(servers.KEY in line for line in lines), lines
