"""The internet's web servers, as threads whose listening sockets lie in the internet namespace.

They never forgive: what arrives is recorded byte by byte, also when it is not HTTP.
"""

from __future__ import annotations

import base64
import hashlib
import itertools
import json
import socket
import struct
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable, Iterator

from .network import Namespace

READY = "Sensors Analytics is ready to receive your data!"
GIF = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")
KEEP = 1 << 20


@dataclass
class Connection:
    """One accepted connection and what came over it. A server gives a number once."""

    number: int
    peer: str
    local: str
    opened: float
    received: bytearray = field(default_factory=bytearray)
    total: int = 0
    requests: list["Request"] = field(default_factory=list)


@dataclass
class Request:
    """One HTTP request as it arrived."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes
    size: int
    sha256: str


class Closed(Exception):
    """The peer closed where a request was not complete."""


class Stream:
    """A buffered reader over a socket that notes each byte."""

    def __init__(self, sock: socket.socket, note: Callable[[bytes], None]) -> None:
        self.sock, self.note, self.buffer = sock, note, b""

    def more(self) -> bool:
        data = self.sock.recv(256 * 1024)
        self.note(data)
        self.buffer += data
        return bool(data)

    def until(self, mark: bytes) -> bytes:
        while mark not in self.buffer:
            if not self.more():
                raise Closed
        found, self.buffer = self.buffer.split(mark, 1)
        return found

    def take(self, size: int) -> Iterator[bytes]:
        """The next `size` bytes, in pieces."""
        while size:
            if not self.buffer and not self.more():
                raise Closed
            piece, self.buffer = self.buffer[:size], self.buffer[size:]
            size -= len(piece)
            yield piece


def body_pieces(stream: Stream, headers: dict[str, str]) -> Iterator[bytes]:
    """The body of a request, chunked or counted (RFC 9112 §6)."""
    if headers.get("transfer-encoding", "").lower() == "chunked":
        while True:
            size = int(stream.until(b"\r\n").split(b";")[0], 16)
            if size == 0:
                while stream.until(b"\r\n"):
                    pass
                return
            yield from stream.take(size)
            stream.until(b"\r\n")
    else:
        yield from stream.take(int(headers.get("content-length", "0")))


def read_request(stream: Stream) -> Request:
    """Reads one request; answers `Expect: 100-continue` on the way."""
    head = stream.until(b"\r\n\r\n").decode("latin-1").split("\r\n")
    method, target, _ = head[0].split(" ", 2)
    pairs = (line.split(":", 1) for line in head[1:])
    headers = {name.strip().lower(): value.strip() for name, value in pairs}
    if headers.get("expect", "").lower() == "100-continue":
        stream.sock.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
    digest, kept, size = hashlib.sha256(), bytearray(), 0
    for piece in body_pieces(stream, headers):
        digest.update(piece)
        size += len(piece)
        kept += piece[: max(0, KEEP - len(kept))]
    return Request(method, target, headers, bytes(kept), size, digest.hexdigest())


def answer(status: str, body: bytes, kind: str = "text/plain") -> bytes:
    return (
        f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n"
    ).encode() + body


def pattern(size: int) -> Iterator[bytes]:
    """Bytes that repeat only after 1 MiB + 7, so that a lost or doubled piece shows."""
    block = hashlib.shake_256(b"muzzle lab").digest((1 << 20) + 7)
    while size > 0:
        piece = block[:size]
        size -= len(piece)
        yield piece


def pattern_sha256(size: int) -> str:
    digest = hashlib.sha256()
    for piece in pattern(size):
        digest.update(piece)
    return digest.hexdigest()


class Server:
    """Accepts on some addresses and ports, one thread a connection."""

    def __init__(
        self, internet: Namespace, addresses: list[str], ports: list[int], record: Path | None = None
    ) -> None:
        self.connections: list[Connection] = []
        self._numbers = itertools.count()
        self._lock = threading.Lock()
        self._record = record.open("a", encoding="utf-8") if record else None
        self._listeners = [internet.listen(address, port) for address in addresses for port in ports]
        for listener in self._listeners:
            threading.Thread(target=self._accept, args=(listener,), daemon=True).start()

    def requests(self) -> list[Request]:
        """All complete requests so far, of all connections."""
        with self._lock:
            return [request for one in self.connections for request in one.requests]

    def bytes_received(self) -> int:
        with self._lock:
            return sum(one.total for one in self.connections)

    def forget(self) -> None:
        """Drops what was recorded in memory; the file keeps it."""
        with self._lock:
            self.connections.clear()

    def close(self) -> None:
        for listener in self._listeners:
            listener.close()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                sock, peer = listener.accept()
            except OSError:
                return
            with self._lock:
                local = "%s port %d" % sock.getsockname()[:2]
                new = Connection(next(self._numbers), peer[0], local, time.time())
                self.connections.append(new)
            self._write(new, "open", b"")
            threading.Thread(target=self._serve, args=(sock, new), daemon=True).start()

    def _serve(self, sock: socket.socket, connection: Connection) -> None:
        try:
            with sock:
                sock.settimeout(60)
                self.talk(sock, connection)
        except (OSError, Closed, ValueError):
            pass
        self._write(connection, "close", b"")

    def note(self, connection: Connection, data: bytes) -> None:
        """Records bytes: all in the file and the count, the first in memory."""
        with self._lock:
            connection.total += len(data)
            connection.received += data[: max(0, KEEP - len(connection.received))]
        if data:
            self._write(connection, "data", data)

    def _write(self, connection: Connection, what: str, data: bytes) -> None:
        if self._record is None:
            return
        line = {
            "time": time.time(),
            "connection": connection.number,
            "peer": connection.peer,
            "local": connection.local,
            "what": what,
        }
        if data:
            line["base64"] = base64.b64encode(data).decode()
        with self._lock:
            self._record.write(json.dumps(line) + "\n")
            self._record.flush()

    def talk(self, sock: socket.socket, connection: Connection) -> None:
        """HTTP/1.1 with keep-alive and pipelining."""
        stream = Stream(sock, lambda data: self.note(connection, data))
        while True:
            request = read_request(stream)
            with self._lock:
                connection.requests.append(request)
            self.respond(sock, request)
            if request.headers.get("connection", "").lower() == "close":
                return

    def respond(self, sock: socket.socket, request: Request) -> None:
        sock.sendall(answer("200 OK", b"ok\n"))


class Collector(Server):
    """Answers like the vendor's collectors. `refuse` makes it close each connection with a RST."""

    refuse = False
    status = "200 OK"

    def talk(self, sock: socket.socket, connection: Connection) -> None:
        if self.refuse:
            reset(sock)
            return
        super().talk(sock, connection)

    def respond(self, sock: socket.socket, request: Request) -> None:
        path = request.target.split("?")[0]
        if path == "/debug" and request.method == "GET":
            reply = answer(self.status, READY.encode())
        elif path.endswith(".gif"):
            reply = answer(self.status, GIF, "image/gif")
        elif path.startswith("/mistats"):
            reply = answer(self.status, b'{"status":"ok"}', "application/json")
        elif path.startswith("/track"):
            reply = answer(self.status, b'{"code":1}', "application/json")
        else:
            reply = answer(self.status, b"")
        sock.sendall(reply)


class Web(Server):
    """An ordinary site: a page, `/bytes/N`, and the SHA-256 of what was uploaded."""

    def respond(self, sock: socket.socket, request: Request) -> None:
        path = request.target.split("?")[0]
        if path.startswith("/bytes/"):
            size = int(path.rsplit("/", 1)[1])
            sock.sendall(f"HTTP/1.1 200 OK\r\nContent-Length: {size}\r\n\r\n".encode())
            for piece in pattern(size):
                sock.sendall(piece)
        elif request.method in ("POST", "PUT"):
            sock.sendall(answer("200 OK", f"{request.size} {request.sha256}\n".encode()))
        else:
            sock.sendall(answer("200 OK", f"{request.method} {request.target}\n".encode()))


def reset(sock: socket.socket) -> None:
    """Ends a connection with a RST instead of a FIN."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()
