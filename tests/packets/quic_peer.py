"""A QUIC client and server that echo: `quic_peer.py serve ADDRESS CERTIFICATE KEY LOG` and
`quic_peer.py ask ADDRESS NAME VERSION SIZE`. The client prints one JSON object.

Both are aioquic's; nothing here knows of Muzzle.
"""

import asyncio
import hashlib
import json
import socket
import ssl
import sys
import time

from aioquic.asyncio import QuicConnectionProtocol, serve
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection
from aioquic.quic.events import ConnectionTerminated, ProtocolNegotiated, StreamDataReceived
from aioquic.quic.packet import QuicProtocolVersion

PORT = 443
ALPN = ["echo"]
VERSIONS = {"1": QuicProtocolVersion.VERSION_1, "2": QuicProtocolVersion.VERSION_2}


class Echo(QuicConnectionProtocol):
    """Gives each stream back, and notes each connection in a file."""

    log = ""

    def quic_event_received(self, event):
        if isinstance(event, ProtocolNegotiated):
            with open(self.log, "a", encoding="utf-8") as log:
                log.write("connection\n")
        if isinstance(event, StreamDataReceived):
            self._quic.send_stream_data(event.stream_id, event.data, event.end_stream)
            self.transmit()


class Ask(QuicConnectionProtocol):
    """Sends one stream and takes its echo."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.done = asyncio.get_running_loop().create_future()
        self.digest, self.size, self.data = hashlib.sha256(), 0, b""

    def quic_event_received(self, event):
        if isinstance(event, ProtocolNegotiated):
            self._quic.send_stream_data(0, self.data, end_stream=True)
        if isinstance(event, StreamDataReceived):
            self.digest.update(event.data)
            self.size += len(event.data)
            if event.end_stream:
                self.finish(None)
        if isinstance(event, ConnectionTerminated):
            self.finish(event.reason_phrase or str(event.error_code))

    def error_received(self, error):
        """What the kernel says of an ICMP message for this socket."""
        self.finish(type(error).__name__)

    def finish(self, error):
        if not self.done.done():
            self.done.set_result(error)


async def run_server(address, certificate, key, log):
    Echo.log = log
    configuration = QuicConfiguration(is_client=False, alpn_protocols=ALPN)
    configuration.load_cert_chain(certificate, key)
    await serve(address, PORT, configuration=configuration, create_protocol=Echo)
    print("ready", flush=True)
    await asyncio.Event().wait()


async def ask(address, name, version, size):
    configuration = QuicConfiguration(alpn_protocols=ALPN, server_name=name)
    configuration.verify_mode = ssl.CERT_NONE
    configuration.original_version = VERSIONS[version]
    configuration.supported_versions = [VERSIONS[version]]
    # A connected socket hears of unreachable ports, as those of browsers do.
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_DGRAM)
    sock.connect((address, PORT))
    loop = asyncio.get_running_loop()
    started = time.monotonic()
    connection = QuicConnection(configuration=configuration)
    _, client = await loop.create_datagram_endpoint(lambda: Ask(connection), sock=sock)
    client.data = hashlib.shake_256(b"muzzle quic").digest(int(size))
    client.connect(sock.getpeername())
    try:
        error = await asyncio.wait_for(client.done, 50)
    except asyncio.TimeoutError:
        error = "timeout"
    whole = client.digest.digest() == hashlib.sha256(client.data).digest()
    seconds = time.monotonic() - started
    return {"error": error, "size": client.size, "whole": whole, "seconds": seconds}


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        asyncio.run(run_server(*sys.argv[2:]))
    else:
        print(json.dumps(asyncio.run(ask(*sys.argv[2:]))))
