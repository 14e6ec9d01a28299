"""Starts the servers that the suites compare, and stops them.

All listen on loopback. Output goes to tests/out/logs/, one file per server.
"""

import atexit
import contextlib
import dataclasses
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time

import httpx

TESTS = pathlib.Path(__file__).parent
ROOT = TESTS.parent
OUT = TESTS / "out"
TERRAZZO = pathlib.Path(os.environ.get("TERRAZZO", ROOT / "bin" / "terrazzo"))
TILED = pathlib.Path(sys.executable).with_name("tiled")
WEB_PAGE = pathlib.Path(sys.prefix) / "share" / "tiled" / "ui"
START_LIMIT = 900  # seconds; the real Tiled takes minutes for thousands of files
KEY = "secret"

_running = []


@dataclasses.dataclass
class Server:
    name: str
    url: str
    process: subprocess.Popen
    log: pathlib.Path
    home: pathlib.Path
    started: float = 0  # seconds from start to ready

    @property
    def api(self):
        return f"{self.url}/api/v1"

    def stop(self, how=signal.SIGKILL):
        if self.process.poll() is None:
            os.killpg(self.process.pid, how)
        self.process.wait(60)
        shutil.rmtree(self.home, ignore_errors=True)
        if self in _running:
            _running.remove(self)
        return self.process.returncode


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def start(name, command, port, ready, env=None):
    """Runs a command until ready(log text, port) is true."""
    log = OUT / "logs" / f"{name}_{port}.log"
    log.parent.mkdir(parents=True, exist_ok=True)
    home = OUT / "home" / f"{name}_{port}"  # new each time: nothing is remembered from before
    home.mkdir(parents=True, exist_ok=True)
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("TILED_", "TERRAZZO_"))}
    environment = {**clean, "HOME": str(home), "PYTHONUNBUFFERED": "1", **(env or {})}
    environment.pop("XDG_STATE_HOME", None)
    begun = time.monotonic()
    with log.open("wb") as output:
        process = subprocess.Popen(
            [str(part) for part in command],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=environment,
            start_new_session=True,
        )
    server = Server(name, f"http://127.0.0.1:{port}", process, log, home)
    _running.append(server)
    try:
        wait(server, command, lambda: ready(log, port), begun)
    except BaseException:  # a test's time-out, too, leaves no server behind
        server.stop()
        raise
    server.started = time.monotonic() - begun
    return server


def wait(server, command, ready, begun):
    while not ready():
        spent = time.monotonic() - begun
        ended = server.process.poll()
        if ended is not None or spent > START_LIMIT:
            why = f"not ready after {spent:.0f} s" if ended is None else f"ended with {ended}"
            raise RuntimeError(f"{server.name} {why}: {' '.join(map(str, command))}\n{server.log.read_text()[-3000:]}")
        time.sleep(0.01)


def _indexed(log, port):
    return b"Indexing complete." in log.read_bytes()


def listening(log, port):
    try:
        with socket.create_connection(("127.0.0.1", port), 1):
            return True
    except OSError:
        return False


def _healthy(log, port):
    try:
        with socket.create_connection(("127.0.0.1", port), 1):
            pass
        return httpx.get(f"http://127.0.0.1:{port}/healthz", timeout=5, trust_env=False).status_code == 200
    except (OSError, httpx.TransportError):
        return False


def tiled(folder, *flags, public=True, name="tiled", env=None):
    port = free_port()
    command = [TILED, "serve", "directory", folder, "--port", port, "--api-key", KEY]
    if public:
        command.append("--public")
    return start(name, [*command, *flags], port, _indexed, env)


def terrazzo(folder, *flags, public=True, name="terrazzo", env=None):
    if not TERRAZZO.exists():
        raise RuntimeError(f"{TERRAZZO} is missing: run `make build`")
    port = free_port()
    command = [TERRAZZO, "serve", "directory", folder, "--port", port, "--api-key", KEY]
    if size := os.environ.get("TERRAZZO_TEST_DATA_CACHE"):
        command += ["--data-cache", size]
    if public:
        command.append("--public")
    return start(name, [*command, *flags], port, _healthy, env)


def proxy(origin, *flags, name="proxy", port=None):
    port = port or free_port()
    return start(name, [TERRAZZO, "proxy", origin, "--listen", f"127.0.0.1:{port}", *flags], port, listening)


@contextlib.contextmanager
def trap(port):
    """Takes the port of a server that is gone; yields what came to it, which must be nothing."""
    came = []
    with socket.create_server(("127.0.0.1", port)) as listener:

        def accept():
            with contextlib.suppress(OSError):
                while True:
                    connection, address = listener.accept()
                    came.append(address)
                    connection.close()

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield came
        listener.shutdown(socket.SHUT_RDWR)


def under_test(folder, *flags, **options):
    """Terrazzo, or a second Tiled with SUITE_SELF_TEST=1: nothing may differ then."""
    options.setdefault("name", "under_test")
    return (tiled if self_test() else terrazzo)(folder, *flags, **options)


def self_test():
    return bool(os.environ.get("SUITE_SELF_TEST"))


def stop_all():
    for server in list(_running):
        server.stop()


atexit.register(stop_all)
# Being told to end is no reason to leave servers behind.
signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
