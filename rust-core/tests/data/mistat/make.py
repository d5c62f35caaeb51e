"""Makes the synthetic MiStat requests of this folder, with Python's library and openssl."""

import base64, hashlib, json, pathlib, subprocess, urllib.parse

here = pathlib.Path(__file__).parent


def save(name, target, fields):
    body = urllib.parse.urlencode(fields).encode()
    head = (f"POST {target} HTTP/1.1\r\nHost: data.mistat.xiaomi.com\r\n"
            f"Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n\r\n")
    (here / f"synthetic-{name}.http").write_bytes(head.encode() + body)


def signed(fields, end="mistats_sdkconfig_jafej!@#)(*e@!#"):
    text = "".join(name + fields[name] for name in sorted(fields)) + end
    return {**fields, "sign": hashlib.md5(text.encode()).hexdigest()}


def half(seed):
    return hashlib.md5(seed.encode()).hexdigest().upper()[:16].encode().hex()


app_id, app_key, device_id = "2882303761517369", "5651736998", "3b1f0f7f0a6d4c8fa7b4d1b6f0e3c9aa"
key = half(f"seed:{app_id}-{app_key}-{device_id}")
iv = half(f"seed:{device_id}-{app_key}-{app_id}")
clear = [
    {"startTS": 1795248000123, "endTS": 1795248060123, "content": [
        {"category": "mistat_basic", "values": [
            {"key": "mistat_pv", "type": "count", "value": 3, "params": {"page_name": "com.miui.player.MainActivity"}}]},
        {"category": "play", "values": [
            {"key": "song", "type": "event", "value": 1, "params": {"song_name": "Raga Yaman", "artist": "Ananya"}},
            {"key": "search", "type": "event", "value": 1, "params": {"query": "monsoon"}}]}]},
]
text = json.dumps(clear).encode()


def closed(*mode):
    run = subprocess.run(["openssl", "enc", *mode], input=text, capture_output=True, check=True)
    return run.stdout.hex()


common = {"app_id": app_id, "app_key": app_key, "device_id": device_id, "channel": "default",
          "policy": "0", "interval": "300", "version": "3.2.1"}
ecb = {**common, "mistatv": "3", "size": "3",
       "stat_value": closed("-aes-128-ecb", "-K", key), "network": "WIFI"}
cbc = {**common, "mistatv": "5", "size": "4", "channel": "Größe & 天",
       "stat_value": closed("-aes-128-cbc", "-K", key, "-iv", iv)}
save("v2-ecb", "/mistats/v2", signed(ecb))
save("v2-ecb-wrong-sign", "/mistats/v2", {**signed(ecb), "channel": "changed"})
save("v2-cbc", "/mistats/v2", signed(cbc))
save("v2-cbc-unsigned", "/mistats/v2", {**cbc, "size": "3"})
save("v3", "/mistats/v3", {"ai": app_id, "sv": "3.0.16", "sid": "a1b2c3",
     "p": base64.b64encode(hashlib.sha512(b"made up").digest()).decode()})
save("crash", "/micrash", {"device_uuid": "3b1f0f7f0a6d4c8fa7b4d1b6f0e3c9aa", "device_os": "Android 11",
     "device_model": "Redmi K20", "app_version": "13.9.0",
     "crash_exception_type": "java.lang.IllegalStateException",
     "crash_callstack": "java.lang.IllegalStateException: no page\n\tat com.example.A.b(A.java:7)\n"})
