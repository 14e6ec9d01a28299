"""Write the NPY files of this folder and golden.json, which says what numpy and Tiled 0.2.20 make of them stacked.

Run with a Python that has numpy and tiled: python gen_sequence.py
"""

import dataclasses
import hashlib
import json
import pathlib

import numpy
from tiled.adapters.npy import NPYSequenceAdapter

here = pathlib.Path(__file__).parent
goldens = []


def stack(name, arrays):
    files = [f"{name}{i}.npy" for i in range(len(arrays))]
    for file, a in zip(files, arrays):
        numpy.save(here / file, a)
    seen = NPYSequenceAdapter.from_uris(*[f"file://localhost{(here / f).absolute()}" for f in files])
    data = b"".join(numpy.load(here / f).tobytes() for f in files)
    goldens.append(
        {
            "names": files,
            "structure": dataclasses.asdict(seen.structure()),
            "metadata": seen.metadata(),
            "sha256": hashlib.sha256(data).hexdigest(),
            "head": data[:64].hex(),
        }
    )


frame = numpy.arange(12, dtype="<u2").reshape(3, 4)
stack("frame", [frame, frame + 100, frame * 2])
stack("order", [frame, numpy.asfortranarray(frame + 1)])
stack("big", [frame.astype(">f4"), (frame / 3).astype(">f4")])
stack("single", [frame])
stack("scalar", [numpy.float32(1), numpy.float32(2)])
stack("empty", [numpy.zeros((0, 2)), numpy.zeros((0, 2))])
numpy.save(here / "other_shape.npy", frame.T)
numpy.save(here / "other_type.npy", frame.astype("<i4"))
numpy.save(here / "other_bytes.npy", frame.astype(">u2"))
(here / "other_broken.npy").write_bytes(b"\x93NUMPY\x01")
goldens.append({"names": ["other_broken.npy", "frame0.npy"], "error": "unprocessable"})
goldens.append({"names": ["frame0.npy"], "inside": ["x"], "error": "not found"})
(here / "golden.json").write_text(json.dumps(goldens, indent=1) + "\n")
