#!/usr/bin/env python3
"""A real Tiled alone, and behind Terrazzo's proxy: one hot chunk of a finished run.

For a public origin, an API key and a bearer token it prints requests per second with
p99, and how many requests reached the origin. Needs wrk and .venv (tools/setup python
system). Run from anywhere: bench/proxy/hot.py [SECONDS]
"""

import json
import pathlib
import re
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PYTHON = ROOT / ".venv" / "bin" / "python"
SECONDS = int(sys.argv[1]) if len(sys.argv) > 1 else 5
MAKE = """
import sys, numpy
from tiled.client import from_uri
client = from_uri(sys.argv[1], api_key=sys.argv[2])
run = client.create_container("run", metadata={"start": {"uid": "1"}, "stop": {"exit_status": "success"}}, specs=["BlueskyRun"])
run.write_array(numpy.arange(1_000_000, dtype="uint16").reshape(1000, 1000), key="image")
"""
USERS = """
authentication:
  allow_anonymous_access: %s
%s
trees:
  - path: /
    tree: catalog
    args: {uri: "sqlite:///%s/catalog.db", writable_storage: "%s/data", init_if_not_exists: true}
"""
PROVIDERS = """  secret_keys: [not-a-secret]
  providers:
    - provider: toy
      authenticator: tiled.authenticators:DictionaryAuthenticator
      args: {users_to_passwords: {alice: secret}}
  tiled_admins: [{provider: toy, id: alice}]
database: {uri: "sqlite:///%s/auth.db", init_if_not_exists: true}
"""


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait(port, log):
    for _ in range(600):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/", timeout=5).read()
            return
        except OSError:
            time.sleep(0.1)
    raise SystemExit(f"Tiled does not start:\n{log.read_text()}")


def wrk(port, auth):
    command = ["wrk", "-t2", "-c16", f"-d{SECONDS}s", "--latency", "-H", "Accept: application/octet-stream"]
    if auth:
        command += ["-H", f"Authorization: {auth}"]
    url = f"http://127.0.0.1:{port}/api/v1/array/block/run/image?block=0,0&expected_shape=1000,1000"
    text = subprocess.run([*command, url], capture_output=True, text=True, check=True).stdout
    assert "Non-2xx" not in text, text
    return float(re.search(r"Requests/sec:\s+([\d.]+)", text)[1]), re.search(r"99%\s+(\S+)", text)[1]


def token(port):
    form = urllib.parse.urlencode({"grant_type": "password", "username": "alice", "password": "secret"}).encode()
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/auth/provider/toy/token", form) as answer:
        return json.load(answer)["access_token"]


def row(label, program, public, users):
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        (folder / "data").mkdir()
        key = "secret"
        who = PROVIDERS % name if users else f"  single_user_api_key: {key}"
        (folder / "config.yml").write_text(USERS % (str(public).lower(), who, name, name))
        origin, front = free_port(), free_port()
        log = open(folder / "log", "w+")
        running = [
            subprocess.Popen(
                [PYTHON.parent / "tiled", "serve", "config", folder / "config.yml", "--port", str(origin)],
                stdout=log,
                stderr=log,
                cwd=name,
            )
        ]
        try:
            wait(origin, folder / "log")
            auth = ""
            if users:
                bearer = token(origin)
                q = urllib.request.Request(
                    f"http://127.0.0.1:{origin}/api/v1/auth/apikey",
                    json.dumps({"scopes": None, "expires_in": 900}).encode(),
                    {"Authorization": f"Bearer {bearer}", "Content-Type": "application/json"},
                )
                with urllib.request.urlopen(q) as answer:
                    key = json.load(answer)["secret"]
                auth = f"Bearer {bearer}"
            elif not public:
                auth = f"Apikey {key}"
            subprocess.run(
                [PYTHON, "-c", MAKE, f"http://127.0.0.1:{origin}/api/v1", key], check=True, capture_output=True
            )
            alone, alone99 = wrk(origin, auth)
            running.append(
                subprocess.Popen([program, "cache", f"127.0.0.1:{front}", f"http://127.0.0.1:{origin}", "tiled"])
            )
            wait(front, folder / "log")
            time.sleep(1)
            log.flush()
            before = (folder / "log").read_text().count(" HTTP/1.1")
            behind, behind99 = wrk(front, auth)
            time.sleep(1)
            reached = (folder / "log").read_text().count(" HTTP/1.1") - before
            print(
                f"| {label} | {alone:,.0f}/s, {alone99} | {behind:,.0f}/s, {behind99} | {behind / alone:,.0f}× | "
                f"{reached} of {behind * SECONDS:,.0f} |",
                flush=True,
            )
        finally:
            for process in running:
                process.terminate()
            for process in running:
                process.wait()


def main():
    with tempfile.TemporaryDirectory() as name:
        program = pathlib.Path(name) / "proxy"
        subprocess.run(["go", "build", "-o", str(program), "./bench/proxy"], cwd=ROOT, check=True)
        print("| origin | Tiled alone | behind the proxy | | requests that reached the origin |")
        print("|---|---|---|---|---|")
        row("public", program, True, False)
        row("API key", program, False, False)
        row("bearer token", program, False, True)


main()
