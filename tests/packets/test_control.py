"""The lab without Muzzle: what leaves the phone when nobody stops it.

Without this control, "the collector received nothing" would prove nothing.
"""

from __future__ import annotations

import base64
import json

import pytest
from helpers import page, received_pages, sdk, tcp
from lab import network, odd, resolver, web
from lab.lab import BLOCKED, OFF, Lab

PHONE_RESOLVER = network.RESOLVER4


def test_an_unmuzzled_app_reaches_the_collector(bare_lab: Lab) -> None:
    outcome = sdk(bare_lab, BLOCKED, "control")
    assert outcome["delivered"], outcome
    assert received_pages(bare_lab) == [page("control")]


@pytest.mark.parametrize("family", ["--ipv4", "--ipv6"])
def test_the_collector_records_every_byte_in_its_file(bare_lab: Lab, family: str) -> None:
    """Of the connection that the request came by: a client may knock elsewhere too."""
    if family == "--ipv6" and not network.has_ipv6():
        pytest.skip("this kernel has no IPv6")
    bare_lab.collector.forget()
    done = bare_lab.curl(OFF, family, "--data", f"a={family}", "http://sa.api.intl.miui.com/sa")
    assert done.returncode == 0, done
    [used] = [one for one in bare_lab.collector.connections if one.requests]
    assert used.peer == {"--ipv4": network.PHONE4, "--ipv6": network.PHONE6}[family]
    lines = [json.loads(line) for line in (bare_lab.records / "collector.jsonl").read_text().splitlines()]
    lines = [line for line in lines if line["connection"] == used.number]
    assert lines[0]["what"] == "open"
    assert {line["peer"] for line in lines} == {used.peer}
    written = b"".join(base64.b64decode(line["base64"]) for line in lines if line["what"] == "data")
    assert written.startswith(b"POST /sa HTTP/1.1\r\n") and written.endswith(f"\r\n\r\na={family}".encode())
    assert (written, len(written)) == (bytes(used.received), used.total)


def test_the_collector_answers_like_the_vendors(bare_lab: Lab) -> None:
    answer = bare_lab.curl(OFF, "http://sa.api.intl.miui.com/debug")
    assert answer.stdout == web.READY


def test_a_refusing_collector_resets_connections(bare_lab: Lab) -> None:
    bare_lab.collector.refuse = True
    try:
        answer = bare_lab.curl(OFF, "http://sa.api.intl.miui.com/sa")
    finally:
        bare_lab.collector.refuse = False
    # The reset may come before curl has looked at its connection, which then counts as refused.
    assert answer.returncode in (7, 56), answer


def test_names_resolve_over_ipv4_and_ipv6_and_aliases(bare_lab: Lab) -> None:
    name = resolver.COLLECTED[0]
    assert bare_lab.dig(name, "A").of("A") == [network.COLLECTOR4]
    assert bare_lab.dig(name, "AAAA").of("AAAA") == [network.COLLECTOR6]
    assert bare_lab.dig(resolver.INNOCENT_ALIAS, "A").of("CNAME") == [name + "."]
    assert bare_lab.dig("no-such-name.example", "A").status == "NXDOMAIN"


def test_large_answers_need_tcp(bare_lab: Lab) -> None:
    cut = bare_lab.dig(resolver.LARGE_TXT, "TXT", "+ignore")
    assert "tc" in cut.flags
    whole = bare_lab.dig(resolver.LARGE_TXT, "TXT", "+tcp")
    assert len(whole.of("TXT")) == resolver.TXT_RECORDS


def test_the_odd_servers_do_as_they_say(bare_lab: Lab) -> None:
    sent = tcp(bare_lab, OFF, "half_close", resolver.FILES, str(odd.ANSWERS_AFTER_EOF), "1000")
    assert sent["answer"] == f"1000 {sent['sent']}\n"
    reset = tcp(bare_lab, OFF, "expects_reset", resolver.FILES, str(odd.RESETS))
    assert reset["error"] == "ConnectionResetError"
    back = tcp(bare_lab, OFF, "datagrams", resolver.FILES, str(odd.ECHOES), "10", "0", "1400")
    assert back == {"back": [10, 0, 1400], "error": None}
