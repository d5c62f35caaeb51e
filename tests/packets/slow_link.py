"""A network that is slow and loses packets, on kernels without `sch_netem` too.

What the internet sends to the phone goes into a TUN of the internet's, waits there, and is sent on
over the real link, apart from what is lost. What the phone sends is not touched.
"""

from __future__ import annotations

import fcntl
import json
import os
import random
import select
import socket
import struct
import threading
import time
from collections import deque

from lab import network
from lab.network import Namespace

TUNSETIFF, IFF_TUN, IFF_NO_PI = 0x400454CA, 0x0001, 0x1000
PROTOCOLS = {4: 0x0800, 6: 0x86DD}


def is_reset(packet: bytes) -> bool:
    """Whether a packet, without extension headers, is a TCP segment with RST (RFC 9293 §3.1)."""
    v4 = packet[0] >> 4 == 4
    protocol, header = (packet[9], (packet[0] & 15) * 4) if v4 else (packet[6], 40)
    return protocol == socket.IPPROTO_TCP and bool(packet[header + 13] & 4)


class SlowLink:
    """From the internet to the phone, for as long as it is open."""

    def __init__(
        self, internet: Namespace, phone: Namespace, seed: int, delay_s: float, loss: float
    ) -> None:
        self.passed = self.lost = 0
        self._random, self._delay_s, self._loss = random.Random(seed), delay_s, loss
        [wifi] = json.loads(phone.run(["ip", "-json", "link", "show", "wifi0"]).stdout)
        self._mac = bytes.fromhex(wifi["address"].replace(":", ""))
        self._internet = internet
        self._tun, self._out = internet.inside(self._open)
        # The way back is another one than the way in.
        off = "for one in all isp0; do echo 0 > /proc/sys/net/ipv4/conf/$one/rp_filter; done"
        assert internet.run(["sh", "-c", off]).returncode == 0
        self._to = [f"{network.PHONE4}/32"] + ([f"{network.PHONE6}/128"] * network.has_ipv6())
        network.in_here(internet, ["link set slow0 mtu 1500 up"])
        network.in_here(internet, [f"route add {to} dev slow0" for to in self._to])
        self._ended = False
        self._thread = threading.Thread(target=self._work, name="slow-link")
        self._thread.start()

    def _open(self) -> tuple[int, socket.socket]:
        tun = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
        fcntl.ioctl(tun, TUNSETIFF, struct.pack("16sH22x", b"slow0", IFF_TUN | IFF_NO_PI))
        return tun, socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM)

    def _work(self) -> None:
        waiting: deque[tuple[float, bytes]] = deque()
        while not self._ended:
            now = time.monotonic()
            while waiting and waiting[0][0] <= now:
                packet = waiting.popleft()[1]
                to = ("isp0", PROTOCOLS[packet[0] >> 4], 0, 0, self._mac)
                self._out.sendto(packet, to)
            patience = waiting[0][0] - now if waiting else 0.1
            if not select.select([self._tun], [], [], patience)[0]:
                continue
            packet = os.read(self._tun, 65535)
            if self._random.random() < self._loss and not is_reset(packet):
                self.lost += 1
                continue
            self.passed += 1
            waiting.append((time.monotonic() + self._delay_s, packet))

    def close(self) -> None:
        self._ended = True
        self._thread.join()
        os.close(self._tun)  # The device and its routes go with it.
        self._out.close()

    def __enter__(self) -> "SlowLink":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
