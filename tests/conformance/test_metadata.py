"""About, and /metadata of every node."""

import pytest
import world
from compare import same

JSON = {"accept": "application/json"}
MSGPACK = {"accept": "application/x-msgpack"}


def test_about():
    same("/api/v1/")


def test_about_msgpack():
    same("/api/v1/", headers=MSGPACK)


def test_health():
    same("/healthz")


def test_ui_settings():
    same("/tiled-ui-settings")


def test_root():
    same("/api/v1/metadata/")
    same("/api/v1/metadata")


def test_node(node):
    same(f"/api/v1/metadata/{node.path}")


@world.where(lambda node: not node.path.startswith(("nested/wide", "zarr/t")))
def test_node_msgpack(node):
    same(f"/api/v1/metadata/{node.path}", headers=MSGPACK)


SOME = [
    "arrays/f8le",
    "arrays/records",
    "tables/plain",
    "zarr/tree_three",
    "zarr/tree_three/first",
    "sequences/frame",
    "images/color_full",
    "tagged/entry_01x",
    "nested",
]


@pytest.mark.parametrize("path", SOME)
@pytest.mark.parametrize(
    "query",
    [
        {"fields": ""},
        {"fields": "metadata"},
        {"fields": "structure_family"},
        {"fields": "structure"},
        {"fields": "count"},
        {"fields": "sorting"},
        {"fields": "specs"},
        {"fields": "data_sources"},
        {"fields": "access_tags"},
        {"fields": ["structure_family", "structure", "specs", "metadata"]},
        {"fields": "nonsense"},
        {"fields": "access_blob"},
        {"omit_links": "true"},
        {"include_data_sources": "true"},
        {"root_path": "true"},
        {"max_depth": "0"},
        {"max_depth": "1"},
        {"max_depth": "6"},
        {"max_depth": "-1"},
        {"select_metadata": "attributes.title"},
        {"select_metadata": "{a: attributes.color, b: zarr_format}"},
        {"select_metadata": "false"},
        {"select_metadata": "attributes.["},
    ],
    ids=str,
)
def test_query(path, query):
    same(f"/api/v1/metadata/{path}", query)


@pytest.mark.parametrize("old", ["0.2.18", "0.2.12", "0.2.3", "0.1.0a100"])
def test_old_clients(old):
    headers = {"user-agent": f"python-tiled/{old}"}
    same("/api/v1/metadata/arrays/f8le", {"include_data_sources": "true"}, headers)


@pytest.mark.parametrize(
    "accept",
    [
        "*/*",
        "application/json",
        "application/x-msgpack",
        "text/html",
        "text/html, application/x-msgpack",
        "application/x-msgpack, application/json",
        "text/html,application/json;q=0.5",
        "nonsense",
        "",
    ],
)
def test_accept(accept):
    same("/api/v1/metadata/arrays/f8le", headers={"accept": accept})


@pytest.mark.parametrize("host", ["example.org", "example.org:8080", "[::1]:80"])
def test_host_in_links(host):
    same("/api/v1/metadata/arrays/f8le", headers={"host": host})


def test_forwarded_headers():
    headers = {"x-forwarded-host": "beamline.example.org", "x-forwarded-proto": "https"}
    answer = same("/api/v1/metadata/arrays/f8le", headers=headers)
    assert answer.json()["data"]["links"]["self"].startswith("https://beamline.example.org/api/v1/")


@pytest.mark.parametrize(
    "path",
    [
        "arrays//f8le",
        "/arrays/f8le/",
        "arrays/f8le/",
        "arrays/nothing",
        "nothing",
        "nothing/at/all",
        "arrays/f8le/x",
        "tables/plain/energy",
        "tables/plain/nothing",
        "tables/plain/energy/x",
        "zarr/tree_two/inner/second",
        "zarr/tree_two/inner/nothing",
        ".hidden",
        "names/.hidden",
        "names/with space",
        "names/漢字",
        "names/plus+sign",
        "arrays/F8LE",
        "images/color_seq",
        "images/color_seq00",
    ],
)
def test_paths(path):
    same(f"/api/v1/metadata/{path}")


def columns():
    names = {
        "plain": ["index_", "energy", "counts", "label", "good"],
        "pq_types": ["int8", "uint64", "f_four", "flag", "text", "when", "when_utc", "day", "raw"],
        "gaps": ["index_", "energy", "label"],
        "unicode": ["größe", "漢字"],
    }
    return [f"tables/{table}/{column}" for table, columns in names.items() for column in columns]


@pytest.mark.parametrize("path", columns())
def test_columns_are_nodes(path):
    same(f"/api/v1/metadata/{path}")
    same(f"/api/v1/array/full/{path}")
    same(f"/api/v1/array/full/{path}", {"slice": "1:5", "format": "application/json"})
