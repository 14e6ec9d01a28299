"""Starts what benchmarks compare with or measure through, and looks at what it costs.

All listen on loopback and end with this process.
"""

import atexit
import dataclasses
import os
import pathlib
import platform
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parent
OUT = HERE / "out"
sys.path.insert(0, str(ROOT / "tests"))

import httpx  # noqa: E402
import load  # noqa: E402
import servers  # noqa: E402

POSTGRES = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin"))


def about():
    """Commit, day, machine and versions: what stands above every table."""
    git = ["git", "-C", str(ROOT)]
    commit = subprocess.run(
        [*git, "rev-parse", "--short", "HEAD"], check=False, capture_output=True, text=True
    ).stdout.strip()
    changed = subprocess.run(
        [*git, "status", "--porcelain", "-uno"], check=False, capture_output=True, text=True
    ).stdout
    model = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if "model name" in line), "")
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return (
        f"Commit {commit or 'unknown'}{' with changes' if changed else ''}, {time.strftime('%Y-%m-%d')}; "
        f"{len(os.sched_getaffinity(0))} cores of {model or platform.machine()}, {memory:.0f} GiB; Linux {platform.release()}, "
        f"Python {platform.python_version()}, Tiled 0.2.20; load at the start {os.getloadavg()[0]:.1f}."
    )


def cpu_seconds(*pids):
    """CPU time of processes and their children in nanosecond steps, where load.cpu_seconds
    has those of the clock: their CPU-time clocks, which count threads that are gone too."""
    total = 0
    for pid in pids:
        for one in load.processes(pid):
            try:
                total += time.clock_gettime((~one << 3) | 2)  # as clock_getcpuclockid(3) makes it
            except OSError:
                continue  # a child that has just ended
    return total


def drop_pages(folder):
    """Drops a folder's files from the page cache, and nothing else; says how."""
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    return "fsync and posix_fadvise(DONTNEED) on each data file"


def listens(log, port):
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
        return True
    except OSError:
        return False


def private_proxy(url, *flags, name="private"):
    """`terrazzo proxy --private`: layer 1 beside the client."""
    port = servers.free_port()
    command = [
        servers.TERRAZZO,
        "proxy",
        url,
        "--private",
        "--listen",
        f"127.0.0.1:{port}",
        "--log-level",
        "error",
        *flags,
    ]
    return servers.start(name, command, port, listens)


def proxy(url, *flags, name="proxy"):
    """`terrazzo proxy`: layer 2 in front of any Tiled."""
    port = servers.free_port()
    command = [servers.TERRAZZO, "proxy", url, "--listen", f"127.0.0.1:{port}", "--log-level", "error", *flags]
    return servers.start(name, command, port, listens)


class Delay:
    """A longer way to a server, which counts what crosses: bench/delay."""

    _built = False

    def __init__(self, server_url, milliseconds):
        if not Delay._built:
            subprocess.run(["go", "build", "-o", str(OUT / "delay"), "./bench/delay"], cwd=ROOT, check=True)
            Delay._built = True
        port = servers.free_port()
        self.url = f"http://127.0.0.1:{port}"
        server = server_url.removeprefix("http://").rstrip("/")
        command = [OUT / "delay", f"127.0.0.1:{port}", server, f"{milliseconds}ms"]
        self.process = subprocess.Popen(
            list(map(str, command)), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        atexit.register(self.stop)
        while not listens(None, port):
            time.sleep(0.005)
        time.sleep(0.01)
        self.counts()

    def counts(self):
        """Requests, bytes towards the client and new connections since the last call."""
        self.process.stdin.write("\n")
        return tuple(map(int, self.process.stdout.readline().split()))

    def set(self, milliseconds):
        """Makes the way so long from now on."""
        self.process.stdin.write(f"{milliseconds}ms\n")
        self.process.stdout.readline()

    def stop(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        atexit.unregister(self.stop)


@dataclasses.dataclass
class Postgres:
    process: subprocess.Popen
    folder: str
    port: int

    def url(self, database):
        return f"postgresql+asyncpg://bench@127.0.0.1:{self.port}/{database}"

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)  # without waiting for clients
            self.process.wait(60)
        shutil.rmtree(self.folder, ignore_errors=True)
        atexit.unregister(self.stop)


def postgres(*databases):
    """A PostgreSQL of our own with its default settings, as somebody who is not root."""
    if not POSTGRES:
        raise RuntimeError("PostgreSQL is missing: run tools/setup bench")
    programs = POSTGRES[-1]
    folder = tempfile.mkdtemp(prefix="terrazzo-postgres-")
    as_user = {}
    if os.getuid() == 0:
        known = {entry.pw_name: entry for entry in pwd.getpwall()}
        user = known.get("postgres", known["nobody"])
        os.chown(folder, user.pw_uid, user.pw_gid)
        as_user = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    port = servers.free_port()
    data = f"{folder}/data"
    initdb = [programs / "initdb", "-D", data, "-U", "bench", "-A", "trust", "--no-sync"]
    subprocess.run(initdb, check=True, capture_output=True, cwd="/", **as_user)
    process = subprocess.Popen(
        [programs / "postgres", "-D", data, "-p", str(port), "-c", "listen_addresses=127.0.0.1", "-k", ""],
        cwd="/",
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        **as_user,
    )
    server = Postgres(process, folder, port)
    atexit.register(server.stop)
    for name in databases:
        command = [programs / "createdb", "-h", "127.0.0.1", "-p", str(port), "-U", "bench", name]
        for _attempt in range(200):
            if subprocess.run(command, check=False, capture_output=True).returncode == 0:
                break
            time.sleep(0.05)
        else:
            raise RuntimeError("PostgreSQL does not answer")
    return server


CONFIG = """
authentication:
  secret_keys: [not-a-secret]
  access_token_max_age: 86400
  providers:
    - provider: toy
      authenticator: tiled.authenticators:DictionaryAuthenticator
      args: {{users_to_passwords: {{alice: secret}}}}
  tiled_admins: [{{provider: toy, id: alice}}]
database: {{uri: "{users}", init_if_not_exists: true}}
trees:
  - path: /
    tree: catalog
    args: {{uri: "{catalog}", readable_storage: ["{folder}"]}}
"""


@dataclasses.dataclass
class Deployed:
    """Tiled as sites run it, with PostgreSQL, a worker for each core, and users."""

    server: servers.Server
    database: Postgres
    key: str
    tokens: dict

    def pids(self):
        return self.server.process.pid, self.database.process.pid

    def stop(self):
        self.server.stop()
        self.database.stop()


def tiled_deployed(folder, workers=None):
    """Serves a folder, registered in a catalog in PostgreSQL."""
    workers = workers or len(os.sched_getaffinity(0))
    database = postgres("catalog", "users")
    python = pathlib.Path(sys.executable)
    for command in (
        ["catalog", "init", database.url("catalog")],
        ["admin", "initialize-database", database.url("users")],
    ):
        subprocess.run([servers.TILED, *command], check=True, capture_output=True, cwd="/tmp")
    port = servers.free_port()
    config = pathlib.Path(database.folder) / "config.yml"
    config.write_text(
        CONFIG.format(users=database.url("users"), catalog=database.url("catalog"), folder=folder.resolve())
    )
    command = [python.with_name("uvicorn"), "--factory", "tiled.server.app:app_factory", "--port", str(port)]
    command += ["--workers", str(workers), "--log-level", "warning"]
    server = servers.start(
        "tiled_deployed", command, port, servers._healthy, {"TILED_CONFIG": str(config), "PYTHONWARNINGS": "ignore"}
    )
    form = {"grant_type": "password", "username": "alice", "password": "secret"}
    with httpx.Client(timeout=60, trust_env=False) as http:
        answer = http.post(f"{server.api}/auth/provider/toy/token", data=form).raise_for_status()
        tokens = answer.json()
        who = {"Authorization": f"Bearer {tokens['access_token']}"}
        made = http.post(f"{server.api}/auth/apikey", json={"scopes": None, "expires_in": 86400}, headers=who)
        key = made.raise_for_status().json()["secret"]
    register = [servers.TILED, "register", server.api, folder.resolve(), "--api-key", key]
    home = {**os.environ, "HOME": str(server.home)}
    done = subprocess.run(list(map(str, register)), check=False, capture_output=True, text=True, env=home)
    if done.returncode:
        raise RuntimeError(f"tiled register: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    return Deployed(server, database, key, tokens)
