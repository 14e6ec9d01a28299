"""/table/full and /table/partition: rows, columns and media types."""

import pytest
import world
from compare import same

FULL = "/api/v1/table/full/"
PART = "/api/v1/table/partition/"


def small(node):
    return node.path not in ("tables/long", "tables/pq_groups")


def test_full(table):
    same(FULL + table.path)


def test_partitions(table):
    last = table.structure["npartitions"] - 1
    for i in {0, last // 2, last}:
        same(PART + table.path, {"partition": i})
    same(PART + table.path, {"partition": last + 1})


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"partition": ""},
        {"partition": "x"},
        {"partition": "-1"},
        {"partition": "99"},
        {"partition": "0", "column": "energy"},
        {"partition": "0", "column": ["label", "energy"]},
        {"partition": "0", "column": "nothing"},
        {"partition": "0", "column": ["energy", "energy"]},
        {"partition": "0", "field": "energy"},
        {"partition": "0", "column": ""},
    ],
    ids=str,
)
@pytest.mark.parametrize("path", ["tables/plain", "tables/pq_plain", "tables/pq_groups"])
def test_partition_queries(path, query):
    same(PART + path, query)


@pytest.mark.parametrize(
    "query", [{"column": "energy"}, {"column": ["good", "label"]}, {"column": "nothing"}, {"field": "energy"}], ids=str
)
@pytest.mark.parametrize("path", ["tables/plain", "tables/pq_plain", "tables/pq_groups"])
def test_full_queries(path, query):
    same(FULL + path, query)


@pytest.mark.parametrize("body", [["energy"], ["label", "energy"], [], ["nothing"], {"a": 1}, "energy"], ids=str)
@pytest.mark.parametrize("route", [FULL, PART])
def test_post(route, body):
    same(route + "tables/plain", {"partition": "0"} if route == PART else {}, method="POST", body=body)


FORMATS = [
    "application/vnd.apache.arrow.file",
    "application/x-parquet",
    "text/csv",
    "text/csv;header=absent",
    "text/x-comma-separated-values",
    "text/plain",
    "application/vnd.ms-excel",
    "text/html",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "application/json",
    "application/json-seq",
    "application/x-hdf5",
    "nonsense",
]


# One of each kind; --long takes them all.
FORMATTED = {
    "plain",
    "gaps",
    "quoted",
    "unicode",
    "dates",
    "missing",
    "booleans",
    "mixed",
    "duplicates",
    "headeronly",
    "bigints",
    "hugeints",
    "floats",
    "pq_plain",
    "pq_gaps",
    "pq_types",
    "bom",
}


@world.where(small, quick=lambda node: node.path.split("/")[1] in FORMATTED)
@pytest.mark.parametrize("media", FORMATS)
def test_formats(table, media):
    same(FULL + table.path, {"format": media})


@pytest.mark.parametrize("media", FORMATS)
def test_formats_of_columns(media):
    same(FULL + "tables/plain", {"format": media, "column": ["label", "energy"]})
    same(PART + "tables/plain", {"format": media, "column": ["label", "energy"], "partition": "0"})


@pytest.mark.parametrize("name", ["csv", "json", "xlsx", "parquet", "arrow", "feather", "txt", "html", "h5", "nc"])
def test_aliases(name):
    same(FULL + "tables/plain", {"format": name})


@pytest.mark.parametrize(
    "accept", ["*/*", "text/csv", "text/csv;header=absent", "application/json, */*", "image/*", ""]
)
def test_accept(accept):
    same(FULL + "tables/plain", headers={"accept": accept})


def test_filename():
    same(FULL + "tables/plain", {"format": "csv", "filename": "my table.csv"})


@pytest.mark.parametrize(
    "path", ["nested/alpha", "zarr/tree_two", "zarr/tree_three", "zarr/tree_three/inner", "tagged"]
)
@pytest.mark.parametrize("media", ["application/json", "json"])
def test_container(path, media):
    same(f"/api/v1/container/full/{path}", {"format": media})
    same(f"/api/v1/node/full/{path}", {"format": media})


def test_container_fields():
    same("/api/v1/container/full/zarr/tree_two", {"format": "json", "field": "first"})
    same("/api/v1/container/full/zarr/tree_two", {"format": "json", "field": "nothing"})
    same("/api/v1/container/full/zarr/tree_two", {"format": "json"}, method="POST", body=["first"])


def test_there_are_tables():
    assert len(world.of_family("table")) > 30
