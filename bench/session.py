"""Tiled's own Python client in a process of its own, told what to do line by line.

The parent uses User; the process runs this file. Commands and answers are JSON, one a line.
"""

import json
import os
import pathlib
import subprocess
import sys
import threading
import time

HERE = pathlib.Path(__file__).parent


class User:
    """A process with Tiled's client in it. Its answers say how many seconds it took."""

    def __init__(self, folder):
        folder.mkdir(parents=True, exist_ok=True)
        hidden = ("TILED_", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
        clean = {k: v for k, v in os.environ.items() if not k.upper().startswith(hidden)}
        more = {"HOME": str(folder), "TILED_CACHE_DIR": str(folder / "tiled"), "PYTHONWARNINGS": "ignore"}
        more["PYTHONPATH"] = str(HERE.parent / ".tmp" / "bench")  # hishel
        self.process = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
            env={**clean, **more},
        )
        self.begin(do="nothing")
        self.end()

    def begin(self, **command):
        self.process.stdin.write(json.dumps(command) + "\n")

    def end(self):
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"the client's process ended with {self.process.wait()}")
        answer = json.loads(line)
        if "error" in answer:
            raise RuntimeError(answer["error"])
        return answer

    def ask(self, **command):
        self.begin(**command)
        return self.end()

    def stop(self):
        self.process.kill()
        self.process.wait()


def connect(url, key=None, tokens=None, cache=None, store=None):
    """A client of the server at url. cache is None, "tiled", "hishel" (its default: it never asks
    again) or "hishel-rfc" (as RFC 9111 has it), kept in the file store."""
    from tiled.client import from_context
    from tiled.client.cache import Cache
    from tiled.client.context import Context

    options = {"cache": Cache(filepath=store)} if cache == "tiled" else {}
    context, _ = Context.from_any_uri(url, api_key=key, **options)
    if cache in {"hishel", "hishel-rfc"}:
        from hishel import CacheOptions, SqliteStorage
        from hishel.httpx import CacheTransport

        rules = CacheOptions(shared=False) if cache == "hishel-rfc" else False
        # Below Tiled's own transport, which makes its own kind of response of what it gets.
        upper = context.http_client._transport
        upper.transport = CacheTransport(upper.transport, SqliteStorage(database_path=store), rfc=rules)
    if tokens:
        context.configure_auth(tokens, remember_me=False)
    return from_context(context)


def read(node, which, table):
    if table:
        return node.read([f"c{which:02d}"]).iloc[:, 0].to_numpy()
    return node[which]


def visit(path, reads, table, **how):
    node = connect(**how)
    for key in path:
        node = node[key]
    for which in reads:
        read(node, which, table)
    return node


class Session:
    def __init__(self):
        self.node = None
        self.table = False

    def nothing(self):
        import tiled.client  # noqa: F401

        return {}

    def visit(self, path, reads, table, **how):
        """Connects and reads; the node stays open for what follows."""
        self.table = table
        begun = time.perf_counter()
        self.node = visit(path, reads, table, **how)
        return {"seconds": time.perf_counter() - begun}

    def read(self, reads):
        """Reads from the node that is open. The answer's value is the last read's middle one."""
        begun = time.perf_counter()
        for which in reads:
            last = read(self.node, which, self.table)
        return {"seconds": time.perf_counter() - begun, "value": float(last.reshape(-1)[last.size // 2])}

    def users(self, count, path, reads, table, **how):
        """As many clients as are asked for, each in a thread of its own."""
        failed = []

        def one():
            try:
                visit(path, reads, table, **how)
            except Exception as error:
                failed.append(repr(error))

        threads = [threading.Thread(target=one) for _ in range(count)]
        begun = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if failed:
            raise RuntimeError(failed[0])
        return {"seconds": time.perf_counter() - begun}


def main():
    session = Session()
    out = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # whatever the client prints is no answer
    for line in sys.stdin:
        command = json.loads(line)
        try:
            answer = getattr(session, command.pop("do"))(**command)
        except Exception as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        out.write(json.dumps(answer) + "\n")


if __name__ == "__main__":
    main()
