#!/usr/bin/env python3
"""Hits and 304s per second with p99 and CPU: Terrazzo's proxy beside nginx, Varnish and Squid.

All of them stand before the same origin, a Go server that answers from memory, which is
also measured alone; nginx serves the same bytes as files: what the machine can do. Two
further rows are Terrazzo's own server on a file of numbers, with layer 2 and without it.
The rounds of all are interleaved; the table has medians, and the spread of the rounds.
Writes bench/out/proxy.md. Needs wrk, and of the others what is there: tools/setup bench.
"""

import argparse
import dataclasses
import pathlib
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
sys.path.insert(0, str(HERE.parent))

import load  # noqa: E402
import peers  # noqa: E402

CONNECTIONS = 16
CASES = [("1 kB", "/1k", False), ("2 MB", "/2m", False), ("304 of 1 kB", "/1k", True), ("304 of 2 MB", "/2m", True)]
PLAIN = ["-H", "Accept: application/octet-stream"]


def tool(name):
    return shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin")


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait(port):
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise SystemExit(f"nothing listens on {port}")


def nginx_conf(folder, port, body):
    return f"""
worker_processes 2; daemon off; pid {folder}/pid; error_log {folder}/error.log;
events {{ worker_connections 1024; }}
http {{
  access_log off; sendfile on; tcp_nopush on; keepalive_requests 1000000;
  client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  proxy_cache_path {folder}/cache keys_zone=z:10m max_size=512m use_temp_path=off;
  server {{ listen 127.0.0.1:{port}; {body} }}
}}
"""


def nginx(folder, port, body):
    folder.mkdir()
    conf = folder / "conf"
    conf.write_text(nginx_conf(folder, port, body))
    return [tool("nginx"), "-c", str(conf), "-e", str(folder / "error.log")]


def squid(folder, port, origin):
    folder.mkdir(mode=0o777)
    folder.chmod(0o777)
    conf = folder / "conf"
    conf.write_text(
        f"http_port 127.0.0.1:{port} accel defaultsite=127.0.0.1 no-vhost\n"
        f"cache_peer 127.0.0.1 parent {origin} 0 no-query originserver\n"
        "http_access allow all\ncache_mem 512 MB\nmaximum_object_size_in_memory 16 MB\nmemory_cache_mode always\n"
        f"access_log none\ncache_log {folder}/log\npid_filename {folder}/pid\ncoredump_dir {folder}\nvisible_hostname bench\n"
    )
    return [tool("squid"), "-N", "-f", str(conf)]


@dataclasses.dataclass
class Row:
    """One server, and what a case is called there."""

    label: str
    process: subprocess.Popen
    port: int
    paths: dict

    def __post_init__(self):
        self.rounds = {case: [] for case, _, _ in CASES}
        self.tags = {}

    def tag(self, path):
        """The validator that this server gives."""
        if path not in self.tags:
            command = ["curl", "-s", "-o", "/dev/null", "-D", "-", *PLAIN]
            head = subprocess.run(
                [*command, f"http://127.0.0.1:{self.port}{path}"], capture_output=True, text=True, check=True
            ).stdout
            self.tags[path] = re.search(r"(?i)^etag: (\S+)", head, re.M)[1]
        return self.tags[path]

    def measure(self, case, path, confirmed, seconds):
        path = self.paths.get(path, path)
        command = ["wrk", "-t2", f"-c{CONNECTIONS}", f"-d{seconds}s", "--latency", *PLAIN]
        if confirmed:
            command += ["-H", f"If-None-Match: {self.tag(path)}"]
        before = load.cpu_seconds(self.process.pid)
        text = subprocess.run(
            [*command, f"http://127.0.0.1:{self.port}{path}"], capture_output=True, text=True, check=True
        ).stdout
        cpu = load.cpu_seconds(self.process.pid) - before
        answers = int(re.search(r"(\d+) requests in", text)[1])
        if "Non-2xx" in text:
            raise SystemExit(f"{self.label}, {case}: errors\n{text}")
        self.rounds[case].append(
            (answers / seconds, cpu * 1000 / max(1, answers), milliseconds(re.search(r"99%\s+(\S+)", text)[1]))
        )

    def cell(self, case):
        rates, cpu, p99 = zip(*self.rounds[case], strict=True)
        spread = f" ({min(rates):,.0f}–{max(rates):,.0f})" if len(rates) > 1 else ""
        return (
            f"{statistics.median(rates):,.0f}/s{spread}, p99 {statistics.median(p99):.1f} ms, "
            f"CPU {statistics.median(cpu):.3f} ms"
        )


def milliseconds(text):
    found = re.fullmatch(r"([\d.]+)(us|ms|s|m)", text)
    # wrk says nan where nothing was answered within the round.
    return float(found[1]) * {"us": 0.001, "ms": 1, "s": 1000, "m": 60000}[found[2]] if found else float("nan")


def start(label, port, command, paths=None):
    process = subprocess.Popen([str(c) for c in command], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait(port)
    except SystemExit as error:
        raise SystemExit(f"{label}: {error}") from None
    return Row(label, process, port, paths or {})


def beside(folder, program, origin):
    """The caches, and what they are compared with."""
    upstream = f"http://127.0.0.1:{origin}"
    yield "bare Go server (the origin)", origin, [program, "origin", f"127.0.0.1:{origin}"]
    port = free_port()
    yield "Terrazzo proxy", port, [program, "cache", f"127.0.0.1:{port}", upstream, "http"]
    if tool("nginx"):
        port = free_port()
        body = f"location / {{ proxy_pass {upstream}; proxy_cache z; proxy_http_version 1.1; }}"
        yield "nginx proxy_cache", port, nginx(folder / "nginx", port, body)
        port = free_port()
        yield "nginx static files", port, nginx(folder / "files", port, f"root {folder}/static; etag on;")
    if tool("varnishd"):
        port = free_port()
        command = [tool("varnishd"), "-F", "-n", folder / "varnish", "-a", f"127.0.0.1:{port}"]
        yield "Varnish", port, [*command, "-b", f"127.0.0.1:{origin}", "-s", "malloc,512m"]
    if tool("squid"):
        port = free_port()
        yield "Squid", port, squid(folder / "squid", port, origin)


def own(folder):
    """Terrazzo's server on a file of numbers, with layer 2 and without it."""
    data = folder / "data"
    data.mkdir()
    header = "{'descr': '<u2', 'fortran_order': False, 'shape': (1000, 1100), }"
    with open(data / "image.npy", "wb") as file:
        file.write(b"\x93NUMPY\x01\x00\x76\x00" + header.ljust(117).encode() + b"\n")
        file.write(bytes(i * 7 % 256 for i in range(2_200_000)))
    paths = {"/2m": "/api/v1/array/full/image?slice=:,:", "/1k": "/api/v1/array/full/image?slice=0,0:500"}
    for label, size in (("Terrazzo server, layer 2 on", "256MiB"), ("Terrazzo server, layer 2 off", "0")):
        port = free_port()
        command = [ROOT / "bin" / "terrazzo", "serve", "directory", data, "--public", "--port", port, "--state", "none"]
        yield label, port, [*command, "--log-level", "error", "--response-cache", size], paths


def table(rows, rounds, seconds):
    yield f"{peers.about()} {CONNECTIONS} connections, {rounds} interleaved rounds of {seconds} s; medians, (least–most)."
    yield ""
    yield "| | " + " | ".join(case for case, _, _ in CASES) + " |"
    yield "|---|" + "---|" * len(CASES)
    for row in rows:
        yield f"| {row.label} | " + " | ".join(row.cell(case) for case, _, _ in CASES) + " |"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="one round of two seconds")
    parser.add_argument("--seconds", type=int, help="of each round")
    arguments = parser.parse_args()
    rounds = 1 if arguments.quick else 3
    seconds = arguments.seconds or (2 if arguments.quick else 3)
    with tempfile.TemporaryDirectory() as name:
        # Squid and nginx drop root and read below it.
        folder = pathlib.Path(name)
        folder.chmod(0o755)
        program = folder / "proxy"
        subprocess.run(["go", "build", "-o", program, "./bench/proxy"], cwd=ROOT, check=True)
        static = folder / "static"
        static.mkdir()
        origin = free_port()
        rows = []
        try:
            for command in beside(folder, program, origin):
                rows.append(start(*command))
            for path in ("/1k", "/2m"):
                fetched = subprocess.run(
                    ["curl", "-s", f"http://127.0.0.1:{origin}{path}"], capture_output=True, check=True
                )
                (static / path[1:]).write_bytes(fetched.stdout)
            for command in own(folder):
                rows.append(start(*command))
            time.sleep(2.5)  # files younger than two seconds are not kept
            for _ in range(rounds):
                for case, path, confirmed in CASES:
                    for row in rows:
                        row.measure(case, path, confirmed, seconds)
        finally:
            for row in reversed(rows):
                row.process.terminate()
            for row in rows:
                row.process.wait()
    text = "\n".join(table(rows, rounds, seconds)) + "\n"
    (ROOT / "bench" / "out").mkdir(exist_ok=True)
    (ROOT / "bench" / "out" / "proxy.md").write_text(text)
    print(text)


if __name__ == "__main__":
    main()
