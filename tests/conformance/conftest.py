"""Parametrizes tests over the nodes of the served tree.

A test that takes `node`, `array`, `table` or `container` runs once for each
node of that family; with `@world.where(predicate)` only for
those that it accepts, and without --long only for those that `quick=` accepts.
"""

import os

import pytest
import variants
import world

# The client reads this once: the real server's 500s are no reason to try ten times.
os.environ["TILED_RETRY_ATTEMPTS"] = "2"

FAMILIES = {"node": None, "array": "array", "table": "table", "container": "container"}


def pytest_configure(config):
    if config.getoption("--long"):
        variants.EVERY = 1


def pytest_generate_tests(metafunc):
    for name, family in FAMILIES.items():
        if name in metafunc.fixturenames:
            nodes = world.nodes() if family is None else world.of_family(family)
            for marker in metafunc.definition.iter_markers("where"):
                nodes = [node for node in nodes if marker.args[0](node)]
                if "quick" in marker.kwargs and not metafunc.config.getoption("--long"):
                    nodes = [node for node in nodes if marker.kwargs["quick"](node)]
            assert nodes, "no node fits: the test would test nothing"
            metafunc.parametrize(name, nodes, ids=[node.path for node in nodes])


@pytest.fixture
def long(request):
    return request.config.getoption("--long")
