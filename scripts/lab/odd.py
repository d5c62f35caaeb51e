"""Servers with odd manners, one a port, to prove that a relay keeps TCP's corners.

They never speak HTTP. Each port does one thing, named in PORTS.
"""

from __future__ import annotations

import hashlib
import socket
import threading

from .network import Namespace
from .web import Connection, Server, pattern, reset

# Reads to the end of the client's half, then answers with size and SHA-256.
ANSWERS_AFTER_EOF = 9001
# Sends a greeting, closes its half at once, and keeps reading.
CLOSES_FIRST = 9002
# Resets the connection after the first byte.
RESETS = 9003
# Gives back what it gets.
ECHOES = 9004
# Speaks first, then gives back one line.
GREETS = 9005
# Sends 8 MiB as fast as it can, then closes.
FLOODS = 9006

PORTS = [ANSWERS_AFTER_EOF, CLOSES_FIRST, RESETS, ECHOES, GREETS, FLOODS]
FLOOD_BYTES = 8 << 20
GREETING = b"220 ready\r\n"


class Odd(Server):
    """The servers of this page on all their ports."""

    def talk(self, sock: socket.socket, connection: Connection) -> None:
        port = sock.getsockname()[1]
        if port == ANSWERS_AFTER_EOF:
            sock.sendall(self._drain(sock, connection))
        elif port == CLOSES_FIRST:
            sock.sendall(GREETING)
            sock.shutdown(socket.SHUT_WR)
            self._drain(sock, connection)
        elif port == RESETS:
            self.note(connection, sock.recv(1))
            reset(sock)
        elif port == ECHOES:
            while data := sock.recv(65536):
                self.note(connection, data)
                sock.sendall(data)
        elif port == GREETS:
            sock.sendall(GREETING)
            data = sock.recv(65536)
            self.note(connection, data)
            sock.sendall(data)
        elif port == FLOODS:
            for piece in pattern(FLOOD_BYTES):
                sock.sendall(piece)

    def _drain(self, sock: socket.socket, connection: Connection) -> bytes:
        digest, size = hashlib.sha256(), 0
        while data := sock.recv(65536):
            self.note(connection, data)
            digest.update(data)
            size += len(data)
        return f"{size} {digest.hexdigest()}\n".encode()


class UdpEcho:
    """Gives datagrams back from UDP port 9004, empty ones too, and keeps their sizes."""

    def __init__(self, internet: Namespace, addresses: list[str]) -> None:
        self.sizes: list[int] = []
        self._sockets = [internet.inside(lambda a=address: self._bind(a)) for address in addresses]
        for one in self._sockets:
            threading.Thread(target=self._serve, args=(one,), daemon=True).start()

    @staticmethod
    def _bind(address: str) -> socket.socket:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        one = socket.socket(family, socket.SOCK_DGRAM)
        one.bind((address, ECHOES))
        return one

    def _serve(self, one: socket.socket) -> None:
        while True:
            try:
                data, peer = one.recvfrom(65535)
                self.sizes.append(len(data))
                one.sendto(data, peer)
            except OSError:
                return

    def close(self) -> None:
        for one in self._sockets:
            one.close()
