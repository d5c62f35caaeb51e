"""The same random scripts with and without Muzzle between app and server: both ends must see the
same bytes, the same ends and the same errors. `docs/testing.md` says what may differ.

`MUZZLE_SCRIPTS` is the number of scripts, `MUZZLE_SEED` the first one's seed.
"""

from __future__ import annotations

import asyncio
import os
import socket
from typing import Callable

import pytest
import tcp_scripts
from lab import network, policy
from lab.lab import Lab
from slow_link import SlowLink
from tcp_scripts import Script

POLICY = policy.text()
SCRIPTS = int(os.environ.get("MUZZLE_SCRIPTS", "1000"))
SEED = int(os.environ.get("MUZZLE_SEED", "1"))
WORKERS = 32
# The first is connected to before the app is answered; on the second the first bytes are looked at.
PORTS = (5222, 443)
CLOSED = 5223
# What `muzzle run` marks its own packets with: they go around it.
AROUND = 0x6D7A
FAMILIES = (4, 6) if network.has_ipv6() else (4,)
# Routed to the internet, which answers that there is no such host.
NOWHERE = "203.0.113.222"


def address(worker: int, family: int) -> str:
    return f"203.0.113.{100 + worker}" if family == 4 else f"2001:db8:113::{100 + worker}"


@pytest.fixture(scope="module")
def lab(bare_lab: Lab) -> Lab:
    lines = [
        f"addr add {address(worker, family)} dev lo" + (" nodad" if family == 6 else "")
        for worker in range(WORKERS)
        for family in FAMILIES
    ]
    network.in_here(bare_lab.internet, [*lines, f"route add unreachable {NOWHERE}"])
    bare_lab.internet.run(["sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward"])
    bare_lab.start_muzzle(POLICY, extra=("--reach", "deep"))
    return bare_lab


@pytest.fixture(scope="module")
def listeners(lab: Lab) -> dict[tuple[int, int, int], socket.socket]:
    """By worker, family and port: each worker has its own, so that it knows who connects."""
    found = {
        (worker, family, port): lab.internet.listen(address(worker, family), port)
        for worker in range(WORKERS)
        for family in FAMILIES
        for port in PORTS
    }
    for one in found.values():
        one.setblocking(False)
    return found


def through(_: socket.socket) -> None:
    """A socket like any other: its packets pass through Muzzle."""


def around(sock: socket.socket) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, AROUND)


def differences(lab: Lab, listeners: dict, count: int, seed: int) -> list[str]:
    """Runs scripts both ways, and tells of those that were seen otherwise."""
    found: list[str] = []
    words: set[str] = set()
    seeds = iter(range(seed, seed + count))

    async def worker(number: int) -> None:
        for seed in seeds:
            family, port = FAMILIES[seed % len(FAMILIES)], PORTS[seed // 2 % 2]
            script = Script.make(seed, client_first=port == 443)
            listener = listeners[number, family, port]
            to = (address(number, family), port)
            direct = await tcp_scripts.run(script, listener, to, around)
            muzzle = await tcp_scripts.run(script, listener, to, through)
            if direct != muzzle or any("WRONG" in line or "Timeout" in line for line in direct):
                found.append(f"seed {seed} {to} {script.steps}: {direct} without, {muzzle} with")
            words.update(word.strip(",") for line in direct for word in line.split())

    async def all_workers() -> None:
        await asyncio.gather(*(worker(number) for number in range(WORKERS)))

    lab.phone.inside(lambda: asyncio.run(all_workers()))
    # Scripts in which nothing ever happens would always agree.
    assert {"right", "end", "ECONNRESET", "EPIPE", "idle"} <= words, words
    return found


def test_scripts_see_the_same_with_and_without_muzzle(lab: Lab, listeners: dict) -> None:
    print(f"{SCRIPTS} scripts, MUZZLE_SEED={SEED}")
    found = differences(lab, listeners, SCRIPTS, SEED)
    assert not found, f"{len(found)} of {SCRIPTS}:\n" + "\n".join(found[:10])


def test_the_two_ways_are_two(lab: Lab, listeners: dict) -> None:
    """The marked socket's server sees the phone's address and port; the other's sees Muzzle's."""
    ports: dict[str, bool] = {}

    def same_port(mark: Callable[[socket.socket], None]) -> bool:
        async def work() -> bool:
            loop, listener = asyncio.get_running_loop(), listeners[0, 4, PORTS[0]]
            client = socket.socket()
            client.setblocking(False)
            mark(client)
            await loop.sock_connect(client, (address(0, 4), PORTS[0]))
            server, peer = await loop.sock_accept(listener)
            with client, server:
                return peer == client.getsockname()

        return lab.phone.inside(lambda: asyncio.run(work()))

    ports = {"around": same_port(around), "through": same_port(through)}
    assert ports == {"around": True, "through": False}


@pytest.mark.parametrize("to", [(address(0, family), CLOSED) for family in FAMILIES] + [(NOWHERE, 5222)])
def test_a_connect_that_nobody_takes_fails_alike(lab: Lab, to: tuple[str, int]) -> None:
    family = socket.AF_INET6 if ":" in to[0] else socket.AF_INET
    run = lambda mark: lab.phone.inside(  # noqa: E731
        lambda: asyncio.run(tcp_scripts.refused(family, to, mark))
    )
    direct = run(around)
    assert direct in ("ECONNREFUSED", "EHOSTUNREACH")
    assert run(through) == direct


def test_scripts_see_the_same_over_a_slow_network_that_loses_packets(
    lab: Lab, listeners: dict
) -> None:
    count = max(SCRIPTS // 20, 50)
    seed = SEED + SCRIPTS
    print(f"{count} scripts, MUZZLE_SEED={seed}")
    with SlowLink(lab.internet, lab.phone, seed, delay_s=0.01, loss=0.01) as link:
        found = differences(lab, listeners, count, seed)
    assert not found, f"{len(found)} of {count}:\n" + "\n".join(found[:10])
    assert link.lost > link.passed / 200, (link.lost, link.passed)
