"""Write bodies/*: one body in each coding, by other hands, for decode_test.go.

    python gen_bodies.py     # needs zstandard, lz4, numcodecs

The body is 5,000 little-endian uint16, i * i // 50 % 3000.
"""

import gzip
import pathlib

import lz4.block
import numcodecs.blosc
import numpy
import zstandard

i = numpy.arange(5000, dtype="u4")
body = (i * i // 50 % 3000).astype("<u2")
raw = body.tobytes()
here = pathlib.Path(__file__).parent / "bodies"
here.mkdir(exist_ok=True)
(here / "gzip").write_bytes(gzip.compress(raw, 9, mtime=0))
(here / "zstd").write_bytes(zstandard.ZstdCompressor(level=3).compress(raw))
(here / "lz4").write_bytes(lz4.block.compress(raw))
(here / "blosc2").write_bytes(
    numcodecs.blosc.compress(body[:3000], b"blosclz", 5, 1) + numcodecs.blosc.compress(body[3000:], b"zstd", 5, 2)
)
