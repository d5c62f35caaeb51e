"""Makes the synthetic OneTrack requests of this folder, with Python's library and openssl.

The key of an upload is known to the app and the server alone; the one here is made up, so that its
bytes decrypt to nothing for anybody.
"""

import base64, gzip, hashlib, json, pathlib, subprocess, urllib.parse

here = pathlib.Path(__file__).parent


def save(name, target, headers, body):
    lines = [f"POST {target} HTTP/1.1", *(f"{k}: {v}" for k, v in headers.items())]
    head = "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""])
    (here / f"synthetic-{name}.http").write_bytes(head.encode() + body)


def event(name, body, **head):
    common = {
        "event": name, "imei": "d41d8cd98f00b204e9800998ecf8427e", "oaid": "5fe1a2b3c4d5e6f7",
        "gaid": "38400000-8cf0-11bd-b23e-10b96e40000d", "android_id": "9113946abd821d52",
        "instance_id": "2f8b0c6e-7d1a-4e55-9f3c-0a1b2c3d4e5f", "mfrs": "Xiaomi",
        "model": "Redmi Note 8", "platform": "Android", "miui": "V12.5", "build": "RKQ1.201004",
        "os_ver": "11", "app_id": "31000000123", "app_ver": "13.9.0", "pkg": "com.mi.globalbrowser",
        "channel": "default", "e_ts": 1795248000123, "tz": "GMT+05:30", "net": "WIFI",
        "region": "IN", "sdk_ver": "2.0.5", "uid": "1234567890", "uid_type": "xiaomi",
    }
    return {"H": {**common, **head}, "B": body}


events = [
    event("onetrack_dau", {"first_open": True, "stat": {"launch": 1}}),
    event("onetrack_pa", {"type": 0, "path": "com.android.browser.BrowserActivity", "duration": 812}),
    event("view", {"url": "https://example.org/news?id=7", "title": "Example"}),
    event("ot_login", {"from": "settings"}),
    event("search", {"search_word": "monsoon", "n": 1.50}),
]
clear = json.dumps(events, separators=(",", ":")).encode()
closed = subprocess.run(
    ["openssl", "enc", "-aes-128-ecb", "-K", "000102030405060708090a0b0c0d0e0f"],
    input=gzip.compress(clear, mtime=0), capture_output=True, check=True).stdout
save("android-v4", "/track/v4", {
    "Host": "tracking.intl.miui.com", "Content-Type": "application/octet-stream",
    "OT_SID": "a1b2c3d4e5f6", "OT_ts": "1795248000456", "OT_net": "WIFI",
    "OT_sender": "com.miui.home", "OT_protocol": "3.0"}, closed)
wrapped = b"".join(hashlib.sha256(bytes([n])).digest() for n in range(4))
form = urllib.parse.urlencode({"secretKey": base64.b64encode(wrapped).decode()})
save("key-get", "/track/key_get", {
    "Host": "tracking.intl.miui.com", "Content-Type": "application/x-www-form-urlencoded"},
    form.encode())
plain = {"app_id": "31000000456", "instance_id": "6fd7f6de-9d5f-4c53-8d53-6a8e2f7bb10c",
         "instance_id_type": "uuid", "uid": "1234567890", "uid_type": "xiaomi"}
body = [
    {"H": {"event": "page_view", **plain, "e_ts": 1795248000123}, "B": {"page_url": "https://example.org/a", "n": [1, {"x": None}]}},
    {"H": {"event": "music_play", **plain, "e_ts": 1795248001000}, "B": {"song_name": "Raga", "artist": "Añanya"}},
]
save("plain-v4-o", "/track/v4/o", {"Host": "tracking.miui.com", "Content-Type": "application/json"},
     json.dumps(body, ensure_ascii=False).encode())
project = "/v1/projects/xiaomiaccount/topics/account-global:publish"


def publish(name, *messages):
    messages = [{"attributes": a, "data": base64.b64encode(data).decode()} for a, data in messages]
    save(name, project, {"Host": "pubsub.googleapis.com", "Content-Type": "application/json"},
         json.dumps({"messages": messages}).encode())


place = {"region": "IN", "area": "global", "pub_sid": "account"}
one, two = (json.dumps(event).encode() for event in (events[2], events[4]))
publish("pubsub-open", ({**place, "pub_gzipencrypt": "false"}, one),
        ({**place, "pub_gzipencrypt": "false"}, gzip.compress(two, mtime=0)))
publish("pubsub-closed", ({**place, "pub_gzipencrypt": "true"}, closed))
save("plain-builtin-events", "/track/v4/o", {"Host": "tracking.miui.com"}, clear)
