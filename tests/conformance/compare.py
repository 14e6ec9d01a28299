"""Sends one request to both servers and says where the answers differ.

Compared are the status, Content-Type, Content-Disposition and what the body
means: documents field by field, data value by value, each media type read by
the library that its users read it with. Not compared are validators and
caching headers, request ids, timings, and the wording of error messages.
"""

import io
import json
import math
import re
import shlex
import zipfile
from urllib.parse import quote

import httpx
import msgpack
import numpy
import openpyxl
import pyarrow
import pyarrow.parquet
import servers
import tifffile
import variants
import world
from differences import DIFFERENCES
from PIL import Image

ABSENT = "<absent>"


class Finding:
    """One field in which two answers differ."""

    def __init__(self, request, field, tiled, ours):
        self.request, self.field, self.tiled, self.ours = request, field, tiled, ours

    def __str__(self):
        return f"{self.field}: tiled {shorten(self.tiled)}, ours {shorten(self.ours)}"


def shorten(value, limit=300):
    text = repr(value)
    return text if len(text) <= limit else f"{text[:limit]}… ({len(text)} characters)"


class Request:
    def __init__(self, path, params=None, headers=None, method="GET", body=None):
        self.path = "/" + path.lstrip("/")
        self.params = list(params.items()) if isinstance(params, dict) else list(params or [])
        self.headers, self.method, self.body = headers or {}, method, body

    @property
    def target(self):
        """Path and query as people write them, for messages and differences."""
        query = "&".join(f"{key}={value}" for key, value in self.params)
        return f"{self.path}?{query}" if query else self.path

    def ask_tiled(self):
        key = json.dumps([self.method, self.path, self.params, self.headers, self.body])
        return world.remembered().get(key, lambda: (world.tiled().url, self.send(world.tiled())))

    def url(self, server):
        params = [(k, v) for k, vs in self.params for v in (vs if isinstance(vs, list) else [vs])]
        return httpx.URL(server.url + quote(self.path), params=params or None)

    def send(self, server):
        url = self.url(server)
        for attempt in (1, 2, 3):
            # The real Tiled closes a connection after a 500 without saying so.
            try:
                answer = client().request(self.method, url, headers=self.headers, json=self.body)
                answer.base = server.url
                return answer
            except httpx.TransportError:
                if attempt == 3:
                    raise

    def curl(self, server):
        headers = "".join(f" -H {shlex.quote(f'{k}: {v}')}" for k, v in self.headers.items())
        body = f" -X {self.method} --json {shlex.quote(json.dumps(self.body))}" if self.body is not None else ""
        return f"curl -g{headers}{body} {shlex.quote(str(self.url(server)))}"


_client = None


def client():
    global _client
    if _client is None:
        # No Accept-Encoding: codings have tests of their own.
        _client = httpx.Client(timeout=120, trust_env=False, headers={"accept-encoding": "identity"})
    _client.cookies.clear()  # each request stands for itself
    return _client


def same(path, params=None, headers=None, *, method="GET", body=None, ordered=True, pair=None):
    """Asserts that both servers answer alike, but for the known differences.

    Returns Terrazzo's answer. With ordered=False the items of a listing may
    come in any order.
    """
    request = Request(path, params, headers, method, body)
    ours = pair[1] if pair else world.under_test()
    tiled = request.send(pair[0]) if pair else request.ask_tiled()
    findings = list(differ(request, tiled, answer := request.send(ours), ordered))
    unexplained = [finding for finding in findings if not explained(finding)]
    if unexplained:
        report(request, ours, unexplained)
        lines = "\n  ".join(map(str, unexplained[:12]))
        raise AssertionError(f"{request.target}\n  {lines}\n  {request.curl(ours)}")
    variants.check(request, tiled, answer, ordered, pair and pair[0])
    return answer


def explained(finding):
    return any([difference.explains(finding) for difference in DIFFERENCES])


def report(request, server, findings):
    path = servers.OUT / "unexplained.txt"
    with path.open("a") as file:
        for finding in findings[:5]:
            file.write(f"{request.target} | {finding} | {request.curl(server)}\n")


def differ(request, tiled, ours, ordered):
    def finding(field, a, b):
        return Finding(request, field, a, b)

    if tiled.status_code != ours.status_code:
        yield finding(
            "status", tiled.status_code, f"{ours.status_code} {ours.text[:200]}" if ours.is_error else ours.status_code
        )
        return
    if ours.is_error:
        yield from error_form(request, tiled, ours)
        return
    for header in ("content-type", "content-disposition"):
        a, b = (unbounded(answer.headers.get(header, ABSENT)) for answer in (tiled, ours))
        if a != b:
            yield finding(header, a, b)
    try:
        a = meaning(tiled, ordered)
    except Exception as error:  # a reader of their answer: say which and go on
        a = f"unreadable: {error!r}"
    try:
        b = meaning(ours, ordered)
    except Exception as error:
        b = f"unreadable: {error!r}"
    for field, one, two in deep(a, b):
        yield finding(f"body{field}", one, two)


def unbounded(header):
    """A multipart media type without its boundary, which is random."""
    return re.sub(r"boundary=\S+", "boundary=<any>", header)


def error_form(request, tiled, ours):
    """Errors carry {"detail": ...}; what it says is each server's own."""
    media = ours.headers.get("content-type")
    try:
        detail = ours.json().get("detail")
    except (ValueError, AttributeError):
        detail = None
    if media != "application/json" or not detail:
        yield Finding(
            request, "error form", f"{tiled.headers.get('content-type')} {tiled.text}", f"{media} {ours.text}"
        )


def meaning(response, ordered):
    """What a body says, read with the library of its media type."""
    media = response.headers.get("content-type", "").split(";")[0]
    if not media and response.content.startswith(b"{"):
        media = "application/json"  # the real one's Zarr documents have no type
    read = READERS.get(media, lambda content: content)
    value = read(response.content)
    if media in ("application/json", "application/x-msgpack") and isinstance(value, dict):
        value = scrub(value, response.base)
        if not ordered and isinstance(value.get("data"), list):
            value["data"].sort(key=lambda item: str((item.get("links") or {}).get("self") or item["id"]))
    return value


def scrub(value, base):
    """Takes out what must differ: the base URL, row ids, cursors."""
    if isinstance(value, dict):
        if isinstance(value.get("keys"), list):  # of a Zarr group: as the file system lists them
            value = {**value, "keys": sorted(value["keys"])}
        return {
            key: "<id>" if key == "id" and isinstance(item, int) else scrub(item, base) for key, item in value.items()
        }
    if isinstance(value, list):
        return [scrub(item, base) for item in value]
    if isinstance(value, str):
        return re.sub(r"page\[cursor\]=\d+", "page[cursor]=<n>", value.replace(base, "<base>"))
    return value


def arrow(content):
    table = pyarrow.ipc.open_file(content).read_all()
    return described(table)


def parquet(content):
    return described(pyarrow.parquet.read_table(io.BytesIO(content)))


def described(table):
    table = table.combine_chunks()
    pandas = {}
    if table.schema.metadata and b"pandas" in table.schema.metadata:
        pandas = json.loads(table.schema.metadata[b"pandas"])
        pandas.pop("creator", None)
        pandas.pop("pandas_version", None)
    return {
        "columns": table.column_names,
        "types": {field.name: str(field.type) for field in table.schema},
        "values": {name: table[name].to_pylist() for name in table.column_names},
        "pandas": pandas,
    }


def workbook(content):
    book = openpyxl.load_workbook(io.BytesIO(content))
    return {sheet.title: [list(row) for row in sheet.iter_rows(values_only=True)] for sheet in book}


def pixels(content):
    image = Image.open(io.BytesIO(content))
    return {"mode": image.mode, "pixels": numpy.asarray(image)}


def tiff(content):
    return tifffile.imread(io.BytesIO(content))


def records(content):
    """RFC 7464: each record stands between a record separator and a newline."""
    parts = content.split(b"\x1e")
    return [parts[0].decode(), *[json.loads(part) for part in parts[1:]]]


def archive(content):
    with zipfile.ZipFile(io.BytesIO(content)) as members:
        return {name: members.read(name) for name in members.namelist()}


def hdf5(content):
    import h5py

    found = {}

    def visit(name, item):
        found[name] = item[()] if isinstance(item, h5py.Dataset) else "group"
        for key, value in item.attrs.items():
            found[f"{name}@{key}"] = value

    with h5py.File(io.BytesIO(content)) as file:
        file.visititems(visit)
        for key, value in file.attrs.items():
            found[f"@{key}"] = value
    return found


def parts(content):
    """The parts of a multipart body, without the random boundary between them."""
    return [sorted(part.strip().split(b"\r\n")) for part in content.split(content.split(b"\r\n", 1)[0])]


READERS = {
    "application/json": json.loads,
    "application/x-msgpack": lambda content: msgpack.unpackb(content, timestamp=3),
    "application/vnd.apache.arrow.file": arrow,
    "application/x-parquet": parquet,
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": workbook,
    "application/json-seq": records,
    "application/x-hdf5": hdf5,
    "application/zip": archive,
    "image/png": pixels,
    "image/tiff": tiff,
    "multipart/byteranges": parts,
    "text/csv": bytes.decode,
    "text/html": bytes.decode,
    "text/plain": bytes.decode,
}


def deep(a, b, at=""):
    """Yields (field, a, b) wherever two documents differ."""
    if isinstance(a, dict) and isinstance(b, dict):
        for key in [*a, *[key for key in b if key not in a]]:
            yield from deep(a.get(key, ABSENT), b.get(key, ABSENT), f"{at}.{key}")
    elif isinstance(a, list) and isinstance(b, list):
        if len(a) != len(b):
            yield f"{at}.length", len(a), len(b)
        for i, (one, two) in enumerate(zip(a, b, strict=False)):
            yield from deep(one, two, f"{at}[{i}]")
    elif isinstance(a, numpy.ndarray) or isinstance(b, numpy.ndarray):
        yield from deep_arrays(a, b, at)
    elif isinstance(a, str) and isinstance(b, str) and a.startswith("data:application/vnd.apache.arrow"):
        yield from deep(schema(a), schema(b), f"{at}.schema")
    elif type(a) is not type(b) or (a != b and not both_nan(a, b)):
        yield at, a, b


def both_nan(a, b):
    return isinstance(a, float) and math.isnan(a) and math.isnan(b)


def deep_arrays(a, b, at):
    if getattr(a, "dtype", None) != getattr(b, "dtype", None) or a.shape != b.shape:
        yield at, getattr(a, "dtype", a), getattr(b, "dtype", b)
    elif not numpy.array_equal(a, b, equal_nan=a.dtype.kind in "fc"):
        where = numpy.argwhere(a != b)
        worst = numpy.max(numpy.abs(a.astype("f8") - b.astype("f8"))) if a.dtype.kind in "biuf" else "?"
        yield at, f"{len(where)} values differ, first at {where[0].tolist()}", f"largest difference {worst}"


def schema(uri):
    """The fields that the data URI of a table's structure describes."""
    import base64

    if not uri.startswith("data:application/vnd.apache.arrow.file;base64,"):
        return uri
    decoded = pyarrow.ipc.read_schema(pyarrow.py_buffer(base64.b64decode(uri.split(",", 1)[1])))
    pandas = json.loads((decoded.metadata or {}).get(b"pandas", b"{}"))
    pandas.pop("creator", None)
    pandas.pop("pandas_version", None)
    return {"fields": [[f.name, str(f.type), f.nullable] for f in decoded], "pandas": pandas}
