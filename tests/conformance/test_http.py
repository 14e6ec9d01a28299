"""Methods, codings, validators and what else HTTP itself asks for."""

import gzip

import blosc2
import httpx
import pytest
import world
import zstandard
from compare import Request, same

LARGE = "/api/v1/array/full/arrays/large"


@pytest.mark.parametrize("method", ["HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"])
@pytest.mark.parametrize(
    "path",
    ["/api/v1/", "/api/v1/metadata/arrays/f8le", "/api/v1/array/full/arrays/f8le", "/api/v1/nothing", "/healthz"],
)
def test_methods(method, path):
    """Nothing can be written yet; a refusal says which methods there are."""
    answer = Request(path, method=method).send(world.under_test())
    assert answer.status_code < 500
    if method == "HEAD" and path != "/api/v1/nothing":
        assert answer.status_code in (200, 405)
    elif path.endswith("nothing"):
        assert answer.status_code == 404


@pytest.mark.parametrize(
    "path", ["/nothing", "/api/nothing", "/api/v1/nothing", "/api/v2/", "/api/v1/metadata-x/", "/api"]
)
def test_unknown_routes(path):
    same(path)


def raw(path, coding, headers=None):
    with (
        httpx.Client(trust_env=False) as http,
        http.stream(
            "GET", world.under_test().url + path, headers={"accept-encoding": coding, **(headers or {})}
        ) as answer,
    ):
        return answer, b"".join(answer.iter_raw())


def blosc2_decode(content):
    out = b""
    while content:
        size = int.from_bytes(content[12:16], "little")
        out += blosc2.decompress(content[:size])
        content = content[size:]
    return out


DECODE = {
    "gzip": gzip.decompress,
    "zstd": lambda content: zstandard.ZstdDecompressor().decompressobj().decompress(content),
    "blosc2": blosc2_decode,
}
TEXT = "/api/v1/array/full/arrays/large?format=application/json&slice=0:20"


@pytest.mark.parametrize(
    "coding",
    [
        "gzip",
        "zstd",
        "blosc2",
        "gzip, deflate, zstd, blosc2",
        "br",
        "gzip;q=0, zstd",
        "*",
        "identity;q=0, gzip",
        "zstd;q=0.1, gzip;q=0.9",
    ],
)
@pytest.mark.parametrize("path", [LARGE, TEXT, "/api/v1/search/zarr?page[limit]=100"])
def test_codings(path, coding):
    want = raw(path, "identity")[1]
    answer, content = raw(path, coding)
    used = answer.headers.get("content-encoding")
    if used is not None:
        assert used in coding or coding == "*"
        content = DECODE[used](content)
    assert content == want
    assert "accept-encoding" in answer.headers["vary"].lower()


def test_small_bodies_are_not_compressed():
    answer, _ = raw("/api/v1/array/full/arrays/f8le", "gzip, zstd")
    assert "content-encoding" not in answer.headers


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/metadata/arrays/f8le",
        "/api/v1/search/arrays",
        "/api/v1/array/full/arrays/large",
        "/api/v1/table/full/tables/plain",
        "/api/v1/array/block/zarr/three_zstd?block=0,0",
        "/zarr/v2/arrays/f8le/0.0",
    ],
)
def test_validators(path):
    first, content = raw(path, "identity")
    etag = first.headers["etag"]
    assert etag.startswith('"') and etag.endswith('"')
    assert "no-cache" in first.headers["cache-control"]
    assert {"accept", "accept-encoding"} <= {part.strip().lower() for part in first.headers["vary"].split(",")}
    for value in (etag, f'"x", {etag}', f"W/{etag}", "*"):
        again, body = raw(path, "identity", {"if-none-match": value})
        assert (again.status_code, body) == (304, b""), value
        assert again.headers["etag"] == etag
    again, body = raw(path, "identity", {"if-none-match": '"other"'})
    assert (again.status_code, body) == (200, content)


def test_tags_tell_answers_apart():
    paths = [
        "/api/v1/array/full/arrays/f8le",
        "/api/v1/array/full/arrays/f8le?slice=0",
        "/api/v1/array/full/arrays/f8le?slice=1",
        "/api/v1/array/full/arrays/f8le?format=json",
        "/api/v1/metadata/arrays/f8le",
        "/api/v1/metadata/arrays/f8be",
        "/api/v1/metadata/arrays/f8le?fields=metadata",
        "/api/v1/metadata/arrays/f8le?omit_links=true",
        "/api/v1/array/full/arrays/f4le",
        "/api/v1/array/full/arrays/large",
    ]
    tags = [raw(path, "identity")[0].headers["etag"] for path in paths]
    assert len(set(tags)) == len(tags)
    one = raw("/api/v1/metadata/arrays/f8le", "identity", {"accept": "application/x-msgpack"})[0]
    assert one.headers["etag"] not in tags
    other_host = raw("/api/v1/metadata/arrays/f8le", "identity", {"host": "example.org"})[0]
    assert other_host.headers["etag"] not in tags


def test_coded_and_plain_tags_match_each_other():
    """A 304 for a tag of any coding that the asker accepts."""
    coded = raw(LARGE, "gzip")[0].headers["etag"]
    assert raw(LARGE, "gzip, zstd", {"if-none-match": coded})[0].status_code == 304


def test_every_answer_has_an_id():
    for path in ("/api/v1/", "/api/v1/nothing", "/api/v1/metadata/nothing", "/healthz"):
        assert Request(path).send(world.under_test()).headers["x-tiled-request-id"]


def test_same_origin_only_unless_allowed():
    answer = Request("/api/v1/", headers={"origin": "https://elsewhere.example"}).send(world.under_test())
    assert "access-control-allow-origin" not in answer.headers


def test_old_client_gets_304_as_200():
    """The Python client loses a connection with each 304 it sees."""
    first, content = raw("/api/v1/array/full/arrays/f8le", "identity", {"user-agent": "python-tiled/0.2.20"})
    headers = {"user-agent": "python-tiled/0.2.20", "if-none-match": first.headers["etag"]}
    again, body = raw("/api/v1/array/full/arrays/f8le", "identity", headers)
    assert (again.status_code, body) == (200, content)
