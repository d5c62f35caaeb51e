"""What is measured. A further figure is a function and an entry in FIGURES.

Each function measures one engine once and gives a value for each of its rows; a row without a
value is a dash in the table. Every loop ends by itself, and each client is bounded besides.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Callable

from lab import network

from .engines import LISTED, UNLISTED, Engine
from .ground import BULK, ECHO, IPERF, SERVER, Failed, Ground, tool

NAMES = 10_000
DNS_CLIENTS, DNS_THREADS = 32, 1
SETTLE_SECONDS = 4
BOTH_WAYS = ("sum_received", "sum_received_bidir_reverse")
WARM_SECONDS = 1


@dataclass(frozen=True)
class Run:
    """Where and how long."""

    ground: Ground
    seconds: float
    idle_seconds: float
    flows: int


@dataclass(frozen=True)
class Row:
    """One line of the table."""

    key: str
    label: str
    unit: str
    digits: int = 0
    # Whether the table shows the quotient to the veth.
    ratio: bool = True


@dataclass(frozen=True)
class Figure:
    """One measurement and the rows it fills."""

    key: str
    rows: list[Row]
    measure: Callable[[Run, Engine], dict[str, float]]
    # Taken in one round only: it needs a fresh process, or its value does not vary.
    once: bool = False


def bulk(key: str, label: str, *options: str) -> Figure:
    """A TCP transfer by iperf3."""

    def measure(run: Run, engine: Engine) -> dict[str, float]:
        iperf(run, engine, WARM_SECONDS, *options)
        before = engine.cpu_seconds()
        end = iperf(run, engine, run.seconds, *options)
        used = engine.cpu_seconds() - before
        gigabytes = end["sum_received"]["bytes"] / 1e9
        found = {key: end["sum_received"]["bits_per_second"] / 1e9}
        if engine.pid and gigabytes:
            found[f"{key}-cpu"] = used / gigabytes
        return found

    rows = [Row(key, label, "Gbit/s", 2), Row(f"{key}-cpu", f"{label}, processor", "s/GB", 2)]
    return Figure(key, rows, measure)


def iperf(run: Run, engine: Engine, seconds: float, *options: str) -> dict:
    command = ["iperf3", "-J", "-c", engine.target, "-p", str(IPERF), "-t", str(seconds), *options]
    for _ in range(3):
        found = run.ground.json(command, seconds)
        if "busy" not in found.get("error", ""):
            break
        time.sleep(0.5)
    if "sum_received" not in found.get("end", {}):
        raise Failed(f"iperf3: {found.get('error', 'no result')}")
    return found["end"]


def connections(threads: int) -> Figure:
    """Connect, one exchange, reset."""
    key, words = f"crr{threads}", f"connect-request-close, {threads} thread{'s'[: threads - 1]}"

    def measure(run: Run, engine: Engine) -> dict[str, float]:
        found = tcp_load(run, engine, "crr", threads)
        return {key: found["per_second"], f"{key}-p99": found["p99_us"] / 1000}

    rows = [Row(key, words, "1/s"), Row(f"{key}-p99", f"{words}, p99", "ms", 2)]
    return Figure(key, rows, measure)


def tcp_load(run: Run, engine: Engine, mode: str, threads: int) -> dict[str, float]:
    command = [tool("tcp"), mode, engine.target, str(ECHO), str(run.seconds), str(threads)]
    found = run.ground.json(command, run.seconds)
    if found["errors"]:
        raise Failed(f"{found['errors']:.0f} of {mode}'s exchanges failed")
    return found


def exchanges(run: Run, engine: Engine) -> dict[str, float]:
    """Request and response on one connection."""
    found = tcp_load(run, engine, "rr", 1)
    return {"rr-p50": found["p50_us"], "rr-p99": found["p99_us"]}


def exchanges_under_load(run: Run, engine: Engine) -> dict[str, float]:
    """The same while 16 streams run, half of them up and half down."""
    seconds = run.seconds + 3 * WARM_SECONDS
    command = ["iperf3", "-J", "-c", engine.target, "-p", str(BULK), "-t", str(seconds)]
    server = run.ground.serve(["iperf3", "-s", "-1", "-B", SERVER, "-p", str(BULK)], BULK)
    load = run.ground.phone.start(
        ["timeout", str(seconds + 20), *command, "-P", "8", "--bidir"],
        stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    try:
        time.sleep(WARM_SECONDS)
        found = tcp_load(run, engine, "rr", 1)
        moved = json.loads(load.communicate(timeout=seconds + 30)[0]).get("end", {})
    except (ValueError, subprocess.TimeoutExpired):
        raise Failed("iperf3 gave no result") from None
    finally:
        network.end(load)
        network.end(server)
    bits = sum(moved.get(way, {}).get("bits_per_second", 0) for way in BOTH_WAYS)
    if not bits:
        raise Failed("iperf3 moved no bytes")
    return {
        "rr-load-p50": found["p50_us"] / 1000,
        "rr-load-p99": found["p99_us"] / 1000,
        "rr-load-bulk": bits / 1e9,
    }


def questions(key: str, label: str, parent: str) -> Figure:
    """Questions for many names under one, half A and half AAAA."""

    def measure(run: Run, engine: Engine) -> dict[str, float]:
        file = names_file(run, parent)
        command = ["dnsperf", "-s", str(engine.resolver), "-d", str(file), "-t", "2"]
        command += ["-c", str(DNS_CLIENTS), "-T", str(DNS_THREADS), "-l"]
        run.ground.text([*command, str(WARM_SECONDS)], WARM_SECONDS)
        before = engine.cpu_seconds()
        words = run.ground.text([*command, f"{run.seconds:g}"], run.seconds)
        used = engine.cpu_seconds() - before
        done, lost = number(words, "Queries completed"), number(words, "Queries lost")
        if lost > done / 1000:
            raise Failed(f"{lost:.0f} of {done:.0f} questions were not answered")
        found = {key: number(words, "Queries per second")}
        if engine.pid:
            found[f"{key}-cpu"] = used / done * 1e6
        name = f"n1.{parent}"
        ask = [tool("dns"), "ask", str(engine.resolver), f"{run.seconds:g}", name]
        found[f"{key}-p50"] = run.ground.json(ask, run.seconds)["p50_us"]
        return found

    rows = [
        Row(key, label, "1/s"),
        Row(f"{key}-cpu", f"{label}, processor", "µs", 1),
        Row(f"{key}-p50", f"{label}, one at a time, p50", "µs", 1),
    ]
    return Figure(key, rows, only(measure, lambda engine: engine.resolver is not None))


def names_file(run: Run, parent: str) -> Path:
    file = run.ground.directory / f"names-{parent}"
    if not file.exists():
        kinds = ["A", "AAAA"]
        file.write_text("".join(f"n{i // 2}.{parent} {kinds[i % 2]}\n" for i in range(2 * NAMES)))
    return file


def number(words: str, label: str) -> float:
    """A number of dnsperf's summary."""
    found = re.search(rf"{label}:\s+([0-9.]+)", words)
    if found is None:
        raise Failed(f"dnsperf said nothing of {label.lower()}")
    return float(found[1])


def only(
    measure: Callable[[Run, Engine], dict[str, float]], fits: Callable[[Engine], bool]
) -> Callable[[Run, Engine], dict[str, float]]:
    """A measurement for some engines only."""
    return lambda run, engine: measure(run, engine) if fits(engine) else {}


def held(run: Run, engine: Engine) -> dict[str, float]:
    """Memory and wakeups without flows, with many idle ones, and after those."""
    engine.stop()
    engine.start(run.ground)
    time.sleep(SETTLE_SECONDS)
    found = {"rss-0": engine.resident_kb() / 1024, "wake-0": wakeups(run, engine)}
    before, flows = engine.resident_kb(), min(run.flows, engine.most_flows)
    command = [tool("tcp"), "hold", engine.target, str(ECHO), str(flows)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    client = run.ground.phone.start(["timeout", "300", *command], **pipes)
    try:
        line = client.stdout.readline()  # type: ignore[union-attr]
        if f'"held": {flows},' not in line:
            raise Failed(f"wanted {flows} flows: {line.strip() or 'nothing held'}")
        time.sleep(SETTLE_SECONDS)
        found["rss-n"] = engine.resident_kb() / 1024
        found["rss-flow"] = (engine.resident_kb() - before) / flows
        found["wake-n"] = wakeups(run, engine)
        client.stdin.close()  # type: ignore[union-attr]
        client.wait(60)
    finally:
        network.end(client)
    time.sleep(SETTLE_SECONDS)
    found["rss-after"] = engine.resident_kb() / 1024
    return found


def wakeups(run: Run, engine: Engine) -> int:
    """Wakeups of all threads; says on standard error which ones woke."""
    before = engine.wakeups()
    time.sleep(run.idle_seconds)
    woken = engine.wakeups() - before
    for thread, times in woken.items():
        print(f"    thread {thread} woke {times} times", file=sys.stderr)
    return woken.total()


FIGURES: list[Figure] = [
    bulk("up1", "TCP up, 1 stream"),
    bulk("down1", "TCP down, 1 stream", "-R"),
    bulk("up16", "TCP up, 16 streams", "-P", "16"),
    bulk("down16", "TCP down, 16 streams", "-P", "16", "-R"),
    connections(1),
    connections(16),
    Figure(
        "rr",
        [Row("rr-p50", "request-response, p50", "µs"), Row("rr-p99", "request-response, p99", "µs")],
        exchanges,
    ),
    Figure(
        "rr-load",
        [
            Row("rr-load-p50", "the same beside 16 streams, p50", "ms", 2),
            Row("rr-load-p99", "the same beside 16 streams, p99", "ms", 2),
            Row("rr-load-bulk", "what these streams moved meanwhile", "Gbit/s", 2),
        ],
        exchanges_under_load,
    ),
    questions("dns-listed", "answers for listed names", LISTED),
    questions("dns-other", "answers for other names", UNLISTED),
    Figure(
        "held",
        [
            Row("rss-0", "resident without flows", "MB", 1, False),
            Row("rss-n", "resident with the held flows", "MB", 1, False),
            Row("rss-flow", "for each held flow", "KB", 1, False),
            Row("rss-after", "resident after they closed", "MB", 1, False),
            Row("wake-0", "wakeups while idle, no flow", "", 0, False),
            Row("wake-n", "wakeups while idle, flows held", "", 0, False),
        ],
        only(held, lambda engine: engine.pid is not None),
        once=True,
    ),
]
