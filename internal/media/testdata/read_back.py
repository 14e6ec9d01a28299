"""Read what the encoders wrote with the libraries that people read it with,
and print it as JSON, a line for each. Arguments: paths that end in a kind.
"""

import json
import sys


def pairs():
    for path in sys.argv[1:]:
        yield path.rsplit(".", 1)[1], path


for kind, path in pairs():
    if kind == "tiff":
        import tifffile

        array = tifffile.imread(path)
        with tifffile.TiffFile(path) as file:
            pages = len(file.pages)
            photometric = int(file.pages[0].photometric)
        print(json.dumps([array.dtype.str, array.shape, array.tobytes().hex(), array.byteswap().tobytes().hex(), pages, photometric]))
    elif kind == "picture":
        import PIL.Image

        image = PIL.Image.open(path)
        print(json.dumps([image.mode, image.size, image.tobytes().hex()]))
    elif kind == "xlsx":
        import openpyxl

        sheet = openpyxl.load_workbook(path).active
        print(json.dumps([sheet.title, sheet["A1"].font.b, [[repr(cell) for cell in row] for row in sheet.iter_rows(values_only=True)]]))
    elif kind in ("arrow", "parquet", "stream"):
        import pyarrow.parquet

        if kind == "parquet":
            table = pyarrow.parquet.read_table(path)
        elif kind == "arrow":
            table = pyarrow.ipc.open_file(path).read_all()
        else:
            table = pyarrow.ipc.open_stream(path).read_all()
        metadata = {key.decode(): value.decode() for key, value in (table.schema.metadata or {}).items()}
        types = [str(field.type) for field in table.schema]
        values = [[repr(value) for value in column.to_pylist()] for column in table.columns]
        print(json.dumps([types, values, metadata, len(table.to_pandas())]))
