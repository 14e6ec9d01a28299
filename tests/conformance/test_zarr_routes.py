"""/zarr/v2 and /zarr/v3: the tree read by Zarr libraries."""

import numcodecs
import numpy
import pytest
import servers
import world
import zarr
from compare import Request, same

ARRAYS = [
    "arrays/f8le",
    "arrays/i4be",
    "arrays/cube",
    "arrays/large",
    "zarr/three_zstd",
    "zarr/two_missing",
    "sequences/frame",
    "images/color_full",
    "tables/plain/energy",
]
GROUPS = ["", "arrays", "nested/alpha", "zarr/tree_two", "tables/plain", "tagged/entry_01x"]


@pytest.mark.parametrize("path", GROUPS)
@pytest.mark.parametrize("document", ["v2/{}/.zgroup", "v2/{}/.zattrs", "v2/{}/.zarray", "v3/{}/zarr.json"])
def test_groups(path, document):
    same("/zarr/" + document.format(path).replace("//", "/"))


@pytest.mark.parametrize("path", ARRAYS)
@pytest.mark.parametrize("document", ["v2/{}/.zarray", "v2/{}/.zattrs", "v2/{}/.zgroup", "v3/{}/zarr.json"])
def test_arrays(path, document):
    same("/zarr/" + document.format(path))


@pytest.mark.parametrize("path", GROUPS)
@pytest.mark.parametrize("version", ["v2", "v3"])
def test_listing(path, version):
    def listing(answer):
        if answer.status_code != 200:
            return answer.status_code
        return sorted(link.replace(answer.base, "") for link in answer.json())

    request = Request(f"/zarr/{version}/{path}")
    assert listing(request.send(world.under_test())) == listing(request.ask_tiled())


@pytest.mark.parametrize("path", ["arrays/f8le", "arrays/i4be", "arrays/cube", "zarr/three_zstd", "sequences/frame"])
def test_chunks(path):
    zeros = [0] * len(world.node(path).shape)
    for key in (f"v2/{path}/{'.'.join(map(str, zeros))}", f"v3/{path}/c/{'/'.join(map(str, zeros))}"):
        request = Request(f"/zarr/{key}")
        tiled, ours = request.ask_tiled(), request.send(world.under_test())
        if servers.self_test() and tiled.is_error:
            continue
        assert ours.status_code == 200, ours.text
        decoded = numcodecs.Blosc().decode(ours.content)
        if key.startswith("v3") and path == "arrays/i4be":
            # Both say that their bytes are little-endian; the real one's are not.
            decoded = numpy.frombuffer(decoded, "<i4").astype(">i4").tobytes()
        assert tiled.is_error or numcodecs.Blosc().decode(tiled.content) == decoded


@pytest.mark.parametrize(
    "key",
    [
        "v2/arrays/f8le/0",
        "v2/arrays/f8le/0.0.0",
        "v2/arrays/f8le/9.9",
        "v2/arrays/f8le/a.b",
        "v2/nothing/.zarray",
        "v3/arrays/f8le/c/0",
        "v3/arrays/f8le/c/9/9",
        "v3/nothing/zarr.json",
        "v2/arrays/f8le/-1.0",
    ],
)
def test_bad_keys(key):
    answer = Request(f"/zarr/{key}").send(world.under_test())
    assert servers.self_test() or 400 <= answer.status_code < 500


def over_http(path, version):
    """A Zarr store that reads each key from the server."""

    class Store(zarr.storage.MemoryStore):
        async def get(self, key, prototype, byte_range=None):
            answer = Request(f"/zarr/v{version}/{path}/{key}").send(world.under_test())
            return prototype.buffer.from_bytes(answer.content) if answer.status_code == 200 else None

    return Store()


@pytest.mark.parametrize("path", ARRAYS)
@pytest.mark.parametrize("version", [2, 3])
def test_zarr_python_reads_it(path, version):
    if servers.self_test() and path.startswith("zarr/"):
        return  # the real one has no chunks to show for these
    opened = zarr.open_array(over_http(path, version), mode="r", zarr_format=version)
    raw = Request(f"/api/v1/array/full/{path}").send(world.under_test()).content
    got = opened[...]
    assert got.shape == tuple(opened.shape)
    assert got.astype(opened.dtype).tobytes() == raw or numpy.array_equal(
        got, numpy.frombuffer(raw, as_served(path)).reshape(got.shape), equal_nan=got.dtype.kind == "f"
    )


def as_served(path):
    data_type = (
        Request(f"/api/v1/metadata/{path}")
        .send(world.under_test())
        .json()["data"]["attributes"]["structure"]["data_type"]
    )
    order = {"little": "<", "big": ">", "not_applicable": "|"}[data_type["endianness"]]
    return numpy.dtype(f"{order}{data_type['kind']}{data_type['itemsize']}")
