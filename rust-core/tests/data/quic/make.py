#!/usr/bin/env python3
"""Records the first datagrams of several QUIC clients on loopback, one file each: what the client
sends until it waits, each datagram behind its length (two bytes, big endian).

    python3 rust-core/tests/data/quic/make.py [NAME]...

Needs the packages `aioquic` and `curl_cffi`; clients that are not installed are skipped.
"""

import asyncio
import pathlib
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time

HERE = pathlib.Path(__file__).parent
HOST = "collect.example.com"

AIOQUIC = """
import asyncio, ssl, sys
from aioquic.asyncio import connect
from aioquic.quic.configuration import QuicConfiguration
port, host, version, alpn = sys.argv[1:]
names = ["h3"] if alpn == "h3" else ["h3"] + [f"made-up-{n:05}" for n in range(int(alpn))]
c = QuicConfiguration(alpn_protocols=names, server_name=host, verify_mode=ssl.CERT_NONE)
if version:
    c.original_version = int(version, 16)
    c.supported_versions = [int(version, 16), 1]
async def main():
    async with connect("127.0.0.1", int(port), configuration=c):
        pass
asyncio.run(asyncio.wait_for(main(), 5))
"""

CURL = """
import curl_cffi, sys
from curl_cffi import CurlOpt, CurlHttpVersion
port, host, who = sys.argv[1:]
curl_cffi.get(f"https://{host}:{port}/", impersonate=who, timeout=3, verify=False,
    http_version=CurlHttpVersion.V3ONLY,
    curl_options={CurlOpt.RESOLVE: [f"{host}:{port}:127.0.0.1"]})
"""


def aioquic(version="", alpn="h3"):
    return lambda port, _: [sys.executable, "-c", AIOQUIC, str(port), HOST, version, alpn]


def curl(who):
    return lambda port, _: [sys.executable, "-c", CURL, str(port), HOST, who]


def chromium(port, scratch):
    return ["chromium", "--headless=new", "--no-sandbox", "--disable-gpu",
            "--disable-background-networking", "--disable-component-update", "--no-first-run",
            f"--user-data-dir={scratch}/profile", "--enable-quic",
            f"--origin-to-force-quic-on={HOST}:{port}",
            f"--host-resolver-rules=MAP {HOST} 127.0.0.1, MAP * ~NOTFOUND",
            "--dump-dom", f"https://{HOST}:{port}/"]


def certificate(c):
    with tempfile.TemporaryDirectory() as scratch:
        cert, key = f"{scratch}/cert.pem", f"{scratch}/key.pem"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj",
                        f"/CN={HOST}", "-keyout", key, "-out", cert], check=True,
                       stderr=subprocess.DEVNULL)
        c.load_cert_chain(cert, key)


# Client, and how it is answered: never, by a real server, or by one that asks for a Retry.
CLIENTS = {
    "aioquic-v1": (aioquic(), None),
    "aioquic-v2": (aioquic("6b3343cf"), None),
    "aioquic-v1-large": (aioquic(alpn="120"), None),
    "aioquic-v2-large": (aioquic("6b3343cf", "120"), None),
    "aioquic-v1-answered": (aioquic(), "serve"),
    "aioquic-v1-retry": (aioquic(), "retry"),
    "aioquic-unknown-version": (aioquic("1a2a3a4a"), "serve"),
    "ngtcp2-as-chrome": (curl("chrome142"), None),
    "ngtcp2-as-firefox": (curl("firefox144"), None),
    "chromium": (chromium, None),
}


def server(answer, ready):
    from aioquic.asyncio import serve
    from aioquic.quic.configuration import QuicConfiguration

    async def run():
        c = QuicConfiguration(is_client=False, alpn_protocols=["h3"])
        certificate(c)
        s = await serve("127.0.0.1", 0, configuration=c, retry=answer == "retry")
        ready(s._transport.get_extra_info("sockname")[1])
        await asyncio.sleep(6)

    asyncio.run(run())


def record(name, client, answer):
    front = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    front.bind(("127.0.0.1", 0))
    front.settimeout(0.1)
    back = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    back.settimeout(0.1)
    if answer:
        started, port = threading.Event(), []
        threading.Thread(target=server, daemon=True,
                         args=(answer, lambda p: (port.append(p), started.set()))).start()
        started.wait()
        back.connect(("127.0.0.1", port[0]))
    heard, peer, first = [], None, None
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        words = client(front.getsockname()[1], pathlib.Path(scratch))
        if shutil.which(words[0]) is None:
            return print(f"{name}: {words[0]} is not installed")
        process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL)
        # Unanswered, what comes within the first 50 ms is no retransmission.
        end = time.monotonic() + 20
        while time.monotonic() < end:
            try:
                data, peer = front.recvfrom(65536)
                if not heard:
                    end = time.monotonic() + (1 if answer else 0.05)
                    front.settimeout(0.01)
                heard.append(data)
                if answer:
                    back.send(data)
            except TimeoutError:
                pass
            if answer and peer:
                try:
                    back.settimeout(0.01)
                    while True:
                        front.sendto(back.recv(65536), peer)
                except OSError:
                    pass
        process.kill()
        process.wait()
    if heard:
        framed = b"".join(len(d).to_bytes(2, "big") + d for d in heard[:6])
        (HERE / f"{name}.bin").write_bytes(framed)
    print(f"{name}: {[(len(d), d[:5].hex()) for d in heard]}")


if __name__ == "__main__":
    for each in sys.argv[1:] or CLIENTS:
        record(each, *CLIENTS[each])
