"""Remembers what the real Tiled answered to each request of the suite.

Tiled is slow, and its answers depend on nothing but the files, the request and
the pinned versions of the libraries. The memory lies in tests/out, which a
fresh checkout does not have: there, and so in CI, every answer is new.
"""

import atexit
import os
import pickle

import httpx


class Answers:
    def __init__(self, folder):
        self.path = folder / f"{os.environ.get('PYTEST_XDIST_WORKER', 'all')}.pickle"
        self.own = load(self.path)
        self.known = {key: answer for path in folder.glob("*.pickle") for key, answer in load(path).items()}
        self.news = 0
        atexit.register(self.save)

    def get(self, key, ask):
        """The answer to a request: remembered, or from ask() and remembered.

        ask returns the base URL of the server and its response; the base URL
        is left on the answer, since links in the body begin with it.
        """
        if key not in self.known:
            base, response = ask()
            headers = [(k, v) for k, v in response.headers.raw if k.lower() != b"content-encoding"]
            self.known[key] = self.own[key] = base, response.status_code, headers, response.content
            self.news += 1
            if self.news % 500 == 0:
                self.save()
        base, status, headers, content = self.known[key]
        answer = httpx.Response(status, headers=headers, content=content)
        answer.base = base
        return answer

    def save(self):
        if self.news:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            whole = self.path.with_suffix(".new")
            whole.write_bytes(pickle.dumps(self.own))
            whole.replace(self.path)


def load(path):
    return pickle.loads(path.read_bytes()) if path.exists() else {}
