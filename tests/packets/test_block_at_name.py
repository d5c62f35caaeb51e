"""`block_at = "name"`: where all apps agree, the name itself is refused."""

from __future__ import annotations

from helpers import events, holding
from lab import network, policy, resolver
from lab.lab import BLOCKED, Lab

POLICY = policy.text(apps=[BLOCKED], block_at="name")
LISTED = resolver.COLLECTED[0]


def test_a_blocked_name_has_no_addresses(clean: Lab) -> None:
    for kind in ("A", "AAAA"):
        reply = clean.dig(LISTED, kind, app=BLOCKED)
        assert (reply.status, reply.answers) == ("NOERROR", [])
        assert [(one.kind, one.ttl) for one in reply.authority] == [("SOA", 5)]
        assert reply.authority[0].data.split()[-1] == "5"  # The minimum: RFC 2308 §3.
    https = clean.dig(LISTED, "HTTPS", app=BLOCKED)
    assert (https.status, https.answers) == ("NOERROR", [])


def test_the_refusal_is_stored(clean: Lab) -> None:
    clean.dig(LISTED, "A", app=BLOCKED)
    found = events(clean, 1, holding(LISTED))
    assert found, "no event of the refused name"
    told = {(e["transport"], e["verdict"], e["state"]) for e in found}
    assert told == {("dns", "block", "blocked")}


def test_an_app_gets_no_further_than_the_name(clean: Lab) -> None:
    outcome = clean.curl(BLOCKED, f"http://{LISTED}/sa")
    assert outcome.returncode == 6, outcome  # curl: could not resolve host
    assert clean.collector.connections == []


def test_other_names_pass(clean: Lab) -> None:
    assert clean.dig(resolver.WEB, "A", app=BLOCKED).of("A") == [network.WEB4]
