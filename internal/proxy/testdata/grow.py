"""Grows an array behind a proxy and reads it through the proxy: nothing may be stale.

grow.py THROUGH DIRECT NAME: signs in to DIRECT as alice, appends there, and reads at THROUGH
after each step, as a client that stays and as one that comes anew.
"""
import sys

import numpy
from tiled.client import from_context
from tiled.client.context import Context, password_grant

through, direct = sys.argv[1:3]
name = "growing-" + sys.argv[3]


def sign_in(url):
    context = Context.from_any_uri(url)[0]
    spec = context.server_info.authentication.providers[0]
    tokens = password_grant(context.http_client, spec.links["auth_endpoint"], spec.provider, "alice", "secret1")
    context.configure_auth(tokens, remember_me=False)
    return from_context(context)


writer, reader = sign_in(direct), sign_in(through)
run = writer.create_container(name, metadata={"start": {}}, specs=["BlueskyRun"])
array = run.write_array(numpy.arange(4), key="x")
stale = 0
for n in range(1, 6):
    for _ in range(2):
        stale += reader[name]["x"].read().tolist() != list(range(4 * n))
        stale += reader[name]["x"][-1] != 4 * n - 1
    array.patch(numpy.arange(4 * n, 4 * n + 4), offset=(4 * n,), extend=True)
    array.refresh()
print("stale", stale)

# A write through the proxy is seen at once by who reads through it, and beside it.
reader[name]["x"].write(numpy.arange(24) * 2)
print("written", reader[name]["x"].read().tolist()[:3], writer[name]["x"].read().tolist()[:3])
