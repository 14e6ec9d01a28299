#!/usr/bin/env python3
"""A real Tiled alone, and behind Terrazzo's proxy: one hot chunk of a finished run.

For a public origin, an API key and a bearer token it prints requests per second with
p99, and how many requests reached the origin. Needs wrk and .venv (tools/setup python
system). The rounds of both are interleaved; medians. Writes bench/out/hot.md.
"""

import argparse
import json
import pathlib
import re
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
PYTHON = ROOT / ".venv" / "bin" / "python"
sys.path.insert(0, str(ROOT / "bench"))

import peers  # noqa: E402

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
    for _ in range(1800):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/", timeout=5).read()
            return
        except OSError:
            time.sleep(0.1)
    raise SystemExit(f"Tiled does not start:\n{log.read_text()}")


def wrk(port, auth, seconds):
    command = ["wrk", "-t2", "-c16", f"-d{seconds}s", "--latency", "-H", "Accept: application/octet-stream"]
    if auth:
        command += ["-H", f"Authorization: {auth}"]
    url = f"http://127.0.0.1:{port}/api/v1/array/block/run/image?block=0,0&expected_shape=1000,1000"
    text = subprocess.run([*command, url], capture_output=True, text=True, check=True).stdout
    assert "Non-2xx" not in text, text
    found = re.search(r"99%\s+([\d.]+)(us|ms|s|m)", text)
    p99 = float(found[1]) * {"us": 0.001, "ms": 1, "s": 1000, "m": 60000}[found[2]] if found else float("nan")
    return float(re.search(r"Requests/sec:\s+([\d.]+)", text)[1]), p99


def middle(rounds):
    rates, p99 = zip(*rounds, strict=True)
    spread = f" ({min(rates):,.0f}–{max(rates):,.0f})" if len(rates) > 1 else ""
    return statistics.median(rates), f"{statistics.median(rates):,.0f}/s{spread}, p99 {statistics.median(p99):,.1f} ms"


def token(port):
    form = urllib.parse.urlencode({"grant_type": "password", "username": "alice", "password": "secret"}).encode()
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/auth/provider/toy/token", form) as answer:
        return json.load(answer)["access_token"]


def row(label, program, public, users, times):
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
            running.append(
                subprocess.Popen([program, "cache", f"127.0.0.1:{front}", f"http://127.0.0.1:{origin}", "tiled"])
            )
            wait(front, folder / "log")
            alone, behind, reached = [], [], 0
            rounds, seconds = times
            for _ in range(rounds):
                alone.append(wrk(origin, auth, seconds))
                time.sleep(1)
                before = (folder / "log").read_text().count(" HTTP/1.1")
                behind.append(wrk(front, auth, seconds))
                time.sleep(1)
                reached += (folder / "log").read_text().count(" HTTP/1.1") - before
            rate, text = middle(behind)
            least, first = middle(alone)
            answered = sum(rate for rate, _ in behind) * seconds
            ratio = f"{rate / least:,.0f}×" if least else "–"
            return f"| {label} | {first} | {text} | {ratio} | {reached} of {answered:,.0f} |"
        finally:
            for process in running:
                process.terminate()
            for process in running:
                process.wait()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one round of three seconds")
    arguments = parser.parse_args()
    rounds, seconds = (1, 3) if arguments.quick else (3, 6)
    lines = [
        f"{peers.about()} wrk with 16 connections, {rounds} interleaved rounds of {seconds} s; medians, (least–most).",
        "",
        "| origin | Tiled alone | behind the proxy | | requests that reached the origin |",
        "|---|---|---|---|---|",
    ]
    with tempfile.TemporaryDirectory() as name:
        program = pathlib.Path(name) / "proxy"
        subprocess.run(["go", "build", "-o", str(program), "./bench/proxy"], cwd=ROOT, check=True)
        lines.append(row("public", program, True, False, (rounds, seconds)))
        lines.append(row("API key", program, False, False, (rounds, seconds)))
        lines.append(row("bearer token", program, False, True, (rounds, seconds)))
    text = "\n".join(lines) + "\n"
    (ROOT / "bench" / "out").mkdir(exist_ok=True)
    (ROOT / "bench" / "out" / "hot.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
