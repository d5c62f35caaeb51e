"""What an app's setting does: the verdict, the stored event, and what the collector got."""

from __future__ import annotations

import json

import pytest
from helpers import events, holding, of_app, page, received_pages, sdk, tcp, visited
from lab import demo, odd, policy, resolver, sensors
from lab.lab import BLOCKED, CAPTURED, OFF, RECORDED, App, Lab

ANONYMOUS = App(10190, "", "")
POLICY = policy.text(default="block")
LISTED = resolver.COLLECTED[0]


def test_a_blocked_app_is_refused_at_once_and_nothing_leaves(clean: Lab) -> None:
    outcome = sdk(clean, BLOCKED, "blocked-page")
    assert outcome["delivered"] is False and "refused" in outcome["error"]
    assert outcome["seconds"] < 2
    found = events(clean, 1, of_app(BLOCKED))
    told = {(e["host"], e["verdict"], e["state"], e["app"]["uid"]) for e in found}
    assert told == {(LISTED, "block", "blocked", BLOCKED.uid)}
    assert {e["reason"]["code"] for e in found} == {"listed-host"}
    assert clean.collector.connections == []
    assert events(clean, 0, holding("blocked-page")) == []


@pytest.mark.parametrize("family", ["2", "10"])
def test_a_blocked_connection_is_refused_over_both_protocols(
    clean: Lab, ipv6: None, family: str
) -> None:
    for port in ("80", "443", "8080"):
        outcome = tcp(clean, BLOCKED, "attempt", LISTED, port, family)
        assert outcome["error"] == "ConnectionRefusedError 111", outcome
        assert outcome["seconds"] < 1
    assert clean.collector.connections == []


def test_datagrams_of_a_blocked_app_do_not_leave(clean: Lab) -> None:
    outcome = tcp(clean, BLOCKED, "datagrams", resolver.FILES, str(odd.ECHOES), "100", "100")
    assert outcome["back"] == [] and outcome["error"] == "ConnectionRefusedError", outcome
    assert clean.datagrams.sizes == []


def test_an_app_that_the_policy_does_not_name_gets_the_default(clean: Lab) -> None:
    outcome = tcp(clean, ANONYMOUS, "attempt", LISTED, "80")
    assert outcome["error"] == "ConnectionRefusedError 111", outcome
    found = events(clean, 1, lambda e: e.get("app", {}).get("uid") == ANONYMOUS.uid)
    assert found and all("package" not in e["app"] for e in found)


@pytest.mark.parametrize("consumer", ["batch", "default", "debug"])
def test_a_recorded_app_delivers_and_is_decoded(clean: Lab, consumer: str) -> None:
    token = f"recorded-{consumer}"
    url = sensors.URL.replace("/sa?", "/debug?") if consumer == "debug" else sensors.URL
    outcome = sdk(clean, RECORDED, token, url, consumer=consumer)
    assert outcome["delivered"], outcome
    assert received_pages(clean) == [page(token)]
    found = events(clean, 1, holding(token))
    assert visited(found) == [page(token)]
    (event,) = found
    assert event["host"] == LISTED
    assert event["app"] == {"uid": RECORDED.uid, "package": RECORDED.package}
    assert (event["verdict"], event["state"]) == ("record", "decoded")
    assert (event["transport"], event["protocol"]) == ("http", "sensors")
    assert {"visited-page", "identifier"} <= set(event["kinds"])
    assert sensors.COMMON["$device_id"] in [one["value"] for one in event["ids"]]


def test_a_search_is_decoded_in_words_of_any_script(clean: Lab) -> None:
    words = "погода 天气 मौसम"
    tracked = sensors.browsing(page("scripts"), words)
    done = clean.python(RECORDED, demo.PROGRAM, sensors.URL, json.dumps(tracked))
    assert done.returncode == 0, done.stderr
    found = events(clean, 2, lambda e: holding(words)(e) or holding("scripts")(e))
    searches = [f["value"] for e in found for f in e["fields"] if f.get("kind") == "search"]
    assert words in searches


def test_events_of_one_request_share_its_payload(clean: Lab) -> None:
    tracked = [("page_load_event_finish", {"url": page(f"shared-{n}")}) for n in range(9)]
    clean.python(RECORDED, demo.PROGRAM, sensors.URL, json.dumps(tracked))
    found = events(clean, 9, holding("/shared-"))
    assert len(found) == 9
    assert len({e["payload"]["sha256"] for e in found}) == 1


def test_the_server_that_was_reached_is_named(clean: Lab) -> None:
    sdk(clean, RECORDED, "server-named")
    (event,) = events(clean, 1, holding("server-named"))
    assert event["server"]["addr"] in ("203.0.113.9", "2001:db8:113::9")
    assert event["server"]["port"] == 80


def test_an_app_that_is_off_passes_and_is_not_looked_at(clean: Lab) -> None:
    outcome = sdk(clean, OFF, "off-page")
    assert outcome["delivered"], outcome
    assert received_pages(clean) == [page("off-page")]
    assert events(clean, 0, lambda e: of_app(OFF)(e) or holding("off-page")(e)) == []


def test_an_app_that_is_captured_believes_it_delivered(clean: Lab) -> None:
    assert sdk(clean, CAPTURED, "app-captured")["delivered"]
    (event,) = events(clean, 1, holding("app-captured"))
    assert visited([event]) == [page("app-captured")]
    assert (event["verdict"], event["state"]) == ("capture", "decoded")
    assert clean.collector.connections == []


def test_an_alias_of_a_tracker_is_judged_as_the_tracker(clean: Lab) -> None:
    url = f"http://{resolver.INNOCENT_ALIAS}/sa?project=x"
    assert sdk(clean, BLOCKED, "alias-blocked", url)["delivered"] is False
    assert clean.collector.connections == []
    assert sdk(clean, RECORDED, "alias-recorded", url)["delivered"] is True
    assert visited(events(clean, 1, holding("alias-recorded"))) == [page("alias-recorded")]


def test_ordinary_traffic_is_not_touched_and_not_stored(clean: Lab) -> None:
    for app in (BLOCKED, RECORDED, OFF):
        answer = clean.curl(app, f"http://{resolver.WEB}/untouched-{app.uid}")
        assert answer.stdout == f"GET /untouched-{app.uid}\n"
    assert events(clean, 0, holding("untouched")) == []


def test_a_collector_that_refuses_is_seen_by_the_app(clean: Lab) -> None:
    clean.collector.refuse = True
    try:
        assert sdk(clean, RECORDED, "collector-refuses")["delivered"] is False
    finally:
        clean.collector.refuse = False


def test_an_error_of_the_collector_reaches_the_app_and_the_event_is_kept(clean: Lab) -> None:
    clean.collector.status = "503 Service Unavailable"
    try:
        outcome = sdk(clean, RECORDED, "collector-fails")
    finally:
        clean.collector.status = "200 OK"
    assert outcome["delivered"] is False and "503" in outcome["error"]
    assert visited(events(clean, 1, holding("collector-fails"))) == [page("collector-fails")]


def test_bytes_are_counted_both_ways(clean: Lab) -> None:
    sdk(clean, RECORDED, "bytes-counted")
    (event,) = events(clean, 1, holding("bytes-counted"))
    assert event["bytes"]["up"] > 0
    assert event["payload"]["size"] == clean.collector.requests()[0].size

