"""The same request in other ways, which must answer just as well.

Each request that the suite compares goes also to Terrazzo without a data cache
and with one of 1 MiB, whose answers must be those with the cache; and, of each
test the first and then every sixteenth (all with --long), to the real Tiled
behind `terrazzo proxy`: cold, warm and then without Tiled. Through the proxy
nothing may differ, so that the table of differences does not count here.
"""

import collections
import os

import compare
import servers
import world

EVERY = 16  # with --long 1: see conftest.py
# Of each answer of its own, or made anew by whoever stands between.
OWN_HEADERS = {"date", "age", "x-tiled-request-id", "server-timing", "cache-status", "etag", "set-cookie"}
# Links name the address that was asked: through the proxy that is the proxy's, whatever these say.
ADDRESSES = {"host", "x-forwarded-host", "x-forwarded-proto", "x-forwarded-prefix"}
counts = collections.Counter()  # of requests by test, and of answers by what came of them


def current_test():
    return os.environ["PYTEST_CURRENT_TEST"].split("[")[0].split(" ")[0]


def chosen(kind):
    """Whether a request of the running test is among those for the proxy."""
    counts[kind, current_test()] += 1
    return (counts[kind, current_test()] - 1) % EVERY == 0


def check(request, tiled, ours, ordered, origin=None):
    """Asserts that the other ways answer a request as well.

    tiled and ours are the answers of the two servers; origin is the real one,
    where that is not the one of most tests.
    """
    if servers.self_test():
        return
    if origin is None:
        settings(request, ours, ordered)
    if chosen("request") and not ADDRESSES & {name.lower() for name in request.headers}:
        proxied(request, tiled, ordered, world.proxies((origin or world.tiled()).url, private=origin is not None))


def settings(request, want, ordered):
    for server in (world.without_cache(), world.small_cache()):
        got = request.send(server)
        alike(request, server, want, got, ordered)
        headers = [
            {k: v.replace(answer.base, "<base>") for k, v in answer.headers.items() if k not in OWN_HEADERS}
            for answer in (want, got)
        ]
        assert headers[0] == headers[1], f"{server.name}: {request.curl(server)}: {headers}"


def proxied(request, tiled, ordered, proxies):
    proxy, offline = proxies
    alike(request, proxy, tiled, request.send(proxy), ordered)
    warm = request.send(proxy)
    alike(request, proxy, tiled, warm, ordered)
    held = "; hit" in warm.headers["cache-status"] or "; fwd-status=304" in warm.headers["cache-status"]
    if tiled.status_code in {401, 403}:
        return  # rights cannot be proven offline
    alone = request.send(offline)
    alone.base = proxy.url
    counts["held" if held else "not held"] += 1
    if alone.status_code == 504 and not held:
        assert alone.json()["detail"] and "cache-status" in alone.headers, request.curl(offline)
        return
    alike(request, offline, tiled, alone, ordered)
    assert "hit" in alone.headers["cache-status"], alone.headers


def alike(request, server, want, got, ordered):
    if (want.status_code, want.content) == (got.status_code, got.content):
        return
    findings = list(compare.differ(request, want, got, ordered))
    if findings:
        compare.report(request, server, findings)
        lines = "\n  ".join(map(str, findings[:12]))
        raise AssertionError(f"{server.name}: {request.target}\n  {lines}\n  {request.curl(server)}")
