"""Containers as HDF5, and data sets as netCDF: against the files, the libraries, and what the real server makes of them."""

import io
import shutil

import compare
import h5py
import httpx
import numpy
import pytest
import servers
import xarray

FORMATS = servers.ROOT / "internal" / "formats"
DATASETS = {name: FORMATS / "netcdf3" / "testdata" / f"{name}.nc" for name in ("cdf1", "cdf2", "cdf5", "single_h")}
DATASETS |= {name: FORMATS / "native" / "hdf5file" / "testdata" / f"{name}.nc" for name in ("plain", "phony", "xarray")}
ENGINES = ["netcdf4", "h5netcdf"]


def write(file):
    random = numpy.random.default_rng(5)
    group = file.create_group("entry/data")
    group.attrs["NX_class"] = "NXdata"
    for kind in ("i1", "u2", ">i4", "u8", "f2", "f4", ">f8", "c8", "c16"):
        group.create_dataset(f"n_{kind.strip('>')}", data=random.integers(0, 100, (3, 4)).astype(kind))
    group["flags"] = random.integers(0, 2, (5,)).astype(bool)
    group["text"] = numpy.array([b"one", b"three"])
    group["record"] = numpy.array(
        [(1, 2.5, (1, 2)), (3, 4.5, (5, 6))], [("a", "<i4"), ("b", "<f8"), ("c", "<i2", (2,))]
    )
    group["empty"] = numpy.zeros((0, 7), "f4")
    # Three times what is gathered at a time, and of as many chunks.
    group.create_dataset(
        "large", data=random.integers(0, 9, (60, 200, 300)), dtype="u2", chunks=(1, 200, 300), compression="gzip"
    )
    data = group["large"]
    data.attrs["units"] = "counts"
    data.attrs["scale"] = 0.5
    data.attrs["count"] = 3
    data.attrs["list"] = [1, 2, 3]
    data.attrs["vector"] = [0.5, 1.5]
    data.attrs["on"] = True


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    root = tmp_path_factory.mktemp("downloads")
    with h5py.File(root / "scan.h5", "w") as file:
        write(file)
    (root / "sets").mkdir()
    for path in DATASETS.values():
        shutil.copy(path, root / "sets")
    both = [servers.tiled(root, name="downloads_tiled"), servers.under_test(root, name="downloads")]
    yield [httpx.Client(base_url=server.api, timeout=60) for server in both]
    for server in both:
        server.stop()


def same(a, b):
    for (where, one), (other, two) in zip(sorted(a.items(), key=str), sorted(b.items(), key=str), strict=True):
        assert where == other
        assert numpy.asarray(one).dtype == numpy.asarray(two).dtype, where
        if numpy.size(two):  # the real server gives what is empty an axis more
            numpy.testing.assert_array_equal(one, two, err_msg=where)


@pytest.mark.parametrize("path", ["scan", "scan/entry/data"])
def test_hdf5_is_the_real_server_s(pair, path):
    tiled, ours = [client.get(f"/container/full/{path}", params={"format": "hdf5"}) for client in pair]
    assert tiled.status_code == ours.status_code == 200
    assert ours.headers["content-type"] == "application/x-hdf5"
    same(compare.hdf5(tiled.content), compare.hdf5(ours.content))


def test_hdf5_is_the_file(pair, tmp_path):
    with h5py.File(tmp_path / "again.h5", "w") as file:
        write(file)
    answer = pair[1].get("/container/full/scan", params={"format": "hdf5"}, headers={"accept-encoding": "identity"})
    assert int(answer.headers["content-length"]) == len(answer.content)
    same(compare.hdf5((tmp_path / "again.h5").read_bytes()), compare.hdf5(answer.content))
    again = pair[1].get("/container/full/scan", params={"format": "hdf5"})
    assert again.content == answer.content


def test_fields(pair):
    answer = pair[1].get("/container/full/scan/entry/data", params={"format": "hdf5", "field": ["text", "flags"]})
    with h5py.File(io.BytesIO(answer.content)) as file:
        assert sorted(file) == ["flags", "text"]


@pytest.mark.parametrize("name", DATASETS)
@pytest.mark.parametrize("engine", ENGINES)
def test_netcdf(pair, tmp_path, name, engine):
    answer = pair[1].get(f"/container/full/sets/{name}", params={"format": "application/netcdf"})
    assert answer.status_code == 200, answer.text
    (tmp_path / "out.nc").write_bytes(answer.content)
    with xarray.open_dataset(tmp_path / "out.nc", engine=engine) as got, xarray.open_dataset(DATASETS[name]) as want:
        if (name, engine) == ("xarray", "h5netcdf"):  # for which text of fixed length is bytes
            assert [text.decode() for text in got["names"].values] == list(want["names"].values)
        odd = ["names"] if (name, engine) == ("xarray", "h5netcdf") else []
        xarray.testing.assert_identical(got.load().drop_vars(odd), want.load().drop_vars(odd))
