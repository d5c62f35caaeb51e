"""What was reported of Xiaomi's phones in 2020, line by line, and that `muzzle events` shows it in words.

G. Cirlig and A. Tierney showed what these apps sent home. Each row of PROMISES says what they reported,
sends a request of that form through the tunnel, as that app, and names the words that its owner must
then be able to read. What is not one request with one sentence has a test of its own below.
"""

from __future__ import annotations

import base64
import datetime
import gzip
import hashlib
import json
import subprocess
import time
import urllib.parse
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable

import pytest
from helpers import DEEP, STORED_WITHIN, database, events, holding, page, tcp
from lab import demo, muzzle, network, policy, resolver, sensors, web
from lab.lab import App, Lab

MI_BROWSER = App(10201, "com.android.browser", "record")
PRO = App(10202, "com.mi.globalbrowser", "record")
MINT = App(10203, "com.mi.globalbrowser.mini", "record")
PLAYER = App(10204, "com.miui.player", "record")
UPLOADER = App(10205, "com.miui.analytics", "record")
SHOP = App(10206, "com.example.shop", "record")
APPS = [MI_BROWSER, PRO, MINT, PLAYER, UPLOADER, SHOP]
# Android's own system user, and an app, of which the policy says nothing.
SYSTEM, UNTOUCHED = App(1000, "", ""), App(10250, "", "")

POLICY = policy.text(APPS, hosts=[(resolver.WEB, "record")], default="block")
VECTORS = Path(__file__).resolve().parents[2] / "rust-core" / "tests" / "data"
MISTAT, TRACKING = "data.mistat.intl.xiaomi.com", "tracking.intl.miui.com"

Send = Callable[[Lab, App], None]


def tracked(*told: tuple[str, dict[str, Any]], url: str = sensors.URL) -> Send:
    """Events that the real Sensors SDK tracks, sends and sees delivered."""

    def send(lab: Lab, app: App) -> None:
        common = json.dumps(sensors.COMMON)
        done = lab.python(app, demo.PROGRAM, url, json.dumps(told), "--common", common)
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout)["delivered"], done.stdout

    return send


def post(lab: Lab, app: App, url: str, body: bytes, *headers: str) -> None:
    """One POST by curl, delivered."""
    options = [option for header in headers for option in ("--header", header)]
    # Without the name that curl would give to any body: senders do not all say what it is.
    sent = ["--header", "Content-Type:", *options, "--data-binary", "@-", "--fail", url]
    done = lab.curl(app, *sent, input=body, text=False)
    assert done.returncode == 0, done.stderr


def onetrack(*told: tuple[str, dict[str, Any]]) -> Send:
    """Events as OneTrack sends them in clear."""
    head = {"app_id": "31000000456", "instance_id": "6fd7f6de-9d5f-4c53-8d53-6a8e2f7bb10c"}

    def send(lab: Lab, app: App) -> None:
        now = int(time.time() * 1000)
        listed = [{"H": {"event": name, **head, "e_ts": now}, "B": said} for name, said in told]
        post(lab, app, f"http://{TRACKING}/track/v4/o", json.dumps(listed).encode())

    return send


def miui(package: str, *told: tuple[str, dict[str, Any]]) -> Send:
    """Events as com.miui.analytics uploads them for other apps: gzip in base64 in a form."""

    def send(lab: Lab, app: App) -> None:
        now = int(time.time() * 1000)
        head = {"android_id": "9113946abd821d52", "model": "Redmi K20", "pkg": package}
        body = [{"H": {"event": name, "e_ts": now, "pkg": package}, "B": said} for name, said in told]
        packed = gzip.compress(json.dumps({"H": head, "B": body}).encode())
        value = base64.urlsafe_b64encode(packed).decode()
        form = {"value": value, "sign": "0d1c2b3a", "ts": str(now), "nonce": "42"}
        url = f"http://{TRACKING}/track/spock?gzip=1"
        post(lab, app, url, urllib.parse.urlencode(form).encode())

    return send


def vector(name: str, host: str) -> Send:
    """A request of the decoders' own tests."""

    def send(lab: Lab, app: App) -> None:
        head, _, body = (VECTORS / f"{name}.http").read_bytes().partition(b"\r\n\r\n")
        line, *headers = head.decode().split("\r\n")
        ours = ("host:", "content-length:")
        kept = [one for one in headers if not one.lower().startswith(ours)]
        post(lab, app, f"http://{host}{line.split(' ')[1]}", body, *kept)

    return send


@dataclass(frozen=True)
class Promise:
    """A line of the report: who sent what, and the words that must be read of it."""

    reported: str
    app: App
    send: Send
    kind: str
    words: tuple[str, ...]


PROMISES = [
    *(
        Promise(
            f"{app.package} sends every visited address, incognito too",
            app,
            # Nothing in the request tells one mode from the other, so both must show.
            tracked(
                ("page_load_event_finish", {"url": page(f"open/{app.uid}")}),
                ("page_load_event_finish", {"url": f"https://clinic.example.net/private/{app.uid}?q=1"}),
            ),
            "visited-page",
            (
                f"reported a visited page: {page(f'open/{app.uid}')}",
                f"reported a visited page: https://clinic.example.net/private/{app.uid}?q=1",
            ),
        )
        for app in (MI_BROWSER, PRO, MINT)
    ),
    *(
        Promise(
            f"searches on {engine}",
            MINT,
            tracked(("search", {"used_searchengine": engine, "search_word": words, "search_method": "input"})),
            "search",
            (f"reported a search: {words} (on {engine})",),
        )
        for engine, words in (("google", "am I being watched"), ("duckduckgo", "मानसून कब आएगा"))
    ),
    Promise(
        "items viewed in the news feed",
        PRO,
        onetrack(("view", {"news_id": "n-4711", "news_title": "Monsoon reaches Kerala", "position": 3})),
        "content-viewed",
        ("reported content viewed: Monsoon reaches Kerala",),
    ),
    Promise(
        "folders opened, screens swiped to, the status bar, the settings page",
        UPLOADER,
        miui(
            "com.miui.home",
            ("open_folder", {"folder_name": "Games"}),
            ("screen_swipe", {"from_screen": 1, "to_screen": 2}),
            ("status_bar_expand", {}),
            ("settings_open", {"settings_page": "WifiSettings"}),
        ),
        "feature-used",
        (
            "reported a screen or feature used: Games (open_folder)",
            "reported a screen or feature used: 2 (screen_swipe)",
            "reported a screen or feature used: status_bar_expand",
            "reported a screen or feature used: WifiSettings (settings_open)",
        ),
    ),
    Promise(
        "what was played in the music app and when",
        PLAYER,
        vector("mistat/synthetic-v2-ecb", MISTAT),
        "media-played",
        ("reported media played: Raga Yaman", "it happened 2026-11-21 08:00:00 UTC"),
    ),
    Promise(
        "device identifiers, Android version, model",
        SHOP,
        tracked(("heartbeat", {"imei": "352099001761481"})),
        "identifier",
        ("device facts", "identifiers"),
    ),
    Promise(
        "what is encrypted passed: from which app, to whom, how much",
        UPLOADER,
        vector("onetrack/synthetic-android-v4", TRACKING),
        "device-fact",
        (f"sent something encrypted to {TRACKING} (",),
    ),
]


def sentences(lab: Lab, *filters: str) -> list[tuple[str, str]]:
    """What `muzzle events` prints: for each event who and to whom, and what."""
    done = muzzle.command("events", "--db", str(database(lab)), *filters)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    return list(zip(lines[::2], lines[1::2], strict=True))


def shown(lab: Lab, app: App, words: str, *filters: str) -> str:
    """The line that names the app, of the event that is told in these words, once it is there."""
    deadline = time.monotonic() + STORED_WITHIN
    while True:
        printed = sentences(lab, *filters)
        for who, what in printed:
            if app.package in who and words in what:
                return who
        assert time.monotonic() < deadline, f"{words!r} of {app.package} is not in {printed}"
        time.sleep(0.2)


@pytest.mark.parametrize("promise", PROMISES, ids=lambda promise: promise.reported)
def test_what_was_reported_is_shown_in_words(clean: Lab, promise: Promise) -> None:
    promise.send(clean, promise.app)
    today = datetime.datetime.now(datetime.timezone.utc).strftime("%Y-%m-%d ")
    for words in promise.words:
        who = shown(clean, promise.app, words, "--kind", promise.kind)
        assert who.startswith(today), who
    assert clean.collector.requests(), "what is recorded is delivered"


def test_an_app_that_uploads_for_another_names_both(clean: Lab) -> None:
    miui("com.miui.home", ("open_folder", {"folder_name": "Banking"}))(clean, UPLOADER)
    who = shown(clean, UPLOADER, "Banking")
    assert "com.miui.analytics (for com.miui.home)" in who


def test_identifiers_tell_which_apps_and_hosts_share_them_and_since_when(clean: Lab) -> None:
    before = datetime.datetime.now(datetime.timezone.utc)
    shared = {"oaid": f"shared{int(before.timestamp())}"}
    tracked(("heartbeat", shared))(clean, MINT)
    onetrack(("heartbeat", shared))(clean, SHOP)
    assert len(events(clean, 2, holding(shared["oaid"]))) == 2
    seen = muzzle.stats(database(clean))["identifiers"]
    (one,) = [one for one in seen if one["value"] == shared["oaid"]]
    assert one["kind"] == "oaid"
    assert [app["package"] for app in one["apps"]] == [MINT.package, SHOP.package]
    assert one["hosts"] == [sensors.HOST, TRACKING]
    first, last = (datetime.datetime.fromisoformat(one[key]) for key in ("first", "last"))
    assert before - datetime.timedelta(seconds=1) <= first <= last
    printed = muzzle.command("stats", "--db", str(database(clean))).stdout
    row = next(line for line in printed.splitlines() if shared["oaid"] in line)
    assert row.split() == ["OAID", shared["oaid"], "2", "2", f"{first:%Y-%m-%d}", f"{last:%Y-%m-%d}"]


def test_device_facts_and_identifiers_are_named_field_by_field(clean: Lab) -> None:
    tracked(("facts", {"imei": "352099001761481", "sn": "4f6c1b2d"}))(clean, SHOP)
    (event,) = events(clean, 1, lambda one: one.get("event") == "facts")
    facts = {f["path"]: f["value"] for f in event["fields"] if f["kind"] == "device-fact"}
    assert facts["properties.$os_version"] == "10" and facts["properties.$model"] == "Redmi Note 8"
    ids = {(one["kind"], one["value"]) for one in event["ids"]}
    device = ("android_id", sensors.COMMON["$device_id"])
    assert {device, ("imei", "352099001761481"), ("serial", "4f6c1b2d")} <= ids


def test_a_payload_in_base64_stands_beside_its_decoded_fields(clean: Lab) -> None:
    url = page("beside-its-bytes")
    tracked(("page_load_event_finish", {"url": url}))(clean, MINT)
    (event,) = events(clean, 1, holding(url))
    assert demo.values([event], "visited-page", "properties.url") == [url]
    raw = subprocess.run(
        [str(muzzle.program()), "events", "--db", str(database(clean)), "--raw", str(event["id"])],
        capture_output=True,
        check=True,
    ).stdout
    body = raw.partition(b"\r\n\r\n")[2]
    (received,) = clean.collector.requests()
    assert body == received.body and url.encode() not in body
    assert event["payload"] == {"sha256": received.sha256, "size": received.size, "stored": True}
    assert hashlib.sha256(body).hexdigest() == received.sha256
    again = subprocess.run(
        [str(muzzle.program()), "decode", "--raw", "--json", "-"], input=raw, capture_output=True, check=True
    ).stdout
    assert json.loads(again)["fields"] == event["fields"]


@pytest.mark.parametrize("path", ["/sa?project=x", "/", "/any/where.php?v=2", "/debug"])
def test_sensors_analytics_is_recognised_by_its_form_on_any_host_and_path(clean: Lab, path: str) -> None:
    url = page("form" + path)
    body = gzip.compress(
        json.dumps(
            [{"type": "track", "event": "page_load_event_finish", "time": int(time.time() * 1000)}
             | {"distinct_id": "d", "properties": {"url": url}, "lib": {"$lib": "Android"}}]
        ).encode()
    )  # fmt: skip
    form = urllib.parse.urlencode({"data_list": base64.b64encode(body).decode(), "gzip": "1"})
    post(clean, SHOP, f"http://{resolver.WEB}{path}", form.encode())
    who = shown(clean, SHOP, f"reported a visited page: {url}", "--host", resolver.WEB)
    assert who.endswith("recorded  Sensors Analytics"), who


def test_the_question_for_a_collector_and_its_answer_pass_and_are_named(clean: Lab) -> None:
    answer = clean.curl(MINT, f"http://{sensors.HOST}/debug?project=default").stdout
    assert answer == "Sensors Analytics is ready to receive your data!"
    who = shown(clean, MINT, "debug-probe")
    assert who.endswith("recorded  Sensors Analytics"), who


@pytest.mark.parametrize("app", [SYSTEM, UNTOUCHED], ids=["the system", "an app"])
def test_what_nobody_has_set_is_covered_the_system_too(clean: Lab, app: App) -> None:
    for host in (sensors.HOST, TRACKING, MISTAT):
        outcome = tcp(clean, app, "attempt", host, "80")
        assert outcome["error"] == "ConnectionRefusedError 111", outcome
        who = shown(clean, App(app.uid, f"uid {app.uid}", ""), f"was stopped before sending anything to {host}")
        assert who.endswith("blocked"), who
    assert clean.collector.connections == []


# Of a range that Alibaba has registered in Singapore. Here it is on the lab's own internet.
SINGAPORE = "8.214.160.1"


def test_the_server_that_was_contacted_tells_its_country_and_its_operator() -> None:
    with Lab("test_promises_server") as lab:
        network.in_here(lab.internet, [f"addr add {SINGAPORE} dev lo"])
        server = web.Collector(lab.internet, [SINGAPORE], [80])
        try:
            running = lab.start_muzzle(policy.text([MINT]), extra=DEEP)
            told = {"type": "track", "event": "page_load_event_finish", "distinct_id": "d", "lib": {}}
            told["properties"] = {"url": page("far-away")}
            data = base64.b64encode(json.dumps(told).encode()).decode()
            to = ["--resolve", f"{sensors.HOST}:80:{SINGAPORE}", f"http://{sensors.HOST}/sa"]
            done = lab.curl(MINT, "--fail", "--data-urlencode", f"data={data}", *to)
            assert done.returncode == 0, done.stderr
            who = shown(lab, MINT, f"reported a visited page: {page('far-away')}")
            assert f"{sensors.HOST} (Singapore, Alibaba" in who, who
            (event,) = events(lab, 1, holding("far-away"))
            assert (event["server"]["addr"], event["server"]["country"]) == (SINGAPORE, "SG")
            assert len(server.requests()) == 1 and running.stop() == 0
        finally:
            server.close()


CLOCK = """
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>
int clock_gettime(clockid_t clock, struct timespec *now) {
    int (*real)(clockid_t, struct timespec *) = dlsym(RTLD_NEXT, "clock_gettime");
    int done = real(clock, now);
    if (clock == CLOCK_REALTIME) now->tv_sec += atol(getenv("CLOCK_AHEAD"));
    return done;
}
"""
DAY = 86_400


def on_day(lab: Lab, library: Path, days: int, told: list[tuple[str, dict[str, Any]]]) -> str:
    """Runs Muzzle for these events with its clock some days ahead, to its end; gives that day."""
    wrap = ("env", f"LD_PRELOAD={library}", f"CLOCK_AHEAD={days * DAY}")
    running = lab.start_muzzle(policy.text([MINT]), wrap=wrap)
    tracked(*told)(lab, MINT)
    assert running.stop() == 0
    when = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=days)
    return f"{when:%Y-%m-%d}"


def test_the_incognito_switch_shows_as_the_same_kinds_counted_by_day() -> None:
    visit = ("page_load_event_finish", {"url": page("before")})
    search = ("search", {"used_searchengine": "google", "search_word": "weather"})
    with Lab("test_promises_by_day") as lab:
        source, library = lab.directory / "clock.c", lab.directory / "clock.so"
        source.write_text(CLOCK)
        subprocess.run(["cc", "-shared", "-fPIC", "-o", str(library), str(source), "-ldl"], check=True)
        before = on_day(lab, library, -1, [visit, visit, search])
        after = on_day(lab, library, 0, [search])
        by_day = muzzle.stats(database(lab))["kind_days"]
        counts = {(one["day"], one["kind"]): one["events"] for one in by_day}
        told = [counts.get((day, kind), 0) for day in (before, after) for kind in ("visited-page", "search")]
        assert told == [2, 1, 0, 1], counts
        printed = muzzle.command("stats", "--db", str(database(lab))).stdout.splitlines()
        head = next(line for line in printed if line.startswith("Day") and "visited page" in line)
        rows = printed[printed.index(head) + 1 :][:2]
        assert [row.split()[0] for row in rows] == [before, after]
