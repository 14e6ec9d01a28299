"""Write names.json: what the real Tiled makes of file names.

Run it with the Python of the checkout (tools/setup python):
    .venv/bin/python internal/catalog/dirtree/testdata/gen_names.py

It walks a folder with Tiled's own registration (tiled.client.register), with
adapters that accept any file, and a node that only remembers what it is given.
"""

import asyncio
import json
import pathlib
import tempfile

import httpx
from tiled.client import register
from tiled.client.utils import ClientError
from tiled.mimetypes import DEFAULT_ADAPTERS_BY_MIMETYPE
from tiled.structures.core import StructureFamily

FILES = """
a.csv v1.2.csv dots.in.the.name.csv trailing. two..dots.csv .hidden.csv noext UPPER.CSV x.h5 x2.H5 y.hdf5 z.nxs
img0001.tif img0002.tif img0010.tif img1.tiff scan_1.tif 1.tif 22.tif deep.name.007.tif CAPS1.TIF
photo1.jpg photo2.jpeg photo.jpg frame9.npy frame10.npy frame.npy 7.npy single3.npy p1.png
t.parquet book.xlsx über.csv with_space.csv 100%.csv data.tar.gz data.csv.gz a#b.csv
""".split()
FILES += ["with space.csv", "semi;colon.csv", "plus+1.npy"]
FOLDERS = ["sub", "folder.with.dots", "store.zarr", "deep.store.zarr", "looks.csv.d"]


class Adapter:
    structure_family = StructureFamily.bytes
    specs = []

    @classmethod
    def from_uris(cls, *uris):
        return cls()

    def metadata(self):
        return {}

    def structure(self):
        return None


class Node:
    def __init__(self):
        self.items = {}

    def new(self, *, key, data_sources, **rest):
        if key in self.items:
            request = httpx.Request("POST", "http://x")
            raise ClientError("conflict", request, httpx.Response(409, request=request))
        node = self.items[key] = Node()
        node.delete = lambda recursive: self.items.pop(key)
        node.files = [register.path_from_uri(a.data_uri).name for s in data_sources for a in s.assets]
        node.mimetype = data_sources[0].mimetype if data_sources else None
        return node

    def get(self, key):
        return self.items.get(key)

    def delete_contents(self, recursive):
        self.items.clear()


def main():
    adapters = {m: Adapter for m in list(DEFAULT_ADAPTERS_BY_MIMETYPE)}
    out = {}
    for keep in (False, True):
        with tempfile.TemporaryDirectory() as tmp:
            for name in FILES:
                pathlib.Path(tmp, name).write_text("x")
            for name in FOLDERS:
                pathlib.Path(tmp, name).mkdir()
            root = Node()
            asyncio.run(
                register.register(
                    root, tmp, adapters_by_mimetype=dict(adapters),
                    key_from_filename=register.identity if keep else None,
                )
            )
            out["keep" if keep else "strip"] = {
                k: {"files": sorted(n.files), "mimetype": n.mimetype} for k, n in sorted(root.items.items())
            }
    out["files"], out["folders"] = sorted(FILES), sorted(FOLDERS)
    path = pathlib.Path(__file__).with_name("names.json")
    path.write_text(json.dumps(out, indent=1, ensure_ascii=False, sort_keys=True) + "\n")


main()
