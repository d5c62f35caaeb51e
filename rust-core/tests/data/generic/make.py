"""Makes the synthetic requests of this folder, of formats that nobody has, with Python's library."""

import base64, gzip, json, pathlib, struct, urllib.parse, zlib

here = pathlib.Path(__file__).parent


def save(name, line, body=b"", headers=()):
    size = [f"Content-Length: {len(body)}"] if body else []
    head = "\r\n".join([f"{line} HTTP/1.1", "Host: collect.example.com", *headers, *size, "", ""])
    (here / f"synthetic-{name}.http").write_bytes(head.encode() + body)


def varint(n):
    out = b""
    while n > 127:
        out, n = out + bytes([n & 127 | 128]), n >> 7
    return out + bytes([n])


def field(number, value):
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


utdid = base64.b64encode(struct.pack(">iiBBii", 1600000000, 0x1234567, 3, 0, 0x7BEEF00, 0x1EA7BEE)).decode()
message = {"device": {"imei": "352099001761481", "utdid": utdid, "model": "Mi 10"},
           "visits": [{"url": "https://example.org/a?b=c", "ts": 1795248000123}]}
text = json.dumps(message).encode()
form = {"v": "2", "payload": base64.b64encode(gzip.compress(text, mtime=0)).decode()}
save("form-base64-gzip-json", "POST /c", urllib.parse.urlencode(form).encode())
nested = {"outer": json.dumps({"inner": base64.urlsafe_b64encode(zlib.compress(text)).decode()})}
save("json-json-base64url-zlib-json", "POST /c", json.dumps(nested).encode())
proto = field(1, 1795248000) + field(2, field(1, b"asha@example.org") + field(3, b"https://example.org/x")) \
    + field(4, gzip.compress(text, mtime=0)) + b"\x2d\x01\0\0\0"
save("protobuf", "POST /c", proto, ["Content-Type: application/x-protobuf"])
save("query", "GET /p.gif?" + urllib.parse.urlencode({"u": "https://example.org/read", "d": text.decode()}))
parts = b"--xyz\r\nContent-Disposition: form-data; name=\"meta\"\r\n\r\n" + text + b"\r\n--xyz--\r\n"
save("multipart", "POST /c", parts, ["Content-Type: multipart/form-data; boundary=xyz"])
