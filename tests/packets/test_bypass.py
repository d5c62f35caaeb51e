"""Ways past the phone's resolver: refused to the apps that the policy says, so that they ask it."""

from __future__ import annotations

import socket
import threading
from typing import Any, Iterator

import pytest
from helpers import DEEP, Event, events, of_app
from lab import network, policy, resolver
from lab.lab import BLOCKED, CAPTURED, OFF, RECORDED, App, Lab

POLICY = policy.text()
OPTIONS = DEEP
# Both are in signatures/resolvers.csv; the servers here only count who comes.
DOH, DOH_NAME = "8.8.8.8", "dns.google"
HTTPDNS = "203.107.1.65"
WEB, DOT = 443, 853
ANYBODY = network.FILES4


class Counting:
    """Listens like a resolver, and remembers what came; it answers nobody."""

    def __init__(self, lab: Lab) -> None:
        self.seen: list[tuple[str, int]] = []
        self.places = [(DOH, WEB), (DOH, DOT), (HTTPDNS, 80), (ANYBODY, DOT)]
        for address in (DOH, HTTPDNS):
            network.in_here(lab.internet, [f"addr add {address} dev lo"])
        self.open: list[socket.socket] = [lab.internet.listen(*place) for place in self.places]
        for place, listener in zip(self.places, self.open):
            threading.Thread(target=self._accept, args=(place, listener), daemon=True).start()
        for place in ((DOH, DOT), (ANYBODY, DOT)):
            one = lab.internet.inside(lambda: self._datagrams(place))
            self.open.append(one)
            threading.Thread(target=self._receive, args=(place, one), daemon=True).start()

    @staticmethod
    def _datagrams(place: tuple[str, int]) -> socket.socket:
        one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        one.bind(place)
        return one

    def _accept(self, place: tuple[str, int], listener: socket.socket) -> None:
        while True:
            try:
                peer, _ = listener.accept()
            except OSError:
                return
            self.seen.append(place)
            peer.close()

    def _receive(self, place: tuple[str, int], one: socket.socket) -> None:
        while True:
            try:
                _, peer = one.recvfrom(65535)
            except OSError:
                return
            self.seen.append(place)
            one.sendto(b"answer", peer)

    def close(self) -> None:
        for one in self.open:
            one.close()


@pytest.fixture(scope="module")
def counting(bare_lab: Lab) -> Iterator[Counting]:
    made = Counting(bare_lab)
    yield made
    made.close()


@pytest.fixture
def servers(counting: Counting) -> Counting:
    counting.seen.clear()
    return counting


def dig(lab: Lab, app: App, *arguments: str) -> Any:
    usual = ["+time=3", "+tries=1", "+short"]
    return lab.app(app, ["dig", *usual, *arguments, resolver.WEB, "A"], 30)


def bypass(app: App, **expected: Any):  # type: ignore[no-untyped-def]
    """Events of an app that were stopped as ways past the resolver."""

    def match(event: Event) -> bool:
        reason = event.get("reason", {}).get("code")
        server = event.get("server", {})
        facts = {"host": event.get("host"), "addr": server.get("addr"), "port": server.get("port")}
        facts["transport"] = event.get("transport")
        same = all(facts[name] == value for name, value in expected.items())
        return of_app(app)(event) and reason == "resolver-bypass" and same

    return match


@pytest.mark.parametrize("address", [DOH, ANYBODY])
def test_dns_over_tls_is_refused_whoever_serves_it(
    lab: Lab, servers: Counting, address: str
) -> None:
    done = dig(lab, BLOCKED, "+tls", f"@{address}")
    assert network.WEB4 not in done.stdout, done
    assert servers.seen == []
    found = events(lab, 1, bypass(BLOCKED, transport="tls", addr=address))
    assert found and {event["state"] for event in found} == {"blocked"}


def test_dns_over_https_to_an_address_is_refused(lab: Lab, servers: Counting) -> None:
    done = dig(lab, BLOCKED, "+https", f"@{DOH}")
    assert done.returncode != 0 and network.WEB4 not in done.stdout, done
    assert servers.seen == []
    found = events(lab, 1, lambda e: bypass(BLOCKED)(e) and e["reason"].get("rule") == DOH)
    assert found[0]["reason"]["list"].startswith("resolvers@")


def test_dns_over_https_by_name_is_refused(lab: Lab, servers: Counting) -> None:
    """curl asks the phone for the resolver's name, as an app with DoH does at its start."""
    url = f"https://{DOH_NAME}/dns-query"
    done = lab.curl(BLOCKED, "--doh-url", url, f"http://{resolver.WEB}/", timeout=30)
    assert done.returncode != 0, done
    assert servers.seen == []
    assert events(lab, 1, bypass(BLOCKED, host=DOH_NAME))


def test_dns_over_https_by_its_server_name_alone_is_refused(lab: Lab, servers: Counting) -> None:
    pinned = f"{DOH_NAME}:{DOT}:{ANYBODY}"
    done = lab.curl(CAPTURED, "-k", "--resolve", pinned, f"https://{DOH_NAME}:{DOT}/", timeout=30)
    assert done.returncode != 0, done
    assert servers.seen == []
    found = events(lab, 1, bypass(CAPTURED, host=DOH_NAME, transport="tls"))
    assert [event["verdict"] for event in found] == ["block"]


def test_httpdns_at_an_address_is_refused(lab: Lab, servers: Counting) -> None:
    done = lab.curl(BLOCKED, f"http://{HTTPDNS}/100000/d?host={resolver.WEB}", timeout=30)
    assert done.returncode != 0, done
    assert servers.seen == []
    group = "203.107.1.0/24"
    assert events(lab, 1, lambda e: bypass(BLOCKED)(e) and e["reason"].get("rule") == group)


DATAGRAM = """
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(5)
s.connect((sys.argv[1], int(sys.argv[2])))
try:
    s.send(b"\\xc0 no ClientHello")
    print(s.recv(99).decode())
except OSError as error:
    print(type(error).__name__)
"""


@pytest.mark.parametrize("address", [DOH, ANYBODY])
def test_dns_over_quic_is_told_at_once(lab: Lab, servers: Counting, address: str) -> None:
    program = lab.directory / "datagram.py"
    program.write_text(DATAGRAM)
    done = lab.python(BLOCKED, program, address, str(DOT))
    assert done.stdout == "ConnectionRefusedError\n", done
    assert servers.seen == []
    assert events(lab, 1, bypass(BLOCKED, addr=address, port=DOT))
    assert lab.python(RECORDED, program, address, str(DOT)).stdout == "answer\n"
    assert servers.seen == [(address, DOT)]


def test_plain_dns_to_the_same_resolver_is_what_is_left(lab: Lab, servers: Counting) -> None:
    done = dig(lab, BLOCKED, f"@{DOH}")
    assert done.stdout.split() == [network.WEB4], done
    done = dig(lab, BLOCKED, "+tcp", f"@{DOH}")
    assert done.stdout.split() == [network.WEB4], done


def test_firefox_is_told_to_use_the_phones_resolver(lab: Lab) -> None:
    reply = lab.app(BLOCKED, ["dig", "+time=3", f"@{DOH}", "use-application-dns.net"], 30).stdout
    assert "status: NXDOMAIN" in reply


@pytest.mark.parametrize("app", [RECORDED, OFF], ids=["record", "off"])
def test_apps_that_the_setting_does_not_mean_get_through(
    lab: Lab, servers: Counting, app: App
) -> None:
    dig(lab, app, "+tls", f"@{DOH}")
    lab.curl(app, f"http://{HTTPDNS}/d", timeout=30)
    assert (DOH, DOT) in servers.seen and (HTTPDNS, 80) in servers.seen
    assert events(lab, 0, bypass(app)) == []
