"""The real Tiled web page, out of the wheel, served by Terrazzo.

Screenshots stay in tests/out/page and tests/out/page_private.
"""

import json
import shutil
import subprocess

import httpx
import numpy
import pandas
import pytest
import servers

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("page")
    (root / "nested" / "inner").mkdir(parents=True)
    y, x = numpy.mgrid[0:64, 0:80]
    numpy.save(root / "image.npy", numpy.hypot(x - 40, y - 32).astype("f4"))
    numpy.save(root / "nested" / "deep.npy", numpy.arange(6))
    numpy.save(root / "nested" / "inner" / "most.npy", numpy.arange(3))
    numpy.save(root / "rgb.npy", numpy.stack([x * 3, y * 4, (x + y) % 256], axis=-1).astype("u1"))
    numpy.save(root / "line.npy", numpy.sin(numpy.arange(500) / 20))
    table().to_csv(root / "table.csv", index=False)
    return root


def table():
    return pandas.DataFrame({"energy": [1.5, 2.5, 3.5, 4.5], "label": ["a", "b", "c", "d"]})


def serve(folder, public):
    name = "page" if public else "page_private"
    flags = () if servers.self_test() else ("--ui", servers.WEB_PAGE)
    return servers.under_test(folder, *flags, public=public, name=name)


def visit(server, enter):
    assert CHROMIUM, "no Chromium: run tools/setup system"
    out = servers.OUT / server.name
    out.mkdir(parents=True, exist_ok=True)
    task = {"url": server.url, "enter": enter, "out": str(out), "chromium": CHROMIUM}
    run = subprocess.run(
        ["node", "page.mjs", json.dumps(task)],
        cwd=servers.TESTS / "page",
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert run.returncode == 0, run.stderr[-4000:]
    return json.loads(run.stdout.splitlines()[-1])


def check(seen):
    assert sorted(seen["root"]) == ["image", "line", "nested", "rgb", "table"]
    assert sorted(seen["folder"]) == ["deep", "inner"]
    assert seen["canvas"] == {"width": 80, "height": 64}
    assert seen["png"] == {"width": 80, "height": 64}
    assert {"energy", "label"} <= set(seen["columns"])
    assert seen["download"]["name"].endswith(".csv")
    assert seen["download"]["text"].replace("\r\n", "\n") == table().to_csv(index=False)
    assert not seen["errors"] and not seen["bad"]


def test_public(folder):
    server = serve(folder, public=True)
    seen = visit(server, f"{server.url}/ui/")
    check(seen)
    if not servers.self_test():  # Tiled's own page cannot read Tiled's json-seq
        assert [row.split() for row in seen["rows"]] == [["1.500", "a"], ["2.500", "b"], ["3.500", "c"]]


def test_private(folder):
    """The printed URL with the key is all that the browser is ever given."""
    server = serve(folder, public=False)
    assert httpx.get(f"{server.url}/api/v1/search/", trust_env=False).status_code == 401
    seen = visit(server, f"{server.url}/?api_key={servers.KEY}")
    check(seen)
    key = next(cookie for cookie in seen["cookies"] if cookie["name"] == "tiled_api_key")
    assert key["httpOnly"] and key["sameSite"] in ("Lax", "Strict")
    assert servers.self_test() or not any(servers.KEY in address for address in seen["addresses"])
