"""What the network says of a datagram comes back to the app: too big, closed, no such host.

A third namespace, *far*, stands behind a router with a link of 1300 bytes.
"""

from __future__ import annotations

from typing import Iterator

import pytest
from helpers import events
from lab import muzzle, network, odd, policy, resolver
from lab.lab import BLOCKED, RECORDED, App, Lab
from lab.network import Namespace, in_here, ip

POLICY = policy.text()
LISTED = resolver.COLLECTED[0]
FAR4, FAR6 = "203.0.113.200", "2001:db8:113:1::200"
NOBODY4, NOBODY6 = "203.0.113.201", "2001:db8:113:1::201"
NARROW, NARROWER = 1400, 1300
CLOSED = 9

# Sends datagrams that may not be cut and prints what comes of each; in the end what the system
# has learned of the path. Options and numbers of ip(7) and ipv6(7).
CLIENT = """
import errno, socket, sys
host, port, sizes = sys.argv[1], int(sys.argv[2]), sys.argv[3:]
six = ":" in host
s = socket.socket(socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_DGRAM)
level, discover, mtu = (41, 23, 24) if six else (0, 10, 14)
s.setsockopt(level, discover, 2)
s.settimeout(3)
s.connect((host, port))
for size in sizes:
    try:
        s.send(b"x" * int(size))
        print(size, len(s.recv(65535)))
    except OSError as error:
        print(size, errno.errorcode.get(error.errno, type(error).__name__))
new = socket.socket(s.family, socket.SOCK_DGRAM)
new.connect((host, port))
print("mtu", new.getsockopt(level, mtu))
"""


@pytest.fixture(scope="module")
def lab(bare_lab: Lab) -> Iterator[Lab]:
    far = Namespace("far", bare_lab.directory)
    try:
        put_behind_a_router(bare_lab, far)
        echo = odd.UdpEcho(far, [FAR4] + ([FAR6] if network.has_ipv6() else []))
        bare_lab.start_muzzle(POLICY, extra=("--reach", "deep"))
        yield bare_lab
        echo.close()
    finally:
        far.close()


def put_behind_a_router(lab: Lab, far: Namespace) -> None:
    """internet becomes a router: to *far*, and to addresses that it knows to be nobody's."""
    here, there = str(lab.internet.holder.pid), str(far.holder.pid)
    ip("link", "add", "name", "isp1", "netns", here, "type", "veth",
       "peer", "name", "far0", "netns", there)  # fmt: skip
    for space, device in ((lab.internet, "isp1"), (far, "far0")):
        in_here(space, [f"link set {device} mtu {NARROWER}", f"link set {device} up"])
    in_here(lab.internet, ["addr add 10.8.0.1/24 dev isp1", f"route add {FAR4} via 10.8.0.2"])
    in_here(lab.internet, [f"route add unreachable {NOBODY4}"])
    in_here(far, ["addr add 10.8.0.2/24 dev far0", "route add default via 10.8.0.1"])
    in_here(far, [f"addr add {FAR4} dev lo"])
    forward = ["echo 1 > /proc/sys/net/ipv4/ip_forward"]
    if network.has_ipv6():
        in_here(lab.internet, ["addr add fd00:8::1/64 dev isp1 nodad"])
        in_here(lab.internet, [f"-6 route add {FAR6} via fd00:8::2"])
        in_here(lab.internet, [f"-6 route add unreachable {NOBODY6}"])
        in_here(far, ["addr add fd00:8::2/64 dev far0 nodad", f"addr add {FAR6} dev lo nodad"])
        in_here(far, ["-6 route add default via fd00:8::1"])
        forward.append("echo 1 > /proc/sys/net/ipv6/conf/all/forwarding")
    done = lab.internet.run(["sh", "-ec", "\n".join(forward)])
    assert done.returncode == 0, done.stderr


@pytest.fixture
def narrow(lab: Lab) -> Iterator[Lab]:
    """The phone's own link takes less than Ethernet."""
    in_here(lab.phone, [f"link set wifi0 mtu {NARROW}"])
    yield lab
    in_here(lab.phone, ["link set wifi0 mtu 1500"])


def client(lab: Lab, app: App, host: str, port: int, *sizes: int) -> list[str]:
    program = lab.directory / "uncut.py"
    program.write_text(CLIENT)
    done = lab.python(app, program, host, str(port), *map(str, sizes))
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def head(host: str) -> int:
    return 48 if ":" in host else 28


@pytest.mark.parametrize("host", [network.FILES4, network.FILES6])
def test_who_sends_more_than_ethernet_carries_is_cut_on_the_way(
    lab: Lab, ipv6: None, host: str
) -> None:
    """First of all tests, before the phone's system learns of anything smaller."""
    assert client(lab, BLOCKED, host, odd.ECHOES, 8000)[0] == "8000 8000"


@pytest.mark.parametrize("host", [network.FILES4, network.FILES6])
def test_the_phones_own_link_tells_what_it_takes(narrow: Lab, ipv6: None, host: str) -> None:
    fits = NARROW - head(host)
    said = client(narrow, BLOCKED, host, odd.ECHOES, fits + 1, fits)
    assert said == [f"{fits + 1} EMSGSIZE", f"{fits} {fits}", f"mtu {NARROW}"]


@pytest.mark.parametrize("host", [FAR4, FAR6])
def test_a_router_on_the_way_tells_what_it_takes(lab: Lab, ipv6: None, host: str) -> None:
    fits = NARROWER - head(host)
    said = client(lab, BLOCKED, host, odd.ECHOES, fits + 1, fits)
    assert said == [f"{fits + 1} EMSGSIZE", f"{fits} {fits}", f"mtu {NARROWER}"]


@pytest.mark.parametrize("host", [network.FILES4, network.FILES6])
def test_a_closed_port_at_an_address_is_closed(lab: Lab, ipv6: None, host: str) -> None:
    assert client(lab, BLOCKED, host, CLOSED, 10)[0] == "10 ECONNREFUSED"


@pytest.mark.parametrize("kind", ["A", "AAAA"])
def test_a_closed_port_behind_a_name_is_closed(lab: Lab, ipv6: None, kind: str) -> None:
    """The app's socket is connected to a fake address, ours to the real one."""
    server = muzzle.RESOLVER4
    fake = lab.dig(LISTED, kind, server=server).of(kind)[0]
    assert client(lab, RECORDED, fake, CLOSED, 10)[0] == "10 ECONNREFUSED"
    assert events(lab, 1, lambda event: event.get("host") == LISTED)


@pytest.mark.parametrize(
    "host, words", [(NOBODY4, "Destination Host Unreachable"), (NOBODY6, "Address unreachable")]
)
def test_ping_hears_of_a_host_that_is_not_there(
    lab: Lab, ipv6: None, host: str, words: str
) -> None:
    done = lab.app(BLOCKED, ["ping", "-n", "-c", "2", "-i", "1.1", "-W", "2", host])
    assert done.returncode == 1 and words in done.stdout, done
