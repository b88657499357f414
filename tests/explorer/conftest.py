"""A small view, and a client that asks like the page does."""

import http.client
import json
from urllib.parse import urlsplit

import msgspec
import numpy as np
import pytest

import eos_jax as eos
from eos_jax import config, explorer
from eos_jax.config import Configuration, Range

PAPER = {"name": "scalar_product", "multiplicities": [2, 2]}
VIEW = Configuration(
    steps=2000,
    objective=PAPER,
    axes={"x": Range(3.0, 3.4, 40), "y": Range(0.1, 0.5, 24), "eta": 0.2},
)


class Client:
    """Asks a server one question at a time."""

    def __init__(self, address):
        self.address, self.parts = address, urlsplit(address)

    def send(self, method, path, body=None, headers=None):
        connection = http.client.HTTPConnection(self.parts.netloc, timeout=120)
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return answer.status, answer.read(), answer.headers
        finally:
            connection.close()

    def ask(self, name, question=None):
        """The status and what is answered."""
        method, body = (
            ("GET", None) if question is None else ("POST", msgspec.json.encode(question))
        )
        status, body, headers = self.send(method, self.parts.path + name, body)
        plain = headers["Content-Type"] == "application/json"
        return status, json.loads(body) if plain else body

    def window(self, configuration, **more):
        """The head and the arrays of a window."""
        status, body = self.ask("window", {"configuration": configuration, **more})
        assert status == 200, body
        return unpacked(body)

    def refused(self, name, question):
        """The sentence of a refusal."""
        status, body = self.ask(name, question)
        assert status == 400, body
        return body["error"]


def unpacked(body):
    """As the page does: from the layout that `packed` documents, not by its code."""
    size = int.from_bytes(body[:4], "little")
    head = json.loads(body[4 : 4 + size])
    data = {}
    for array in head["arrays"]:
        kind, count = np.dtype(array["dtype"]).newbyteorder("<"), int(np.prod(array["shape"]))
        assert (4 + size + array["at"]) % 8 == 0
        found = np.frombuffer(body, kind, count, 4 + size + array["at"])
        data[array["name"]] = found.reshape(array["shape"])
    return head, data


@pytest.fixture(scope="module")
def client():
    with explorer.serve(explorer.Context(VIEW)) as server:
        yield Client(server.address)


@pytest.fixture(scope="session")
def store(tmp_path_factory):
    """A stored result: the window of `VIEW`."""
    path = tmp_path_factory.mktemp("explorer") / "map.zarr"
    eos.sweep(**config.arguments(VIEW), out=path)
    return path
