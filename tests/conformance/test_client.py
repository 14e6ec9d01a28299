"""What the unmodified Python client gives its user, against both servers."""

import functools
import io
import os
import pathlib
import re

import dask.array
import httpx
import numpy
import pandas
import pytest
import servers
import world
from compare import Finding, Request, explained
from PIL import Image
from tiled.client import from_uri
from tiled.client.cache import Cache
from tiled.queries import (
    Comparison,
    Contains,
    Eq,
    FullText,
    In,
    Key,
    KeyPresent,
    KeysFilter,
    Like,
    NotEq,
    NotIn,
    StructureFamilyQuery,
)
from tiled.structures.core import StructureFamily


@functools.cache
def clients(kind="numpy"):
    return from_uri(world.tiled().url, kind), from_uri(world.under_test().url, kind)


def both(action, kind="numpy"):
    """What an action returns or raises from each of the two servers."""

    def outcome(client):
        try:
            return action(client)
        except (KeyError, IndexError, ValueError, TypeError, NotImplementedError, httpx.HTTPError) as error:
            return type(error).__name__

    tiled, ours = clients(kind)
    return outcome(tiled), outcome(ours)


def plain(frame):
    """The same values without pandas' choice of storage for text."""
    return frame.astype(
        {
            name: object
            for name, kind in frame.dtypes.items()
            if isinstance(kind, (pandas.StringDtype, pandas.ArrowDtype))
        }
    )


def equal(a, b):
    if isinstance(a, pandas.DataFrame):
        pandas.testing.assert_frame_equal(plain(a), plain(b))
    elif isinstance(a, numpy.ndarray):
        assert a.dtype == b.dtype
        numpy.testing.assert_array_equal(a, b)
    else:
        assert a == b


def check(action, kind="numpy"):
    """Asserts that an action gives the same from both, but for known differences."""
    tiled, ours = both(action, kind)
    try:
        assert type(tiled) is type(ours), f"tiled {tiled!r}, ours {ours!r}"
        equal(tiled, ours)
    except AssertionError:
        name = os.environ["PYTEST_CURRENT_TEST"].split("::")[1].split(" ")[0]
        if not explained(Finding(Request(f"client {name}"), "client", tiled, ours)):
            raise
    return ours


def at(client, path):
    for segment in path.split("/"):
        client = client[segment]
    return client


def test_tree_walks():
    def walk(client, depth=0):
        if not hasattr(client, "items"):
            return (
                client.structure_family.value
                if hasattr(client.structure_family, "value")
                else str(client.structure_family)
            )
        return {key: walk(value, depth + 1) for key, value in client.items()}

    tiled, ours = both(lambda client: walk(client["nested"]["alpha"]))
    assert tiled == ours and tiled["beta"]["gamma"] == {"position": "array"}


def test_root():
    check(sorted)
    check(len)
    check(lambda client: "arrays" in client and "nothing" not in client)
    check(lambda client: client["nothing"])
    check(lambda client: client["arrays", "f8le"].shape)
    check(lambda client: sorted(client.formats))


@pytest.mark.parametrize("path", ["arrays", "zarr", "names", "nested/wide", "zarr/tree_three", "tagged"])
def test_container(path):
    check(lambda client: sorted(at(client, path)))
    check(lambda client: sorted(at(client, path).keys()))
    check(lambda client: at(client, path).uri.replace(client.uri, ""))
    check(lambda client: at(client, path).metadata)
    check(lambda client: at(client, path).path_parts)
    check(lambda client: at(client, path).specs)


def test_length_of_pages():
    for part in (slice(3, 8), slice(None, 5), slice(105, None), slice(100, 300), slice(-5, None), slice(None, -100)):
        got = both(lambda client: client["nested"]["wide"].sort(("id", 1)).keys()[part])
        assert got[0] == got[1]
    check(lambda client: len(client["nested"]["wide"]))
    check(lambda client: client["nested"]["wide"].sort(("id", -1)).keys().first())
    check(lambda client: client["nested"]["wide"].sort(("id", 1)).keys().last())
    check(lambda client: client["nested"]["wide"].sort(("id", 1)).keys()[7])
    check(lambda client: client["nested"]["wide"].sort(("id", 1)).values()[7].read())


@pytest.mark.parametrize(
    "path",
    [
        "names/with space",
        "names/ünïcödé",
        "names/漢字",
        "names/plus+sign",
        "names/amp&ersand",
        "names/semi;colon",
        "names/quo'te",
        "names/[bracket]",
        "names/emoji😀",
        "names/folder with space/inner one",
    ],
)
def test_names(path):
    check(lambda client: at(client, path).read())


@world.where(lambda node: "fields" not in node.structure["data_type"] or node.path.startswith("arrays/"))
def test_array(array):
    if array.path.startswith("nested/wide") and not array.path.endswith("0x"):
        return
    check(lambda client: at(client, array.path).read())


ARRAYS = [
    "arrays/cube",
    "arrays/f4be",
    "arrays/onelong",
    "sequences/frame",
    "images/color_full",
    "zarr/three_shard",
    "zarr/two_fortran",
    "tables/plain/energy",
]
SLICES = [
    numpy.s_[0],
    numpy.s_[-1],
    numpy.s_[1:3],
    numpy.s_[::2],
    numpy.s_[:-2],
    numpy.s_[..., 0],
    numpy.s_[...],
    numpy.s_[0:0],
    numpy.s_[100:200],
    numpy.s_[::-1],
    numpy.s_[4:1:-1],
    numpy.s_[3:0:-2, 1:],
    numpy.s_[1, 2],
    numpy.s_[:, ::-2],
]


@pytest.mark.parametrize("path", ARRAYS)
def test_slices_read_right(path):
    """Against numpy: the real server cannot do all of these."""
    client = at(clients()[1], path)
    whole = client.read()
    for part in SLICES:
        try:
            want = whole[part]
        except IndexError:
            with pytest.raises(IndexError):
                client[part]
            continue
        numpy.testing.assert_array_equal(client[part], want, err_msg=str(part))


@pytest.mark.parametrize("path", ["zarr/three_shard", "arrays/cube", "arrays/large"])
def test_dask(path):
    lazy = at(clients("dask")[1], path).read()
    assert isinstance(lazy, dask.array.Array)
    want = at(clients()[1], path).read()
    numpy.testing.assert_array_equal(lazy.compute(scheduler="threads"), want)
    check(lambda client: at(client, path).read().chunks, "dask")
    numpy.testing.assert_array_equal(lazy[1:5, ::-1].compute(), want[1:5, ::-1])


@pytest.mark.parametrize("path", ["zarr/three_zstd", "sequences/frame"])
def test_blocks(path):
    check(lambda client: at(client, path).chunks)
    check(lambda client: at(client, path).read_block((0,) * at(client, path).ndim))
    check(lambda client: at(client, path).read_block((1,) + (0,) * (at(client, path).ndim - 1)))


@pytest.mark.parametrize("path", ["arrays/f8le", "arrays/records", "arrays/time_ms", "zarr/tree_three/first"])
def test_array_properties(path):
    for name in ("shape", "dtype", "chunks", "dims", "ndim", "size", "nbytes", "metadata", "specs"):
        check(lambda client: getattr(at(client, path), name, "none"))


def test_table(table):
    check(lambda client: at(client, table.path).read())


@pytest.mark.parametrize(
    "path", ["tables/plain", "tables/pq_plain", "tables/pq_groups", "tables/pq_types", "tables/long"]
)
def test_table_parts(path):
    check(lambda client: at(client, path).columns)
    check(lambda client: list(at(client, path)))
    check(lambda client: len(at(client, path)))
    check(lambda client: at(client, path).read([at(client, path).columns[1]]))
    check(lambda client: at(client, path).read(at(client, path).columns[1::-1]))
    check(lambda client: at(client, path).read_partition(0))
    check(lambda client: at(client, path).read_partition(0, columns=at(client, path).columns[:2]))
    check(lambda client: at(client, path)[at(client, path).columns[0]].read())
    check(lambda client: at(client, path)["nothing"])


def test_table_in_dask():
    lazy = clients("dask")[1]["tables"]["pq_groups"].read()
    check(lambda client: client["tables"]["pq_groups"].read().npartitions, "dask")
    pandas.testing.assert_frame_equal(lazy.compute(), clients()[1]["tables"]["pq_groups"].read())


QUERIES = {
    "fulltext": FullText("quick"),
    "eq": Key("attributes.color") == "red",
    "eqnull": Eq("attributes.color", None),
    "noteq": NotEq("attributes.color", "red"),
    "lt": Key("attributes.number") < 5,
    "ge": Comparison("ge", "attributes.ratio", 1.5),
    "in": In("attributes.color", ["red", "blue"]),
    "notin": NotIn("attributes.color", ["red", "blue"]),
    "contains": Contains("attributes.letters", "b"),
    "like": Like("attributes.text", "%quick%"),
    "present": KeyPresent("attributes.number"),
    "absent": KeyPresent("attributes.number", False),
    "keys": KeysFilter(["entry_01x", "entry_02x"]),
    "family": StructureFamilyQuery(StructureFamily.container),
}


@pytest.mark.parametrize("name", QUERIES)
def test_search(name):
    check(lambda client: sorted(client["tagged"].search(QUERIES[name])))
    check(lambda client: len(client["tagged"].search(QUERIES[name])))
    check(lambda client: sorted(client["tagged"].search(QUERIES[name]).search(Key("attributes.number") > 2)))


def test_look_up_in_a_search():
    check(lambda client: client["tagged"].search(Key("attributes.color") == "red")["entry_04x"].metadata)
    check(lambda client: client["tagged"].search(Key("attributes.color") == "red")["entry_01x"])


def test_sorting():
    check(lambda client: list(client["tagged"].sort(("attributes.ratio", -1))))
    check(lambda client: list(client["tagged"].sort(("id", -1))))


def test_distinct():
    def found(client):
        answer = client["tagged"].distinct("attributes.color", structure_families=True, counts=True)
        colors = [entry for entry in answer["metadata"]["attributes.color"] if entry["value"]]
        return sorted(colors, key=str), answer["structure_families"]

    check(found)


EXPORTS = [
    ("arrays/f8le", "x.csv", {}),
    ("arrays/f8le", "x.json", {}),
    ("arrays/rgb", "x.png", {}),
    ("arrays/f8le", "x.tif", {}),
    ("arrays/f8le", "x.txt", {"slice": numpy.s_[1:3, 2:4]}),
    ("tables/plain", "x.csv", {}),
    ("tables/plain", "x.xlsx", {}),
    ("tables/plain", "x.parquet", {}),
    ("tables/plain", "x.arrow", {}),
    ("tables/plain", "x.json", {}),
    ("tables/plain", "x.html", {}),
    ("nested/alpha", "x.json", {}),
]


@pytest.mark.parametrize(("path", "name", "options"), EXPORTS)
def test_export(path, name, options, tmp_path):
    def export(client):
        target = tmp_path / client.uri.split(":")[2].split("/")[0] / name
        target.parent.mkdir(exist_ok=True)
        at(client, path).export(str(target), **options)
        content = target.read_bytes()
        suffix = target.suffix
        if suffix == ".xlsx":
            return pandas.read_excel(io.BytesIO(content))
        if suffix == ".parquet":
            return pandas.read_parquet(io.BytesIO(content))
        if suffix == ".arrow":
            return pandas.read_feather(io.BytesIO(content))
        if suffix in (".png", ".tif"):
            return numpy.asarray(Image.open(io.BytesIO(content))) if suffix == ".png" else len(content) > 0
        if suffix == ".json":
            return __import__("json").loads(content)
        return content.decode()

    check(export)


@pytest.mark.parametrize("path", ["arrays/f8le", "sequences/frame", "zarr/three_zstd", "tables/plain", "zarr/tree_two"])
def test_raw_export(path, tmp_path):
    def export(client):
        target = tmp_path / client.uri.split(":")[2].split("/")[0]
        paths = at(client, path).raw_export(str(target))
        files = {str(pathlib.Path(p).relative_to(target)): pathlib.Path(p).read_bytes() for p in map(str, paths)}
        # Where there are several assets, each has a folder named by its id.
        return {re.sub(r"^\d+/", "", name): content for name, content in files.items()}

    check(export)


def test_data_sources():
    def sources(client):
        found = at(client, "sequences/frame").include_data_sources().data_sources()
        return [
            (
                s.mimetype,
                s.parameters,
                s.management,
                [(a.data_uri, a.num, a.parameter, a.is_directory, a.size) for a in s.assets],
            )
            for s in found
        ]

    check(sources)


def test_wide_columns_go_by_post():
    """Above 2,000 characters of column names the client sends a POST."""
    columns = clients()[1]["wide"]["wide"].columns
    assert sum(map(len, columns)) > 4000
    check(lambda client: client["wide"]["wide"].read(columns[::-1]))


def test_private_server_needs_the_key():
    for server in world.private():
        with pytest.raises((RuntimeError, httpx.HTTPError)):
            from_uri(server.url)
        assert list(from_uri(f"{server.url}?api_key={servers.KEY}")) == list(from_uri(server.url, api_key=servers.KEY))


def test_revalidations_do_not_starve_the_client(tmp_path):
    """The client keeps a connection for each 304 it gets, and has sixteen."""
    if servers.self_test():
        return  # the real one starves it
    client = from_uri(world.under_test().url, cache=Cache(tmp_path / "cache.db"))
    for _ in range(100):
        node = client["arrays"]["f8le"]
        assert node[:2].shape == (2, 5)


def test_every_coding_reads_the_same():
    want = decoded("identity")
    for coding in ("gzip", "zstd", "blosc2", "gzip, deflate, zstd, blosc2"):
        answer = decoded(coding)
        assert answer == want, coding


def decoded(coding):
    """The bytes of a large array as the client's own decoders read them."""
    from tiled.client.decoders import SUPPORTED_DECODERS

    url = f"{world.under_test().api}/array/full/arrays/large"
    with httpx.Client(trust_env=False) as http, http.stream("GET", url, headers={"accept-encoding": coding}) as answer:
        answer.raise_for_status()
        raw = b"".join(answer.iter_raw())
        used = answer.headers.get("content-encoding")
    if used is None:
        return raw
    decoder = SUPPORTED_DECODERS[used]()
    return decoder.decode(raw) + decoder.flush()
