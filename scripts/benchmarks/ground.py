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

SERVER = network.FILES4
UPSTREAM = network.RESOLVER4
IPERF, BULK, ECHO = 5201, 5202, 7000
ROOT = Path(__file__).resolve().parents[2]
TOOLS = ROOT / "build" / "bench"
# Each held flow costs the engine one descriptor, and so do its two ends.
DESCRIPTORS = 200_000
SPARE_SECONDS = 30


class Failed(Exception):
    """A figure that could not be taken, and why."""


class Ground:
    """Both namespaces and the servers."""

    def __init__(self) -> None:
        self.directory = Path(os.environ["MUZZLE_LAB"])
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
