"""Tiled's own client, before and after the server went away.

plane.py files DIR            make files to serve
plane.py online URL FILE      read the demo, remember what was read
plane.py offline URL FILE     read the same from what was downloaded, and what was not
plane.py read URL FILE        read a whole tree and remember it
plane.py compare URL FILE     read it again and compare
"""

import os
import sys

import numpy
import pandas
from tiled.client import from_uri
from tiled.queries import FullText, Key


def files(folder):
    os.makedirs(os.path.join(folder, "sub"))
    rng = numpy.random.default_rng(0)
    numpy.save(os.path.join(folder, "big.npy"), rng.normal(size=(300, 400)))
    numpy.save(os.path.join(folder, "ints.npy"), numpy.arange(24, dtype=">i4").reshape(2, 3, 4))
    numpy.save(os.path.join(folder, "texts.npy"), numpy.array(["a", "bcd", "é"]))
    numpy.save(os.path.join(folder, "times.npy"), numpy.arange("2020-01-01", "2020-01-20", dtype="M8[D]"))
    frame = pandas.DataFrame({"x": rng.normal(size=100), "n": range(100), "name": [f"row {i}" for i in range(100)]})
    frame.to_csv(os.path.join(folder, "sub", "table.csv"), index=False)
    frame.to_parquet(os.path.join(folder, "sub", "rows.parquet"))


def demo(client):
    detector = client["scan"]["detector"]
    spectra = client["scan"]["spectra"].read()
    return {
        "keys": numpy.array(list(client["scan"])),
        "frame": detector[7],
        "cut": detector[3:17:5, 100:104, ::-37],
        "image": client["image"].read(),
        "energy": spectra["energy"].to_numpy(),
        "edge": spectra["edge"].to_numpy().astype(str),
        "column": client["scan"]["spectra"]["energy"].read()
        if not isinstance(client["scan"]["spectra"]["energy"], numpy.ndarray)
        else numpy.asarray(client["scan"]["spectra"]["energy"]),
        "found": numpy.array(list(client.search(FullText("nickel")))),
        "by_key": numpy.array(list(client.search(Key("temperature") > 290))),
        "sample": numpy.array(client["scan"].metadata["sample"]),
    }


def walk(client, path=()):
    out = {}
    for key in sorted(client):
        node = client[key]
        where = "/".join((*path, key))
        family = node.structure_family if hasattr(node, "structure_family") else node.item["attributes"]["structure_family"]
        family = str(getattr(family, "value", family))
        if family == "container":
            out.update(walk(node, (*path, key)))
        elif family == "table":
            for name, column in node.read().items():
                values = column.to_numpy()
                out[f"{where}:{name}"] = values.astype(str) if values.dtype == object else values
        else:
            out[where] = node.read()
            if out[where].ndim == 2:
                out[where + ":cut"] = node[1:7:2, -5:]
    return out


def same(got, file):
    with numpy.load(file) as want:
        assert sorted(got) == sorted(want.files), (sorted(got), sorted(want.files))
        for name in want.files:
            assert got[name].dtype == want[name].dtype, (name, got[name].dtype, want[name].dtype)
            numpy.testing.assert_array_equal(got[name], want[name], err_msg=name)


def main(mode, where, file=None):
    if mode == "files":
        return files(where)
    client = from_uri(where)
    if mode == "online":
        numpy.savez(file, **demo(client))
    elif mode == "read":
        numpy.savez(file, **walk(client))
    elif mode == "compare":
        same(walk(client), file)
    elif mode == "offline":
        same(demo(client), file)
        try:
            client["nested"]
        except KeyError:
            pass
        else:
            raise AssertionError("nested was not downloaded")
    return None


main(*sys.argv[1:])
