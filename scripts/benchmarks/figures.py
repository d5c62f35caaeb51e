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
from .ground import BULK, DATAGRAMS, ECHO, IPERF, SERVER, Failed, Ground, tool

NAMES = 10_000
DNS_CLIENTS, DNS_THREADS = 32, 1
SETTLE_SECONDS = 4
BOTH_WAYS = ("sum_received", "sum_received_bidir_reverse")
WARM_SECONDS = 1
LARGE_MTU, SMALL_MTU = 9000, 1500
# Of all datagrams, and of all questions.
MOST_LOST = 0.01


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
    # Whether the table shows quotients.
    ratio: bool = True


def passes_all(engine: Engine) -> bool:
    """Whether traffic for any address goes through it."""
    return engine.name != "light"


def answers(engine: Engine) -> bool:
    return engine.resolver is not None


def holds(engine: Engine) -> bool:
    return engine.most_flows > 0


@dataclass(frozen=True)
class Figure:
    """One measurement and the rows it fills."""

    key: str
    rows: list[Row]
    measure: Callable[[Run, Engine], dict[str, float]]
    # Which engines it is taken of.
    fits: Callable[[Engine], bool] = passes_all
    mtu: int = LARGE_MTU
    # Taken in one round only, of all engines at once, each on a ground of its own: it is long, and
    # counts what does not depend on speed.
    apart: bool = False


def bulk(name: str, words: str, mtu: int, *options: str) -> Figure:
    """A TCP transfer by iperf3."""
    key = name if mtu == LARGE_MTU else f"{name}-{mtu}"
    label = f"TCP {words}, MTU {mtu}"

    def measure(run: Run, engine: Engine) -> dict[str, float]:
        iperf(run, engine.target, WARM_SECONDS, *options)
        before = engine.cpu_seconds()
        end = iperf(run, engine.target, run.seconds, *options)
        used = engine.cpu_seconds() - before
        gigabytes = end["sum_received"]["bytes"] / 1e9
        if not gigabytes:
            raise Failed("no byte arrived")
        found = {key: end["sum_received"]["bits_per_second"] / 1e9}
        if engine.pid:
            found[f"{key}-cpu"] = used / gigabytes
        return found

    rows = [Row(key, label, "Gbit/s", 2), Row(f"{key}-cpu", f"{label}, processor", "s/GB", 2)]
    return Figure(key, rows, measure, mtu=mtu)


def bulks(mtu: int) -> list[Figure]:
    """Both ways, with one stream and with many."""
    many = ("-P", "16")
    return [
        bulk("up1", "up, 1 stream", mtu),
        bulk("down1", "down, 1 stream", mtu, "-R"),
        bulk("up16", "up, 16 streams", mtu, *many),
        bulk("down16", "down, 16 streams", mtu, *many, "-R"),
    ]


def iperf(run: Run, target: str, seconds: float, *options: str) -> dict:
    """Runs one transfer and gives what iperf3 says of its end."""
    command = ["iperf3", "-J", "-c", target, "-p", str(IPERF), "-t", str(seconds), *options]
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
        raise Failed(f"{found['errors']} exchanges failed")
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
        if lost > MOST_LOST * done:
            raise Failed(f"{lost:.0f} of {done:.0f} questions not answered")
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
    return Figure(key, rows, measure, fits=answers)


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


def datagrams(size: int) -> Figure:
    """UDP echo with a window of datagrams under way."""
    key = f"udp{size}"

    def measure(run: Run, engine: Engine) -> dict[str, float]:
        command = [tool("udp"), "echo", engine.target, str(DATAGRAMS), str(run.seconds), str(size)]
        before = engine.cpu_seconds()
        found = run.ground.json(command, run.seconds)
        used, lost = engine.cpu_seconds() - before, found["lost"]
        if not found["back"] or lost > MOST_LOST * found["back"]:
            raise Failed(f"{lost} datagrams lost, {found['back']} came back")
        values = {key: found["per_second"] / 1000}
        if engine.pid:
            # The second that is not counted costs as much.
            share = run.seconds / (run.seconds + WARM_SECONDS)
            values[f"{key}-cpu"] = used * share / found["back"] * 1e6
        return values

    label = f"UDP echo, {size} bytes"
    rows = [Row(key, label, "1000/s", 1), Row(f"{key}-cpu", f"{label}, processor", "µs", 1)]
    return Figure(key, rows, measure)


def reach(run: Run, engine: Engine) -> dict[str, float]:
    """What the core sees of traffic that is not listed, once its name is known."""
    assert engine.resolver is not None and engine.tun is not None
    address = run.ground.address(UNLISTED, engine.resolver)
    before = run.ground.bytes_through(engine.tun)
    moved = iperf(run, address, run.seconds)["sum_received"]["bytes"]
    seen = run.ground.bytes_through(engine.tun) - before
    # The same counter does count what is listed.
    iperf(run, run.ground.address(LISTED, engine.resolver), WARM_SECONDS)
    if run.ground.bytes_through(engine.tun) - before < moved / 100:
        raise Failed("the interface's counters stand still")
    return {"reach": seen, "reach-moved": moved / 1e9}


def held(run: Run, engine: Engine) -> dict[str, float]:
    """Memory and wakeups without flows, with many idle ones, and after those."""
    time.sleep(SETTLE_SECONDS)
    found = {"rss-0": engine.resident_kb() / 1024, "wake-0": wakeups(run, engine)}
    before, flows = engine.resident_kb(), min(run.flows, engine.most_flows)
    command = [tool("tcp"), "hold", engine.target, str(ECHO), str(flows)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    client = run.ground.phone.start(["timeout", "300", *command], **pipes)
    try:
        line = client.stdout.readline()  # type: ignore[union-attr]
        if f'"held": {flows},' not in line:
            raise Failed(f"of {flows} flows: {line.strip() or 'none held'}", found)
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
        print(f"    {engine.name}: thread {thread} woke {times} times", file=sys.stderr)
    return woken.total()


FIGURES: list[Figure] = [
    *bulks(LARGE_MTU),
    *bulks(SMALL_MTU),
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
    datagrams(64),
    datagrams(1200),
    Figure(
        "reach",
        [
            Row("reach", "traffic that is not listed, through the core", "bytes", 0, False),
            Row("reach-moved", "of so much that passed beside it", "GB", 2, False),
        ],
        reach,
        fits=lambda engine: engine.name == "light",
    ),
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
        held,
        fits=holds,
        apart=True,
    ),
]
