"""The phone comes to another network while connections live."""

from __future__ import annotations

import json

from helpers import CLIENT, sdk, tcp
from lab import network, odd, policy, resolver
from lab.lab import RECORDED, Lab

POLICY = policy.text()
# A second network of the phone, which stays.
STAYS, STAYS_GATE = "10.9.1.1", "10.9.1.2"
NEW = "10.9.0.77"
SECONDS = "8"


def ip(lab: Lab, *lines: str) -> None:
    for line in lines:
        done = lab.phone.run(["ip", *line.split()])
        assert done.returncode == 0, (line, done.stderr)


def started(lab: Lab, what: str):  # type: ignore[no-untyped-def]
    address = lab.dig(resolver.FILES, "A").of("A")[0]  # By IPv4: the phone's other one stays.
    client = lab.start_python(RECORDED, CLIENT, what, address, str(odd.ECHOES), SECONDS)
    assert client.stderr.readline() == "held\n"
    return client


def result(client) -> dict:  # type: ignore[no-untyped-def,type-arg]
    told, wrong = client.communicate(timeout=40)
    assert client.returncode == 0, wrong
    return json.loads(told)


def test_what_spoke_from_an_address_that_is_gone_ends_and_the_rest_goes_on(lab: Lab) -> None:
    assert lab.internet.run(["ip", "addr", "add", f"{STAYS_GATE}/24", "dev", "isp0"]).returncode == 0
    ip(lab, f"addr add {STAYS}/24 dev wifi0", f"route add {network.FILES4} via {STAYS_GATE}")
    kept = started(lab, "held")
    ip(lab, f"route del {network.FILES4} via {STAYS_GATE}")
    lost, datagrams = started(lab, "held"), started(lab, "held_datagrams")

    ip(lab, f"addr del {network.PHONE4}/24 dev wifi0", f"addr add {NEW}/24 dev wifi0")
    ip(lab, f"route replace default via {network.GATE4}")

    told = result(lost)
    assert told["ended"] == "ConnectionResetError", told
    told = result(datagrams)
    assert told["back"] and told["back"][-1] >= told["sent"] - 3, told
    told = result(kept)
    assert told["ended"] is None, told
    # New connections and questions are made from the new address.
    assert tcp(lab, RECORDED, "attempt", resolver.FILES, str(odd.ECHOES))["error"] is None
    assert lab.dig(resolver.WEB, "A").of("A") == [network.WEB4]
    assert sdk(lab, RECORDED, "moved")["delivered"]
