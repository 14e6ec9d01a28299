"""Files joined by a configuration, against what numpy makes of them."""

import h5py
import numpy
import pytest
import servers
import yaml
from tiled.client import from_uri

FRAMES = [4, 4, 4, 7]
SLICES = [
    numpy.s_[()],
    numpy.s_[3:6],
    numpy.s_[::-5],
    numpy.s_[-1],
    numpy.s_[1::7, ::-1, 3],
    numpy.s_[5:5],
    numpy.s_[..., 2:4],
]


def member(number, count):
    return numpy.random.default_rng(number).integers(0, 60000, (count, 5, 6), "u2")


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    root = tmp_path_factory.mktemp("joined")
    data = root / "data"
    (data / "plain").mkdir(parents=True)
    for number, count in zip([1, 2, 10, 11], FRAMES, strict=True):
        with h5py.File(data / f"scan_{number}.h5", "w") as file:
            stack = file.create_dataset(
                "entry/data/data", data=member(number, count), chunks=(1, 5, 6), compression="gzip"
            )
            stack.attrs["units"] = "counts"
        numpy.save(data / "plain" / f"p{number}.npy", member(number, count))
    scans = {"directory": str(data), "files": "scan_*.h5", "dataset": "/entry/data/data"}
    plain = {"directory": str(data), "files": "pl*/p*.npy"}
    trees = {
        "rows": {**scans, "join": "concatenate"},
        "stack": {**scans, "files": "scan_?.h5"},
        "last": {**plain, "files": "plain/p?.npy", "axis": -1},
        "plain": {**plain, "join": "concatenate", "axis": 0},
    }
    port = servers.free_port()
    config = {
        "trees": [{"path": f"/{name}", "tree": "join", "args": args} for name, args in trees.items()],
        "authentication": {"allow_anonymous_access": True, "single_user_api_key": servers.KEY},
        "uvicorn": {"port": port},
    }
    (root / "service.yml").write_text(yaml.safe_dump(config))
    server = servers.start(
        "joined", [servers.TERRAZZO, "serve", "config", root / "service.yml"], port, servers._healthy
    )
    yield from_uri(server.url)
    server.stop()


def expected(name):
    if name in ("rows", "plain"):
        return numpy.concatenate([member(n, c) for n, c in zip([1, 2, 10, 11], FRAMES, strict=True)])
    return numpy.stack([member(1, 4), member(2, 4)], axis={"stack": 0, "last": -1}[name])


@pytest.mark.parametrize("name", ["rows", "stack", "last", "plain"])
def test_numpy(client, name):
    want = expected(name)
    array = client[name]
    assert array.shape == want.shape
    assert array.dtype == want.dtype
    numpy.testing.assert_array_equal(array.read(), want)
    for index in SLICES:
        numpy.testing.assert_array_equal(array[index], want[index], err_msg=str(index))


def test_metadata_is_the_first_file_s(client):
    assert dict(client["rows"].metadata) == {"units": "counts"}
    assert len(client["rows"].data_sources()[0].assets) == len(FRAMES)
