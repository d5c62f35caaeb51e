"""What a real capture tool recorded replays to what Muzzle saw live, and Wireshark's tools read what
Muzzle exports."""

from __future__ import annotations

import gzip
import json
import shutil
import signal
import subprocess
from pathlib import Path
from typing import Any, Iterator

import pytest
from helpers import database, events, holding, of_app, page, sdk, visited
from lab import muzzle, network, policy, sensors
from lab.lab import BLOCKED, RECORDED, Lab

POLICY = policy.text()
TOKENS = ["first-page", "second-page"]

pytestmark = pytest.mark.skipif(
    not shutil.which("tshark"), reason="needs tshark: install the package tshark"
)


def tool(*command: str) -> str:
    """What a tool of Wireshark prints; it must not complain."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def capture(lab: Lab) -> Path:
    """What dumpcap saw on the TUN while two apps sent pages and one name was asked for."""
    file = lab.directory / "tun.pcapng"
    dumpcap = lab.phone.start(
        ["dumpcap", "-q", "-i", "muzzle0", "-w", str(file)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    network.wait_until(file.exists, 10, "dumpcap to begin")
    for token in TOKENS:
        sdk(lab, RECORDED, token)
    sdk(lab, BLOCKED, "blocked-page")
    assert len(events(lab, 2, pages)) == 2
    network.end(dumpcap, signal.SIGINT, seconds=10)
    assert "Number of packets:" in tool("capinfos", str(file))
    return file


def pages(event: dict[str, Any]) -> bool:
    return any(holding(token)(event) for token in TOKENS)


def replay(*arguments: str) -> list[dict[str, Any]]:
    done = muzzle.command("replay", "--json", *arguments)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def said(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Of decoded events all that does not depend on when and where they were seen."""
    left = ("host", "protocol", "event", "event_time", "kinds", "fields", "ids", "decoder", "checks")
    decoded = [event for event in found if event["state"] == "decoded"]
    return [{name: event.get(name) for name in left} for event in decoded]


def live(lab: Lab) -> list[dict[str, Any]]:
    return events(lab, 2, of_app(RECORDED))


def test_a_capture_of_the_tun_replays_to_what_was_seen_live(lab: Lab, capture: Path) -> None:
    replayed = replay(str(capture), "--policy", str(lab.directory / "policy.toml"))
    # Nobody tells of a packet on a TUN whose it is: the policy's default would block it.
    assert {event["state"] for event in replayed} == {"blocked"}
    everything = replay(str(capture))
    assert said(everything) == said(live(lab))
    assert visited(everything) == [page(token) for token in TOKENS]
    assert {event["host"] for event in everything} == {sensors.HOST}


@pytest.mark.parametrize("form", ["pcap", "nsecpcap"])
def test_other_forms_of_the_capture_give_the_same(lab: Lab, capture: Path, form: str) -> None:
    other = lab.directory / f"tun.{form}"
    tool("editcap", "-F", form, str(capture), str(other))
    packed = lab.directory / f"tun.{form}.gz"
    packed.write_bytes(gzip.compress(other.read_bytes()))
    assert replay(str(other)) == replay(str(packed)) == replay(str(capture))


def test_a_capture_with_every_packet_twice_gives_the_same(lab: Lab, capture: Path) -> None:
    twice = lab.directory / "twice.pcapng"
    tool("mergecap", "-w", str(twice), str(capture), str(capture))
    assert said(replay(str(twice))) == said(replay(str(capture)))


@pytest.fixture(scope="module")
def exported(lab: Lab, capture: Path) -> Path:
    file = lab.directory / "exported.pcapng"
    done = muzzle.command(
        "export", "--db", str(database(lab)), "--format", "pcapng", "--out", str(file)
    )
    assert done.returncode == 0, done.stderr
    return file


def fields(file: Path, display: str, *names: str) -> list[list[str]]:
    """Fields of the packets that fit, as tshark dissects them."""
    options = [part for name in names for part in ("-e", name)]
    text = tool("tshark", "-n", "-r", str(file), "-Y", display, "-T", "fields", *options)
    return [line.split("\t") for line in text.splitlines()]


def test_wireshark_reads_the_export(exported: Path) -> None:
    about = tool("capinfos", str(exported))
    assert "pcapng" in about and "Raw IP" in about
    assert "muzzle " in about
    requests = fields(exported, "http.request", "http.request.method", "http.host")
    assert requests == [["POST", sensors.HOST]] * len(TOKENS)
    # Sums are right, nothing is malformed, nothing is out of place in a connection.
    sums = ["-o", "ip.check_checksum:TRUE", "-o", "tcp.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE"]
    wrong = "_ws.malformed || ip.checksum.status == 0 || tcp.checksum.status == 0 || tcp.analysis.flags"
    assert tool("tshark", "-n", *sums, "-r", str(exported), "-Y", wrong) == ""


def test_wireshark_shows_apps_and_hosts(exported: Path) -> None:
    comments = [line[0] for line in fields(exported, "frame.comment", "frame.comment")]
    assert any(RECORDED.package in comment for comment in comments)
    assert any(BLOCKED.package in comment for comment in comments)
    refused = fields(exported, "tcp.flags.reset == 1", "tcp.flags.ack")
    assert refused, "what was stopped is there"
    named = tool("tshark", "-N", "n", "-r", str(exported), "-Y", "http.request")
    assert sensors.HOST in named


def test_an_exported_capture_replays_to_the_same_events(lab: Lab, exported: Path) -> None:
    replayed = replay(str(exported), "--policy", str(lab.directory / "policy.toml"))
    of_recorded = [event for event in replayed if event["app"]["uid"] == RECORDED.uid]
    assert said(of_recorded) == said(live(lab))
    assert {event["app"]["package"] for event in of_recorded} == {RECORDED.package}
    stopped = [event for event in replayed if event["state"] == "blocked"]
    assert {event["app"]["package"] for event in stopped} == {BLOCKED.package}
