"""Names: listed ones get fake addresses, all others pass unchanged."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest
from helpers import tcp
from lab import muzzle, network, policy, resolver
from lab.lab import OFF, RECORDED, Lab

POLICY = policy.text()
LISTED = resolver.COLLECTED[0]


def fake(address: str) -> bool:
    one = ip_address(address)
    return one in ip_network(muzzle.FAKE4 if one.version == 4 else muzzle.FAKE6)


@pytest.mark.parametrize("kind", ["A", "AAAA"])
def test_a_listed_name_gets_a_fake_address(lab: Lab, kind: str) -> None:
    answers = lab.dig(LISTED, kind).of(kind)
    assert len(answers) == 1 and fake(answers[0]), answers


def test_the_same_name_keeps_its_address_and_others_get_others(lab: Lab) -> None:
    first = lab.dig(LISTED, "A").of("A")
    assert lab.dig(LISTED, "A").of("A") == first
    assert lab.dig(LISTED.upper(), "A").of("A") == first
    assert lab.dig(resolver.COLLECTED[1], "A").of("A") != first


def test_a_fake_answer_lives_a_minute_and_no_longer(lab: Lab) -> None:
    answers = lab.dig(LISTED, "A").answers
    assert [one.ttl <= 60 for one in answers] == [True]


def test_a_subdomain_of_a_listed_name_is_listed(lab: Lab) -> None:
    answers = lab.dig("sa.tracking.intl.miui.com", "A").of("A")
    assert [fake(one) for one in answers] == [True], answers


def test_https_records_of_a_listed_name_are_blank(lab: Lab) -> None:
    reply = lab.dig(LISTED, "HTTPS")
    assert (reply.status, reply.answers) == ("NOERROR", [])


def test_https_records_of_other_names_pass(lab: Lab) -> None:
    assert lab.dig(resolver.WEB, "HTTPS").of("HTTPS") == ['1 . alpn="h2"']


@pytest.mark.parametrize("alias", [resolver.INNOCENT_ALIAS, resolver.FAR_ALIAS])
def test_a_tracker_behind_an_alias_is_caught(lab: Lab, alias: str) -> None:
    answers = lab.dig(alias, "A").of("A")
    assert answers and all(fake(one) for one in answers), answers


def test_unlisted_names_pass_unchanged(lab: Lab) -> None:
    for kind in ("A", "AAAA", "HTTPS"):
        real = lab.dig(resolver.WEB, kind, server=network.RESOLVER4, app=OFF)
        assert lab.dig(resolver.WEB, kind).answers == real.answers
    assert lab.dig(resolver.SMALL_TXT, "TXT").of("TXT") == ['"plain words"']


def test_a_never_blocked_name_keeps_its_real_address(lab: Lab) -> None:
    assert lab.dig(resolver.NEVER_BLOCKED, "A").of("A") == [network.WEB4]


def test_a_name_that_does_not_exist_stays_so(lab: Lab) -> None:
    assert lab.dig("no-such-name.example", "A").status == "NXDOMAIN"


def test_a_large_answer_is_cut_over_udp_and_whole_over_tcp(lab: Lab) -> None:
    assert "tc" in lab.dig(resolver.LARGE_TXT, "TXT", "+ignore", "+bufsize=1232").flags
    texts = [f'"{resolver.txt_value(index)}"' for index in range(resolver.TXT_RECORDS)]
    assert lab.dig(resolver.LARGE_TXT, "TXT").of("TXT") == texts
    assert lab.dig(resolver.LARGE_TXT, "TXT", "+tcp").of("TXT") == texts


def test_listed_names_get_fake_addresses_over_tcp_too(lab: Lab) -> None:
    answers = lab.dig(LISTED, "A", "+tcp").of("A")
    assert answers == lab.dig(LISTED, "A").of("A") and fake(answers[0])


def test_several_questions_on_one_tcp_connection_are_all_answered(lab: Lab) -> None:
    """A DNS socket closed after one reply is a fault that other engines had."""
    names = [LISTED, resolver.WEB, resolver.COLLECTED[1]]
    done = lab.app(
        RECORDED, ["dig", f"@{muzzle.RESOLVER4}", "+tcp", "+keepopen", "+short", "+time=3", *names]
    )
    assert len(done.stdout.split()) == 3, done.stdout


def test_the_resolver_answers_over_ipv6(lab: Lab, ipv6: None) -> None:
    answers = lab.dig(LISTED, "AAAA", server=muzzle.RESOLVER6).of("AAAA")
    assert answers == lab.dig(LISTED, "AAAA").of("AAAA")
    assert lab.dig(resolver.WEB, "AAAA", server=muzzle.RESOLVER6).of("AAAA") == [network.WEB6]


@pytest.mark.parametrize("server", [muzzle.RESOLVER4, muzzle.RESOLVER6])
def test_dns_over_tls_is_refused_at_once(lab: Lab, ipv6: None, server: str) -> None:
    outcome = tcp(lab, RECORDED, "attempt", server, "853")
    assert outcome["error"] == "ConnectionRefusedError 111", outcome
    assert outcome["seconds"] < 1


def test_a_silent_upstream_becomes_an_error_and_recovers(lab: Lab) -> None:
    lab.resolver.pause()
    try:
        assert lab.dig(resolver.WEB, "A", "+time=12").status == "SERVFAIL"
    finally:
        lab.resolver.resume()
    assert lab.dig(resolver.WEB, "A").of("A") == [network.WEB4]


def test_a_malformed_question_stops_nothing(lab: Lab) -> None:
    for size in ("0", "1", "11", "12", "40", "4000"):
        tcp(lab, RECORDED, "fling", muzzle.RESOLVER4, "53", size)
    assert lab.dig(resolver.WEB, "A").of("A") == [network.WEB4]
