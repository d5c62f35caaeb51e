"""Deep reach: everything the phone sends goes through the core, bare addresses too."""

from __future__ import annotations

import socket
import subprocess
from pathlib import Path
from typing import Iterator

import pytest
from helpers import DEEP, certificate, database, events, of_app, tcp
from lab import network, odd, policy, resolver, web
from lab.lab import BLOCKED, CAPTURED, OFF, RECORDED, App, Lab

QUIC_HOST = "example.com"  # The name in the datagram of RFC 9001, Appendix A.2.
POLICY = policy.text(hosts=[(QUIC_HOST, "block")], host_apps=[(QUIC_HOST, RECORDED.package, "record")])
OPTIONS = DEEP
INITIAL = Path(__file__).resolve().parents[2] / "rust-core/tests/data/quic/rfc9001-a2.bin"
LISTED = resolver.COLLECTED[0]
TLS = 443
LARGE = 20_000_000


@pytest.fixture(scope="module")
def tls_server(bare_lab: Lab) -> Iterator[None]:
    """A TLS server at the collector's address; it serves one page for every name."""
    key, chain = certificate(bare_lab)
    server = bare_lab.internet.start(
        ["openssl", "s_server", "-accept", f"{network.COLLECTOR4}:{TLS}", "-quiet", "-www"]
        + ["-key", str(key), "-cert", str(chain)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    yield
    network.end(server)


def at_address(lab: Lab, app: App, name: str, scheme: str, *more: str) -> subprocess.CompletedProcess:
    """curl to a name whose address the app has built in."""
    port = {"http": 80, "https": TLS}[scheme]
    pinned = f"{name}:{port}:{network.COLLECTOR4}"
    return lab.curl(
        app, "-k", "--resolve", pinned, "--retry", "5", "--retry-connrefused", "-o", "/dev/null",
        "-w", "%{http_code}", *more, f"{scheme}://{name}/",
    )  # fmt: skip


def of(app: App, host: str):  # type: ignore[no-untyped-def]
    return lambda event: of_app(app)(event) and event.get("host") == host


def test_a_listed_host_at_a_built_in_address_is_blocked_by_its_host_line(clean: Lab) -> None:
    done = at_address(clean, BLOCKED, "tracking.miui.com", "http", "--retry", "0")
    assert done.returncode == 56, done.stderr
    found = events(clean, 1, of(BLOCKED, "tracking.miui.com"))
    assert [(e["state"], e["transport"], e["verdict"]) for e in found] == [("blocked", "http", "block")]
    assert clean.collector.connections == []


def test_a_listed_host_is_blocked_by_its_server_name(clean: Lab, tls_server: None) -> None:
    done = at_address(clean, BLOCKED, "data.mistat.xiaomi.com", "https", "--retry", "0")
    assert done.returncode == 35, done.stderr
    found = events(clean, 1, of(BLOCKED, "data.mistat.xiaomi.com"))
    assert [(e["state"], e["transport"]) for e in found] == [("blocked", "tls")]


def test_a_recorded_server_name_passes_and_is_encrypted(clean: Lab, tls_server: None) -> None:
    assert at_address(clean, RECORDED, "data.mistat.xiaomi.com", "https").stdout == "200"
    found = events(clean, 1, of(RECORDED, "data.mistat.xiaomi.com"))
    assert [(e["state"], e["transport"]) for e in found] == [("encrypted", "tls")]
    assert found[0]["server"] == {"addr": network.COLLECTOR4, "port": TLS}


def test_other_names_at_the_same_address_pass_unseen(clean: Lab, tls_server: None) -> None:
    """A tracker and a good site on one address: the name decides, not the address."""
    assert at_address(clean, BLOCKED, "good.example.net", "https").stdout == "200"
    assert at_address(clean, BLOCKED, "good.example.net", "http").stdout != "000"
    assert events(clean, 0, lambda event: event.get("host") == "good.example.net") == []


def test_an_app_that_is_off_passes(clean: Lab, tls_server: None) -> None:
    assert at_address(clean, OFF, "data.mistat.xiaomi.com", "https").stdout == "200"
    assert events(clean, 0, of_app(OFF)) == []


def test_a_captured_request_to_an_address_is_answered_here(clean: Lab) -> None:
    done = at_address(clean, CAPTURED, LISTED, "http", "-d", "x=1")
    assert done.stdout == "200", done.stderr
    assert clean.collector.connections == []
    assert [e["verdict"] for e in events(clean, 1, of(CAPTURED, LISTED))] == ["capture"]


def test_a_captured_server_name_is_refused(clean: Lab, tls_server: None) -> None:
    done = at_address(clean, CAPTURED, "tracking.miui.com", "https", "--retry", "0")
    assert done.returncode == 35, done.stderr
    found = events(clean, 1, of(CAPTURED, "tracking.miui.com"))
    assert [(e["state"], e["verdict"]) for e in found] == [("blocked", "block")]


def test_large_downloads_from_addresses_arrive_whole(clean: Lab) -> None:
    script = f"curl -sS http://{network.FILES4}/bytes/{LARGE} | sha256sum"
    done = clean.app(BLOCKED, ["bash", "-c", script], timeout=120)
    assert done.stdout == f"{web.pattern_sha256(LARGE)}  -\n", done.stderr


@pytest.mark.parametrize("size", ["0", "1", "65536"])
def test_half_close_is_passed_on(clean: Lab, size: str) -> None:
    done = tcp(clean, BLOCKED, "half_close", network.FILES4, str(odd.ANSWERS_AFTER_EOF), size)
    assert done["answer"] == f"{size} {done['sent']}\n"


def test_a_refused_port_is_refused(clean: Lab) -> None:
    outcome = tcp(clean, BLOCKED, "attempt", network.FILES4, "81", "2")
    assert outcome["error"] == "ConnectionRefusedError 111", outcome


def test_plain_dns_to_any_resolver_is_caught(clean: Lab) -> None:
    """dig names a resolver that does not exist."""
    done = clean.app(BLOCKED, ["dig", "+short", "+time=3", "@192.0.2.99", LISTED])
    assert done.stdout.startswith("198.1"), done
    done = clean.app(BLOCKED, ["dig", "+short", "+time=3", "@192.0.2.99", resolver.WEB])
    assert network.WEB4 in done.stdout.split(), done


DATAGRAMS = """
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(5)
for size in (0, 1, 1200, 8000):
    s.sendto(b"x" * size, (sys.argv[1], int(sys.argv[2])))
    data, peer = s.recvfrom(65535)
    print(len(data), *peer)
"""


def test_datagrams_pass_both_ways_empty_ones_too(clean: Lab) -> None:
    program = clean.directory / "datagrams.py"
    program.write_text(DATAGRAMS)
    done = clean.python(BLOCKED, program, network.FILES4, str(odd.ECHOES))
    peer = f"{network.FILES4} {odd.ECHOES}"
    assert done.stdout == "".join(f"{size} {peer}\n" for size in (0, 1, 1200, 8000)), done.stderr


QUIC = """
import socket, sys
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.settimeout(3)
s.connect((sys.argv[1], 443))
try:
    for _ in range(2):
        s.send(open(sys.argv[2], "rb").read()[2:])
    print(len(s.recv(65535)))
except OSError as error:
    print(type(error).__name__)
"""


@pytest.fixture(scope="module")
def http3_port(bare_lab: Lab) -> Iterator[socket.socket]:
    """A socket at the place of an HTTP/3 server."""

    def bind() -> socket.socket:
        one = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        one.bind((network.FILES4, 443))
        one.settimeout(2)
        return one

    with bare_lab.internet.inside(bind) as one:
        yield one


def quic(lab: Lab, app: App) -> subprocess.Popen:
    program, initial = lab.directory / "quic.py", lab.directory / "initial.bin"
    program.write_text(QUIC)
    initial.write_bytes(INITIAL.read_bytes())
    initial.chmod(0o644)
    return lab.start_python(app, program, network.FILES4, str(initial))


def test_a_blocked_quic_client_is_told_at_once(clean: Lab, http3_port: socket.socket) -> None:
    told, wrong = quic(clean, BLOCKED).communicate(timeout=20)
    assert told == "ConnectionRefusedError\n", wrong
    with pytest.raises(TimeoutError):
        http3_port.recv(65535)
    found = events(clean, 1, of(BLOCKED, QUIC_HOST))
    assert {(e["state"], e["transport"]) for e in found} == {("blocked", "quic")}


def test_a_recorded_quic_client_passes_and_is_encrypted(
    clean: Lab, http3_port: socket.socket
) -> None:
    client = quic(clean, RECORDED)
    sent = INITIAL.read_bytes()[2:]
    for _ in range(2):
        data, peer = http3_port.recvfrom(65535)
        assert data == sent
    http3_port.sendto(b"answer", peer)
    assert client.communicate(timeout=20)[0] == "6\n"
    found = events(clean, 1, of(RECORDED, QUIC_HOST))
    assert [(e["state"], e["transport"]) for e in found] == [("encrypted", "quic")]


def test_nothing_of_this_is_stored_but_events_of_listed_hosts(clean: Lab) -> None:
    hosts = {event.get("host") for event in events(clean, 1, lambda event: True)}
    listed = {"tracking.miui.com", "data.mistat.xiaomi.com", LISTED, QUIC_HOST}
    assert hosts <= listed, hosts
    assert database(clean).exists()
