"""A client with odd manners: `tcp_client.py WHAT HOST PORT ...`. Prints one JSON object.

It runs as an app of the phone and uses only the standard library.
"""

import hashlib
import json
import random
import resource
import socket
import sys
import threading
import time


def connect(host, port, family=socket.AF_UNSPEC, kind=socket.SOCK_STREAM):
    found = socket.getaddrinfo(host, int(port), family, kind)[0]
    sock = socket.socket(found[0], kind)
    sock.settimeout(20)
    sock.connect(found[4])
    return sock


def drain(sock):
    digest, size = hashlib.sha256(), 0
    while True:
        data = sock.recv(65536)
        if not data:
            return {"size": size, "sha256": digest.hexdigest()}
        digest.update(data)
        size += len(data)


def attempt(host, port, family="0"):
    """One connect: how it went, and in what time."""
    started = time.monotonic()
    try:
        connect(host, port, int(family)).close()
        error = None
    except OSError as failure:
        error = type(failure).__name__ + f" {failure.errno}"
    return {"error": error, "seconds": time.monotonic() - started}


def half_close(host, port, size):
    """Sends, closes its half, then reads the answer."""
    sock = connect(host, port)
    block = b"m" * 65536
    left, digest = int(size), hashlib.sha256()
    while left:
        piece = block[:left]
        sock.sendall(piece)
        digest.update(piece)
        left -= len(piece)
    sock.shutdown(socket.SHUT_WR)
    answer = b""
    while data := sock.recv(65536):
        answer += data
    return {"sent": digest.hexdigest(), "answer": answer.decode()}


def after_server_fin(host, port, size):
    """Reads to the server's end, and only then sends."""
    sock = connect(host, port)
    greeting = b""
    while data := sock.recv(65536):
        greeting += data
    time.sleep(0.2)
    sock.sendall(b"m" * int(size))
    sock.close()
    return {"greeting": greeting.decode()}


def expects_reset(host, port):
    sock = connect(host, port)
    sock.sendall(b"x")
    try:
        return {"error": None, "read": len(sock.recv(100))}
    except OSError as failure:
        return {"error": type(failure).__name__}


def greets(host, port):
    """Waits for the server to speak first."""
    sock = connect(host, port)
    greeting = sock.recv(100)
    sock.sendall(b"EHLO\r\n")
    return {"greeting": greeting.decode(), "echo": sock.recv(100).decode()}


def slow_reader(host, port):
    """Lets the window fill and stay closed for a while, then reads all."""
    sock = connect(host, port)
    time.sleep(2)
    return drain(sock)


def many(host, port, count):
    """Echoes over many connections at once; each must get its own bytes back."""
    wrong = []

    def one(number):
        try:
            text = (f"flow {number} " * 2000).encode()
            sock = connect(host, port)
            sock.sendall(text)
            sock.shutdown(socket.SHUT_WR)
            back = b""
            while data := sock.recv(65536):
                back += data
            if back != text:
                wrong.append(f"flow {number}: {len(back)} of {len(text)} bytes")
        except OSError as failure:
            wrong.append(f"flow {number}: {failure}")

    threads = [threading.Thread(target=one, args=(n,)) for n in range(int(count))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {"wrong": wrong}


def raw(host, port, mode):
    """Sends standard input, at once or byte by byte, and gives what came back."""
    sock = connect(host, port)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    data = sys.stdin.buffer.read()
    if mode == "bytewise":
        for index in range(len(data)):
            sock.sendall(data[index : index + 1])
    else:
        sock.sendall(data)
    sock.shutdown(socket.SHUT_WR)
    answer = b""
    while piece := sock.recv(65536):
        answer += piece
    return {"answer": answer.decode("latin-1")}


def datagrams(host, port, *sizes):
    """Sends datagrams of these sizes on one socket; gives the sizes of what came back."""
    sock = connect(host, port, kind=socket.SOCK_DGRAM)
    sock.settimeout(3)
    back = []
    try:
        for size in sizes:
            sock.send(b"u" * int(size))
            back.append(len(sock.recv(65535)))
    except OSError as failure:
        return {"back": back, "error": type(failure).__name__}
    return {"back": back, "error": None}


def fling(host, port, size):
    """Sends one datagram and waits for nothing."""
    connect(host, port, kind=socket.SOCK_DGRAM).send(b"\xff" * int(size))
    return {}


def held(host, port, seconds):
    """Keeps a connection and echoes on it each tenth of a second; says how it ended."""
    sock = connect(host, port)
    started, rounds = time.monotonic(), 0
    print("held", file=sys.stderr, flush=True)
    try:
        while time.monotonic() - started < float(seconds):
            sock.sendall(b"x")
            if not sock.recv(1):
                return {"rounds": rounds, "ended": "closed"}
            rounds += 1
            time.sleep(0.1)
    except OSError as failure:
        return {"rounds": rounds, "ended": type(failure).__name__}
    return {"rounds": rounds, "ended": None}


def held_datagrams(host, port, seconds):
    """Sends a datagram each tenth of a second on one socket; says which of them came back."""
    sock = connect(host, port, kind=socket.SOCK_DGRAM)
    sock.settimeout(0.1)
    started, sent, back = time.monotonic(), 0, []
    while time.monotonic() - started < float(seconds):
        try:
            sock.send(str(sent).encode())
            sent += 1
            back.append(int(sock.recv(100)))
            time.sleep(0.1)
        except OSError:
            pass
        if len(back) == 3:
            print("held", file=sys.stderr, flush=True)
    return {"sent": sent, "back": back}


def hoard(host, port, count):
    """Opens connections one after another, echoes on each, and keeps them all; then tries again."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    kept, echoed = [], 0
    for _ in range(int(count)):
        kept.append(connect(host, port))
        kept[-1].sendall(b"x")
        echoed += kept[-1].recv(1) == b"x"
    alive = []
    for number, sock in enumerate(kept):
        try:
            sock.sendall(b"y")
            if sock.recv(1) == b"y":
                alive.append(number)
        except OSError:
            pass
    return {"echoed": echoed, "alive": alive}


def resume(host, port, count):
    """Holds connections that say nothing, then echoes much on each, in another order."""
    kept = [connect(host, port) for _ in range(int(count))]
    for sock in kept:
        sock.sendall(b"x")
        sock.recv(1)
    time.sleep(0.1)
    wrong, numbers = [], list(range(len(kept)))
    random.Random(7).shuffle(numbers)
    for number in numbers:
        sock, block, back = kept[number], random.Random(number).randbytes(100_000), b""
        sock.sendall(block)
        while len(back) < len(block) and (data := sock.recv(65536)):
            back += data
        sock.shutdown(socket.SHUT_WR)
        if back != block or sock.recv(1):
            wrong.append(number)
    return {"wrong": wrong}


WHAT = [attempt, half_close, after_server_fin, expects_reset, greets, slow_reader, many, raw]
WHAT += [datagrams, fling, held, held_datagrams, hoard, resume]

if __name__ == "__main__":
    action = {function.__name__: function for function in WHAT}[sys.argv[1]]
    print(json.dumps(action(*sys.argv[2:])))
