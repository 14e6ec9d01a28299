"""What Terrazzo serves and the real Tiled leaves out, read by its client.

The values are compared with what the writing libraries read themselves.
"""

import functools
from urllib.parse import quote

import httpx
import numpy
import pandas
import pyarrow
import pyarrow.feather
import pytest
import world
from PIL import Image
from tiled.client import from_uri


@functools.cache
def client():
    return from_uri(world.more().url)


def folder():
    return world.fixtures() / "more"


@pytest.mark.parametrize("name", ["gray", "color", "alpha", "grayalpha", "deep", "bilevel", "palette"])
def test_png(name):
    want = numpy.asarray(Image.open(folder() / "images" / f"{name}.png"))
    got = client()["images"][name].read()
    assert got.shape == want.shape
    numpy.testing.assert_array_equal(got.astype("i8"), want.astype("i8"))


def test_png_sequence_in_natural_order():
    got = client()["images"]["seq"].read()
    assert got.shape == (12, 16, 24)
    for i in range(12):
        numpy.testing.assert_array_equal(got[i], numpy.asarray(Image.open(folder() / "images" / f"seq{i}.png")))


@pytest.mark.parametrize(
    "name", ["ipc.arrow", "plain.feather", "packed_lz.feather", "packed_zs.feather", "types.arrow"]
)
def test_arrow(name):
    """Types and values are those of the file."""
    want = pyarrow.feather.read_table(folder() / "tables" / name)
    url = f"{world.more().api}/table/full/tables/{name.split('.')[0]}"
    answer = httpx.get(url, headers={"accept": "application/vnd.apache.arrow.file"}, trust_env=False)
    got = pyarrow.ipc.open_file(answer.content).read_all()
    assert got.schema.remove_metadata() == want.schema.remove_metadata()
    assert got.to_pydict() == want.to_pydict()


def test_arrow_in_the_client():
    want = pyarrow.feather.read_table(folder() / "tables" / "plain.feather").to_pandas()
    got = client()["tables"]["plain"].read()
    text = {column: object for column, kind in got.dtypes.items() if isinstance(kind, pandas.StringDtype)}
    pandas.testing.assert_frame_equal(got.astype(text), want, check_index_type=False)


def test_sequence_in_natural_order():
    got = from_uri(world.under_test().url)["sequences"]["unpadded"]["s"].read()
    numpy.testing.assert_array_equal(got[:, 0, 0], -numpy.arange(12))


def test_both_of_two_colliding_names_are_served():
    names = sorted(client()["collisions"])
    assert len(names) == 5, names
    shapes = sorted(item.structure_family for item in client()["collisions"].values())
    assert shapes == ["array", "container", "container", "container", "table"]


def test_names():
    got = client()["names"]
    assert len(got) == 4, list(got)
    for key in ("_under",):
        numpy.testing.assert_array_equal(got[key].read(), numpy.arange(3) * -1)


def test_names_that_end_a_url():
    """The client does not escape keys, so these are asked for by hand."""
    for key in ("percent%41x", "hash#mark", "question?mark"):
        answer = httpx.get(f"{world.more().api}/array/full/names/{quote(key)}?format=json", trust_env=False)
        assert (answer.status_code, answer.json()) == (200, [0, -1, -2]), key


def test_any_file_can_be_downloaded(tmp_path):
    for name in ("notes", "page", "raw"):
        paths = client()["bytes"][name].raw_export(str(tmp_path / name))
        got = tmp_path.joinpath(name).rglob("*")
        file = next(path for path in got if path.is_file())
        assert file.read_bytes() == (folder() / "bytes" / file.name).read_bytes(), paths


def test_later_formats_are_listed_with_a_reason():
    found = client()["images"]["later"]
    for key in ("plain", "scan", "book"):
        assert any(name.startswith(key) for name in found), list(found)


def test_too_large_is_refused_before_reading():
    """300 MB is the limit; 100 MiB is what the client asks for at once."""

    def get(text):
        url = f"{world.more().api}/array/full/huge"
        return httpx.get(url, params={"slice": text}, timeout=60, trust_env=False)

    for text in ("", ":", ":40", "::-1", "5:45"):
        answer = get(text)
        assert answer.status_code == 400 and "300000000" in answer.text.replace(",", "").replace("_", ""), answer.text
    for text, size in ((":13", 104_000_000), (":37", 296_000_000), (":,7", 400), ("0,0", 8)):
        answer = get(text)
        assert (answer.status_code, len(answer.content)) == (200, size), text
