"""The flags of `serve directory` that change names and what is served."""

import pytest
import servers
from compare import Request


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    import numpy

    root = tmp_path_factory.mktemp("flags")
    (root / "table.csv").write_text("a,b\n1,2\n")
    (root / "odd.dat").write_text("a,b\n3,4\n")
    (root / "more.than.one.csv").write_text("a,b\n5,6\n")
    (root / "inner").mkdir()
    for path in (root / "array.npy", root / "seq0.npy", root / "seq1.npy", root / "inner" / "deep.npy"):
        numpy.save(path, numpy.arange(4))
    return root


FLAGS = {
    "keep": ["--keep-ext"],
    "include": ["--include-ext", ".csv"],
    "extension": ["--ext", ".dat=text/csv"],
}


@pytest.mark.parametrize("name", FLAGS)
def test_flags(folder, name):
    def tree(server, path=""):
        answer = Request(f"/api/v1/search/{path}", {"fields": ["structure_family", "structure"]}).send(server)
        assert answer.status_code == 200, answer.text
        found = {}
        for item in answer.json()["data"]:
            family = item["attributes"]["structure_family"]
            inner = tree(server, f"{path}{item['id']}/") if family == "container" else None
            found[item["id"]] = inner if inner is not None else (family, item["attributes"]["structure"].get("shape"))
        return found

    pair = [
        servers.tiled(folder, *FLAGS[name], name=f"flags_{name}_tiled"),
        servers.under_test(folder, *FLAGS[name], name=f"flags_{name}"),
    ]
    tiled, ours = map(tree, pair)
    for server in pair:
        server.stop()
    if name != "extension":
        # What the real one skips, Terrazzo serves as a file to download.
        ours.pop("odd", None), ours.pop("odd.dat", None)
    if name == "include":  # the real one leaves folders out in which nothing is included
        assert ours.pop("inner", {}) == {}
    assert ours == tiled
