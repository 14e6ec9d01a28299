"""What the conformance suite compares: two servers over one folder of files."""

import dataclasses
import fcntl
import functools
import hashlib
import pathlib
import shutil

import answers
import make
import pytest
import servers

# where(predicate) restricts a test that takes a node to some of them.
where = pytest.mark.where.with_args

FIXTURES = pathlib.Path(make.__file__).parent


@dataclasses.dataclass(frozen=True)
class Node:
    """One item of the tree, as the real Tiled describes it."""

    path: str
    family: str
    structure: dict

    @property
    def shape(self):
        return tuple(self.structure["shape"])

    @property
    def size(self):
        total = 1
        for n in self.shape:
            total *= n
        return total

    @property
    def kind(self):
        return self.structure["data_type"].get("kind", "V")


def digest():
    """Names everything that the real Tiled's answers depend on."""
    sources = [*(FIXTURES / name for name in make.SOURCES), servers.TESTS / "requirements.txt"]
    return hashlib.sha256(b"".join(path.read_bytes() for path in sources)).hexdigest()[:16]


@functools.cache
def fixtures():
    """The folder of files, made again only when its generator has changed."""
    target = servers.OUT / "fixtures"
    stamp = servers.OUT / "fixtures.stamp"
    with (servers.OUT / "fixtures.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the other workers wait
        if not stamp.exists() or stamp.read_text() != digest():
            make.main(target)
            stamp.write_text(digest())
    return target


@functools.cache
def remembered():
    """What the real Tiled answered to earlier runs over the same files."""
    return answers.Answers(servers.OUT / "answers" / digest())


@functools.cache
def tiled():
    return servers.tiled(fixtures() / "shared")


@functools.cache
def under_test():
    return servers.under_test(fixtures() / "shared")


@functools.cache
def more():
    """Terrazzo over the files that the real Tiled leaves out."""
    return servers.terrazzo(fixtures() / "more", name="more")


@functools.cache
def broken():
    return servers.terrazzo(fixtures() / "broken", name="broken")


@functools.cache
def private():
    """Both servers with a key and without --public, over a small folder."""
    folder = fixtures() / "shared" / "nested" / "alpha"
    return servers.tiled(folder, public=False, name="tiled_private"), servers.under_test(
        folder, public=False, name="under_test_private"
    )


@functools.cache
def without_cache():
    """Terrazzo that keeps no block: each one is read anew."""
    return servers.terrazzo(fixtures() / "shared", "--data-cache", "0", name="without_cache")


@functools.cache
def small_cache():
    """Terrazzo whose cache holds 1 MiB of blocks, and gives up most of them."""
    return servers.terrazzo(fixtures() / "shared", "--data-cache", "1MiB", name="small_cache")


@functools.cache
def proxies(origin, private):
    """The real Tiled behind the proxy, and what that holds served without Tiled.

    Without Tiled no right can be proven: what is private is kept apart by key.
    """
    disk = servers.OUT / "proxy" / origin.rpartition(":")[2]
    shutil.rmtree(disk, ignore_errors=True)
    flags = ["--disk", disk, *(["--authorize", "key"] if private else [])]
    proxy = servers.proxy(origin, *flags)
    # What is held is held for the address that clients used.
    return proxy, servers.proxy(origin, *flags, "--offline", "--base", proxy.url, name="proxy_offline")


@functools.cache
def nodes():
    """Every node of the real Tiled's tree, the insides of Zarr groups included."""
    return sorted(_walk(()), key=lambda node: node.path)


def _walk(segments):
    from compare import Request

    params = {"page[limit]": 300, "fields": ["structure_family", "structure"]}
    answer = Request("/api/v1/search/" + "/".join(segments), params).ask_tiled()
    assert answer.status_code == 200, answer.text
    for item in answer.json()["data"]:
        path = (*segments, item["id"])
        attributes = item["attributes"]
        yield Node("/".join(path), attributes["structure_family"], attributes["structure"])
        if attributes["structure_family"] == "container":
            yield from _walk(path)


def of_family(family):
    return [node for node in nodes() if node.family == family]


def node(path):
    return next(node for node in nodes() if node.path == path)
