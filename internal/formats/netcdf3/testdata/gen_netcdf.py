"""Write the NetCDF files of this folder and golden.json, which says what xarray makes of them.

Run with a Python that has numpy, scipy, netCDF4, xarray and tiled: python gen_netcdf.py
"""

import dataclasses
import hashlib
import json
import pathlib

import netCDF4
import numpy
import scipy.io
import xarray
from tiled.structures.array import ArrayStructure, BuiltinDtype

here = pathlib.Path(__file__).parent
goldens = []


def plain(value):
    if isinstance(value, dict):
        return {k: plain(v) for k, v in value.items()}
    if isinstance(value, (numpy.ndarray, list, tuple)):
        return [plain(v) for v in numpy.asarray(value).tolist()]
    if isinstance(value, numpy.generic):
        value = value.item()
    if isinstance(value, float) and (value != value or abs(value) == float("inf")):
        return {"nan": "NaN", "inf": "+Inf", "-inf": "-Inf"}[str(value)]
    return value


def golden(name):
    with xarray.open_dataset(here / name, engine="netcdf4", mask_and_scale=False, decode_times=False) as ds:
        ds.load()
    keys = list(ds.data_vars) + list(ds.coords)
    goldens.append({"names": [name], "keys": keys, "metadata": {"attrs": plain(ds.attrs)}})
    for key in keys:
        a = ds[key]
        structure = ArrayStructure(
            data_type=BuiltinDtype.from_numpy_dtype(a.dtype),
            shape=a.shape,
            chunks=tuple((n,) for n in a.shape),
            dims=a.dims,
        )
        data = a.values.tobytes("C")
        goldens.append(
            {
                "names": [name],
                "inside": [key],
                "structure": dataclasses.asdict(structure),
                "metadata": {"attrs": plain(a.attrs)},
                "specs": ["xarray_coord" if key in ds.coords else "xarray_data_var"],
                "sha256": hashlib.sha256(data).hexdigest(),
                "head": data[:64].hex(),
            }
        )


def write(name, format, wide=False):
    """Everything that the format can hold."""
    with netCDF4.Dataset(here / name, "w", format=format) as f:
        f.title, f.history = "a title with ünï", ""
        f.numbers, f.one, f.single = numpy.array([1, 2, 3], "i2"), numpy.int32(-7), numpy.float32(0.1)
        f.odd = numpy.array([1.5, numpy.nan, numpy.inf], "f8")
        f.createDimension("time", None)
        f.createDimension("y", 3)
        f.createDimension("x", 5)
        f.createDimension("len", 7)
        t = f.createVariable("time", "f8", ("time",))
        t.units = "days since 2000-01-01"
        f.createVariable("x", "i2", ("x",)).long_name = "x of the grid"
        f.createVariable("lat", "f4", ("y", "x"))
        f.createVariable("label", "S1", ("y", "len"))
        f.createVariable("letters", "S1", ("y", "x"))
        v = f.createVariable("temperature", "i2", ("time", "y", "x"), fill_value=-999)
        v.scale_factor, v.add_offset, v.coordinates = 0.01, numpy.float32(273.15), "lat label missing"
        v.valid_range = numpy.array([-100, 100], "i2")
        f.createVariable("flag", "i1", ("time",))
        f.createVariable("good", "i1", ("y",)).setncattr("dtype", "bool")
        f.createVariable("scalar", "i4", ())
        f.createVariable("wide", "f8", ("time", "x"))
        f.createVariable("stamp", "S1", ("time", "len"))
        if wide:
            for kind in ("u1", "u2", "u4", "i8", "u8"):
                f.createVariable("a_" + kind, kind, ("y",)).limit = numpy.iinfo(kind).max
                f["a_" + kind][:] = [0, 1, numpy.iinfo(kind).max]
        t[:] = [0.5, 1.5, 2.5, 3.5]
        f.set_auto_mask(False)
        v.set_auto_scale(False)
        v[:] = numpy.arange(60).reshape(4, 3, 5) * 300 - 9000
        f["x"][:] = numpy.arange(5) - 2
        f["lat"][:] = numpy.linspace(-1, 1, 15).reshape(3, 5)
        f["label"][:] = numpy.array([list("north\0\0"), list("süd"[0] + "outh\0\0"), list("\0" * 7)], "S1")
        f["letters"][:] = numpy.array([list("abcde")] * 3, "S1")
        f["flag"][:] = [1, -1, 0, 127]
        f["good"][:] = [1, 0, 2]
        f["scalar"][...] = 42
        f["wide"][:] = numpy.arange(20).reshape(4, 5) / 3
        f["stamp"][:] = numpy.array([list("step%03d" % i) for i in range(4)], "S1")
    golden(name)


write("cdf1.nc", "NETCDF3_CLASSIC")
write("cdf2.nc", "NETCDF3_64BIT_OFFSET")
write("cdf5.nc", "NETCDF3_64BIT_DATA", wide=True)

# One record variable: its records are not padded. Written by scipy.
for kind in ("b", "h"):
    with scipy.io.netcdf_file(here / f"single_{kind}.nc", "w") as f:
        f.createDimension("t", None)
        f.createDimension("x", 3)
        v = f.createVariable("v", kind, ("t", "x"))
        v[:] = numpy.arange(15).reshape(5, 3) - 7
    golden(f"single_{kind}.nc")

# Nothing at all; no records yet.
netCDF4.Dataset(here / "empty.nc", "w", format="NETCDF3_CLASSIC").close()
golden("empty.nc")
with netCDF4.Dataset(here / "no_records.nc", "w", format="NETCDF3_CLASSIC") as f:
    f.createDimension("t", None)
    f.createDimension("x", 3)
    f.createVariable("v", "f4", ("t", "x"))
    f.createVariable("w", "i2", ("t",))
golden("no_records.nc")

# What xarray itself writes.
with xarray.Dataset(
    {
        "pressure": (("station", "level"), numpy.arange(6.0).reshape(2, 3), {"units": "hPa"}),
        "valid": (("station",), [True, False]),
    },
    coords={
        "station": ["zürich", "bern"],
        "level": [1, 2, 3],
        "height": ("station", numpy.array([408.0, 540.0], "f4")),
        "run": 7,
    },
    attrs={"source": "xarray"},
) as ds:
    ds["station"] = ds["station"].str.encode("utf-8").astype("S")
    ds.to_netcdf(here / "xarray.nc", format="NETCDF3_64BIT", engine="scipy")
golden("xarray.nc")

# The writer did not come back to write the number of records.
data = bytearray((here / "cdf1.nc").read_bytes())
data[4:8] = b"\xff" * 4
(here / "streaming.nc").write_bytes(data)
count = len(goldens)
golden("cdf1.nc")
for g in goldens[count:]:
    g["names"] = ["streaming.nc"]


def broken(name, data, error="unprocessable"):
    (here / name).write_bytes(data)
    goldens.append({"names": [name], "error": error})


good = (here / "cdf1.nc").read_bytes()
broken("bad_nothing.nc", b"")
broken("bad_magic.nc", b"CDF\x03" + good[4:])
broken("bad_short.nc", good[:-100])
broken("bad_records.nc", good[:4] + b"\x7f\xff\xff\xff" + good[8:])
broken("bad_dimensions.nc", good[:12] + b"\xff\xff\xff\xff" + good[16:])
broken("bad_hdf5.nc", b"\x89HDF\r\n\x1a\n" + bytes(100))

(here / "golden.json").write_text(json.dumps(goldens, indent=1, ensure_ascii=False) + "\n")
