"""Makes the synthetic requests of this folder, with Python's library alone."""

import base64, gzip, json, pathlib, urllib.parse

here = pathlib.Path(__file__).parent


def save(name, target, headers, body):
    lines = [f"POST {target} HTTP/1.1", *(f"{k}: {v}" for k, v in headers.items())]
    head = "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""])
    (here / f"synthetic-{name}.http").write_bytes(head.encode() + body)


payload = {
    "H": {"imei": "352099001761481", "android_id": "9113946abd821d52", "model": "Mi 10",
          "miui": "V12", "region": "RU", "pkg": "com.miui.analytics"},
    "B": [
        {"H": {"event": "search", "e_ts": 1795248000123, "pkg": "com.android.browser"},
         "B": {"search_word": "погода >>>???~~~", "search_engine": "yandex"}},
        {"H": {"event": "open_folder", "e_ts": 1795248001123, "pkg": "com.miui.home"},
         "B": {"screen_name": "folder:Games", "installed_apps": ["com.example.a", "com.example.b"]}},
    ],
}
text = json.dumps(payload, ensure_ascii=False).encode()
fields = {"sign": "0d1c2b3a", "ts": "1795248002000", "nonce": "42"}
form = {"value": base64.urlsafe_b64encode(gzip.compress(text, mtime=0)).decode().rstrip("="), **fields}
host = {"Host": "tracking.miui.com"}
save("v1-gzip", "/track/v1?gzip=1", host, urllib.parse.urlencode(form).encode())
form["value"] = base64.urlsafe_b64encode(text).decode()
del form["sign"]
save("spock-plain-unsigned", "/track/spock", {"Host": "tracking.intl.miui.com", "gzip": "0"},
     urllib.parse.urlencode(form).encode())
