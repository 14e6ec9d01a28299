"""/array/full and /array/block: bytes, slices, shapes and media types."""

import itertools
import json
import random

import numpy
import pytest
import servers
import world
import zarr
from compare import Request, same

FULL = "/api/v1/array/full/"
BLOCK = "/api/v1/array/block/"


def nonempty(node):
    return node.family == "array" and node.size > 0


def plain(node):
    """Arrays whose elements are one number, time or text."""
    return nonempty(node) and "fields" not in node.structure["data_type"]


def dtype(node):
    data_type = node.structure["data_type"]
    if "fields" in data_type:
        return numpy.dtype((numpy.void, data_type["itemsize"]))
    order = {"little": "<", "big": ">", "not_applicable": "|"}[data_type["endianness"]]
    size = data_type["itemsize"] // (4 if data_type["kind"] == "U" else 1)
    return numpy.dtype(f"{order}{data_type['kind']}{size}{data_type['dt_units'] or ''}")


def test_full(array):
    same(FULL + array.path)


@world.where(lambda node: nonempty(node) and node.path.startswith(("arrays/", "zarr/")))
def test_full_against_the_writer(array):
    """The bytes are what numpy or zarr read from the same file."""
    answer = Request(FULL + array.path).send(world.under_test())
    if servers.self_test() and answer.is_error:
        return
    folder, _, rest = array.path.partition("/")
    path = world.fixtures() / "shared" / folder
    if folder == "arrays":
        want = numpy.load(path / f"{rest}.npy")
    else:
        name, _, inside = rest.partition("/")
        want = zarr.open(str(path / f"{name}.zarr"), mode="r", path=inside)[...]
    want = numpy.asarray(want)
    if want.dtype.names is None:
        want = want.astype(dtype(array))
    assert answer.content == want.tobytes(), f"{want.dtype} {want.shape}"


@world.where(nonempty)
def test_blocks(array, long):
    grid = [range(len(axis)) for axis in array.structure["chunks"]]
    cells = list(itertools.product(*grid))
    for cell in cells if long else {cells[0], cells[-1], cells[len(cells) // 2]}:
        same(BLOCK + array.path, {"block": ",".join(map(str, cell))})


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"block": ""},
        {"block": "0"},
        {"block": "0,0,0"},
        {"block": "9,9"},
        {"block": "-1,0"},
        {"block": "a,0"},
        {"block": "0,0", "slice": "1:3,2"},
        {"block": "0,0", "slice": "::2,::3"},
        {"block": "0,0", "slice": "0:1,0,0"},
        {"block": "0,0", "expected_shape": "7,10"},
        {"block": "0,0", "expected_shape": "7,11"},
        {"block": "0,0", "expected_shape": "scalar"},
        {"block": "0,0", "expected_shape": "x"},
        {"block": "4,2", "expected_shape": "2,2"},
        {"block": "0,0", "format": "application/json"},
    ],
    ids=str,
)
@pytest.mark.parametrize("path", ["zarr/three_zstd", "zarr/two_lz4"])
def test_block_queries(path, query):
    same(BLOCK + path, query)


def test_block_of_scalar():
    same(BLOCK + "arrays/scalar", {"block": ""})
    same(BLOCK + "arrays/scalar", {"block": "0"})


SLICED = [
    "arrays/f8le",
    "arrays/i4be",
    "arrays/cube",
    "arrays/fived",
    "arrays/onelong",
    "arrays/fortran",
    "arrays/fortrancube",
    "arrays/rgb",
    "arrays/records",
    "arrays/unicode_be",
    "arrays/time_ms",
    "sequences/frame",
    "sequences/line_",
    "sequences/single",
    "images/color_full",
    "images/gray_seq",
    "images/color_seq",
    "zarr/two_zstd_shuffle",
    "zarr/two_fortran",
    "zarr/three_shard",
    "zarr/three_shard_holes",
    "zarr/three_missing",
    "zarr/three_transpose",
    "zarr/two_records",
    "zarr/tree_three/inner/second",
]


def random_part(rng, n):
    """A part of a slice in any form that numpy accepts for an axis of n."""
    if rng.random() < 0.25:
        return str(rng.randrange(-n, n))
    bound = lambda: rng.choice(["", str(rng.randrange(-n - 3, n + 4))])  # noqa: E731
    step = rng.choice(["", ":", ":1", ":2", ":3", ":-1", ":-2", f":{n}", f":-{n + 1}"])
    return f"{bound()}:{bound()}{step}"


def random_slice(rng, shape):
    return ",".join(random_part(rng, n) for n in shape[: rng.randint(1, len(shape))])


def as_numpy(text):
    parts = []
    for part in text.split(","):
        numbers = [int(n) if n else None for n in part.split(":")]
        parts.append(numbers[0] if len(numbers) == 1 else slice(*numbers))
    return tuple(parts)


@pytest.mark.parametrize("path", SLICED)
def test_slices(path, long):
    """Against both: the real Tiled, and numpy's own slicing of the whole."""
    node = world.node(path)
    rng = random.Random(path)
    whole = numpy.frombuffer(same(FULL + path).content, dtype(node)).reshape(node.shape)
    for _ in range(60 if long else 12):
        text = random_slice(rng, node.shape)
        want = whole[as_numpy(text)]
        answer = same(FULL + path, {"slice": text})
        if servers.self_test() and answer.is_error:
            continue
        assert answer.status_code == 200, f"{text}: {answer.text}"
        assert answer.content == numpy.asarray(want, whole.dtype).tobytes(), text


EDGE_SLICES = [
    "",
    ":",
    "::",
    ":,:",
    "0",
    "-1",
    "0,0",
    "-6,-5",
    "6",
    "-7",
    "0,5",
    "0,0,0",
    ":,:,:",
    "::0",
    "0:0",
    "3:3,:",
    "5:2",
    "10:20",
    "-20:20",
    "::-1",
    "::-1,::-1",
    "3:-9:-1",
    ":2:-1",
    "4::-1",
    "9::-1",
    "1:",
    ":-1",
    "a",
    "1.5",
    "...",
    "0 ",
    "0, 1",
    "1,",
    ",1",
    ",",
    "[0]",
    "1:2:3:4",
    "99999999999999999999",
    ":99999999999999999999",
    "::99999999999999999999",
    "-99999999999999999999:",
    "1_0",
    "+1",
    "0x1",
]


@pytest.mark.parametrize("text", EDGE_SLICES)
@pytest.mark.parametrize("path", ["arrays/f8le", "zarr/three_dtype_f8_"])
def test_edge_slices(path, text):
    same(FULL + path, {"slice": text})


@pytest.mark.parametrize("text", ["", "0", ":", "0:1", "-1"])
@pytest.mark.parametrize(
    "path", ["arrays/scalar", "arrays/empty", "arrays/emptytwo", "zarr/three_scalar", "zarr/two_scalar"]
)
def test_degenerate_shapes(path, text):
    same(FULL + path, {"slice": text})


@pytest.mark.parametrize(
    "query",
    [
        {"expected_shape": "6,5"},
        {"expected_shape": "5,6"},
        {"expected_shape": "30"},
        {"expected_shape": ""},
        {"expected_shape": "scalar"},
        {"expected_shape": "x"},
        {"expected_shape": "-1,5"},
        {"slice": "0,0", "expected_shape": "scalar"},
        {"slice": "0", "expected_shape": "5"},
        {"slice": "1:3,2", "expected_shape": "2"},
        {"slice": "0:0", "expected_shape": "0,5"},
    ],
    ids=str,
)
def test_expected_shape(query):
    same(FULL + "arrays/f8le", query)


FORMATS = [
    "application/octet-stream",
    "application/json",
    "text/csv",
    "text/x-comma-separated-values",
    "text/plain",
    "application/vnd.ms-excel",
    "image/png",
    "image/tiff",
    "text/html",
]


# One of each kind; --long takes them all.
FORMATTED = {
    "i4le",
    "i2be",
    "u1n",
    "b1n",
    "f4le",
    "f8be",
    "f2le",
    "c8le",
    "c16be",
    "i8le",
    "u8be",
    "scalar",
    "cube",
    "fived",
    "nonfinite",
    "bytes_s",
    "unicode_le",
    "time_ms",
    "time_D",
    "time_nat",
    "delta_s",
    "records",
    "recordsnested",
    "image",
    "rgb",
    "frame",
    "line_",
    "gray",
    "color_full",
    "cmyk",
}


@world.where(
    lambda node: nonempty(node) and node.path.startswith(("arrays/", "sequences/", "images/")) and node.size < 20_000,
    quick=lambda node: node.path.split("/")[1] in FORMATTED,
)
@pytest.mark.parametrize("media", FORMATS)
def test_formats(array, media):
    same(FULL + array.path, {"format": media})


@pytest.mark.parametrize("media", FORMATS)
@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("arrays/large", "0:20,0:30"),
        ("arrays/large", "5"),
        ("arrays/large", "3,4"),
        ("arrays/f8le", "0:0"),
        ("arrays/nonfinite", "::-1"),
        ("zarr/three_zstd", "2:9,::3"),
        ("arrays/cube", "0:3,0:2"),
        ("arrays/rgb", "::2,::2,:"),
    ],
)
def test_formats_of_slices(path, text, media):
    same(FULL + path, {"format": media, "slice": text})


@pytest.mark.parametrize(
    "name",
    ["csv", "json", "txt", "text", "html", "htm", "png", "tif", "tiff", "xls", "xlsx", "npy", "h5", "nonsense", ""],
)
def test_aliases(name):
    same(FULL + "arrays/f8le", {"format": name})


ACCEPTS = [
    "*/*",
    "application/json",
    "text/csv",
    "image/*",
    "text/html, */*",
    "application/json, text/csv",
    "text/csv;header=absent",
    "nonsense/type",
    "nonsense/type, application/json",
    "application/json;q=0.2, text/csv;q=0.9",
    "*/*;q=0.8",
    "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8",
    "APPLICATION/JSON",
    "",
]


@pytest.mark.parametrize("accept", ACCEPTS)
def test_accept(accept):
    same(FULL + "arrays/f8le", headers={"accept": accept})


@pytest.mark.parametrize("name", ["x.csv", "with space.csv", 'quo"te.csv', "ünïcödé.csv", "a/b.csv", "semi;colon"])
def test_filename(name):
    same(FULL + "arrays/f8le", {"format": "text/csv", "filename": name})


@pytest.mark.parametrize(
    "route",
    [
        "array/full",
        "array/block",
        "table/full",
        "table/partition",
        "container/full",
        "node/full",
        "awkward/full",
        "awkward/buffers",
        "ragged/full",
        "search",
        "distinct",
        "search-deep",
    ],
)
@pytest.mark.parametrize("path", ["arrays/f8le", "tables/plain", "nested/alpha", "nothing"])
def test_routes_and_families(route, path):
    query = {"array/block": {"block": "0,0"}, "table/partition": {"partition": "0"}}.get(route, {})
    same(
        f"/api/v1/{route}/{path}", {**query, "format": "application/json"} if "full" in route else query, ordered=False
    )


@world.where(lambda node: plain(node) and node.kind in "biuf" and node.path.startswith("arrays/") and node.size < 1000)
def test_json_numbers(array):
    """JSON says the same numbers as the bytes do."""
    content = Request(FULL + array.path).send(world.under_test()).content
    want = numpy.frombuffer(content, dtype(array)).reshape(array.shape)
    text = Request(FULL + array.path, {"format": "application/json"}).send(world.under_test())
    if servers.self_test() and text.is_error:
        return
    assert text.status_code == 200, text.text
    got = numpy.array(json.loads(text.text), dtype="f8")
    finite = numpy.where(numpy.isfinite(want.astype("f8")), want, numpy.nan).astype("f8")
    numpy.testing.assert_array_equal(got, finite)
