"""A server for one page on this machine: loopback only, behind a token, nothing else served.

Questions come as JSON and are answered by `eos_jax.explorer.answers`. One is computed at a time, on
all cores. A page that no longer wants an answer closes its connection; the work is then stopped at
the end of its round, so a window that was left behind costs nothing.
"""

import contextlib
import hmac
import importlib.resources
import secrets
import select
import socket
import sys
import threading
import traceback
from collections.abc import Generator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from eos_jax.explorer import answers
from eos_jax.explorer.answers import Context
from eos_jax.explorer.messages import as_json
from eos_jax.explorer.work import JSON, PLAIN, QUESTIONS, Left, Work, answered

HOST = "127.0.0.1"

LONGEST_QUESTION = 2**16
"""Bytes of a question at most."""

WAITING = 64
"""Connections at once at most; a page opens a few."""

PATIENCE = 10.0
"""Seconds that a connection may be silent while it asks."""

SECURITY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; "
    "img-src data: blob:; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
"""What the page may do: no request leaves this server, however the page came to it."""


class Explorer(ThreadingHTTPServer):
    """The server.

    Attributes:
      address: of the page, token included.
      context: what it was started with.
    """

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, context: Context, port: int = 0) -> None:
        if not 0 <= port < 2**16:
            raise ValueError(f"Argument `port` must be from 0 to 65535, but got {port}.")
        super().__init__((HOST, port), _Handler)
        self.context, self.work = context, Work()
        self.token = secrets.token_urlsafe(24)
        self.address = f"http://{HOST}:{self.server_port}/{self.token}/"
        self.hosts = {f"{HOST}:{self.server_port}", f"localhost:{self.server_port}"}
        self._places = threading.BoundedSemaphore(WAITING)

    def prepare(self) -> None:
        """Compile what the first view needs, while the browser opens."""

        def warm() -> None:
            with contextlib.suppress(Exception):  # the page will ask, and be told
                with self.work.alone(lambda: None):
                    answers.warm(self.context)

        threading.Thread(target=warm, daemon=True).start()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Give a connection a thread, or send it away if there are too many."""
        if self._places.acquire(blocking=False):
            try:
                super().process_request(request, client_address)
            except BaseException:
                self._places.release()
                raise
            return
        with contextlib.suppress(OSError):
            request.sendall(b"HTTP/1.0 503 Busy\r\nContent-Length: 0\r\n\r\n")
        self.shutdown_request(request)

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        """One connection, in its own thread."""
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._places.release()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A connection that broke off is no event; anything else is told on standard error."""
        if not isinstance(sys.exception(), OSError | Left):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    """One connection, one question."""

    server: Any  # an Explorer
    timeout = PATIENCE
    server_version, sys_version = "eos_jax", ""

    def do_GET(self) -> None:
        """The page, and what it needs before it asks anything."""
        name = self._name()
        if name == "":
            self._send(200, page(), "text/html; charset=utf-8")
        elif name in PLAIN:
            self._answer(name, b"")
        elif name is not None:
            self._refuse(404, "There is no such page.")

    def do_POST(self) -> None:
        """A question."""
        name = self._name()
        if name is not None and name not in QUESTIONS:
            self._refuse(404, f"Questions are {', '.join(QUESTIONS)}.")
        elif name is not None and (body := self._body()) is not None:
            self._answer(name, body, QUESTIONS[name].media)

    def _name(self) -> str | None:
        """What comes after the token; None, and an answer, for those who do not know it."""
        token, slash, name = self.path.partition("?")[0].removeprefix("/").partition("/")
        known = hmac.compare_digest(token.encode("utf-8", "replace"), self.server.token.encode())
        # another name of this machine would be that of a page elsewhere that points here
        if not (known and slash and self.headers.get("Host") in self.server.hosts):
            self._refuse(403, "The address lacks its token; take the one that was printed.")
            return None
        return name

    def _body(self) -> bytes | None:
        given = self.headers.get("Content-Length", "")
        if not (given.isascii() and given.isdigit()):
            self._refuse(411, "A question has a length.")
        elif len(given) > 9 or int(given) > LONGEST_QUESTION:
            self._refuse(413, f"A question has at most {LONGEST_QUESTION:,} bytes.")
        else:
            with contextlib.suppress(OSError):
                return self.rfile.read(int(given))
        return None

    def _answer(self, name: str, question: bytes, media: str = JSON) -> None:
        """Send the answer, or a sentence that says why there is none."""
        server = self.server
        try:
            body = answered(server.context, server.work, name, question, self._stopped)
        except ValueError as error:
            self._refuse(400, " ".join(str(error).split()))
        except MemoryError:
            self._refuse(400, "This is too large for memory.")
        except Left:
            pass
        except Exception as error:  # a user's own loss may raise anything; the server goes on
            traceback.print_exc()
            self._refuse(500, f"This fails with {type(error).__name__}: {str(error)[:300]}")
        else:
            self._send(200, body, media)

    def _stopped(self) -> None:
        """Raise if the reader has gone: its end of the connection is closed."""
        with contextlib.suppress(OSError):
            ready, _, _ = select.select([self.connection], [], [], 0)
            if not ready or self.connection.recv(1, socket.MSG_PEEK):
                return
        raise Left

    def _refuse(self, status: int, sentence: str) -> None:
        self._send(status, as_json({"error": sentence}))

    def _send(self, status: int, body: bytes, media: str = JSON) -> None:
        with contextlib.suppress(OSError):  # a reader that has gone misses nothing
            self.send_response(status)
            for name, value in (
                ("Content-Type", media),
                ("Content-Length", str(len(body))),
                ("Cache-Control", "no-store"),
                ("X-Content-Type-Options", "nosniff"),
                ("Referrer-Policy", "no-referrer"),  # the token is in the address
                ("Content-Security-Policy", SECURITY),
            ):
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing: the command's output is the address."""


def page() -> bytes:
    """The page: one file, with its style and its script."""
    return importlib.resources.files("eos_jax.explorer").joinpath("page.html").read_bytes()


@contextlib.contextmanager
def serve(context: Context, port: int = 0) -> Generator[Explorer]:
    """A server that runs while the context lasts.

    Args:
      context: what is shown first.
      port: of 127.0.0.1; a free one by default.

    Example:
      >>> from eos_jax.config import Configuration
      >>> with serve(Context(Configuration(10, {}))) as explorer:
      ...     explorer.address.startswith("http://127.0.0.1:")
      True
    """
    explorer = Explorer(context, port)
    thread = threading.Thread(target=explorer.serve_forever, args=(0.1,), daemon=True)
    thread.start()
    try:
        yield explorer
    finally:
        explorer.shutdown()
        explorer.server_close()
