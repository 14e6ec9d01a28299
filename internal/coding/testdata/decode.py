"""Decode the files named on the command line, as Tiled's client does.

Each file's suffix is its coding. Prints for each: name, length, SHA-256.
"""

import gzip
import hashlib
import pathlib
import sys

import lz4.block
from tiled.client.decoders import SUPPORTED_DECODERS


def decode(coding: str, data: bytes) -> bytes:
    if coding == "gzip":
        return gzip.decompress(data)
    if coding == "lz4":  # the client has no decoder of its own
        return lz4.block.decompress(data)
    decoder = SUPPORTED_DECODERS[coding]()
    half = len(data) // 2
    return decoder.decode(data[:half]) + decoder.decode(data[half:]) + decoder.flush()


for name in sys.argv[1:]:
    path = pathlib.Path(name)
    body = decode(path.suffix[1:], path.read_bytes())
    print(path.name, len(body), hashlib.sha256(body).hexdigest())
