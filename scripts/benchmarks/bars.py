"""What Muzzle has to reach, each against the other engines of the same run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable, Literal

# A row's median for an engine, or nothing; it is asked with the keys of both.
Ask = Callable[[str, str], "float | None"]
SMALL = "small"
BRIDGE = "bridge"


@dataclass(frozen=True)
class Bar:
    """One bar: a value of one row, alone or against another engine."""

    label: str
    row: str
    way: Literal[">=", "<=", "<"]
    limit: float
    unit: str = ""
    engine: str = "deep"
    # What is compared: the value, its quotient to another engine's, or its difference.
    than: str | None = None
    by: Literal["quotient", "difference"] = "quotient"

    def needed(self) -> str:
        """In words."""
        unit = f" × {self.than}" if self.than and self.by == "quotient" else f" {self.unit}".rstrip()
        return f"{self.way} {self.limit:g}{unit}"

    def value(self, ask: Ask) -> float | None:
        """What was found; nothing when a part of it was not measured."""
        own = ask(self.row, self.engine)
        if self.than is None or own is None:
            return own
        other = ask(self.row, self.than)
        if other is None or (self.by == "quotient" and not other):
            return None
        return own / other if self.by == "quotient" else own - other

    def reached(self, value: float) -> bool:
        """Whether a value is good enough."""
        ways = {">=": value >= self.limit, "<=": value <= self.limit, "<": value < self.limit}
        return ways[self.way]


BARS = [
    Bar("TCP up, 1 stream", "up1", ">=", 0.50, than="veth"),
    Bar("TCP up, 1 stream", "up1", ">=", 2.5, than="hev"),
    Bar("TCP down, 1 stream", "down1", ">=", 0.45, than="veth"),
    Bar("TCP down, 1 stream", "down1", ">=", 2.5, than="hev"),
    Bar("TCP up, 16 streams", "up16", ">=", 0.55, than="veth"),
    Bar("TCP down, 16 streams", "down16", ">=", 0.65, than="veth"),
    Bar("processor, up", "up1-cpu", "<=", 0.50, "s/GB"),
    Bar("processor, down", "down1-cpu", "<=", 0.75, "s/GB"),
    Bar("processor, down, MTU 1500", "down1-1500-cpu", "<=", 0.85, "s/GB"),
    Bar("connect-request-close, 1 thread", "crr1", ">=", 2, than="hev"),
    Bar("connect-request-close, 16 threads, p99", "crr16-p99", "<=", 5, "ms"),
    Bar("request-response, added p50", "rr-p50", "<=", 18, "µs", than="veth", by="difference"),
    Bar("request-response beside 16 streams, p99", "rr-load-p99", "<=", 5, "ms"),
    Bar("UDP echo, 64 bytes", "udp64", ">=", 1, than="hev"),
    Bar("UDP echo, 1200 bytes", "udp1200", ">=", 1, than="hev"),
    Bar("answers for listed names", "dns-listed", ">=", 150_000, "1/s"),
    Bar("answers for other names", "dns-other", ">=", 30_000, "1/s"),
    Bar("answers for other names, added p50", "dns-other-p50", "<=", 30, "µs", than="veth",
        by="difference"),
    Bar("memory for each held flow", "rss-flow", "<=", 9, "KB"),
    Bar("memory after they closed", "rss-after", "<", 20, "MB"),
    Bar("wakeups while idle, no flow", "wake-0", "<=", 0),
    Bar("wakeups while idle, flows held", "wake-n", "<=", 0),
    Bar("traffic that is not listed, through the core", "reach", "<=", 0, "bytes", engine="light"),
    Bar("ClientHello of Chromium", "tls/chromium, 1959 bytes", "<=", 1000, "ns", engine=SMALL),
    Bar("QUIC Initial", "quic/RFC 9001 A.2, one datagram", "<=", 3000, "ns", engine=SMALL),
    Bar("look-up among 500 000, 4096 hosts asked, hit", "500k/table/hit", "<=", 100, "ns", engine=SMALL),
    Bar("look-up among 500 000, 4096 hosts asked, miss", "500k/table/miss", "<=", 100, "ns", engine=SMALL),
    Bar("nextEvents of 1000 events", "nextEvents of 1000, ms", "<=", 2, "ms", engine=BRIDGE),
    Bar("snapshot", "snapshot, µs", "<=", 20, "µs", engine=BRIDGE),
    Bar("setPolicy", "setPolicy, µs", "<=", 20, "µs", engine=BRIDGE),
    Bar("onNetworkChanged", "onNetworkChanged, µs", "<=", 20, "µs", engine=BRIDGE),
    Bar("first open of the core", "first open, new database, ms", "<=", 15, "ms", engine=BRIDGE),
]  # fmt: skip
