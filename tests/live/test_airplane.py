"""Airplane mode with the unmodified Python client: parts of a tree are downloaded, the server is
stopped and its port is watched, and what was downloaded is read. All of it is right; what was not
downloaded is a clear error; and nobody looks for the server."""

import json
import os
import subprocess
import sys

import h5py
import numpy
import pandas
import pytest
import servers
import tifffile
import zarr

# Reads everything that it is told to, and says of each what it is or which error it gave.
READER = """
import json, sys, hashlib, numpy, pandas
from tiled.client import from_profile, from_uri
from tiled.queries import FullText, Key
how, where, steps = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])

def told(value):
    if isinstance(value, numpy.ndarray):
        return [str(value.dtype), list(value.shape), hashlib.sha256(numpy.ascontiguousarray(value).tobytes()).hexdigest()]
    if isinstance(value, pandas.DataFrame):
        return {name: told(column.to_numpy().astype(str)) for name, column in value.items()}
    if isinstance(value, dict):
        return json.dumps(value, sort_keys=True, default=repr)
    return repr(value)

found = {}
try:
    client = (from_profile if how == "profile" else from_uri)(where)
except Exception as error:
    print(json.dumps({"client": ["error", type(error).__name__, str(error)]}))
    sys.exit()
for step in steps:
    try:
        found[step] = told(eval(step))
    except Exception as error:
        found[step] = ["error", type(error).__name__, str(error)]
print(json.dumps(found))
"""
CLEAR = ("KeyError", "ClientError", "HTTPStatusError")


def python(home, *args):
    env = {**os.environ, "HOME": str(home), "XDG_CONFIG_HOME": str(home / ".config"), "TILED_RETRY_ATTEMPTS": "1"}
    run = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", READER, *args],
        env=env,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert run.returncode == 0, run.stderr[-3000:]
    return json.loads(run.stdout.splitlines()[-1])


def download(home, *args):
    command = [servers.TERRAZZO, "download", *map(str, args), "--library", home / "library", "--quiet"]
    run = subprocess.run(
        command, env={**os.environ, "HOME": str(home)}, capture_output=True, text=True, timeout=120, check=False
    )
    assert run.returncode == 0, run.stderr[-3000:]


def tree(folder):
    """Files of each kind that the real server reads, too."""
    rng = numpy.random.default_rng(0)
    cube = zarr.create_array(
        store=str(folder / "cube.zarr"), shape=(40, 30, 20), dtype="<f8", chunks=(10, 30, 10), zarr_format=2
    )
    cube[...] = rng.normal(size=cube.shape)
    numpy.save(folder / "unwanted.npy", numpy.arange(10))
    frame = pandas.DataFrame({"x": rng.normal(size=50), "n": range(50), "name": [f"row {i}" for i in range(50)]})
    frame.to_csv(folder / "table.csv", index=False)
    frame.to_parquet(folder / "rows.parquet")
    group = zarr.open_group(str(folder / "group.zarr"), mode="w", zarr_format=2)
    group.attrs["sample"] = "nickel"
    z = group.create_array("chunked", shape=(60, 40), dtype="<i4", chunks=(20, 20))
    z[...] = numpy.arange(2400).reshape(60, 40)
    (folder / "frames").mkdir()
    for i in range(6):
        tifffile.imwrite(folder / "frames" / f"shot_{i:03d}.tif", numpy.full((16, 16), i, "u2"))
    with h5py.File(folder / "scan.h5", "w") as file:
        file.create_dataset("entry/data", data=numpy.arange(600).reshape(20, 30), chunks=(5, 30), compression="gzip")
        file["entry"].attrs["title"] = "a scan"


DOWNLOADS = [("table",), ("rows",), ("group",), ("frames",), ("scan",), ("cube", "--slice", ":10")]
HELD = [
    "sorted(client['group'])",
    "dict(client['group'].metadata)",
    "client['group']['chunked'].read()",
    "client['group']['chunked'][7:33:5, -3:]",
    "client['group', 'chunked'][3, 2:]",
    "client['cube'][3]",
    "client['cube'][2:9:3, ::2, 5]",
    "client['cube'].structure().shape",
    "client['table'].read()",
    "client['table'].read(['n'])",
    "client['table']['x'].read()",
    "client['rows'].read()",
    "client['scan']['entry']['data'][4:19:7]",
    "dict(client['scan']['entry'].metadata)",
    "client['frames'].values()[0].read()",
    "client['frames'].values()[0][3, 4:, ::2]",
    "sorted(client['scan'])",
]
NOT_HELD = [
    "client['unwanted']",
    "client['unwanted'].read()",
    "client['cube'][30]",
    "client['cube'].read()",
    "client['nothing']",
]


@pytest.mark.parametrize("kind", ["tiled", "terrazzo"])
def test_parts_of_a_tree(kind, tmp_path):
    home, folder = tmp_path / "home", tmp_path / "data"
    home.mkdir()
    folder.mkdir()
    tree(folder)
    origin = getattr(servers, kind)(folder, name=f"plane_{kind}")
    for path, *flags in DOWNLOADS:
        download(home, origin.url, path, *flags)
    online = python(home, "uri", origin.url, json.dumps([*HELD, *NOT_HELD]))
    beyond = {step: online.pop(step) for step in NOT_HELD}
    failed = {step: told for step, told in online.items() if isinstance(told, list) and told[0] == "error"}
    assert not failed, failed
    on_the_plane(home, origin, online, beyond)


def test_parts_of_the_demo(tmp_path):
    port = servers.free_port()
    command = [servers.TERRAZZO, "serve", "demo", "--port", port, "--public"]
    origin = servers.start("plane_demo", command, port, servers.listening)
    for args in (("scan",), ("image",)):
        download(tmp_path, origin.url, *args)
    held = [
        "sorted(client['scan'])",
        "client['scan']['detector'][7]",
        "client['scan']['detector'][3:17:5, 100:104, ::-37]",
        "client['image'].read()",
        "client['scan']['spectra'].read()",
        "client['scan']['spectra']['energy'].read()",
        "dict(client['scan'].metadata)",
        "sorted(client.search(FullText('nickel')))",
    ]
    online = python(tmp_path, "uri", origin.url, json.dumps(held))
    on_the_plane(tmp_path, origin, online, dict.fromkeys(["client['nested']", "client['nested'].read()"]))


def on_the_plane(home, origin, online, not_held):
    """Stops the server, watches its port and reads again, by address and by profile."""
    origin.stop()
    with servers.trap(int(origin.url.rpartition(":")[2])) as came:
        port = servers.free_port()
        command = [servers.TERRAZZO, "offline", "serve", origin.url, "--library", home / "library", "--port", port]
        command += ["--public", "--write-profile", "plane"]
        env = {"HOME": str(home), "XDG_CONFIG_HOME": str(home / ".config")}
        local = servers.start("plane_local", command, port, servers.listening, env)
        for how, where in (("uri", local.url), ("profile", "plane")):
            found = python(home, how, where, json.dumps([*online, *not_held]))
            for step, told in online.items():
                assert found.get(step, found) == told, f"{how}: {step}"
            for step, told in not_held.items():
                if found[step] == told and told[0] != "error":
                    continue  # more was fetched than had to be, and it is right
                kind, *error = found[step]
                assert kind == "error" and error[0] in CLEAR, f"{how}: {step}: {found[step]}"
            assert any(found[step][0] == "error" for step in not_held), "all is held"
        local.stop()
        assert not came, "somebody looked for the server"
