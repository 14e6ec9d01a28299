"""Options that all Python suites share, and what several workers of a run share."""

import differences
import servers

MET = servers.OUT / "met.txt"  # the rows of the table of differences that comparisons met


def pytest_addoption(parser):
    parser.addoption("--long", action="store_true", help="the full counts: more slices, every format for every node")


def pytest_configure(config):
    if not is_worker(config):
        servers.OUT.mkdir(exist_ok=True)
        (servers.OUT / "unexplained.txt").write_text("")
        MET.write_text("")


def is_worker(config):
    return hasattr(config, "workerinput")


def pytest_collection_modifyitems(items):
    # Each of several workers runs a whole file at a time, since some have servers of their own.
    # The longest is begun first, so that no worker waits for another at the end.
    items.sort(key=lambda item: item.path.stem != "test_arrays")


def pytest_sessionfinish(session):
    servers.stop_all()
    with MET.open("a") as file:  # in one write, so that workers do not mix
        file.write("".join(f"{i}\n" for i, row in enumerate(differences.DIFFERENCES) if row.met))
    if is_worker(session.config) or servers.self_test() or session.testscollected < 1000:
        return  # only a run of the whole suite meets them all
    if stale := differences.unmet(map(int, MET.read_text().split())):
        print(f"\nno comparison met these any more, take them out of differences.py: {stale}")
        session.exitstatus = 1
