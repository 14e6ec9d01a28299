"""What the real Tiled 0.2.20 and h5py say of HDF5 files in this folder."""

import hashlib
import json
import os

import h5py
import numpy as np
from tiled.adapters.hdf5 import HDF5Adapter
from tiled.utils import safe_json_dump

d = os.path.dirname(os.path.abspath(__file__))


def clean(v):
    if isinstance(v, float) and np.isnan(v):
        return "NaN"
    return v


def golden(name, inside):
    out = {"names": [name], "inside": inside, "name": "/".join([name] + inside)}
    path = os.path.join(d, name)
    adapter = HDF5Adapter.from_uris("file://localhost" + path)
    try:
        node = adapter["/".join(inside)] if inside else adapter
    except Exception as error:
        if type(error).__name__ == "BrokenLink":
            out["error"] = "gone"
        else:
            out["tiled"] = f"{type(error).__name__}: {error}"
        return out
    try:
        out["metadata"] = {k: clean(v) for k, v in json.loads(safe_json_dump(node.metadata())).items()}
    except Exception as error:
        out["tiled"] = f"{type(error).__name__}: {error}"
    if isinstance(node, HDF5Adapter):
        out["keys"] = list(node)
        return out
    out["structure"] = json.loads(safe_json_dump(node.structure()))
    out["structure"]["chunks"] = [list(c) for c in node.structure().chunks]
    try:
        data = np.asarray(node.read()).tobytes()
        out["sha256"] = hashlib.sha256(data).hexdigest()
        out["head"] = data[:64].hex()
    except Exception as error:
        out["tiled"] = f"{type(error).__name__}: {error}"
    return out


def walk(name, group, inside, cases):
    cases.append(golden(name, inside))
    for key in group:
        link = group.get(key, getlink=True)
        try:
            member = group[key]
        except Exception:
            member = None
        if isinstance(member, h5py.Group) and isinstance(link, h5py.HardLink):
            walk(name, member, inside + [key], cases)
        else:
            cases.append(golden(name, inside + [key]))
