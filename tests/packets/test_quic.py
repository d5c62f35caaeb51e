"""QUIC of a real client and a real server, both of them aioquic, in the Deep reach."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Iterator

import pytest
from helpers import DEEP, certificate, events, of_app
from lab import network, policy
from lab.lab import BLOCKED, OFF, RECORDED, App, Lab

LISTED = "data.mistat.xiaomi.com"
FREE = "quic.example.net"
POLICY = policy.text()
OPTIONS = DEEP
PEER = Path(__file__).parent / "quic_peer.py"
SIZE = 300_000
ADDRESSES = [network.FILES4] + ([network.FILES6] if network.has_ipv6() else [])


@pytest.fixture(scope="module")
def connections(bare_lab: Lab) -> Iterator[Path]:
    """Servers at both addresses; the file has a line for each connection that they accepted."""
    key, chain = certificate(bare_lab)
    log = bare_lab.directory / "quic.log"
    log.touch()
    servers = []
    for address in ADDRESSES:
        command = bare_lab.program(PEER, "serve", address, str(chain), str(key), str(log))
        server = bare_lab.internet.start(command, stdout=subprocess.PIPE, text=True)
        assert server.stdout.readline() == "ready\n"
        servers.append(server)
    yield log
    for server in servers:
        network.end(server)


def ask(lab: Lab, app: App, address: str, name: str, version: str, size: int = SIZE) -> dict:
    done = lab.python(app, PEER, "ask", address, name, version, str(size))
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def count(log: Path) -> int:
    return len(log.read_text().splitlines())


@pytest.mark.parametrize("version", ["1", "2"])
@pytest.mark.parametrize("address", ADDRESSES)
def test_a_name_that_may_pass_transfers_every_byte(
    lab: Lab, connections: Path, address: str, version: str
) -> None:
    before = count(connections)
    told = ask(lab, BLOCKED, address, FREE, version)
    assert (told["error"], told["size"], told["whole"]) == (None, SIZE, True), told
    assert count(connections) == before + 1
    assert events(lab, 0, lambda event: event.get("host") == FREE) == []


@pytest.mark.parametrize("version", ["1", "2"])
@pytest.mark.parametrize("address", ADDRESSES)
def test_a_blocked_name_fails_at_once_and_no_server_hears_of_it(
    lab: Lab, connections: Path, address: str, version: str
) -> None:
    before, known = count(connections), len(blocked(lab))
    told = ask(lab, BLOCKED, address, LISTED, version)
    assert (told["error"], told["size"]) == ("ConnectionRefusedError", 0), told
    # aioquic's first repetition comes after half a second or more.
    assert told["seconds"] < 0.5, told
    assert count(connections) == before
    assert len(blocked(lab, known + 1)) == known + 1


def blocked(lab: Lab, wanted: int = 0) -> list[dict]:
    """Events of refused QUIC flows that tell the name."""
    found = events(lab, wanted, of_app(BLOCKED))
    for event in found:
        assert (event["host"], event["state"]) == (LISTED, "blocked")
        assert (event["transport"], event["verdict"]) == ("quic", "block")
    return found


@pytest.mark.parametrize("version", ["1", "2"])
def test_a_recorded_name_transfers_every_byte_and_is_stored(
    lab: Lab, connections: Path, version: str
) -> None:
    known = len(events(lab, 0, of_app(RECORDED)))
    told = ask(lab, RECORDED, network.FILES4, LISTED, version)
    assert (told["error"], told["whole"]) == (None, True), told
    found = events(lab, known + 1, of_app(RECORDED))
    assert len(found) == known + 1
    assert (found[-1]["host"], found[-1]["transport"]) == (LISTED, "quic")
    assert found[-1]["state"] == "encrypted"


def test_an_app_that_is_off_is_not_stored(lab: Lab, connections: Path) -> None:
    told = ask(lab, OFF, network.FILES4, LISTED, "1")
    assert (told["error"], told["whole"]) == (None, True), told
    assert events(lab, 0, of_app(OFF)) == []
