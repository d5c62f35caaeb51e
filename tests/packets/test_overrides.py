"""The owner's word about one host, for all apps or one; capture among them."""

from __future__ import annotations

from helpers import events, holding, page, received_pages, sdk, tcp, visited
from lab import policy, resolver
from lab.lab import BLOCKED, OFF, RECORDED, Lab

SA, MISTAT, TRACKING = resolver.COLLECTED
POLICY = policy.text(
    hosts=[(SA, "capture"), (MISTAT, "allow"), (resolver.WEB, "block")],
    host_apps=[(TRACKING, RECORDED.package, "block"), (TRACKING, BLOCKED.package, "record")],
)


def test_a_captured_upload_is_answered_here_and_does_not_leave(clean: Lab) -> None:
    for app in (BLOCKED, RECORDED):
        token = f"captured-{app.uid}"
        outcome = sdk(clean, app, token)
        assert outcome["delivered"], outcome
        found = events(clean, 1, holding(token))
        assert visited(found) == [page(token)]
        (event,) = found
        assert (event["verdict"], event["state"]) == ("capture", "decoded")
        assert event["reason"]["code"] == "host-override"
    assert clean.collector.connections == []


def test_a_captured_get_is_answered_with_success(clean: Lab) -> None:
    answer = clean.curl(BLOCKED, "--write-out", "%{http_code}", "--output", "/dev/null", f"http://{SA}/sa.gif?a=1")
    assert answer.stdout == "200", answer
    assert clean.collector.connections == []


def test_captured_connections_are_kept_alive_like_the_vendors(clean: Lab) -> None:
    url = f"http://{SA}/sa?project=x"
    answer = clean.curl(
        BLOCKED, "--data", "a=1", url, "--next", "--silent", "--data", "b=2", url,
        "--write-out", "%{http_code} %{num_connects} ",
    )  # fmt: skip
    assert answer.returncode == 0, answer
    assert clean.collector.connections == []


def test_capture_does_not_reach_apps_that_are_off(clean: Lab) -> None:
    assert sdk(clean, OFF, "captured-off")["delivered"]
    assert received_pages(clean) == [page("captured-off")]
    assert events(clean, 0, holding("captured-off")) == []


def test_an_allowed_host_passes_for_a_blocked_app_unrecorded(clean: Lab) -> None:
    url = f"http://{MISTAT}/sa?project=x"
    assert sdk(clean, BLOCKED, "host-allowed", url)["delivered"]
    assert received_pages(clean) == [page("host-allowed")]
    assert events(clean, 0, holding("host-allowed")) == []


def test_an_override_for_one_app_leaves_the_others_alone(clean: Lab) -> None:
    url = f"http://{TRACKING}/sa?project=x"
    assert sdk(clean, RECORDED, "one-app", url)["delivered"] is False
    assert clean.collector.connections == []
    assert sdk(clean, BLOCKED, "one-app-record", url)["delivered"] is True
    assert visited(events(clean, 1, holding("one-app-record"))) == [page("one-app-record")]


def test_an_unlisted_host_can_be_blocked_by_its_owner(clean: Lab) -> None:
    outcome = tcp(clean, BLOCKED, "attempt", resolver.WEB, "80")
    assert outcome["error"] == "ConnectionRefusedError 111", outcome
    assert clean.web.connections == []
