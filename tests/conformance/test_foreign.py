"""Workbooks, NetCDF files and TIFF files: what the Python client makes of them, against the real server and the libraries."""

import shutil

import numpy
import pandas
import pytest
import servers
import xarray
from tiled.client import from_uri

FORMATS = servers.ROOT / "internal" / "formats"
WORKBOOKS = ["types", "pandas", "mac", "hand"]
DATASETS = ["cdf1", "cdf2", "cdf5", "xarray", "single_h", "no_records"]
PICTURES = {
    name.split(".")[0]: name
    for name in [
        "pages.tif",
        "pages_lzw.tif",
        "imagej.tif",
        "imagej_rgb.tif",
        "ome.ome.tif",
        "ome_tczyx.tif",
        "shaped_axes.tif",
        "shaped_rgb.tif",
        "rgb_planar.tif",
        "jpeg_ycbcr.tif",
        "codec_lzw.tif",
        "planar_tiles.tif",
        "pyramid.tif",
        "bigtiff_big.tif",
        "predictor_rgb.tif",
    ]
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("foreign")
    for kind in ("books", "sets", "pictures"):
        (root / kind).mkdir()
    for name in WORKBOOKS:
        shutil.copy(FORMATS / "excelfile" / "testdata" / f"{name}.xlsx", root / "books")
    for name in DATASETS:
        shutil.copy(FORMATS / "netcdf3" / "testdata" / f"{name}.nc", root / "sets")
    for name in PICTURES.values():
        shutil.copy(FORMATS / "native" / "tifffile" / "testdata" / name, root / "pictures")
    return root


@pytest.fixture(scope="module")
def pair(folder):
    both = [servers.tiled(folder, name="foreign_tiled"), servers.under_test(folder, name="foreign")]
    yield [from_uri(server.url) for server in both]
    for server in both:
        server.stop()


@pytest.mark.parametrize("name", WORKBOOKS)
def test_workbook(pair, name):
    tiled, ours = (client["books"][name] for client in pair)
    assert list(ours) == list(tiled)
    for sheet in tiled:
        want, got = tiled[sheet], ours[sheet]
        assert got.structure().columns == want.structure().columns
        kinds = [
            [(f.name, f.type) for f in client.structure().arrow_schema_decoded if f.name in client.structure().columns]
            for client in (got, want)
        ]
        assert kinds[0] == kinds[1]
        frames = [client.read().reset_index(drop=True) for client in (got, want)]
        pandas.testing.assert_frame_equal(*frames, check_column_type=False)


@pytest.mark.parametrize("name", PICTURES)
def test_picture(pair, name):
    tiled, ours = (client["pictures"][name] for client in pair)
    want, got = tiled.structure(), ours.structure()
    assert (got.shape, got.chunks, got.data_type) == (want.shape, want.chunks, want.data_type)
    assert got.dims is None or len(got.dims) == len(got.shape)
    assert dict(ours.metadata) == dict(tiled.metadata)
    numpy.testing.assert_array_equal(ours.read(), tiled.read())
    numpy.testing.assert_array_equal(ours[..., 1:3], tiled[..., 1:3])


@pytest.mark.parametrize("wide", [True, False], ids=["together", "apart"])
@pytest.mark.parametrize("name", DATASETS)
def test_dataset(pair, folder, name, wide):
    """The real one serves no NetCDF files: the library that wrote them says what is in them."""
    if servers.self_test():
        return
    ours = pair[1]["sets"][name]
    got = ours.read(optimize_wide_table=wide)
    path = folder / "sets" / f"{name}.nc"
    with xarray.open_dataset(path, engine="netcdf4", mask_and_scale=False, decode_times=False) as want:
        xarray.testing.assert_identical(got, want.load())
    with xarray.open_dataset(path, engine="netcdf4") as want:
        xarray.testing.assert_identical(xarray.decode_cf(got), want.load())
