"""Packets that no kernel would send, into the real TUN: Muzzle goes on, holds little, and loses
nothing of the flows beside them."""

from __future__ import annotations

import errno
import os
import random
import socket
import struct
import time
from pathlib import Path
from typing import Iterator

import pytest
from helpers import CLIENT, tcp
from lab import muzzle, network, odd, policy, resolver
from lab.lab import BLOCKED, RECORDED, Lab
from lab.muzzle import Muzzle

POLICY = policy.text()
PACKETS = int(os.environ.get("MUZZLE_FLOOD", "100000"))
SEED = int(os.environ.get("MUZZLE_SEED", "1"))
DATA = Path(__file__).resolve().parents[2] / "rust-core/tests/data"
EDGES = [0, 1, 7, 8, 19, 20, 39, 40, 127, 128, 255, 256, 32767, 32768, 65535]
# Resident memory that Muzzle may take at most.
MEMORY = 400 << 20
PROTOCOLS = {4: 0x0800, 6: 0x86DD}


def ip(src: str, dst: str, protocol: int, payload: bytes) -> bytes:
    """An IP packet; the sums are left out, the core does not look at them."""
    if ":" in dst:
        ends = socket.inet_pton(socket.AF_INET6, src) + socket.inet_pton(socket.AF_INET6, dst)
        return struct.pack(">IHBB", 6 << 28, len(payload), protocol, 64) + ends + payload
    ends = socket.inet_aton(src) + socket.inet_aton(dst)
    return struct.pack(">BBHHHBBH", 0x45, 0, 20 + len(payload), 1, 0, 64, protocol, 0) + ends + payload


def segment(port: int, to: int, flags: int, data: bytes = b"") -> bytes:
    return struct.pack(">HHIIBBHHH", port, to, 1000, 1, 5 << 4, flags, 60000, 0, 0) + data


def datagram(port: int, to: int, data: bytes) -> bytes:
    return struct.pack(">HHHH", port, to, 8 + len(data), 0) + data


def question(name: str) -> bytes:
    labels = b"".join(bytes([len(part)]) + part.encode() for part in name.split("."))
    return b"\x12\x34\1\0\0\1\0\0\0\0\0\0" + labels + b"\0\0\1\0\1"


def seeds() -> list[bytes]:
    hello = (DATA / "tls/chromium.bin").read_bytes()
    initial = (DATA / "quic/aioquic-v1.bin").read_bytes()[2:]
    found = []
    pairs = [("198.18.0.1", "203.0.113.10", muzzle.RESOLVER4)]
    pairs += [("fd6d:757a:7a6c::1", "2001:db8:113::10", muzzle.RESOLVER6)] * network.has_ipv6()
    for source, server, own in pairs:
        for port in (80, 443, odd.ECHOES):
            for flags in (2, 0x10, 0x18, 0x11, 4, 0x12, 0x29):
                for data in (b"", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", hello[:1200]):
                    found.append(ip(source, server, 6, segment(20000 + port % 50, port, flags, data)))
        found.append(ip(source, server, 17, datagram(20001, 443, initial)))
        found.append(ip(source, server, 17, datagram(20002, odd.ECHOES, b"x" * 100)))
        found.append(ip(source, own, 17, datagram(20003, 53, question(resolver.WEB))))
        found.append(ip(source, own, 17, datagram(20004, 53, question(resolver.FILES))))
        found.append(ip(source, server, 58 if ":" in server else 1, b"\x08\0\0\0\0\1\0\1" + b"p" * 30))
    return found


def mutated(count: int, seed: int) -> Iterator[bytes]:
    dice, known = random.Random(seed), seeds()
    for _ in range(count):
        packet = bytearray(dice.choice(known))
        for _ in range(dice.randrange(4)):
            at, what = dice.randrange(len(packet)), dice.randrange(5)
            if what == 0:
                packet[at] = dice.randrange(256)
            elif what == 1:
                packet[at] ^= 1 << dice.randrange(8)
            elif what == 2:
                at = 2 * dice.randrange(min(len(packet), 60) // 2)
                packet[at : at + 2] = struct.pack(">H", dice.choice(EDGES))
            elif what == 3 and len(packet) > 21:
                del packet[dice.randrange(20, len(packet)) :]
            else:
                packet += dice.randbytes(dice.randrange(40))
        yield bytes(packet[:9000])


@pytest.fixture(scope="module")
def running(bare_lab: Lab) -> Muzzle:
    return bare_lab.start_muzzle(POLICY, extra=("--reach", "deep"))


def put_all(packets: Iterator[bytes]) -> int:
    """Sends packets out of the TUN's own device: that is where Muzzle reads."""
    sockets = {}
    for version, protocol in PROTOCOLS.items():
        sockets[version] = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(protocol))
        sockets[version].bind(("muzzle0", protocol))
    sent = 0
    for packet in packets:
        # Versions that do not exist go as IPv4.
        one = sockets.get(packet[0] >> 4, sockets[4])
        for _ in range(1000):
            try:
                one.send(packet)
                sent += 1
                break
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    break
                time.sleep(0.001)
    for one in sockets.values():
        one.close()
    return sent


def resident(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def test_mutated_packets_harm_neither_muzzle_nor_other_flows(bare_lab: Lab, running: Muzzle) -> None:
    print(f"{PACKETS} packets, MUZZLE_SEED={SEED}")
    lab, pid = bare_lab, running.process.pid
    held = lab.start_python(RECORDED, CLIENT, "held", resolver.FILES, str(odd.ECHOES), "600")
    assert held.stderr is not None and held.stderr.readline() == "held\n"
    sent = lab.phone.inside(lambda: put_all(mutated(PACKETS, SEED)))
    assert sent > PACKETS * 0.9, f"only {sent} of {PACKETS} packets could be sent"
    assert running.process.poll() is None, running.said()
    assert resident(pid) < MEMORY
    assert held.poll() is None, held.communicate()
    # New flows of another app work, and so do names.
    done = tcp(lab, BLOCKED, "half_close", network.FILES4, str(odd.ANSWERS_AFTER_EOF), "100000")
    assert done["answer"] == f"100000 {done['sent']}\n"
    assert lab.dig(resolver.WEB, "A").of("A") == [network.WEB4]
    network.end(held)
    assert running.stop() == 0, running.said()
    assert "panic" not in running.said()
