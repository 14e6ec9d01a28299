"""Write chunks.txt: chunks made by C-Blosc 1, for decode_test.go.

    LD_LIBRARY_PATH=... python gen_chunks.py     # needs libblosc.so.1 with snappy (Debian: libblosc1)

One line for each chunk: codec, shuffle (0 none, 1 bytes, 2 bits), typesize,
number of bytes, kind of data, base64 of the chunk. The data themselves are
not stored: data() here and testData in the Go test make the same ones.
Every chunk is decoded again by numcodecs (a newer C-Blosc) if it knows the codec.
"""

import base64
import ctypes
import pathlib

import numcodecs.blosc

lib = ctypes.CDLL("libblosc.so.1")

# typesize, bytes, block size asked for (0: the library's choice), kind of data.
# Blocks that are split are never made smaller than 64 KiB.
SHAPES = [
    (1, 752, 256, "smooth"),
    (2, 1504, 0, "smooth"),
    (2, 150_004, 16384, "sparse"),  # three blocks of 64 KiB, split in two; short last block
    (8, 131_400, 16384, "sparse"),
    (2, 2006, 0, "smooth"),  # 1003 elements: not a multiple of 8
    (3, 1203, 300, "smooth"),
    (4, 2304, 1024, "smooth"),
    (4, 2051, 800, "smooth"),  # bytes after the last whole element
    (8, 2112, 0, "smooth"),
    (12, 2400, 0, "smooth"),
    (16, 4112, 2064, "smooth"),  # 129 elements: split, and not a multiple of 8
    (17, 2176, 1088, "smooth"),  # too wide to split
    (255, 1300, 510, "smooth"),
    (2, 700, 0, "noise"),  # stored
    (4, 2000, 512, "zeros"),
    (1, 5, 0, "smooth"),
]


def data(kind: str, typesize: int, size: int) -> bytes:
    out = bytearray(size)
    state = 1
    for k in range(0 if kind == "zeros" else size):
        e, j = divmod(k, typesize)
        if kind == "noise":
            state = (state * 1103515245 + 12345) & 0x7FFFFFFF
            out[k] = state >> 16 & 0xFF
        elif kind == "sparse" and e % 2003 == 7:
            out[k] = j + 1 + (e >> 9) & 0xFF
        elif kind == "smooth":
            out[k] = k * 131 & 0xFF if e % 251 == 96 else (e * e >> (12 + j % 4)) + j * 37 & 0xFF
    return bytes(out)


def compress(raw: bytes, codec: str, shuffle: int, typesize: int, block: int) -> bytes:
    dest = ctypes.create_string_buffer(len(raw) + 16)
    n = lib.blosc_compress_ctx(
        5, shuffle, ctypes.c_size_t(typesize), ctypes.c_size_t(len(raw)), raw, dest,
        ctypes.c_size_t(len(dest)), codec.encode(), ctypes.c_size_t(block), 1,
    )
    assert n > 0, (codec, n)
    return dest.raw[:n]


lines = []
for codec in ["blosclz", "lz4", "lz4hc", "snappy", "zlib", "zstd"]:
    for shuffle in [0, 1, 2]:
        for typesize, size, block, kind in SHAPES:
            raw = data(kind, typesize, size)
            chunk = compress(raw, codec, shuffle, typesize, block)
            if codec != "snappy":
                assert bytes(numcodecs.blosc.decompress(chunk)) == raw
            text = base64.b64encode(chunk).decode()
            lines.append(f"{codec} {shuffle} {typesize} {size} {kind} {text}\n")
pathlib.Path(__file__).with_name("chunks.txt").write_text("".join(lines))
print(len(lines), "chunks")
