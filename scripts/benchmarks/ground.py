"""What all engines stand on: a phone and an internet, with servers that are never the limit.

It never runs outside `scripts/in-lab`, which makes sure that nothing is left behind.
"""

from __future__ import annotations

import json
import os
import re
import resource
import subprocess
from pathlib import Path
from typing import Any, Sequence

from lab import network
from lab.network import Namespace

from .peers import TOOLS

SERVER = network.FILES4
UPSTREAM = network.RESOLVER4
IPERF, BULK, ECHO, DATAGRAMS = 5201, 5202, 7000, 7001
# The peers' proxy, one hop before the servers.
SOCKS = (network.GATE4, 1080)
# Each held flow costs the engine one descriptor, and so do its two ends.
DESCRIPTORS = 200_000
SPARE_SECONDS = 30


class Failed(Exception):
    """A figure that could not be taken, and why; and what of it was taken before."""

    def __init__(self, why: str, found: dict[str, float] | None = None) -> None:
        super().__init__(why)
        self.found = found or {}


class Ground:
    """Both namespaces and the servers. Several can stand side by side, each in its own folder."""

    def __init__(self, name: str = "ground") -> None:
        self.directory = Path(os.environ["MUZZLE_LAB"]) / name
        self.directory.mkdir()
        self._open: list[subprocess.Popen] = []
        raise_descriptors()

    def __enter__(self) -> "Ground":
        self.internet = Namespace("internet", self.directory)
        self.phone = Namespace("phone", self.directory)
        network.connect(self.phone, self.internet)
        self._quiet()
        self._open.append(self.serve(["iperf3", "-s", "-B", SERVER, "-p", str(IPERF)], IPERF))
        self._open.append(self.serve([tool("tcp"), "serve", SERVER, str(ECHO)], ECHO))
        self._open.append(self.serve([tool("dns"), "serve", UPSTREAM, SERVER]))
        self._open.append(self.serve([tool("udp"), "serve", SERVER, str(DATAGRAMS)]))
        host, port = SOCKS
        self._open.append(self.serve([tool("socks"), host, str(port)], port))
        return self

    def _quiet(self) -> None:
        """Keeps the kernel from announcing IPv6 on a TUN by itself, which would count as wakeups."""
        if network.has_ipv6():
            self.phone.run(["sh", "-c", "echo 1 > /proc/sys/net/ipv6/conf/default/addr_gen_mode"])

    def serve(self, command: Sequence[str], port: int | None = None) -> subprocess.Popen:
        """Starts a server in the internet, and waits until it listens on its TCP port."""
        with open(self.directory / "servers.log", "a") as log:
            server = self.internet.start(command, stdout=log, stderr=log)
        if port is not None:
            network.wait_until(lambda: self._listens(port), 10, f"port {port}")
        return server

    def _listens(self, port: int) -> bool:
        words = self.internet.run(["cat", "/proc/net/tcp"]).stdout
        return f":{port:04X} 00000000:0000 0A" in words

    def json(self, command: Sequence[str], seconds: float) -> dict[str, Any]:
        """Runs a tool in the phone for about so many seconds, and reads the JSON it prints."""
        try:
            done = self.phone.run(command, timeout=seconds + SPARE_SECONDS)
            return json.loads(done.stdout)
        except subprocess.TimeoutExpired:
            raise Failed(f"{Path(command[0]).name} did not end") from None
        except ValueError:
            raise Failed(f"{Path(command[0]).name}: {(done.stderr or done.stdout)[:200]}") from None

    def text(self, command: Sequence[str], seconds: float) -> str:
        """The same for a tool that prints words."""
        try:
            return self.phone.run(command, timeout=seconds + SPARE_SECONDS).stdout
        except subprocess.TimeoutExpired:
            raise Failed(f"{Path(command[0]).name} did not end") from None

    def address(self, name: str, resolver: str) -> str:
        """The IPv4 address that a resolver gives for a name."""
        found = self.text(["dig", f"@{resolver}", "+short", "+time=3", "+tries=2", name, "A"], 6)
        for line in found.splitlines():
            if re.fullmatch(r"[0-9.]+", line):
                return line
        raise Failed(f"{resolver} has no address for {name}")

    def bytes_through(self, device: str) -> int:
        """Bytes that an interface of the phone has carried, both ways together."""
        found = self.phone.run(["ip", "-json", "-s", "link", "show", "dev", device]).stdout
        try:
            counts = json.loads(found)[0]["stats64"]
        except (ValueError, IndexError, KeyError):
            raise Failed(f"{device} has no counters") from None
        return counts["rx"]["bytes"] + counts["tx"]["bytes"]

    def __exit__(self, *_: object) -> None:
        for part in reversed(self._open):
            network.end(part)
        self.phone.close()
        self.internet.close()


def tool(name: str) -> str:
    """One of our C tools, built by `scripts/bench`."""
    return str(TOOLS / name)


def raise_descriptors() -> None:
    """As many open files as may be, for all that is started from here."""
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (DESCRIPTORS, DESCRIPTORS))
    except (ValueError, OSError):
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
