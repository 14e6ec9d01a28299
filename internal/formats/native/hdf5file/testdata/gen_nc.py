"""Writes NetCDF-4 files with netCDF4 and xarray, and golden_nc.json with what
xarray.open_dataset and Tiled's DatasetAdapter say of them. Run: python gen_nc.py
"""

import hashlib
import json
import os

import h5py
import netCDF4
import numpy as np
import xarray
from tiled.adapters.xarray import DatasetAdapter
from tiled.utils import safe_json_dump

os.chdir(os.path.dirname(os.path.abspath(__file__)))
xarray.Dataset(
    {
        "t": (("time", "lat", "lon"), np.arange(24.0).reshape(2, 3, 4).astype("f4"), {"units": "K", "scale_factor": 0.5, "_FillValue": np.float32(-1)}),
        "s": ((), 3),
        "flag": (("lat",), np.array([True, False, True])),
        "big": (("lat",), np.array([1, 2, 3], dtype=">i4")),
        "names": (("n",), np.array(["a", "b\u00e9b"], dtype=object)),
        "chars": (("n",), np.array([b"ab", b"cd"])),
    },
    coords={
        "time": ("time", np.array(["2020-01-01", "2020-01-02"], dtype="M8[ns]")),
        "lat": ("lat", [1.0, 2, 3]),
        "aux": (("lat", "lon"), np.ones((3, 4))),
    },
    attrs={"title": "x", "n": 3, "l": [1, 2, 3], "f": 1.5},
).to_netcdf("xarray.nc", engine="netcdf4")
with netCDF4.Dataset("plain.nc", "w") as f:
    f.createDimension("x", 5)
    f.createDimension("time", None)
    f.createVariable("x", "f8", ("x",))[:] = np.arange(5)
    v = f.createVariable("v", "i2", ("time", "x"), zlib=True, endian="big", chunksizes=(1, 5))
    v[:] = np.arange(15).reshape(3, 5)
    v.long_name = "a name"
    v.list = [1, 2]
    f.createVariable("empty", "f4", ("time",))
    f.history = "made"
with h5py.File("phony.nc", "w") as f:
    f["a"] = np.zeros((3, 3))
    f["b"] = np.zeros((4, 3), dtype="i4")



def clean(v):
    """Puts a name in place of NaN, which JSON lacks."""
    if isinstance(v, dict):
        return {k: clean(e) for k, e in v.items()}
    return "NaN" if isinstance(v, float) and v != v else v


cases = []
for name in ("xarray.nc", "plain.nc", "phony.nc"):
    with xarray.open_dataset(name, engine="netcdf4", mask_and_scale=False, decode_times=False) as d:
        adapter = DatasetAdapter.from_dataset(d)
        cases.append({"name": name, "names": [name], "inside": [], "keys": list(adapter), "metadata": json.loads(safe_json_dump(adapter.metadata())), "specs": ["xarray_dataset"]})
        for key in adapter:
            node = adapter[key]
            data = np.asarray(d[key].values)
            dtype = data.dtype.newbyteorder("<") if data.dtype.kind in "iuf" else data.dtype
            if data.dtype.kind == "O":
                data = data.astype("U")
                dtype = data.dtype
            raw = data.astype(dtype).tobytes()
            cases.append({
                "name": f"{name}/{key}", "names": [name], "inside": [key], "metadata": json.loads(safe_json_dump(clean(node.metadata()))),
                "dims": list(d[key].dims), "shape": list(d[key].shape), "dtype": dtype.str, "specs": [s.name for s in node.specs],
                "sha256": hashlib.sha256(raw).hexdigest(), "head": raw[:64].hex(),
            })
with open("golden_nc.json", "w") as f:
    f.write("[\n" + ",\n".join(json.dumps(c, sort_keys=True) for c in cases) + "\n]\n")
print(len(cases), "cases")
