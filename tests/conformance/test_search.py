"""/search, /distinct and /search-deep: filters, order, paging and counts."""

import json

import httpx
import pytest
import servers
import world
from compare import Request, same

TAGGED = "/api/v1/search/tagged"


def condition(name, **fields):
    return {f"filter[{name}][condition][{field}]": value for field, value in fields.items()}


def test_listing(container):
    same(f"/api/v1/search/{container.path}", {"page[limit]": 300}, ordered=False)


def test_root_listing():
    same("/api/v1/search/", ordered=False)


def test_keys_only(container):
    same(f"/api/v1/search/{container.path}", {"page[limit]": 300, "fields": ""}, ordered=False)


FILTERS = [
    condition("fulltext", text="quick"),
    condition("fulltext", text="dog"),
    condition("fulltext", text="QUICK"),
    condition("fulltext", text="quic"),
    condition("fulltext", text="red"),
    condition("fulltext", text="nothing"),
    condition("lookup", key="entry_03x"),
    condition("lookup", key="nothing"),
    condition("lookup", key=["entry_03x", "entry_04x"]),
    condition("keys_filter", keys='["entry_01x", "entry_02x", "nothing"]'),
    condition("keys_filter", keys="[]"),
    condition("keys_filter", keys="nonsense"),
    condition("eq", key="attributes.color", value='"red"'),
    condition("eq", key="attributes.color", value="null"),
    condition("eq", key="attributes.number", value="3"),
    condition("eq", key="attributes.number", value='"3"'),
    condition("eq", key="attributes.number", value="3.0"),
    condition("eq", key="attributes.ratio", value="0.75"),
    condition("eq", key="attributes.ratio", value="1"),
    condition("eq", key="attributes.flag", value="true"),
    condition("eq", key="attributes.flag", value="1"),
    condition("eq", key="attributes.nested.depth", value="2"),
    condition("eq", key="attributes.nested", value='{"depth": 2, "word": "w2"}'),
    condition("eq", key="attributes.letters", value='["a"]'),
    condition("eq", key="attributes.mixed", value='"4"'),
    condition("eq", key="zarr_format", value="3"),
    condition("eq", key="nothing", value="1"),
    condition("eq", key="attributes.color", value="red"),
    condition("eq", key="attributes.color"),
    condition("eq", value='"red"'),
    condition("noteq", key="attributes.color", value='"red"'),
    condition("noteq", key="attributes.number", value="3"),
    condition("comparison", operator="lt", key="attributes.number", value="5"),
    condition("comparison", operator="le", key="attributes.number", value="5"),
    condition("comparison", operator="gt", key="attributes.ratio", value="1.5"),
    condition("comparison", operator="ge", key="attributes.ratio", value="1.5"),
    condition("comparison", operator="gt", key="attributes.color", value='"blue"'),
    condition("comparison", operator="xx", key="attributes.number", value="5"),
    condition("contains", key="attributes.letters", value='"b"'),
    condition("contains", key="attributes.letters", value='"z"'),
    condition("contains", key="attributes.color", value='"re"'),
    condition("in", key="attributes.color", value='["red", "blue"]'),
    condition("in", key="attributes.number", value="[1, 2, 99]"),
    condition("in", key="attributes.color", value="[]"),
    condition("in", key="attributes.color", value='"red"'),
    condition("notin", key="attributes.color", value='["red", "blue"]'),
    condition("notin", key="attributes.number", value="[1, 2, 99]"),
    condition("notin", key="attributes.color", value="[]"),
    condition("regex", key="attributes.text", pattern="qu.ck", case_sensitive="true"),
    condition("like", key="attributes.text", pattern='"%quick%"'),
    condition("like", key="attributes.text", pattern='"A lazy ___"'),
    condition("like", key="attributes.color", pattern='"RED"'),
    condition("keypresent", key="attributes.number", exists="true"),
    condition("keypresent", key="attributes.number", exists="false"),
    condition("keypresent", key="attributes.color", exists="true"),
    condition("specs", include='["x"]', exclude="[]"),
    condition("specs", include="[]", exclude='["x"]'),
    condition("structure_family", value="container"),
    condition("structure_family", value="array"),
    condition("structure_family", value="nonsense"),
    condition("nonsense", key="a"),
    {
        **condition("eq", key="attributes.color", value='"red"'),
        **condition("comparison", operator="gt", key="attributes.number", value="3"),
    },
    condition("eq", key=["attributes.color", "attributes.flag"], value=['"red"', "true"]),
]


@pytest.mark.parametrize("query", FILTERS, ids=json.dumps)
def test_filters(query):
    same(TAGGED, query, ordered=False)


@pytest.mark.parametrize("query", FILTERS[:12], ids=json.dumps)
def test_filters_inside_a_file(query):
    same("/api/v1/search/zarr/tree_three", query, ordered=False)


SORTS = [
    "id",
    "-id",
    "+id",
    "attributes.number",
    "-attributes.number",
    "metadata.attributes.number",
    "attributes.color",
    "attributes.text",
    "attributes.nested.depth",
    "nothing",
    "-nothing",
    "",
    "a b",
    "a$",
    ["attributes.color", "-id"],
    ["-attributes.flag", "attributes.ratio"],
    ["id", "id"],
    ["-", "id"],
]


@pytest.mark.parametrize("sort", SORTS, ids=str)
def test_sort(sort):
    # Where keys tie or are missing, the order is each server's own; the sorts
    # that are total are compared item by item.
    total = any(
        key in ("id", "attributes.ratio")
        for key in ([sort] if isinstance(sort, str) else sort)
        for key in [key.lstrip("+-")]
    )
    same(TAGGED, {"sort": sort, "fields": ""}, ordered=total)


def test_default_order_reverses():
    def keys(sort):
        answer = Request("/api/v1/search/nested/wide", {"fields": "", "page[limit]": 300, **sort}).send(
            world.under_test()
        )
        return [item["id"] for item in answer.json()["data"]]

    forward = keys({})
    assert len(forward) == 110
    assert keys({"sort": "-"}) == forward[::-1]
    assert keys({"sort": "+"}) == forward


@pytest.mark.parametrize(
    "query",
    [
        {"page[limit]": 0},
        {"page[limit]": 1},
        {"page[limit]": 5},
        {"page[limit]": 300},
        {"page[limit]": 301},
        {"page[limit]": -1},
        {"page[limit]": "x"},
        {"page[offset]": 5, "page[limit]": 5},
        {"page[offset]": 100},
        {"page[offset]": 109},
        {"page[offset]": 110},
        {"page[offset]": 1000},
        {"page[offset]": -1},
        {"page[offset]": "x"},
        {"page[cursor]": -1},
        {"page[cursor]": "x"},
        {"page[offset]": 1, "page[cursor]": 1},
    ],
    ids=str,
)
def test_paging_queries(query):
    same("/api/v1/search/nested/wide", {"fields": "", "sort": "id", **query}, ordered=True)


@pytest.mark.parametrize("fields", ["", "metadata", "count", "structure", "structure_family"])
@pytest.mark.parametrize("limit", [1, 5, 100])
def test_count(fields, limit):
    same("/api/v1/search/nested/wide", {"fields": fields, "page[limit]": limit, "sort": "id"})


@pytest.mark.parametrize("limit", [7, 50, 110, 300])
@pytest.mark.parametrize("sort", [{}, {"sort": "-"}, {"sort": "-id"}], ids=str)
def test_following_links(limit, sort):
    """Every item comes once, whatever the page size."""
    params = {"fields": "", "page[limit]": limit, **sort}
    url = httpx.URL(f"{world.under_test().api}/search/nested/wide", params=params)
    seen = []
    if servers.self_test():
        return  # the real one leaves some out
    with httpx.Client(trust_env=False) as http:
        while url:
            answer = http.get(url).raise_for_status().json()
            seen += [item["id"] for item in answer["data"]]
            url = answer["links"]["next"] and httpx.URL(answer["links"]["next"]).copy_merge_params(
                {"fields": "", **sort}
            )
    assert sorted(seen) == [f"item_{i:03d}x" for i in range(110)]


@pytest.mark.parametrize(
    "query",
    [
        {"select_metadata": "attributes.color"},
        {"fields": "metadata", "select_metadata": "{c: attributes.color}"},
        {"max_depth": 0},
        {"max_depth": 1},
        {"omit_links": "true"},
        {"include_data_sources": "true"},
        {"fields": "nonsense"},
    ],
    ids=str,
)
@pytest.mark.parametrize("path", ["tagged", "zarr/tree_two", "sequences"])
def test_queries(path, query):
    same(f"/api/v1/search/{path}", query, ordered=False)


DISTINCT = [
    {"metadata": "attributes.color"},
    {"metadata": "attributes.color", "counts": "true"},
    {"metadata": ["attributes.color", "attributes.nested.depth"], "counts": "true"},
    {"metadata": "attributes.letters", "counts": "true"},
    {"metadata": "nothing"},
    {"structure_families": "true"},
    {"structure_families": "true", "counts": "true"},
    {"specs": "true", "counts": "true"},
    {},
    {"metadata": "attributes.number", "counts": "true", **condition("eq", key="attributes.color", value='"red"')},
]


@pytest.mark.parametrize("query", DISTINCT, ids=json.dumps)
@pytest.mark.parametrize("path", ["tagged", "images", "arrays/f8le", "nothing"])
def test_distinct(path, query):
    def by_value(answer):
        if answer.is_error:
            return "an error"  # the real one's is 500
        found = answer.json()
        parts = [*(found["metadata"] or {}).values(), found["structure_families"] or [], found["specs"] or []]
        for part in parts:
            # The real one counts what has no value as null.
            part[:] = sorted((entry for entry in part if entry["value"] is not None), key=json.dumps)
        return found

    request = Request(f"/api/v1/distinct/{path}", query)
    assert by_value(request.send(world.under_test())) == by_value(request.ask_tiled())


@pytest.mark.parametrize(
    "query",
    [
        {},
        {"max_depth": 1},
        {"max_depth": 2},
        {"max_depth": 0},
        {"max_depth": 65},
        {"sort": "id"},
        condition("eq", key="attributes.color", value='"red"'),
    ],
    ids=str,
)
@pytest.mark.parametrize("path", ["nested/alpha", "tagged", "zarr/tree_two", "arrays/f8le", "nothing"])
def test_search_deep(path, query):
    same(f"/api/v1/search-deep/{path}", query, ordered=False)
