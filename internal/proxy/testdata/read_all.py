"""Reads all of a Tiled tree with the unmodified client and prints what it found.

read_all.py URL API_KEY [--cache FILE]: two runs over equal trees print equal text.
"""
import hashlib
import sys

import numpy
from tiled.client import from_uri
from tiled.client.cache import Cache

url, key = sys.argv[1:3]
options = {}
if "--cache" in sys.argv:
    options["cache"] = Cache(filepath=sys.argv[sys.argv.index("--cache") + 1])
client = from_uri(url, api_key=key, **options)


def digest(values):
    return hashlib.sha256(numpy.ascontiguousarray(values).tobytes()).hexdigest()[:16]


def walk(node, path):
    family = str(node.structure_family)
    print(path, family, dict(node.metadata))
    if family.endswith("container"):
        for name in node:
            walk(node[name], f"{path}/{name}")
    elif family.endswith("array"):
        whole = node.read()
        print(path, whole.shape, whole.dtype, digest(whole))
        for index in numpy.ndindex(*[len(sizes) for sizes in node.chunks]):
            print(path, index, digest(node.read_block(index)))
    elif family.endswith("table"):
        print(path, node.read().to_csv())


walk(client, "")
