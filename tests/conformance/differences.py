"""The deliberate differences from the real Tiled: one table.

The suite accepts a difference between the two servers only where a row here
describes it and says what Terrazzo answers; a row that no comparison met any
more fails the suite, so the table cannot outlive what it describes.
`python tests/conformance/differences.py > docs/compat.md` writes the page for
users out of it, and the suite checks that the page is up to date.
"""

import dataclasses
import re


@dataclasses.dataclass
class Difference:
    about: str  # the page's heading for it
    tiled: str  # what Tiled 0.2.20 does, for users
    ours: str  # what Terrazzo does
    why: str
    request: str  # pattern of path and query
    field: str  # pattern of the field that differs
    holds: object = None  # of (tiled's value, ours): whether it is this difference
    met: int = 0

    def explains(self, finding):
        found = (
            re.search(self.request, finding.request.target) is not None
            and re.fullmatch(self.field, finding.field) is not None
            and (self.holds is None or bool(self.holds(finding.tiled, finding.ours)))
        )
        self.met += found
        return found


def now_works(tiled, ours):
    """Tiled answers with an error where Terrazzo serves."""
    return str(tiled)[0] in "45" and ours == 200


def client_error(tiled, ours):
    """Tiled answers 5xx where the request or the file is wrong."""
    return str(tiled)[0] == "5" and str(ours)[0] == "4"


NEVER_5XX = "an answer of 500 makes clients try again, ten times, what cannot work"

DIFFERENCES = [
    Difference(
        "Counts of what is inside a file",
        "`structure.count` of a Zarr group that stands in a folder, and `meta.count` of its listing, are 0",
        "the number of its members",
        "the client's `len()` is then right",
        r"",
        r"body\.(data(\[\d+\])?\.attributes\.structure|meta|.*contents\..*\.structure)\.count",
        lambda tiled, ours: tiled == 0 and ours > 0,
    ),
    Difference(
        "Empty selections",
        "`slice=0:0` and others that select nothing of two or more dimensions: 500",
        "200 and an empty body",
        "they are valid in numpy",
        r"array/full/.*slice=",
        r"status",
        now_works,
    ),
    Difference(
        "Arrays with nothing in them",
        "an array of shape (3, 0): 500",
        "200 and an empty body",
        "it is valid in numpy",
        r"array/full/arrays/emptytwo",
        r"status",
        now_works,
    ),
    Difference(
        "Negative steps in Zarr arrays",
        "400 `Block index out of range`",
        "200, in numpy's order",
        "`array[::-1]` works in the Python client",
        r"array/full/zarr/.*slice=",
        r"status",
        now_works,
    ),
    Difference(
        "Structured arrays",
        "`/array/full`: 500 in every format",
        "200 for the bytes and for JSON and CSV",
        "the Python client can read them",
        r"array/full/(arrays/records|zarr/two_records)",
        r"status",
        lambda tiled, ours: now_works(tiled, ours) or client_error(tiled, ours),
    ),
    Difference(
        "HTML of arrays",
        "500",
        "a page with the values",
        "it is among the formats that are offered",
        r"array/full/.*(format=(text/html|html?)\b|$)",
        r"status",
        lambda tiled, ours: now_works(tiled, ours) or client_error(tiled, ours),
    ),
    Difference(
        "JSON of big-endian, complex and time-delta arrays, and of NaT",
        "500",
        "numbers; complex ones as [real, imaginary], NaT as null",
        "it is among the formats that are offered",
        r"array/full/arrays/.*format=application/json",
        r"status",
        now_works,
    ),
    Difference(
        "CSV of a single value",
        "500",
        "the value",
        "it is among the formats that are offered",
        r"array/full/arrays/(scalar|large).*format=",
        r"status",
        now_works,
    ),
    Difference(
        "Pictures of text, times and empty arrays",
        "`image/png` and `image/tiff`: 500",
        "406",
        NEVER_5XX,
        r"array/full/.*format=image/(png|tiff)",
        r"status",
        client_error,
    ),
    Difference(
        "`expected_shape` that does not fit",
        "`/array/full`: 500, after reading",
        "422, before reading",
        NEVER_5XX,
        r"array/full/.*expected_shape=",
        r"status",
        client_error,
    ),
    Difference(
        "A step of 0, an index out of range of a Zarr array",
        "500",
        "400 or 422",
        NEVER_5XX,
        r"array/full/.*slice=",
        r"status",
        client_error,
    ),
]


# Differences that no request of the suite can show, or that it leaves out of
# every comparison.
NOTES = [
    (
        "Validators and caching",
        "ETags are unquoted hashes of the values, computed after reading; no `Vary`, no `Last-Modified`",
        "strong quoted ETags from the version of the files, `Last-Modified`, `Vary: Accept, Accept-Encoding`, `Cache-Control`",
        "a 304 must not read data, and caches between server and client must be able to work",
    ),
    (
        "Wording of errors",
        "`detail` has Tiled's and pydantic's texts",
        "same statuses and the same form; the texts are our own and say what was expected",
        "the texts are not part of the protocol",
    ),
    (
        "Row ids and cursors",
        "`id` of data sources and assets, and page cursors, are row numbers of a database that is filled anew at each start",
        "numbers without a meaning for clients, too",
        "there is no database",
    ),
]


def page():
    lines = [
        "# Differences from Tiled 0.2.20",
        "",
        "Terrazzo answers as `tiled serve directory` of release 0.2.20 does, byte for byte where the answer is data.",
        "This page lists each place where it deliberately does not. It is written by",
        "`python tests/conformance/differences.py` from the table that the conformance suite allows; everything else",
        "that differs is a bug, and fails `make test`.",
        "",
        "| What | Tiled 0.2.20 | Terrazzo | Why |",
        "|---|---|---|---|",
    ]
    rows = [(d.about, d.tiled, d.ours, d.why) for d in DIFFERENCES] + NOTES
    seen = set()
    for row in rows:
        if row not in seen:
            lines.append("| " + " | ".join(cell.replace("|", r"\|") for cell in row) + " |")
        seen.add(row)
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(page(), end="")
