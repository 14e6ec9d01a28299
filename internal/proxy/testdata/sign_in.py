"""Signs in to a Tiled server behind a proxy, writes, and follows a live stream.

sign_in.py URL: needs users alice and bob with passwords secret1 and secret2.
"""
import sys
import threading

import httpx
import numpy
from tiled.client import from_context
from tiled.client.context import Context, password_grant

url = sys.argv[1]


def sign_in(name, password):
    context = Context.from_any_uri(url)[0]
    spec = context.server_info.authentication.providers[0]
    tokens = password_grant(context.http_client, spec.links["auth_endpoint"], spec.provider, name, password)
    context.configure_auth(tokens, remember_me=True)
    return context, from_context(context), tokens


alice_context, alice, tokens = sign_in("alice", "secret1")
bob_context, bob, _ = sign_in("bob", "secret2")
print("who", alice_context.whoami()["identities"][0]["id"], bob_context.whoami()["identities"][0]["id"])

run = alice.create_container("run", metadata={"start": {}, "stop": {"ok": True}}, specs=["BlueskyRun"])
run.write_array(numpy.arange(6), key="x")
for client in (alice, alice, bob, bob):
    print("data", client["run"]["x"].read().tolist())
for auth in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Apikey wrong"}):
    print("stranger", httpx.get(f"{url}/api/v1/array/full/run/x?expected_shape=6", headers=auth).status_code)

refreshed = alice_context.force_auth_refresh()
print("renewed", refreshed["access_token"] != tokens["access_token"], alice["run"]["x"].read().tolist())
key = alice_context.create_api_key(expires_in=600)["secret"]
print("key", httpx.get(f"{url}/api/v1/array/full/run/x?expected_shape=6&api_key={key}").status_code)
narrow = alice_context.create_api_key(scopes=["read:metadata"], expires_in=600)["secret"]
for route in ("metadata/run/x", "array/full/run/x?expected_shape=6"):
    print("narrow", httpx.get(f"{url}/api/v1/{route}", headers={"Authorization": f"Apikey {narrow}"}).status_code)

live = alice.create_container("live")
seen, got = [], threading.Event()


def on_child(update):
    seen.append(update.key)
    got.set()


subscription = live.subscribe()
subscription.child_created.add_callback(on_child)
subscription.start_in_thread()
live.write_array(numpy.arange(3), key="first")
print("stream", got.wait(30), seen)
subscription.disconnect()
alice_context.logout()
