"""ICMP with the real `ping`: echoes of both families, and what the network says of packets."""

from __future__ import annotations

import re
import subprocess

import pytest
from helpers import DEEP, events
from lab import network, policy, resolver
from lab.lab import BLOCKED, Lab

RECORDED_HOST = resolver.COLLECTED[1]
LISTED = resolver.COLLECTED[0]
POLICY = policy.text(hosts=[(RECORDED_HOST, "record")])
OPTIONS = DEEP


def ping(lab: Lab, to: str, *more: str, count: int = 3) -> subprocess.CompletedProcess:
    """ping as an app, some requests within a second."""
    return lab.app(BLOCKED, ["ping", "-n", "-c", str(count), "-i", "0.2", "-W", "2", *more, to])


def received(done: subprocess.CompletedProcess) -> int:
    found = re.search(r"(\d+) received", done.stdout)
    assert found, done
    return int(found[1])


@pytest.mark.parametrize("size", ["0", "56", "1400", "8000"])
def test_echoes_to_an_address_come_back_whole(lab: Lab, size: str) -> None:
    """ping compares the data that came back, and warns of what differs."""
    done = ping(lab, network.FILES4, "-s", size)
    assert (done.returncode, received(done)) == (0, 3), done
    assert "wrong data" not in done.stdout and "DUP" not in done.stdout, done.stdout
    assert f"{int(size) + 8} bytes from {network.FILES4}" in done.stdout


@pytest.mark.parametrize("size", ["0", "56", "1400", "8000"])
def test_echoes_over_ipv6_come_back_whole(lab: Lab, ipv6: None, size: str) -> None:
    done = ping(lab, network.FILES6, "-6", "-s", size)
    assert (done.returncode, received(done)) == (0, 3), done
    assert "wrong data" not in done.stdout and "DUP" not in done.stdout, done.stdout


def test_two_pings_at_once_get_their_own_replies(lab: Lab) -> None:
    command = ["ping", "-n", "-c", "10", "-i", "0.05", network.FILES4]
    both = [lab.phone.start(command, uid=BLOCKED.uid, stdout=subprocess.PIPE, text=True) for _ in "12"]
    said = [one.communicate(timeout=20)[0] for one in both]
    assert ["10 received" in text and "DUP" not in text for text in said] == [True, True], said


def test_a_name_that_nobody_speaks_about_is_pinged_at_its_own_address(lab: Lab) -> None:
    done = ping(lab, resolver.WEB, "-4")
    assert received(done) == 3, done
    assert network.WEB4 in done.stdout


def test_a_host_that_says_nothing_is_a_loss(lab: Lab) -> None:
    done = ping(lab, network.SILENT4[0], "-W", "1", count=2)
    assert (done.returncode, received(done)) == (1, 0), done


def test_an_unknown_name_stays_unknown(lab: Lab) -> None:
    assert ping(lab, "no-such-name.example").returncode == 2


def test_a_blocked_name_is_refused_and_told_of_once(lab: Lab) -> None:
    done = ping(lab, LISTED, "-4")
    assert (done.returncode, received(done)) == (1, 0), done
    assert done.stdout.count("Packet filtered") == 3, done
    found = events(lab, 1, lambda event: event["transport"] == "icmp" and event["host"] == LISTED)
    assert [(e["state"], e["verdict"]) for e in found] == [("blocked", "block")]


def test_a_blocked_name_is_refused_over_ipv6(lab: Lab, ipv6: None) -> None:
    done = ping(lab, LISTED, "-6")
    assert (done.returncode, received(done)) == (1, 0), done
    assert "Administratively prohibited" in done.stdout, done


def test_a_recorded_name_is_answered_by_its_host(lab: Lab) -> None:
    done = ping(lab, RECORDED_HOST, "-4")
    assert (done.returncode, received(done)) == (0, 3), done
    found = events(lab, 1, lambda event: event.get("host") == RECORDED_HOST)
    assert {(e["state"], e["transport"]) for e in found} == {("undecodable", "icmp")}
    assert found[0]["server"]["addr"] == network.COLLECTOR4
