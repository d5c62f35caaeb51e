"""The internet's resolver: dnsmasq with fixed records and no upstream of its own.

It never asks another server: a name without a record here does not exist.
"""

from __future__ import annotations

import re
import signal
import socket
import subprocess
from pathlib import Path

from . import network
from .network import Namespace

# Trackers, from the public lists, that point at the collector.
COLLECTED = [
    "sa.api.intl.miui.com",
    "data.mistat.intl.xiaomi.com",
    "tracking.intl.miui.com",
]
# A tracker that serves large and odd traffic, to prove that bytes pass unchanged.
FILES = "tracking.miui.com"
# A tracker whose server cannot be reached.
UNREACHABLE = "data.mistat.xiaomi.com"
# A tracker of whose addresses one is somebody's.
MOSTLY_SILENT = "silent.tracking.miui.com"
# Names that no list may block.
NEVER_BLOCKED = "account.xiaomi.com"
# Names that are on no list.
WEB = "www.example.org"
INNOCENT_ALIAS = "metrics.shop.example"
FAR_ALIAS = "stats.shop.example"
LARGE_TXT = "large.example.org"
SMALL_TXT = "text.example.org"

TXT_RECORDS = 12
TXT_LENGTH = 200


def txt_value(index: int) -> str:
    """Text of one of the records of LARGE_TXT."""
    return f"{index:02d}-" + "x" * (TXT_LENGTH - 3)


def arguments() -> list[str]:
    """dnsmasq's records."""
    found = []
    for name in COLLECTED:
        found.append(f"--host-record={name},{network.COLLECTOR4},{network.COLLECTOR6}")
    found.append(f"--host-record={FILES},{network.FILES4},{network.FILES6}")
    found.append(f"--host-record={UNREACHABLE},{network.UNREACHABLE4}")
    for address in [*network.SILENT4, network.COLLECTOR4]:
        found.append(f"--host-record={MOSTLY_SILENT},{address}")
    for name in (WEB, NEVER_BLOCKED):
        found.append(f"--host-record={name},{network.WEB4},{network.WEB6}")
    found.append(f"--cname={INNOCENT_ALIAS},{COLLECTED[0]}")
    # The tracker hides in the middle of the chain: far -> tracker -> a name that is on no list.
    found.append("--host-record=edge.cdn.example," + f"{network.COLLECTOR4},{network.COLLECTOR6}")
    found.append("--cname=sa.tracking.intl.miui.com,edge.cdn.example")
    found.append(f"--cname={FAR_ALIAS},sa.tracking.intl.miui.com")
    found.append(f"--txt-record={SMALL_TXT},plain words")
    found += [f"--txt-record={LARGE_TXT},{txt_value(index)}" for index in range(TXT_RECORDS)]
    # An HTTPS record (RFC 9460): priority 1, target ".", alpn h2. One on a tracker, one beside.
    https = "0001000001000302" + "6832"
    found += [f"--dns-rr={name},65,{https}" for name in (COLLECTED[0], WEB)]
    return found


class Resolver:
    """A running dnsmasq that writes each question to a log."""

    def __init__(self, internet: Namespace, directory: Path) -> None:
        self.log = directory / "resolver.log"
        self.log.write_text("")
        addresses = [network.RESOLVER4] + ([network.RESOLVER6] if network.has_ipv6() else [])
        self.process = internet.start(
            ["dnsmasq", "--keep-in-foreground", "--conf-file=/dev/null", "--no-resolv", "--no-hosts"]
            + ["--user=root", "--group=root", "--pid-file=", "--cache-size=0", "--edns-packet-max=1232"]
            + ["--bind-interfaces", *(f"--listen-address={address}" for address in addresses)]
            + ["--log-queries", f"--log-facility={self.log}", "--local-ttl=300"]
            + ["--local=/com/", "--local=/org/", "--local=/example/", "--local=/net/"]
            + arguments(),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        network.wait_until(lambda: self._answers(internet) or self._ended(), 10, "dnsmasq")

    def _answers(self, internet: Namespace) -> bool:
        def work() -> bool:
            with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
                return probe.connect_ex((network.RESOLVER4, 53)) == 0

        return internet.inside(work)

    def _ended(self) -> bool:
        if self.process.poll() is None:
            return False
        words = self.process.stderr.read() if self.process.stderr else ""
        raise RuntimeError(f"dnsmasq ended: {words.strip()}")

    def questions(self) -> list[tuple[str, str]]:
        """Type and name of all questions that arrived, in order."""
        return re.findall(r"query\[(\S+?)\] (\S+) from", self.log.read_text())

    def pause(self) -> None:
        """Stops answering, as a network that drops everything."""
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        self.process.send_signal(signal.SIGCONT)

    def close(self) -> None:
        self.resume()
        network.end(self.process)
