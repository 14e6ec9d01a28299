"""Remembers what the real Tiled answered to each request of the suite.

Tiled is slow, and its answers depend on nothing but the files, the request and
the pinned versions of the libraries. The memory lies in tests/out, which a
fresh checkout does not have: there, and so in CI, every answer is new.
"""

import atexit
import pickle

import httpx


class Answers:
    def __init__(self, path):
        self.path = path
        self.known = pickle.loads(path.read_bytes()) if path.exists() else {}
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
            self.known[key] = base, response.status_code, headers, response.content
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
            self.path.write_bytes(pickle.dumps(self.known))
