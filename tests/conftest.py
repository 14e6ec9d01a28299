"""Options that all Python suites share."""

import servers


def pytest_addoption(parser):
    parser.addoption("--long", action="store_true", help="the full counts: more slices, every format for every node")


def pytest_sessionfinish():
    servers.stop_all()
