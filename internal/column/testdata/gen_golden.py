"""Writes golden.json: what the real Tiled serves for columns of tables.

Run with tiled[all] 0.2.20 (tests/requirements.txt): python gen_golden.py
"""

import json
import pathlib
import warnings

import numpy
import pyarrow
from tiled.adapters.array import ArrayAdapter
from tiled.adapters.csv import CSVAdapter
from tiled.adapters.parquet import ParquetDatasetAdapter

warnings.filterwarnings("ignore")


class Arrow:
    """What Tiled's ArrowAdapter does. The real one cannot be made of a single file."""

    def __init__(self, path):
        self.frame = pyarrow.ipc.open_file(path).read_all().drop_columns([c for c in ['t64'] if c in pyarrow.ipc.open_file(path).schema.names]).to_pandas()
        self.columns = list(self.frame.columns)

    def structure(self):
        return self

    def __getitem__(self, key):
        return ArrayAdapter.from_array(self.frame[key].values)


here = pathlib.Path(__file__).resolve().parent
formats = here.parent.parent / "formats"
(here / "columns.csv").write_text(
    "i,f,b,s,d,bm,im,e,u\n1,1.5,True,x,2020-01-01,True,1,,é\n2,,False,,2020-01-02,,,,😀😀\n3,3,True,long text,,False,3,,\n"
)
files = [
    (here / "columns.csv", lambda uri: CSVAdapter.from_uris(uri)),
    (formats / "parquetfile/testdata/kinds.parquet", lambda uri: ParquetDatasetAdapter.from_uris(uri).dataframe_adapter),
    (formats / "parquetfile/testdata/frame-named-index.parquet", lambda uri: ParquetDatasetAdapter.from_uris(uri).dataframe_adapter),
    (formats / "arrowfile/testdata/kinds-zstd.arrow", lambda uri: Arrow(uri.removeprefix('file://'))),
]
out = []
for path, adapter in files:
    try:
        table = adapter(path.as_uri())
        columns = table.structure().columns
    except Exception as err:
        print(path, err)
        continue
    for name in columns:
        case = {"file": str(path.relative_to(here.parent.parent)), "column": name}
        try:
            array = table[name]
            data = numpy.asarray(array.read())
            structure = array.structure()
            case |= {"dtype": structure.data_type.to_numpy_str(), "shape": structure.shape, "data": data.tobytes().hex()}
        except Exception as err:
            case["error"] = f"{type(err).__name__}: {err}"[:80]
        out.append(case)
(here / "golden.json").write_text(json.dumps(out, indent=0) + "\n")
