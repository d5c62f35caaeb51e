"""Makes the synthetic Umeng requests of this folder, with Python's library and openssl."""

import hashlib, json, pathlib, subprocess, zlib

here = pathlib.Path(__file__).parent


def varint(n):
    out = b""
    while n > 127:
        out, n = out + bytes([n & 127 | 128]), n >> 7
    return out + bytes([n])


def binary(data):
    return varint(len(data)) + data


def envelope(fields):
    """A Thrift compact struct of text, bytes and i32, ids in a row from 1."""
    out = b""
    for value in fields:
        if isinstance(value, int):
            out += b"\x15" + varint(value << 1 if value >= 0 else (-value << 1) - 1)
        else:
            out += b"\x18" + binary(value if isinstance(value, bytes) else value.encode())
    return out + b"\0"


document = {
    "header": {"appkey": "5f0c1b2a3d4e5f6071829304", "package_name": "com.example.browser",
               "device_id": "352099001761481", "idmd5": "d41d8cd98f00b204e9800998ecf8427e",
               "mc": "00:1a:2b:3c:4d:5e", "oaid": "5fe1a2b3c4d5e6f7", "device_model": "Redmi Note 8",
               "os": "Android", "os_version": "11", "country": "CN", "language": "zh",
               "carrier": "China Mobile", "access": "wifi"},
    "analytics": {"sessions": [{"id": "S1", "start_time": 1795248000123, "duration": 60,
                                "pages": [{"page_name": "NewsActivity", "duration": 12}]}],
                  "ekv": [{"S1": [{"id": "search", "ts": 1795248001123, "keyword": "天气"}]}]},
    "push": {"token": "made-up"},
}
raw = json.dumps(document, ensure_ascii=False).encode()
signature = hashlib.sha256(b"made up").hexdigest()
guid = hashlib.md5(b"made up too").hexdigest()
serial, seconds = 7, 1795248002


def save(name, entity, codex, checksum=None):
    covered = f"{signature}{serial}{seconds}{len(raw)}{guid}"
    checksum = checksum or hashlib.md5(covered.encode()).hexdigest()
    body = envelope(["1.0", "5f0c1b2a3d4e5f6071829304", signature, serial, seconds, len(raw), entity,
                     guid, checksum, codex])
    head = "\r\n".join([
        "POST /unify_logs HTTP/1.1", "Host: ulogs.umeng.com", "Msg-Type: envelope/json",
        "Content-Type: ut/i", "X-Umeng-UTC: 1795248002000",
        "X-Umeng-Sdk: a/9.4.2 13.9.0/Android/Browser/Redmi Note 8/11 3F2A5B",
        f"Content-Length: {len(body)}", "", ""])
    (here / f"synthetic-{name}.http").write_bytes(head.encode() + body)


packed = zlib.compress(raw)
save("codex0", packed, 0)
compress = zlib.compressobj(wbits=-15)
save("codex0-raw-deflate-wrong-checksum", compress.compress(raw) + compress.flush(), 0, "00" * 16)
iv = bytes([10, 1, 11, 5, 4, 15, 7, 9, 23, 3, 1, 6, 8, 12, 13, 91]).hex()
key = bytes.fromhex(signature)[1:17].hex()
save("codex1", subprocess.run(["openssl", "enc", "-aes-128-cbc", "-K", key, "-iv", iv],
     input=packed, capture_output=True, check=True).stdout, 1)
