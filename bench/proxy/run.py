#!/usr/bin/env python3
"""Hits and 304s per second with p99: Terrazzo's proxy beside nginx, Varnish and Squid.

All of them stand before the same origin, which is also measured alone, and nginx serves
the same bytes as files: what the machine can do. Prints a Markdown table. Needs wrk, and
of the others what is there. Run from anywhere: bench/proxy/run.py [SECONDS]
"""

import pathlib
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
SECONDS = int(sys.argv[1]) if len(sys.argv) > 1 else 5
CONNECTIONS = 16
CASES = [("1 kB", "/1k", None), ("2.2 MB", "/2m", None), ("304", "/2m", '"1"')]


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


def wrk(port, path, tag):
    command = ["wrk", "-t2", f"-c{CONNECTIONS}", f"-d{SECONDS}s", "--latency"]
    if tag:
        command += ["-H", f"If-None-Match: {tag}"]
    text = subprocess.run(
        [*command, f"http://127.0.0.1:{port}{path}"], capture_output=True, text=True, check=True
    ).stdout
    rate = float(re.search(r"Requests/sec:\s+([\d.]+)", text)[1])
    p99 = re.search(r"99%\s+(\S+)", text)[1]
    errors = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    return f"{rate:,.0f}/s, {p99}" + (f" ({errors[1]} errors)" if errors else "")


def main():
    with tempfile.TemporaryDirectory() as name:
        # Squid and nginx drop root and read below it.
        folder = pathlib.Path(name)
        folder.chmod(0o755)
        program = folder / "proxy"
        subprocess.run(["go", "build", "-o", str(program), "./bench/proxy"], cwd=ROOT, check=True)
        origin = free_port()
        ports = {key: free_port() for key in ("cache", "tiled", "nginx", "varnish", "squid", "static")}
        static = folder / "static"
        static.mkdir()
        commands = {"bare Go": (origin, [str(program), "origin", f"127.0.0.1:{origin}"])}
        commands["Terrazzo"] = (
            ports["cache"],
            [str(program), "cache", f"127.0.0.1:{ports['cache']}", f"http://127.0.0.1:{origin}", "http"],
        )
        if tool("nginx"):
            body = f"location / {{ proxy_pass http://127.0.0.1:{origin}; proxy_cache z; proxy_http_version 1.1; }}"
            commands["nginx proxy_cache"] = (ports["nginx"], nginx(folder / "nginx", ports["nginx"], body))
            commands["nginx static"] = (
                ports["static"],
                nginx(folder / "files", ports["static"], f"root {static}; etag on;"),
            )
        if tool("varnishd"):
            commands["Varnish"] = (
                ports["varnish"],
                [
                    tool("varnishd"),
                    "-F",
                    "-n",
                    str(folder / "varnish"),
                    "-a",
                    f"127.0.0.1:{ports['varnish']}",
                    "-b",
                    f"127.0.0.1:{origin}",
                    "-s",
                    "malloc,512m",
                ],
            )
        if tool("squid"):
            commands["Squid"] = (ports["squid"], squid(folder / "squid", ports["squid"], origin))
        running = []
        try:
            for port, command in commands.values():
                running.append(subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
                wait(port)
            for _, path, _ in CASES:
                (static / path[1:]).write_bytes(
                    subprocess.run(
                        ["curl", "-s", f"http://127.0.0.1:{origin}{path}"], capture_output=True, check=True
                    ).stdout
                )
            print("| |", " | ".join(c[0] for c in CASES), "|")
            print("|---|" + "---|" * len(CASES))
            for label, (port, _) in commands.items():
                cells = []
                for _case, path, tag in CASES:
                    asked = tag
                    if label == "nginx static" and tag:
                        head = subprocess.run(
                            ["curl", "-sI", f"http://127.0.0.1:{port}{path}"],
                            capture_output=True,
                            text=True,
                            check=True,
                        ).stdout
                        asked = re.search(r"ETag: (\S+)", head)[1]
                    cells.append(wrk(port, path, asked))
                print(f"| {label} |", " | ".join(cells), "|", flush=True)
        finally:
            for process in reversed(running):
                process.terminate()
            for process in running:
                process.wait()


main()
